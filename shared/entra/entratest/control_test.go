package entratest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"entrasync/shared/entra/entratest"
)

// visit sends a request outside Graph.
func (g *graph) visit(method, path, kind, body string) (int, string) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, "http://sim.test"+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	response, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

func TestForgetChanges(t *testing.T) {
	g := start(t)
	_, link := g.round("/users/delta?$deltatoken=latest")
	if status, _ := g.visit(http.MethodPost, "/_sim/forget-changes", "", ""); status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
	wantError(t, g.do(http.MethodGet, link, nil), http.StatusBadRequest, "syncStateNotFound", "")
}

func TestPageAndControls(t *testing.T) {
	g := start(t)
	g.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	id := g.create("ann", "displayName", "Ann <script>alert(1)</script>")
	group := g.seedGroup(entratest.Group{DisplayName: "Eng"})
	const form, js = "application/x-www-form-urlencoded", "application/json"
	rows := []struct {
		method, path, kind, body string
		status                   int
		want                     string
	}{
		{"GET", "/", "", "", 200, "ann@contoso.example"},
		{"GET", "/", "", "", 200, "&lt;script&gt;"},
		{"GET", "/_sim/state", "", "", 200, `"userPrincipalName":"ann@contoso.example"`},
		{"GET", "/_sim/requests", "", "", 200, `"password":"(redacted)"`},
		{"GET", "/_sim/counters", "", "", 200, `"writeUnits":1`},
		{"POST", "/_sim/users/" + id, form, "property=jobTitle&value=Chief", 303, ""},
		{"POST", "/_sim/users/" + id, form, "property=accountEnabled&value=false", 303, ""},
		{"POST", "/_sim/users/" + id, form, "property=employeeId&value=42", 303, ""},
		{"GET", "/_sim/users/" + id, "", "", 200, `"employeeId":"42"`},
		{"POST", "/_sim/users/ann@contoso.example?tenant=" + tenantID, js, `{"department":"Ops","surname":null}`, 200, `"department":"Ops"`},
		{"POST", "/_sim/users", js, `{"userPrincipalName":"bob@contoso.example"}`, 200, `"bob"`},
		{"POST", "/_sim/users", js, `{"userPrincipalName":"bob@contoso.example"}`, 409, "taken"},
		{"PUT", "/_sim/groups/" + group.ID + "/members/" + id, "", "", 200, id},
		{"DELETE", "/_sim/groups/" + group.ID + "/members/" + id, "", "", 200, `"members":null`},
		{"POST", "/_sim/groups", js, `{"displayName":"Ops","kind":"microsoft365"}`, 200, `"ops@contoso.example"`},
		{"POST", "/_sim/groups/" + group.ID, js, `{"displayName":"Engineering"}`, 200, "Engineering"},
		{"DELETE", "/_sim/groups/" + group.ID, "", "", 200, group.ID},
		{"PATCH", "/_sim/behaviour", js, `{"retryAfter":"decimal","lag":{"min":1000000000}}`, 200, `"retryAfter":"decimal"`},
		{"PATCH", "/_sim/behaviour", js, `{"nonsense":1}`, 400, "nonsense"},
		{"POST", "/_sim/faults", js, `{"method":"GET","path":"^/v1","status":503,"times":2}`, 200, `"times":2`},
		{"POST", "/_sim/faults", js, `{"path":"("}`, 400, "missing"},
		{"DELETE", "/_sim/faults", "", "", 200, "[]"},
		{"DELETE", "/_sim/users/bob@contoso.example", "", "", 200, `"deleted":`},
		{"GET", "/_sim/users/nobody", "", "", 404, "no user"},
		{"GET", "/_sim/nothing", "", "", 404, "no such control"},
		{"GET", "/_sim/users?tenant=unknown", "", "", 200, "null"},
		{"POST", "/_sim/users?tenant=unknown", js, `{"userPrincipalName":"x@y"}`, 404, "no such tenant"},
		{"POST", "/_sim/counters", "", "", 200, `"requests":0`},
		{"GET", "/common/discovery/instance?api-version=1.1&authorization_endpoint=http://sim.test/" + tenantID + "/oauth2/v2.0/authorize", "", "", 200, "tenant_discovery_endpoint"},
		{"GET", "/beta/users", "", "", 404, "Invalid version"},
	}
	for _, row := range rows {
		status, body := g.visit(row.method, row.path, row.kind, row.body)
		if status != row.status || !strings.Contains(strings.ReplaceAll(body, "Ops@", "ops@"), row.want) {
			t.Errorf("%s %s: %d, want %d with %s: %.300s", row.method, row.path, status, row.status, row.want, body)
		}
	}
	if _, body := g.visit("GET", "/", "", ""); strings.Contains(body, "<script>") {
		t.Error("the page shows a name as markup, want it escaped")
	}
	u, _ := g.dir.User(id)
	if u.Text("jobTitle") != "Chief" || u.AccountEnabled || u.Text("department") != "Ops" {
		t.Errorf("changed by hand: %+v, want Chief of Ops, disabled", u)
	}
	if how := g.sim.State().Behaviour; how.RetryAfter != entratest.RetryAfterDecimal || how.Lag.Min != time.Second {
		t.Errorf("behaviour: %+v, want decimal waits and a lag of 1s", how)
	}
}

func TestSeeding(t *testing.T) {
	g := start(t)
	ann := g.seed(entratest.User{UserPrincipalName: "ann@contoso.example", DisplayName: "Ann", Properties: object{"otherMails": []string{"a@b.example"}}})
	bob := g.seed(entratest.User{UserPrincipalName: "bob@contoso.example", Manager: ann.ID})
	if ann.DisplayName != "Ann" || !ann.AccountEnabled || ann.Text("mailNickname") != "ann" || bob.Manager != ann.ID {
		t.Errorf("%+v %+v, want Ann enabled with a nickname, and Bob with her as manager", ann, bob)
	}
	if _, err := g.dir.AddUser(entratest.User{}); err == nil {
		t.Error("a user without a UPN was added, want an error")
	}
	if _, err := g.dir.SetUserRoles(ann.ID, "Global Administrator"); err != nil {
		t.Fatal(err)
	}
	g.must(http.StatusForbidden, http.MethodPatch, "/users/"+ann.ID, object{"accountEnabled": false})
	if _, err := g.dir.SetManager(bob.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := g.dir.DeleteUser(bob.ID); err != nil {
		t.Fatal(err)
	}
	if u, found := g.dir.User(bob.ID); !found || u.Deleted.IsZero() || u.Manager != "" {
		t.Errorf("%+v, want Bob deleted and without a manager", u)
	}
	other := g.sim.Tenant("unknown")
	if _, err := other.AddGroup(entratest.Group{DisplayName: "x"}); err == nil || len(other.Users()) != 0 {
		t.Error("an unknown tenant accepted a group, want an error")
	}
	// the same seed gives the same ids
	if twin := start(t); twin.seed(entratest.User{UserPrincipalName: "ann@contoso.example"}).ID != ann.ID {
		t.Error("the same seed gives another id, want the same one")
	}
}
