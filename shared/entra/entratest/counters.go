package entratest

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Counters count the requests to Graph and to the login service.
type Counters struct {
	Requests      int            `json:"requests"`      // HTTP requests to Graph; a batch counts one
	Operations    int            `json:"operations"`    // requests of their own and items of batches
	Logins        int            `json:"logins"`        // token requests
	ByRoute       map[string]int `json:"byRoute"`       // by "METHOD /template"; $batch and its items
	ByStatus      map[int]int    `json:"byStatus"`      // of operations
	ResourceUnits int            `json:"resourceUnits"` // metered, refused ones too
	WriteUnits    int            `json:"writeUnits"`
	Throttled     int            `json:"throttled"` // operations that got 429 from the quota
}

type counters struct {
	mu  sync.Mutex
	now Counters
}

func newCounters() *counters {
	return &counters{now: Counters{ByRoute: map[string]int{}, ByStatus: map[int]int{}}}
}

func (c *counters) request() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Requests++
}

func (c *counters) login() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Logins++
}

func (c *counters) count(route string, m meterResult, status int, item bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.ByRoute[route]++
	if route == "POST /$batch" && !item {
		return
	}
	c.now.Operations++
	c.now.ByStatus[status]++
	c.now.ResourceUnits += m.units
	c.now.WriteUnits += m.writes
	if m.refused {
		c.now.Throttled++
	}
}

// Counters are the counts since the start or the last reset.
func (s *Simulator) Counters() Counters {
	s.counters.mu.Lock()
	defer s.counters.mu.Unlock()
	out := s.counters.now
	out.ByRoute, out.ByStatus = maps.Clone(out.ByRoute), maps.Clone(out.ByStatus)
	return out
}

// ResetCounters sets every count to zero and deletes the logged requests.
func (s *Simulator) ResetCounters() {
	s.counters.mu.Lock()
	s.counters.now = Counters{ByRoute: map[string]int{}, ByStatus: map[int]int{}}
	s.counters.mu.Unlock()
	s.log.mu.Lock()
	s.log.entries = nil
	s.log.mu.Unlock()
}

// Request is a request that Graph got, without its token.
type Request struct {
	At              time.Time      `json:"at"`
	Method          string         `json:"method"`
	Path            string         `json:"path"` // as it was sent, below the version, with the query
	Status          int            `json:"status"`
	Body            map[string]any `json:"body,omitempty"` // passwords are replaced
	Header          http.Header    `json:"header,omitempty"`
	RequestID       string         `json:"requestId"`
	ClientRequestID string         `json:"clientRequestId"`
	ReplyLost       bool           `json:"replyLost,omitempty"`
}

// requestLog keeps the last requests.
type requestLog struct {
	mu      sync.Mutex
	limit   int
	entries []Request
}

func (l *requestLog) add(c *call, a *answer) {
	path := c.path
	if c.rawQuery != "" {
		path += "?" + c.rawQuery
	}
	header := c.header.Clone()
	header.Del("Authorization")
	body, _ := redacted(c.body).(map[string]any)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, Request{
		At: c.now, Method: c.method, Path: path, Status: a.status, Body: body, Header: header,
		RequestID: c.requestID, ClientRequestID: c.clientRequestID, ReplyLost: c.reply.lost,
	})
	if len(l.entries) > 2*l.limit {
		l.entries = append([]Request(nil), l.entries[len(l.entries)-l.limit:]...)
	}
}

// redacted is a copy of a JSON value without passwords.
func redacted(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			// the body of a batch item that is a text is base64url and may hide one
			if _, isText := inner.(string); isText && (strings.EqualFold(name, "password") || name == "body") {
				inner = "(redacted)"
			}
			out[name] = redacted(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = redacted(inner)
		}
		return out
	default:
		return value
	}
}

// Requests are the last requests, oldest first: at most Config.Log.
func (s *Simulator) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	from := max(0, len(s.log.entries)-s.log.limit)
	return append([]Request(nil), s.log.entries[from:]...)
}
