package functiontest

import (
	"net/http"
	"sync"
)

// Hanging makes an outside system accept requests and never answer them, from the nth
// request on. The other systems answer.
type Hanging struct {
	mu    sync.Mutex
	from  int // 1 for the first request; 0: nothing hangs
	seen  int
	host  string // that hangs
	first string // the request that was the first to hang
}

// Begin makes the nth request from now on hang, and all later ones to the same system.
func (h *Hanging) Begin(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.from, h.seen = n, 0
}

// End makes all systems answer again.
func (h *Hanging) End() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.from, h.host = 0, ""
}

// Before is to be called with every request before it is served. Of a request that hangs it
// returns the error when the client gives up.
func (h *Hanging) Before(r *http.Request) error {
	h.mu.Lock()
	h.seen++
	if h.seen == h.from {
		h.host, h.first = r.URL.Host, r.Method+" "+r.URL.Host+r.URL.Path
	}
	hangs := h.from > 0 && h.host == r.URL.Host
	h.mu.Unlock()
	if !hangs {
		return nil
	}
	<-r.Context().Done()
	return r.Context().Err()
}

// First is the first request that hung; "" if none did.
func (h *Hanging) First() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.first
}
