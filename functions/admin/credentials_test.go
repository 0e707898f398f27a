package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/clients"
	"entrasync/shared/credentials"
	"entrasync/shared/entra"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/secret"
)

// accounts is the API with a JumpCloud that has service accounts, through the clients of
// the product.
type accounts struct {
	*fixture
	jumpcloud *jumpcloudtest.Simulator
	set       *clients.Set
}

// administratorKey is the key of the administrator.
const administratorKey = "canary-0123456789abcdef0123456789abcdef"

func newAccounts(t *testing.T) *accounts {
	t.Helper()
	a := &accounts{fixture: newFixture(t)}
	var err error
	if a.jumpcloud, err = jumpcloudtest.New(jumpcloudtest.Config{APIKey: administratorKey, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.jumpcloud.Close() })
	a.set, err = clients.New(clients.Config{
		JumpCloudAPI: "https://jumpcloud.example/api", JumpCloudInsights: "https://jumpcloud.example/insights/directory/v1", JumpCloudToken: "https://jumpcloud.example/oauth2/token",
		GraphURL: "https://graph.example/v1.0", LoginURL: "https://login.example", ClientID: "app", Keys: a.secrets, Regions: a.records,
		Proof:     func(context.Context) (entra.Proof, error) { return entra.Proof{}, nil },
		Transport: jumpcloudtest.Transport(a.jumpcloud),
	})
	if err != nil {
		t.Fatal(err)
	}
	changed := a.api
	changed.Clients = parts{Clients: a.outside, Tenants: a.outside, Organizations: a.set}
	changed.Entra = credentials.OfEntra(entraSecret{ClientSecret: "canary", ExpiresAt: "2000-01-20"})
	a.serve(changed)
	return a
}

// entraSecret are the secrets of Entra.
type entraSecret secret.Entra

func (s entraSecret) Entra(context.Context) (secret.Entra, error) { return secret.Entra(s), nil }

// add adds a service account to JumpCloud.
func (a *accounts) add(authType, lifetime string) jumpcloudtest.Credential {
	a.t.Helper()
	made, err := a.jumpcloud.AddServiceAccount("entrasync", authType, lifetime)
	if err != nil {
		a.t.Fatal(err)
	}
	return made
}

// shown are the credentials that the API shows of something, as what, status, days and end.
func (a *accounts) shown(path string) []string {
	a.t.Helper()
	status, answer := a.call("GET", path, "")
	if status != http.StatusOK {
		a.t.Fatalf("GET %s: %d %v, want 200", path, status, answer)
	}
	var all []string
	list, _ := answer["credentials"].([]any)
	for _, each := range list {
		c, _ := each.(map[string]any)
		text := fmt.Sprint(c["what"], " ", c["status"])
		if c["daysLeft"] != nil {
			text += fmt.Sprint(" ", c["daysLeft"], " ", c["expiresAt"])
		}
		all = append(all, text)
	}
	return all
}

// mustShow fails unless the organization shows one credential.
func (a *accounts) mustShow(step, want string) {
	a.t.Helper()
	if got := a.shown("/v1/organizations/" + organization); len(got) != 1 || got[0] != want {
		a.t.Errorf("%s: got %q, want %q", step, got, want)
	}
}

// patched changes the organization.
func (a *accounts) patched(body string) {
	a.t.Helper()
	if status, answer := a.call("PATCH", "/v1/organizations/"+organization, body); status != http.StatusOK {
		a.t.Errorf("PATCH: %d %v, want 200", status, answer)
	}
}

// serviceAccount is the body with a service account.
func serviceAccount(c jumpcloudtest.Credential) string {
	if c.APIKey != "" {
		return `{"apiKey":"` + c.APIKey + `"}`
	}
	return fmt.Sprintf(`{"clientId":%q,"clientSecret":%q}`, c.ClientID, c.ClientSecret)
}

// Every form of a credential is taken, and its end shown: as JumpCloud says it, as the
// administrator says it, or as unknown.
func TestCredentialsOfAnOrganization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccounts(t)
		a.mustShow("of an earlier version", "jumpcloud_api_key unknown")
		a.patched(`{"apiKey":"` + administratorKey + `"}`)
		a.mustShow("an administrator's key", "jumpcloud_api_key unknown")
		a.patched(`{"credentialsExpireAt":"2000-01-11T02:00:00+02:00"}`)
		a.mustShow("with its end", "jumpcloud_api_key ending 10 2000-01-11T00:00:00Z")
		a.patched(`{"name":"Another name"}`)
		a.mustShow("after another change", "jumpcloud_api_key ending 10 2000-01-11T00:00:00Z")
		a.patched(`{"credentialsExpireAt":null}`)
		a.mustShow("without its end", "jumpcloud_api_key unknown")
		a.patched(`{"credentialsExpireAt":"2000-01-11T02:00:00+02:00"}`)
		time.Sleep(4 * 24 * time.Hour)
		a.mustShow("days later", "jumpcloud_api_key ending 6 2000-01-11T00:00:00Z")
		time.Sleep(10 * 24 * time.Hour)
		a.mustShow("after the end", "jumpcloud_api_key ended 0 2000-01-11T00:00:00Z")
		a.patched(`{"apiKey":"` + administratorKey + `"}`)
		a.mustShow("another key", "jumpcloud_api_key unknown")

		a.patched(serviceAccount(a.add(jumpcloudtest.APIKey, "60 Days")))
		a.mustShow("a service account's key", "jumpcloud_service_account_key ok 60 2000-03-15T00:00:00Z")
		account := a.add(jumpcloudtest.ClientSecret, "30 Days")
		a.patched(serviceAccount(account))
		a.mustShow("a service account's secret", "jumpcloud_service_account_secret ending 30 2000-02-14T00:00:00Z")
		a.jumpcloud.FailNext(jumpcloudtest.Fault{Path: "/api/v2/service-accounts", Status: 403})
		a.patched(serviceAccount(account))
		a.mustShow("without the scope", "jumpcloud_service_account_secret unknown")
		a.patched(strings.TrimSuffix(serviceAccount(account), "}") + `,"credentialsExpireAt":"2000-04-01T00:00:00Z"}`)
		a.mustShow("as the administrator says", "jumpcloud_service_account_secret ok 77 2000-04-01T00:00:00Z")
		kept, err := a.secrets.JumpCloud(t.Context(), organization)
		if want := (secret.JumpCloud{ClientID: account.ClientID, ClientSecret: account.ClientSecret}); err != nil || kept != want {
			t.Errorf("got another credential in the store (%v), want the service account's alone", err)
		}
		a.jumpcloud.Close()
	})
}

// A directory shows both credentials that it needs, in one request.
func TestCredentialsOfADirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccounts(t)
		a.patched(`{"credentialsExpireAt":"1999-12-31T00:00:00Z"}`)
		id := a.directory("{}")
		want := []string{"entra_client_secret ending 19 2000-01-20T00:00:00Z", "jumpcloud_api_key ended 0 1999-12-31T00:00:00Z"}
		if got := a.shown("/v1/directories/" + id); strings.Join(got, "; ") != strings.Join(want, "; ") {
			t.Errorf("got %q, want %q", got, want)
		}
		_, answer := a.call("GET", "/v1/directories/"+id, "")
		if text := fmt.Sprint(answer["credentials"]); !strings.Contains(text, "ends on 2000-01-20, in 19 days: make a new one in Entra") || !strings.Contains(text, "ended on 1999-12-31: make a new one in JumpCloud") {
			t.Errorf("got %s, want what to do", text)
		}
		federated := a.api
		federated.Clients, federated.Entra = parts{Clients: a.outside, Tenants: a.outside, Organizations: a.set}, nil
		a.serve(federated)
		if got := a.shown("/v1/directories/" + id); len(got) != 1 || !strings.HasPrefix(got[0], "jumpcloud_api_key") {
			t.Errorf("an application without a stored credential: got %q, want that of JumpCloud alone", got)
		}
		a.jumpcloud.Close()
	})
}

// A half, doubled or wrong credential is refused with its field, and nothing is stored.
func TestCredentialsThatAreRefused(t *testing.T) {
	a := newAccounts(t)
	account := a.add(jumpcloudtest.ClientSecret, "30 Days")
	const id = "5f0c1e2d3a4b5c6d7e8f0009"
	for body, want := range map[string][2]string{
		`{"clientId":"id"}`:                                              {"body.clientSecret", "clientId needs clientSecret"},
		`{"clientSecret":"canary"}`:                                      {"body.clientId", "clientSecret needs clientId"},
		`{"apiKey":"canary","clientId":"id"}`:                            {"body.apiKey", "either apiKey or clientId"},
		`{"apiKey":"canary","clientId":"id","clientSecret":"x"}`:         {"body.apiKey", "either apiKey or clientId"},
		`{"apiKey":"canary-wrong"}`:                                      {"body.apiKey", "JumpCloud does not accept the API key"},
		`{"clientId":"` + account.ClientID + `","clientSecret":"wrong"}`: {"body.clientSecret", "JumpCloud does not accept the client id and secret"},
		`{"clientId":"i:d","clientSecret":"x"}`:                          {"body.clientId", "characters that are not taken"},
		`{"credentialsExpireAt":"soon"}`:                                 {"body.credentialsExpireAt", "date-time"},
		`{"credentialsExpireAt":"0001-01-01T00:00:00Z"}`:                 {"body.credentialsExpireAt", "no time at which a credential ends"},
	} {
		status, problem := a.call("PATCH", "/v1/organizations/"+organization, body)
		mustSay(t, status, problem, 422, want[0], want[1])
		if _, err := a.secrets.JumpCloud(t.Context(), organization); err == nil {
			t.Errorf("%s: got a stored credential, want none", body)
		}
	}
	status, problem := a.call("POST", "/v1/organizations", `{"id":"`+id+`"}`)
	mustSay(t, status, problem, 422, "body.apiKey", "an organization needs apiKey, or clientId and clientSecret")
}

// An organization is added with a service account, and served by it: the access token is
// kept although the credential is read again every five minutes.
func TestAnOrganizationWithAServiceAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccounts(t)
		account := a.add(jumpcloudtest.ClientSecret, "90 Days")
		a.patched(serviceAccount(account))
		before := a.jumpcloud.Counters().ByRoute["POST /oauth2/token"]
		for range 11 {
			client, err := a.set.Organization(t.Context(), organization)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Organization(t.Context()); err != nil {
				t.Errorf("got %v, want the organization", err)
			}
			time.Sleep(5 * time.Minute)
		}
		if got := a.jumpcloud.Counters().ByRoute["POST /oauth2/token"] - before; got != 1 {
			t.Errorf("got %d access tokens in an hour, want 1", got)
		}
		second, err := a.jumpcloud.AddCredential(account.Account, "365 Days")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.jumpcloud.AddCredential(account.Account, "365 Days"); err == nil {
			t.Error("got a third secret, want two at most")
		}
		a.patched(serviceAccount(second))
		time.Sleep(91 * 24 * time.Hour)
		client, err := a.set.Organization(t.Context(), organization)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Organization(t.Context()); err != nil {
			t.Errorf("after the first secret ended: got %v, want the organization by the second", err)
		}
		a.jumpcloud.Close()
	})
}

// The list of organizations shows their credentials, too.
func TestCredentialsInTheList(t *testing.T) {
	a := newAccounts(t)
	status, answer := a.call("GET", "/v1/organizations", "")
	items, _ := answer["items"].([]any)
	first, _ := items[0].(map[string]any)
	if text := fmt.Sprint(first["credentials"]); status != http.StatusOK || !strings.Contains(text, "unknown") || !strings.Contains(text, "credentialsExpireAt") {
		t.Errorf("got %d %s, want the unknown end and what to do", status, text)
	}
}
