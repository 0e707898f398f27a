package host_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/local/host"
)

const mebi = 1 << 20

// request and response are the types of a function's handler.
type (
	request  = events.APIGatewayV2HTTPRequest
	response = events.APIGatewayV2HTTPResponse
)

// guarded is a function that admits requests with a token and at most 1 MiB. It counts the
// admitted requests and their bytes.
type guarded struct {
	handled atomic.Int64
	bytes   atomic.Int64
}

func (g *guarded) function() host.Function {
	return host.Function{Name: "test", Timeout: time.Second, MaxBody: mebi, Handler: g.handle, Admit: g.admit}
}

func (g *guarded) handle(_ context.Context, r request) (response, error) {
	g.handled.Add(1)
	g.bytes.Add(int64(len(r.Body)))
	return response{StatusCode: http.StatusAccepted}, nil
}

func (g *guarded) admit(_ context.Context, r request, size int64) (response, bool) {
	switch {
	case r.Headers["authorization"] != "Bearer token":
		return response{StatusCode: http.StatusUnauthorized, Body: "who are you?"}, false
	case size > mebi:
		return response{StatusCode: http.StatusRequestEntityTooLarge, Body: "too much"}, false
	}
	return response{}, true
}

// watched is a body that counts how much of it was read.
type watched struct {
	io.Reader
	read int64
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.read += int64(n)
	return n, err
}

// The function decides who may send a body, and how large, before the body is read.
func TestNothingIsReadBeforeItIsAdmitted(t *testing.T) {
	for _, tc := range []struct {
		name, authorization string
		size, declared      int64
		status              int
		read                int64 // at most
	}{
		{"a small body", "Bearer token", 500, 500, 202, 500},
		{"just small enough", "Bearer token", mebi, mebi, 202, mebi},
		{"just small enough, of unknown size", "Bearer token", mebi, -1, 202, mebi},
		{"too large", "Bearer token", mebi + 1, mebi + 1, 413, 0},
		{"too large, of unknown size", "Bearer token", 10 * mebi, -1, 413, mebi + 64<<10},
		{"no token", "", 10 * mebi, 10 * mebi, 401, 0},
		{"no token, of unknown size", "", 10 * mebi, -1, 401, 0},
		{"no token, small", "", 500, 500, 401, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := &guarded{}
			body := &watched{Reader: io.LimitReader(letters{}, tc.size)}
			r := httptest.NewRequest(http.MethodPost, "/", body)
			r.ContentLength = tc.declared
			r.Header.Set("Authorization", tc.authorization)
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			host.New(zerolog.Nop()).HTTP(g.function()).ServeHTTP(w, r)
			if w.Code != tc.status || body.read > tc.read {
				t.Errorf("status %d after %d bytes, want %d and at most %d", w.Code, body.read, tc.status, tc.read)
			}
			if in := tc.status == 202; (g.handled.Load() == 1) != in || (in && g.bytes.Load() != tc.size) {
				t.Errorf("handled %d requests with %d bytes, want handled %t with %d", g.handled.Load(), g.bytes.Load(), in, tc.size)
			}
		})
	}
}

// letters is an endless text.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// A caller that sends everything before it reads gets the response all the same, although
// the body is discarded.
func TestTheRefusalArrives(t *testing.T) {
	g := &guarded{}
	server := httptest.NewServer(host.New(zerolog.Nop()).HTTP(g.function()))
	defer server.Close()
	for _, tc := range []struct{ header, want string }{
		{"Content-Length: 10485760\r\n", "401"},
		{"Content-Length: 10485760\r\nAuthorization: Bearer token\r\n", "413"},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n", tc.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(conn, letters{}, 10*mebi); err != nil {
			t.Errorf("%s: sending the body: got %v, want no error", tc.want, err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status[:3] != tc.want || !answer.Close {
			t.Errorf("got %s, closing %v, want %s, closing", answer.Status, answer.Close, tc.want)
		}
		_, _ = answer.Body.Close(), conn.Close()
	}
}

// However many requests come at once, only MaxBodies bodies are in memory. The others wait
// a little, and are then refused with Retry-After.
func TestBodiesInMemoryAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 3 * host.MaxBodies
		var inside, most atomic.Int64
		statuses := make(chan int, callers)
		server := host.New(zerolog.Nop()).HTTP(host.Function{Name: "test", Timeout: time.Minute, Handler: func(context.Context, request) (response, error) {
			if n := inside.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(4 * time.Second) // so that a second, but not a third, round has its turn within 5 s
			inside.Add(-1)
			return response{StatusCode: http.StatusAccepted}, nil
		}})
		for range callers {
			go func() {
				w := httptest.NewRecorder()
				server.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
				if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
					t.Error("got a 503 without Retry-After, want one with it")
				}
				statuses <- w.Code
			}()
		}
		w := httptest.NewRecorder()
		synctest.Wait()
		go server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil)) // needs no place
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if w.Code != http.StatusAccepted {
			t.Errorf("a request without a body: got %d, want 202 without waiting", w.Code)
		}
		time.Sleep(time.Minute)
		got := map[int]int{}
		for range callers {
			got[<-statuses]++
		}
		if most.Load() > host.MaxBodies+1 || got[202] != 2*host.MaxBodies || got[503] != host.MaxBodies {
			t.Errorf("%d at once, statuses %v, want at most %d at once, %d of 202 and %d of 503", most.Load(), got, host.MaxBodies+1, 2*host.MaxBodies, host.MaxBodies)
		}
	})
}

// An event is passed directly, not encoded as JSON: a body costs a small multiple of its
// size, whatever is in it.
func TestAnEventIsNotEncoded(t *testing.T) {
	body := bytes.Repeat([]byte{1}, mebi) // each byte is six in JSON
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "text/plain")
	h := host.New(zerolog.Nop())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h.HTTP(host.Function{Name: "test", Timeout: time.Second, Handler: func(_ context.Context, r request) (response, error) {
		if len(r.Body) != mebi {
			t.Errorf("%d bytes arrived, want %d", len(r.Body), mebi)
		}
		return response{StatusCode: http.StatusAccepted}, nil
	}}).ServeHTTP(httptest.NewRecorder(), r)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 2*mebi {
		t.Errorf("%d bytes were allocated for a body of %d, want at most %d", got, mebi, 2*mebi)
	}
}

// pipes is a listener with connections in memory, so that they use the virtual time of a
// bubble.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial is a connection to the listener's server.
func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.connections <- theirs
	return ours
}

// A connection with a slow body is closed, and so is one with slow headers.
func TestSlowCallersAreCut(t *testing.T) {
	const start = "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\n"
	for _, tc := range []struct {
		name, sent string
		within     time.Duration
		answer     string // "" for a closed connection
	}{
		{"a body", start + "Content-Length: 100000\r\n\r\n", 31 * time.Second, "HTTP/1.1 408 Request Timeout\r\n"},
		{"a body in chunks", start + "Transfer-Encoding: chunked\r\n\r\n", 31 * time.Second, "HTTP/1.1 408 Request Timeout\r\n"},
		{"headers", "POST / HTTP/1.1\r\nX: ", 11 * time.Second, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, listener := &guarded{}, newPipes()
				server := host.NewServer(host.New(zerolog.Nop()).HTTP(g.function()), zerolog.Nop())
				go func() { _ = server.Serve(listener) }()
				defer server.Close()
				conn := listener.dial()
				began := time.Now()
				var caller sync.WaitGroup
				caller.Go(func() {
					if _, err := io.WriteString(conn, tc.sent); err != nil {
						t.Error(err)
					}
					piece := "x"
					if strings.Contains(tc.sent, "chunked") {
						piece = "1\r\nx\r\n"
					}
					for {
						if _, err := io.WriteString(conn, piece); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				reader := bufio.NewReader(conn)
				line, err := reader.ReadString('\n')
				if line != tc.answer || (tc.answer == "") != (err != nil) {
					t.Errorf("got %q, %v, want %q", line, err, tc.answer)
				}
				_, _ = io.Copy(io.Discard, reader) // until it is closed
				if took := time.Since(began); took > tc.within {
					t.Errorf("closed after %s, want at most %s", took, tc.within)
				}
				if g.handled.Load() != 0 {
					t.Errorf("handled %d requests, want none", g.handled.Load())
				}
				_ = conn.Close()
				caller.Wait()
			})
		})
	}
}

// The size of headers is limited, because they are read before the sender is known.
func TestLongHeadersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		server := host.NewServer(http.NotFoundHandler(), zerolog.Nop())
		go func() { _ = server.Serve(listener) }()
		defer server.Close()
		conn := listener.dial()
		go func() {
			_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
		}()
		reader := bufio.NewReader(conn)
		line, err := reader.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 431") {
			t.Errorf("got %q, %v, want HTTP/1.1 431", line, err)
		}
		_, _ = io.Copy(io.Discard, reader) // until it is closed
		_ = conn.Close()
	})
}

// A message of net/http is a log line like every other.
func TestComplaintsOfTheServerAreJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		var log bytes.Buffer
		server := host.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no") }), zerolog.New(&log))
		go func() { _ = server.Serve(listener) }()
		conn := listener.dial()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn)
		synctest.Wait()
		_ = server.Close()
		var line struct{ Level, Message string }
		if err := json.Unmarshal(log.Bytes(), &line); err != nil || line.Level != "warn" || !strings.Contains(line.Message, "panic serving") {
			t.Errorf("got %s (%v), want a warning with \"panic serving\"", log.String(), err)
		}
	})
}

// If Admit panics, the request is not admitted.
func TestAdmitMayPanic(t *testing.T) {
	w := httptest.NewRecorder()
	host.New(zerolog.Nop()).HTTP(host.Function{Name: "test", Timeout: time.Second,
		Admit:   func(context.Context, request, int64) (response, bool) { panic("no") },
		Handler: func(context.Context, request) (response, error) { return response{StatusCode: 202}, nil },
	}).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %v, want 503 with a problem document", w.Code, w.Header())
	}
}
