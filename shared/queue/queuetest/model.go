package queuetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// model is the expected behaviour of a queue, message by message.
type model struct {
	bench    *bench
	q, dead  queue.Queue
	groups   map[string][]*modelled // those that are not deleted or dead, in the order of Send
	windows  map[string]time.Time   // de-duplication id: end of its window
	doomed   []string               // received too often, in the queue or dead
	receipts []string               // all receipts so far
	sent     int
}

// modelled is one message of the model.
type modelled struct {
	body    string
	count   int
	receipt string // "" while it waits
	until   time.Time
}

const (
	modelMaxReceives = 3 // as in the options of the test
	modelPostpone    = time.Minute
)

// outside hides from rapid that it gets a testing.T: inside a bubble rapid must not
// read its deadline.
type outside struct{ *testing.T }

// testModel does random operations on a queue and compares every answer with the model.
// It needs virtual time, which is the same for both.
func testModel(b *bench) {
	if b.subject.Patience > 0 {
		b.Skip("this needs virtual time")
	}
	rapid.Check(outside{b.T}, func(t *rapid.T) {
		q, dead := b.subject.Open(b.T, Options{Visibility: visibility, MaxReceives: modelMaxReceives})
		m := &model{bench: b, q: q, dead: dead, groups: map[string][]*modelled{}, windows: map[string]time.Time{}}
		t.Repeat(map[string]func(*rapid.T){
			"send":     m.send,
			"receive":  m.receive,
			"delete":   m.delete,
			"postpone": m.postpone,
			"elapse":   m.elapse,
			"":         m.depth,
		})
		m.finish(t)
	})
}

// advance applies the timeouts that have passed.
func (m *model) advance() {
	now := time.Now()
	for name, group := range m.groups {
		m.groups[name] = slices.DeleteFunc(group, func(e *modelled) bool {
			if e.receipt != "" && !e.until.After(now) {
				e.receipt = ""
				if e.count >= modelMaxReceives {
					m.doomed = append(m.doomed, e.body)
					return true
				}
			}
			return false
		})
	}
}

func (m *model) send(t *rapid.T) {
	var batch []queue.Message
	for range rapid.IntRange(1, 4).Draw(t, "messages") {
		group := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "group")
		dedup := fmt.Sprint(group, rapid.IntRange(0, 30).Draw(t, "dedup"))
		m.sent++
		msg := queue.Message{Body: fmt.Appendf(nil, "%s#%d", dedup, m.sent), GroupID: group, DedupID: dedup}
		batch = append(batch, msg)
		if end, ok := m.windows[dedup]; !ok || !end.After(time.Now()) {
			m.windows[dedup] = time.Now().Add(queue.DedupWindow)
			m.groups[group] = append(m.groups[group], &modelled{body: string(msg.Body)})
		}
	}
	if err := m.q.Send(bg, batch...); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// receivable returns the messages of each group that has messages and none in flight.
func (m *model) receivable() map[string][]*modelled {
	m.advance()
	found := maps.Clone(m.groups)
	maps.DeleteFunc(found, func(_ string, group []*modelled) bool {
		return len(group) == 0 || slices.ContainsFunc(group, func(e *modelled) bool { return e.receipt != "" })
	})
	return found
}

func (m *model) receive(t *rapid.T) {
	limit := rapid.IntRange(1, queue.MaxBatch).Draw(t, "max")
	m.receiveUpTo(t, limit)
}

// receiveUpTo accepts any selection of the oldest messages of free groups, but at least
// one if there is one.
func (m *model) receiveUpTo(t *rapid.T, limit int) []queue.Received {
	free := m.receivable()
	got, err := m.q.Receive(bg, limit, 0)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	if len(got) > limit || len(got) == 0 && len(free) > 0 {
		t.Fatalf("received %q of at most %d, while %d groups are free", bodies(got), limit, len(free))
	}
	for _, r := range got {
		group := free[r.GroupID]
		if len(group) == 0 || group[0].body != string(r.Body) {
			t.Fatalf("received %q, of the free messages %v", r.Body, describe(group))
		}
		e := group[0]
		free[r.GroupID] = group[1:]
		e.count++
		e.receipt, e.until = r.Receipt, time.Now().Add(visibility)
		if r.ReceiveCount != e.count || slices.Contains(m.receipts, r.Receipt) {
			t.Fatalf("received %+v, want count %d and a new receipt", r, e.count)
		}
		m.receipts = append(m.receipts, r.Receipt)
	}
	return got
}

func describe(group []*modelled) []string {
	var names []string
	for _, e := range group {
		names = append(names, e.body)
	}
	return names
}

// find returns the message that a receipt is valid for.
func (m *model) find(receipt string) (group string, place int) {
	m.advance()
	for name, messages := range m.groups {
		if i := slices.IndexFunc(messages, func(e *modelled) bool { return e.receipt == receipt }); i >= 0 {
			return name, i
		}
	}
	return "", -1
}

// someReceipt returns a random receipt, often a valid one.
func (m *model) someReceipt(t *rapid.T) string {
	if len(m.receipts) == 0 {
		t.Skip("no receipts yet")
	}
	recent := max(0, len(m.receipts)-6)
	if rapid.Bool().Draw(t, "any") {
		recent = 0
	}
	return rapid.SampledFrom(m.receipts[recent:]).Draw(t, "receipt")
}

func (m *model) delete(t *rapid.T) {
	var receipts []string
	for range rapid.IntRange(1, 4).Draw(t, "receipts") {
		receipt := m.someReceipt(t)
		receipts = append(receipts, receipt)
	}
	for _, receipt := range receipts {
		if group, i := m.find(receipt); i >= 0 {
			m.groups[group] = slices.Delete(m.groups[group], i, i+1)
		}
	}
	if err := m.q.Delete(bg, receipts...); err != nil {
		t.Fatalf("delete: %v", err)
	}
}

func (m *model) postpone(t *rapid.T) {
	receipt := m.someReceipt(t)
	d := rapid.SampledFrom([]time.Duration{0, time.Second, 5 * time.Second, modelPostpone}).Draw(t, "by")
	group, i := m.find(receipt)
	err := m.q.Postpone(bg, receipt, d)
	switch {
	case i < 0 && !fault.Is(err, fault.NotFound):
		t.Fatalf("postpone by an old receipt: got %v, want a fault of kind not_found", err)
	case i >= 0 && err != nil:
		t.Fatalf("postpone: %v", err)
	case i >= 0:
		m.groups[group][i].until = time.Now().Add(d)
		m.advance()
	}
}

// elapse rarely lets much time pass: rapid ends a test after a day, also of virtual
// time.
func (m *model) elapse(t *rapid.T) {
	m.bench.elapse(rapid.SampledFrom([]time.Duration{
		time.Millisecond, time.Second, time.Second, visibility, visibility, visibility + time.Millisecond,
		visibility + time.Millisecond, 3 * visibility, modelPostpone, queue.DedupWindow}).Draw(t, "time"))
}

// depth does not check which of the doomed messages are dead already.
func (m *model) depth(t *rapid.T) {
	m.advance()
	var want queue.Depth
	for _, group := range m.groups {
		for _, e := range group {
			if e.receipt == "" {
				want.Visible++
			} else {
				want.InFlight++
			}
		}
	}
	got, err := m.q.Depth(bg)
	if err != nil || got.InFlight != want.InFlight || got.Visible < want.Visible || got.Visible > want.Visible+len(m.doomed) {
		t.Fatalf("depth is %+v, %v; want %+v and up to %d more", got, err, want, len(m.doomed))
	}
}

// finish empties the queue and compares the dead letters.
func (m *model) finish(t *rapid.T) {
	m.bench.elapse(modelPostpone)
	m.advance()
	for {
		got := m.receiveUpTo(t, queue.MaxBatch)
		if len(got) == 0 {
			break
		}
		for _, r := range got {
			group, i := m.find(r.Receipt)
			m.groups[group] = slices.Delete(m.groups[group], i, i+1)
			if err := m.q.Delete(bg, r.Receipt); err != nil {
				t.Fatalf("delete: %v", err)
			}
		}
	}
	dead := m.bench.drain(m.dead)
	slices.Sort(dead)
	slices.Sort(m.doomed)
	if !slices.Equal(dead, m.doomed) {
		t.Fatalf("the dead letters are %q, want %q", dead, m.doomed)
	}
	depth, err := m.q.Depth(bg)
	if err != nil || depth != (queue.Depth{}) {
		t.Fatalf("the empty queue has depth %+v, %v", depth, err)
	}
}
