// Package boltfile is one bbolt file as the adapters on one machine use it: only one
// process opens it, every change is synced to disk before it is acknowledged, and
// changes of concurrent writers are committed together.
//
// bbolt has one writer at a time and a commit waits for the disk, so writers that commit
// one by one wait for each other's disk. Here the first writer commits alone and at
// once. One of the writers that arrive meanwhile commits the changes of all of them as
// soon as the first commit has finished. So a single writer never waits for others, as
// it would with bbolt's own Batch, and fifty writers at once cost two commits instead of
// fifty.
//
// The complete file is read and checked before it is opened (check.go), because a damaged
// file can make bbolt end the process. Damage that happens later is an error of the call
// that reads the damaged page.
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

// lockPatience is how long Open waits for another process to release the file, so that a
// restart does not fail because the process before it still runs.
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
	busy    bool      // a writer is committing
}

// change is one writer's part of a commit.
type change struct {
	ctx       context.Context
	apply     func(*bbolt.Tx) error
	committed func()
	turn      chan bool // true: this writer must commit; false: the change was committed
	err       error
}

// Open opens the file for this process alone, and creates the file and the top-level
// buckets if they are missing. A file that another process has open is a fault of kind
// Conflict after a second. A damaged file is a fault of kind Invalid with the reason
// [directory.Damaged].
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

// Check reads the complete file. Damage is a fault of kind Invalid with the reason
// [directory.Damaged] that says what is damaged. A file that another process may be
// writing is a fault of kind Conflict after a second. A file that does not exist or is
// empty is a fault of kind NotFound.
func Check(path string) error {
	exists, err := inspect(path, lockPatience)
	if err == nil && !exists {
		err = &fault.Error{Op: "boltfile.check", Kind: fault.NotFound, Subject: path, Message: "there is no such database"}
	}
	return err
}

// Read checks a file that is not open, and calls read with a transaction. It does not
// change the file. Its errors are those of [Check] and those of read.
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

// Lock creates a file that only serves as a lock, and holds the lock until release is
// called. A lock that another process holds is a fault of kind Conflict after a second.
func Lock(path string) (release func() error, err error) {
	db, err := bbolt.Open(path, ownerOnly, &bbolt.Options{Timeout: lockPatience})
	if err != nil {
		return nil, refused(path, err)
	}
	return db.Close, nil
}

// inspect checks a file that exists and is not empty, while no other process can write
// it. For this it opens the file with bbolt, which locks it and reads only the two pages
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

// refused makes the fault of a file that cannot be opened.
func refused(path string, err error) error {
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return &fault.Error{Op: opOpen, Kind: fault.Conflict, Err: err,
			Message: "the database " + path + " is in use by another entrasync process; stop that one or choose another data folder"}
	}
	return &fault.Error{Op: opOpen, Kind: fault.Invalid, Subject: path, Err: err, Message: "the database cannot be opened"}
}

// unusable returns the error of a file that can no longer be written: a change ended in a
// panic, and bbolt may hold its locks forever.
func (f *File) unusable() error {
	if broken := f.broken.Load(); broken != nil {
		return *broken
	}
	return nil
}

// Close waits for running transactions and closes the file. Calls after it fail with a
// fault of kind Transient. An unusable file stays open until the process ends.
func (f *File) Close() error {
	if f.unusable() != nil {
		return nil
	}
	return fault.Wrap(f.db.Close(), fault.Transient, "boltfile.close")
}

// View calls read with a transaction. read must copy the data that it keeps.
func (f *File) View(ctx context.Context, read func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(err, fault.Transient, "boltfile.view")
	}
	err, _ := f.guard(func() error { return f.db.View(read) })
	return fault.Wrap(err, fault.Transient, "boltfile.view")
}

// guard returns an error if bbolt panics over a damaged page, or reads memory that is not
// mapped.
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

// WriteTo writes the present state of the file to w, until it is done or ctx ends. Changes
// continue meanwhile. The copy can be opened like the original.
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

// Update applies a change and returns when it is on disk. apply is called at most once,
// possibly on another goroutine. It may share a transaction with other changes, which are
// applied in the order of the calls, and it reads what they wrote before. If apply returns
// a fault, only this change is refused; it must return a fault before its first write.
// Any other error fails all changes of the transaction. committed, unless nil, is called
// after the commit, in the same order, and before Update returns for any of the changes.
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

// commit commits all waiting changes, and lets the next writer commit.
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

// write commits changes in one transaction.
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

// applyAll applies the changes and leaves out refused ones.
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
