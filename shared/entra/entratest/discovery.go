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
