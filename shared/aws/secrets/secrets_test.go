package secrets_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/secrets"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
	"entrasync/shared/secret/secrettest"
)

var bg = context.Background()

const organization = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f9012")

// open returns the client of a server and a prefix for this test alone.
func open(t *testing.T) (client *secretsmanager.Client, prefix string) {
	t.Helper()
	return secretsmanager.NewFromConfig(awstest.Moto(t)), awstest.Name("stack")
}

func create(t *testing.T, client *secretsmanager.Client, name, value string) {
	t.Helper()
	if _, err := client.CreateSecret(bg, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	client, prefix := open(t)
	s := secrets.New(client, prefix)
	_, errToken := s.AdminToken(bg)
	_, errEntra := s.Entra(bg)
	_, errKey := s.JumpCloud(bg, organization)
	_, errTokens := secrets.NewTokens(client, prefix).WebhookTokens(bg, organization)
	_, errSeed := s.PasswordSeed(bg)
	for _, err := range []error{errToken, errEntra, errKey, errTokens, errSeed} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v, want a fault of kind not_found", err)
		}
	}
	create(t, client, prefix+"/admin-token", "a token")
	if got, err := s.AdminToken(bg); err != nil || got != "a token" {
		t.Errorf("created a moment later: got %q, %v, want a token", got, err)
	}
	if _, err := secrets.New(client, prefix+"-other").AdminToken(bg); !fault.Is(err, fault.NotFound) {
		t.Errorf("another stack: got %v, want kind %s", err, fault.NotFound)
	}
}

// The suite, with the secrets that CloudFormation or an administrator creates.
func TestStore(t *testing.T) {
	client, prefix := open(t)
	known := secrettest.Known{AdminToken: "a token", Entra: secret.Entra{ClientSecret: "proof"}}
	create(t, client, prefix+"/admin-token", known.AdminToken)
	create(t, client, prefix+"/password-key", "a seed that is random and long enough")
	create(t, client, prefix+"/entra", `{"clientSecret":"proof"}`)
	another := func(*testing.T) secret.Store { return secrets.NewKeeper(client, prefix, &table{}) }
	secrettest.TestStore(t, known, another, another)
}

func TestEntra(t *testing.T) {
	client, prefix := open(t)
	create(t, client, prefix+"/entra", `{"certificate":"PEM"}`)
	if got, err := secrets.New(client, prefix).Entra(bg); err != nil || got.Certificate != "PEM" || got.ClientSecret != "" {
		t.Errorf("got %+v, %v, want only the certificate PEM", got, err)
	}
}

// Every process reads what one process put. API key and tokens have names of their own, as
// the roles of the functions need it.
func TestOrganizations(t *testing.T) {
	client, prefix := open(t)
	writer := secrets.NewKeeper(client, prefix, &table{})
	for _, want := range []secret.Organization{
		{APIKey: "one", WebhookTokens: []string{"a"}},
		{APIKey: "two", WebhookTokens: []string{"a", "b"}},
	} {
		putAll(t, writer, want)
		key, err := secrets.New(client, prefix).JumpCloud(bg, organization)
		if err != nil || key.APIKey != want.APIKey {
			t.Errorf("another process: got %q, %v, want %q", key, err, want.APIKey)
		}
		tokens, err := secrets.NewTokens(client, prefix).WebhookTokens(bg, organization)
		if diff := cmp.Diff(want.WebhookTokens, tokens); err != nil || diff != "" {
			t.Errorf("the webhook: %v (-want +got):\n%s", err, diff)
		}
		for name, want := range map[string]string{
			"/api-keys/":       `{"apiKey":"` + want.APIKey + `"}`,
			"/webhook-tokens/": `{"webhookTokens":["` + strings.Join(want.WebhookTokens, `","`) + `"]}`,
		} {
			if got := value(t, client, prefix+name+string(organization)); got != want {
				t.Errorf("%s holds %s, want %s", name, got, want)
			}
		}
	}
	if _, err := writer.JumpCloud(bg, "5f0c1e2d3a4b5c6d7e8f0000"); !fault.Is(err, fault.NotFound) {
		t.Errorf("another organization: got %v, want kind %s", err, fault.NotFound)
	}
}

// putAll puts both secrets of the organization.
func putAll(t *testing.T, s secret.Store, o secret.Organization) {
	t.Helper()
	if err := errors.Join(s.PutJumpCloud(bg, organization, secret.JumpCloud{APIKey: o.APIKey}), s.PutWebhookTokens(bg, organization, o.WebhookTokens)); err != nil {
		t.Fatal(err)
	}
}

// value is the value of a secret, "" if there is none.
func value(t *testing.T, client *secretsmanager.Client, name string) string {
	t.Helper()
	got, err := client.GetSecretValue(bg, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if awsfault.Is(err, "ResourceNotFoundException") {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(got.SecretString)
}

// together is a secret with key and tokens, as older versions stored them.
const together = `{"apiKey":"old key","webhookTokens":["old","older"]}`

// A secret with key and tokens is read by a Store, and separated by the first call of a
// Keeper, whatever the call. It stays unchanged.
func TestKeyAndTokensTogether(t *testing.T) {
	oldKey, oldTokens := `{"apiKey":"old key"}`, `{"webhookTokens":["old","older"]}`
	for name, tc := range map[string]struct {
		do                  func(secrets.Keeper) error
		wantKey, wantTokens string
	}{
		"nothing":       {func(secrets.Keeper) error { return nil }, "", ""},
		"reads the key": {func(k secrets.Keeper) error { _, err := k.JumpCloud(bg, organization); return err }, oldKey, oldTokens},
		"reads tokens":  {func(k secrets.Keeper) error { _, err := k.WebhookTokens(bg, organization); return err }, oldKey, oldTokens},
		"puts a key":    {func(k secrets.Keeper) error { return k.PutJumpCloud(bg, organization, secret.JumpCloud{APIKey: "new"}) }, `{"apiKey":"new"}`, oldTokens},
		"puts tokens":   {func(k secrets.Keeper) error { return k.PutWebhookTokens(bg, organization, []string{"new"}) }, oldKey, `{"webhookTokens":["new"]}`},
		"separates anew": {func(k secrets.Keeper) error {
			_, _ = k.JumpCloud(bg, organization)
			_, err := k.JumpCloud(bg, organization)
			return err
		}, oldKey, oldTokens},
	} {
		t.Run(name, func(t *testing.T) {
			client, prefix := open(t)
			create(t, client, prefix+"/organizations/"+string(organization), together)
			if got, err := secrets.New(client, prefix).JumpCloud(bg, organization); err != nil || got.APIKey != "old key" {
				t.Errorf("the key before: got %q, %v, want old key", got, err)
			}
			if err := tc.do(secrets.NewKeeper(client, prefix, &table{})); err != nil {
				t.Fatal(err)
			}
			if got := value(t, client, prefix+"/api-keys/"+string(organization)); got != tc.wantKey {
				t.Errorf("the key's secret holds %s, want %s", got, tc.wantKey)
			}
			if got := value(t, client, prefix+"/webhook-tokens/"+string(organization)); got != tc.wantTokens {
				t.Errorf("the tokens' secret holds %s, want %s", got, tc.wantTokens)
			}
			if got := value(t, client, prefix+"/organizations/"+string(organization)); got != together {
				t.Errorf("the old secret holds %s, want %s", got, together)
			}
			_, err := secrets.NewTokens(client, prefix).WebhookTokens(bg, organization)
			if want := tc.wantTokens == ""; fault.Is(err, fault.NotFound) != want {
				t.Errorf("the webhook: got %v, want kind %s: %t", err, fault.NotFound, want)
			}
		})
	}
}

// A secret that was put since is newer than the old combined secret.
func TestSeparatingOverwritesNothing(t *testing.T) {
	client, prefix := open(t)
	create(t, client, prefix+"/organizations/"+string(organization), together)
	create(t, client, prefix+"/webhook-tokens/"+string(organization), `{"webhookTokens":["newer"]}`)
	k := secrets.NewKeeper(client, prefix, &table{})
	if got, err := k.JumpCloud(bg, organization); err != nil || got.APIKey != "old key" {
		t.Errorf("the key: got %q, %v, want old key", got, err)
	}
	if got, err := k.WebhookTokens(bg, organization); err != nil || !slices.Equal(got, []string{"newer"}) {
		t.Errorf("the tokens: got %v (%v), want [newer]", got, err)
	}
}

// An id that is not an id of JumpCloud gives access to no secret.
func TestIDsThatAreNone(t *testing.T) {
	client, prefix := open(t)
	create(t, client, prefix+"/admin-token", `{"apiKey":"not yours","webhookTokens":["not yours"]}`)
	create(t, client, prefix+"/api-keys/a", `{"apiKey":"of nobody"}`)
	create(t, client, prefix+"/webhook-tokens/a", `{"webhookTokens":["of nobody"]}`)
	k, tokens := secrets.NewKeeper(client, prefix, &table{}), secrets.NewTokens(client, prefix)
	for _, id := range []directory.OrganizationID{"", "a", "../admin-token", "a/b", "a b", "a\x00", "5F0C1E2D3A4B5C6D7E8F9012", organization + "0"} {
		_, errKey := k.JumpCloud(bg, id)
		_, errTokens := k.WebhookTokens(bg, id)
		_, errWebhook := tokens.WebhookTokens(bg, id)
		for _, err := range []error{errKey, errTokens, errWebhook} {
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("%q: got %v, want kind %s", id, err, fault.NotFound)
			}
		}
		for _, err := range []error{k.PutJumpCloud(bg, id, secret.JumpCloud{APIKey: "k"}), k.PutWebhookTokens(bg, id, []string{"t"})} {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("put %q: got %v, want kind %s", id, err, fault.Invalid)
			}
		}
	}
}

func TestMadeByTwoAtOnce(t *testing.T) {
	client, prefix := open(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := secrets.NewKeeper(client, prefix, &table{}).PutJumpCloud(bg, organization, secret.JumpCloud{APIKey: "k"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got, err := secrets.New(client, prefix).JumpCloud(bg, organization); err != nil || got.APIKey != "k" {
		t.Errorf("got %q, %v, want k", got, err)
	}
}

func TestScheduledForDeletion(t *testing.T) {
	client, prefix := open(t)
	s := secrets.NewKeeper(client, prefix, &table{})
	if err := s.PutJumpCloud(bg, organization, secret.JumpCloud{APIKey: "k"}); err != nil {
		t.Fatal(err)
	}
	name := prefix + "/api-keys/" + string(organization)
	if _, err := client.DeleteSecret(bg, &secretsmanager.DeleteSecretInput{SecretId: &name}); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.New(client, prefix).JumpCloud(bg, organization); !fault.Is(err, fault.NotFound) {
		t.Errorf("read: got %v, want a fault of kind not_found", err)
	}
	// The test server would accept a new value, Secrets Manager does not.
	deleted := &manager{failure: "InvalidRequestException"}
	if err := secrets.NewKeeper(deleted.client(), "stack", &table{}).PutJumpCloud(bg, organization, secret.JumpCloud{APIKey: "k"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("put: got %v, want a fault of kind conflict", err)
	}
}
