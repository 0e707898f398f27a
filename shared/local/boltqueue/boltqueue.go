// Package boltqueue implements queue.Queue on one machine, with the rules of an SQS FIFO
// queue. All queues of a process are in one bbolt file.
//
// Everything that must survive a crash is on disk before a call returns. Send stores
// messages and de-duplication ids. Receive stores the receive count before it returns the
// message, so that a message that kills its consumer is counted. Delete removes the
// message. Only memory has which messages are in flight. So a restart ends every
// visibility timeout: older receipts are not valid, and a postponed message waits no longer
// than the others. A message that was received once is visible again at once, because most
// restarts are meant. One that was received more often waits a time that doubles with every
// receive (see spacing): otherwise a process that dies whenever it receives the message
// would use up all receives within seconds.
//
// The order is in memory too. Each group has its messages in the order of Send, and the
// groups that may be received from are in a heap, sorted by their oldest message. So a
// receive takes the oldest messages of all groups, and is as fast with ten thousand
// waiting groups as with ten. Bodies stay on disk. There are no goroutines and no
// background timers: a waiting Receive sleeps until a call changes something or until the
// next visibility timeout or delay ends.
//
// A record has a checksum. A damaged message is set aside in the file and reported when
// it is read; the other messages are not affected. The change that it was about is not
// noticed until its user or group is checked again, because a message says only that
// something changed.
package boltqueue

import (
	"context"
	"crypto/rand"
	"maps"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/local/boltfile"
)

// queuesBucket is the top-level bucket; it has one bucket for each queue.
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

// Open opens the file at path, and creates it if it is missing. A file that another
// process has open is a fault of kind Conflict after a second.
func Open(path string) (*DB, error) {
	file, err := boltfile.Open(path, queuesBucket)
	if err != nil {
		return nil, err
	}
	return &DB{file: file, closed: make(chan struct{}), queues: map[string]*Queue{}}, nil
}

// OnDamage sets the function that is called for each damaged message that was set aside,
// with its queue and its number there. It must be called before a queue is opened.
func (db *DB) OnDamage(report func(queue string, number uint64)) { db.damaged = report }

// Identity is the identity that [DB.SetIdentity] stored, "" if there is none.
func (db *DB) Identity(ctx context.Context) (string, error) { return db.file.Identity(ctx) }

// SetIdentity gives the file an identity, which distinguishes files that do not belong
// together.
func (db *DB) SetIdentity(ctx context.Context, identity string) error {
	return db.file.SetIdentity(ctx, identity)
}

// Generation is the last generation that SetGeneration stored, 0 if there is none.
func (db *DB) Generation(ctx context.Context) (uint64, error) { return db.file.Generation(ctx) }

// SetGeneration gives the file a generation, which shows an older state of the file.
func (db *DB) SetGeneration(ctx context.Context, generation uint64) error {
	return db.file.SetGeneration(ctx, generation)
}

// Probe finds out whether the file can be written.
func (db *DB) Probe(ctx context.Context) error { return db.file.Probe(ctx) }

// Close ends every waiting Receive, waits for running commits and closes the file. Calls
// after it fail with a fault of kind Transient.
func (db *DB) Close() error {
	db.end.Do(func() { close(db.closed) })
	return db.file.Close()
}

// Queue opens a queue, and creates it if it is missing. Its dead-letter queue must be
// open already. Opening a queue again returns the same queue. Opening it with another
// configuration is a fault of kind Conflict, and a configuration that SQS would refuse is
// a fault of kind Invalid.
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

// opened returns the open queues by name.
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

// firstSpacing is how long a message waits after its second receive when the process was
// started again.
const firstSpacing = time.Second

// spacing is how long a message that was received and not deleted is hidden from its last
// receive on, when the process was started again: not at all after the first receive, then
// 1, 2, 4 … seconds, at most the visibility timeout. A message that is to move to the dead
// letters does not wait, nor do the dead letters themselves.
func spacing(receives int, c Config) time.Duration {
	const first = 2
	if receives < first || c.DeadLetter == "" || receives >= c.MaxReceives {
		return 0
	}
	wait := firstSpacing
	for range receives - first {
		if wait *= 2; wait >= c.Visibility {
			return c.Visibility
		}
	}
	return min(wait, c.Visibility)
}

// load creates the buckets of the queue and reads its messages, without bodies, into the
// index. It sets damaged messages aside.
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
	now := time.Now()
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
			if until := received.last.Add(spacing(received.receives, q.config)); until.After(now) {
				q.index.hold(m, now)
				q.index.fly(m, rand.Text(), until)
				m.postponed = true
			}
			return nil
		})
	})
	if err != nil || len(bad) == 0 {
		return err
	}
	return q.db.file.Update(ctx, func(tx *bbolt.Tx) error { return q.buckets(tx).setAside(bad...) }, func() { q.reportDamaged(bad...) })
}
