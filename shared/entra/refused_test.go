package entra_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// tenant is a simulated tenant with a client of it.
type tenant struct {
	sim     *entratest.Simulator
	dir     entratest.Directory
	client  *entra.Client
	signIns *atomic.Int64 // requests to the sign-in service
}

// counted counts the requests to the sign-in service.
type counted struct {
	http.RoundTripper
	signIns *atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "login.microsoftonline.com" {
		c.signIns.Add(1)
	}
	return c.RoundTripper.RoundTrip(r)
}

// simulated makes a tenant. The app is the default one unless edits change it.
func simulated(t *testing.T, edits ...func(*entratest.Config)) tenant {
	t.Helper()
	config := entratest.Config{Apps: []entratest.App{entratest.DefaultApp()}, Tenants: []entratest.Tenant{entratest.DefaultTenant()}, Seed: 1}
	for _, edit := range edits {
		edit(&config)
	}
	sim, err := entratest.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	app, signIns := config.Apps[0], &atomic.Int64{}
	client, err := entra.New(entra.Config{
		GraphURL: "https://graph.microsoft.com/v1.0", LoginURL: "https://login.microsoftonline.com", Tenant: directory.TenantID(config.Tenants[0].ID), ClientID: app.ClientID,
		Proof: func(context.Context) (entra.Proof, error) {
			return entra.Proof{ClientSecret: app.ClientSecret}, nil
		},
		Transport: counted{entratest.Transport(sim), signIns},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tenant{sim: sim, dir: sim.Tenant(config.Tenants[0].ID), client: client, signIns: signIns}
}

// person creates a user in the tenant and returns its object id.
func (n tenant) person(t *testing.T, u entratest.User) string {
	t.Helper()
	u, err := n.dir.AddUser(u)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

// creation is an action that creates an account, complete except for the attributes
// given as pairs of name and value; a value "" removes one.
func creation(pairs ...string) plan.Action {
	values := map[string]string{"userPrincipalName": "ann@contoso.example", "displayName": "Ann", "mailNickname": "ann", "accountEnabled": "true"}
	for i := 0; i+1 < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	action := plan.Action{Type: plan.Provision}
	for name, value := range values {
		if value != "" {
			action.Changes = append(action.Changes, directory.Change{Attribute: directory.Attribute(name), To: directory.Value{value}})
		}
	}
	return action
}

// setting is an action that writes one value of an attribute unchanged, even an empty
// text or no value.
func setting(id string, name directory.Attribute, value directory.Value) plan.Action {
	return plan.Action{Type: plan.Update, EntraID: directory.EntraID(id), Changes: []directory.Change{{Attribute: name, To: value}}}
}

// The refusals of the simulator, which keeps the rules of Entra, become the same faults
// as the observed bodies.
func TestRefusalsOfTheSimulator(t *testing.T) {
	synced, restricted := map[string]any{"onPremisesSyncEnabled": true}, map[string]any{"isManagementRestricted": true}
	long := directory.Value{strings.Repeat("1", 17)}
	for _, row := range []struct {
		refused
		user   entratest.User              // in the tenant before; a UPN is given if it has none
		action func(id string) plan.Action // id of that user
	}{
		{refused{name: "create: name taken", kind: fault.Conflict, reason: directory.UPNConflict, subject: "userPrincipalName", words: []string{"sign-in name", "(in Entra: "}}, entratest.User{},
			func(string) plan.Action { return creation("userPrincipalName", "BOSS@contoso.example") }},
		{refused{name: "create: the address of another", kind: fault.Conflict, reason: directory.UPNConflict, subject: "userPrincipalName", words: []string{"one of its addresses"}}, entratest.User{Properties: map[string]any{"proxyAddresses": []any{"SMTP:post@contoso.example"}}},
			func(string) plan.Action { return creation("userPrincipalName", "post@contoso.example") }},
		{refused{name: "create: immutable id taken", kind: fault.Conflict, reason: directory.UPNConflict, subject: "onPremisesImmutableId", words: []string{"onPremisesImmutableId"}}, entratest.User{Properties: map[string]any{"onPremisesImmutableId": "jc1"}},
			func(string) plan.Action { return creation("onPremisesImmutableId", "jc1") }},
		{refused{name: "create: unverified domain", kind: fault.Invalid, reason: directory.DomainNotVerified, subject: "userPrincipalName", words: []string{"corp.example is not a verified domain of tenant Contoso"}}, entratest.User{},
			func(string) plan.Action { return creation("userPrincipalName", valueOfUser) }},
		{refused{name: "create: federated without immutable id", kind: fault.Invalid, reason: directory.InvalidValue, subject: "onPremisesImmutableId", words: []string{"does not let onPremisesImmutableId be empty"}}, entratest.User{},
			func(string) plan.Action { return creation("userPrincipalName", "ann@fed.example") }},
		{refused{name: "create: no display name", kind: fault.Invalid, reason: directory.InvalidValue, subject: "displayName", words: []string{"displayName"}}, entratest.User{},
			func(string) plan.Action { return creation("displayName", "") }},
		{refused{name: "rename: name taken", kind: fault.Conflict, reason: directory.UPNConflict, subject: "userPrincipalName", words: []string{"change that object or the user"}}, entratest.User{},
			func(id string) plan.Action {
				return setting(id, directory.UserPrincipalName, directory.Value{"boss@contoso.example"})
			}},
		{refused{name: "characters of a name", kind: fault.Invalid, reason: directory.InvalidValue, subject: "userPrincipalName", words: []string{"userPrincipalName"}}, entratest.User{},
			func(id string) plan.Action {
				return setting(id, directory.UserPrincipalName, directory.Value{"änn@contoso.example"})
			}},
		{refused{name: "too long", kind: fault.Invalid, reason: directory.InvalidValue, subject: "employeeId", words: []string{"employeeId", "too long"}}, entratest.User{},
			func(id string) plan.Action { return setting(id, directory.EmployeeID, long) }},
		{refused{name: "two phones", kind: fault.Invalid, reason: directory.InvalidValue, subject: "businessPhones", words: []string{"businessPhones"}}, entratest.User{},
			func(id string) plan.Action {
				return setting(id, directory.BusinessPhones, directory.Value{"1", "2"})
			}},
		{refused{name: "empty text", kind: fault.Invalid, reason: directory.InvalidValue, subject: "jobTitle", words: []string{"jobTitle"}}, entratest.User{},
			func(id string) plan.Action { return setting(id, directory.JobTitle, directory.Value{""}) }},
		{refused{name: "null where it has no place", kind: fault.Invalid, reason: directory.InvalidValue, subject: "displayName", words: []string{"displayName"}}, entratest.User{},
			func(id string) plan.Action { return setting(id, directory.DisplayName, nil) }},
		{refused{name: "mastered on premises", kind: fault.Forbidden, reason: directory.SyncedFromOnPremises, words: []string{"on-premises"}}, entratest.User{Properties: synced},
			func(id string) plan.Action { return setting(id, directory.JobTitle, directory.Value{"x"}) }},
		{refused{name: "restricted management", kind: fault.Forbidden, reason: directory.ProtectedAccount, words: []string{"does not allow"}}, entratest.User{Properties: restricted},
			func(id string) plan.Action { return setting(id, directory.JobTitle, directory.Value{"x"}) }},
		{refused{name: "administrator", kind: fault.Forbidden, reason: directory.ProtectedAccount, words: []string{"administrator role"}}, entratest.User{DirectoryRoles: []string{"Global Administrator"}},
			func(id string) plan.Action { return setting(id, directory.AccountEnabled, directory.Bool(false)) }},
		{refused{name: "gone", kind: fault.NotFound, words: []string{"deleted"}}, entratest.User{},
			func(string) plan.Action {
				return setting("00000000-0000-4000-8000-000000000009", directory.JobTitle, directory.Value{"x"})
			}},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := simulated(t)
			n.person(t, entratest.User{UserPrincipalName: "boss@contoso.example"})
			if row.user.UserPrincipalName == "" {
				row.user.UserPrincipalName = "cy@contoso.example"
			}
			id := n.person(t, row.user)
			row.check(t, n.client.Apply(t.Context(), []plan.Action{row.action(id)})[0].Err)
		})
	}
}

// A refused action does not affect the others, and an administrator's account accepts
// changes that are not sensitive.
func TestOneRefusalConcernsOneAccount(t *testing.T) {
	n := simulated(t)
	admin := n.person(t, entratest.User{UserPrincipalName: "admin@contoso.example", DirectoryRoles: []string{"Global Administrator"}})
	other := n.person(t, entratest.User{UserPrincipalName: "other@contoso.example"})
	results := n.client.Apply(t.Context(), []plan.Action{
		{Type: plan.Update, EntraID: directory.EntraID(admin), Changes: []directory.Change{{Attribute: directory.MobilePhone, To: directory.Value{"1"}}, {Attribute: directory.JobTitle, To: directory.Value{"Chief"}}}},
		setting(other, directory.JobTitle, directory.Value{"Clerk"}),
	})
	if f := fault.Of(results[0].Err); f == nil || f.Reason != directory.ProtectedAccount || results[1].Err != nil {
		t.Fatalf("%+v, want the first refused as protected and the second without an error", results)
	}
	if u, _ := n.dir.User(admin); u.Text("jobTitle") != "" {
		t.Error("a part of a refused change was written, want nothing written")
	}
	if err := n.client.Apply(t.Context(), []plan.Action{setting(admin, directory.JobTitle, directory.Value{"Chief"})})[0].Err; err != nil {
		t.Errorf("the plain attribute alone: %v", err)
	}
}

// Failures besides the rules: quota, faults, permissions.
func TestTroubleOfTheSimulator(t *testing.T) {
	write := func(t *testing.T, n tenant) error {
		id := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
		return n.client.Apply(t.Context(), []plan.Action{setting(id, directory.JobTitle, directory.Value{"x"})})[0].Err
	}
	failing := func(f entratest.Fault) func(*testing.T, tenant) error {
		return func(t *testing.T, n tenant) error {
			if err := n.sim.FailNext(f); err != nil {
				t.Fatal(err)
			}
			return write(t, n)
		}
	}
	without := func(roles ...string) func(*entratest.Config) {
		return func(c *entratest.Config) { c.Apps[0].Roles = roles }
	}
	quota := func(c *entratest.Config) { c.Behaviour.Quota.Writes, c.Behaviour.Quota.StartEmpty = 3, true }
	one, batch := `^/v1\.0/users/`, `^/v1\.0/\$batch$`
	for _, row := range []struct {
		refused
		config func(*entratest.Config)
		do     func(*testing.T, tenant) error
	}{
		{refused{name: "no write units left", kind: fault.Throttled, reason: directory.ThrottledReason, wait: 58 * time.Second, words: []string{"slow down"}}, quota, write},
		{refused{name: "no permission to write", kind: fault.Unauthorized, reason: directory.PermissionMissing, words: []string{"lacks the permission User.ReadWrite.All"}}, without("User.Read.All"), write},
		{refused{name: "no permission to create", kind: fault.Unauthorized, reason: directory.PermissionMissing, words: []string{"admin consent"}}, without("User.Read.All"), func(t *testing.T, n tenant) error {
			return n.client.Apply(t.Context(), []plan.Action{creation()})[0].Err
		}},
		{refused{name: "no permission to read", kind: fault.Unauthorized, reason: directory.PermissionMissing, words: []string{"admin consent"}}, without("User.Create"), func(t *testing.T, n tenant) error {
			return n.client.FindByUPN(t.Context(), []directory.UPN{"ann@contoso.example"}, nil)[0].Err
		}},
		{refused{name: "token refused twice", kind: fault.Unauthorized, reason: directory.ConsentLost, words: []string{"consent"}}, nil, failing(entratest.Fault{Path: batch, Status: 401, Times: 2})},
		{refused{name: "concurrent write", kind: fault.Transient, reason: directory.Unavailable, wait: 3 * time.Second, words: []string{"by itself"}}, nil,
			failing(entratest.Fault{Path: one, Status: 409, Header: map[string]string{"Retry-After": "3"}})},
		{refused{name: "two writes to one account", kind: fault.Transient, reason: directory.Unavailable, words: []string{"Directory_ConcurrencyViolation"}},
			func(c *entratest.Config) { c.Behaviour.BatchConflicts = true }, func(t *testing.T, n tenant) error {
				id := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
				results := n.client.Apply(t.Context(), []plan.Action{setting(id, directory.City, directory.Value{"x"}), setting(id, directory.State, directory.Value{"y"})})
				if results[0].Err != nil {
					t.Errorf("the first action: %v, want no error", results[0].Err)
				}
				return results[1].Err
			}},
		{refused{name: "500", kind: fault.Transient, reason: directory.Unavailable, words: []string{"500 Service_InternalServerError"}}, nil, failing(entratest.Fault{Path: one, Status: 500})},
		{refused{name: "503 of one item", kind: fault.Transient, reason: directory.Unavailable, wait: 40 * time.Second, words: []string{"503 serviceNotAvailable"}}, nil,
			failing(entratest.Fault{Path: one, Status: 503, Header: map[string]string{"Retry-After": "40"}})},
		{refused{name: "503 of the batch", kind: fault.Transient, reason: directory.Unavailable, words: []string{"503"}}, nil, failing(entratest.Fault{Path: batch, Status: 503})},
		{refused{name: "a page instead of an answer", kind: fault.Transient, reason: directory.Unavailable, words: []string{"in front of Graph"}}, nil, failing(entratest.Fault{Path: batch, Status: 403, Body: "<html>no</html>"})},
		{refused{name: "a page as an item", kind: fault.Transient, reason: directory.Unavailable, words: []string{"502"}}, nil, failing(entratest.Fault{Path: one, Status: 502, Body: "<html>no</html>"})},
		{refused{name: "connection lost", kind: fault.Transient, words: []string{"did not answer"}}, nil, failing(entratest.Fault{Path: batch, LoseReply: true})},
		{refused{name: "tenant full", kind: fault.Forbidden, reason: directory.QuotaExceeded, words: []string{"delete some"}}, nil,
			failing(entratest.Fault{Path: one, Status: 403, Body: graphBody("Directory_QuotaExceeded", "The directory object quota limit for the Tenant has been exceeded.")})},
	} {
		t.Run(row.name, func(t *testing.T) {
			config := row.config
			if config == nil {
				config = func(*entratest.Config) {}
			}
			row.check(t, row.do(t, simulated(t, config)))
		})
	}
}
