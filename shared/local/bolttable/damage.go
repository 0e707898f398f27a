package bolttable

import (
	"context"
	"fmt"
	"sync"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/local/boltfile"
	"entrasync/shared/store"
)

// damage reports damaged records, each of them once.
type damage struct {
	mu       sync.Mutex
	report   func(store.Key)
	reported map[store.Key]bool
}

// maxReported is how many damaged records are reported. Further ones are only found by
// [Table.Damaged].
const maxReported = 1000

// OnDamage sets the function that is called with the key of a damaged record when the
// record is read for the first time. It must be called before the table is used.
func (t *Table) OnDamage(report func(store.Key)) { t.damage.report = report }

// report reports damaged records that were not reported before.
func (t *Table) report(keys ...store.Key) {
	if t.damage.report == nil {
		return
	}
	t.damage.mu.Lock()
	defer t.damage.mu.Unlock()
	for _, key := range keys {
		if t.damage.reported[key] || len(t.damage.reported) == maxReported {
			continue
		}
		if t.damage.reported == nil {
			t.damage.reported = map[store.Key]bool{}
		}
		t.damage.reported[key] = true
		t.damage.report(key)
	}
}

// reportDamaged reports a record if err says that it is damaged.
func (t *Table) reportDamaged(err error, key store.Key) {
	if store.IsDamaged(err) {
		t.report(key)
	}
}

// damaged makes the fault of a damaged record.
func damaged(key store.Key) error { return store.DamagedRecord("bolttable", key, errRecord) }

// nameOf is the key of a record, or its bytes as hex if the key itself is damaged.
func nameOf(key []byte) store.Key {
	if name, ok := parseItemKey(key); ok {
		return name
	}
	return store.Key{PK: fmt.Sprintf("%x", key)}
}

// Damaged reads every record, and returns and reports the damaged ones.
func (t *Table) Damaged(ctx context.Context) (keys []store.Key, err error) {
	err = t.file.View(ctx, func(tx *bbolt.Tx) (err error) {
		_, keys, err = readAll(ctx, tx)
		return err
	})
	t.report(keys...)
	return keys, fault.Wrap(err, fault.Internal, "bolttable.damaged")
}

// readAll reads every record, counts them and returns the keys of the damaged ones.
func readAll(ctx context.Context, tx *bbolt.Tx) (records int, keys []store.Key, err error) {
	items := tx.Bucket([]byte(itemsBucket))
	if items == nil {
		return 0, nil, fault.New(fault.Invalid, "bolttable", "the file is a database, but no table of entrasync")
	}
	err = items.ForEach(func(key, record []byte) error {
		records++
		if _, err := decode(key, record); err != nil {
			keys = append(keys, nameOf(key))
		}
		return ctx.Err()
	})
	return records, keys, err
}

// Content describes the file of a table that is not open.
type Content struct {
	Identity string // "" if it has none
	Records  int
	Damaged  []store.Key
}

// Inspect reads the complete file of a table that is not open, and does not change it. A
// file that is too damaged to be opened is a fault of kind Invalid with the reason
// directory.Damaged, a file in use is one of kind Conflict, and a file that is missing or
// empty is one of kind NotFound.
func Inspect(ctx context.Context, path string) (Content, error) {
	var c Content
	err := boltfile.Read(path, func(tx *bbolt.Tx) (err error) {
		c.Identity = boltfile.IdentityIn(tx)
		c.Records, c.Damaged, err = readAll(ctx, tx)
		return err
	})
	return c, err
}
