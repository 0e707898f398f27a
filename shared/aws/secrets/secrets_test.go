package secrets_test

import (
	"context"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/secrets"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
	"entrasync/shared/secret/secrettest"
)

var bg = context.Background()

const organization = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f9012")

// open gives the client of a server and a prefix of its own.
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
	_, errOrganization := s.Organization(bg, organization)
	_, errSeed := s.PasswordSeed(bg)
	for _, err := range []error{errToken, errEntra, errOrganization, errSeed} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v, want a fault of kind not_found", err)
		}
	}
	create(t, client, prefix+"/admin-token", "a token")
	if got, err := s.AdminToken(bg); err != nil || got != "a token" {
		t.Errorf("made a moment later: %q, %v", got, err)
	}
	if _, err := secrets.New(client, prefix+"-other").AdminToken(bg); !fault.Is(err, fault.NotFound) {
		t.Errorf("another stack reads it: %v", err)
	}
}

// Of the suite's promises, that of the secrets which Secrets Manager holds before
// us: CloudFormation or an administrator made them.
func TestStore(t *testing.T) {
	client, prefix := open(t)
	known := secrettest.Known{AdminToken: "a token", Entra: secret.Entra{ClientSecret: "proof"}}
	create(t, client, prefix+"/admin-token", known.AdminToken)
	create(t, client, prefix+"/password-key", "a seed that is random and long enough")
	create(t, client, prefix+"/entra", `{"clientSecret":"proof"}`)
	another := func(*testing.T) secret.Store { return secrets.New(client, prefix) }
	secrettest.TestStore(t, known, another, another)
}

func TestEntra(t *testing.T) {
	client, prefix := open(t)
	create(t, client, prefix+"/entra", `{"certificate":"PEM"}`)
	if got, err := secrets.New(client, prefix).Entra(bg); err != nil || got.Certificate != "PEM" || got.ClientSecret != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOrganizations(t *testing.T) {
	client, prefix := open(t)
	writer := secrets.New(client, prefix)
	for _, want := range []secret.Organization{
		{APIKey: "one", WebhookTokens: []string{"a"}},
		{APIKey: "two", WebhookTokens: []string{"a", "b"}},
	} {
		if err := writer.PutOrganization(bg, organization, want); err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]secret.Store{"writer": writer, "another": secrets.New(client, prefix)} {
			got, err := s.Organization(bg, organization)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
	}
	if _, err := writer.Organization(bg, "5f0c1e2d3a4b5c6d7e8f0000"); !fault.Is(err, fault.NotFound) {
		t.Errorf("another organization: %v", err)
	}
	// The name says whose it is, as the roles of the functions need it.
	if _, err := client.GetSecretValue(bg, &secretsmanager.GetSecretValueInput{SecretId: aws.String(prefix + "/organizations/" + string(organization))}); err != nil {
		t.Error(err)
	}
}

// Nobody gets another secret by an id with more in it.
func TestIDsThatAreNone(t *testing.T) {
	client, prefix := open(t)
	create(t, client, prefix+"/admin-token", `{"apiKey":"not yours"}`)
	s := secrets.New(client, prefix)
	for _, id := range []directory.OrganizationID{"", "../admin-token", "a/b", "a b", "a\x00"} {
		if got, err := s.Organization(bg, id); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %+v, %v", id, got, err)
		}
		if err := s.PutOrganization(bg, id, secret.Organization{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("put %q: %v", id, err)
		}
	}
}

func TestMadeByTwoAtOnce(t *testing.T) {
	client, prefix := open(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := secrets.New(client, prefix).PutOrganization(bg, organization, secret.Organization{APIKey: "k"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got, err := secrets.New(client, prefix).Organization(bg, organization); err != nil || got.APIKey != "k" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestScheduledForDeletion(t *testing.T) {
	client, prefix := open(t)
	s := secrets.New(client, prefix)
	if err := s.PutOrganization(bg, organization, secret.Organization{APIKey: "k"}); err != nil {
		t.Fatal(err)
	}
	name := prefix + "/organizations/" + string(organization)
	if _, err := client.DeleteSecret(bg, &secretsmanager.DeleteSecretInput{SecretId: &name}); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.New(client, prefix).Organization(bg, organization); !fault.Is(err, fault.NotFound) {
		t.Errorf("read: got %v, want a fault of kind not_found", err)
	}
	// The server would take a new value, Secrets Manager does not.
	deleted := &manager{failure: "InvalidRequestException"}
	if err := deleted.store().PutOrganization(bg, organization, secret.Organization{APIKey: "k"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("put: got %v, want a fault of kind conflict", err)
	}
}
