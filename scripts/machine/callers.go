package machine

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"entrasync/shared/loopback"
)

// private lets requests through that carry the API's token or come from this
// machine.
func (m *Machine) private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.fromHere(r) && !m.hasToken(r.Header.Get("Authorization")) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="entrasync"`)
			problem(w, http.StatusUnauthorized, "the API's bearer token is missing or wrong")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hasToken reports whether an Authorization header carries the API's token. It takes
// the same time for every other one.
func (m *Machine) hasToken(authorization string) bool {
	scheme, presented, _ := strings.Cut(authorization, " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(presented))), sha256.Sum256([]byte(m.Config.AdminToken))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// ofAProxy are headers of requests that a proxy passes on for somebody else.
var ofAProxy = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"}

// fromHere reports whether a request was made on this machine: the product listens on a
// loopback address, the caller has one, and the Host header names one. A proxy or a tunnel
// on this machine passes on requests of strangers; their Host header has another name, or
// a header of the proxy is there.
func (m *Machine) fromHere(r *http.Request) bool {
	caller, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !onLoopback(m.Config.Addr) || !loopback.Is(caller) {
		return false
	}
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	if !loopback.Is(name) {
		return false
	}
	for _, header := range ofAProxy {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	return true
}

// problem answers with what was wrong (RFC 9457).
func problem(w http.ResponseWriter, status int, detail string) {
	body, err := json.Marshal(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
	if err != nil {
		body = nil
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller may have gone away
}
