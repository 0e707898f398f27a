package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// model is the expected content of a table, as a map without expired items.
type model struct {
	table store.Table
	pks   []string
	items map[store.Key]store.Item
}

// testModel does the same random operations on the table and on a map and compares
// every answer.
func testModel(t *testing.T, table store.Table) {
	rapid.Check(t, func(t *rapid.T) {
		base := unique("model")
		m := &model{table: table, pks: []string{base, base + "\x00", base + "a"}, items: map[store.Key]store.Item{}}
		t.Repeat(map[string]func(*rapid.T){
			"put":       m.put,
			"delete":    m.delete,
			"transact":  m.transact,
			"get":       m.get,
			"batch get": m.batchGet,
			"query":     m.query,
		})
		for _, pk := range m.pks {
			wantQuery(t, table, store.Query{PK: pk}, m.expect(store.Query{PK: pk})...)
			eventually(t, func() string { return m.compareIndex(t, store.Query{PK: pk, Index: true}) })
		}
	})
}

var sortKeys = []string{"\x00", "a", "a\x00", "a#1", "a#10", "a#2", "b", "\u00e9", "\U0001F600"}

func (m *model) key(t *rapid.T) store.Key {
	return store.Key{PK: rapid.SampledFrom(m.pks).Draw(t, "pk"), SK: rapid.SampledFrom(sortKeys).Draw(t, "sk")}
}

func (m *model) item(t *rapid.T, key store.Key) store.Item {
	item := store.Item{Key: key, Value: rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "value")}
	if rapid.Bool().Draw(t, "indexed") {
		item.IndexPK = rapid.SampledFrom(m.pks).Draw(t, "index pk")
		item.IndexSK = rapid.SampledFrom(sortKeys).Draw(t, "index sk")
	}
	if wait := rapid.SampledFrom([]time.Duration{0, 0, time.Hour, -time.Hour}).Draw(t, "expires in"); wait != 0 {
		item.Expires = time.Now().Add(wait).Unix()
	}
	return item
}

// condition returns a random condition, often a true one.
func (m *model) condition(t *rapid.T, key store.Key) store.IfVersion {
	version := store.IfVersion(m.items[key].Version)
	return rapid.SampledFrom([]store.IfVersion{store.Any, version, version, store.Absent, version + 1}).Draw(t, "if")
}

func (m *model) holds(w store.Write) bool {
	return w.If == store.Any || int64(w.If) == m.items[w.Item.Key].Version
}

// do changes the map and returns the version after the write.
func (m *model) do(w store.Write) int64 {
	version := m.items[w.Item.Key].Version + 1
	switch {
	case w.Check:
	case w.Delete || w.Item.Expires != 0 && w.Item.Expires <= time.Now().Unix():
		delete(m.items, w.Item.Key)
	default:
		w.Item.Version = version
		m.items[w.Item.Key] = w.Item
	}
	return version
}

func (m *model) put(t *rapid.T) {
	key := m.key(t)
	w := store.Write{Item: m.item(t, key), If: m.condition(t, key)}
	version, err := m.table.Put(bg, w.Item, w.If)
	if !m.holds(w) {
		wantKind(t, err, fault.Changed)
	} else if want := m.do(w); err != nil || version != want {
		t.Fatalf("put %+v: version %d, %v; want version %d", w, version, err, want)
	}
}

func (m *model) delete(t *rapid.T) {
	key := m.key(t)
	w := store.Write{Item: store.Item{Key: key}, If: m.condition(t, key), Delete: true}
	err := m.table.Delete(bg, key, w.If)
	if !m.holds(w) {
		wantKind(t, err, fault.Changed)
	} else if m.do(w); err != nil {
		t.Fatalf("delete %+v: %v", w, err)
	}
}

func (m *model) transact(t *rapid.T) {
	var writes []store.Write
	holds := true
	for range rapid.IntRange(1, 4).Draw(t, "writes") {
		key := m.key(t)
		if slices.ContainsFunc(writes, func(w store.Write) bool { return w.Item.Key == key }) {
			continue
		}
		w := store.Write{Item: m.item(t, key), If: m.condition(t, key)}
		switch rapid.SampledFrom([]string{"put", "delete", "check"}).Draw(t, "sort") {
		case "delete":
			w.Delete = true
		case "check":
			w.Check = w.If != store.Any
		}
		writes = append(writes, w)
		holds = holds && m.holds(w)
	}
	err := m.table.Transact(bg, writes)
	if !holds {
		wantKind(t, err, fault.Changed)
		return
	}
	if err != nil {
		t.Fatalf("transact %+v: %v", writes, err)
	}
	for _, w := range writes {
		m.do(w)
	}
}

func (m *model) get(t *rapid.T) {
	key := m.key(t)
	if item, ok := m.items[key]; ok {
		wantItem(t, m.table, item)
	} else {
		wantAbsent(t, m.table, key)
	}
}

func (m *model) batchGet(t *rapid.T) {
	keys := rapid.SliceOfNDistinct(rapid.Custom(m.key), 0, 6, rapid.ID[store.Key]).Draw(t, "keys")
	var want []store.Item
	for _, key := range keys {
		if item, ok := m.items[key]; ok {
			want = append(want, item)
		}
	}
	got, err := m.table.BatchGet(bg, keys)
	if diff := diffItems(byKey(want), byKey(got)); err != nil || diff != "" {
		t.Fatalf("batch get %q: %v (-want +got):\n%s", keys, err, diff)
	}
}

func (m *model) query(t *rapid.T) {
	q := store.Query{
		PK:       rapid.SampledFrom(m.pks).Draw(t, "pk"),
		SKPrefix: rapid.SampledFrom([]string{"", "", "a", "a\x00", "a#", "\u00e9", "c"}).Draw(t, "prefix"),
		Index:    rapid.Bool().Draw(t, "index"),
		Backward: rapid.Bool().Draw(t, "backward"),
		Limit:    rapid.IntRange(0, 4).Draw(t, "limit"),
	}
	if q.Index {
		eventually(t, func() string { return m.compareIndex(t, q) })
		return
	}
	if diff := diffItems(m.expect(q), readAll(t, m.table, q)); diff != "" {
		t.Fatalf("query %+v (-want +got):\n%s", q, diff)
	}
}

// compareIndex compares the items regardless of the order among equal index
// keys, and the order of the index keys.
func (m *model) compareIndex(t *rapid.T, q store.Query) string {
	want, got := m.expect(q), readAll(t, m.table, q)
	for i := 1; i < len(got); i++ {
		if before, after := got[i-1].IndexSK, got[i].IndexSK; before != after && (before < after) == q.Backward {
			return "the index is out of order: " + before + ", " + after
		}
	}
	return diffItems(byKey(want), byKey(got))
}

// expect returns the expected answer to a query.
func (m *model) expect(q store.Query) []store.Item {
	var found []store.Item
	for _, item := range m.items {
		pk, sk := item.PK, item.SK
		if q.Index {
			pk, sk = item.IndexPK, item.IndexSK
		}
		if pk == q.PK && strings.HasPrefix(sk, q.SKPrefix) {
			found = append(found, item)
		}
	}
	found = byKey(found)
	if q.Backward {
		slices.Reverse(found)
	}
	return found
}
