// Package bolttable is the table of entrasync on one machine: store.Table in a
// bbolt file.
//
// An item lives in one bucket under its key; two more buckets, changed in the
// same transaction, hold the index and the items that expire in the order of
// their expiry. A partition is one run of keys, so a page of a query is one
// walk of a cursor. Writers that come at the same time share a commit (package
// boltfile), which keeps fifty concurrent writers as fast as two in a row.
//
// The rules and limits are those of the port, which are DynamoDB's. Only one
// process at a time may hold the file.
//
// A record carries a checksum. One that is not what was written is left out of
// lists, which name it, and fails everything that asks for it by its key: nobody is
// taken for absent because a disk forgot something.
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

// sweepPerWrite is how many expired items a write removes at most: more than
// one, so that the space comes back, and few, so that no write pays for an
// evening's worth.
const sweepPerWrite = 8

// Table is an open table, safe for concurrent use.
type Table struct {
	file *boltfile.File

	damage damage
}

var _ store.Table = (*Table)(nil)

// Open opens the table in the file at path, making it if need be. A file that
// another process holds is a fault of kind Conflict after a second.
func Open(path string) (*Table, error) {
	file, err := boltfile.Open(path, itemsBucket, indexBucket, expiresBucket)
	if err != nil {
		return nil, err
	}
	return &Table{file: file}, nil
}

// Identity is what [Table.SetIdentity] gave the file, "" if it never did.
func (t *Table) Identity(ctx context.Context) (string, error) { return t.file.Identity(ctx) }

// SetIdentity gives the file an identity, so that files that do not belong together
// can be told apart.
func (t *Table) SetIdentity(ctx context.Context, identity string) error {
	return t.file.SetIdentity(ctx, identity)
}

// Generation is what SetGeneration gave the file last, 0 if it never did.
func (t *Table) Generation(ctx context.Context) (uint64, error) { return t.file.Generation(ctx) }

// SetGeneration gives the file a generation, so that an older state of it can be told.
func (t *Table) SetGeneration(ctx context.Context, generation uint64) error {
	return t.file.SetGeneration(ctx, generation)
}

// Probe finds out whether the file can be written.
func (t *Table) Probe(ctx context.Context) error { return t.file.Probe(ctx) }

// WriteTo writes the table as it is now to w, while it is in use: a file that [Open]
// opens.
func (t *Table) WriteTo(ctx context.Context, w io.Writer) error { return t.file.WriteTo(ctx, w) }

// Close waits for the calls under way and lets go of the file.
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
	t.tellOf(err, key)
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
				t.tellOf(err, key)
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
				t.tellOf(err, w.Item.Key)
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
