package entratest

import (
	"bytes"
	_ "embed" // the page
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// consentKey names an app and a tenant.
type consentKey struct{ client, tenant string }

// consent is what an administrator agreed to.
type consent struct {
	at     time.Time
	first  bool     // the tenant did not know the app before
	before []string // the roles of the app before
	roles  []string
}

// The decisions that the form of the consent page takes. Microsoft documents the first
// three; that a refusal may come without state and tenant, or with admin_consent=True, was
// observed by users (azure-docs 114009, 41053).
const (
	ConsentAccept     = "accept"
	ConsentCancel     = "cancel"      // error=access_denied, without tenant
	ConsentRefuse     = "refuse"      // error=consent_required, with admin_consent=True and tenant
	ConsentCancelBare = "cancel-bare" // error and error_subcode alone, without state
)

//go:embed consent.html
var consentHTML string

var consentPage = sync.OnceValues(func() (*template.Template, error) { return template.New("consent").Parse(consentHTML) })

// consentRequest is a request of the consent page that may lead back to the app.
type consentRequest struct {
	App     *App
	tenant  *tenant // nil for `organizations`: the administrator's own
	Tenants []*tenant
	back    *url.URL
	state   string
	scope   string
}

// serveConsent serves /{tenant}/v2.0/adminconsent: GET shows the page with what the app
// asks for, and POST with a decision leads back to the app. Whatever is wrong with the
// request itself is an error page, and the browser is led nowhere (Microsoft identity
// platform, admin consent).
func (s *Simulator) serveConsent(w http.ResponseWriter, r *http.Request) {
	if s.behaviour().SignInDown {
		s.refuseToken(w, signInDown())
		return
	}
	request, failure := s.readConsent(r)
	if failure != nil {
		s.refuseToken(w, failure)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		s.showConsent(w, request)
	case http.MethodPost:
		s.decideConsent(w, r, request)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	}
}

// readConsent checks a request of the consent page.
func (s *Simulator) readConsent(r *http.Request) (c consentRequest, failure *loginError) {
	query := r.URL.Query()
	for _, field := range []string{"client_id", "redirect_uri", "scope"} {
		if query.Get(field) == "" {
			return c, refuseLogin(http.StatusBadRequest, "invalid_request", 900144, "The request must contain the following parameter: '%s'.", field)
		}
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !strings.EqualFold(name, "organizations") {
		if c.tenant, failure = s.loginTenant(name); failure != nil {
			return c, failure
		}
		c.Tenants = []*tenant{c.tenant}
	} else {
		for _, t := range s.config.Tenants {
			c.Tenants = append(c.Tenants, s.tenants[t.ID])
		}
	}
	if c.App = s.app(query.Get("client_id")); c.App == nil {
		return c, refuseLogin(http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '%s' was not found.", query.Get("client_id"))
	}
	var err error
	c.back, err = url.Parse(query.Get("redirect_uri"))
	registered := len(c.App.RedirectURIs) == 0 || slices.Contains(c.App.RedirectURIs, query.Get("redirect_uri"))
	if err != nil || !c.back.IsAbs() || c.back.Fragment != "" || !registered {
		return c, refuseLogin(http.StatusBadRequest, "invalid_request", 50011,
			"The redirect URI '%s' specified in the request does not match the redirect URIs configured for the application '%s'.", query.Get("redirect_uri"), c.App.ClientID)
	}
	c.state, c.scope = query.Get("state"), query.Get("scope")
	return c, nil
}

// Permissions are what the app asks for.
func (c consentRequest) Permissions() []string { return c.App.required() }

// required are the permissions that a consent grants.
func (a *App) required() []string {
	if len(a.Requires) > 0 {
		return a.Requires
	}
	return a.Roles
}

// showConsent shows the page to the administrator.
func (s *Simulator) showConsent(w http.ResponseWriter, c consentRequest) {
	t, err := consentPage()
	var page bytes.Buffer
	if err == nil {
		err = t.Execute(&page, c)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' "+c.back.Scheme+"://"+c.back.Host)
	_, _ = page.WriteTo(w) // a browser that went away is its own business
}

// decideConsent keeps a decision and leads the browser back. admin_consent=True is there on
// some refusals too.
func (s *Simulator) decideConsent(w http.ResponseWriter, r *http.Request, c consentRequest) {
	t := c.tenant
	if t == nil {
		t = s.tenants[strings.ToLower(r.PostFormValue("tenant"))]
	}
	if t == nil {
		t = c.Tenants[0]
	}
	reply := url.Values{}
	if c.state != "" {
		reply.Set("state", c.state)
	}
	switch decision := r.PostFormValue("decision"); {
	case decision == ConsentCancelBare:
		reply = url.Values{"error": {"access_denied"}, "error_subcode": {"cancel"}}
	case decision == ConsentCancel:
		reply.Set("error", "access_denied")
		reply.Set("error_subcode", "cancel")
	case decision == ConsentRefuse, decision == ConsentAccept && !strings.HasSuffix(c.scope, "/.default"):
		reply.Set("admin_consent", "True")
		reply.Set("tenant", t.ID)
		reply.Set("error", "consent_required")
		reply.Set("error_description", "AADSTS65004: The resource owner or authorization server denied the request.")
	case decision == ConsentAccept:
		s.keepConsent(c.App, t)
		reply.Set("admin_consent", "True")
		reply.Set("tenant", t.ID)
		reply.Set("scope", c.scope)
	default:
		s.refuseToken(w, refuseLogin(http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: 'decision'."))
		return
	}
	back := *c.back
	back.RawQuery = reply.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// keepConsent makes a tenant know an app, and grants what its registration lists.
func (s *Simulator) keepConsent(app *App, t *tenant) {
	known, now := app.consentedIn(t), time.Now()
	var before []string
	if known {
		before = s.rolesIn(app, t, now)
	}
	s.mu.Lock()
	s.consents[consentKey{app.ClientID, t.ID}] = consent{at: now, first: !known, before: before, roles: app.required()}
	s.mu.Unlock()
	if !known {
		// The app exists: apps are never removed.
		_ = s.SetApp(app.ClientID, func(a *App) { a.Tenants = append(slices.Clone(a.Tenants), t.ID) })
	}
}

// hasSpread reports whether the login service knows of the consent of a tenant.
func (s *Simulator) hasSpread(app *App, t *tenant) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	given, known := s.consents[consentKey{app.ClientID, t.ID}]
	return !known || !given.first || time.Since(given.at) >= s.how.ConsentSignIn
}

// rolesIn are the roles of an app in a tenant: what was agreed to on the consent page, or
// else those of the configuration.
func (s *Simulator) rolesIn(app *App, t *tenant, now time.Time) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	given, known := s.consents[consentKey{app.ClientID, t.ID}]
	switch {
	case !known:
		return app.Roles
	case now.Sub(given.at) < s.how.ConsentRoles:
		return given.before
	default:
		return given.roles
	}
}
