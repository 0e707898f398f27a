package machine_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"entrasync/scripts/machine"
	"entrasync/scripts/simulated"
	"entrasync/scripts/simulated/onemachine"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// customer is one of two companies in one deployment: an organization in
// JumpCloud, a tenant in Entra, and a directory between them.
type customer struct {
	organization, key, token string
	jumpcloud                *jumpcloudtest.Simulator
	tenant                   entratest.Tenant
	accounts                 entratest.Directory
	directory                string
}

// person is a user whom both companies have, under one user name and, which
// JumpCloud would hardly do, one id.
const person = "64a1b2c3d4e5f60718293a4b"

// newCustomers are two companies with one person each.
func newCustomers(t *testing.T) []*customer {
	t.Helper()
	customers := []*customer{
		{organization: jumpcloudtest.DefaultOrganizationID, key: apiKey, token: webhookToken, tenant: entratest.DefaultTenant()},
		{organization: "5f0c1e2d3a4b5c6d7e8f0002", key: "canary-api-key-2", token: "canary-webhook-token-2", tenant: entratest.Tenant{
			ID: "1c2d3e4f-0a4b-4c61-9a58-3d2f6b1e0001", Name: "Fabrika", Domains: []entratest.Domain{{Name: "fabrika.example", Default: true}},
		}},
	}
	for _, c := range customers {
		var err error
		if c.jumpcloud, err = jumpcloudtest.New(jumpcloudtest.Config{Organization: jumpcloudtest.Organization{ID: c.organization}, APIKey: c.key, Seed: 1}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.jumpcloud.Close(); err != nil {
				t.Error(err)
			}
		})
		if err := c.jumpcloud.CreateUserAs(person, jumpcloudtest.Fields{
			"username": "ada", "email": "ada@" + c.tenant.Domains[0].Name, "firstname": "Ada", "lastname": "Lovelace", "state": "ACTIVATED", "location": "London",
		}); err != nil {
			t.Fatal(err)
		}
	}
	return customers
}

// entrance is JumpCloud's one address: the key says which organization is meant.
type entrance struct {
	customers []*customer
	mu        sync.Mutex
	mixed     []string // organizations that were requested with another one's key
}

func (e *entrance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, c := range e.customers {
		if r.Header.Get("x-api-key") != c.key {
			continue
		}
		if named := r.Header.Get("x-org-id"); named != "" && named != c.organization {
			e.mu.Lock()
			e.mixed = append(e.mixed, named)
			e.mu.Unlock()
		}
		c.jumpcloud.ServeHTTP(w, r)
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
}

// serve serves a simulator for as long as the test runs.
func serve(t *testing.T, handler http.Handler) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// startServing starts one process for two companies without a directory; the second
// one is added through the API.
func startServing(t *testing.T, customers []*customer, jumpcloud http.Handler) (*product, *entratest.Simulator) {
	t.Helper()
	app := entratest.DefaultApp()
	app.ClientSecret = clientSecret
	entra, err := entratest.New(entratest.Config{Tenants: []entratest.Tenant{customers[0].tenant, customers[1].tenant}, Apps: []entratest.App{app}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	jumpcloudURL, entraURL := serve(t, jumpcloud), serve(t, entra)
	p := &product{t: t, folder: t.TempDir(), log: &syncBuffer{}}
	config, err := machine.ConfigFrom(func(name string) string {
		return map[string]string{
			"ENTRASYNC_ADDR": "127.0.0.1:0", "ENTRASYNC_DATA": p.folder, "ENTRASYNC_ADMIN_TOKEN": adminToken, "ENTRASYNC_WEBHOOK_TOKEN": webhookToken,
			"JUMPCLOUD_API_URL": jumpcloudURL + "/api", "JUMPCLOUD_INSIGHTS_URL": jumpcloudURL + "/insights/directory/v1",
			"JUMPCLOUD_API_KEY": customers[0].key, "JUMPCLOUD_ORG_ID": customers[0].organization,
			"GRAPH_URL": entraURL + "/v1.0", "ENTRA_LOGIN_URL": entraURL, "ENTRA_CLIENT_ID": app.ClientID, "ENTRA_CLIENT_SECRET": clientSecret,
		}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.again(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	p.call("POST", "/v1/organizations", map[string]any{"id": customers[1].organization, "apiKey": customers[1].key, "webhookTokens": []string{customers[1].token}}, 201)
	return p, entra
}

// again starts the product on its folder with variables.
func (p *product) again(config machine.Config) (err error) {
	p.t.Helper()
	p.given = config
	p.machine, err = onemachine.Start(context.Background(), config, zerolog.New(p.log))
	return err
}

// startFor starts one process for two companies with a directory each.
func startFor(t *testing.T, customers []*customer, jumpcloud http.Handler) *product {
	t.Helper()
	p, entra := startServing(t, customers, jumpcloud)
	for _, c := range customers {
		c.accounts = entra.Tenant(c.tenant.ID)
		created := p.call("POST", "/v1/directories", map[string]any{
			"name": c.tenant.Name, "organizationId": c.organization, "tenantId": c.tenant.ID,
			"settings": map[string]any{"attributes": map[string]bool{"user_office_location": true}},
		}, 201)
		c.directory, _ = created["id"].(string)
		if created["status"] != "active" {
			t.Errorf("the directory is %v, want it active", created)
		}
		if _, err := c.jumpcloud.Notify(p.machine.URL()+"/webhooks/jumpcloud/"+c.organization, c.token); err != nil {
			t.Fatal(err)
		}
		p.call("PUT", "/v1/directories/"+c.directory+"/connections/users/"+person, nil, 202)
	}
	p.settle()
	return p
}

// settleAll waits until nothing is left to do, for all companies.
func (p *product) settleAll(customers []*customer) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for _, c := range customers {
		if err := simulated.Settle(ctx, time.Millisecond, c.jumpcloud, nil, nil); err != nil {
			p.t.Fatalf("%v\n%s", err, p.log)
		}
	}
	p.settle()
}

// account is the account of the person.
func (c *customer) account(t *testing.T) entratest.User {
	t.Helper()
	account, found := c.accounts.User("ada@" + c.tenant.Domains[0].Name)
	if !found || len(c.accounts.Users()) != 1 {
		t.Fatalf("%s has %d accounts (ada found: %t), want 1", c.tenant.Name, len(c.accounts.Users()), found)
	}
	return account
}

// Two companies in one process: a change in one never changes the other.
func TestTwoOrganizationsStayApart(t *testing.T) {
	customers := newCustomers(t)
	door := &entrance{customers: customers}
	p := startFor(t, customers, door)
	one, two := customers[0], customers[1]
	for step, change := range []struct {
		of, other *customer
		change    func(*jumpcloudtest.Simulator) error
		changed   func(entratest.User) bool
	}{
		{one, two, func(jc *jumpcloudtest.Simulator) error {
			return jc.UpdateUser(person, jumpcloudtest.Fields{"location": "Turin"})
		}, func(a entratest.User) bool { return a.Text("officeLocation") == "Turin" }},
		{two, one, func(jc *jumpcloudtest.Simulator) error { return jc.SuspendUser(person) }, func(a entratest.User) bool { return !a.AccountEnabled }},
		{one, two, func(jc *jumpcloudtest.Simulator) error {
			return jc.UpdateUser(person, jumpcloudtest.Fields{"lastname": "King"})
		}, func(a entratest.User) bool { return a.Text("surname") == "King" && a.AccountEnabled }},
		{one, two, func(jc *jumpcloudtest.Simulator) error { return jc.DeleteUser(person) }, func(a entratest.User) bool { return !a.AccountEnabled }},
	} {
		before := change.other.account(t)
		if err := change.change(change.of.jumpcloud); err != nil {
			t.Fatal(err)
		}
		p.settleAll(customers)
		if !change.changed(change.of.account(t)) {
			t.Errorf("step %d: the account is %+v, want it changed", step+1, change.of.account(t))
		}
		if diff := cmp.Diff(before, change.other.account(t), cmpopts.IgnoreUnexported(entratest.User{})); diff != "" {
			t.Errorf("step %d: the account of the other company (-want +got):\n%s", step+1, diff)
		}
	}
	if len(door.mixed) > 0 {
		t.Errorf("organizations that were requested with another one's key: %v, want none", door.mixed)
	}
	for target, c := range map[*customer]*customer{one: two, two: one} {
		if status, _ := p.send("POST", p.machine.URL()+"/webhooks/jumpcloud/"+target.organization, "Bearer "+c.token, recorded(t, "admin_login")); status != 401 {
			t.Errorf("another organization's webhook token: %d, want 401", status)
		}
	}
	p.mustKeepEventsApart(one, two)
	p.close()
	for _, c := range customers {
		if log := p.log.String(); slices.ContainsFunc([]string{c.key, c.token}, func(secret string) bool { return strings.Contains(log, secret) }) {
			t.Errorf("a secret of %s is in the log, want none", c.tenant.Name)
		}
	}
}

// mustKeepEventsApart fails unless each company sees its own events only, and
// everybody's are those of both.
func (p *product) mustKeepEventsApart(customers ...*customer) {
	p.t.Helper()
	all := 0
	for i, c := range customers {
		page := p.call("GET", "/v1/events?organization="+c.organization, nil, 200)
		items, _ := page["items"].([]any)
		all += len(items)
		for _, item := range items {
			e, _ := item.(map[string]any)
			application, _ := e["application"].(map[string]any)
			if e["organization"] != c.organization || application["id"] != c.directory || application["name"] != c.tenant.Name {
				p.t.Errorf("among the events of %s is %v, want only its own", c.tenant.Name, e)
			}
		}
		if len(items) < 2 || len(p.events("directory="+c.directory)) != len(items) {
			p.t.Errorf("%d events of %s and %d of its directory, want at least 2 and the same", len(items), c.tenant.Name, len(p.events("directory="+c.directory)))
		}
		p.call("GET", "/v1/events?organization="+c.organization+"&directory="+customers[1-i].directory, nil, 422)
	}
	if got := len(p.events("user=" + person)); got != all {
		p.t.Errorf("%d events of the person, want %d", got, all)
	}
}
