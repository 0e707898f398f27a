package secretfile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/secretfile"
	"entrasync/shared/secret"
	"entrasync/shared/secret/secrettest"
)

// given is an environment.
var given = secretfile.Environment{
	AdminToken: "canary-admin", Entra: secret.Entra{ClientSecret: "canary-entra"},
	Organizations: map[directory.OrganizationID]secret.Organization{"5f0c1e2d3a4b5c6d7e8f9012": {APIKey: "canary-key", WebhookTokens: []string{"canary-token"}}},
	APIKeyFrom:    "the variable KEY", WebhookTokensFrom: "the variable TOKENS",
}

func TestStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.json")
	open := func(t *testing.T) secret.Store {
		s, err := secretfile.Open(path, given)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	secrettest.TestStore(t, secrettest.Known{AdminToken: given.AdminToken, Entra: given.Entra}, open, open)
	content, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(content), "canary") {
		t.Errorf("what the environment gave is in the file (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the file: %v", info.Mode())
	}
}

func TestWhatTheEnvironmentGaveStays(t *testing.T) {
	s, err := secretfile.Open(filepath.Join(t.TempDir(), "secrets.json"), given)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutJumpCloud(t.Context(), "5f0c1e2d3a4b5c6d7e8f9012", secret.JumpCloud{APIKey: "other"}); !fault.Is(err, fault.Conflict) || fault.Of(err).Message != "the API key of this organization comes from the variable KEY: change it there" {
		t.Errorf("put the key: got %v, want kind %s and where the key comes from", err, fault.Conflict)
	}
	if err := s.PutWebhookTokens(t.Context(), "5f0c1e2d3a4b5c6d7e8f9012", []string{"other"}); !fault.Is(err, fault.Conflict) || fault.Of(err).Message != "the webhook tokens of this organization come from the variable TOKENS: change them there" {
		t.Errorf("put tokens: got %v, want kind %s and where the tokens come from", err, fault.Conflict)
	}
	if got, err := s.JumpCloud(t.Context(), "5f0c1e2d3a4b5c6d7e8f9012"); err != nil || got.APIKey != "canary-key" {
		t.Errorf("the key: got %q, %v, want canary-key", got, err)
	}
	if got, err := s.WebhookTokens(t.Context(), "5f0c1e2d3a4b5c6d7e8f9012"); err != nil || len(got) != 1 || got[0] != "canary-token" {
		t.Errorf("the tokens: got %q, %v, want canary-token", got, err)
	}
}

// A file of a version without the seed is read, and keeps its content.
func TestAnOldFileIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.json")
	if err := os.WriteFile(path, []byte(`{"5f0c1e2d3a4b5c6d7e8f0001":{"apiKey":"k","webhookTokens":["t"]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	seeds := map[string]bool{}
	for range 2 {
		s, err := secretfile.Open(path, given)
		if err != nil {
			t.Fatal(err)
		}
		seed, err := s.PasswordSeed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seeds[seed] = true
		key, errKey := s.JumpCloud(t.Context(), "5f0c1e2d3a4b5c6d7e8f0001")
		tokens, errTokens := s.WebhookTokens(t.Context(), "5f0c1e2d3a4b5c6d7e8f0001")
		if errKey != nil || errTokens != nil || key.APIKey != "k" || len(tokens) != 1 || tokens[0] != "t" {
			t.Errorf("the organization: got key %q, %v and tokens %q, %v, want k and t", key, errKey, tokens, errTokens)
		}
	}
	if len(seeds) != 1 {
		t.Errorf("%d seeds, want the same twice", len(seeds))
	}
}

func TestUnreadableFileIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secretfile.Open(path, given); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v, want kind %s", err, fault.Invalid)
	}
}

// A secret that the environment does not have is generated once, and is the same after a
// restart. The environment takes precedence; without it the generated secret is used again.
func TestMadeUpTokensStay(t *testing.T) {
	const organization directory.OrganizationID = "5f0c1e2d3a4b5c6d7e8f9012"
	path := filepath.Join(t.TempDir(), "secrets.json")
	tokens := func(admin string, webhook ...string) (string, []string) {
		t.Helper()
		s, err := secretfile.Open(path, secretfile.Environment{AdminToken: admin,
			Organizations: map[directory.OrganizationID]secret.Organization{organization: {APIKey: "canary-key", WebhookTokens: webhook}}})
		if err != nil {
			t.Fatal(err)
		}
		gotAdmin, err := s.AdminToken(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if key, err := s.JumpCloud(t.Context(), organization); err != nil || key.APIKey != "canary-key" {
			t.Fatal(err)
		}
		got, err := s.WebhookTokens(t.Context(), organization)
		if err != nil {
			t.Fatal(err)
		}
		if !s.KeepsWebhookToken(organization) || !s.KeepsAdminToken() {
			t.Error("got no generated tokens in the file, want a webhook token and an admin token")
		}
		return gotAdmin, got
	}
	admin, webhook := tokens("")
	if len(admin) < 20 || len(webhook) != 1 || len(webhook[0]) < 20 || webhook[0] == admin {
		t.Fatalf("generated an admin token of %d characters and %d webhook tokens, want at least 20, and another one", len(admin), len(webhook))
	}
	if again, same := tokens(""); again != admin || same[0] != webhook[0] {
		t.Error("got other tokens after a restart, want the same")
	}
	if given, tokens := tokens("canary-admin", "canary-token", "canary-token-before"); given != "canary-admin" || len(tokens) != 2 || tokens[0] != "canary-token" {
		t.Errorf("got %q, %q, want the tokens of the environment", given, tokens)
	}
	if again, same := tokens(""); again != admin || same[0] != webhook[0] {
		t.Error("got other tokens after the environment was gone, want the generated ones")
	}
	content, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(content), "canary") {
		t.Errorf("what the environment gave is in the file (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the file: %v", info.Mode())
	}
}

// A secret that the environment does not have can be replaced, and is the same after a
// restart. The environment takes precedence.
func TestMadeUpTokensAreReplaced(t *testing.T) {
	const organization directory.OrganizationID = "5f0c1e2d3a4b5c6d7e8f9012"
	path := filepath.Join(t.TempDir(), "secrets.json")
	open := func(o secret.Organization) *secretfile.Store {
		t.Helper()
		s, err := secretfile.Open(path, secretfile.Environment{Organizations: map[directory.OrganizationID]secret.Organization{organization: o},
			APIKeyFrom: "the variable KEY", WebhookTokensFrom: "the variable TOKENS"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	holds := func(s *secretfile.Store, key string, tokens ...string) {
		t.Helper()
		gotKey, errKey := s.JumpCloud(t.Context(), organization)
		got, errTokens := s.WebhookTokens(t.Context(), organization)
		if errKey != nil || errTokens != nil || gotKey.APIKey != key || !slices.Equal(got, tokens) {
			t.Errorf("got key %q, tokens %q; %v, %v, want %q, %q", gotKey, got, errKey, errTokens, key, tokens)
		}
	}
	s := open(secret.Organization{APIKey: "canary-key"})
	madeUp, err := s.WebhookTokens(t.Context(), organization)
	if err != nil || s.ReplacedWebhookToken(organization) {
		t.Fatal(err)
	}
	for _, tokens := range [][]string{{"token-new", madeUp[0]}, {"token-new"}} {
		if err := s.PutWebhookTokens(t.Context(), organization, tokens); err != nil {
			t.Fatal(err)
		}
		holds(s, "canary-key", tokens...)
		s = open(secret.Organization{APIKey: "canary-key"})
		holds(s, "canary-key", tokens...)
		if !s.KeepsWebhookToken(organization) || !s.ReplacedWebhookToken(organization) {
			t.Error("got no replaced webhook token in the file, want one")
		}
	}
	if err := s.PutJumpCloud(t.Context(), organization, secret.JumpCloud{APIKey: "other"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("put a key of the environment: got %v, want kind %s", err, fault.Conflict)
	}
	holds(open(secret.Organization{APIKey: "canary-key", WebhookTokens: []string{"canary-token"}}), "canary-key", "canary-token")
	if err := open(secret.Organization{APIKey: "canary-key", WebhookTokens: []string{"canary-token"}}).PutWebhookTokens(t.Context(), organization, []string{"other"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("put tokens of the environment: got %v, want kind %s", err, fault.Conflict)
	}

	// The other way round: the environment has the tokens, and the file has the key.
	s = open(secret.Organization{WebhookTokens: []string{"canary-token"}})
	if err := s.PutJumpCloud(t.Context(), organization, secret.JumpCloud{APIKey: "key-put"}); err != nil {
		t.Fatal(err)
	}
	holds(open(secret.Organization{WebhookTokens: []string{"canary-token"}}), "key-put", "canary-token")
	holds(open(secret.Organization{APIKey: "canary-key"}), "canary-key", "token-new")
	content, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(content), "canary") || strings.Contains(string(content), madeUp[0]) {
		t.Errorf("what the environment gave or what was replaced is in the file (%v)", err)
	}
}
