package entratest_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"entrasync/shared/entra/entratest"
)

// graphScope asks for all permissions of a registration.
const graphScope = "https://graph.microsoft.com/.default"

// consentQuery is what an app asks the consent page.
func consentQuery() url.Values {
	return url.Values{"client_id": {clientID}, "redirect_uri": {"http://app.test/callback"}, "state": {"s1"}, "scope": {graphScope}}
}

// consents opens the consent page of a tenant, or sends a decision if there is one.
func (g *graph) consents(tenant string, query url.Values, decision string) *http.Response {
	g.t.Helper()
	g.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	method, form := http.MethodGet, ""
	if decision != "" {
		method, form = http.MethodPost, url.Values{"decision": {decision}}.Encode()
	}
	r, err := http.NewRequestWithContext(g.t.Context(), method, "http://login.test/"+tenant+"/v2.0/adminconsent?"+query.Encode(), strings.NewReader(form))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	return response
}

// roles are the roles in a new token; nil if the app cannot sign in, with its code.
func (g *graph) roles() (roles []string, code any) {
	g.t.Helper()
	r := g.login(tenantID, secretForm())
	if r.status != http.StatusOK {
		return nil, at(r.body, "error_codes", 0)
	}
	var presented jwt.MapClaims
	if _, _, err := jwt.NewParser().ParseUnverified(text(r.body, "access_token"), &presented); err != nil {
		g.t.Fatal(err)
	}
	granted, _ := presented["roles"].([]any)
	for _, role := range granted {
		roles = append(roles, role.(string))
	}
	return roles, nil
}

// The page shows what the app asks for, and each decision leads back in its form. Only
// accepting changes anything.
func TestConsent(t *testing.T) {
	for decision, want := range map[string]url.Values{
		entratest.ConsentAccept:     {"admin_consent": {"True"}, "tenant": {tenantID}, "state": {"s1"}, "scope": {graphScope}},
		entratest.ConsentCancel:     {"error": {"access_denied"}, "error_subcode": {"cancel"}, "state": {"s1"}},
		entratest.ConsentCancelBare: {"error": {"access_denied"}, "error_subcode": {"cancel"}},
		entratest.ConsentRefuse: {"admin_consent": {"True"}, "tenant": {tenantID}, "state": {"s1"}, "error": {"consent_required"},
			"error_description": {"AADSTS65004: The resource owner or authorization server denied the request."}},
	} {
		for _, tenant := range []string{tenantID, "contoso.example", "organizations"} {
			g := start(t, func(c *entratest.Config) {
				c.Apps[0].Tenants, c.Apps[0].Requires = []string{"none yet"}, []string{"Organization.Read.All", "User.Read.All"}
			})
			page := g.consents(tenant, consentQuery(), "")
			shown, err := io.ReadAll(page.Body)
			if err != nil || page.StatusCode != http.StatusOK || !strings.Contains(string(shown), "User.Read.All") {
				t.Fatalf("%s: %d %s, want 200 with the permissions", tenant, page.StatusCode, shown)
			}
			if _, code := g.roles(); code != 700016.0 {
				t.Fatalf("before the decision: code %v, want 700016", code)
			}
			back := g.consents(tenant, consentQuery(), decision)
			location, err := back.Location()
			if err != nil || back.StatusCode != http.StatusFound || location.Host != "app.test" || location.Query().Encode() != want.Encode() {
				t.Errorf("%s in %s: %d %v, want 302 with %s", decision, tenant, back.StatusCode, location, want.Encode())
			}
			roles, _ := g.roles()
			if accepted := slices.Equal(roles, []string{"Organization.Read.All", "User.Read.All"}); accepted != (decision == entratest.ConsentAccept) {
				t.Errorf("%s in %s: roles %v", decision, tenant, roles)
			}
		}
	}
}

// A request that is wrong is an error page, and the browser is led nowhere.
func TestConsentRequestsThatAreWrong(t *testing.T) {
	for name, row := range map[string]struct {
		tenant, field, value string
		says                 string
	}{
		"no app":                {tenantID, "client_id", "", "AADSTS900144"},
		"unknown app":           {tenantID, "client_id", "00000000-0000-4000-8000-000000000001", "AADSTS700016"},
		"no address":            {tenantID, "redirect_uri", "", "AADSTS900144"},
		"another address":       {tenantID, "redirect_uri", "http://evil.test/callback", "AADSTS50011"},
		"the address and more":  {tenantID, "redirect_uri", "http://app.test/callback/", "AADSTS50011"},
		"no scope":              {tenantID, "scope", "", "AADSTS900144"},
		"no such tenant":        {"00000000-0000-4000-8000-000000000001", "state", "s1", "AADSTS90002"},
		"a name of all tenants": {"common", "state", "s1", "AADSTS900023"},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, func(c *entratest.Config) { c.Apps[0].RedirectURIs = []string{"http://app.test/callback"} })
			query := consentQuery()
			if query.Set(row.field, row.value); row.value == "" {
				query.Del(row.field)
			}
			for _, decision := range []string{"", entratest.ConsentAccept} {
				response := g.consents(row.tenant, query, decision)
				body, err := io.ReadAll(response.Body)
				if err != nil || response.StatusCode != http.StatusBadRequest || response.Header.Get("Location") != "" || !strings.Contains(string(body), row.says) {
					t.Errorf("%q: %d %s, want 400 with %s and no redirect", decision, response.StatusCode, body, row.says)
				}
			}
		})
	}
	g := start(t)
	query := consentQuery()
	query.Set("scope", "User.Read.All")
	back, err := g.consents(tenantID, query, entratest.ConsentAccept).Location()
	if err != nil || back.Query().Get("error") != "consent_required" || back.Query().Get("admin_consent") != "True" {
		t.Errorf("without /.default: %v %v, want consent_required with admin_consent", back, err)
	}
	if response := g.consents(tenantID, consentQuery(), "perhaps"); response.StatusCode != http.StatusBadRequest {
		t.Errorf("no decision: %d, want 400", response.StatusCode)
	}
}

// A consent spreads slowly: at first the app cannot sign in, then its tokens lack what was
// granted. A second consent takes away nothing meanwhile.
func TestConsentSpreadsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, func(c *entratest.Config) {
			c.Apps[0].Tenants, c.Apps[0].Requires = []string{"none yet"}, entratest.RecommendedRoles
		})
		g.sim.Set(func(b *entratest.Behaviour) { b.ConsentSignIn, b.ConsentRoles = 2*time.Minute, 5*time.Minute })
		g.consents(tenantID, consentQuery(), entratest.ConsentAccept)
		if _, code := g.roles(); code != 65001.0 {
			t.Errorf("at once: code %v, want 65001", code)
		}
		time.Sleep(2 * time.Minute)
		if roles, code := g.roles(); len(roles) > 0 || code != nil {
			t.Errorf("two minutes later: %v, code %v, want a token without roles", roles, code)
		}
		time.Sleep(3 * time.Minute)
		if roles, _ := g.roles(); !slices.Equal(roles, entratest.RecommendedRoles) {
			t.Errorf("five minutes later: %v, want all", roles)
		}
		g.consents(tenantID, consentQuery(), entratest.ConsentAccept)
		if roles, _ := g.roles(); !slices.Equal(roles, entratest.RecommendedRoles) {
			t.Errorf("after a second consent: %v, want all", roles)
		}
	})
}
