package entratest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/golang-jwt/jwt/v5"

	"entrasync/shared/entra/entratest"
)

// login posts a form to the token endpoint.
func (g *graph) login(tenant string, form url.Values, edits ...func(*http.Request)) reply {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, "http://login.test/"+tenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, edit := range edits {
		edit(r)
	}
	response, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	out := reply{status: response.StatusCode, header: response.Header}
	if err := json.NewDecoder(response.Body).Decode(&out.body); err != nil {
		g.t.Fatal(err)
	}
	return out
}

func secretForm() url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {"simulated-secret"},
		"scope": {"https://graph.microsoft.com/.default"},
	}
}

// outside makes a token of an outside provider.
func outside(t *testing.T, issuer, subject, audience string, life time.Duration) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Issuer: issuer, Subject: subject, Audience: jwt.ClaimStrings{audience}, ExpiresAt: jwt.NewNumericDate(time.Now().Add(life)),
	}).SignedString([]byte("whoever"))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestToken(t *testing.T) {
	g := start(t)
	for _, tenant := range []string{tenantID, strings.ToUpper(tenantID), "contoso.example"} {
		r := g.login(tenant, secretForm())
		if r.status != http.StatusOK || text(r.body, "token_type") != "Bearer" || at(r.body, "expires_in") != 3599.0 || at(r.body, "ext_expires_in") != 3599.0 {
			t.Fatalf("%s: %d %v, want 200 with a Bearer token of 3599 s", tenant, r.status, r.body)
		}
		var presented jwt.MapClaims
		if _, _, err := jwt.NewParser().ParseUnverified(text(r.body, "access_token"), &presented); err != nil {
			t.Fatal(err)
		}
		if presented["tid"] != tenantID || presented["appid"] != clientID || presented["idtyp"] != "app" || presented["oid"] == "" || len(presented["roles"].([]any)) < 7 {
			t.Errorf("claims: %v, want those of the app in the tenant with its roles", presented)
		}
		g.token = text(r.body, "access_token")
		g.must(http.StatusOK, http.MethodGet, "/users", nil)
	}
	basic := secretForm()
	basic.Del("client_id")
	basic.Del("client_secret")
	if r := g.login(tenantID, basic, func(r *http.Request) { r.SetBasicAuth(clientID, url.QueryEscape("simulated-secret")) }); r.status != http.StatusOK {
		t.Errorf("Basic: %v, want a token", r.body)
	}
}

func TestLoginErrors(t *testing.T) {
	federated := entratest.FederatedCredential{Issuer: "https://sts.example", Subject: "role"}
	const none = "-" // take the field away
	rows := []struct {
		name   string
		tenant string
		edit   func(*entratest.App)
		form   map[string]string
		status int
		word   string
		code   int
	}{
		{"wrong secret", tenantID, nil, map[string]string{"client_secret": "x"}, 401, "invalid_client", 7000215},
		{"no secret", tenantID, nil, map[string]string{"client_secret": none}, 401, "invalid_client", 7000218},
		{"expired secret", tenantID, func(a *entratest.App) { a.SecretExpired = true }, nil, 401, "invalid_client", 7000222},
		{"unknown app", tenantID, nil, map[string]string{"client_id": "00000000-0000-4000-8000-000000000001"}, 400, "unauthorized_client", 700016},
		{"no consent", tenantID, func(a *entratest.App) { a.Tenants = []string{"another"} }, nil, 400, "unauthorized_client", 700016},
		{"disabled", tenantID, func(a *entratest.App) { a.Disabled = true }, nil, 401, "unauthorized_client", 7000112},
		{"blocked", tenantID, func(a *entratest.App) { a.Blocked = true }, nil, 400, "access_denied", 53003},
		{"no such tenant", "00000000-0000-4000-8000-000000000001", nil, nil, 400, "invalid_request", 90002},
		{"bad tenant", "nonsense", nil, nil, 400, "invalid_request", 900023},
		{"no scope", tenantID, nil, map[string]string{"scope": none}, 400, "invalid_request", 900144},
		{"no grant", tenantID, nil, map[string]string{"grant_type": none}, 400, "invalid_request", 900144},
		{"other grant", tenantID, nil, map[string]string{"grant_type": "password"}, 400, "unsupported_grant_type", 70003},
		{"scope of a user", tenantID, nil, map[string]string{"scope": "User.Read"}, 400, "invalid_scope", 1002012},
		{"two scopes", tenantID, nil, map[string]string{"scope": "https://graph.microsoft.com/.default x/.default"}, 400, "invalid_scope", 70011},
		{"other resource", tenantID, nil, map[string]string{"scope": "https://vault.example/.default"}, 400, "invalid_resource", 500011},
		{"assertion not a JWT", tenantID, nil, map[string]string{"client_assertion": "x"}, 401, "invalid_client", 50027},
		{"assertion late", tenantID, nil, map[string]string{"client_assertion": outside(t, "https://sts.example", "role", "api://AzureADTokenExchange", -time.Minute)}, 401, "invalid_client", 700024},
		{"certificate", tenantID, nil, map[string]string{"client_assertion": outside(t, clientID, clientID, "x", time.Minute)}, 401, "invalid_client", 700027},
		{"issuer", tenantID, nil, map[string]string{"client_assertion": outside(t, "https://evil.example", "role", "api://AzureADTokenExchange", time.Minute)}, 401, "invalid_client", 700211},
		{"audience", tenantID, nil, map[string]string{"client_assertion": outside(t, "https://sts.example", "role", "x", time.Minute)}, 401, "invalid_client", 700212},
		{"subject", tenantID, nil, map[string]string{"client_assertion": outside(t, "https://sts.example", "other", "api://AzureADTokenExchange", time.Minute)}, 401, "invalid_client", 700213},
		{"good assertion", tenantID, nil, map[string]string{"client_assertion": outside(t, "https://sts.example", "role", "api://AzureADTokenExchange", time.Minute)}, 200, "", 0},
		{"any assertion", tenantID, func(a *entratest.App) { a.AnyAssertion = true }, map[string]string{"client_assertion": outside(t, clientID, "", "x", time.Minute)}, 200, "", 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			g := start(t, func(c *entratest.Config) {
				c.Apps[0].Federated = []entratest.FederatedCredential{federated}
				if row.edit != nil {
					row.edit(&c.Apps[0])
				}
			})
			form := secretForm()
			for field, value := range row.form {
				form.Set(field, value)
				if value == none {
					form.Del(field)
				}
				if field == "client_assertion" {
					form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
					form.Del("client_secret")
				}
			}
			r := g.login(row.tenant, form)
			if r.status != row.status || text(r.body, "error") != row.word {
				t.Fatalf("%d %v, want the status and word of the row", r.status, r.body)
			}
			if row.code == 0 {
				return
			}
			if at(r.body, "error_codes", 0) != float64(row.code) || !strings.HasPrefix(text(r.body, "error_description"), "AADSTS") ||
				text(r.body, "timestamp") == "" || text(r.body, "trace_id") == "" || text(r.body, "correlation_id") == "" || text(r.body, "error_uri") == "" {
				t.Errorf("body: %v, want the code of the row and all fields of a refusal", r.body)
			}
		})
	}
}

func TestUnauthenticated(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := start(t)
		own := g.token
		foreign := start(t, func(c *entratest.Config) { c.Seed = 2 }).token
		for name, token := range map[string]string{"missing": "", "malformed": "abc", "foreign": foreign} {
			g.token = token
			r := g.do(http.MethodGet, "/users", nil)
			wantError(t, r, http.StatusUnauthorized, "InvalidAuthenticationToken", "")
			if !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s: %v, want a Bearer challenge", name, r.header)
			}
		}
		g.token = own
		time.Sleep(time.Hour)
		wantError(t, g.do(http.MethodGet, "/users", nil), http.StatusUnauthorized, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
	})
}

func TestAzidentity(t *testing.T) {
	g := start(t)
	server := httptest.NewTLSServer(g.sim)
	defer server.Close()
	options := azcore.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: server.URL}, Transport: server.Client()}
	scope := policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}}
	secret, err := azidentity.NewClientSecretCredential(tenantID, clientID, "simulated-secret",
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	token, err := secret.GetToken(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	g.token = token.Token
	g.must(http.StatusOK, http.MethodGet, "/organization", nil)

	if err := g.sim.SetApp(clientID, func(a *entratest.App) {
		a.Federated = []entratest.FederatedCredential{{Issuer: "https://sts.example", Subject: "arn:role"}}
	}); err != nil {
		t.Fatal(err)
	}
	assertion, err := azidentity.NewClientAssertionCredential(tenantID, clientID, func(context.Context) (string, error) {
		return outside(t, "https://sts.example", "arn:role", "api://AzureADTokenExchange", time.Minute), nil
	}, &azidentity.ClientAssertionCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := assertion.GetToken(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	wrong, err := azidentity.NewClientSecretCredential(tenantID, clientID, "wrong",
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.GetToken(t.Context(), scope); err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("wrong secret: %v, want AADSTS7000215", err)
	}
}

func TestLoginFault(t *testing.T) {
	g := start(t)
	if err := g.sim.FailNext(entratest.Fault{
		Path: "/token$", Status: http.StatusServiceUnavailable, Body: object{"error": "temporarily_unavailable", "error_codes": []int{90033}}, Header: map[string]string{"Retry-After": "5"},
	}); err != nil {
		t.Fatal(err)
	}
	r := g.login(tenantID, secretForm())
	if r.status != http.StatusServiceUnavailable || at(r.body, "error_codes", 0) != 90033.0 || r.header.Get("Retry-After") != "5" {
		t.Errorf("%d %v %v, want 503 with the code 90033 and a wait of 5s", r.status, r.body, r.header)
	}
	if r := g.login(tenantID, secretForm()); r.status != http.StatusOK || g.sim.Counters().Logins != 2 {
		t.Errorf("afterwards: %d, %d logins, want 200 and 2 logins", r.status, g.sim.Counters().Logins)
	}
}
