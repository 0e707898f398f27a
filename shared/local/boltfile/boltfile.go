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
//
// A file is read and checked as a whole before it is opened (check.go), because
// bbolt ends the process over a damaged one. What becomes damaged later is an error
// of the call that meets it.
package boltfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/durable"
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
	db     *bbolt.DB
	path   string
	broken atomic.Pointer[error]

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
// Conflict after a second, one that is damaged is a fault of kind Invalid with the
// reason [directory.Damaged].
func Open(path string, buckets ...string) (*File, error) {
	existed, err := inspect(path, lockPatience)
	if err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, ownerOnly, &bbolt.Options{
		Timeout:         lockPatience,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mapBytes,
	})
	if err != nil {
		return nil, refused(path, err)
	}
	f := &File{db: db, path: path}
	if !existed {
		err = durable.SyncFolder(filepath.Dir(path))
	}
	err = errors.Join(err, f.Update(context.Background(), func(tx *bbolt.Tx) error {
		for _, name := range append(buckets, ownBucket) {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	}, nil))
	if err != nil {
		return nil, errors.Join(fault.Wrap(err, fault.Invalid, opOpen), db.Close())
	}
	return f, nil
}

const opOpen = "boltfile.open"

// ownerOnly is the mode of the file.
const ownerOnly = 0o600

// Check reads the whole file and says, as a fault of kind Invalid with the reason
// [directory.Damaged], what keeps bbolt from relying on it. A file that another process may
// be writing is a fault of kind Conflict after a second, one that is not there or
// has no byte of kind NotFound.
func Check(path string) error {
	exists, err := inspect(path, lockPatience)
	if err == nil && !exists {
		err = &fault.Error{Op: "boltfile.check", Kind: fault.NotFound, Subject: path, Message: "there is no such database"}
	}
	return err
}

// Read checks a file that is not open and reads it, without changing it. Its errors
// are those of [Check], and those of read.
func Read(path string, read func(*bbolt.Tx) error) error {
	if err := Check(path); err != nil {
		return err
	}
	db, err := bbolt.Open(path, ownerOnly, &bbolt.Options{ReadOnly: true, Timeout: lockPatience})
	if err != nil {
		return refused(path, err)
	}
	f := &File{db: db, path: path}
	return errors.Join(f.View(context.Background(), read), f.Close())
}

// Lock makes a file that is there for its lock alone, and holds it until release is
// called. A lock that another process holds is a fault of kind Conflict after a
// second.
func Lock(path string) (release func() error, err error) {
	db, err := bbolt.Open(path, ownerOnly, &bbolt.Options{Timeout: lockPatience})
	if err != nil {
		return nil, refused(path, err)
	}
	return db.Close, nil
}

// inspect checks a file, if it is there and has a byte, while no other process can
// write it. For that it lets bbolt take its lock, reading nothing but the two pages
// that have a checksum.
func inspect(path string, patience time.Duration) (exists bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || (err == nil && info.Size() == 0) {
		return false, nil
	}
	if err != nil {
		return false, refused(path, err)
	}
	db, err := bbolt.Open(path, ownerOnly, &bbolt.Options{ReadOnly: true, Timeout: patience})
	if errors.Is(err, bbolterrors.ErrTimeout) || errors.Is(err, os.ErrPermission) {
		return false, refused(path, err)
	}
	if err == nil {
		defer func() { err = errors.Join(err, db.Close()) }()
	}
	file, err := os.Open(path)
	if err != nil {
		return false, refused(path, err)
	}
	defer func() { _ = file.Close() }()
	if info, err = file.Stat(); err != nil { // it may have grown before it was locked
		return false, refused(path, err)
	}
	if err := check(file, info.Size()); err != nil {
		return false, &fault.Error{Op: opOpen, Kind: fault.Invalid, Reason: directory.Damaged, Subject: path, Message: "the database is damaged: " + err.Error()}
	}
	return true, nil
}

// refused is the fault about a file that cannot be opened.
func refused(path string, err error) error {
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return &fault.Error{Op: opOpen, Kind: fault.Conflict, Err: err,
			Message: "the database " + path + " is in use by another entrasync process; stop that one or choose another data folder"}
	}
	return &fault.Error{Op: opOpen, Kind: fault.Invalid, Subject: path, Err: err, Message: "the database cannot be opened"}
}

// unusable is why the file can no longer be written: a change ended in a panic, and
// bbolt may hold its locks for ever.
func (f *File) unusable() error {
	if broken := f.broken.Load(); broken != nil {
		return *broken
	}
	return nil
}

// Close waits for the transactions under way and lets go of the file. What is
// called after it fails with a fault of kind Transient. A file that a change left
// broken is let go of with the process.
func (f *File) Close() error {
	if f.unusable() != nil {
		return nil
	}
	return fault.Wrap(f.db.Close(), fault.Transient, "boltfile.close")
}

// View reads. What read takes from the transaction it must copy.
func (f *File) View(ctx context.Context, read func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(err, fault.Transient, "boltfile.view")
	}
	err, _ := f.guard(func() error { return f.db.View(read) })
	return fault.Wrap(err, fault.Transient, "boltfile.view")
}

// guard makes an error of what bbolt does about a damaged page: it panics, or
// reads where nothing is.
func (f *File) guard(work func() error) (err error, panicked bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err, panicked = &fault.Error{Op: "boltfile", Kind: fault.Internal, Subject: f.path, Err: fmt.Errorf("%v\n%s", cause, debug.Stack()),
				Message: "the database cannot be read or written: start entrasync again, which checks the file and says what to do"}, true
		}
	}()
	return work(), false
}

// WriteTo writes the file as it is now to w, while changes go on, until it is done
// or ctx ends. A copy can be opened like the original.
func (f *File) WriteTo(ctx context.Context, w io.Writer) error {
	return f.View(ctx, func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(whileAllowed{ctx, w})
		return err
	})
}

// whileAllowed writes until its context ends.
type whileAllowed struct {
	ctx context.Context
	w   io.Writer
}

// Write implements io.Writer.
func (a whileAllowed) Write(p []byte) (int, error) {
	if err := a.ctx.Err(); err != nil {
		return 0, err
	}
	return a.w.Write(p)
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

const opUpdate = "boltfile.update"

// write commits changes together.
func (f *File) write(batch []*change) {
	err := f.unusable()
	if err == nil {
		var panicked bool
		err, panicked = f.guard(func() error { return f.db.Update(func(tx *bbolt.Tx) error { return applyAll(tx, batch) }) })
		if panicked {
			f.broken.Store(&err)
		}
	}
	for _, c := range batch {
		switch {
		case err != nil && !errors.Is(err, errNothing):
			c.err = fault.Wrap(err, fault.Transient, opUpdate)
		case c.err == nil && c.committed != nil:
			c.committed()
		}
	}
}

// applyAll applies the changes; one that is refused is left out.
func applyAll(tx *bbolt.Tx, batch []*change) error {
	result := errNothing
	for _, c := range batch {
		c.err = fault.Wrap(c.ctx.Err(), fault.Transient, opUpdate)
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
}
