package entra

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	khttp "github.com/microsoft/kiota-http-go"

	"entrasync/shared/reconcile"
	"entrasync/shared/redirect"
	"entrasync/shared/retryafter"
)

// pipeline is the HTTP client under the SDK, with the handlers that we want in the
// order that we want: names of options are decoded, the user agent is set, and
// throttled requests are sent again. Nothing compresses bodies.
func pipeline(transport http.RoundTripper, slow *slowdowns) *http.Client {
	return &http.Client{
		Transport: khttp.NewCustomTransportWithParentTransport(
			throttled{transport, slow},
			khttp.NewParametersNameDecodingHandler(),
			khttp.NewUserAgentHandler(),
		),
		CheckRedirect: redirect.FollowNone,
	}
}

// How long we wait when Graph asks us to; beyond that the task goes back to its queue.
const (
	maxTries    = 2
	patience    = 2 * time.Second // the longest wait: a worker that waits delays other users
	spareTime   = 5 * time.Second // the time to the deadline that must be left after a wait
	defaultWait = 2 * time.Second // when Graph does not say how long to wait
)

// throttled repeats a request that Graph throttled, after the time that Graph named.
// Only a 429 is repeated: it says that nothing was done. After any other failure the
// outcome is unknown, and the caller must read before it writes again.
type throttled struct {
	next http.RoundTripper
	slow *slowdowns
}

// RoundTrip implements http.RoundTripper. Each try sends a new copy of the complete
// body.
func (t throttled) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil && r.Body != http.NoBody {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		if err := r.Body.Close(); err != nil {
			return nil, err
		}
	}
	for try := 1; ; try++ {
		response, err := t.once(r, body)
		if err != nil || response.StatusCode != http.StatusTooManyRequests {
			return response, err
		}
		wait := retryAfter(response.Header, time.Now())
		t.slow.note(r.Context(), wait)
		if try == maxTries || !pauseBefore(r.Context(), wait) {
			return response, nil
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return nil, err
		}
		if err := response.Body.Close(); err != nil {
			return nil, err
		}
	}
}

// once sends the request one time, for at most requestTimeout.
func (t throttled) once(r *http.Request, body []byte) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	try := r.Clone(ctx)
	if body != nil {
		try.Body = io.NopCloser(bytes.NewReader(body))
		try.ContentLength = int64(len(body))
	}
	response, err := t.next.RoundTrip(try)
	if err != nil {
		cancel()
		return nil, err
	}
	response.Body = cancelOnClose{response.Body, cancel}
	return response, nil
}

// cancelOnClose ends the timeout of an exchange when its body is closed.
type cancelOnClose struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (c cancelOnClose) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}

// pause waits. If the wait is longer than our patience or than the time that is left,
// it reports false at once.
func pause(ctx context.Context, wait time.Duration) bool {
	if wait > patience {
		return false
	}
	if deadline, set := ctx.Deadline(); set && time.Until(deadline) < wait+spareTime {
		return false
	}
	return sleep(ctx, wait)
}

// pauseBefore is pause before something is sent again; it also reports false if that may not be
// sent any more.
func pauseBefore(ctx context.Context, wait time.Duration) bool {
	return pause(ctx, wait) && reconcile.MayStill(ctx)
}

// sleep waits; it reports false if the context ends before.
func sleep(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryAfter is how long Graph wants us to wait; defaultWait where it does not say.
func retryAfter(header http.Header, now time.Time) time.Duration {
	if wait, said := retryafter.Of(header, now); said {
		return wait
	}
	return defaultWait
}
