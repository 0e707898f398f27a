// Package secrettest is the conformance suite of the secret port.
package secrettest

import (
	"slices"
	"sync"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// Known has the secrets that an opened store has besides those of organizations.
type Known struct {
	AdminToken string
	Entra      secret.Entra
}

// The organizations of the suite.
const (
	one   directory.OrganizationID = "5f0c1e2d3a4b5c6d7e8f0001"
	two   directory.OrganizationID = "5f0c1e2d3a4b5c6d7e8f0002"
	three directory.OrganizationID = "5f0c1e2d3a4b5c6d7e8f0003"
)

// TestStore checks that a store keeps the promises of secret.Store. open returns a store
// that has no organization of the suite, and reopen returns the same store as another
// process would read it.
func TestStore(t *testing.T, known Known, open, reopen func(t *testing.T) secret.Store) {
	s := open(t)
	t.Run("what nobody put there", func(t *testing.T) { nothing(t, s, one) })
	t.Run("keys and tokens are apart", func(t *testing.T) { apart(t, s) })
	t.Run("what is put replaces what was there", func(t *testing.T) { replaced(t, s) })
	t.Run("a service account instead of a key", func(t *testing.T) { serviceAccount(t, s) })
	t.Run("what is forgotten is gone", func(t *testing.T) { forgotten(t, s) })
	t.Run("many at once", func(t *testing.T) { atOnce(t, s) })
	seed, err := s.PasswordSeed(t.Context())
	if err != nil || len(seed) < 22 {
		t.Errorf("got a seed of %d characters (%v), want at least 22", len(seed), err)
	}
	for name, each := range map[string]secret.Store{"the same store": s, "another process": reopen(t)} {
		t.Run(name, func(t *testing.T) {
			holds(t, each, "key-2", "token-2", "token-1")
			if got, err := each.AdminToken(t.Context()); err != nil || got != known.AdminToken {
				t.Errorf("another admin token (%v)", err)
			}
			if got, err := each.Entra(t.Context()); err != nil || got != known.Entra {
				t.Errorf("other secrets of Entra (%v)", err)
			}
			if got, err := each.PasswordSeed(t.Context()); err != nil || got != seed {
				t.Errorf("another seed (%v)", err)
			}
		})
	}
}

// nothing checks that an organization has no secret.
func nothing(t *testing.T, s secret.Store, id directory.OrganizationID) {
	t.Helper()
	if _, err := s.JumpCloud(t.Context(), id); !fault.Is(err, fault.NotFound) {
		t.Errorf("the key of %s: got %v, want kind %s", id, err, fault.NotFound)
	}
	if _, err := s.WebhookTokens(t.Context(), id); !fault.Is(err, fault.NotFound) {
		t.Errorf("the tokens of %s: got %v, want kind %s", id, err, fault.NotFound)
	}
}

// holds checks that the first organization has these secrets.
func holds(t *testing.T, s secret.Store, key string, tokens ...string) {
	t.Helper()
	if got, err := s.JumpCloud(t.Context(), one); err != nil || got.APIKey != key {
		t.Errorf("got key %q (%v), want %q", got.APIKey, err, key)
	}
	if got, err := s.WebhookTokens(t.Context(), one); err != nil || !slices.Equal(got, tokens) {
		t.Errorf("got tokens %q (%v), want %q", got, err, tokens)
	}
}

// put puts secrets, those that are not empty.
func put(t *testing.T, s secret.Store, id directory.OrganizationID, key string, tokens ...string) {
	t.Helper()
	if key != "" {
		if err := s.PutJumpCloud(t.Context(), id, secret.JumpCloud{APIKey: key}); err != nil {
			t.Error(err)
		}
	}
	if len(tokens) > 0 {
		if err := s.PutWebhookTokens(t.Context(), id, tokens); err != nil {
			t.Error(err)
		}
	}
}

// apart checks that each secret of an organization can be there without the other.
func apart(t *testing.T, s secret.Store) {
	put(t, s, one, "key-1")
	if _, err := s.WebhookTokens(t.Context(), one); !fault.Is(err, fault.NotFound) {
		t.Errorf("tokens where only a key was put: got %v, want kind %s", err, fault.NotFound)
	}
	put(t, s, two, "", "token-of-two")
	if _, err := s.JumpCloud(t.Context(), two); !fault.Is(err, fault.NotFound) {
		t.Errorf("a key where only tokens were put: got %v, want kind %s", err, fault.NotFound)
	}
	put(t, s, one, "", "token-1")
	holds(t, s, "key-1", "token-1")
}

// replaced checks that one secret is replaced and the other stays.
func replaced(t *testing.T, s secret.Store) {
	put(t, s, one, "key-2")
	holds(t, s, "key-2", "token-1")
	put(t, s, one, "", "token-2", "token-1")
	holds(t, s, "key-2", "token-2", "token-1")
	if err := s.PutWebhookTokens(t.Context(), two, []string{"token-of-two"}); err != nil {
		t.Error(err)
	}
	if _, err := s.JumpCloud(t.Context(), two); !fault.Is(err, fault.NotFound) {
		t.Errorf("the key of another organization: got %v, want kind %s", err, fault.NotFound)
	}
}

// serviceAccount checks that client credentials replace a key as a whole, and a key replaces
// them.
func serviceAccount(t *testing.T, s secret.Store) {
	for _, want := range []secret.JumpCloud{{ClientID: "id", ClientSecret: "secret"}, {APIKey: "key-2"}} {
		if err := s.PutJumpCloud(t.Context(), one, want); err != nil {
			t.Error(err)
		}
		if got, err := s.JumpCloud(t.Context(), one); err != nil || got != want {
			t.Errorf("got another credential than the %s that was put (%v)", want.Kind(), err)
		}
	}
	holds(t, s, "key-2", "token-2", "token-1")
}

// forgotten checks that the secrets of one organization are deleted for good, and can be put anew.
func forgotten(t *testing.T, s secret.Store) {
	for range 2 {
		put(t, s, three, "key-3", "token-3")
		for range 2 { // the second time there are none
			if err := s.Forget(t.Context(), three); err != nil {
				t.Errorf("forget: %v", err)
			}
			nothing(t, s, three)
		}
	}
	holds(t, s, "key-2", "token-2", "token-1")
}

// atOnce checks that concurrent puts of keys and tokens of one organization do not
// overwrite each other, and that the stored tokens are all of one put.
func atOnce(t *testing.T, s secret.Store) {
	pairs := [][]string{{"a-1", "a-2"}, {"b-1", "b-2"}, {"c-1", "c-2"}}
	var all sync.WaitGroup
	for _, pair := range pairs {
		all.Go(func() { put(t, s, three, "", pair...) })
		all.Go(func() { put(t, s, three, "key-3") })
	}
	all.Wait()
	got, err := s.WebhookTokens(t.Context(), three)
	if err != nil || !slices.ContainsFunc(pairs, func(pair []string) bool { return slices.Equal(pair, got) }) {
		t.Errorf("got tokens %v (%v), want one of %v", got, err, pairs)
	}
	if key, err := s.JumpCloud(t.Context(), three); err != nil || key.APIKey != "key-3" {
		t.Errorf("got key %q (%v), want %q", key.APIKey, err, "key-3")
	}
}
