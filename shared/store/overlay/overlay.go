// Package overlay is a table that reads another one and keeps all writes to itself. A plan
// works on it: the engines read what is recorded and write what they would have recorded, and
// nobody else sees that.
//
// A [Table] keeps its writes in memory. Work that takes longer than a process stores them in
// a real table ([Kept]), as records of their own that no reader of the real ones finds, and
// puts the next Table on [Kept.View].
//
// Records that others write to the table beneath are seen as long as the overlay has not
// written the same record.
package overlay

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// Table is an overlay. It is safe for concurrent use.
type Table struct {
	under store.Table

	writing sync.Mutex // one write after the other: each compares with the state before
	mine    memory
}

var _ store.Table = (*Table)(nil)

// New makes an empty overlay of a table.
func New(under store.Table) *Table { return &Table{under: under} }

// entry is what the overlay knows of one key.
type entry struct {
	item store.Item // only the key if it is gone
	gone bool
}

// absent reports whether readers see the item as absent.
func (e entry) absent(now time.Time) bool {
	return e.gone || e.item.Expires != 0 && e.item.Expires <= now.Unix()
}

// layer is what lies over a table.
type layer interface {
	// entries are those of some keys; keys that were not written are missing.
	entries(ctx context.Context, keys []store.Key) (map[store.Key]entry, error)
	// page is a page of the entries of a query, in its order. Its cursor is the layer's own.
	page(ctx context.Context, q store.Query) (layerPage, error)
}

// layerPage is a page of a layer.
type layerPage struct {
	entries []entry
	cursor  string // "" at the end
}

// Get implements store.Table.
func (t *Table) Get(ctx context.Context, key store.Key) (store.Item, error) {
	return get(ctx, t.under, &t.mine, key)
}

// BatchGet implements store.Table.
func (t *Table) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return batchGet(ctx, t.under, &t.mine, keys)
}

// Query implements store.Table.
func (t *Table) Query(ctx context.Context, q store.Query) (store.Page, error) {
	return query(ctx, t.under, &t.mine, q)
}

// Put implements store.Table.
func (t *Table) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	versions, err := t.write(ctx, "store.put", []store.Write{{Item: item, If: cond}})
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
	t.writing.Lock()
	defer t.writing.Unlock()
	before, err := t.before(ctx, op, writes)
	if err != nil {
		return nil, err
	}
	versions := make([]int64, len(writes))
	for i, w := range writes {
		version := before[w.Item.Key]
		if w.If != store.Any && int64(w.If) != version {
			return nil, &fault.Error{Op: op, Kind: fault.Changed, Subject: w.Item.PK + " " + w.Item.SK,
				Message: fmt.Sprintf("version %d was expected, version %d is stored", w.If, version)}
		}
		versions[i] = version + 1
	}
	for i, w := range writes {
		switch {
		case w.Check:
		case w.Delete:
			t.mine.set(entry{item: store.Item{Key: w.Item.Key}, gone: true})
		default:
			item := copied(w.Item)
			item.Version = versions[i]
			t.mine.set(entry{item: item})
		}
	}
	return versions, nil
}

// before are the versions of the items before some writes; 0 for those that do not exist.
func (t *Table) before(ctx context.Context, op string, writes []store.Write) (map[store.Key]int64, error) {
	keys := make([]store.Key, len(writes))
	for i, w := range writes {
		keys[i] = w.Item.Key
	}
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap(err, fault.Transient, op)
	}
	items, err := batchGet(ctx, t.under, &t.mine, keys)
	if err != nil {
		return nil, err
	}
	versions := map[store.Key]int64{}
	for _, item := range items {
		versions[item.Key] = item.Version
	}
	return versions, nil
}

// Change is a record that the overlay has written: Item is the record, or only its key if it
// was deleted.
type Change struct {
	Item    store.Item
	Deleted bool
}

// Changes are all records that the overlay has written, as they are now.
func (t *Table) Changes() []Change {
	t.mine.mu.RLock()
	defer t.mine.mu.RUnlock()
	var all []Change
	for _, pk := range slices.Sorted(maps.Keys(t.mine.parts)) {
		for _, sk := range t.mine.parts[pk] {
			e := t.mine.known[store.Key{PK: pk, SK: sk}]
			all = append(all, Change{Item: copied(e.item), Deleted: e.gone})
		}
	}
	return all
}

// copied is an item that shares no memory with another one.
func copied(item store.Item) store.Item {
	item.Value = bytes.Clone(item.Value)
	return item
}

// get reads one item of a table through a layer.
func get(ctx context.Context, under store.Table, over layer, key store.Key) (store.Item, error) {
	const op = "store.get"
	if err := store.CheckKey(op, key); err != nil {
		return store.Item{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Item{}, fault.Wrap(err, fault.Transient, op)
	}
	known, err := over.entries(ctx, []store.Key{key})
	if err != nil {
		return store.Item{}, err
	}
	e, written := known[key]
	switch {
	case !written:
		return under.Get(ctx, key)
	case e.absent(time.Now()):
		return store.Item{}, &fault.Error{Op: op, Kind: fault.NotFound, Subject: key.PK + " " + key.SK}
	default:
		return copied(e.item), nil
	}
}

// batchGet reads items of a table through a layer.
func batchGet(ctx context.Context, under store.Table, over layer, keys []store.Key) ([]store.Item, error) {
	const op = "store.batch get"
	if err := store.CheckKeys(op, keys); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap(err, fault.Transient, op)
	}
	known, err := over.entries(ctx, keys)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	items := make([]store.Item, 0, len(keys))
	var left []store.Key
	for _, key := range keys {
		e, written := known[key]
		switch {
		case !written:
			left = append(left, key)
		case !e.absent(now):
			items = append(items, copied(e.item))
		}
	}
	if len(left) == 0 {
		return items, nil
	}
	others, err := under.BatchGet(ctx, left)
	return append(items, others...), err
}
