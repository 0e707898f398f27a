package boltqueue

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// Receive implements queue.Receiver. It takes the oldest messages of all groups
// that have none in flight. A cancelled wait is a fault of kind Transient.
func (q *Queue) Receive(ctx context.Context, limit int, wait time.Duration) ([]queue.Received, error) {
	const op = "queue.receive"
	if err := queue.CheckReceive(op, limit); err != nil {
		return nil, err
	}
	end := time.Now().Add(wait)
	for {
		if err := q.db.alive(ctx, op); err != nil {
			return nil, err
		}
		now := time.Now()
		taken, dead, changed, next := q.take(limit, now)
		if len(taken)+len(dead) > 0 {
			received, err := q.deliver(ctx, taken, dead, now)
			if err != nil || len(received) > 0 {
				return received, fault.Wrap(err, fault.Internal, op)
			}
			continue // all of them went to the dead-letter queue
		}
		if !now.Before(end) {
			return nil, nil
		}
		if next.IsZero() || end.Before(next) {
			next = end
		}
		q.sleep(ctx, changed, next)
	}
}

// take holds the messages to receive. If there are none, changed and next are the events
// to wait for.
func (q *Queue) take(limit int, now time.Time) (taken, dead []*message, changed <-chan struct{}, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.index.advance(now)
	taken, dead = q.index.take(limit, now)
	return taken, dead, q.changed, q.index.next()
}

// sleep waits until there may be a message to receive.
func (q *Queue) sleep(ctx context.Context, changed <-chan struct{}, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	case <-q.db.closed:
	}
}

// deliver counts the receive of the taken messages and moves the dead ones, in one commit.
// It sets damaged ones aside. If the commit fails, all of them are visible again and
// nothing is counted.
func (q *Queue) deliver(ctx context.Context, taken, dead []*message, now time.Time) ([]queue.Received, error) {
	var flying, damaged []*message
	var received []queue.Received
	var moved []*move
	err := q.db.file.Update(ctx, func(tx *bbolt.Tx) error {
		b := q.buckets(tx)
		for _, m := range taken {
			r, err := q.receive(b, m, now.UTC())
			switch {
			case errors.Is(err, errRecord):
				damaged = append(damaged, m)
				err = b.setAside(m.seq)
			case err == nil:
				flying, received = append(flying, m), append(received, r)
			}
			if err != nil {
				return err
			}
		}
		for _, m := range dead {
			mv, err := q.move(tx, m, q.dead, now.UTC())
			switch {
			case errors.Is(err, errRecord):
				damaged = append(damaged, m)
				err = b.setAside(m.seq)
			case err == nil:
				moved = append(moved, mv)
			}
			if err != nil {
				return err
			}
		}
		return q.sweep(b)
	}, func() {
		q.change(func(x *index, _ time.Time) {
			for i, m := range flying {
				m.count = count{receives: received[i].ReceiveCount, first: received[i].FirstReceive, last: now.UTC()}
				x.fly(m, received[i].Receipt, now.Add(q.config.Visibility))
			}
		})
		q.arrive(moved)
		q.dropDamaged(damaged)
	})
	if err != nil {
		q.releaseAll(append(taken, dead...))
		return nil, err
	}
	return received, nil
}

// receive reads a message and stores its new count.
func (q *Queue) receive(b buckets, m *message, now time.Time) (queue.Received, error) {
	r, err := decode(seqKey(m.seq), b.messages.Get(seqKey(m.seq)))
	if err != nil {
		return queue.Received{}, err
	}
	c := count{receives: m.count.receives + 1, first: m.count.first, last: now}
	if c.first.IsZero() {
		c.first = now
	}
	if err := b.receives.Put(seqKey(m.seq), c.encode()); err != nil {
		return queue.Received{}, err
	}
	return queue.Received{
		ID: r.id, Body: r.body, GroupID: r.group, DedupID: r.dedup, Receipt: rand.Text(),
		ReceiveCount: c.receives, SentAt: r.sentAt, FirstReceive: c.first,
	}, nil
}

// drop removes messages from the index.
func (q *Queue) drop(messages []*message) {
	q.change(func(x *index, now time.Time) {
		for _, m := range messages {
			x.remove(m, now)
		}
	})
}

func (q *Queue) releaseAll(messages []*message) {
	q.change(func(x *index, now time.Time) {
		for _, m := range messages {
			x.release(m, now)
		}
	})
}

// move is a message on its way from one queue to another.
type move struct {
	from, to *Queue
	old, new *message
	group    string
}

// move moves a held message to another queue: to the dead-letter queue, or back from it.
// The message keeps its id, body, group, de-duplication id and time of sending, and on the
// way to the dead-letter queue its count. Its delay and retention start again. If the
// message is damaged, move returns errRecord and writes nothing.
func (q *Queue) move(tx *bbolt.Tx, m *message, to *Queue, now time.Time) (*move, error) {
	r, err := decode(seqKey(m.seq), q.buckets(tx).messages.Get(seqKey(m.seq)))
	if err != nil {
		return nil, err
	}
	dying := to == q.dead
	r.keptAt, r.source = now, ""
	if dying {
		r.source = q.config.Name
	}
	if err := q.buckets(tx).delete(m.seq); err != nil {
		return nil, err
	}
	seq, err := to.buckets(tx).insert(r)
	if err != nil {
		return nil, err
	}
	mv := &move{from: q, to: to, old: m, new: to.index.message(seq, now), group: r.group}
	if dying {
		mv.new.count = m.count
		err = to.buckets(tx).receives.Put(seqKey(seq), m.count.encode())
	}
	return mv, err
}

// arrive changes the indexes after move changed the disk.
func (q *Queue) arrive(moved []*move) {
	for _, mv := range moved {
		mv.from.change(func(x *index, now time.Time) { x.remove(mv.old, now) })
		mv.to.change(func(x *index, now time.Time) { x.add(mv.group, mv.new, now) })
	}
}
