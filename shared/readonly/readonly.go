// Package readonly keeps a plan from writing to the outside systems. Whoever plans marks the
// context ([Only]); every client sends its requests through [Transport], which refuses what is
// no read: such a request is a defect of entrasync, and nothing may come of it.
package readonly

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"entrasync/shared/fault"
)

// onlyReads is the key of the mark.
type onlyReads struct{}

// Only is a context whose requests may only read.
func Only(ctx context.Context) context.Context { return context.WithValue(ctx, onlyReads{}, true) }

// Is reports whether the requests of a context may only read.
func Is(ctx context.Context) bool { return ctx.Value(onlyReads{}) != nil }

// readsByPost are the ends of the paths of requests that read although they are sent by POST:
// sign-ins of Entra and JumpCloud, and JumpCloud's search for a user.
var readsByPost = []string{"/oauth2/token", "/oauth2/v2.0/token", "/search/systemusers"}

// op is the operation of the fault of a refusal.
const op = "readonly"

// batch is the end of the path of several requests of Graph in one.
const batch = "/$batch"

// Transport sends requests through next, nil is http.DefaultTransport, and refuses those that
// write while only reads are allowed.
func Transport(next http.RoundTripper) http.RoundTripper { return transport{next} }

type transport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if Is(r.Context()) && !reads(r) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, &fault.Error{Op: op, Kind: fault.Internal, Subject: r.Method + " " + r.URL.Path, Message: "a plan was about to write: that is a defect of entrasync, and nothing was sent"}
	}
	next := t.next
	if next == nil {
		next = http.DefaultTransport
	}
	return next.RoundTrip(r)
}

// reads reports whether a request only reads.
func reads(r *http.Request) bool {
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return true
	case r.Method != http.MethodPost:
		return false
	case strings.HasSuffix(r.URL.Path, batch):
		return batchReads(r)
	}
	for _, end := range readsByPost {
		if strings.HasSuffix(r.URL.Path, end) {
			return true
		}
	}
	return false
}

// batchReads reports whether all requests of a batch read. A batch that cannot be read writes.
func batchReads(r *http.Request) bool {
	if r.Body == nil {
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var parts struct {
		Requests []struct {
			Method string `json:"method"`
		} `json:"requests"`
	}
	if json.Unmarshal(body, &parts) != nil || len(parts.Requests) == 0 {
		return false
	}
	for _, part := range parts.Requests {
		if part.Method != http.MethodGet {
			return false
		}
	}
	return true
}

// Refusal is the fault with which Transport refused a request; nil if err is another one.
func Refusal(err error) *fault.Error {
	for ; err != nil; err = errors.Unwrap(err) {
		if f, is := err.(*fault.Error); is && f.Op == op { //nolint:errorlint // the loop unwraps
			return f
		}
	}
	return nil
}
