package overlay

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"entrasync/shared/store"
)

// memory is a layer in memory. The zero value is empty.
type memory struct {
	mu    sync.RWMutex
	known map[store.Key]entry
	parts map[string][]string // the sorted sort keys of each partition
	index map[string][]place  // the sorted places of each key of the index
}

// place is where an item is in the order of a query: of the table, where SK is the sort key
// and Key is not used, or of the index.
type place struct {
	SK  string    `json:"s"`
	Key store.Key `json:"k,omitzero"`
}

// compare orders places.
func (p place) compare(other place) int {
	if c := strings.Compare(p.SK, other.SK); c != 0 {
		return c
	}
	if c := strings.Compare(p.Key.PK, other.Key.PK); c != 0 {
		return c
	}
	return strings.Compare(p.Key.SK, other.Key.SK)
}

// set stores an entry.
func (m *memory) set(e entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known, m.parts, m.index = map[store.Key]entry{}, map[string][]string{}, map[string][]place{}
	}
	key := e.item.Key
	if old, written := m.known[key]; !written {
		sks := m.parts[key.PK]
		at, _ := slices.BinarySearch(sks, key.SK)
		m.parts[key.PK] = slices.Insert(sks, at, key.SK)
	} else if old.item.IndexPK != "" {
		places := m.index[old.item.IndexPK]
		if at, found := slices.BinarySearchFunc(places, place{old.item.IndexSK, key}, place.compare); found {
			m.index[old.item.IndexPK] = slices.Delete(places, at, at+1)
		}
	}
	m.known[key] = e
	if !e.gone && e.item.IndexPK != "" {
		places, here := m.index[e.item.IndexPK], place{e.item.IndexSK, key}
		at, _ := slices.BinarySearchFunc(places, here, place.compare)
		m.index[e.item.IndexPK] = slices.Insert(places, at, here)
	}
}

// entries implements layer.
func (m *memory) entries(_ context.Context, keys []store.Key) (map[store.Key]entry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	found := map[store.Key]entry{}
	for _, key := range keys {
		if e, written := m.known[key]; written {
			found[key] = e
		}
	}
	return found, nil
}

// page implements layer. Its cursor is a place. It has one as long as the query has any entry
// behind the place.
func (m *memory) page(_ context.Context, q store.Query) (layerPage, error) {
	after, begun := place{}, q.Cursor != ""
	if begun {
		if err := json.Unmarshal([]byte(q.Cursor), &after); err != nil {
			return layerPage{}, foreign("store.query")
		}
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	var page layerPage
	add := func(p place, key store.Key) bool {
		if begun && (q.Backward && p.compare(after) >= 0 || !q.Backward && p.compare(after) <= 0) {
			return true
		}
		if q.Limit > 0 && len(page.entries) == q.Limit {
			page.cursor = placeOf(q, page.entries[len(page.entries)-1].item).text()
			return false
		}
		page.entries = append(page.entries, m.known[key])
		return true
	}
	if q.Index {
		inOrder(m.index[q.PK], q, func(p place) string { return p.SK }, func(p place) bool { return add(p, p.Key) })
	} else {
		inOrder(m.parts[q.PK], q, func(sk string) string { return sk }, func(sk string) bool { return add(place{SK: sk}, store.Key{PK: q.PK, SK: sk}) })
	}
	return page, nil
}

// inOrder calls do with those of some sorted elements whose sort keys have the prefix of a
// query, in the order of the query, until it returns false.
func inOrder[E any](sorted []E, q store.Query, keyOf func(E) string, do func(E) bool) {
	first, _ := slices.BinarySearchFunc(sorted, q.SKPrefix, func(e E, prefix string) int { return strings.Compare(keyOf(e), prefix) })
	last := first
	for last < len(sorted) && strings.HasPrefix(keyOf(sorted[last]), q.SKPrefix) {
		last++
	}
	fitting := sorted[first:last]
	if q.Backward {
		for i := len(fitting) - 1; i >= 0 && do(fitting[i]); i-- {
		}
		return
	}
	for _, e := range fitting {
		if !do(e) {
			return
		}
	}
}

// placeOf is the place of an item in a query.
func placeOf(q store.Query, item store.Item) place {
	if q.Index {
		return place{item.IndexSK, item.Key}
	}
	return place{SK: item.SK}
}

// text is the place as a cursor.
func (p place) text() string {
	text, _ := json.Marshal(p) // never fails
	return string(text)
}
