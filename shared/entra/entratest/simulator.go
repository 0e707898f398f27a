package entratest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"entrasync/shared/fault"
)

// Simulator is the login service and Graph for some tenants. It is safe for concurrent
// use, starts no goroutines and uses only time.Now for time.
type Simulator struct {
	config  Config
	tenants map[string]*tenant // by id in lower case
	journal *journal
	random  *random
	faults  *faults
	quotas  *quotas

	counters *counters
	log      *requestLog

	mu     sync.RWMutex // guards what follows
	how    Behaviour
	apps   map[string]*App // by client id in lower case; never changed in place
	issued int             // tokens given out
	ended  int             // up to this one they are revoked
	era    int             // of delta tokens: earlier ones are dead
	// consents are what was agreed to on the consent page, by app and tenant.
	consents map[consentKey]consent
}

// New makes a simulator. With [Config.Journal] it continues where the previous process
// stopped. Errors are faults: Invalid for an invalid configuration or journal, Internal
// when the file cannot be used.
func New(config Config) (*Simulator, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	if _, err := described(); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "entratest.load description")
	}
	s := &Simulator{
		config: config, how: config.Behaviour, tenants: map[string]*tenant{}, apps: map[string]*App{},
		random: newRandom(config.Seed), faults: &faults{}, quotas: newQuotas(), counters: newCounters(), log: &requestLog{limit: config.Log},
		consents: map[consentKey]consent{},
	}
	for _, t := range config.Tenants {
		s.tenants[t.ID] = newTenant(t)
	}
	for _, a := range config.Apps {
		s.apps[strings.ToLower(a.ClientID)] = &a
	}
	if s.journal, err = openJournal(config.Journal, s.tenants); err != nil {
		return nil, err
	}
	return s, nil
}

// Close closes the journal. Running requests then answer 500.
func (s *Simulator) Close() error {
	return fault.Wrap(s.journal.close(), fault.Internal, "entratest.Close")
}

// Set changes the behaviour for the requests that come after it.
func (s *Simulator) Set(edit func(*Behaviour)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(&s.how)
}

// ForgetChanges makes all delta tokens of now dead, as seven days do.
func (s *Simulator) ForgetChanges() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.era++
}

// deltaEra is the era of the delta tokens of now.
func (s *Simulator) deltaEra() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.era
}

func (s *Simulator) behaviour() Behaviour {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.how
}

// SetApp changes an app: its secret, its roles, whether it is disabled. Earlier tokens
// keep their roles, as in Entra. Other roles count in all tenants, whatever was agreed to
// on the consent page. NotFound if there is no such app.
func (s *Simulator) SetApp(clientID string, edit func(*App)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.apps[strings.ToLower(clientID)]
	if old == nil {
		return fault.New(fault.NotFound, "entratest.SetApp", "no app "+clientID)
	}
	app := *old
	edit(&app)
	if !slices.Equal(old.Roles, app.Roles) {
		maps.DeleteFunc(s.consents, func(of consentKey, _ consent) bool { return of.client == app.ClientID })
	}
	s.apps[strings.ToLower(clientID)] = &app
	return nil
}

func (s *Simulator) app(clientID string) *App {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.apps[strings.ToLower(clientID)]
}

// ServeHTTP serves the login service, Graph below /v1.0, the page at / and the controls
// below /_sim/. The controls need no credentials: serve them on the loopback only.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == "/":
		s.servePage(w, r)
	case strings.HasPrefix(path, "/_sim/"):
		s.serveControl(w, r)
	case strings.HasPrefix(path, "/v1.0/"):
		s.serveGraph(w, r)
	case path == "/common/discovery/instance":
		s.serveInstances(w, r)
	case strings.HasSuffix(path, "/v2.0/.well-known/openid-configuration"):
		s.serveDiscovery(w, r)
	case strings.HasSuffix(path, "/oauth2/v2.0/token"):
		s.serveToken(w, r)
	case strings.HasSuffix(path, "/v2.0/adminconsent"):
		s.serveConsent(w, r)
	default:
		writeJSON(w, http.StatusNotFound, map[string]any{"error": map[string]any{"code": "ResourceNotFound", "message": "Invalid version or path: " + path}})
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // a client that went away is its own business
}
