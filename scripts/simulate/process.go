package simulate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"entrasync/scripts/wiring"
	"entrasync/scripts/world"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// process is a process of the product. Once it is dead, nothing that it does has an effect
// any more: it reads and writes nothing, and its messages stay in the queue until they are
// visible again. It begins anew when it receives its next messages, that of the API when
// an administrator sends the next request.
type process struct {
	*weather
	name    string
	written func()
	dead    atomic.Bool
	// mortal says that it may die. The one that serves the webhooks does not: JumpCloud
	// sees the same when a queue refuses.
	mortal bool
}

// processes makes the processes of a world. The first one serves the webhooks, and the last
// one the API. They call written after every write to Graph.
type processes struct {
	weather *weather
	written func()
	made    []*process
}

// last is the process that was made last.
func (all *processes) last() *process { return all.made[len(all.made)-1] }

// make makes a process.
func (all *processes) make(outside world.Process) world.Process {
	n := len(all.made)
	p := &process{weather: all.weather, name: fmt.Sprintf("process %d", n), written: all.written, mortal: n > 0}
	all.made = append(all.made, p)
	queues := wiring.Queues{}
	for name, each := range outside.Queues {
		queues[name] = &messages{each, p, name}
	}
	return world.Process{Table: records{outside.Table, p}, Queues: queues, Transport: network{outside.Transport, p}}
}

// errDied is what a dead process gets for an answer; nobody sees it.
var errDied = fault.New(fault.Transient, "simulate.process", "the process is dead")

// dies reports whether the process is dead, or dies now.
func (p *process) dies(call string) bool {
	if p.mortal && p.strikes(deaths, p.name+" "+call) {
		p.dead.Store(true)
	}
	return p.dead.Load()
}

// living calls do, unless the process is dead, and reports what it returned unless the
// process dies after it.
func living[T any](p *process, call string, do func() (T, error)) (result T, err error) {
	if p.dies("before " + call) {
		return result, errDied
	}
	if result, err = do(); p.dies("after " + call) {
		var none T
		return none, errDied
	}
	return result, err
}

// alive is living for a call without a result.
func (p *process) alive(call string, do func() error) error {
	_, err := living(p, call, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// records are the table as a process reaches it.
type records struct {
	to store.Table
	p  *process
}

// Get implements store.Table.
func (r records) Get(ctx context.Context, key store.Key) (store.Item, error) {
	return living(r.p, "get", func() (store.Item, error) { return r.to.Get(ctx, key) })
}

// BatchGet implements store.Table.
func (r records) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return living(r.p, "batch get", func() ([]store.Item, error) { return r.to.BatchGet(ctx, keys) })
}

// Put implements store.Table.
func (r records) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	return living(r.p, "put", func() (int64, error) { return r.to.Put(ctx, item, cond) })
}

// Delete implements store.Table.
func (r records) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	return r.p.alive("delete", func() error { return r.to.Delete(ctx, key, cond) })
}

// Query implements store.Table.
func (r records) Query(ctx context.Context, q store.Query) (store.Page, error) {
	return living(r.p, "query", func() (store.Page, error) { return r.to.Query(ctx, q) })
}

// Transact implements store.Table.
func (r records) Transact(ctx context.Context, writes []store.Write) error {
	return r.p.alive("transact", func() error { return r.to.Transact(ctx, writes) })
}

// messages are a queue as a process reaches it.
type messages struct {
	queue.Queue
	p    *process
	name string
}

// errRefusing is the fault of a queue that does not take a message.
var errRefusing = fault.New(fault.Transient, "simulate.queue", "the queue takes no message now")

// Send implements queue.Sender.
func (m *messages) Send(ctx context.Context, batch ...queue.Message) error {
	return m.p.alive("send "+m.name, func() error {
		if m.p.strikes(refusing, "before "+m.name) {
			return errRefusing
		}
		err := m.Queue.Send(ctx, batch...)
		if err == nil && m.p.strikes(refusing, "after "+m.name) {
			return errRefusing
		}
		return err
	})
}

// Receive implements queue.Receiver. A process that receives has begun anew.
func (m *messages) Receive(ctx context.Context, most int, wait time.Duration) ([]queue.Received, error) {
	m.p.dead.Store(false)
	return m.Queue.Receive(ctx, most, wait)
}

// Delete implements queue.Receiver.
func (m *messages) Delete(ctx context.Context, receipts ...string) error {
	return m.p.alive("receipt "+m.name, func() error {
		if m.p.strikes(again, m.name) {
			return errRefusing
		}
		return m.Queue.Delete(ctx, receipts...)
	})
}

// Postpone implements queue.Receiver.
func (m *messages) Postpone(ctx context.Context, receipt string, d time.Duration) error {
	return m.p.alive("postpone "+m.name, func() error { return m.Queue.Postpone(ctx, receipt, d) })
}

// network is the network as a process reaches it.
type network struct {
	to http.RoundTripper
	p  *process
}

// The latency of a request: another one each time, so that few things happen in the same
// instant and a day can be played again.
const (
	shortestLatency = 20 * time.Millisecond
	latencySpread   = 100 * time.Millisecond
	longestHang     = 10 * time.Minute
	longestSlowness = 6 * time.Second
	longestLateness = 30 * time.Second
)

// RoundTrip implements http.RoundTripper. Sign-in has no latency and no trouble: others
// wait for it at a lock, during which no time passes in a bubble.
func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == functiontest.LoginHost {
		if n.p.dead.Load() {
			return nil, errDied
		}
		return n.to.RoundTrip(r)
	}
	call := r.Method + " " + r.URL.Host + r.URL.Path
	rest(r.Context(), shortestLatency+time.Duration(n.p.number("latency "+call, int(latencySpread))))
	return living(n.p, "request", func() (*http.Response, error) { return n.answer(r, call) })
}

// answer is the answer to a request, if it comes.
func (n network) answer(r *http.Request, call string) (*http.Response, error) {
	switch {
	case r.Context().Err() != nil:
		return nil, r.Context().Err()
	case n.p.strikes(refused, call):
		return busy(r), nil
	case n.p.strikes(hangs, "unserved "+call):
		return nil, never(r.Context())
	}
	if err := n.p.overhear(r); err != nil {
		return nil, err
	}
	if n.p.strikes(late, call) {
		rest(r.Context(), time.Duration(n.p.number("lateness "+call, int(longestLateness))))
	}
	response, err := n.to.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
	if err != nil {
		return nil, err
	}
	if r.URL.Host == functiontest.GraphHost && r.Method != http.MethodGet {
		n.p.written()
	}
	if r.Context().Err() != nil {
		return nil, errors.Join(r.Context().Err(), response.Body.Close())
	}
	if r.Method == http.MethodGet && r.URL.Host == functiontest.JumpCloudHost && n.p.strikes(slow, call) {
		rest(r.Context(), time.Duration(n.p.number("slowness "+call, int(longestSlowness))))
	}
	unanswered := n.p.strikes(hangs, "served "+call)
	if !unanswered && !n.p.strikes(lost, call) {
		return response, nil
	}
	if err := response.Body.Close(); err != nil {
		return nil, err
	}
	if unanswered {
		return nil, never(r.Context())
	}
	return nil, io.ErrUnexpectedEOF
}

// never waits as long as the caller does.
func never(ctx context.Context) error {
	rest(ctx, longestHang)
	return errors.Join(ctx.Err(), io.ErrUnexpectedEOF)
}

// rest waits for d, or until the context ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// busy is the answer of a system that has no time.
func busy(r *http.Request) *http.Response {
	const body = `{"error":{"code":"serviceNotAvailable","message":"The service is temporarily unavailable."}}`
	if r.Body != nil {
		_ = r.Body.Close() // it was not read
	}
	return &http.Response{
		Status: "503 Service Unavailable", StatusCode: http.StatusServiceUnavailable, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}, "Retry-After": {"2"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// passwordField matches a password in the body of a request.
var passwordField = regexp.MustCompile(`"password":"((?:[^"\\]|\\.)+)"`)

// overhear remembers the passwords that a request sends.
func (w *weather) overhear(r *http.Request) error {
	if r.Body == nil || r.Method == http.MethodGet {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, match := range passwordField.FindAllSubmatch(body, -1) {
		w.secrets = append(w.secrets, string(match[1]))
	}
	return nil
}

// passwords are those that were sent to Entra.
func (c *company) passwords() []string {
	c.weather.mu.Lock()
	defer c.weather.mu.Unlock()
	return slices.Clone(c.weather.secrets)
}
