package boltqueue

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// Queue is one queue of a DB, safe for concurrent use.
type Queue struct {
	db     *DB
	config Config
	dead   *Queue // nil: none

	// mu is never held while waiting for the disk.
	mu      sync.Mutex
	index   *index
	changed chan struct{} // closed and replaced at every change of the index
}

var _ queue.Queue = (*Queue)(nil)

// change calls work with the index and wakes waiting receivers.
func (q *Queue) change(work func(x *index, now time.Time)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.index.advance(now)
	work(q.index, now)
	close(q.changed)
	q.changed = make(chan struct{})
}

// Send implements queue.Sender. Messages that are sent one after the other are received in
// that order. The order of concurrent calls is not defined.
func (q *Queue) Send(ctx context.Context, messages ...queue.Message) error {
	const op = "queue.send"
	if err := q.db.alive(ctx, op); err != nil {
		return err
	}
	if err := queue.CheckMessages(op, messages); err != nil || len(messages) == 0 {
		return err
	}
	type addition struct {
		group string
		*message
	}
	var added []addition
	err := q.db.file.Update(ctx, func(tx *bbolt.Tx) error {
		b, now := q.buckets(tx), time.Now().UTC()
		for _, m := range messages {
			if isNew, err := b.remember(m.DedupID, now); err != nil {
				return err
			} else if !isNew {
				continue
			}
			seq, err := b.insert(record{keptAt: now, sentAt: now, id: rand.Text(), group: m.GroupID, dedup: m.DedupID, body: m.Body})
			if err != nil {
				return err
			}
			added = append(added, addition{m.GroupID, q.index.message(seq, now)})
		}
		if err := b.forget(now, 2*len(messages)); err != nil {
			return err
		}
		return q.sweep(b)
	}, func() {
		q.change(func(x *index, now time.Time) {
			for _, a := range added {
				x.add(a.group, a.message, now)
			}
		})
	})
	return fault.Wrap(err, fault.Internal, op)
}

// remember stores a de-duplication id for the window, and returns false if it is stored
// already.
func (b buckets) remember(id string, now time.Time) (isNew bool, err error) {
	end := b.dedup.Get([]byte(id))
	if end != nil && parseTime(end).After(now) {
		return false, nil
	}
	if end != nil {
		if err := b.dedupEnds.Delete(append(append([]byte(nil), end...), id...)); err != nil {
			return false, err
		}
	}
	end = timeKey(now.Add(queue.DedupWindow))
	if err := b.dedup.Put([]byte(id), end); err != nil {
		return false, err
	}
	return true, b.dedupEnds.Put(append(end, id...), nil)
}

// forget removes up to limit de-duplication ids whose window has ended.
func (b buckets) forget(now time.Time, limit int) error {
	var ended [][]byte
	ends := b.dedupEnds.Cursor()
	for key, _ := ends.First(); key != nil && len(ended) < limit && !parseTime(key).After(now); key, _ = ends.Next() {
		ended = append(ended, append([]byte(nil), key...))
	}
	for _, key := range ended {
		if err := b.dedupEnds.Delete(key); err != nil {
			return err
		}
		if err := b.dedup.Delete(key[len(timeKey(now)):]); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes messages past their retention from the disk. If the commit fails, they are
// dropped again after the next start.
func (q *Queue) sweep(b buckets) error {
	q.mu.Lock()
	dropped := q.index.dropped
	q.index.dropped = nil
	q.mu.Unlock()
	for _, seq := range dropped {
		if err := b.delete(seq); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements queue.Receiver.
func (q *Queue) Delete(ctx context.Context, receipts ...string) error {
	const op = "queue.delete"
	if err := q.db.alive(ctx, op); err != nil {
		return err
	}
	if err := queue.CheckReceipts(op, receipts); err != nil {
		return err
	}
	var ending []*message
	var valid []string
	q.change(func(x *index, _ time.Time) {
		for _, receipt := range receipts {
			if m := x.receipts[receipt]; m != nil {
				x.land(m)
				ending, valid = append(ending, m), append(valid, receipt)
			}
		}
	})
	if len(ending) == 0 {
		return nil
	}
	err := q.db.file.Update(ctx, func(tx *bbolt.Tx) error {
		b := q.buckets(tx)
		for _, m := range ending {
			if err := b.delete(m.seq); err != nil {
				return err
			}
		}
		return q.sweep(b)
	}, func() {
		q.change(func(x *index, now time.Time) {
			for _, m := range ending {
				x.remove(m, now)
			}
		})
	})
	if err != nil {
		q.change(func(x *index, _ time.Time) {
			for i, m := range ending {
				x.fly(m, valid[i], m.until)
			}
		})
	}
	return fault.Wrap(err, fault.Internal, op)
}

// Postpone implements queue.Receiver. A restart ends it.
func (q *Queue) Postpone(ctx context.Context, receipt string, d time.Duration) error {
	const op = "queue.postpone"
	if err := q.db.alive(ctx, op); err != nil {
		return err
	}
	if err := queue.CheckPostpone(op, d); err != nil {
		return err
	}
	found := false
	q.change(func(x *index, now time.Time) {
		m := x.receipts[receipt]
		if found = m != nil; !found {
			return
		}
		if m.until, m.postponed = now.Add(d), true; d > 0 {
			x.inFlight.moved(m)
			return
		}
		x.land(m)
		x.release(m, now)
	})
	if !found {
		return fault.New(fault.NotFound, op, "the receipt is no longer valid")
	}
	return nil
}

// Busy reports whether a receiver works on a message, or a message can be received within
// the given time: it is neither postponed nor delayed for longer.
func (q *Queue) Busy(ctx context.Context, within time.Duration) (bool, error) {
	if err := q.db.alive(ctx, "queue.busy"); err != nil {
		return false, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	soon := time.Now().Add(within)
	q.index.advance(time.Now())
	for e := q.index.order.Front(); e != nil; e = e.Next() {
		m := e.Value.(*message)
		if later := m.postponed && m.until.After(soon) || m.readyAt.After(soon); !later {
			return true, nil
		}
	}
	return false, nil
}

// Depth implements queue.Queue. Messages that are delayed count as visible.
func (q *Queue) Depth(ctx context.Context) (queue.Depth, error) {
	if err := q.db.alive(ctx, "queue.depth"); err != nil {
		return queue.Depth{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.index.advance(time.Now())
	return queue.Depth{Visible: q.index.order.Len() - q.index.held, InFlight: q.index.held}, nil
}
