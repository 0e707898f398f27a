package overlay

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// merged is where a query of a table and a layer goes on: the cursors of both, whether one of
// them has ended, and the last sort key of the page. Who writes an item before that key now
// does not make it appear later.
type merged struct {
	After      string `json:"a,omitempty"`
	Under      string `json:"u,omitempty"`
	UnderEnded bool   `json:"ue,omitempty"`
	Over       string `json:"o,omitempty"`
	OverEnded  bool   `json:"oe,omitempty"`
}

// foreign is the fault about a cursor of another query.
func foreign(op string) error {
	return &fault.Error{Op: op, Kind: fault.Invalid, Subject: "cursor", Message: "the cursor does not belong to this query; start again without one"}
}

// query reads a page of a table through a layer. A page of each is read, and they are merged
// up to the limit or to where one of them ends. Of the side of which something is left a
// shorter page is read instead, whose cursor says where it goes on.
func query(ctx context.Context, under store.Table, over layer, q store.Query) (store.Page, error) {
	const op = "store.query"
	if err := store.CheckQuery(op, q); err != nil {
		return store.Page{}, err
	}
	var at merged
	if _, err := q.Place(op, func(place []byte) bool { return json.Unmarshal(place, &at) == nil }); err != nil {
		return store.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Page{}, fault.Wrap(err, fault.Transient, op)
	}
	w := walk{under: under, over: over, q: q, at: at, last: at.After}
	if err := w.readBelow(ctx, q.Limit); err != nil {
		return store.Page{}, err
	}
	if err := w.readAbove(ctx, q.Limit); err != nil {
		return store.Page{}, err
	}
	for {
		items, below, above := w.merge()
		var err error
		switch {
		case !w.belowHeld && below < len(w.below.Items):
			if w.belowHeld = below == 0; !w.belowHeld {
				err = w.readBelow(ctx, below)
			}
		case !w.aboveHeld && above < len(w.above.entries):
			if w.aboveHeld = above == 0; !w.aboveHeld {
				err = w.readAbove(ctx, above)
			}
		default:
			return store.Page{Items: items, Damaged: w.below.Damaged, Cursor: w.cursor()}, nil
		}
		if err != nil {
			return store.Page{}, err
		}
	}
}

// walk reads one page.
type walk struct {
	under store.Table
	over  layer
	q     store.Query
	at    merged

	below  store.Page
	hidden map[store.Key]bool // those of below that the layer has written
	above  layerPage
	last   string // the sort key up to which the page goes
	// A side is held if its first item comes behind the page: its cursor stays.
	belowHeld, aboveHeld bool
}

// readBelow reads a page of the table.
func (w *walk) readBelow(ctx context.Context, limit int) (err error) {
	w.below, w.hidden = store.Page{}, map[store.Key]bool{}
	if w.at.UnderEnded {
		return nil
	}
	q := w.q
	q.Limit, q.Cursor = limit, w.at.Under
	if w.below, err = w.under.Query(ctx, q); err != nil {
		return err
	}
	keys := make([]store.Key, len(w.below.Items))
	for i, item := range w.below.Items {
		keys[i] = item.Key
	}
	for chunk := range slices.Chunk(append(keys, w.below.Damaged...), store.MaxBatchGet) {
		written, err := w.over.entries(ctx, chunk)
		if err != nil {
			return err
		}
		for key := range written {
			w.hidden[key] = true
		}
	}
	w.below.Damaged = slices.DeleteFunc(w.below.Damaged, func(key store.Key) bool { return w.hidden[key] })
	return nil
}

// readAbove reads a page of the layer.
func (w *walk) readAbove(ctx context.Context, limit int) (err error) {
	if w.above = (layerPage{}); w.at.OverEnded {
		return nil
	}
	q := w.q
	q.Limit, q.Cursor = limit, w.at.Over
	w.above, err = w.over.page(ctx, q)
	return err
}

// keyOf is the sort key of an item in the order of the query.
func (w *walk) keyOf(item store.Item) string {
	if w.q.Index {
		return item.IndexSK
	}
	return item.SK
}

// compare compares two sort keys in the order of the query.
func (w *walk) compare(a, b string) int {
	if w.q.Backward {
		return strings.Compare(b, a)
	}
	return strings.Compare(a, b)
}

// passed reports whether an item comes before the page. In the index several items may have
// one sort key.
func (w *walk) passed(item store.Item) bool {
	if w.at.After == "" {
		return false
	}
	c := w.compare(w.keyOf(item), w.at.After)
	return c < 0 || c == 0 && !w.q.Index
}

// merge merges the pages, and says how many entries of each were used. It ends where a page
// ends after which more follows: that may come next.
func (w *walk) merge() (items []store.Item, below, above int) {
	items, w.last = []store.Item{}, w.at.After
	now, size := time.Now(), 0
	for {
		hasBelow, hasAbove := below < len(w.below.Items), above < len(w.above.entries)
		if !hasBelow && !hasAbove || !hasBelow && w.below.Cursor != "" || !hasAbove && w.above.cursor != "" {
			return items, below, above
		}
		fromBelow := hasBelow && (!hasAbove || w.compare(w.keyOf(w.below.Items[below]), w.keyOf(w.above.entries[above].item)) <= 0)
		if fromBelow && w.belowHeld || !fromBelow && w.aboveHeld {
			return items, below, above
		}
		item, shown := w.next(fromBelow, below, above, now)
		if shown {
			size += item.Size()
			if w.q.Limit > 0 && len(items) == w.q.Limit || len(items) > 0 && size > store.MaxPageBytes {
				return items, below, above
			}
			items, w.last = append(items, item), w.keyOf(item)
		}
		if fromBelow {
			below++
		} else {
			above++
		}
	}
}

// next is the next item of one side, and whether readers see it.
func (w *walk) next(fromBelow bool, below, above int, now time.Time) (store.Item, bool) {
	if fromBelow {
		item := w.below.Items[below]
		return item, !w.hidden[item.Key] && !w.passed(item)
	}
	e := w.above.entries[above]
	return copied(e.item), !e.absent(now) && !w.passed(e.item)
}

// cursor says where the next page begins; "" if there is none.
func (w *walk) cursor() string {
	next := w.at
	next.After = w.last
	if !w.belowHeld {
		next.Under, next.UnderEnded = w.below.Cursor, w.below.Cursor == ""
	}
	if !w.aboveHeld {
		next.Over, next.OverEnded = w.above.cursor, w.above.cursor == ""
	}
	if next.UnderEnded && next.OverEnded {
		return ""
	}
	place, _ := json.Marshal(next) // never fails
	return w.q.CursorAt(place)
}
