package jumpcloudtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Transport passes requests to a handler without a network: the handler runs in the
// goroutine of the caller, so it works inside testing/synctest bubbles, where real
// connections stop the virtual time. A handler that panics with http.ErrAbortHandler
// breaks the connection, as in net/http.
func Transport(handler http.Handler) http.RoundTripper { return transport{handler} }

type transport struct{ handler http.Handler }

// RoundTrip calls the handler. If the request's context ends meanwhile, it returns the
// context's error instead of the answer.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	inner := r.Clone(ctx)
	inner.RequestURI = inner.URL.RequestURI()
	inner.RemoteAddr = "192.0.2.1:1234"
	if inner.Host == "" {
		inner.Host = inner.URL.Host
	}
	answer := &recorder{header: http.Header{}}
	if err := answer.from(t.handler, inner); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	answer.WriteHeader(http.StatusOK) // if nothing was written
	return &http.Response{
		Status:     strconv.Itoa(answer.status) + " " + http.StatusText(answer.status),
		StatusCode: answer.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: answer.sent, Body: io.NopCloser(&answer.body), ContentLength: int64(answer.body.Len()), Request: r,
	}, nil
}

// recorder keeps the answer of a handler.
type recorder struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

func (w *recorder) from(handler http.Handler, r *http.Request) (err error) {
	defer func() {
		switch broken := recover(); broken {
		case nil:
		case http.ErrAbortHandler:
			err = io.ErrUnexpectedEOF
		default:
			err = fmt.Errorf("the handler panicked: %v", broken)
		}
	}()
	handler.ServeHTTP(w, r)
	return nil
}

// Header is the header to be sent.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader sends the header; only the first call counts.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

// Write adds to the body.
func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}
