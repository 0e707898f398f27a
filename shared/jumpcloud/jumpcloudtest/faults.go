package jumpcloudtest

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Fault makes matching requests to the simulator fail. The zero value of a field
// matches everything, or does nothing.
//
// Skip, Every and Times select the matching requests that fail: {Skip: 2} selects the
// third, {Skip: 2, Times: 2} the third and the fourth, {Every: 3} the third, the sixth
// and so on without end.
type Fault struct {
	Method       string        `json:"method"`       // of the request
	Path         string        `json:"path"`         // pattern of the complete path, * for one part: /api/v2/usergroups/*/membership
	PathContains string        `json:"pathContains"` // part of the path of the request
	Times        int           `json:"times"`        // how often; 0 means once, or without end if Every is set
	Skip         int           `json:"skip"`         // matching requests before the first that fails
	Every        int           `json:"every"`        // of the others only every n-th fails; 0 means each
	Status       int           `json:"status"`       // status of the answer
	RetryAfter   string        `json:"retryAfter"`   // value of the header
	Body         string        `json:"body"`         // body of the answer instead of the usual error
	Answer       Mistake       `json:"answer"`       // the mistake in the list of the answer
	Count        int           `json:"count"`        // number of elements for Answer; 0 means one
	Delay        time.Duration `json:"delay"`        // before answering, in nanoseconds
	Drop         bool          `json:"drop"`         // break the connection without an answer
	AfterChange  bool          `json:"afterChange"`  // make the change, then fail
}

// Mistake is a mistake in a list that looks right and has status 200. Totals are
// totalCount, count of named lists, and the header x-total-count of bare lists.
type Mistake string

// The mistakes. A page that is short, or has nulls in it, need not be a mistake: see
// [Behaviour.GoneMembers].
const (
	EmptyList  Mistake = "empty"       // no element; a total in the body is 0, and there is no header
	EmptyTotal Mistake = "empty_total" // no element and a total of 0
	EmptyPage  Mistake = "empty_page"  // no element and the right total
	ShortPage  Mistake = "short"       // the last Count elements of the page are left out, the total is right
	FewerOf    Mistake = "fewer"       // as ShortPage, with a total that is less by Count: as if they were not in the list
	Nulls      Mistake = "nulls"       // the first Count elements are null
	Strangers  Mistake = "strangers"   // Count more elements at the front, and in the total, that do not exist
)

var mistakes = []Mistake{EmptyList, EmptyTotal, EmptyPage, ShortPage, FewerOf, Nulls, Strangers}

// FailNext makes the next matching requests fail. Several faults apply in the order in
// which they were added, one to a request. It panics on a fault that can never apply,
// because a test would not notice that nothing fails.
func (s *Simulator) FailNext(fault Fault) {
	if err := fault.check(); err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault.Times == 0 && fault.Every == 0 {
		fault.Times = 1
	}
	s.faults = append(s.faults, &fault)
}

// Mend removes all faults.
func (s *Simulator) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// check refuses a fault that could never apply.
func (f Fault) check() error {
	_, malformed := path.Match(f.Path, "")
	switch {
	case malformed != nil || f.Path != "" && !strings.HasPrefix(f.Path, "/"):
		return refuse(http.StatusBadRequest, "path %q is not the pattern of a complete path", f.Path)
	case f.Times < 0 || f.Skip < 0 || f.Every < 0 || f.Count < 0 || f.Delay < 0:
		return refuse(http.StatusBadRequest, "a fault has no negative numbers")
	case f.Answer != "" && !slices.Contains(mistakes, f.Answer):
		return refuse(http.StatusBadRequest, "answer %q is none of %v", f.Answer, mistakes)
	case f.Answer != "" && (f.Status != 0 || f.Drop):
		return refuse(http.StatusBadRequest, "a fault has either an answer or a status or drop")
	}
	return nil
}

// arrived counts the request and takes its fault.
func (s *Simulator) arrived(r *http.Request, e endpoint) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters.Requests++
	if s.counters.ByRoute == nil {
		s.counters.ByRoute = map[string]int{}
	}
	s.counters.ByRoute[e.method+" "+string(e.api)+e.path]++
	for i, fault := range s.faults {
		if !fault.matches(r) || !fault.due() {
			continue
		}
		if fault.Times--; fault.Times == 0 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		}
		s.counters.FaultsInjected++
		copied := *fault
		return &copied
	}
	return nil
}

func (f *Fault) matches(r *http.Request) bool {
	if f.Path != "" {
		if matching, _ := path.Match(f.Path, r.URL.Path); !matching {
			return false
		}
	}
	return (f.Method == "" || f.Method == r.Method) && strings.Contains(r.URL.Path, f.PathContains)
}

// due counts a matching request and reports whether it is one that fails.
func (f *Fault) due() bool {
	f.Skip--
	switch {
	case f.Skip >= 0:
		return false
	case f.Every < 2:
		return true
	default: // a negative Skip counts the requests since
		return -f.Skip%f.Every == 0
	}
}

// goWrong sends the wrong answer of the fault; it reports false if the fault is only a
// delay or a mistake.
func (s *Simulator) goWrong(w http.ResponseWriter, fault *Fault, api version) bool {
	if fault.Drop {
		panic(http.ErrAbortHandler) // as net/http documents for breaking a connection
	}
	if fault.Status == 0 {
		return false
	}
	answer := refusalReply(refuse(fault.Status, "%s", http.StatusText(fault.Status)), api)
	answer.header = http.Header{}
	if fault.RetryAfter != "" {
		answer.header.Set("Retry-After", fault.RetryAfter)
	}
	if fault.Body != "" {
		answer.body = json.RawMessage(fault.Body)
	}
	write(w, answer)
	return true
}
