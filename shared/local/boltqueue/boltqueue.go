// Package boltqueue is the queues of entrasync on one machine: queue.Queue with
// the rules of an SQS FIFO queue, all queues of a process in one bbolt file.
//
// What must survive a crash is on disk before a call returns: messages and
// de-duplication ids before Send, the count of a receive before the message is
// handed out (so that a message that kills its consumer is counted), the end of
// a message before Delete. What is in flight is known in memory only. A restart
// is like every visibility timeout ending at once: everything not deleted is
// visible again, receipts from before are void, and a message that was
// postponed waits no longer.
//
// In memory is also the order: each group has its messages in the order of
// Send, and the groups that may be received from stand in a heap by their
// oldest message. A receive therefore takes the oldest messages of all groups,
// and costs the same with ten waiting groups as with ten thousand. Bodies stay
// on disk. There are no goroutines and no background timers: a waiting Receive
// sleeps until a call changes something or until the next visibility timeout or
// delay ends.
//
// A record carries a checksum. A message that is not what was sent is set aside in
// the file as soon as it is met, and reported; the others go on. What it was about
// is lost until somebody looks at it again: an event says only that something
// changed.
package boltqueue

import (
	"context"
	"maps"
	"sync"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/local/boltfile"
)

// queuesBucket is the top-level bucket; it holds one bucket for each queue.
const queuesBucket = "queues"

// DB is an open file of queues, safe for concurrent use.
type DB struct {
	file   *boltfile.File
	closed chan struct{}
	end    sync.Once

	mu     sync.Mutex
	queues map[string]*Queue

	damaged func(queue string, number uint64)
}

// Open opens the file at path, making it if need be. A file that another
// process holds is a fault of kind Conflict after a second.
func Open(path string) (*DB, error) {
	file, err := boltfile.Open(path, queuesBucket)
	if err != nil {
		return nil, err
	}
	return &DB{file: file, closed: make(chan struct{}), queues: map[string]*Queue{}}, nil
}

// OnDamage has report called for each message that was found damaged and set
// aside: its queue and its number there. It must be called before a queue is opened.
func (db *DB) OnDamage(report func(queue string, number uint64)) { db.damaged = report }

// Identity is what [DB.SetIdentity] gave the file, "" if it never did.
func (db *DB) Identity(ctx context.Context) (string, error) { return db.file.Identity(ctx) }

// SetIdentity gives the file an identity, so that files that do not belong together
// can be told apart.
func (db *DB) SetIdentity(ctx context.Context, identity string) error {
	return db.file.SetIdentity(ctx, identity)
}

// Generation is what SetGeneration gave the file last, 0 if it never did.
func (db *DB) Generation(ctx context.Context) (uint64, error) { return db.file.Generation(ctx) }

// SetGeneration gives the file a generation, so that an older state of it can be told.
func (db *DB) SetGeneration(ctx context.Context, generation uint64) error {
	return db.file.SetGeneration(ctx, generation)
}

// Probe finds out whether the file can be written.
func (db *DB) Probe(ctx context.Context) error { return db.file.Probe(ctx) }

// Close ends every waiting Receive, waits for the commits under way and lets go
// of the file. Calls after it fail with a fault of kind Transient.
func (db *DB) Close() error {
	db.end.Do(func() { close(db.closed) })
	return db.file.Close()
}

// Queue opens a queue, making it if need be. Its dead-letter queue must be open
// already. Opening a queue again gives the same one; opening it with another
// configuration is a fault of kind Conflict, a configuration that SQS would
// refuse one of kind Invalid.
func (db *DB) Queue(config Config) (*Queue, error) {
	const op = "queue.open"
	config = config.withDefaults()
	if err := config.check(op); err != nil {
		return nil, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if q, ok := db.queues[config.Name]; ok {
		if q.config != config {
			return nil, &fault.Error{Op: op, Kind: fault.Conflict, Subject: config.Name, Message: "the queue is open with another configuration"}
		}
		return q, nil
	}
	q := &Queue{db: db, config: config, index: newIndex(config), changed: make(chan struct{})}
	if config.DeadLetter != "" {
		if q.dead = db.queues[config.DeadLetter]; q.dead == nil {
			return nil, invalid(op, config.Name, "the dead-letter queue %s is not open; open it first", config.DeadLetter)
		}
	}
	if err := q.load(); err != nil {
		return nil, fault.Wrap(err, fault.Internal, op)
	}
	db.queues[config.Name] = q
	return q, nil
}

// opened is the open queues by name.
func (db *DB) opened() map[string]*Queue {
	db.mu.Lock()
	defer db.mu.Unlock()
	return maps.Clone(db.queues)
}

// alive refuses calls that are cancelled or come after Close.
func (db *DB) alive(ctx context.Context, op string) error {
	select {
	case <-db.closed:
		return fault.New(fault.Transient, op, "the queues are closed")
	default:
		return fault.Wrap(ctx.Err(), fault.Transient, op)
	}
}

// load makes the buckets of the queue and reads its messages, without bodies,
// into the index. Those that are damaged are set aside.
func (q *Queue) load() error {
	ctx := context.Background()
	err := q.db.file.Update(ctx, func(tx *bbolt.Tx) error {
		own, err := tx.Bucket([]byte(queuesBucket)).CreateBucketIfNotExists([]byte(q.config.Name))
		if err != nil {
			return err
		}
		for _, name := range []string{messagesBucket, receivesBucket, dedupBucket, dedupEndsBucket, damagedBucket} {
			if _, err := own.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	if err != nil {
		return err
	}
	var bad []uint64
	err = q.db.file.View(ctx, func(tx *bbolt.Tx) error {
		b := q.buckets(tx)
		return b.messages.ForEach(func(key, value []byte) error {
			r, err := decodeHeader(key, value)
			var received count
			if err == nil {
				received, err = decodeCount(b.receives.Get(key))
			}
			if err != nil {
				bad = append(bad, parseSeq(key))
				return nil
			}
			m := q.index.message(parseSeq(key), r.keptAt)
			m.count = received
			q.index.add(r.group, m, r.keptAt)
			return nil
		})
	})
	if err != nil || len(bad) == 0 {
		return err
	}
	return q.db.file.Update(ctx, func(tx *bbolt.Tx) error { return q.buckets(tx).setAside(bad...) }, func() { q.tellDamaged(bad...) })
}
