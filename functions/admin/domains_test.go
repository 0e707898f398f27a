package admin_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"entrasync/shared/clients"
	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// A typing error in a domain would park all users at once: it is refused, and the
// message names the verified domains.
func TestADomainThatTheTenantHasNotVerifiedIsRefused(t *testing.T) {
	f := newFixture(t)
	id := f.directory(`{"domains":[{"name":"contoso.example"}]}`)
	if err := f.records.Connect(t.Context(), directory.ID(id), ann, directory.Direct, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	says := []string{"contsoo.example is not a verified domain of the tenant", "correct the name", "Verified are contoso.example, corp.example"}
	for domains, says := range map[string][]string{
		`[{"name":"contoso.example"},{"name":"contsoo.example","default":true}]`:             says,
		`[{"name":"Contoso.Example"},{"name":"contsoo.example"},{"name":"nowhere.example"}]`: {"contsoo.example, nowhere.example are not verified domains of the tenant", "correct the names", says[2]},
	} {
		status, problem := f.call("PATCH", "/v1/directories/"+id, `{"settings":{"suspendOnLockout":true,"domains":`+domains+`}}`)
		mustSay(t, status, problem, 422, "body.settings.domains[1].name", says...)
	}
	_, got := f.call("GET", "/v1/directories/"+id, "")
	if settings, _ := got["settings"].(map[string]any); settings["suspendOnLockout"] != false || len(settings["domains"].([]any)) != 1 {
		t.Errorf("a refused change was kept: %v, want suspendOnLockout %v, 1 domains", settings, false)
	}
	if tasks := f.tasks(f.bulk); len(tasks) > 0 {
		t.Errorf("a refused change sent tasks: %+v, want 0 tasks", tasks)
	}
	if status, problem := f.create("Second", organization, "apart.example", `{"domains":[{"name":"contsoo.example"}]}`); status == 201 {
		t.Errorf("%d %v, want not 201", status, problem)
	} else {
		mustSay(t, status, problem, 422, "body.settings.domains[0].name", says...)
	}
	if status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":{"domains":[{"name":"CORP.example","default":true}]}}`); status != 200 || got["reason"] != nil {
		t.Errorf("a verified one: %d %v, want 200, no reason", status, got)
	}
}

// An administrator may name a domain before the tenant has verified it: with force it is taken,
// and the directory says what is wrong until it is right.
func TestADomainThatIsForced(t *testing.T) {
	f := newFixture(t)
	id := f.directory(`{"domains":[{"name":"contoso.example"}]}`)
	const soon = `{"settings":{"domains":[{"name":"soon.example","default":true}]}`
	status, problem := f.call("PATCH", "/v1/directories/"+id, soon+`,"force":false}`)
	mustSay(t, status, problem, 422, "body.settings.domains[0].name", `"force": true`, "Verified are contoso.example, corp.example")
	status, got := f.call("PATCH", "/v1/directories/"+id, soon+`,"force":true}`)
	if message, _ := got["message"].(string); status != 200 || got["status"] != "active" || got["reason"] != "domain_not_verified" || !strings.Contains(message, "soon.example") {
		t.Errorf("forced: got %d %v, want 200, active, reason \"domain_not_verified\" with the domain", status, got)
	}
	if status, got := f.call("PATCH", "/v1/directories/"+id, `{"name":"Another"}`); status != 200 || got["reason"] != "domain_not_verified" {
		t.Errorf("a later change of the name: got %d %v, want 200, reason \"domain_not_verified\"", status, got)
	}
	f.outside.tenants = map[directory.TenantID]directory.Tenant{"apart.example": {ID: "0a0a0a0a-1111-4222-8333-444455556666", Name: "Apart", VerifiedDomains: []string{"apart.example"}}}
	status, got = f.create("Second", organization, "apart.example", `{"domains":[{"name":"soon.example"}]},"force":true`)
	f.outside.refusal = &fault.Error{Kind: fault.Transient, Message: "Graph is away"}
	if status != 201 || got["reason"] != "domain_not_verified" {
		t.Errorf("created with force: got %d %v, want 201, reason \"domain_not_verified\"", status, got)
	}
	if status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":{"domains":[{"name":"later.example"}]},"force":true}`); status != 200 {
		t.Errorf("forced while the tenant does not answer: got %d %v, want 200", status, got)
	}
}

// While a tenant does not answer, the settings accept only domains that were verified
// when it was last read.
func TestDomainsOfATenantThatDoesNotAnswer(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	for _, tc := range []struct {
		refusal error
		status  int
	}{
		{&fault.Error{Kind: fault.Transient, Message: "Graph is away"}, 503},
		{&fault.Error{Kind: fault.Unauthorized, Reason: directory.SecretExpired, Message: "the secret is too old"}, 502},
	} {
		f.outside.refusal = tc.refusal
		status, problem := f.call("PATCH", "/v1/directories/"+id, `{"settings":{"domains":[{"name":"new.example"}]}}`)
		mustSay(t, status, problem, tc.status, "body.settings.domains[0].name", "cannot be asked whether it has verified new.example", "nothing was changed", fault.Of(tc.refusal).Message)
		if status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":{"domains":[{"name":"corp.example"}]}}`); status != 200 {
			t.Errorf("one that it had verified: %d %v, want 200", status, got)
		}
		if status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":{"suspendOnLockout":true}}`); status != 200 {
			t.Errorf("another setting: %d %v, want 200", status, got)
		}
	}
}

// An outage says nothing about our credentials: an active directory stays active.
func TestAnOutageMakesNoDirectoryInactive(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.outside.refusal = &fault.Error{Kind: fault.Transient, Reason: directory.Unavailable, Message: "Graph is away"}
	if _, got := f.call("PATCH", "/v1/directories/"+id, `{}`); got["status"] != "active" || got["reason"] != nil {
		t.Errorf("in an outage: %v, want \"active\", no reason", got)
	}
	_, created := f.create("New", organization, "apart.example", "{}")
	if created["status"] != "pending_authorization" || created["reason"] != "unavailable" {
		t.Errorf("created in an outage: %v, want \"pending_authorization\", reason \"unavailable\"", created)
	}
}

// A directory with a tenant that never answered may list any domain, because it has no
// users to park. Once the tenant answers, the directory reports the wrong domain.
func TestDomainsOfATenantThatNeverAnswered(t *testing.T) {
	f := newFixture(t)
	f.outside.refusal = &fault.Error{Kind: fault.Unauthorized, Reason: directory.NotConsented, Message: "give admin consent"}
	id := f.directory(`{"domains":[{"name":"corp.example"},{"name":"contsoo.example"}]}`)
	_, got := f.call("GET", "/v1/directories/"+id, "")
	if got["status"] != "pending_authorization" || got["reason"] != "not_consented" || got["message"] != "give admin consent" {
		t.Errorf("%v, want \"pending_authorization\", reason \"not_consented\", message \"give admin consent\"", got)
	}
	f.outside.refusal = nil
	_, got = f.call("PATCH", "/v1/directories/"+id, `{}`)
	if message, _ := got["message"].(string); got["status"] != "active" || got["reason"] != "domain_not_verified" || message == "" {
		t.Errorf("once it answers: %v, want \"active\", reason \"domain_not_verified\", message not \"\"", got)
	}
	_, got = f.call("PATCH", "/v1/directories/"+id, `{"settings":{"domains":[{"name":"corp.example"}]}}`)
	if got["reason"] != nil || got["message"] != nil {
		t.Errorf("mended: %v, want no reason, no message", got)
	}
}

// noKeys knows no organization.
type noKeys struct{}

// JumpCloud implements clients.Keys.
func (noKeys) JumpCloud(context.Context, directory.OrganizationID) (secret.JumpCloud, error) {
	return secret.JumpCloud{}, fault.New(fault.NotFound, "test", "there is no organization")
}

// The directory says why Entra refuses our credentials, until Entra accepts them.
func TestADirectorySaysWhyItIsNotActive(t *testing.T) {
	app := entratest.DefaultApp()
	simulator, err := entratest.New(entratest.Config{Apps: []entratest.App{app}})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	secret := "another"
	api := f.api
	tenants, err := clients.New(clients.Config{
		JumpCloudAPI: "https://jumpcloud.example/api", JumpCloudInsights: "https://jumpcloud.example/insights", Keys: noKeys{}, Regions: f.records,
		GraphURL: "https://graph.microsoft.com/v1.0", LoginURL: "https://login.example", ClientID: app.ClientID, Transport: entratest.Transport(simulator),
		Proof: func(context.Context) (entra.Proof, error) { return entra.Proof{ClientSecret: secret}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	api.Clients = parts{Clients: f.outside, Organizations: f.outside, Tenants: tenants}
	f.serve(api)
	for _, name := range []string{"no-such-tenant.example", "00000000-0000-4000-8000-000000000000"} {
		status, problem := f.create("Missing", organization, name, "{}")
		mustSay(t, status, problem, 422, "body.tenantId", "Entra has no such tenant: create the directory with the GUID of the tenant or one of its verified domains (AADSTS90002)")
	}
	if _, list := f.call("GET", "/v1/directories", ""); len(list["items"].([]any)) > 0 {
		t.Errorf("directories: %v, want none", list)
	}
	_, created := f.create("Contoso", organization, tenant, "{}")
	if created["reason"] != "credentials_refused" {
		t.Errorf("another secret: %v, want reason \"credentials_refused\"", created)
	}
	secret = app.ClientSecret
	if _, got := f.call("PATCH", "/v1/directories/"+idOf(created), "{}"); got["status"] != "active" || got["reason"] != nil || got["message"] != nil {
		t.Errorf("the right one: %v, want \"active\", no reason, no message", got)
	}
}
