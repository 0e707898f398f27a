package entratest

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"sync"
	"time"

	"entrasync/shared/fault"
)

// Fault is an error on demand. It hits single requests and items of a batch alike, and
// the requests to the login service.
type Fault struct {
	Method    string            `json:"method"` // "": any
	Path      string            `json:"path"`   // a regular expression over the escaped path, such as ^/v1\.0/users$; "": any
	Times     int               `json:"times"`  // number of requests that it hits; 0: 1
	Status    int               `json:"status"` // 0: the request is served
	Body      any               `json:"body"`   // with Status: a JSON value, or a string that is sent as it is; nil: Graph's usual error
	Header    map[string]string `json:"header"`
	LoseReply bool              `json:"loseReply"` // drop the connection; without Status the write was applied
	Delay     time.Duration     `json:"delay"`     // wait this long first, in nanoseconds
}

// armed is a fault that waits for its requests.
type armed struct {
	Fault
	path *regexp.Regexp
	left int
}

// faults are the armed ones, oldest first.
type faults struct {
	mu   sync.Mutex
	list []*armed
}

// FailNext arms a fault. It is Invalid if Path is no regular expression.
func (s *Simulator) FailNext(f Fault) error {
	path, err := regexp.Compile(f.Path)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "entratest.FailNext")
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, &armed{Fault: f, path: path, left: max(f.Times, 1)})
	return nil
}

// ClearFaults disarms every fault.
func (s *Simulator) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
}

// PendingFaults are the faults that still wait for requests, with Times as the
// remaining number.
func (s *Simulator) PendingFaults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	out := []Fault{}
	for _, a := range s.faults.list {
		f := a.Fault
		f.Times = a.left
		out = append(out, f)
	}
	return out
}

// take is the fault that hits a request, if any.
func (f *faults) take(method, path string) *armed {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, a := range f.list {
		if a.Method != "" && a.Method != method || !a.path.MatchString(path) {
			continue
		}
		if a.left--; a.left <= 0 {
			f.list = append(f.list[:i:i], f.list[i+1:]...)
		}
		return a
	}
	return nil
}

// answer waits, then returns the answer that the fault prescribes; nil if the request
// is to be served. The error says that the client left meanwhile.
func (a *armed) answer(ctx context.Context) (*answer, error) {
	if a.Delay > 0 {
		timer := time.NewTimer(a.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if a.Status == 0 {
		return nil, nil
	}
	out := &answer{status: a.Status, body: a.Body, header: http.Header{}}
	if text, isText := a.Body.(string); isText {
		out.body = json.RawMessage(text)
	}
	for name, value := range a.Header {
		out.header.Set(name, value)
	}
	return out, nil
}

// faulty serves a call that a fault hit.
func (c *call) faulty(f *armed, unknown *graphError) *answer {
	prescribed, err := f.answer(c.ctx)
	c.now = time.Now()
	if err != nil {
		c.reply.lost = true
		return c.refused(internalError(err))
	}
	c.reply.lost = c.reply.lost || f.LoseReply
	if prescribed == nil {
		return c.afterFaults(unknown)
	}
	if prescribed.body == nil && f.Status >= http.StatusBadRequest {
		prescribed.body = usualError(f.Status).body(c.now, c.requestID, c.clientRequestID)
	}
	return prescribed
}

// usualError is Graph's answer with a status (Microsoft Graph documentation, error
// responses).
func usualError(status int) *graphError {
	switch status {
	case http.StatusConflict:
		return concurrencyViolation()
	case http.StatusTooManyRequests:
		e := refuse(status, "TooManyRequests", "Please retry again later.")
		e.inner = map[string]any{"code": "429", "message": "Please retry after", "status": "429"}
		return e
	case http.StatusForbidden:
		return forbidden()
	case http.StatusNotFound:
		return notFound("unknown")
	case http.StatusUnauthorized:
		return unauthenticated("Access token validation failure.")
	case http.StatusServiceUnavailable:
		return refuse(status, "serviceNotAvailable", "The service is temporarily unavailable.")
	case http.StatusInternalServerError:
		return refuse(status, "Service_InternalServerError", "Encountered an internal server error.")
	default:
		return refuse(status, "UnknownError", "%s", http.StatusText(status))
	}
}
