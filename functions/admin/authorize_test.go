package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"entrasync/functions/admin"
	"entrasync/shared/clients"
	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/store"
)

// consenting is the API beside a simulated Entra whose tenants have not consented.
type consenting struct {
	*fixture
	entra *entratest.Simulator
	asked int // sign-ins of the application
	log   bytes.Buffer
}

// otherTenant is a tenant of nobody's directory.
const otherTenant = "22222222-2222-4222-8222-222222222222"

func newConsenting(t *testing.T) *consenting {
	t.Helper()
	app := entratest.DefaultApp()
	app.Tenants, app.Requires, app.RedirectURIs = []string{"none"}, entratest.RecommendedRoles, []string{"https://entrasync.example" + admin.CallbackPath}
	other := entratest.Tenant{ID: otherTenant, Name: "Other", Domains: []entratest.Domain{{Name: "other.example", Default: true}}}
	simulator, err := entratest.New(entratest.Config{Apps: []entratest.App{app}, Tenants: []entratest.Tenant{entratest.DefaultTenant(), other}})
	if err != nil {
		t.Fatal(err)
	}
	c := &consenting{fixture: newFixture(t), entra: simulator}
	tenants, err := clients.New(clients.Config{
		JumpCloudAPI: "https://jumpcloud.example/api", JumpCloudInsights: "https://jumpcloud.example/insights", Keys: noKeys{}, Regions: c.records,
		GraphURL: "https://graph.microsoft.com/v1.0", LoginURL: "https://login.example", ClientID: app.ClientID, Transport: entratest.Transport(simulator),
		Proof: func(context.Context) (entra.Proof, error) {
			c.asked++
			return entra.Proof{ClientSecret: app.ClientSecret}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	c.api.Clients = parts{Clients: c.outside, Organizations: c.outside, Tenants: tenants}
	c.serve(c.api)
	return c
}

// invite asks for an invitation and returns where it leads.
func (c *consenting) invite(id string) *url.URL {
	c.t.Helper()
	status, got := c.call("POST", "/v1/directories/"+id+"/authorize", "")
	address, err := url.Parse(fmt.Sprint(got["consentUrl"]))
	if status != 200 || err != nil {
		c.t.Fatalf("%d %v, want 200 with an address", status, got)
	}
	return address
}

// decides sends an administrator's decision on a consent page, and returns what the browser
// brings back.
func (c *consenting) decides(at *url.URL, decision string) url.Values {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, at.String(), strings.NewReader(url.Values{"decision": {decision}}.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := entratest.Transport(c.entra).RoundTrip(r)
	if err != nil {
		c.t.Fatal(err)
	}
	back, err := response.Location()
	if err != nil || !strings.HasPrefix(back.String(), "https://entrasync.example/v1/authorize/callback?") {
		c.t.Fatalf("%d %v: %v, want a redirect to the callback", response.StatusCode, back, err)
	}
	return back.Query()
}

// browse opens the callback without a token.
func (c *consenting) browse(method string, query url.Values) events.APIGatewayV2HTTPResponse {
	c.t.Helper()
	r := events.APIGatewayV2HTTPRequest{RawPath: admin.CallbackPath, RawQueryString: query.Encode(), Headers: map[string]string{"host": "evil.example", "accept": "text/html"}}
	r.RequestContext.HTTP.Method, r.RequestContext.HTTP.Path = method, admin.CallbackPath
	response, err := c.handler.Handle(zerolog.New(zerolog.SyncWriter(&c.log)).WithContext(c.t.Context()), r)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mustBeSafe(response)
	return response
}

// mustBeSafe checks that a page may do nothing, is kept nowhere and leads nowhere.
func (c *consenting) mustBeSafe(r events.APIGatewayV2HTTPResponse) {
	c.t.Helper()
	headers := map[string]string{}
	for name, values := range r.MultiValueHeaders {
		headers[http.CanonicalHeaderKey(name)] = strings.Join(values, ", ")
	}
	for name, value := range r.Headers {
		headers[http.CanonicalHeaderKey(name)] = value
	}
	policy := headers["Content-Security-Policy"]
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, part) {
			c.t.Errorf("the policy is %q, want %s in it", policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") || headers["Location"] != "" || headers["Cache-Control"] != "no-store" || headers["Referrer-Policy"] != "no-referrer" ||
		headers["X-Content-Type-Options"] != "nosniff" || headers["Content-Type"] != "text/html; charset=utf-8" {
		c.t.Errorf("headers: %v, want a page that leads nowhere and is not kept", headers)
	}
}

// view is the directory as the API shows it, without what changes by itself.
func (c *consenting) view(id string) map[string]any {
	c.t.Helper()
	_, got := c.call("GET", "/v1/directories/"+id, "")
	delete(got, "health")
	return got
}

// waiting makes a directory whose tenant has not consented.
func (c *consenting) waiting() string {
	c.t.Helper()
	id := c.directory("{}")
	if got := c.view(id); got["status"] != "pending_authorization" || got["reason"] != "not_consented" || !strings.Contains(fmt.Sprint(got["message"]), "give admin consent") {
		c.t.Fatalf("%v, want it to wait, with the reason and what to do", got)
	}
	return id
}

// The address leads to the consent page of the tenant, with the redirect URI of the
// configuration and never that of the request.
func TestTheAddressOfTheConsentPage(t *testing.T) {
	c := newConsenting(t)
	id := c.waiting()
	status, got := c.call("POST", "/v1/directories/"+id+"/authorize", "")
	address, err := url.Parse(fmt.Sprint(got["consentUrl"]))
	if err != nil || status != 200 {
		t.Fatalf("%d %v, want 200 with an address", status, got)
	}
	query := address.Query()
	if address.Scheme+"://"+address.Host+address.Path != "https://login.example/"+tenant+"/v2.0/adminconsent" || query.Get("scope") != "https://graph.microsoft.com/.default" ||
		query.Get("client_id") != entratest.DefaultApp().ClientID || query.Get("redirect_uri") != "https://entrasync.example/v1/authorize/callback" || got["redirectUri"] != query.Get("redirect_uri") ||
		len(query.Get("state")) != 53 {
		t.Errorf("%v, want the consent page of the tenant with what it needs", address)
	}
	until, err := time.Parse(time.RFC3339, fmt.Sprint(got["expiresAt"]))
	if left := time.Until(until); err != nil || left < 59*time.Minute || left > time.Hour {
		t.Errorf("expires at %v, want in an hour", got["expiresAt"])
	}
	var names []string
	for _, need := range got["needs"].([]any) {
		if of := need.(map[string]any); of["optional"] != true {
			names = append(names, fmt.Sprint(of["name"]))
		}
	}
	want := []string{"Group.ReadWrite.All", "Organization.Read.All", "User.Create", "User.EnableDisableAccount.All", "User.Read.All", "User.ReadUpdate.All", "User.RevokeSessions.All"}
	if !slices.Equal(names, want) {
		t.Errorf("needs %v, want %v", names, want)
	}
	if again := c.invite(id).Query().Get("state"); again == query.Get("state") {
		t.Error("two invitations have one state, want each its own")
	}
	if status, problem := c.call("POST", "/v1/directories/"+organization+"-nope/authorize", ""); status != 404 {
		t.Errorf("%d %v, want 404", status, problem)
	}
	if status, problem := c.callWith(nil, "POST", "/v1/directories/"+id+"/authorize", ""); status != 401 {
		t.Errorf("%d %v without a token, want 401", status, problem)
	}
}

// Where browsers cannot come back there is no address, and it is said what to do.
func TestNoAddressForBrowsers(t *testing.T) {
	for address, want := range map[string]int{"": 409, "http://10.0.0.5:8080": 409, "http://entrasync.example": 409, "https://entrasync.example/": 200, "http://127.0.0.1:8080": 200, "http://localhost:8080": 200} {
		f := newFixture(t)
		f.api.Address = address
		f.serve(f.api)
		status, got := f.call("POST", "/v1/directories/"+f.directory("{}")+"/authorize", "")
		if status != want || want == 409 && !strings.Contains(fmt.Sprint(got["detail"]), "ENTRASYNC_PUBLIC_URL") || want == 200 && strings.Contains(fmt.Sprint(got["redirectUri"]), "//v1") {
			t.Errorf("%q: %d %v, want %d", address, status, got, want)
		}
	}
}

// An administrator accepts: the browser comes back, a new token proves it, and the directory
// is active. Its settings are as before.
func TestConsentMakesADirectoryActive(t *testing.T) {
	c := newConsenting(t)
	id := c.waiting()
	c.probes()
	before := c.view(id)
	page := c.browse("GET", c.decides(c.invite(id), entratest.ConsentAccept))
	if page.StatusCode != 200 || !strings.Contains(page.Body, "is active") || !strings.Contains(page.Body, tenant) {
		t.Errorf("%d %s, want 200, and that it is active", page.StatusCode, page.Body)
	}
	got := c.view(id)
	authorization, _ := got["authorization"].(map[string]any)
	if got["status"] != "active" || got["reason"] != nil || got["suspended"] != nil || got["tenantObjectId"] != tenant || len(authorization["missing"].([]any)) > 0 || authorization["checkedAt"] == nil {
		t.Errorf("%v, want it active with all that it needs", got)
	}
	if diff := cmp.Diff(before["settings"], got["settings"]); diff != "" || got["name"] != before["name"] {
		t.Errorf("the settings changed: %s", diff)
	}
	if n := c.probes(); n != 1 {
		t.Errorf("%d probes, want 1, which sends what waits", n)
	}
}

// Nothing in the callback proves consent. A browser that is opened five times, lacks a
// tenant, brings an error or comes from another tenant does no harm.
func TestACallbackProvesNothing(t *testing.T) {
	graph := "https://graph.microsoft.com/.default"
	for name, tc := range map[string]struct {
		query  url.Values // besides the state
		status int
		signIn int
	}{
		"consent that was not given":   {url.Values{"admin_consent": {"True"}, "tenant": {tenant}, "scope": {graph}}, 202, 1},
		"without a tenant":             {url.Values{"admin_consent": {"True"}}, 202, 1},
		"another tenant":               {url.Values{"admin_consent": {"True"}, "tenant": {otherTenant}}, 409, 0},
		"a tenant that is none":        {url.Values{"admin_consent": {"True"}, "tenant": {"<script>"}}, 409, 0},
		"an error with admin_consent":  {url.Values{"admin_consent": {"True"}, "tenant": {tenant}, "error": {"consent_required"}, "error_description": {"AADSTS65004: <b>no</b>"}}, 403, 0},
		"a cancellation":               {url.Values{"error": {"access_denied"}, "error_subcode": {"cancel"}}, 403, 0},
		"an odd error":                 {url.Values{"error": {`"><script>alert(1)</script>`}, "error_description": {"<img src=x>"}}, 403, 0},
		"parameters twice, and others": {url.Values{"admin_consent": {"True", "False"}, "tenant": {tenant, otherTenant}, "session_state": {""}, "cloud": {"x"}}, 202, 1},
		"values that are empty":        {url.Values{"tenant": {""}, "admin_consent": {""}}, 202, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsenting(t)
			id := c.waiting()
			before, asked := c.view(id), c.asked
			query := maps.Clone(tc.query)
			query.Set("state", c.invite(id).Query().Get("state"))
			for i := range 5 {
				page := c.browse("GET", query)
				want := tc.status
				if i > 0 {
					want = 410
				}
				if page.StatusCode != want || strings.Contains(page.Body, "<script") || strings.Contains(page.Body, "<img") || strings.Contains(page.Body, "<b>") {
					t.Errorf("opened %d times: %d %s, want %d", i+1, page.StatusCode, page.Body, want)
				}
			}
			if c.asked-asked != tc.signIn {
				t.Errorf("%d sign-ins, want %d", c.asked-asked, tc.signIn)
			}
			if diff := cmp.Diff(before, c.view(id)); diff != "" {
				t.Errorf("the directory changed: %s", diff)
			}
		})
	}
}

// A state that we did not give out, is damaged, belongs to nobody or is too old does nothing,
// and nothing of a directory is shown.
func TestStatesThatAreNotValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsenting(t)
		id := c.waiting()
		state := c.invite(id).Query().Get("state")
		first, secret, _ := strings.Cut(state, ".")
		_, another, _ := strings.Cut(c.invite(id).Query().Get("state"), ".")
		asked := c.asked
		for _, wrong := range []string{"", "x", first, "." + secret, first + "." + another, secret + "." + first, first + "." + strings.Repeat("A", 26), strings.ToLower(state), state + "A", state + "\x00", strings.Repeat("A", 100_000)} {
			page := c.browse("GET", url.Values{"state": {wrong}, "tenant": {tenant}, "admin_consent": {"True"}})
			if page.StatusCode != 404 || strings.Contains(page.Body, "Contoso") || strings.Contains(page.Body, id) {
				t.Errorf("%.60q: %d %s, want 404 and nothing of the directory", wrong, page.StatusCode, page.Body)
			}
		}
		if page := c.browse("HEAD", url.Values{"state": {state}}); page.StatusCode != 200 || page.Body != "" {
			t.Errorf("HEAD: %d, want 200", page.StatusCode)
		}
		time.Sleep(time.Hour)
		if page := c.browse("GET", url.Values{"state": {state}}); page.StatusCode != 410 || !strings.Contains(page.Body, "too old") {
			t.Errorf("after an hour: %d %s, want 410", page.StatusCode, page.Body)
		}
		if c.asked != asked {
			t.Errorf("%d sign-ins, want none", c.asked-asked)
		}
		time.Sleep(2 * time.Minute) // what is logged once a minute
	})
}

// A HEAD request uses nothing up.
func TestHeadUsesNothingUp(t *testing.T) {
	c := newConsenting(t)
	id := c.waiting()
	back := c.decides(c.invite(id), entratest.ConsentAccept)
	c.browse("HEAD", back)
	if page := c.browse("GET", back); page.StatusCode != 200 || c.view(id)["status"] != "active" {
		t.Errorf("%d %s, want 200 and the directory active", page.StatusCode, page.Body)
	}
}

// together is a table of which all have read an invitation before the first one goes on.
type together struct {
	store.Table
	all *sync.WaitGroup
}

// Get implements store.Table.
func (t together) Get(ctx context.Context, key store.Key) (store.Item, error) {
	item, err := t.Table.Get(ctx, key)
	if strings.HasPrefix(key.PK, "AU#") {
		t.all.Done()
		t.all.Wait()
	}
	return item, err
}

// Of browsers that come at once with one state, one counts.
func TestAStateCountsOnce(t *testing.T) {
	c := newConsenting(t)
	id := c.waiting()
	back, asked := c.decides(c.invite(id), entratest.ConsentAccept), c.asked
	const browsers = 8
	reading := &sync.WaitGroup{}
	reading.Add(browsers)
	c.api.Store = store.New(together{c.table, reading})
	c.serve(c.api)
	var mu sync.Mutex
	var all sync.WaitGroup
	got := map[int]int{}
	for range browsers {
		all.Go(func() {
			page := c.browse("GET", back)
			mu.Lock()
			defer mu.Unlock()
			got[page.StatusCode]++
		})
	}
	all.Wait()
	if got[200] != 1 || got[410] != browsers-1 || c.asked-asked != 1 {
		t.Errorf("%v with %d sign-ins, want 200 once, else 410, and one sign-in", got, c.asked-asked)
	}
}

// Consent that was given in another tenant authorizes no directory of this one, also if the
// directory names its tenant by a domain.
func TestConsentInAnotherTenant(t *testing.T) {
	for name, want := range map[string]int{tenant: 409, "contoso.example": 202} { // whose id is not known yet
		c := newConsenting(t)
		_, created := c.create("Contoso", organization, name, "{}")
		id := idOf(created)
		page := c.browse("GET", c.decides(c.inviteElsewhere(id), entratest.ConsentAccept))
		if got := c.view(id); page.StatusCode != want || got["status"] != "pending_authorization" || got["tenantObjectId"] != nil {
			t.Errorf("%s: %d %v, want %d and the directory to wait", name, page.StatusCode, got, want)
		}
		// Also when its own tenant consents meanwhile.
		back := c.decides(c.inviteElsewhere(id), entratest.ConsentAccept)
		c.decides(c.invite(id), entratest.ConsentAccept)
		if page := c.browse("GET", back); page.StatusCode != 409 || !strings.Contains(page.Body, "another tenant") {
			t.Errorf("%s: %d %s, want 409", name, page.StatusCode, page.Body)
		}
	}
}

// inviteElsewhere is an invitation that somebody led to another tenant.
func (c *consenting) inviteElsewhere(id string) *url.URL {
	c.t.Helper()
	elsewhere := c.invite(id)
	elsewhere.Path = "/" + otherTenant + "/v2.0/adminconsent"
	return elsewhere
}

// What the settings need and the tenant did not grant is named, on the page and by the API.
func TestMissingPermissionsAreNamed(t *testing.T) {
	least := []string{"Organization.Read.All", "User.Create", "User.EnableDisableAccount.All", "User.Read.All", "User.ReadUpdate.All", "User.RevokeSessions.All"}
	for name, tc := range map[string]struct {
		settings         string
		granted          []string
		roles            []string
		missing, wanting []string
	}{
		"all that is recommended":    {`{}`, entratest.RecommendedRoles, []string{"User Administrator"}, nil, nil},
		"no role":                    {`{}`, entratest.RecommendedRoles, nil, nil, []string{"User Administrator"}},
		"a role that includes it":    {`{}`, entratest.RecommendedRoles, []string{"Privileged Authentication Administrator"}, nil, nil},
		"no groups":                  {`{}`, least, nil, []string{"Group.ReadWrite.All"}, []string{"User-PasswordProfile.ReadWrite.All", "User Administrator"}},
		"groups that are not wanted": {`{"manageGroups":false}`, least, nil, nil, []string{"User-PasswordProfile.ReadWrite.All", "User Administrator"}},
		"managers": {`{"manageGroups":false,"attributes":{"user_manager":true}}`, least, nil, []string{"User.ReadWrite.All"},
			[]string{"User-PasswordProfile.ReadWrite.All", "User Administrator"}},
		"steps for leavers": {`{"manageGroups":false,"leavers":{"removeLicenses":7,"hideFromAddressLists":7,"deleteAccount":90}}`, least, nil,
			[]string{"LicenseAssignment.ReadWrite.All", "User.DeleteRestore.All"}, []string{"User-PasswordProfile.ReadWrite.All", "User Administrator"}},
		"steps for leavers with one permission": {`{"manageGroups":false,"leavers":{"removeLicenses":7,"clearManager":7,"deleteAccount":90}}`, []string{"User.ReadWrite.All", "Organization.Read.All"}, nil,
			nil, []string{"User-PasswordProfile.ReadWrite.All", "User Administrator"}},
		"everything at once": {`{"attributes":{"user_manager":true},"restoreDeleted":true}`, []string{"Directory.ReadWrite.All", "User.ReadWrite.All"}, nil, nil,
			[]string{"User-PasswordProfile.ReadWrite.All", "User Administrator"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsenting(t)
			if err := c.entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.Requires, a.DirectoryRoles = tc.granted, tc.roles }); err != nil {
				t.Fatal(err)
			}
			id := c.directory(tc.settings)
			page := c.browse("GET", c.decides(c.invite(id), entratest.ConsentAccept))
			got := c.view(id)
			authorization, _ := got["authorization"].(map[string]any)
			if page.StatusCode != 200 || got["status"] != "active" || fmt.Sprint(authorization["missing"]) != fmt.Sprint(tc.missing) || fmt.Sprint(authorization["missingOptional"]) != fmt.Sprint(tc.wanting) {
				t.Errorf("%d %v, want it active without %v and %v", page.StatusCode, authorization, tc.missing, tc.wanting)
			}
			for _, word := range append(slices.Clone(tc.missing), tc.wanting...) {
				if !strings.Contains(page.Body, "<strong>"+word+"</strong>") {
					t.Errorf("the page does not name %s: %s", word, page.Body)
				}
			}
		})
	}
}

// The consent without which not even the tenant can be read leaves the directory waiting,
// and says what is missing.
func TestConsentWithoutThePermissionToReadTheTenant(t *testing.T) {
	c := newConsenting(t)
	if err := c.entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.Requires = []string{"User.Read.All"} }); err != nil {
		t.Fatal(err)
	}
	id := c.waiting()
	page := c.browse("GET", c.decides(c.invite(id), entratest.ConsentAccept))
	got := c.view(id)
	authorization, _ := got["authorization"].(map[string]any)
	if page.StatusCode != 202 || got["status"] != "pending_authorization" || got["reason"] != "permission_missing" || !strings.Contains(fmt.Sprint(got["message"]), "Organization.Read.All") ||
		!slices.Contains(authorization["missing"].([]any), any("Organization.Read.All")) {
		t.Errorf("%d %v, want it to wait, and the missing permission", page.StatusCode, got)
	}
}

// Whoever is sent to the callback learns nothing of other directories, nor how entrasync
// proves itself to Entra.
func TestThePageKeepsToItself(t *testing.T) {
	c := newConsenting(t)
	id := c.waiting()
	_, created := c.create("Another company", organization, otherTenant, `{"allowSharedDomains":true}`)
	dir, err := c.records.Directory(t.Context(), directory.ID(idOf(created)))
	c.must(err)
	dir.VerifiedDomains = []string{"contoso.example"}
	neighbours, err := c.records.Neighbours(t.Context(), dir)
	c.must(err)
	_, err = c.records.PutDirectoryAmong(t.Context(), dir, nil, neighbours)
	c.must(err)
	page := c.browse("GET", c.decides(c.invite(id), entratest.ConsentAccept))
	if page.StatusCode != 409 || strings.Contains(page.Body, "Another company") || c.view(id)["status"] != "pending_authorization" {
		t.Errorf("%d %s, want 409 and no other name", page.StatusCode, page.Body)
	}
	c.must(c.entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.ClientSecret = "another" }))
	if page := c.browse("GET", url.Values{"state": {c.invite(id).Query().Get("state")}}); page.StatusCode != 202 || strings.Contains(page.Body, "secret") {
		t.Errorf("%d %s, want 202 and nothing of the secret", page.StatusCode, page.Body)
	}
}

// Entra's name for the directory is written by whoever named it: the page escapes it.
func TestThePageEscapes(t *testing.T) {
	c := newConsenting(t)
	_, created := c.create("<script>alert(1)</script>", organization, tenant, "{}")
	for _, decision := range []string{entratest.ConsentAccept, entratest.ConsentCancel, entratest.ConsentRefuse} {
		page := c.browse("GET", c.decides(c.invite(idOf(created)), decision))
		if strings.Contains(page.Body, "<script") || !strings.Contains(page.Body, "&lt;script&gt;") {
			t.Errorf("%s: %s, want the name escaped", decision, page.Body)
		}
	}
}

// A directory that is active is authorized again: everything stays, and what was granted
// meanwhile is known at once.
func TestAuthorizingAgainKeepsEverything(t *testing.T) {
	c := newConsenting(t)
	if err := c.entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.Requires = []string{"Organization.Read.All"} }); err != nil {
		t.Fatal(err)
	}
	id := c.directory(`{"suspendOnLockout":true}`)
	c.browse("GET", c.decides(c.invite(id), entratest.ConsentAccept))
	if status, got := c.call("PUT", "/v1/directories/"+id+"/connections/users/"+ann, ""); status != 202 {
		t.Fatalf("%d %v, want 202", status, got)
	}
	before := c.view(id)
	if err := c.entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.Requires = entratest.RecommendedRoles }); err != nil {
		t.Fatal(err)
	}
	if page := c.browse("GET", c.decides(c.invite(id), entratest.ConsentAccept)); page.StatusCode != 200 {
		t.Fatalf("%d %s, want 200", page.StatusCode, page.Body)
	}
	after := c.view(id)
	authorization, _ := after["authorization"].(map[string]any)
	if len(authorization["missing"].([]any)) > 0 {
		t.Errorf("missing %v, want nothing", authorization["missing"])
	}
	delete(before, "authorization")
	delete(after, "authorization")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the directory changed: %s", diff)
	}
	if _, list := c.call("GET", "/v1/directories/"+id+"/connections", ""); len(list["items"].([]any)) != 1 {
		t.Errorf("connections: %v, want that of Ann", list)
	}
}

// A state is in no log and in no record, and a directory that is gone gets none of it.
func TestTheStateIsKeptNowhere(t *testing.T) {
	c := newConsenting(t)
	id := c.waiting()
	state := c.invite(id).Query().Get("state")
	first, secret, _ := strings.Cut(state, ".")
	kept, err := c.records.Authorization(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(kept)
	if err != nil || strings.Contains(string(raw), secret) || kept.Directory != directory.ID(id) {
		t.Errorf("%s (%v), want the directory and no secret", raw, err)
	}
	kept.ID, kept.Directory = strings.Repeat("B", 26), organization+"-gone"
	c.must(c.records.AddAuthorization(t.Context(), store.Authorization{ID: kept.ID, Directory: kept.Directory, Hash: kept.Hash, CreatedAt: kept.CreatedAt, Until: kept.Until}))
	if page := c.browse("GET", url.Values{"state": {kept.ID + "." + secret}}); page.StatusCode != 404 {
		t.Errorf("%d %s, want 404", page.StatusCode, page.Body)
	}
	c.browse("GET", url.Values{"state": {state}})
	if log := c.log.String(); strings.Contains(log, secret) || strings.Contains(log, first) || !strings.Contains(log, `"outcome":"not yet"`) {
		t.Errorf("log: %s, want the outcome and nothing of the state", log)
	}
}
