package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"entrasync/functions/admin"
	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/localtest"
	"entrasync/shared/local/secretfile"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/results/resultstest"
	"entrasync/shared/resync"
	"entrasync/shared/seal"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// A password that both sides accept, one that JumpCloud refuses, and one that only
// Entra refuses. They are canaries: no answer and no log line may repeat them.
const (
	goodPassword   = "Canary-Passw0rd-9"
	plainPassword  = "Canary9Canary9"
	commonPassword = "P@ssw0rd!"
	secondTenant   = "0a4b4c61-9a58-4d2f-8b1e-7f1d5c2e8c90"
)

// gateway is the API with both simulators and a queue. It handles the messages of the
// queue as the users function would.
type gateway struct {
	*fixture
	*functiontest.Kit
	jumpcloud *jumpcloudtest.Simulator
	entra     *entratest.Simulator
	log       *bytes.Buffer
	ann       directory.UserID
	worker    reconcile.Passwords
	broken    error                              // the error of the queue
	before    func(*http.Request)                // sees every request to an outside system
	instead   func(*http.Request) *http.Response // answers instead of a simulator, unless it returns nil
	hang      functiontest.Hanging

	mu       sync.Mutex
	asleep   bool // the messages wait
	messages []queue.Message
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{fixture: &fixture{t: t}, log: &bytes.Buffer{}}
	g.Kit = functiontest.New(t, functiontest.Config{Folder: localtest.Folder(t), Cleanup: func(f func()) { t.Cleanup(f) }, Transport: g, Webhooks: &http.Client{Transport: g},
		Tenants: []entratest.Tenant{entratest.DefaultTenant(), {ID: secondTenant, Name: "Fabrikam", Domains: []entratest.Domain{{Name: "fabrikam.example", Default: true}}}}})
	g.records, g.jumpcloud, g.entra = g.Store, g.JumpCloud, g.Entra
	var err error
	g.secrets, err = secretfile.Open(localtest.Folder(t)+"/secrets.json", secretfile.Environment{AdminToken: token,
		Organizations: map[directory.OrganizationID]secret.Organization{organization: {APIKey: functiontest.APIKey}}})
	g.must(err)
	outside := g.Clients()
	lanes := reconcile.Lanes{UsersLive: g, UsersBulk: g, GroupsLive: g, GroupsBulk: g}
	g.worker, err = reconcile.NewPasswords(reconcile.Parts{Store: g.records, Clients: outside, Lanes: lanes, Metrics: &metric.Memory{}}, g.secrets.PasswordSeed)
	g.must(err)
	g.serve(admin.API{Store: g.records, Clients: admin.Through(outside), Lanes: lanes, Changes: g, Resyncs: resync.Starter{Store: g.records, Jobs: g}, Auth: api.TokenAuth(g.secrets.AdminToken), Secrets: g.secrets, Results: &resultstest.Memory{}, Metrics: &metric.Memory{}})
	id, err := g.jumpcloud.CreateUser(jumpcloudtest.Fields{"username": "ann.lee", "email": "ann.lee@contoso.example", "state": "ACTIVATED"})
	g.must(err)
	g.ann = directory.UserID(id)
	return g
}

func (g *gateway) must(err error) {
	g.t.Helper()
	g.Must(err)
}

// RoundTrip sends a request to the simulator that it is for.
func (g *gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.hang.Before(r); err != nil {
		return nil, err
	}
	if g.before != nil {
		g.before(r)
	}
	if g.instead != nil {
		if answer := g.instead(r); answer != nil {
			return answer, nil
		}
	}
	return g.Kit.RoundTrip(r)
}

// Send implements queue.Sender.
func (g *gateway) Send(ctx context.Context, messages ...queue.Message) error {
	if g.broken != nil {
		return g.broken
	}
	g.mu.Lock()
	g.messages = append(g.messages, messages...)
	asleep := g.asleep
	g.mu.Unlock()
	if !asleep {
		g.work(context.WithoutCancel(ctx))
	}
	return nil
}

// sleep says whether messages wait from now on.
func (g *gateway) sleep(asleep bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asleep = asleep
}

// work handles the messages that wait.
func (g *gateway) work(ctx context.Context) {
	g.mu.Lock()
	waiting := g.messages
	g.messages = nil
	g.mu.Unlock()
	for _, m := range waiting {
		task, err := reconcile.ReadTask(m.Body)
		g.must(err)
		if task.Cause.Type == reconcile.PasswordKey {
			g.must(g.worker.PublishKey(ctx))
		}
		if task.Password != nil {
			g.worker.Set(ctx, reconcile.Attempt{Task: task, Number: 1})
		}
	}
}

// connected makes a directory on a tenant where Ann has an account.
func (g *gateway) connected(name, tenant, upn string, edit func(*directory.Settings)) directory.ID {
	g.t.Helper()
	account, known := g.entra.Tenant(tenant).User(upn)
	if !known {
		var err error
		account, err = g.entra.Tenant(tenant).AddUser(entratest.User{UserPrincipalName: upn, AccountEnabled: true})
		g.must(err)
	}
	id := g.pending(name, tenant, edit)
	g.must(g.records.ChangeLink(g.t.Context(), id, g.ann, func(l directory.Link) directory.Link {
		l.EntraID, l.UPN, l.Status, l.State = directory.EntraID(account.ID), directory.UPN(upn), directory.Synced, directory.Enabled
		return l
	}))
	_, err := g.records.Claim(g.t.Context(), directory.TenantID(tenant), directory.EntraID(account.ID), store.Owner{Organization: organization, User: g.ann}, id)
	g.must(err)
	return id
}

// pending makes a directory to which Ann is connected without an account.
func (g *gateway) pending(name, tenant string, edit func(*directory.Settings)) directory.ID {
	g.t.Helper()
	d := directory.Directory{ID: directory.NewID(organization, name), Organization: organization, Name: name,
		Tenant: directory.TenantID(tenant), TenantObject: directory.TenantID(tenant), Status: directory.Active, Settings: directory.DefaultSettings()}
	if edit != nil {
		edit(&d.Settings)
	}
	_, err := g.records.PutDirectory(g.t.Context(), d)
	g.must(err)
	g.must(g.records.Connect(g.t.Context(), d.ID, g.ann, directory.Direct, time.Now()))
	return d.ID
}

// set sends a password of Ann to the gateway.
func (g *gateway) set(password string) (status int, answer map[string]any) {
	g.t.Helper()
	g.log.Reset()
	ctx := zerolog.New(zerolog.SyncWriter(g.log)).WithContext(g.t.Context())
	status, answer = g.callIn(ctx, map[string]string{"authorization": "Bearer " + token}, "PUT", "/v1/organizations/"+organization+"/users/"+string(g.ann)+"/password", fmt.Sprintf(`{"password":%q}`, password))
	if shown := fmt.Sprint(answer) + g.log.String(); strings.Contains(shown, password) {
		g.t.Errorf("the password is repeated: %s", strings.ReplaceAll(shown, password, "…"))
	}
	return status, answer
}

// details returns the reasons in a problem document.
func details(answer map[string]any) string {
	var all []string
	list, _ := answer["errors"].([]any)
	for _, each := range list {
		detail, _ := each.(map[string]any)
		all = append(all, fmt.Sprint(detail["location"], " ", detail["message"]))
	}
	return strings.Join(all, "\n")
}

// has returns which sides have a password: JumpCloud, and the account in each tenant.
func (g *gateway) has(password string) []string {
	var sides []string
	if g.jumpcloud.HasPassword(string(g.ann), password) {
		sides = append(sides, "jumpcloud")
	}
	for name, tenant := range map[string]string{"contoso": tenant, "fabrikam": secondTenant} {
		for _, u := range g.entra.Tenant(tenant).Users() {
			if u.HasPassword(password) {
				sides = append(sides, name)
			}
		}
	}
	slices.Sort(sides)
	return sides
}

// differs returns the reason of passwordDiffers that the API shows for a link.
func (g *gateway) differs(id directory.ID) string {
	g.t.Helper()
	status, link := g.call("GET", "/v1/directories/"+string(id)+"/users/"+string(g.ann), "")
	if status != 200 {
		g.t.Fatalf("%d %v, want 200", status, link)
	}
	why, _ := link["passwordDiffers"].(map[string]any)
	reason, _ := why["reason"].(string)
	return reason
}

// actions returns the actions of a directory.
func (g *gateway) actions(id directory.ID) []plan.Action {
	g.t.Helper()
	list, err := g.records.Actions(g.t.Context(), id, 0, "")
	g.must(err)
	return list.Items
}

func TestAPasswordForBothSides(t *testing.T) {
	g := newGateway(t)
	one := g.connected("one", tenant, "ann.lee@contoso.example", nil)
	two := g.connected("two", secondTenant, "ann@fabrikam.example", nil)
	three := g.pending("three", tenant, nil)
	status, answer := g.set(goodPassword)
	accounts, _ := answer["accounts"].([]any)
	if status != 200 || answer["jumpcloud"] != "set" || len(accounts) != 3 || len(g.has(goodPassword)) != 3 {
		t.Fatalf("%d %v; %v", status, answer, g.has(goodPassword))
	}
	seen := map[any]any{}
	for _, each := range accounts {
		account, _ := each.(map[string]any)
		seen[account["directoryId"]] = account["status"]
		if account["status"] == "succeeded" && (account["entraId"] == nil || account["userPrincipalName"] == nil || account["actionId"] == nil) {
			t.Errorf("account: %v", account)
		}
	}
	if seen[string(one)] != "succeeded" || seen[string(two)] != "succeeded" || seen[string(three)] != "absent" {
		t.Errorf("accounts: %v, want seen \"succeeded\", seen \"succeeded\", seen \"absent\"", seen)
	}
	for _, id := range []directory.ID{one, two} {
		actions := g.actions(id)
		if len(actions) != 1 || actions[0].Type != plan.SetPassword || actions[0].Status != plan.Succeeded || actions[0].Cause.Type != "password_gateway" ||
			actions[0].Subject.Name != "ann.lee" || len(actions[0].Changes) != 0 || g.differs(id) != "" {
			t.Errorf("%s: %+v, differs %q", id, actions, g.differs(id))
		}
	}
}

// Two directories on one tenant lead to one account, which is written once; both links
// have the result.
func TestOneAccountIsWrittenOnce(t *testing.T) {
	g := newGateway(t)
	one := g.connected("one", tenant, "ann.lee@contoso.example", nil)
	two := g.connected("two", tenant, "ann.lee@contoso.example", nil)
	if status, answer := g.set(commonPassword); status != 422 || g.differs(one) != "password_refused" || g.differs(two) != "password_refused" {
		t.Errorf("%d %v; %q, %q", status, answer, g.differs(one), g.differs(two))
	}
	status, answer := g.set(goodPassword)
	if accounts, _ := answer["accounts"].([]any); status != 200 || len(accounts) != 1 || g.differs(one) != "" || g.differs(two) != "" {
		t.Errorf("%d %v", status, answer)
	}
	if u, _ := g.entra.Tenant(tenant).User("ann.lee@contoso.example"); u.PasswordChanges != 1 {
		t.Errorf("%d passwords, want 1", u.PasswordChanges)
	}
}

func TestAPasswordWithoutAccounts(t *testing.T) {
	g := newGateway(t)
	status, answer := g.set(goodPassword)
	if accounts, is := answer["accounts"].([]any); status != 200 || !is || len(accounts) != 0 || !slices.Equal(g.has(goodPassword), []string{"jumpcloud"}) {
		t.Errorf("%d %v", status, answer)
	}
}

func TestRefusedPasswords(t *testing.T) {
	for _, tc := range []struct {
		name, password string
		edit           func(*directory.Settings)
		says           []string
		has            []string // the sides that have it then
		differs        string
	}{
		{"by Entra's published rules, before anybody was asked", "xq1x", nil, []string{"body.password Entra: it must have 8 to 256", "3 of these 4"}, nil, ""},
		{"the sign-in name", "xANN.LEE-123", nil, []string{"Entra: it must not contain the sign-in name"}, nil, ""},
		{"by JumpCloud", plainPassword, nil, []string{"body.password JumpCloud: it must hold a special character"}, nil, ""},
		{"by Entra's published rules, also where the directory writes immutable ids", "xq1x", func(s *directory.Settings) { s.Federated = true },
			[]string{"body.password Entra: it must have 8 to 256", "3 of these 4"}, nil, ""},
		{"by Entra, after JumpCloud took it", commonPassword, nil,
			[]string{"JumpCloud: has the new password", "ann.lee@contoso.example in the directory one: has the old password (password_refused): Entra refuses the password as too weak"}, []string{"jumpcloud"}, "password_refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGateway(t)
			id := g.connected("one", tenant, "ann.lee@contoso.example", tc.edit)
			status, answer := g.set(tc.password)
			for _, want := range tc.says {
				if status != 422 || !strings.Contains(details(answer), want) {
					t.Errorf("%d %v, want %q", status, answer, want)
				}
			}
			if !slices.Equal(g.has(tc.password), tc.has) || g.differs(id) != tc.differs {
				t.Errorf("%v have it, differs %q", g.has(tc.password), g.differs(id))
			}
			if written := g.actions(id); (len(written) > 0) != (tc.has != nil) {
				t.Errorf("actions: %+v", written)
			}
			if status, answer := g.set(goodPassword); status != 200 || g.differs(id) != "" || len(g.has(goodPassword)) != 2 {
				t.Errorf("the next one: %d %v, differs %q", status, answer, g.differs(id))
			}
		})
	}
}

// A user with an account in a federated domain signs in with JumpCloud. The tenant says
// now whether the domain is federated, not a setting. Nothing is written, and the next
// password can be set.
func TestAPasswordInAFederatedDomain(t *testing.T) {
	g := newGateway(t)
	one := g.connected("one", tenant, "ann.lee@contoso.example", nil)
	two := g.connected("two", secondTenant, "ann@fabrikam.example", nil)
	g.must(g.worker.PublishKey(t.Context()))
	if status, answer := g.set(goodPassword); status != 200 {
		t.Fatalf("%d %v, want 200", status, answer)
	}
	g.must(g.entra.Tenant(tenant).SetFederated("contoso.example", true))
	for _, aside := range []bool{false, true} {
		g.must(g.records.ChangeLink(t.Context(), one, g.ann, func(l directory.Link) directory.Link {
			if aside {
				l.UPN, l.Aside = "ann.lee@contoso.onmicrosoft.example", &directory.Aside{UPN: "ann.lee@contoso.onmicrosoft.example", Home: l.UPN}
			}
			return l
		}))
		status, answer := g.set(goodPassword + "x")
		if status != 422 || !strings.Contains(fmt.Sprint(answer["detail"]), "users of a federated domain sign in with JumpCloud: set the password in JumpCloud; nothing was changed") ||
			!strings.Contains(details(answer), "in the directory one (domain_federated): contoso.example is a federated domain: ann.lee@contoso.example signs in with JumpCloud") || strings.Contains(details(answer), "fabrikam") {
			t.Errorf("%d %v", status, answer)
		}
	}
	if has := g.has(goodPassword + "x"); len(has) > 0 || len(g.has(goodPassword)) != 3 || len(g.actions(one)) != 1 || len(g.actions(two)) != 1 || g.differs(one) != "" || g.differs(two) != "" {
		t.Errorf("%v have it; %d and %d actions, %q and %q", has, len(g.actions(one)), len(g.actions(two)), g.differs(one), g.differs(two))
	}
	g.must(g.entra.Tenant(tenant).SetFederated("contoso.example", false))
	if status, answer := g.set(goodPassword + "y"); status != 200 || len(g.has(goodPassword+"y")) != 3 {
		t.Errorf("%d %v", status, answer)
	}
}

// A user whose account in a federated domain is still to be made signs in with JumpCloud too.
func TestAPasswordBeforeThereIsAnAccountInAFederatedDomain(t *testing.T) {
	g := newGateway(t)
	g.pending("one", tenant, nil)
	g.must(g.entra.Tenant(tenant).SetFederated("contoso.example", true))
	status, answer := g.set(goodPassword)
	if status != 422 || !strings.Contains(details(answer), "where the user has no account yet (domain_federated)") || len(g.has(goodPassword)) > 0 {
		t.Errorf("got %d %v, %v have the password, want 422 and nobody", status, answer, g.has(goodPassword))
	}
	g.must(g.entra.Tenant(tenant).SetFederated("contoso.example", false))
	if status, answer := g.set(goodPassword); status != 200 || !strings.Contains(fmt.Sprint(answer), "absent") {
		t.Errorf("managed again: got %d %v, want 200, absent", status, answer)
	}
}

// A tenant that does not answer does not count as a tenant without federated domains.
func TestAPasswordWhileTheTenantDoesNotAnswer(t *testing.T) {
	g := newGateway(t)
	one := g.connected("one", tenant, "ann.lee@contoso.example", nil)
	g.must(g.entra.FailNext(entratest.Fault{Path: "/organization", Status: 503}))
	status, answer := g.set(goodPassword)
	if status != 503 || !strings.Contains(fmt.Sprint(answer["detail"]), "nothing was changed in JumpCloud or in Entra") || len(g.has(goodPassword)) > 0 || len(g.actions(one)) > 0 || g.differs(one) != "" {
		t.Errorf("%d %v; %v have it", status, answer, g.has(goodPassword))
	}
	if status, answer := g.set(goodPassword); status != 200 {
		t.Errorf("%d %v, want 200", status, answer)
	}
}

// The answer distinguishes an account that refuses from one that accepted the password.
func TestOneOfTwoAccountsRefuses(t *testing.T) {
	g := newGateway(t)
	one := g.connected("one", tenant, "ann.lee@contoso.example", nil)
	two := g.connected("two", secondTenant, "ann@fabrikam.example", nil)
	_, err := g.entra.Tenant(secondTenant).SetUserRoles("ann@fabrikam.example", "Global Administrator")
	g.must(err)
	status, answer := g.set(goodPassword)
	said := details(answer)
	if status != 422 || !strings.Contains(said, "ann.lee@contoso.example in the directory one: has the new password") ||
		!strings.Contains(said, "ann@fabrikam.example in the directory two: has the old password (protected_account)") || !strings.Contains(fmt.Sprint(answer["detail"]), "1 of 2") {
		t.Errorf("%d %v", status, answer)
	}
	if g.differs(one) != "" || g.differs(two) != "protected_account" {
		t.Errorf("%q, %q", g.differs(one), g.differs(two))
	}
}

func TestRequestsThatSetNothing(t *testing.T) {
	g := newGateway(t)
	g.connected("one", tenant, "ann.lee@contoso.example", nil)
	path := func(organization, user string) string {
		return "/v1/organizations/" + organization + "/users/" + user + "/password"
	}
	for _, tc := range []struct {
		name, path, body string
		status           int
		says             string
	}{
		{"an unknown organization", path("nope", string(g.ann)), `{"password":"` + goodPassword + `"}`, 404, "path.id"},
		{"an unknown user", path(organization, "64a1b2c3d4e5f60718293fff"), `{"password":"` + goodPassword + `"}`, 404, "path.userId JumpCloud has no user"},
		{"no user", path(organization, "..%2F"), `{"password":"` + goodPassword + `"}`, 404, ""},
		{"no password", path(organization, string(g.ann)), `{}`, 422, "password"},
		{"an empty password", path(organization, string(g.ann)), `{"password":""}`, 422, "body.password"},
		{"a password that is none", path(organization, string(g.ann)), `{"password":["` + goodPassword + `"]}`, 422, "body.password"},
		{"a wrong name", path(organization, string(g.ann)), `{"Passwort":"` + goodPassword + `"}`, 422, "Passwort"},
		{"far too long", path(organization, string(g.ann)), `{"password":"` + strings.Repeat(goodPassword, 100) + `"}`, 422, "body.password"},
		{"no JSON", path(organization, string(g.ann)), `{"password":"` + goodPassword + `"`, 400, ""},
	} {
		status, answer := g.call("PUT", tc.path, tc.body)
		if status != tc.status || !strings.Contains(details(answer), tc.says) || strings.Contains(fmt.Sprint(answer), goodPassword) {
			t.Errorf("%s: %d %v", tc.name, status, answer)
		}
	}
	if has := g.has(goodPassword); len(has) > 0 {
		t.Errorf("%v have it, want 0 has", has)
	}
	if status, _ := g.callWith(nil, "PUT", path(organization, string(g.ann)), `{"password":"`+goodPassword+`"}`); status != 401 {
		t.Errorf("without a token: %d, want 401", status)
	}
}

func TestJumpCloudThatDoesNotTakeIt(t *testing.T) {
	for _, tc := range []struct {
		name    string
		fault   jumpcloudtest.Fault
		status  int
		says    string
		differs string
	}{
		{"throttles", jumpcloudtest.Fault{Status: 429}, 503, "nothing was changed", ""},
		{"refuses our key", jumpcloudtest.Fault{Status: 403}, 502, "nothing was changed", ""},
		{"fails", jumpcloudtest.Fault{Status: 500}, 503, "no clear answer", "password_unknown"},
		{"took it and the answer was lost", jumpcloudtest.Fault{Drop: true, AfterChange: true}, 503, "it may have the new password or the old one", "password_unknown"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t)
				id := g.connected("one", tenant, "ann.lee@contoso.example", nil)
				tc.fault.Method = "PUT"
				g.jumpcloud.FailNext(tc.fault)
				status, answer := g.set(goodPassword)
				if status != tc.status || !strings.Contains(fmt.Sprint(answer["detail"]), tc.says) || g.differs(id) != tc.differs || slices.Contains(g.has(goodPassword), "contoso") {
					t.Errorf("%d %v; differs %q, %v have it", status, answer, g.differs(id), g.has(goodPassword))
				}
				if tc.differs != "" { // JumpCloud may still be processing it
					if status, answer := g.set(goodPassword + "x"); status != 409 || !strings.Contains(fmt.Sprint(answer["detail"]), "in a minute") {
						t.Errorf("at once: %d %v, want 409, the text \"in a minute\"", status, answer)
					}
					time.Sleep(time.Minute + time.Second)
				}
				if status, answer := g.set(goodPassword + "x"); status != 200 || g.differs(id) != "" {
					t.Errorf("the next one: %d %v", status, answer)
				}
			})
		})
	}
}

// The answer reports an account that is not written in time, and it is written later.
func TestWhatTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		id := g.connected("one", tenant, "ann.lee@contoso.example", nil)
		g.must(g.worker.PublishKey(t.Context()))
		g.sleep(true)
		start := time.Now()
		status, answer := g.set(goodPassword)
		accounts, _ := answer["accounts"].([]any)
		if took := time.Since(start); status != 202 || len(accounts) != 1 || accounts[0].(map[string]any)["status"] != "queued" || took < 10*time.Second || took > 20*time.Second {
			t.Errorf("%d %v after %v, want 202, 1 accounts, \"queued\", took at least %v, took at most %v", status, answer, took, 10*time.Second, 20*time.Second)
		}
		if g.differs(id) != "password_pending" || len(g.messages) != 1 || bytes.Contains(g.messages[0].Body, []byte(goodPassword)) {
			t.Errorf("differs %q, %d messages", g.differs(id), len(g.messages))
		}
		g.work(t.Context())
		if g.differs(id) != "" || len(g.has(goodPassword)) != 2 {
			t.Errorf("differs %q, %v have it", g.differs(id), g.has(goodPassword))
		}
	})
}

// Before the first password, a task makes the users function publish its key; as long
// as there is no key, nothing is changed.
func TestTheKeyIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		id := g.connected("one", tenant, "ann.lee@contoso.example", nil)
		g.sleep(true)
		if status, answer := g.set(goodPassword); status != 503 || !strings.Contains(fmt.Sprint(answer["detail"]), "in a minute") || len(g.has(goodPassword)) > 0 || g.differs(id) != "" {
			t.Errorf("%d %v; %v have it", status, answer, g.has(goodPassword))
		}
		go func() {
			time.Sleep(2 * time.Second)
			g.sleep(false)
			g.work(context.WithoutCancel(t.Context()))
		}()
		if status, answer := g.set(goodPassword); status != 200 || len(g.has(goodPassword)) != 2 {
			t.Errorf("%d %v; %v have it", status, answer, g.has(goodPassword))
		}
	})
}

// A password that JumpCloud accepted and the queue refused is withdrawn.
func TestAQueueThatIsBroken(t *testing.T) {
	g := newGateway(t)
	id := g.connected("one", tenant, "ann.lee@contoso.example", nil)
	g.must(g.worker.PublishKey(t.Context()))
	g.broken = errors.New("no queue")
	status, answer := g.set(goodPassword)
	actions := g.actions(id)
	if status != 422 || !strings.Contains(details(answer), "has the old password (unavailable): the password could not be handed on") || g.differs(id) != "unavailable" {
		t.Errorf("%d %v; differs %q", status, answer, g.differs(id))
	}
	if len(actions) != 1 || actions[0].Status != plan.Failed || !slices.Equal(g.has(goodPassword), []string{"jumpcloud"}) {
		t.Errorf("actions %+v", actions)
	}
}

// While one password of a user is being set, no other one is: the two could arrive in
// different orders at JumpCloud and at Entra.
func TestOnePasswordAtATime(t *testing.T) {
	g := newGateway(t)
	g.connected("one", tenant, "ann.lee@contoso.example", nil)
	second := 0
	g.before = func(r *http.Request) {
		if r.Method == "PUT" && second == 0 {
			second = -1
			var answer map[string]any
			if second, answer = g.set(goodPassword + "x"); !strings.Contains(fmt.Sprint(answer["detail"]), "just now") {
				t.Errorf("%v, want the text \"just now\"", answer)
			}
			if id := directory.NewID(organization, "one"); g.differs(id) != "password_pending" {
				t.Errorf("while JumpCloud is written the link says %q", g.differs(id))
			}
		}
	}
	if status, answer := g.set(goodPassword); status != 200 || second != 409 || len(g.has(goodPassword)) != 2 {
		t.Errorf("%d %v; the second one %d", status, answer, second)
	}
}

// The API can seal passwords but not open them: it has only the public key.
func TestTheAPICannotOpen(t *testing.T) {
	g := newGateway(t)
	id := g.connected("one", tenant, "ann.lee@contoso.example", nil)
	g.must(g.worker.PublishKey(t.Context()))
	key, err := g.records.PasswordKey(t.Context())
	if err != nil || bytes.Contains(key, []byte(`"d"`)) {
		t.Fatalf("the published key is %s: %v", key, err)
	}
	opener, err := seal.NewOpener(string(key))
	g.must(err)
	sealed, err := seal.Seal(key, goodPassword, seal.Purpose{Directory: id})
	g.must(err)
	if got, err := opener.Open(sealed, seal.Purpose{Directory: id}); got != "" || !fault.Is(err, fault.Invalid) {
		t.Errorf("opened with what is published: %v, want \"\", a fault of kind %s", err, fault.Invalid)
	}
}

// A body that is not JSON is refused without repeating any of it.
func TestABodyThatIsNotJSONIsNotRepeated(t *testing.T) {
	g := newGateway(t)
	status, answer := g.callIn(t.Context(), map[string]string{"authorization": "Bearer " + token}, "PUT", "/v1/organizations/"+organization+"/users/"+string(g.ann)+"/password", "Q%~")
	if status != http.StatusBadRequest || !strings.Contains(details(answer), "the body is not JSON") || strings.ContainsAny(fmt.Sprint(answer), "Q%~") {
		t.Errorf("%d %v", status, answer)
	}
}
