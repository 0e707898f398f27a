// Package bolttable implements store.Table with a bbolt file on one machine.
//
// An item is in one bucket under its key. Two more buckets, changed in the same
// transaction, have the index, and the items that expire in the order of their expiry.
// The keys of a partition follow each other, so a page of a query is one walk of a cursor.
// Concurrent writers share a commit (package boltfile), so that fifty of them are as fast
// as two in a row.
//
// The rules and limits are those of the port, which are DynamoDB's. Only one process at a
// time may open the file.
//
// A record has a checksum. A list leaves a damaged record out and names it, and reading
// or writing the record by its key fails: no user is treated as absent because the disk
// lost data.
package bolttable

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/local/boltfile"
	"entrasync/shared/store"
)

// The buckets of the file.
const (
	itemsBucket   = "items"
	indexBucket   = "index"
	expiresBucket = "expires"
)

// sweepPerWrite is how many expired items a write removes at most: more than one, so that
// space is freed faster than it is used, and few, so that every write is fast.
const sweepPerWrite = 8

// Table is an open table, safe for concurrent use.
type Table struct {
	file *boltfile.File

	damage damage
}

var _ store.Table = (*Table)(nil)

// Open opens the table in the file at path, and creates the file if it is missing. A file
// that another process has open is a fault of kind Conflict after a second.
func Open(path string) (*Table, error) {
	file, err := boltfile.Open(path, itemsBucket, indexBucket, expiresBucket)
	if err != nil {
		return nil, err
	}
	return &Table{file: file}, nil
}

// Identity is the identity that [Table.SetIdentity] stored, "" if there is none.
func (t *Table) Identity(ctx context.Context) (string, error) { return t.file.Identity(ctx) }

// SetIdentity gives the file an identity, which distinguishes files that do not belong
// together.
func (t *Table) SetIdentity(ctx context.Context, identity string) error {
	return t.file.SetIdentity(ctx, identity)
}

// Generation is the last generation that SetGeneration stored, 0 if there is none.
func (t *Table) Generation(ctx context.Context) (uint64, error) { return t.file.Generation(ctx) }

// SetGeneration gives the file a generation, which shows an older state of the file.
func (t *Table) SetGeneration(ctx context.Context, generation uint64) error {
	return t.file.SetGeneration(ctx, generation)
}

// Probe finds out whether the file can be written.
func (t *Table) Probe(ctx context.Context) error { return t.file.Probe(ctx) }

// WriteTo writes the present state of the table to w, while it is in use. The result is a
// file for [Open].
func (t *Table) WriteTo(ctx context.Context, w io.Writer) error { return t.file.WriteTo(ctx, w) }

// Close waits for running calls and closes the file.
func (t *Table) Close() error { return t.file.Close() }

// Get implements store.Table.
func (t *Table) Get(ctx context.Context, key store.Key) (store.Item, error) {
	const op = "store.get"
	if err := store.CheckKey(op, key); err != nil {
		return store.Item{}, err
	}
	var item store.Item
	err := t.file.View(ctx, func(tx *bbolt.Tx) (err error) {
		item, err = stored(tx, key, time.Now())
		return err
	})
	t.reportDamaged(err, key)
	if err == nil && item.Version == 0 {
		err = &fault.Error{Op: op, Kind: fault.NotFound, Subject: key.PK + " " + key.SK}
	}
	return item, fault.Wrap(err, fault.Internal, op)
}

// BatchGet implements store.Table.
func (t *Table) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	const op = "store.batch get"
	if err := store.CheckKeys(op, keys); err != nil {
		return nil, err
	}
	items := make([]store.Item, 0, len(keys))
	err := t.file.View(ctx, func(tx *bbolt.Tx) error {
		now := time.Now()
		for _, key := range keys {
			item, err := stored(tx, key, now)
			if err != nil {
				t.reportDamaged(err, key)
				return err
			}
			if item.Version != 0 {
				items = append(items, item)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, op)
	}
	return items, nil
}

// Put implements store.Table.
func (t *Table) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	const op = "store.put"
	versions, err := t.write(ctx, op, []store.Write{{Item: item, If: cond}})
	if err != nil {
		return 0, err
	}
	return versions[0], nil
}

// Delete implements store.Table.
func (t *Table) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	_, err := t.write(ctx, "store.delete", []store.Write{{Item: store.Item{Key: key}, If: cond, Delete: true}})
	return err
}

// Transact implements store.Table.
func (t *Table) Transact(ctx context.Context, writes []store.Write) error {
	_, err := t.write(ctx, "store.transact", writes)
	return err
}

// write does all the writes or none and returns the versions after them.
func (t *Table) write(ctx context.Context, op string, writes []store.Write) ([]int64, error) {
	if err := store.CheckWrites(op, writes); err != nil {
		return nil, err
	}
	if len(writes) == 0 {
		return nil, nil
	}
	versions := make([]int64, len(writes))
	err := t.file.Update(ctx, func(tx *bbolt.Tx) error {
		now := time.Now()
		for i, w := range writes {
			before, err := stored(tx, w.Item.Key, now)
			if err != nil {
				t.reportDamaged(err, w.Item.Key)
				return err
			}
			if w.If != store.Any && int64(w.If) != before.Version {
				return &fault.Error{Op: op, Kind: fault.Changed, Subject: w.Item.PK + " " + w.Item.SK,
					Message: fmt.Sprintf("version %d was expected, version %d is stored", w.If, before.Version)}
			}
			versions[i] = before.Version + 1
		}
		for i, w := range writes {
			if err := apply(tx, w, versions[i]); err != nil {
				return err
			}
		}
		return sweep(tx, now, sweepPerWrite)
	}, nil)
	return versions, fault.Wrap(err, fault.Internal, op)
}
