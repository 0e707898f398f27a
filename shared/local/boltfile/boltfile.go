// Package boltfile is one bbolt file as the adapters on one machine use it:
// opened by one process only, every change synced to disk before it is
// acknowledged, and changes of concurrent writers committed together.
//
// bbolt has one writer at a time and a commit waits for the disk, so writers
// that commit one by one wait for each other's disk. Here the first writer
// commits alone and at once; those that arrive meanwhile are committed together
// by one of them as soon as it has finished. A lone writer therefore never
// waits for company, as it would with bbolt's own Batch, and fifty at once cost
// two commits instead of fifty.
package boltfile

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"entrasync/shared/fault"
)

// lockPatience is how long Open waits for another process to let go of the
// file, so that a restart does not fail over its own predecessor.
const lockPatience = time.Second

// mapBytes is how much address space is mapped at the start. Growing the map
// stops all readers; address space costs nothing.
const mapBytes = 256 << 20

// errNothing rolls back a transaction in which every change was refused.
var errNothing = errors.New("nothing to commit")

// File is an open database file, safe for concurrent use.
type File struct {
	db *bbolt.DB

	mu      sync.Mutex
	waiting []*change // to be committed next
	busy    bool      // somebody is committing
}

// change is one writer's part of a commit.
type change struct {
	ctx       context.Context
	apply     func(*bbolt.Tx) error
	committed func()
	turn      chan bool // true: commit yourself; false: it is done
	err       error
}

// Open opens the file, making it if need be, for this process alone, and makes
// the top-level buckets. A file that another process holds is a fault of kind
// Conflict after a second.
func Open(path string, buckets ...string) (*File, error) {
	const op = "boltfile.open"
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         lockPatience,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mapBytes,
	})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, &fault.Error{Op: op, Kind: fault.Conflict, Err: err,
			Message: "the database " + path + " is in use by another entrasync process; stop that one or choose another data folder"}
	}
	if err != nil {
		return nil, &fault.Error{Op: op, Kind: fault.Invalid, Subject: path, Err: err, Message: "the database cannot be opened"}
	}
	f := &File{db: db}
	err = f.Update(context.Background(), func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return f, nil
}

// Close waits for the transactions under way and lets go of the file. What is
// called after it fails with a fault of kind Transient.
func (f *File) Close() error {
	return fault.Wrap(f.db.Close(), fault.Transient, "boltfile.close")
}

// View reads. What read takes from the transaction it must copy.
func (f *File) View(ctx context.Context, read func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(err, fault.Transient, "boltfile.view")
	}
	return fault.Wrap(f.db.View(read), fault.Transient, "boltfile.view")
}

// Update applies a change and returns when it is on disk. Apply is called at
// most once, possibly on another goroutine and in one transaction with the
// changes of others, in the order of the calls; it sees what those before it
// wrote. A fault that apply returns refuses this change alone and must come
// before its first write; any other error of it fails the whole transaction.
// Committed, unless nil, is called after the commit, in the same order, and
// before Update of any of them returns.
func (f *File) Update(ctx context.Context, apply func(*bbolt.Tx) error, committed func()) error {
	c := &change{ctx: ctx, apply: apply, committed: committed, turn: make(chan bool, 1)}
	f.mu.Lock()
	f.waiting = append(f.waiting, c)
	first := !f.busy
	f.busy = true
	f.mu.Unlock()
	if first || <-c.turn {
		f.commit()
	}
	return c.err
}

// commit commits all that waits and hands over to the next writer.
func (f *File) commit() {
	f.mu.Lock()
	batch := f.waiting
	f.waiting = nil
	f.mu.Unlock()

	f.write(batch)
	for _, c := range batch[1:] { // the first is the caller
		c.turn <- false
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.waiting) == 0 {
		f.busy = false
		return
	}
	f.waiting[0].turn <- true
}

func (f *File) write(batch []*change) {
	const op = "boltfile.update"
	err := f.db.Update(func(tx *bbolt.Tx) error {
		result := errNothing
		for _, c := range batch {
			c.err = fault.Wrap(c.ctx.Err(), fault.Transient, op)
			if c.err == nil {
				c.err = c.apply(tx)
			}
			var refused *fault.Error
			switch {
			case c.err == nil:
				result = nil
			case !errors.As(c.err, &refused):
				return c.err
			}
		}
		return result
	})
	for _, c := range batch {
		switch {
		case err != nil && !errors.Is(err, errNothing):
			c.err = fault.Wrap(err, fault.Transient, op)
		case c.err == nil && c.committed != nil:
			c.committed()
		}
	}
}
