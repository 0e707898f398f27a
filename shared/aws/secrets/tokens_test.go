package secrets_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/aws/secrets"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// tokens reads from a shelf with the tokens of the organization.
func tokens() (*secrets.Tokens, *shelf) {
	s := newShelf()
	s.put(tokensOf(organization), `{"webhookTokens":["one"]}`)
	return secrets.NewTokens(s.client(), "stack"), s
}

// tokensOf is the name of the secret with an organization's tokens.
func tokensOf(id directory.OrganizationID) string { return "stack/webhook-tokens/" + string(id) }

// The role of the webhook may read only tokens, so the webhook reads nothing else,
// whatever the request.
func TestTheWebhookReadsTokensOnly(t *testing.T) {
	reader, s := tokens()
	for _, id := range []directory.OrganizationID{organization, "5f0c1e2d3a4b5c6d7e8f0000", "../admin-token", "x", ""} {
		_, _ = reader.WebhookTokens(t.Context(), id)
		_, _ = reader.WebhookTokens(secret.Fresh(t.Context()), id)
	}
	if len(s.reads) == 0 {
		t.Error("got no reads, want some")
	}
	for _, name := range s.reads {
		if !strings.HasPrefix(name, "stack/webhook-tokens/") {
			t.Errorf("read %s, want only names below stack/webhook-tokens/", name)
		}
	}
}

// However often an organization that does not exist is requested, Secrets Manager gets
// one request each half minute. An organization that is added is known after that time.
func TestAnUnknownOrganizationIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stranger = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f0000")
		reader, s := tokens()
		for range 3 {
			for range 299 {
				if _, err := reader.WebhookTokens(secret.Fresh(t.Context()), stranger); !fault.Is(err, fault.NotFound) {
					t.Fatalf("got %v, want kind %s", err, fault.NotFound)
				}
				time.Sleep(100 * time.Millisecond)
			}
			if n := s.calls(); n != 1 {
				t.Errorf("%d requests in half a minute, want 1", n)
			}
			time.Sleep(100 * time.Millisecond)
		}
		s.put(tokensOf(stranger), `{"webhookTokens":["new"]}`)
		if got, err := reader.WebhookTokens(t.Context(), stranger); err != nil || !slices.Equal(got, []string{"new"}) {
			t.Errorf("an organization that was added: got %v (%v), want [new]", got, err)
		}
	})
}

// Many made-up organizations cause few requests, and known organizations do not suffer.
// Ids of another form cause none.
func TestManyUnknownOrganizations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, s := tokens()
		if _, err := reader.WebhookTokens(t.Context(), organization); err != nil {
			t.Fatal(err)
		}
		s.calls()
		for i := range 10_000 {
			if _, err := reader.WebhookTokens(t.Context(), directory.OrganizationID(fmt.Sprint("made-up-", i))); !fault.Is(err, fault.NotFound) {
				t.Fatalf("got %v, want kind %s", err, fault.NotFound)
			}
		}
		if n := s.calls(); n != 0 {
			t.Errorf("%d requests for invalid ids, want none", n)
		}
		for i := range 6000 { // for a minute
			_, err := reader.WebhookTokens(t.Context(), directory.OrganizationID(fmt.Sprintf("%024x", i)))
			if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Throttled) {
				t.Fatalf("got %v, want kind %s or %s", err, fault.NotFound, fault.Throttled)
			}
			if _, err := reader.WebhookTokens(t.Context(), organization); err != nil {
				t.Fatalf("the organization that is served: got %v, want no error", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := s.calls(); n < 2 || n > 150 { // 50 each half minute, and the list
			t.Errorf("%d requests for 6,000 unknown organizations in a minute, want 2 to 150", n)
		}
		// An organization that exists, is on no list and is new to this process is throttled,
		// not refused: the caller may try again.
		fresh := directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f1111")
		s.put(tokensOf(fresh), `{"webhookTokens":["new"]}`)
		for i := range 100 {
			_, _ = reader.WebhookTokens(t.Context(), directory.OrganizationID(fmt.Sprintf("%023xf", i)))
		}
		if _, err := reader.WebhookTokens(t.Context(), fresh); !fault.Is(err, fault.Throttled) || fault.Of(err).Reason != secret.TooManyUnknown {
			t.Errorf("during the attack: got %v, want kind %s, reason %s", err, fault.Throttled, secret.TooManyUnknown)
		}
		time.Sleep(30 * time.Second)
		if _, err := reader.WebhookTokens(t.Context(), fresh); err != nil {
			t.Errorf("after the attack: got %v, want no error", err)
		}
	})
}

// However many wrong tokens come, they cause one request every ten seconds. A new token
// is known within that time.
func TestWrongTokensCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, s := tokens()
		for range 599 { // for a minute
			if got, err := reader.WebhookTokens(secret.Fresh(t.Context()), organization); err != nil || len(got) != 1 {
				t.Fatalf("got %v, %v, want one token", got, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := s.calls(); n != 6 {
			t.Errorf("%d requests in a minute, want 6", n)
		}
		s.put(tokensOf(organization), `{"webhookTokens":["two","one"]}`)
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
			t.Errorf("the new token is known after %s, want at most 10s", took)
		}
		// Without wrong tokens before, it is known at once.
		time.Sleep(time.Minute)
		s.put(tokensOf(organization), `{"webhookTokens":["three"]}`)
		if got, err := reader.WebhookTokens(secret.Fresh(t.Context()), organization); err != nil || !slices.Contains(got, "three") {
			t.Errorf("got %v (%v), want [three]", got, err)
		}
	})
}
