package entratest

import (
	"net/http"
	"net/url"
	"strings"
)

// serveDiscovery serves /{tenant}/v2.0/.well-known/openid-configuration, from
// which client libraries learn where tokens are.
func (s *Simulator) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	t, failure := s.loginTenant(name)
	if s.behaviour().SignInDown {
		failure = signInDown()
	}
	if failure != nil {
		s.refuseToken(w, failure)
		return
	}
	root := baseURL(r) + "/" + t.ID
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": root + "/v2.0", "token_endpoint": root + "/oauth2/v2.0/token",
		"authorization_endpoint": root + "/oauth2/v2.0/authorize", "jwks_uri": root + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic", "private_key_jwt"},
		"response_types_supported":              []string{"code", "id_token", "token"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"msgraph_host":                          r.Host,
	})
}

// serveInstances serves instance discovery, which MSAL requests for an authority that
// it does not know.
func (s *Simulator) serveInstances(w http.ResponseWriter, r *http.Request) {
	endpoint, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	if err != nil || endpoint.Path == "" {
		s.refuseToken(w, refuseLogin(http.StatusBadRequest, "invalid_request", 900144, "The request must contain the following parameter: 'authorization_endpoint'."))
		return
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(endpoint.Path, "/"), "/")
	writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": baseURL(r) + "/" + name + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []map[string]any{{"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host}}},
	})
}

// serveConsent serves /{tenant}/v2.0/adminconsent. The administrator always agrees: the
// tenant has consented to the app afterwards, and the browser is redirected with
// admin_consent=True, which is there on errors too (Microsoft identity platform, admin
// consent).
func (s *Simulator) serveConsent(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	back, err := url.Parse(query.Get("redirect_uri"))
	if err != nil || !back.IsAbs() {
		s.refuseToken(w, refuseLogin(http.StatusBadRequest, "invalid_request", 900144, "The request must contain the following parameter: 'redirect_uri'."))
		return
	}
	reply := url.Values{"admin_consent": {"True"}, "state": {query.Get("state")}, "scope": {query.Get("scope")}}
	t := s.consentTenant(name)
	app := s.app(query.Get("client_id"))
	switch {
	case t == nil || app == nil:
		reply.Set("error", "unauthorized_client")
		reply.Set("error_description", "AADSTS700016: the application or the tenant was not found.")
	case !strings.HasSuffix(query.Get("scope"), "/.default"):
		reply.Set("error", "consent_required")
		reply.Set("error_description", "AADSTS65004: the scope has to be /.default.")
	default:
		reply.Set("tenant", t.ID)
		// the app exists: it was found two lines above and apps are never removed
		_ = s.SetApp(app.ClientID, func(a *App) {
			if !a.consentedIn(t) {
				a.Tenants = append(append([]string{}, a.Tenants...), t.ID)
			}
		})
	}
	back.RawQuery = reply.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound) //nolint:gosec // no redirect URIs are registered: whoever asks is the app
}

// consentTenant is the tenant that consents; `organizations` is the first one
// configured, as the home tenant of the administrator.
func (s *Simulator) consentTenant(name string) *tenant {
	if strings.EqualFold(name, "organizations") {
		return s.tenants[s.config.Tenants[0].ID]
	}
	t, failure := s.loginTenant(name)
	if failure != nil {
		return nil
	}
	return t
}
