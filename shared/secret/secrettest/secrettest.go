// Package secrettest is the conformance suite of the secret port.
package secrettest

import (
	"slices"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// Known is what an opened store holds besides the organizations that are put
// into it.
type Known struct {
	AdminToken string
	Entra      secret.Entra
}

// TestStore checks that a store keeps the promises of secret.Store. open gives a
// store that holds no organization of the suite, and reopen the same store as
// another process would find it.
func TestStore(t *testing.T, known Known, open, reopen func(t *testing.T) secret.Store) {
	const one, two directory.OrganizationID = "5f0c1e2d3a4b5c6d7e8f0001", "5f0c1e2d3a4b5c6d7e8f0002"
	s := open(t)
	if _, err := s.Organization(t.Context(), one); !fault.Is(err, fault.NotFound) {
		t.Errorf("an organization nobody put there: %v", err)
	}
	for _, want := range []secret.Organization{
		{APIKey: "key-1", WebhookTokens: []string{"token-1"}},
		{APIKey: "key-2", WebhookTokens: []string{"token-2", "token-1"}},
	} {
		if err := s.PutOrganization(t.Context(), one, want); err != nil {
			t.Fatal(err)
		}
		got, err := s.Organization(t.Context(), one)
		if err != nil || got.APIKey != want.APIKey || !slices.Equal(got.WebhookTokens, want.WebhookTokens) {
			t.Errorf("what was put is not what is there (%v)", err)
		}
	}
	if _, err := s.Organization(t.Context(), two); !fault.Is(err, fault.NotFound) {
		t.Errorf("another organization: %v", err)
	}
	seed, err := s.PasswordSeed(t.Context())
	if err != nil || len(seed) < 22 {
		t.Errorf("a seed of %d characters (%v)", len(seed), err)
	}
	for name, each := range map[string]secret.Store{"the same store": s, "another process": reopen(t)} {
		if got, err := each.Organization(t.Context(), one); err != nil || got.APIKey != "key-2" {
			t.Errorf("%s: the organization is not there (%v)", name, err)
		}
		if got, err := each.AdminToken(t.Context()); err != nil || got != known.AdminToken {
			t.Errorf("%s: another admin token (%v)", name, err)
		}
		if got, err := each.Entra(t.Context()); err != nil || got != known.Entra {
			t.Errorf("%s: other secrets of Entra (%v)", name, err)
		}
		if got, err := each.PasswordSeed(t.Context()); err != nil || got != seed {
			t.Errorf("%s: another seed (%v)", name, err)
		}
	}
}
