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

// request and response are what functions take and give.
type (
	request  = events.APIGatewayV2HTTPRequest
	response = events.APIGatewayV2HTTPResponse
)

// guarded is a function that lets in who carries a token and brings at most 1 MiB.
// It counts what came in and how large it was.
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

// watched is a body that tells how much of it was read.
type watched struct {
	io.Reader
	read int64
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.read += int64(n)
	return n, err
}

// The function says who may send a body, and how large, before it is read.
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
				t.Errorf("%d requests with %d bytes were handled", g.handled.Load(), g.bytes.Load())
			}
		})
	}
}

// letters is a text without an end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// A caller who sends everything before it reads gets the answer all the same,
// though nothing of the body is kept.
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
			t.Errorf("%s: the body could not be sent: %v", tc.want, err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status[:3] != tc.want || !answer.Close {
			t.Errorf("%s, closing %v; want %s", answer.Status, answer.Close, tc.want)
		}
		_, _ = answer.Body.Close(), conn.Close()
	}
}

// However many come at once, only so many bodies are in memory. The others wait a
// little, and are told to come again.
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
					t.Error("a refusal does not say when to come again")
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
			t.Errorf("a request without a body waited: %d", w.Code)
		}
		time.Sleep(time.Minute)
		got := map[int]int{}
		for range callers {
			got[<-statuses]++
		}
		if most.Load() > host.MaxBodies+1 || got[202] != 2*host.MaxBodies || got[503] != host.MaxBodies {
			t.Errorf("at most %d at once, statuses %v", most.Load(), got)
		}
	})
}

// An event is handed over, not copied by way of JSON: a body costs a small multiple
// of itself, whatever is in it.
func TestAnEventIsNotEncoded(t *testing.T) {
	body := bytes.Repeat([]byte{1}, mebi) // each byte is six in JSON
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "text/plain")
	h := host.New(zerolog.Nop())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h.HTTP(host.Function{Name: "test", Timeout: time.Second, Handler: func(_ context.Context, r request) (response, error) {
		if len(r.Body) != mebi {
			t.Errorf("%d bytes arrived", len(r.Body))
		}
		return response{StatusCode: http.StatusAccepted}, nil
	}}).ServeHTTP(httptest.NewRecorder(), r)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 2*mebi {
		t.Errorf("%d bytes were allocated for a body of %d", got, mebi)
	}
}

// pipes is a listener whose connections are in memory, so that they know the time
// of a bubble.
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

// A body that comes slowly is cut, as headers are.
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
					t.Errorf("%q, %v; want %q", line, err, tc.answer)
				}
				_, _ = io.Copy(io.Discard, reader) // until it is closed
				if took := time.Since(began); took > tc.within {
					t.Errorf("cut after %s", took)
				}
				if g.handled.Load() != 0 {
					t.Error("it was handled")
				}
				_ = conn.Close()
				caller.Wait()
			})
		})
	}
}

// Headers are small, for they are read before anybody knows whose they are.
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
			t.Errorf("%q, %v", line, err)
		}
		_, _ = io.Copy(io.Discard, reader) // until it is closed
		_ = conn.Close()
	})
}

// What net/http complains about is a line like every other.
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
			t.Errorf("%v: %s", err, log.String())
		}
	})
}

// What Admit cannot decide because it panics is not let in.
func TestAdmitMayPanic(t *testing.T) {
	w := httptest.NewRecorder()
	host.New(zerolog.Nop()).HTTP(host.Function{Name: "test", Timeout: time.Second,
		Admit:   func(context.Context, request, int64) (response, bool) { panic("no") },
		Handler: func(context.Context, request) (response, error) { return response{StatusCode: 202}, nil },
	}).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
