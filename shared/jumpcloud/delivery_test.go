package jumpcloud_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

func TestTestWebhook(t *testing.T) {
	for status, message := range map[int]string{202: "Accepted", 200: "OK", 401: "Unauthorized", 503: "Service Unavailable", 302: "Found"} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			_, client := simulator(t)
			url, got := receiver(t, status)
			state := setUp(t, client, jumpcloud.WebhookSetup{URL: url, Token: webhookToken})
			result, err := client.TestWebhook(t.Context(), state.Channel.ID)
			if want := (jumpcloud.TestResult{StatusCode: status, Message: message}); err != nil || result != want || result.Delivered() != (status < 300) {
				t.Errorf("%+v, %v, want %+v", result, err, want)
			}
			arrived := next(t, got)
			if parsed, err := jumpcloud.ParseBody(arrived.body); err != nil || parsed.Count(jumpcloud.Test) != 1 || arrived.authorization != "Bearer "+webhookToken {
				t.Errorf("%q %s, %v, want the test notification with the token", arrived.authorization, arrived.body, err)
			}
		})
	}
}

func TestTestWebhookOfAReceiverThatIsDown(t *testing.T) {
	_, client := simulator(t)
	state := setUp(t, client, setup) // nobody listens on port 1
	result, err := client.TestWebhook(t.Context(), state.Channel.ID)
	if err != nil || result.StatusCode != 0 || result.Message == "" || result.Delivered() {
		t.Errorf("%+v, %v, want the status 0 and a message", result, err)
	}
}

// JumpCloud answers only after it gave the receiver up, which takes longer than any
// other of its answers.
func TestTestWebhookOfAReceiverThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		hook := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			calls++
			<-r.Context().Done()
		})
		sim, err := jumpcloudtest.New(jumpcloudtest.Config{APIKey: apiKey, Client: &http.Client{Transport: jumpcloudtest.Transport(hook)}})
		if err != nil {
			t.Fatal(err)
		}
		client := jumpcloud.NewClient(jumpcloud.Config{APIURL: "http://sim/api", APIKey: apiKey,
			HTTP: &http.Client{Transport: jumpcloudtest.Transport(sim), Timeout: time.Second}})
		state := setUp(t, client, setup)
		start := time.Now()
		result, err := client.TestWebhook(t.Context(), state.Channel.ID)
		if err != nil || result.StatusCode != 0 || result.Message == "" || calls != 1 || time.Since(start) != 10*time.Second {
			t.Errorf("%+v, %v after %v and %d calls, want the status 0 with a message after 10s and one call", result, err, time.Since(start), calls)
		}
		sim.Close()
	})
}

func TestTestWebhookIsSentOnce(t *testing.T) {
	sim, client := simulator(t)
	url, got := receiver(t, http.StatusAccepted)
	state := setUp(t, client, jumpcloud.WebhookSetup{URL: url, Token: webhookToken})
	sim.FailNext(jumpcloudtest.Fault{Method: http.MethodPost, PathContains: "/webhook/test", AfterChange: true, Status: http.StatusBadGateway})
	if result, err := client.TestWebhook(t.Context(), state.Channel.ID); !fault.Is(err, fault.Transient) || len(got) != 1 {
		t.Errorf("%+v, %v; %d notifications; want a transient fault and one notification", result, err, len(got))
	}
}

func TestTestWebhookWithoutAChannel(t *testing.T) {
	sim, client := simulator(t)
	mails, err := sim.AddChannel(jumpcloudtest.Fields{"name": "mails", "type": "CHANNEL_TYPE_EMAIL"})
	if err != nil {
		t.Fatal(err)
	}
	for id, kind := range map[string]fault.Kind{"": fault.NotFound, "..": fault.NotFound, "64a1b2c3d4e5f60718293a4b": fault.NotFound, mails: fault.Invalid} {
		if result, err := client.TestWebhook(t.Context(), id); !fault.Is(err, kind) {
			t.Errorf("%q: %+v, %v; want %s", id, result, err, kind)
		}
	}
}

// The organization is taken from the channel if the client has none, and every readable
// field of the channel is sent.
func TestTestWebhookRequest(t *testing.T) {
	sim, client := simulator(t)
	state := setUp(t, client, setup)
	var sent jumpcloudtest.Fields
	handler := tampered(sim, func(r *http.Request, body, answered jumpcloudtest.Fields) {
		if r.Method == http.MethodPost {
			sent = body
			for name := range answered {
				delete(answered, name)
			}
			answered["statusCode"] = "401"
			answered["responseMessage"] = "no: Authorization: bearer " + webhookToken + strings.Repeat("é", 300)
		}
	})
	client = jumpcloud.NewClient(jumpcloud.Config{APIURL: "http://sim/api", APIKey: apiKey, HTTP: &http.Client{Transport: jumpcloudtest.Transport(handler)}})
	result, err := client.TestWebhook(t.Context(), state.Channel.ID)
	if err != nil || result.StatusCode != 401 || strings.Contains(result.Message, webhookToken) || len(result.Message) > 300 ||
		!strings.HasPrefix(result.Message, "no: Authorization: bearer [redacted]") {
		t.Errorf("%+v, %v, want 401 and a message without the token", result, err)
	}
	want := jumpcloudtest.Fields{"organizationObjectId": jumpcloudtest.DefaultOrganizationID, "postSave": map[string]any{
		"objectId": state.Channel.ID, "url": webhookURL, "authType": "WEBHOOK_AUTH_TYPE_BEARER", "sslVerification": true}}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestWebhookHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []int{202, 400, 503, 202, 202} // the third is tried again
		hook := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			status := answers[0]
			answers = answers[1:]
			w.WriteHeader(status)
		})
		sim, err := jumpcloudtest.New(jumpcloudtest.Config{APIKey: apiKey, Client: &http.Client{Transport: jumpcloudtest.Transport(hook)}})
		if err != nil {
			t.Fatal(err)
		}
		client := clientOf(sim)
		state := setUp(t, client, setup)
		health, err := client.WebhookHealth(t.Context(), state.Channel.ID)
		if want := (jumpcloud.WebhookHealth{Enabled: true}); err != nil || health != want {
			t.Errorf("before: %+v, %v, want %+v", health, err, want)
		}
		var last time.Time
		for i := range 4 {
			addUser(t, sim, fmt.Sprint("user", i), nil)
			synctest.Wait()
			if i == 2 {
				time.Sleep(2 * time.Second)
				synctest.Wait()
			}
			last = time.Now().UTC()
			time.Sleep(time.Second)
		}
		want := jumpcloud.WebhookHealth{Enabled: true, LastStatus: 202, LastTime: last, SuccessPercentage: 60, TotalRequests: 5}
		if health, err = client.WebhookHealth(t.Context(), state.Channel.ID); err != nil || health != want {
			t.Errorf("after: %+v, %v; want %+v", health, err, want)
		}
		change(t, sim, channelsPath, state.Channel.ID, "channel", jumpcloudtest.Fields{"enabled": false})
		if health, err = client.WebhookHealth(t.Context(), state.Channel.ID); err != nil || health.Enabled || health.TotalRequests != 5 {
			t.Errorf("disabled: %+v, %v, want disabled after 5 requests", health, err)
		}
		if _, err = client.WebhookHealth(t.Context(), "64a1b2c3d4e5f60718293a4b"); !fault.Is(err, fault.NotFound) {
			t.Errorf("no channel: %v, want a fault of kind NotFound", err)
		}
		sim.Close()
	})
}

func TestWebhookHealthIsDecodedLiberally(t *testing.T) {
	for row, want := range map[string]jumpcloud.WebhookHealth{
		`"enabled":true,"lastResponseStatusCode":"503","lastResponseTimeStamp":"2026-03-02T09:14:07.5Z","successPercentage":"99","totalRequests":"1200"`: {
			Enabled: true, LastStatus: 503, LastTime: time.Date(2026, 3, 2, 9, 14, 7, 5e8, time.UTC), SuccessPercentage: 99, TotalRequests: 1200},
		`"successPercentage":99.9,"lastResponseTimeStamp":"0001-01-01T00:00:00Z"`:                                                  {SuccessPercentage: 99},
		`"enabled":null,"lastResponseStatusCode":{},"lastResponseTimeStamp":null,"successPercentage":"NaN","totalRequests":"many"`: {},
		`"totalRequests":1e300`: {TotalRequests: 1<<31 - 1},
	} {
		client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"channels":[null,{"objectId":"1"},{"objectId":"2",%s}],"count":"2"}`, row)
		}))
		if got, err := client.WebhookHealth(t.Context(), "2"); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", row, got, err, want)
		}
	}
}
