package storetest

import (
	"fmt"
	"testing"

	"entrasync/shared/store"
)

func testIndex(t *testing.T, table store.Table) {
	pk, ipk := unique("index"), unique("by name")
	item := func(sk, isk string) store.Item {
		return store.Item{Key: store.Key{PK: pk + sk, SK: sk}, Version: 1, Value: []byte(sk), IndexPK: ipk, IndexSK: isk}
	}
	wantQuery(t, table, store.Query{PK: ipk, Index: true})
	a, b, c := item("1", "user#b"), item("2", "user#a"), item("3", "group#a")
	for _, it := range []store.Item{a, b, c, {Key: store.Key{PK: ipk, SK: "not indexed"}}} {
		mustPut(t, table, it, store.Absent)
	}
	wantQuery(t, table, store.Query{PK: ipk, Index: true}, c, b, a)
	wantQuery(t, table, store.Query{PK: ipk, Index: true, SKPrefix: "user#"}, b, a)
	wantQuery(t, table, store.Query{PK: ipk, Index: true, SKPrefix: "user#b"}, a)
	wantQuery(t, table, store.Query{PK: ipk, Index: true, SKPrefix: "1"}) // a sort key of the table
	wantQuery(t, table, store.Query{PK: a.PK, Index: true})               // a partition of the table
	wantQuery(t, table, store.Query{PK: ipk}, store.Item{Key: store.Key{PK: ipk, SK: "not indexed"}, Version: 1})
}

func testIndexFollows(t *testing.T, table store.Table) {
	pk, ipk, other := unique("follows"), unique("by name"), unique("by name")
	item := store.Item{Key: store.Key{PK: pk, SK: "a"}, IndexPK: ipk, IndexSK: "1", Value: []byte("one")}
	put := func(change func(*store.Item)) {
		t.Helper()
		change(&item)
		item.Version = mustPut(t, table, item, store.Any)
	}
	put(func(*store.Item) {})
	wantQuery(t, table, store.Query{PK: ipk, Index: true}, item)
	put(func(it *store.Item) { it.Value = []byte("two") })
	wantQuery(t, table, store.Query{PK: ipk, Index: true}, item)
	put(func(it *store.Item) { it.IndexSK = "2" })
	wantQuery(t, table, store.Query{PK: ipk, Index: true}, item)
	put(func(it *store.Item) { it.IndexPK = other })
	wantQuery(t, table, store.Query{PK: ipk, Index: true})
	wantQuery(t, table, store.Query{PK: other, Index: true}, item)
	put(func(it *store.Item) { it.IndexPK, it.IndexSK = "", "" })
	wantQuery(t, table, store.Query{PK: other, Index: true})
	put(func(it *store.Item) { it.IndexPK, it.IndexSK = ipk, "3" })
	wantQuery(t, table, store.Query{PK: ipk, Index: true}, item)
	mustDelete(t, table, item.Key, store.Any)
	wantQuery(t, table, store.Query{PK: ipk, Index: true})
	mustTransact(t, table, store.Write{Item: item, If: store.Absent})
	item.Version = 1
	wantQuery(t, table, store.Query{PK: ipk, Index: true}, item)
	mustTransact(t, table, store.Write{Item: store.Item{Key: item.Key}, If: 1, Delete: true})
	wantQuery(t, table, store.Query{PK: ipk, Index: true})
}

// testIndexPages reads pages of items, many of which have equal index keys: each item
// comes exactly once, and equal ones in any order.
func testIndexPages(t *testing.T, table store.Table) {
	pk, ipk := unique("index pages"), unique("by name")
	const count = 100
	for i := range count {
		item := store.Item{Key: numbered(pk, i), IndexPK: ipk, IndexSK: fmt.Sprint(i % 3)}
		mustPut(t, table, item, store.Absent)
	}
	for _, backward := range []bool{false, true} {
		q := store.Query{PK: ipk, Index: true, Limit: 7, Backward: backward}
		eventually(t, func() string {
			seen := map[store.Key]bool{}
			last := ""
			for _, item := range readAll(t, table, q) {
				if last != "" && item.IndexSK != last && (item.IndexSK < last) != backward {
					return fmt.Sprintf("%q after %q, backward %t", item.IndexSK, last, backward)
				}
				if seen[item.Key] {
					return fmt.Sprintf("%q twice", item.Key)
				}
				seen[item.Key], last = true, item.IndexSK
			}
			if len(seen) != count {
				return fmt.Sprintf("%d items, want %d", len(seen), count)
			}
			return ""
		})
	}
}
