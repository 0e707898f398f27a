package overlay

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// Kept is a layer whose entries are in a real table, under keys that begin with Prefix. Its
// items are larger than those that they stand for, by their keys and some bytes: records are
// far from the limits of a table.
type Kept struct {
	Table  store.Table
	Prefix string
	// Expires is until when the entries are kept, as [store.Item.Expires].
	Expires int64
}

// View is the real table as the layer changes it. It refuses writes.
func (k Kept) View() store.Table { return view{k} }

// Writes are the writes that keep changes. They may be made again.
func (k Kept) Writes(changes []Change) []store.Write {
	writes := make([]store.Write, len(changes))
	for i, c := range changes {
		writes[i] = store.Write{If: store.Any, Item: k.encode(entry{item: c.Item, gone: c.Deleted})}
	}
	return writes
}

// pk is the partition key of entries for a partition key, of the table or of the index.
func (k Kept) pk(pk string) string { return k.Prefix + pk }

// The forms of an entry: its first byte.
const (
	goneForm  = 0
	thereForm = 1
)

// encode makes the item of an entry: its form, version, expiry and the key of the index, and
// then the value.
func (k Kept) encode(e entry) store.Item {
	item := store.Item{Key: store.Key{PK: k.pk(e.item.PK), SK: e.item.SK}, Value: []byte{goneForm}, Expires: k.Expires}
	if e.gone {
		return item
	}
	value := binary.AppendVarint([]byte{thereForm}, e.item.Version)
	value = binary.AppendVarint(value, e.item.Expires)
	item.Value = append(value, e.item.Value...)
	if e.item.IndexPK != "" {
		item.IndexPK, item.IndexSK = k.pk(e.item.IndexPK), e.item.IndexSK
	}
	return item
}

// decode reads the item of an entry.
func (k Kept) decode(item store.Item) (entry, error) {
	e := entry{item: store.Item{Key: store.Key{PK: strings.TrimPrefix(item.PK, k.Prefix), SK: item.SK}}, gone: true}
	if len(item.Value) == 1 && item.Value[0] == goneForm {
		return e, nil
	}
	if len(item.Value) == 0 || item.Value[0] != thereForm {
		return e, store.DamagedRecord("overlay.decode", item.Key, nil)
	}
	rest := item.Value[1:]
	version, n := binary.Varint(rest)
	if n <= 0 {
		return e, store.DamagedRecord("overlay.decode", item.Key, nil)
	}
	expires, m := binary.Varint(rest[n:])
	if m <= 0 {
		return e, store.DamagedRecord("overlay.decode", item.Key, nil)
	}
	e.gone, e.item.Version, e.item.Expires, e.item.Value = false, version, expires, rest[n+m:]
	if item.IndexPK != "" {
		e.item.IndexPK, e.item.IndexSK = strings.TrimPrefix(item.IndexPK, k.Prefix), item.IndexSK
	}
	return e, nil
}

// entries implements layer.
func (k Kept) entries(ctx context.Context, keys []store.Key) (map[store.Key]entry, error) {
	known := map[store.Key]entry{}
	for chunk := range slices.Chunk(keys, store.MaxBatchGet) {
		own := make([]store.Key, len(chunk))
		for i, key := range chunk {
			own[i] = store.Key{PK: k.pk(key.PK), SK: key.SK}
		}
		items, err := k.Table.BatchGet(ctx, own)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			e, err := k.decode(item)
			if err != nil {
				return nil, err
			}
			known[e.item.Key] = e
		}
	}
	return known, nil
}

// page implements layer. A query of the index has no entries that are gone.
func (k Kept) page(ctx context.Context, q store.Query) (layerPage, error) {
	q.PK = k.pk(q.PK)
	page, err := k.Table.Query(ctx, q)
	if err != nil {
		return layerPage{}, err
	}
	for _, key := range page.Damaged {
		return layerPage{}, store.DamagedRecord("overlay.query", key, nil)
	}
	entries := make([]entry, len(page.Items))
	for i, item := range page.Items {
		if entries[i], err = k.decode(item); err != nil {
			return layerPage{}, err
		}
	}
	return layerPage{entries: entries, cursor: page.Cursor}, nil
}

// view is a table through a layer that is kept.
type view struct{ Kept }

// Get implements store.Table.
func (v view) Get(ctx context.Context, key store.Key) (store.Item, error) {
	const op = "store.get"
	if err := store.CheckKey(op, key); err != nil {
		return store.Item{}, err
	}
	items, err := v.BatchGet(ctx, []store.Key{key})
	if err != nil {
		return store.Item{}, err
	}
	if len(items) == 0 {
		return store.Item{}, &fault.Error{Op: op, Kind: fault.NotFound, Subject: key.PK + " " + key.SK}
	}
	return items[0], nil
}

// BatchGet implements store.Table. The entries are in the same table as what they stand for, so
// that one request reads both.
func (v view) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	if err := store.CheckKeys("store.batch get", keys); err != nil {
		return nil, err
	}
	known, under := map[store.Key]entry{}, map[store.Key]store.Item{}
	for chunk := range slices.Chunk(keys, store.MaxBatchGet/2) {
		both := slices.Clone(chunk)
		for _, key := range chunk {
			both = append(both, store.Key{PK: v.pk(key.PK), SK: key.SK})
		}
		items, err := v.Table.BatchGet(ctx, both)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if !strings.HasPrefix(item.PK, v.Prefix) {
				under[item.Key] = item
				continue
			}
			e, err := v.decode(item)
			if err != nil {
				return nil, err
			}
			known[e.item.Key] = e
		}
	}
	items, now := make([]store.Item, 0, len(keys)), time.Now()
	for _, key := range keys {
		e, written := known[key]
		item, there := under[key]
		switch {
		case written && !e.absent(now):
			items = append(items, e.item)
		case !written && there:
			items = append(items, item)
		}
	}
	return items, nil
}

// Query implements store.Table.
func (v view) Query(ctx context.Context, q store.Query) (store.Page, error) {
	return query(ctx, v.Table, v.Kept, q)
}

// Put implements store.Table.
func (v view) Put(context.Context, store.Item, store.IfVersion) (int64, error) {
	return 0, onlyRead()
}

// Delete implements store.Table.
func (v view) Delete(context.Context, store.Key, store.IfVersion) error { return onlyRead() }

// Transact implements store.Table.
func (v view) Transact(context.Context, []store.Write) error { return onlyRead() }

// onlyRead is the fault of a write to a view.
func onlyRead() error {
	return fault.New(fault.Internal, "overlay.write", "a view is only read: write to an overlay of it")
}

// Life is the expiry of entries that are kept for so long from now.
func Life(d time.Duration) int64 { return time.Now().Add(d).Unix() }
