package secrets_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/aws/secrets"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// shelf is a Secrets Manager in memory that holds some secrets and notes which
// were asked for.
type shelf struct {
	mu    sync.Mutex
	holds map[string]string
	asked []string
}

// Do implements aws.HTTPClient.
func (s *shelf) Do(r *http.Request) (*http.Response, error) {
	var in struct {
		Name string `json:"SecretId"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, in.Name)
	status, body := http.StatusBadRequest, map[string]string{"__type": "ResourceNotFoundException"}
	if value, known := s.holds[in.Name]; known {
		status, body = http.StatusOK, map[string]string{"SecretString": value}
	}
	text, err := json.Marshal(body)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, err
}

func (s *shelf) put(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds[name] = value
}

// calls is how many requests came since the last call.
func (s *shelf) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.asked)
	s.asked = nil
	return n
}

// tokens reads from a shelf that holds the tokens of the organization.
func tokens() (*secrets.Tokens, *shelf) {
	s := &shelf{holds: map[string]string{"stack/webhook-tokens/" + string(organization): `{"webhookTokens":["one"]}`}}
	return secrets.NewTokens(clientOf(s), "stack"), s
}

// The role of the webhook lets it read nothing but tokens, so it asks for nothing
// else, whatever comes.
func TestTheWebhookAsksForTokensOnly(t *testing.T) {
	reader, s := tokens()
	for _, id := range []directory.OrganizationID{organization, "5f0c1e2d3a4b5c6d7e8f0000", "../admin-token", "x", ""} {
		_, _ = reader.WebhookTokens(t.Context(), id)
		_, _ = reader.WebhookTokens(secret.Fresh(t.Context()), id)
	}
	if len(s.asked) == 0 {
		t.Error("nothing was asked for")
	}
	for _, name := range s.asked {
		if !strings.HasPrefix(name, "stack/webhook-tokens/") {
			t.Errorf("asked for %s", name)
		}
	}
}

// Who asks for an organization that does not exist, as often as he likes, costs a
// request each half a minute; one that is added meanwhile is known after it.
func TestAnUnknownOrganizationIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stranger = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f0000")
		reader, s := tokens()
		for range 3 {
			for range 299 {
				if _, err := reader.WebhookTokens(secret.Fresh(t.Context()), stranger); !fault.Is(err, fault.NotFound) {
					t.Fatalf("%v", err)
				}
				time.Sleep(100 * time.Millisecond)
			}
			if n := s.calls(); n != 1 {
				t.Errorf("%d requests in half a minute, want 1", n)
			}
			time.Sleep(100 * time.Millisecond)
		}
		s.put("stack/webhook-tokens/"+string(stranger), `{"webhookTokens":["new"]}`)
		if got, err := reader.WebhookTokens(t.Context(), stranger); err != nil || !slices.Equal(got, []string{"new"}) {
			t.Errorf("an organization that was added: %v (%v)", got, err)
		}
	})
}

// Who makes up many organizations costs a few requests, and those that are known
// do not suffer. Ids of another form cost nothing.
func TestManyUnknownOrganizations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, s := tokens()
		if _, err := reader.WebhookTokens(t.Context(), organization); err != nil {
			t.Fatal(err)
		}
		s.calls()
		for i := range 10_000 {
			if _, err := reader.WebhookTokens(t.Context(), directory.OrganizationID(fmt.Sprint("made-up-", i))); !fault.Is(err, fault.NotFound) {
				t.Fatalf("%v", err)
			}
		}
		if n := s.calls(); n != 0 {
			t.Errorf("%d requests for ids that cannot be one", n)
		}
		for i := range 6000 { // for a minute
			_, err := reader.WebhookTokens(t.Context(), directory.OrganizationID(fmt.Sprintf("%024x", i)))
			if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Throttled) {
				t.Fatalf("%v", err)
			}
			if _, err := reader.WebhookTokens(t.Context(), organization); err != nil {
				t.Fatalf("the organization that is served: %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := s.calls(); n < 2 || n > 150 {
			t.Errorf("%d requests for 6,000 unknown organizations in a minute", n)
		}
		// One that is there and that this process has not met is not answered as if
		// it were not: whoever calls may come again.
		fresh := "5f0c1e2d3a4b5c6d7e8f1111"
		s.put("stack/webhook-tokens/"+fresh, `{"webhookTokens":["new"]}`)
		for i := range 100 {
			_, _ = reader.WebhookTokens(t.Context(), directory.OrganizationID(fmt.Sprintf("%023xf", i)))
		}
		if _, err := reader.WebhookTokens(t.Context(), directory.OrganizationID(fresh)); !fault.Is(err, fault.Throttled) {
			t.Errorf("in the middle of it: %v", err)
		}
		time.Sleep(30 * time.Second)
		if _, err := reader.WebhookTokens(t.Context(), directory.OrganizationID(fresh)); err != nil {
			t.Errorf("after it: %v", err)
		}
	})
}

// Wrong tokens cost a request each ten seconds, however many come, and a token that
// was replaced is known within that time.
func TestWrongTokensCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, s := tokens()
		for range 599 { // for a minute
			if got, err := reader.WebhookTokens(secret.Fresh(t.Context()), organization); err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := s.calls(); n != 6 {
			t.Errorf("%d requests in a minute, want 6", n)
		}
		s.put("stack/webhook-tokens/"+string(organization), `{"webhookTokens":["two","one"]}`)
		replaced := time.Now()
		for {
			got, err := reader.WebhookTokens(secret.Fresh(t.Context()), organization)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(got, "two") {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(replaced); took > 10*time.Second {
			t.Errorf("the new token is known after %s", took)
		}
		// Where nobody presented a wrong one before, at once.
		time.Sleep(time.Minute)
		s.put("stack/webhook-tokens/"+string(organization), `{"webhookTokens":["three"]}`)
		if got, err := reader.WebhookTokens(secret.Fresh(t.Context()), organization); err != nil || !slices.Contains(got, "three") {
			t.Errorf("%v (%v)", got, err)
		}
	})
}
