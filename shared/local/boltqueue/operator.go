package boltqueue

import (
	"context"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// Entry is a message as an operator sees it. Its receipt is empty.
type Entry struct {
	queue.Received
	InFlight bool
	Source   string // in a dead-letter queue: the queue that the message was moved from
}

// Peek lists up to limit messages, the oldest first, waiting or in flight. It changes
// nothing and does not count as a receive.
func (q *Queue) Peek(ctx context.Context, limit int) ([]Entry, error) {
	const op = "queue.peek"
	if err := q.db.alive(ctx, op); err != nil {
		return nil, err
	}
	if limit < 0 {
		return nil, invalid(op, "limit", "%d messages cannot be listed", limit)
	}
	type seen struct {
		seq   uint64
		held  bool
		count count
	}
	var messages []seen
	q.mu.Lock()
	q.index.advance(time.Now())
	for e := q.index.order.Front(); e != nil && len(messages) < limit; e = e.Next() {
		m := e.Value.(*message)
		messages = append(messages, seen{m.seq, m.held, m.count})
	}
	q.mu.Unlock()
	var entries []Entry
	err := q.db.file.View(ctx, func(tx *bbolt.Tx) error {
		stored := q.buckets(tx).messages
		for _, m := range messages {
			data := stored.Get(seqKey(m.seq))
			if data == nil {
				continue // deleted meanwhile
			}
			r, err := decode(seqKey(m.seq), data)
			if err != nil {
				continue // the receive that reads it sets it aside
			}
			entries = append(entries, Entry{InFlight: m.held, Source: r.source, Received: queue.Received{
				ID: r.id, Body: r.body, GroupID: r.group, DedupID: r.dedup, SentAt: r.sentAt,
				ReceiveCount: m.count.receives, FirstReceive: m.count.first}})
		}
		return nil
	})
	return entries, fault.Wrap(err, fault.Internal, op)
}

// movesPerCommit is how many messages one commit of Redrive moves.
const movesPerCommit = 100

// Redrive moves the dead letters that wait in this queue back to the queues that they came
// from, after the messages that wait there, and returns how many it moved. Their receive
// counts start again, and their de-duplication ids are not checked. Messages that were sent
// to this queue directly stay. If the queue that a message came from is not open, the
// message stays too, and a fault of kind NotFound names that queue.
func (q *Queue) Redrive(ctx context.Context) (int, error) {
	const op = "queue.redrive"
	if err := q.db.alive(ctx, op); err != nil {
		return 0, err
	}
	var held []*message
	q.change(func(x *index, now time.Time) {
		for e := x.order.Front(); e != nil; e = e.Next() {
			if m := e.Value.(*message); !m.held {
				x.hold(m, now)
				held = append(held, m)
			}
		}
	})
	total, missing := 0, ""
	for len(held) > 0 {
		some := held[:min(movesPerCommit, len(held))]
		moved, absent, err := q.redrive(ctx, some)
		if err != nil {
			q.releaseAll(held)
			return total, fault.Wrap(err, fault.Internal, op)
		}
		total, held = total+moved, held[len(some):]
		if absent != "" {
			missing = absent
		}
	}
	if missing != "" {
		return total, &fault.Error{Op: op, Kind: fault.NotFound, Subject: missing, Message: "the queue that some dead letters came from is not open"}
	}
	return total, nil
}

// redrive moves held messages in one commit and releases those that stay. After an error
// all of them are still held.
func (q *Queue) redrive(ctx context.Context, messages []*message) (total int, missing string, err error) {
	var moved []*move
	var staying, damaged []*message
	open := q.db.opened()
	err = q.db.file.Update(ctx, func(tx *bbolt.Tx) error {
		now := time.Now().UTC()
		for _, m := range messages {
			r, err := decodeHeader(seqKey(m.seq), q.buckets(tx).messages.Get(seqKey(m.seq)))
			if err != nil {
				damaged = append(damaged, m)
				if err := q.buckets(tx).setAside(m.seq); err != nil {
					return err
				}
				continue
			}
			source := open[r.source]
			if source == nil {
				if r.source != "" {
					missing = r.source
				}
				staying = append(staying, m)
				continue
			}
			mv, err := q.move(tx, m, source, now)
			if err != nil {
				return err
			}
			moved = append(moved, mv)
		}
		return nil
	}, func() {
		q.arrive(moved)
		q.dropDamaged(damaged)
	})
	if err != nil {
		return 0, "", err
	}
	q.releaseAll(staying)
	return len(moved), missing, nil
}
