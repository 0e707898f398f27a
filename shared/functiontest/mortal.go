package functiontest

import (
	"context"
	"net/http"
	"sync"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// Mortal is a process that dies at one of its calls of the table, of queues and of outside
// systems, before it or after it. Once it is dead no call has an effect.
type Mortal struct {
	mu       sync.Mutex
	moments  int // before and after each call
	last     int
	dead     bool
	diedWith string
}

// NewMortal makes a process that dies at its nth moment: each call has one before it and one
// after it. With 0 it lives.
func NewMortal(n int) *Mortal { return &Mortal{last: n} }

// Died is the call with which the process died; "" if it lives.
func (m *Mortal) Died() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.diedWith
}

// errDead is what a dead process gets for an answer; nobody sees it.
var errDead = fault.New(fault.Transient, "functiontest", "the process is dead")

// passes reports whether the process lives after one more moment.
func (m *Mortal) passes(call string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.moments++; m.moments == m.last {
		m.dead, m.diedWith = true, call
	}
	return !m.dead
}

// living calls do, unless the process is dead, and returns what it did, unless the process
// dies then.
func living[R any](m *Mortal, call string, do func() (R, error)) (result R, err error) {
	var none R
	if !m.passes("before " + call) {
		return none, errDead
	}
	if result, err = do(); !m.passes("after " + call) {
		return none, errDead
	}
	return result, err
}

// alive is living for a call without a result.
func alive(m *Mortal, call string, do func() error) error {
	_, err := living(m, call, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// Transport is the network as the process reaches it.
func (m *Mortal) Transport(to http.RoundTripper) http.RoundTripper { return mortalNetwork{m, to} }

type mortalNetwork struct {
	*Mortal
	to http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (n mortalNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	return living(n.Mortal, r.Method+" "+r.URL.Host+r.URL.Path, func() (*http.Response, error) { return n.to.RoundTrip(r) })
}

// Sender is a queue as the process reaches it.
func (m *Mortal) Sender(to queue.Sender) queue.Sender { return mortalSender{m, to} }

type mortalSender struct {
	*Mortal
	to queue.Sender
}

// Send implements queue.Sender.
func (s mortalSender) Send(ctx context.Context, messages ...queue.Message) error {
	return alive(s.Mortal, "send", func() error { return s.to.Send(ctx, messages...) })
}

// Table is the table as the process reaches it.
func (m *Mortal) Table(to store.Table) store.Table { return mortalTable{m, to} }

type mortalTable struct {
	*Mortal
	to store.Table
}

// Get implements store.Table.
func (t mortalTable) Get(ctx context.Context, key store.Key) (store.Item, error) {
	return living(t.Mortal, "get", func() (store.Item, error) { return t.to.Get(ctx, key) })
}

// BatchGet implements store.Table.
func (t mortalTable) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return living(t.Mortal, "batch get", func() ([]store.Item, error) { return t.to.BatchGet(ctx, keys) })
}

// Query implements store.Table.
func (t mortalTable) Query(ctx context.Context, q store.Query) (store.Page, error) {
	return living(t.Mortal, "query", func() (store.Page, error) { return t.to.Query(ctx, q) })
}

// Put implements store.Table.
func (t mortalTable) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	return living(t.Mortal, "put "+item.SK, func() (int64, error) { return t.to.Put(ctx, item, cond) })
}

// Delete implements store.Table.
func (t mortalTable) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	return alive(t.Mortal, "delete "+key.SK, func() error { return t.to.Delete(ctx, key, cond) })
}

// Transact implements store.Table.
func (t mortalTable) Transact(ctx context.Context, writes []store.Write) error {
	return alive(t.Mortal, "transact", func() error { return t.to.Transact(ctx, writes) })
}
