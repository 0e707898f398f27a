package admin_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/ports"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/localtest"
	"entrasync/shared/local/secretfile"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// kept returns the secrets of an organization.
func (f *fixture) kept(id directory.OrganizationID) (key string, tokens []string) {
	f.t.Helper()
	credential, err := f.secrets.JumpCloud(f.t.Context(), id)
	if err != nil {
		f.t.Error(err)
	}
	tokens, err = f.secrets.WebhookTokens(f.t.Context(), id)
	if err != nil {
		f.t.Error(err)
	}
	return credential.APIKey, tokens
}

// secretStores are the stores of the product: Secrets Manager, and a file.
var secretStores = map[string]func(*testing.T, *store.Store) secret.Store{
	"Secrets Manager": func(t *testing.T, records *store.Store) secret.Store {
		return ports.Secrets(awstest.Moto(t), awstest.Name("stack"), records)
	},
	"a file": func(t *testing.T, _ *store.Store) secret.Store {
		s, err := secretfile.Open(filepath.Join(localtest.Folder(t), "secrets.json"), secretfile.Environment{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
}

// meanwhile is a JumpCloud that accepts every key. It calls a function while it checks
// a key.
type meanwhile struct{ happens func() }

func (m meanwhile) CheckKey(context.Context, directory.Organization, secret.JumpCloud) (string, time.Time, error) {
	m.happens()
	return "Example", time.Time{}, nil
}

// on gives the API another secret store, and a function that is called while a key is
// checked.
func (f *fixture) on(secrets secret.Store, happens func()) {
	api := f.api
	api.Secrets, api.Clients = secrets, parts{Clients: f.outside, Tenants: f.outside, Organizations: meanwhile{happens}}
	f.serve(api)
}

// patch changes the organization and fails the test if that is refused.
func (f *fixture) patch(body string) {
	f.t.Helper()
	if status, answer := f.call("PATCH", "/v1/organizations/"+organization, body); status != 200 {
		f.t.Errorf("PATCH %s: %d %v, want 200", body, status, answer)
	}
}

// pair returns a body with two tokens.
func pair(letter string) string {
	return fmt.Sprintf(`{"webhookTokens":["token-%[1]s-1-0123456789","token-%[1]s-2-0123456789"]}`, letter)
}

// A key and tokens that are replaced at the same moment are both stored.
func TestTwoPatchesDoNotOverwriteEachOther(t *testing.T) {
	for name, open := range secretStores {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			secrets := open(t, f.records)
			f.on(secrets, func() {})
			f.patch(`{"apiKey":"key-before"}`)
			f.patch(pair("before"))
			f.on(secrets, func() { f.patch(pair("after")) })
			f.patch(`{"apiKey":"key-after"}`)
			key, errKey := secrets.JumpCloud(t.Context(), organization)
			tokens, errTokens := secrets.WebhookTokens(t.Context(), organization)
			if errKey != nil || errTokens != nil || key.APIKey != "key-after" || len(tokens) != 2 || tokens[0] != "token-after-1-0123456789" {
				t.Errorf("the key is %s, the tokens %v; %v, %v, want no errKey, no errTokens, key \"key-after\", 2 tokens, tokens \"token-after-1-0123456789\"", key, tokens, errKey, errTokens)
			}
		})
	}
}

// Of many requests at once, the secrets of the last one are stored completely, and
// every request succeeds.
func TestManyPatchesAtOnce(t *testing.T) {
	for name, open := range secretStores {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			secrets := open(t, f.records)
			f.on(secrets, func() {})
			letters := []string{"a", "b", "c", "d", "e", "f"}
			var all sync.WaitGroup
			for _, letter := range letters {
				all.Go(func() { f.patch(`{"apiKey":"key-` + letter + `"}`) })
				all.Go(func() { f.patch(pair(letter)) })
			}
			all.Wait()
			key, err := secrets.JumpCloud(t.Context(), organization)
			if err != nil || !slices.Contains(letters, strings.TrimPrefix(key.APIKey, "key-")) {
				t.Errorf("the key is %q (%v)", key, err)
			}
			tokens, err := secrets.WebhookTokens(t.Context(), organization)
			if err != nil || len(tokens) != 2 || strings.Split(tokens[0], "-")[1] != strings.Split(tokens[1], "-")[1] {
				t.Errorf("the tokens are %v (%v)", tokens, err)
			}
		})
	}
}

// halfBroken is a store that fails to store tokens.
type halfBroken struct{ secret.Store }

func (halfBroken) PutWebhookTokens(context.Context, directory.OrganizationID, []string) error {
	return fault.New(fault.Conflict, "test", "the secret is scheduled for deletion")
}

// If a request replaces both and only one can be stored, the answer says which.
func TestWhatCouldNotBeKeptIsSaid(t *testing.T) {
	f := newFixture(t)
	f.on(halfBroken{f.secrets}, func() {})
	status, answer := f.call("PATCH", "/v1/organizations/"+organization, `{"apiKey":"key","webhookTokens":["token-0123456789"]}`)
	if said := fmt.Sprint(answer); status != 409 || !strings.Contains(said, "the webhook tokens could not be kept, the API key could: the secret is scheduled for deletion") || !strings.Contains(said, "body.webhookTokens") {
		t.Errorf("%d %s, want 409, the text \"the webhook tokens could not be kept, the API key could: the secret is scheduled for deletion\", the text \"body.webhookTokens\"", status, said)
	}
	status, answer = f.call("POST", "/v1/organizations", `{"id":"5f0c1e2d3a4b5c6d7e8f0002","apiKey":"key"}`)
	if said := fmt.Sprint(answer); status != 409 || !strings.Contains(said, "the organization is kept, but the webhook tokens could not be kept") {
		t.Errorf("%d %s, want 409, the text \"the organization is kept, but the webhook tokens could not be kept\"", status, said)
	}
}
