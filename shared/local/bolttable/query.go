package bolttable

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// Query implements store.Table. A cursor is the place of the last item of its page, not a
// number in a list. So items that are added or removed between two pages do not make
// others appear twice or be missing.
func (t *Table) Query(ctx context.Context, q store.Query) (store.Page, error) {
	const op = "store.query"
	if err := store.CheckQuery(op, q); err != nil {
		return store.Page{}, err
	}
	after, err := q.Place(op, func(place []byte) bool { return bytes.HasPrefix(place, placePrefix(q)) })
	if err != nil {
		return store.Page{}, err
	}
	var page store.Page
	err = t.file.View(ctx, func(tx *bbolt.Tx) (err error) {
		page, err = readPage(ctx, tx, q, after)
		return err
	})
	t.report(page.Damaged...)
	return page, fault.Wrap(err, fault.Internal, op)
}

// readPage reads items after a place until the limit or the size of a page is reached. The
// page names damaged items and does not contain them. The cursor is set only if there is
// a further item.
func readPage(ctx context.Context, tx *bbolt.Tx, q store.Query, after []byte) (store.Page, error) {
	var page store.Page
	var last []byte
	w := newWalk(tx, q)
	now, bytesSoFar := time.Now(), 0
	for place, key := w.start(after); place != nil; place, key = w.next() {
		if err := ctx.Err(); err != nil {
			return store.Page{}, fault.Wrap(err, fault.Transient, "store.query")
		}
		item, err := decode(key, w.items.Get(key))
		if err != nil {
			page.Damaged = append(page.Damaged, nameOf(key))
			continue
		}
		if expired(item, now) {
			continue
		}
		if bytesSoFar += item.Size(); bytesSoFar > store.MaxPageBytes || q.Limit > 0 && len(page.Items) == q.Limit {
			page.Cursor = q.CursorAt(last)
			return page, nil
		}
		page.Items = append(page.Items, item)
		last = append(last[:0], place...)
	}
	return page, nil
}

// walk goes through the keys with one prefix, of the items or of the index.
type walk struct {
	items    *bbolt.Bucket
	cursor   *bbolt.Cursor
	index    bool
	backward bool
	prefix   []byte
}

func newWalk(tx *bbolt.Tx, q store.Query) *walk {
	items := tx.Bucket([]byte(itemsBucket))
	w := &walk{items: items, cursor: items.Cursor(), index: q.Index, backward: q.Backward, prefix: placePrefix(q)}
	if q.Index {
		w.cursor = tx.Bucket([]byte(indexBucket)).Cursor()
	}
	return w
}

// placePrefix is the prefix of every key of the walk.
func placePrefix(q store.Query) []byte {
	if q.Index {
		return indexPrefix(q.PK, q.SKPrefix)
	}
	return append(partition(q.PK), q.SKPrefix...)
}

// start goes to the first place, or to the one that follows after.
func (w *walk) start(after []byte) (place, key []byte) {
	var found, value []byte
	switch {
	case after == nil && !w.backward:
		found, value = w.cursor.Seek(w.prefix)
	case after == nil:
		found, value = w.before(beyond(w.prefix))
	case w.backward:
		found, value = w.before(after)
	default:
		if found, value = w.cursor.Seek(after); bytes.Equal(found, after) {
			found, value = w.cursor.Next()
		}
	}
	return w.within(found, value)
}

// before goes to the greatest key less than bound, or to the last key if bound is nil.
func (w *walk) before(bound []byte) (place, value []byte) {
	if bound != nil {
		if found, _ := w.cursor.Seek(bound); found != nil {
			return w.cursor.Prev()
		}
	}
	return w.cursor.Last()
}

func (w *walk) next() (place, key []byte) {
	if w.backward {
		return w.within(w.cursor.Prev())
	}
	return w.within(w.cursor.Next())
}

// within ends the walk at a key without the prefix. The key of the item is the place
// itself or, in the index, its value.
func (w *walk) within(found, value []byte) (place, key []byte) {
	switch {
	case !bytes.HasPrefix(found, w.prefix):
		return nil, nil
	case w.index:
		return found, value
	default:
		return found, found
	}
}

// beyond is the least key greater than every key with the prefix; nil if there is none.
func beyond(prefix []byte) []byte {
	bound := bytes.Clone(prefix)
	for i := len(bound) - 1; i >= 0; i-- {
		if bound[i]++; bound[i] != 0 {
			return bound[:i+1]
		}
	}
	return nil
}
