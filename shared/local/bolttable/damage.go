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

// damage tells of damaged records, of each once.
type damage struct {
	mu     sync.Mutex
	report func(store.Key)
	told   map[store.Key]bool
}

// maxReported bounds what is remembered of damaged records; of those after it nobody
// is told, but by the daily look at all of them.
const maxReported = 1000

// OnDamage has report called, with its key, when a damaged record is met for the
// first time. It must be called before the table is used.
func (t *Table) OnDamage(report func(store.Key)) { t.damage.report = report }

// tell reports damaged records that were not reported before.
func (t *Table) tell(keys ...store.Key) {
	if t.damage.report == nil {
		return
	}
	t.damage.mu.Lock()
	defer t.damage.mu.Unlock()
	for _, key := range keys {
		if t.damage.told[key] || len(t.damage.told) == maxReported {
			continue
		}
		if t.damage.told == nil {
			t.damage.told = map[store.Key]bool{}
		}
		t.damage.told[key] = true
		t.damage.report(key)
	}
}

// tellOf reports the record that err is about, if it is about a damaged one.
func (t *Table) tellOf(err error, key store.Key) {
	if store.IsDamaged(err) {
		t.tell(key)
	}
}

// damaged is the fault about a record.
func damaged(key store.Key) error { return store.DamagedRecord("bolttable", key, errRecord) }

// nameOf is the key of a record, also of one whose key is damaged itself.
func nameOf(key []byte) store.Key {
	if name, ok := parseItemKey(key); ok {
		return name
	}
	return store.Key{PK: fmt.Sprintf("%x", key)}
}

// Damaged reads every record and names those that are damaged, and reports them.
func (t *Table) Damaged(ctx context.Context) (keys []store.Key, err error) {
	err = t.file.View(ctx, func(tx *bbolt.Tx) (err error) {
		_, keys, err = readAll(ctx, tx)
		return err
	})
	t.tell(keys...)
	return keys, fault.Wrap(err, fault.Internal, "bolttable.damaged")
}

// readAll reads every record, counts them and names those that are damaged.
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

// Content is what is in the file of a table that is not open.
type Content struct {
	Identity string // "" if it has none
	Records  int
	Damaged  []store.Key
}

// Inspect reads the whole file of a table that is not open, and leaves it as it is.
// One that is damaged so that it cannot be opened is a fault of kind Invalid with
// the reason directory.Damaged, one that is in use of kind Conflict, one that is not
// there or empty of kind NotFound.
func Inspect(ctx context.Context, path string) (Content, error) {
	var c Content
	err := boltfile.Read(path, func(tx *bbolt.Tx) (err error) {
		c.Identity = boltfile.IdentityIn(tx)
		c.Records, c.Damaged, err = readAll(ctx, tx)
		return err
	})
	return c, err
}
