package entratest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// graphResources are the roots of Microsoft Graph in all clouds, and its app id.
var graphResources = []string{
	"https://graph.microsoft.com", "https://graph.microsoft.us", "https://dod-graph.microsoft.us",
	"https://microsoftgraph.chinacloudapi.cn", "00000003-0000-0000-c000-000000000000",
}

// loginError is a refusal of the token endpoint (Microsoft identity platform,
// authentication error codes). It is assumed which OAuth word belongs to which code.
type loginError struct {
	status  int
	word    string
	code    int
	message string
}

func refuseLogin(status int, word string, code int, format string, args ...any) *loginError {
	return &loginError{status, word, code, fmt.Sprintf(format, args...)}
}

// serveToken serves POST /{tenant}/oauth2/v2.0/token, client credentials only.
func (s *Simulator) serveToken(w http.ResponseWriter, r *http.Request) {
	s.counters.login()
	if s.behaviour().SignInDown {
		s.refuseToken(w, signInDown())
		return
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if f := s.faults.take(r.Method, r.URL.Path); f != nil {
		if a, wait := f.answer(r.Context()); a != nil {
			for key, values := range a.header {
				w.Header()[key] = values
			}
			writeJSON(w, a.status, a.body)
			return
		} else if wait != nil {
			return // the client went away
		}
		if f.LoseReply {
			panic(http.ErrAbortHandler) // the way net/http documents to drop a connection without an answer
		}
	}
	app, t, failure := s.signIn(name, r)
	if failure != nil {
		s.refuseToken(w, failure)
		return
	}
	how, now := s.behaviour(), time.Now()
	life := how.TokenLife
	if life == 0 {
		life = assumedTokenLife
	}
	access, err := s.issue(app, t, baseURL(r), now, life)
	if err != nil {
		s.refuseToken(w, refuseLogin(http.StatusInternalServerError, "server_error", 90006, "The simulator failed: %v", err))
		return
	}
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.Header().Set("Pragma", "no-cache")
	seconds := int(life / time.Second)
	body := map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": access}
	if early := int(how.TokenRefresh / time.Second); early > 0 {
		body["refresh_in"] = early
	}
	writeJSON(w, http.StatusOK, body)
}

// signInDown is the answer of the login service when it has an outage.
func signInDown() *loginError {
	return refuseLogin(http.StatusServiceUnavailable, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again.")
}

// signIn checks a token request.
func (s *Simulator) signIn(name string, r *http.Request) (*App, *tenant, *loginError) {
	if r.Method != http.MethodPost {
		return nil, nil, refuseLogin(http.StatusBadRequest, "invalid_request", 900561, "The endpoint only accepts POST requests. Received a %s request.", r.Method)
	}
	if err := r.ParseForm(); err != nil {
		return nil, nil, refuseLogin(http.StatusBadRequest, "invalid_request", 900144, "The request body must be form-encoded.")
	}
	t, failure := s.loginTenant(name)
	if failure != nil {
		return nil, nil, failure
	}
	form := r.PostForm
	if user, password, basic := r.BasicAuth(); basic { // RFC 6749 2.3.1: both parts are form-encoded
		for field, value := range map[string]string{"client_id": user, "client_secret": password} {
			if decoded, err := url.QueryUnescape(value); err == nil && form.Get(field) == "" {
				form.Set(field, decoded)
			}
		}
	}
	for _, field := range []string{"grant_type", "client_id", "scope"} {
		if form.Get(field) == "" {
			return nil, nil, refuseLogin(http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: '%s'.", field)
		}
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		return nil, nil, refuseLogin(http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '%s'.", grant)
	}
	if failure := checkScope(form.Get("scope")); failure != nil {
		return nil, nil, failure
	}
	app := s.app(form.Get("client_id"))
	if app == nil || !app.consentedIn(t) {
		return nil, nil, refuseLogin(http.StatusBadRequest, "unauthorized_client", 700016,
			"Application with identifier '%s' was not found in the directory '%s'.", form.Get("client_id"), t.Name)
	}
	if !s.hasSpread(app, t) {
		return nil, nil, refuseLogin(http.StatusBadRequest, "invalid_grant", 65001,
			"The user or administrator has not consented to use the application with ID '%s' named '%s'. Send an interactive authorization request for this user and resource.", app.ClientID, app.Name)
	}
	return app, t, s.prove(app, form)
}

// loginTenant finds the tenant of a path: a GUID or a verified domain.
func (s *Simulator) loginTenant(name string) (*tenant, *loginError) {
	if t := s.tenants[strings.ToLower(name)]; t != nil {
		return t, nil
	}
	for _, t := range s.tenants {
		if d, ok := t.domain(name); ok && !d.Unverified {
			return t, nil
		}
	}
	if _, err := uuid.Parse(name); err != nil && !strings.Contains(name, ".") {
		return nil, refuseLogin(http.StatusBadRequest, "invalid_request", 900023,
			"Specified tenant identifier '%s' is neither a valid DNS name, nor a valid external domain.", name)
	}
	return nil, refuseLogin(http.StatusBadRequest, "invalid_request", 90002, "Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", name)
}

func (a *App) consentedIn(t *tenant) bool {
	return len(a.Tenants) == 0 || slices.ContainsFunc(a.Tenants, func(id string) bool { return strings.EqualFold(id, t.ID) })
}

// signInScopes are the scopes that Microsoft's own library (MSAL) requests besides the
// resource in every flow; in this flow they mean nothing and are accepted.
var signInScopes = []string{"openid", "profile", "offline_access"}

// checkScope requires "<resource>/.default" for one resource. Besides the roots of
// Graph, a loopback address is a resource: the simulator runs there.
func checkScope(scope string) *loginError {
	scopes := slices.DeleteFunc(strings.Fields(scope), func(s string) bool { return slices.Contains(signInScopes, s) })
	if len(scopes) != 1 {
		return refuseLogin(http.StatusBadRequest, "invalid_scope", 70011, "The provided request must include a 'scope' input parameter for one resource. The scope '%s' is not valid.", scope)
	}
	resource, found := strings.CutSuffix(scopes[0], "/.default")
	if !found {
		return refuseLogin(http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope)
	}
	u, err := url.Parse(resource)
	loopback := err == nil && slices.Contains([]string{"127.0.0.1", "localhost", "::1"}, u.Hostname())
	if !loopback && !slices.Contains(graphResources, strings.TrimSuffix(resource, "/")) {
		return refuseLogin(http.StatusBadRequest, "invalid_resource", 500011, "The resource principal named %s was not found in the tenant.", resource)
	}
	return nil
}

// prove checks the secret or the assertion, and whether the app may sign in.
func (s *Simulator) prove(app *App, form url.Values) *loginError {
	switch {
	case app.Disabled:
		return refuseLogin(http.StatusUnauthorized, "unauthorized_client", 7000112, "Application '%s' is disabled.", app.ClientID)
	case form.Get("client_assertion") != "":
		if failure := s.checkAssertion(app, form, time.Now()); failure != nil {
			return failure
		}
	case form.Get("client_secret") == "":
		return refuseLogin(http.StatusUnauthorized, "invalid_client", 7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case app.ClientSecret == "" || form.Get("client_secret") != app.ClientSecret:
		return refuseLogin(http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.ClientID)
	case app.SecretExpired:
		return refuseLogin(http.StatusUnauthorized, "invalid_client", 7000222, "The provided client secret keys for app '%s' are expired.", app.ClientID)
	}
	if app.Blocked {
		return refuseLogin(http.StatusBadRequest, "access_denied", 53003, "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.")
	}
	return nil
}

// refuseToken writes a refusal in the form of the token endpoint.
func (s *Simulator) refuseToken(w http.ResponseWriter, e *loginError) {
	trace, correlation := s.random.uuid(), s.random.uuid()
	stamp := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	writeJSON(w, e.status, map[string]any{
		"error": e.word,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			e.code, e.message, trace, correlation, stamp),
		"error_codes": []int{e.code}, "timestamp": stamp, "trace_id": trace, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", e.code),
	})
}

// claims are the claims in an access token for an app.
type claims struct {
	jwt.RegisteredClaims
	Number   int      `json:"uti"` // of the token; Entra's are unique texts
	TenantID string   `json:"tid"`
	AppID    string   `json:"appid"`
	AppIDv2  string   `json:"azp"`
	Object   string   `json:"oid"`
	Type     string   `json:"idtyp"`
	Roles    []string `json:"roles,omitempty"`
	// WIDs are the directory roles of the app, by the ids of their templates. That Graph
	// goes by them, and not by the present roles, is assumed.
	WIDs []string `json:"wids,omitempty"`
}

// issue makes an access token. It is signed with a key that depends on the seed, so
// that tokens stay valid when the process is restarted. An app that was granted nothing
// gets a token without roles.
func (s *Simulator) issue(app *App, t *tenant, issuer string, now time.Time, life time.Duration) (string, error) {
	object := s.random.hash("service principal", t.ID, app.ClientID)
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer + "/" + t.ID + "/v2.0", Subject: guid([16]byte(object[:16])), Audience: jwt.ClaimStrings{graphResources[0]},
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(life)),
		},
		Number: s.numberToken(), TenantID: t.ID, AppID: app.ClientID, AppIDv2: app.ClientID, Object: guid([16]byte(object[:16])), Type: "app", Roles: s.rolesIn(app, t, now), WIDs: templatesOf(app.DirectoryRoles),
	}).SignedString(s.tokenKey())
}

// numberToken is the number of the next token.
func (s *Simulator) numberToken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued++
	return s.issued
}

// RevokeTokens makes Graph refuse every token issued before, as when an administrator
// ends an application's sessions (continuous access evaluation).
func (s *Simulator) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = s.issued
}

// revoked reports whether RevokeTokens was called after the token was issued.
func (s *Simulator) revoked(token claims) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return token.Number <= s.ended
}

func (s *Simulator) tokenKey() []byte {
	key := s.random.hash("token key")
	return key[:]
}

// Token issues an access token for an app in a tenant without a request, for tests that
// call Graph directly. It is "" if there is no such app or tenant.
func (s *Simulator) Token(clientID, tenantID string) string {
	app, t := s.app(clientID), s.tenants[strings.ToLower(tenantID)]
	if app == nil || t == nil {
		return ""
	}
	life := s.behaviour().TokenLife
	if life == 0 {
		life = assumedTokenLife
	}
	token, err := s.issue(app, t, "https://login.microsoftonline.com", time.Now(), life)
	if err != nil {
		return ""
	}
	return token
}
