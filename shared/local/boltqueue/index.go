package boltqueue

import (
	"cmp"
	"container/list"
	"slices"
	"time"
)

// index is the part of a queue in memory: its messages without bodies, their order, and
// which of them are in flight. It is not safe for concurrent use.
type index struct {
	config   Config
	groups   map[string]*group
	order    *list.List          // every *message, the oldest first
	receipts map[string]*message // in flight, by the receipt that is valid
	held     int                 // messages in flight or about to be

	ready    sorted[*group]   // groups that may be received from, sorted by their oldest message
	delayed  sorted[*group]   // groups with a delayed oldest message, sorted by the end of its delay
	inFlight sorted[*message] // sorted by the end of their visibility timeout

	dropped []uint64 // past their retention and still on disk
}

// group is the messages of one group id in the order of Send.
type group struct {
	id       string
	messages []*message
	held     int             // how many of them are held
	next     int             // during take: the first message that is not taken
	place    int             // in its heap
	heap     *sorted[*group] // nil: in no heap
}

// message is one message, without its body.
type message struct {
	seq       uint64 // its key on disk
	group     *group
	element   *list.Element // of index.order
	readyAt   time.Time     // end of its delay
	droppedAt time.Time     // end of its retention
	count     count
	held      bool      // not to be received: in flight, or about to be received, deleted or moved
	receipt   string    // "" unless in flight
	until     time.Time // end of the visibility timeout
	postponed bool      // the last receiver postponed it and does not work on it any more
	place     int       // in index.inFlight
}

// count is how often a message was received.
type count struct {
	receives int
	first    time.Time
	last     time.Time // zero if an older version of entrasync stored the count
}

func newIndex(config Config) *index {
	x := &index{config: config, groups: map[string]*group{}, order: list.New(), receipts: map[string]*message{}}
	place := func(g *group) *int { return &g.place }
	x.ready = sorted[*group]{place: place, less: func(a, b *group) bool { return a.messages[a.next].seq < b.messages[b.next].seq }}
	x.delayed = sorted[*group]{place: place, less: func(a, b *group) bool { return a.messages[0].readyAt.Before(b.messages[0].readyAt) }}
	x.inFlight = sorted[*message]{place: func(m *message) *int { return &m.place }, less: func(a, b *message) bool { return a.until.Before(b.until) }}
	return x
}

// message makes a message that was stored in the queue at keptAt.
func (x *index) message(seq uint64, keptAt time.Time) *message {
	return &message{seq: seq, place: absent, readyAt: keptAt.Add(x.config.Delay), droppedAt: keptAt.Add(x.config.Retention)}
}

// add puts a message behind all others.
func (x *index) add(groupID string, m *message, now time.Time) {
	g := x.groups[groupID]
	if g == nil {
		g = &group{id: groupID, place: absent}
		x.groups[groupID] = g
	}
	m.group, m.element = g, x.order.PushBack(m)
	g.messages = append(g.messages, m)
	if len(g.messages) == 1 {
		x.reorder(g, now)
	}
}

// remove removes a message that is not in flight from the index.
func (x *index) remove(m *message, now time.Time) {
	x.order.Remove(m.element)
	g := m.group
	if g.heap != nil { // before its messages change, because they decide its place in the heap
		g.heap.remove(g)
		g.heap = nil
	}
	if i, found := slices.BinarySearchFunc(g.messages, m.seq, bySeq); found && i == 0 {
		g.messages[0] = nil
		g.messages = g.messages[1:]
	} else if found {
		g.messages = slices.Delete(g.messages, i, i+1)
	}
	if m.held {
		m.held = false
		g.held--
		x.held--
	}
	x.reorder(g, now)
}

func bySeq(m *message, seq uint64) int { return cmp.Compare(m.seq, seq) }

// reorder moves a group to the heap that it belongs to.
func (x *index) reorder(g *group, now time.Time) {
	if g.heap != nil {
		g.heap.remove(g)
		g.heap = nil
	}
	switch {
	case len(g.messages) == 0:
		delete(x.groups, g.id)
		return
	case g.held > 0:
		return
	case g.messages[0].readyAt.After(now):
		g.heap = &x.delayed
	default:
		g.heap = &x.ready
	}
	g.heap.add(g)
}

// hold keeps a message and the other messages of its group from being received.
func (x *index) hold(m *message, now time.Time) {
	m.held = true
	m.group.held++
	x.held++
	x.reorder(m.group, now)
}

// release makes a message visible again.
func (x *index) release(m *message, now time.Time) {
	m.held = false
	m.group.held--
	x.held--
	x.reorder(m.group, now)
}

// fly puts a held message in flight.
func (x *index) fly(m *message, receipt string, until time.Time) {
	m.receipt, m.until, m.postponed = receipt, until, false
	x.receipts[receipt] = m
	x.inFlight.add(m)
}

// land ends the flight of a message; it stays held. Its receipt is not valid any more.
func (x *index) land(m *message) {
	delete(x.receipts, m.receipt)
	m.receipt = ""
	x.inFlight.remove(m)
}

// advance ends the visibility timeouts, delays and retentions that are due.
func (x *index) advance(now time.Time) {
	for x.inFlight.Len() > 0 && !x.inFlight.first().until.After(now) {
		m := x.inFlight.first()
		x.land(m)
		x.release(m, now)
	}
	for x.delayed.Len() > 0 && !x.delayed.first().messages[0].readyAt.After(now) {
		x.reorder(x.delayed.first(), now)
	}
	for x.order.Len() > 0 {
		m := x.order.Front().Value.(*message)
		if m.held || m.droppedAt.After(now) {
			return
		}
		x.remove(m, now)
		x.dropped = append(x.dropped, m.seq)
	}
}

// next is when the next visibility timeout or delay ends; zero if there is none. It
// ignores the end of a retention, because no receiver waits for that.
func (x *index) next() time.Time {
	var at time.Time
	if x.inFlight.Len() > 0 {
		at = x.inFlight.first().until
	}
	if x.delayed.Len() > 0 {
		if delay := x.delayed.first().messages[0].readyAt; at.IsZero() || delay.Before(at) {
			at = delay
		}
	}
	return at
}

// maxMoves is how many messages one receive moves to the dead-letter queue at most.
const maxMoves = 100

// take holds up to limit messages to be received, the oldest first. It also holds, as
// dead, the messages among them that were received too often.
func (x *index) take(limit int, now time.Time) (taken, dead []*message) {
	for len(taken) < limit && len(dead) < maxMoves && x.ready.Len() > 0 {
		g := x.ready.first()
		m := g.messages[g.next]
		if x.config.DeadLetter != "" && m.count.receives >= x.config.MaxReceives {
			dead = append(dead, m)
		} else {
			taken = append(taken, m)
		}
		if g.next+1 < len(g.messages) && !g.messages[g.next+1].readyAt.After(now) {
			g.next++
			x.ready.moved(g)
		} else {
			x.ready.remove(g)
			g.heap = nil
		}
	}
	for _, messages := range [][]*message{taken, dead} {
		for _, m := range messages {
			x.hold(m, now)
		}
	}
	for _, messages := range [][]*message{taken, dead} {
		for _, m := range messages {
			m.group.next = 0
		}
	}
	return taken, dead
}
