package entratest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"entrasync/shared/entra/entratest"
)

// in makes a simulator in a world.
func in(t *testing.T, w entratest.World) *graph {
	t.Helper()
	return start(t, func(c *entratest.Config) { c.Behaviour.World = w })
}

// upsertItem is the batch item that creates a group unless it exists.
func upsertItem(id string) object {
	out := item(id, "PATCH", "/groups(uniqueName='jc.1')", team("Eng"))
	out["headers"] = object{"Content-Type": "application/json", "Prefer": "create-if-missing"}
	return out
}

func TestUpsertAlone(t *testing.T) {
	if got := statuses(in(t, entratest.World{}).batch(http.StatusOK, upsertItem("1"))); got != "201" {
		t.Errorf("as documented: %s, want 201", got)
	}
	g := in(t, entratest.World{UpsertAlone: true})
	if got := statuses(g.batch(http.StatusOK, upsertItem("1"))); got != "404" {
		t.Errorf("in a batch: %s, want 404", got)
	}
	g.must(http.StatusCreated, http.MethodPatch, "/groups(uniqueName='jc.1')", team("Eng"), "Prefer", "create-if-missing")
	if got := statuses(g.batch(http.StatusOK, upsertItem("1"))); got != "204" {
		t.Errorf("of a group that exists: %s, want 204", got)
	}
}

func TestLooseBatchAnswers(t *testing.T) {
	g := in(t, entratest.World{LooseHeaders: true, LooseIDs: true})
	r := g.must(http.StatusOK, http.MethodPost, "/$batch", object{"requests": []object{item("7", "GET", "/users", nil), item("a7", "GET", "/users", nil), item("07", "GET", "/users", nil)}})
	var ids []any
	list, _ := r.body["responses"].([]any)
	for _, answer := range list {
		ids = append(ids, at(answer, "id"))
		header, _ := at(answer, "headers").(object)
		if header["x-ms-resource-unit"] != 2.0 || header["x-ms-cached"] != false || at(header, "Vary", 0) != "Accept-Encoding" || header["Cache-Control"] != "no-cache" {
			t.Errorf("headers: %v, want a number, a boolean, a list and a text", header)
		}
		if value, there := header["Location-Hint"]; !there || value != nil {
			t.Errorf("headers: %v, want Location-Hint as null", header)
		}
	}
	for _, want := range []any{7.0, "A7", "07"} {
		if !slices.Contains(ids, want) {
			t.Errorf("ids %v, want %v", ids, want)
		}
	}
}

func TestFormsOfLinks(t *testing.T) {
	for form, want := range map[entratest.LinkForm]string{
		entratest.LinksAsAsked: "http://graph.test/v1.0/", entratest.LinksUpperHost: "http://GRAPH.TEST/v1.0/", entratest.LinksBeta: "http://graph.test/beta/",
	} {
		g := in(t, entratest.World{Links: form})
		g.people(2)
		next := text(g.must(http.StatusOK, http.MethodGet, "/users?$top=1", nil).body, "@odata.nextLink")
		delta := text(g.must(http.StatusOK, http.MethodGet, "/users/delta", nil).body, "@odata.deltaLink")
		if !strings.HasPrefix(next, want+"users?") || !strings.HasPrefix(delta, want+"users/delta?") {
			t.Errorf("%q: %s and %s, want links that begin with %s", form, next, delta, want)
		}
		rest := strings.TrimPrefix(next, want)
		if got := len(g.must(http.StatusOK, http.MethodGet, "/"+rest, nil).body["value"].([]any)); got != 1 {
			t.Errorf("%q: %d users on the next page, want 1", form, got)
		}
	}
}

func TestRefusedTokens(t *testing.T) {
	read := item("1", "GET", "/users", nil)
	for _, world := range []entratest.World{{}, {ItemTokens: true}} {
		g := in(t, world)
		g.must(http.StatusOK, http.MethodPost, "/$batch", object{"requests": []object{read}})
		g.sim.RevokeTokens()
		if world.ItemTokens {
			answer := g.batch(http.StatusOK, read)["1"]
			if at(answer, "status") != 401.0 || text(answer, "body", "error", "code") != "InvalidAuthenticationToken" {
				t.Errorf("item by item: %v, want 401 InvalidAuthenticationToken", answer)
			}
		} else {
			wantError(t, g.do(http.MethodPost, "/$batch", object{"requests": []object{read}}), http.StatusUnauthorized, "InvalidAuthenticationToken", "")
		}
		wantError(t, g.do(http.MethodGet, "/users", nil), http.StatusUnauthorized, "InvalidAuthenticationToken", "TokenIssuedBeforeRevocationTimestamp")
		g.token = g.sim.Token(clientID, tenantID)
		g.must(http.StatusOK, http.MethodGet, "/users", nil)
	}
}

func TestNoDeletedSearch(t *testing.T) {
	const search = "/directory/deletedItems/graph.user?$count=true&$filter=endsWith(userPrincipalName,'ann@contoso.example')"
	in(t, entratest.World{}).must(http.StatusOK, http.MethodGet, search, nil, "ConsistencyLevel", "eventual")
	g := in(t, entratest.World{NoDeletedSearch: true})
	wantError(t, g.do(http.MethodGet, search, nil, "ConsistencyLevel", "eventual"), http.StatusBadRequest, "Request_UnsupportedQuery", "")
	g.must(http.StatusOK, http.MethodGet, "/directory/deletedItems/graph.user", nil)
}

// A permission granted or removed after a token was made changes the next token only.
func TestRolesAreFixedInTheToken(t *testing.T) {
	g := start(t, func(c *entratest.Config) { c.Apps[0].Roles = []string{"User.Read.All"} })
	set := func(roles ...string) {
		t.Helper()
		if err := g.sim.SetApp(clientID, func(a *entratest.App) { a.Roles = roles }); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, g.do(http.MethodPost, "/users", person("ann")), http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges")
	set("User.ReadWrite.All")
	wantError(t, g.do(http.MethodPost, "/users", person("ann")), http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges")
	g.token = text(g.login(tenantID, secretForm()).body, "access_token")
	g.create("ann")
	set()
	g.create("bob")
	g.token = text(g.login(tenantID, secretForm()).body, "access_token")
	wantError(t, g.do(http.MethodGet, "/users", nil), http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges")
	var presented jwt.MapClaims
	if _, _, err := jwt.NewParser().ParseUnverified(g.token, &presented); err != nil || presented["roles"] != nil {
		t.Errorf("without permissions: %v, roles %v, want a token without roles", err, presented["roles"])
	}
}

func TestEarlyRefreshAndSignInDown(t *testing.T) {
	g := start(t)
	if r := g.login(tenantID, secretForm()); at(r.body, "refresh_in") != nil {
		t.Errorf("refresh_in is %v without the switch, want none", at(r.body, "refresh_in"))
	}
	g.sim.Set(func(b *entratest.Behaviour) { b.TokenLife, b.TokenRefresh = 24*time.Hour, 12*time.Hour })
	if r := g.login(tenantID, secretForm()); at(r.body, "refresh_in") != 43200.0 || at(r.body, "expires_in") != 86400.0 {
		t.Errorf("%v, want 43200 and 86400", r.body)
	}
	g.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = true })
	if r := g.login(tenantID, secretForm()); r.status != http.StatusServiceUnavailable || at(r.body, "error_codes", 0) != 90033.0 {
		t.Errorf("down: %d %v, want 503 with the code 90033", r.status, r.body)
	}
	r, err := g.client.Get("http://login.test/" + tenantID + "/v2.0/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("discovery while down: %d, want 503", r.StatusCode)
	}
	g.must(http.StatusOK, http.MethodGet, "/users", nil)
}
