package sesmail_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	netmail "net/mail"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/sesmail"
	"entrasync/shared/fault"
	"entrasync/shared/mail"
	"entrasync/shared/mail/mailtest"
)

// open makes a sender that uses a client.
func open(t *testing.T, client *sesv2.Client) *sesmail.Sender {
	t.Helper()
	s, err := sesmail.New(client, mailtest.From)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stored is a mail as the server lists it.
type stored struct {
	From        string `json:"from"`
	Subject     string `json:"subject"`
	Destination struct {
		To, CC, BCC []string
	} `json:"destination"`
	Body struct {
		Text, HTML string
	} `json:"body"`
}

// received returns the mails to an address, from the server's own list.
func received(t *testing.T, server, to string) (got []mailtest.Received) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+"/store", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var list struct {
		Emails []stored `json:"emails"`
	}
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	for _, each := range list.Emails {
		from, err := netmail.ParseAddress(each.From)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.Join(each.Destination.To, ","), to) {
			got = append(got, mailtest.Received{
				From: from.Address, FromName: from.Name, To: strings.Join(each.Destination.To, ","), Subject: each.Subject,
				Text: strings.TrimSpace(each.Body.Text), HTML: strings.TrimSpace(each.Body.HTML),
				Others: strings.Join(append(each.Destination.CC, each.Destination.BCC...), ","),
			})
		}
	}
	return got
}

func TestSender(t *testing.T) {
	client := awstest.SES(t)
	mailtest.TestSender(t, open(t, client), func(t *testing.T, to string) []mailtest.Received {
		return received(t, *client.Options().BaseEndpoint, to)
	})
}

// service refuses every mail to a recipient whose address begins with the code, and
// records the requests.
type service struct{ requests []string }

// Do implements aws.HTTPClient.
func (s *service) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.requests = append(s.requests, string(body))
	var sent struct {
		Destination struct{ ToAddresses []string }
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return nil, err
	}
	code, _, _ := strings.Cut(sent.Destination.ToAddresses[0], "@")
	answer := &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"X-Amzn-Errortype": {code}}, Body: io.NopCloser(strings.NewReader(`{"message":"no"}`)), Request: r}
	switch code {
	case "ann":
		answer.StatusCode, answer.Body = http.StatusOK, io.NopCloser(strings.NewReader(`{"MessageId":"m"}`))
	case "InternalServiceErrorException":
		answer.StatusCode = http.StatusInternalServerError
	case "network":
		return nil, errors.New("connection refused")
	}
	return answer, nil
}

func (s *service) sender(t *testing.T) *sesmail.Sender {
	config := awstest.Config("http://ses.invalid")
	config.HTTPClient = s
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return open(t, sesv2.NewFromConfig(config))
}

func TestRefusals(t *testing.T) {
	for code, want := range map[string]struct {
		kind    fault.Kind
		message string // a part of it
	}{
		"MessageRejected":                    {fault.Invalid, "verify entrasync@example.com or its domain"},
		"MailFromDomainNotVerifiedException": {fault.Invalid, "MX record"},
		"AccountSuspendedException":          {fault.Invalid, "account dashboard"},
		"SendingPausedException":             {fault.Invalid, "resume it"},
		"NotFoundException":                  {fault.Invalid, "configuration set"},
		"BadRequestException":                {fault.Invalid, "BadRequestException@example.com"},
		"TooManyRequestsException":           {fault.Throttled, "limit"},
		"LimitExceededException":             {fault.Throttled, "limit"},
		"ThrottlingException":                {fault.Throttled, ""},
		"AccessDeniedException":              {fault.Invalid, "sandbox"},
		"InternalServiceErrorException":      {fault.Transient, ""},
		"network":                            {fault.Transient, ""},
	} {
		to := code + "@example.com"
		err := fault.Of(new(service).sender(t).Send(t.Context(), mail.Message{To: []string{to}, Subject: "a", Text: "a"}))
		if err == nil || err.Kind != want.kind || err.Subject != to || !strings.Contains(err.Message, want.message) {
			t.Errorf("%s: got %v, want kind %s about %s that says %q", code, err, want.kind, to, want.message)
		}
	}
}

// One address that is refused takes nothing from the others, and a failure that ends by
// itself decides the kind.
func TestTheOthersGetTheirs(t *testing.T) {
	s := &service{}
	err := fault.Of(s.sender(t).Send(t.Context(), mail.Message{Subject: "a", Text: "a", To: []string{
		"MessageRejected@example.com", "TooManyRequestsException@example.com", "no address", "ann@example.com"}}))
	want := `"no address", MessageRejected@example.com, TooManyRequestsException@example.com`
	if len(s.requests) != 3 || err == nil || err.Kind != fault.Throttled || err.Subject != want {
		t.Errorf("got %d requests and %v, want 3 and kind %s about %s", len(s.requests), err, fault.Throttled, want)
	}
}

func TestASenderNeedsAnAddress(t *testing.T) {
	if _, err := sesmail.New(nil, "nobody"); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v, want kind %s", err, fault.Invalid)
	}
}

// A stack without a sender's address says what to set.
func TestOff(t *testing.T) {
	err := fault.Of(sesmail.Off{}.Send(t.Context(), mail.Message{To: []string{"ann@example.com"}, Subject: "a", Text: "a"}))
	if err == nil || err.Kind != fault.Invalid || !strings.Contains(err.Message, "MailFrom") {
		t.Errorf("got %v, want kind %s that names MailFrom", err, fault.Invalid)
	}
}
