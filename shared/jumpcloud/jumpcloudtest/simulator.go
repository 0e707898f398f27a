// Package jumpcloudtest simulates JumpCloud for tests: an [http.Handler] with the REST
// API (versions 1 and 2), the Directory Insights feed, webhook channels and rules, and
// a small page to change users by hand.
//
// Every change, through the API, the page or the Go methods of [Simulator], emits the
// Directory Insights events that JumpCloud would emit. They appear in the feed after a
// lag. The simulator itself delivers the events that a rule selects to the rule's
// webhook channels, with retries. Behaviour that JumpCloud does not publish is in
// assumptions.go or can be switched in [Behaviour].
//
// It has one organization. It uses only the time package for time, so it works inside
// testing/synctest bubbles together with [Transport], and takes ids and random numbers
// from a seed. Not simulated: devices, administrators and
// roles, SSO, the queries of dynamic groups ([Simulator.SetDynamicMembers] sets their
// results), conditions and thresholds of rules, sync results of JumpCloud's own
// Microsoft 365 integration, and /events/interval. A request for any of this gets a
// refusal that says so, and unknown parts of requests are refused: nothing is ignored.
//
// It can be as unreliable as JumpCloud is or may be: requests fail or get wrong answers
// as a [Fault] says, reads lag behind events, memberships of deleted objects leave gaps
// in lists, and webhooks are lost, duplicated, late and out of order.
package jumpcloudtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"
)

// Fields is an object of JumpCloud in the form of its API: the names and types
// of JSON. What the simulator returns is a copy.
type Fields map[string]any

// Text is a field that is a string, "" if it is not one.
func (f Fields) Text(name string) string {
	s, _ := f[name].(string)
	return s
}

// Flag is a field that is a boolean, false if it is not one.
func (f Fields) Flag(name string) bool {
	b, _ := f[name].(bool)
	return b
}

// Organization is the organization of the simulator.
type Organization struct {
	ID   string // 24 hex digits; "" means DefaultOrganizationID
	Name string // the display name; "" means Example
}

// DefaultOrganizationID is the organization of a simulator without a configured one.
const DefaultOrganizationID = "5f0c1e2d3a4b5c6d7e8f9012"

// Config says what to simulate.
type Config struct {
	Organization Organization
	// APIKey is the administrator's key; required. Those of service accounts are accepted
	// too, see [Simulator.AddServiceAccount].
	APIKey string `json:"-"`
	// Seed decides ids and random numbers; the same seed and the same calls at the same
	// times give the same objects.
	Seed uint64
	// Journal is the path of a file to which every change is appended, so that a killed
	// simulator restarts as it was; "" keeps everything in memory. It has no passwords,
	// and webhook secrets only encrypted with the API key.
	Journal string
	// Client delivers the webhooks; nil means one of our own. Redirects are not
	// followed.
	Client *http.Client
	// Behaviour replaces [DefaultBehaviour] if it is not nil.
	Behaviour *Behaviour
}

// Simulator is a JumpCloud with one organization. Its methods are safe for concurrent
// use.
type Simulator struct {
	organization string
	key          string
	client       *http.Client
	handler      http.Handler
	schemas      *schemas

	mu        sync.Mutex
	behaviour Behaviour
	store     *store
	late      []lateChange // made already but not shown yet, in order
	ids       idMaker
	random    *rand.Rand
	feed      []feedEvent
	journal   *os.File
	broken    error // why the journal can no longer be written
	faults    []*Fault
	digests   map[string][][32]byte // of past passwords, in memory only
	imports   map[string][]Fields   // accounts that a Microsoft tenant lists
	alerts    map[string]*alert     // by rule
	tokens    map[string]time.Time  // access tokens, until when they are valid; in memory only
	counters  Counters

	sender sender
	timers timers
}

// New starts a simulator. With a journal it continues where the last one ended.
func New(config Config) (*Simulator, error) {
	if config.APIKey == "" {
		return nil, errors.New("jumpcloudtest: an API key is required")
	}
	if config.Organization.ID == "" {
		config.Organization.ID = DefaultOrganizationID
	}
	if config.Organization.Name == "" {
		config.Organization.Name = "Example"
	}
	if !isObjectID(config.Organization.ID) {
		return nil, fmt.Errorf("jumpcloudtest: the organization id %q is not 24 hex digits", config.Organization.ID)
	}
	described, err := loadSchemas()
	if err != nil {
		return nil, err
	}
	s := &Simulator{
		organization: config.Organization.ID,
		key:          config.APIKey,
		client:       deliveryClient(config.Client),
		schemas:      described,
		behaviour:    DefaultBehaviour(),
		store:        newStore(),
		ids:          newIDMaker(config.Seed),
		random:       rand.New(rand.NewPCG(config.Seed, 1)),
		digests:      map[string][][32]byte{},
		imports:      map[string][]Fields{},
		alerts:       map[string]*alert{},
		tokens:       map[string]time.Time{},
	}
	if config.Behaviour != nil {
		s.behaviour = config.Behaviour.clone()
	}
	s.timers.running, s.timers.stop = context.WithCancel(context.Background())
	if config.Journal != "" {
		if err := s.openJournal(config.Journal); err != nil {
			return nil, err
		}
	}
	if err := s.begin(config.Organization); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.handler = s.routes()
	return s, nil
}

// begin creates the organization if there is none yet, and continues the work that was
// running when the last simulator ended.
func (s *Simulator) begin(organization Organization) error {
	return s.change(automatic, func(tx *tx) error {
		if tx.get(kindOrganization, organization.ID) == nil {
			tx.put(kindOrganization, organization.ID, newOrganization(organization, tx.now))
		}
		tx.resumeJobs()
		tx.resumeSchedules()
		return nil
	})
}

// Close stops deliveries and everything that was scheduled, waits for what is running,
// and closes the journal. No goroutine runs after it. A second call does nothing.
func (s *Simulator) Close() error {
	s.timers.close()
	s.client.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal == nil {
		return nil
	}
	file := s.journal
	s.journal, s.broken = nil, errClosed
	return file.Close()
}

// errClosed refuses changes after Close.
var errClosed = errors.New("jumpcloudtest: the simulator is closed")

// ServeHTTP answers /api (version 1), /api/v2, /insights/directory/v1, the sign-in of
// service accounts at /oauth2/token, the page at / and the controls under /_sim.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Set changes the behaviour of the simulator from now on.
func (s *Simulator) Set(change func(*Behaviour)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.behaviour)
}

// copyOf makes a deep copy of an object, with the types that JSON has when it is read.
func copyOf(f Fields) Fields {
	if f == nil {
		return nil
	}
	copied := make(Fields, len(f))
	for name, value := range f {
		copied[name] = copyOfValue(value)
	}
	return copied
}

// copyOfValue makes a deep copy of a value: at once if it has a type that JSON has when it
// is read, else by writing and reading it. What cannot be written is nil.
func copyOfValue(value any) any {
	switch v := value.(type) {
	case nil, string, bool, float64:
		return v
	case map[string]any:
		return map[string]any(copyOf(v))
	case []any:
		copied := make([]any, len(v))
		for i, each := range v {
			copied[i] = copyOfValue(each)
		}
		return copied
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	var copied any
	if json.Unmarshal(encoded, &copied) != nil {
		return nil
	}
	return copied
}

// timestamp writes a time as JumpCloud does: UTC with milliseconds.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
