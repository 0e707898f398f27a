package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// maxPages stops a query that never ends.
const maxPages = 10_000

// readAll reads all pages of a query and checks each page.
func readAll(t failer, table store.Table, q store.Query) []store.Item {
	t.Helper()
	var all []store.Item
	for range maxPages {
		page := readPage(t, table, q)
		all = append(all, page.Items...)
		if page.Cursor == "" {
			return all
		}
		q.Cursor = page.Cursor
	}
	t.Fatalf("query %+v has no end", q)
	return nil
}

func readPage(t failer, table store.Table, q store.Query) store.Page {
	t.Helper()
	page, err := table.Query(bg, q)
	if err != nil {
		t.Fatalf("query %+v: %v", q, err)
	}
	total := 0
	for _, item := range page.Items {
		total += len(item.PK) + len(item.SK) + len(item.IndexPK) + len(item.IndexSK) + len(item.Value)
	}
	if q.Limit > 0 && len(page.Items) > q.Limit {
		t.Fatalf("query %+v: %d items on a page", q, len(page.Items))
	}
	if total > store.MaxPageBytes {
		t.Fatalf("query %+v: %d bytes on a page", q, total)
	}
	return page
}

// wantQuery fails unless the query returns exactly these items in this order, in pages
// of every small size, and in reverse order with Backward.
func wantQuery(t failer, table store.Table, q store.Query, want ...store.Item) {
	t.Helper()
	reversed := slices.Clone(want)
	slices.Reverse(reversed)
	for _, limit := range []int{0, 1, 2, len(want), len(want) + 1} {
		q.Limit = limit
		for backward, wanted := range map[bool][]store.Item{false: want, true: reversed} {
			q.Backward = backward
			complaint := func() string {
				if diff := diffItems(wanted, readAll(t, table, q)); diff != "" {
					return fmt.Sprintf("query %+v (-want +got):\n%s", q, diff)
				}
				return ""
			}
			if q.Index {
				eventually(t, complaint)
			} else if c := complaint(); c != "" {
				t.Fatalf("%s", c)
			}
		}
	}
}

func testQuery(t *testing.T, table store.Table) {
	pk := unique("query")
	wantQuery(t, table, store.Query{PK: pk})
	item := func(sk string) store.Item {
		return store.Item{Key: store.Key{PK: pk, SK: sk}, Version: 1, Value: []byte(sk)}
	}
	for _, sk := range []string{"link#2", "link#1", "a", "link", "z", "link#10", "linz"} {
		mustPut(t, table, item(sk), store.Absent)
	}
	mustPut(t, table, store.Item{Key: store.Key{PK: pk + "x", SK: "link#3"}}, store.Absent)
	wantQuery(t, table, store.Query{PK: pk},
		item("a"), item("link"), item("link#1"), item("link#10"), item("link#2"), item("linz"), item("z"))
	wantQuery(t, table, store.Query{PK: pk, SKPrefix: "link#"}, item("link#1"), item("link#10"), item("link#2"))
	wantQuery(t, table, store.Query{PK: pk, SKPrefix: "link#1"}, item("link#1"), item("link#10"))
	wantQuery(t, table, store.Query{PK: pk, SKPrefix: "m"})
	wantQuery(t, table, store.Query{PK: pk, SKPrefix: "z"}, item("z"))
	wantQuery(t, table, store.Query{PK: pk, SKPrefix: "zz"})
}

func testQueryRules(t *testing.T, table store.Table) {
	pk := unique("query rules")
	long := strings.Repeat("k", store.MaxKeyBytes+1)
	for name, q := range map[string]store.Query{
		"empty pk":         {},
		"empty index pk":   {Index: true},
		"pk too long":      {PK: long},
		"prefix too long":  {PK: pk, SKPrefix: long},
		"pk not UTF-8":     {PK: "\xff"},
		"prefix not UTF-8": {PK: pk, SKPrefix: "\xc3"},
		"negative limit":   {PK: pk, Limit: -1},
		"cursor too short": {PK: pk, Cursor: "Zm9v"},
		"cursor not ours":  {PK: pk, Cursor: "\xff{}"},
	} {
		if _, err := table.Query(bg, q); !fault.Is(err, fault.Invalid) {
			t.Fatalf("%s: got %v, want a fault of kind invalid", name, err)
		}
	}
}

// inByteOrder are strings sorted by their UTF-8 bytes, which is neither the order of
// UTF-16 nor that of any language.
var inByteOrder = []string{
	"\x00", "\x00\x00", "\x00\x01", "\x01", "\x01\x00", " ", "#", "10", "2", "A", "Z", "a", "a\x00", "a\x00\x01", "a\x01", "a ", "aa", "b",
	"e\u0301", "\u007f", "\u0080", "\u00e9", "\u0fff", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0001F600", "\U0010ffff",
}

func testQueryOrder(t *testing.T, table store.Table) {
	pk := unique("order")
	var want []store.Item
	for _, sk := range inByteOrder {
		want = append(want, store.Item{Key: store.Key{PK: pk, SK: sk}, Version: 1, IndexPK: pk, IndexSK: sk})
	}
	for i := range want { // 29 is prime, so each comes once, in mixed order
		mustPut(t, table, want[i*11%len(want)], store.Absent)
	}
	for _, index := range []bool{false, true} {
		wantQuery(t, table, store.Query{PK: pk, Index: index}, want...)
		for _, prefix := range []string{"\x00", "a", "a\x00", "\U0010ffff", "\u00e9"} {
			var matching []store.Item
			for _, item := range want {
				if strings.HasPrefix(item.SK, prefix) {
					matching = append(matching, item)
				}
			}
			wantQuery(t, table, store.Query{PK: pk, Index: index, SKPrefix: prefix}, matching...)
		}
	}
}

func testQueryPages(t *testing.T, table store.Table) {
	pk := unique("pages")
	const count = 300
	var want []store.Item
	for start := 0; start < count; start += store.MaxTransactItems {
		var writes []store.Write
		for i := start; i < start+store.MaxTransactItems; i++ {
			item := store.Item{Key: numbered(pk, i), Value: []byte{byte(i)}, Version: 1}
			want = append(want, item)
			writes = append(writes, store.Write{Item: item, If: store.Absent})
		}
		mustTransact(t, table, writes...)
	}
	reversed := slices.Clone(want)
	slices.Reverse(reversed)
	for _, limit := range []int{0, 7, 100, 299, 300, 301} {
		for backward, wanted := range map[bool][]store.Item{false: want, true: reversed} {
			got := readAll(t, table, store.Query{PK: pk, Limit: limit, Backward: backward})
			if diff := diffItems(wanted, got); diff != "" {
				t.Fatalf("pages of %d, backward %t (-want +got):\n%s", limit, backward, diff)
			}
		}
	}
}

// testQueryPageBytes reads more than fits one page: readPage checks the size of each
// page.
func testQueryPageBytes(t *testing.T, table store.Table) {
	pk := unique("page bytes")
	sizes := []int{store.MaxItemBytes - 200, 1, 200 << 10, 300 << 10, 0, store.MaxItemBytes - 200, store.MaxItemBytes - 200, 100 << 10}
	var want []store.Item
	for i := range 3 * len(sizes) {
		value := bytes.Repeat([]byte{byte(i)}, sizes[i%len(sizes)])
		item := store.Item{Key: numbered(pk, i), Value: value, IndexPK: pk, IndexSK: fmt.Sprint(1000 + i), Version: 1}
		mustPut(t, table, item, store.Absent)
		want = append(want, item)
	}
	same := func(a, b store.Item) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }
	reversed := slices.Clone(want)
	slices.Reverse(reversed)
	for _, index := range []bool{false, true} {
		for backward, wanted := range map[bool][]store.Item{false: want, true: reversed} {
			q := store.Query{PK: pk, Index: index, Backward: backward}
			eventually(t, func() string {
				if got := readAll(t, table, q); !slices.EqualFunc(wanted, got, same) {
					return fmt.Sprintf("query %+v gave %d items or in another order, want %d", q, len(got), len(wanted))
				}
				return ""
			})
		}
	}
}

// testQueryMoving adds and removes items between the pages. Each item that exists all
// the time comes exactly once, in order. Changes in the part that was already read have
// no effect.
func testQueryMoving(t *testing.T, table store.Table) {
	for _, backward := range []bool{false, true} {
		pk := unique("moving")
		for i := range 20 {
			mustPut(t, table, store.Item{Key: numbered(pk, 10*i)}, store.Absent)
		}
		q := store.Query{PK: pk, Limit: 5, Backward: backward}
		var got []string
		for round := 0; ; round++ {
			page := readPage(t, table, q)
			for _, item := range page.Items {
				got = append(got, item.SK)
			}
			if q.Cursor = page.Cursor; q.Cursor == "" || round > 20 {
				break
			}
			if len(page.Items) == 0 {
				continue
			}
			last := page.Items[len(page.Items)-1]
			var n int
			if _, err := fmt.Sscanf(last.SK, "item#%d", &n); err != nil {
				t.Fatal(err)
			}
			behind := 1
			if backward {
				behind = -1
			}
			mustDelete(t, table, last.Key, store.Any)                                                // the item at the cursor
			mustPut(t, table, store.Item{Key: numbered(pk, 1000+n-3*behind)}, store.Any)             // far after one end
			mustDelete(t, table, store.Key{PK: pk, SK: numbered(pk, 1000+n-3*behind).SK}, store.Any) // removed again
			if n-3*behind > 0 {
				mustPut(t, table, store.Item{Key: numbered(pk, n-3*behind)}, store.Any) // already read
			}
		}
		var want []string
		for i := range 20 {
			want = append(want, numbered(pk, 10*i).SK)
		}
		if backward {
			slices.Reverse(want)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("backward %t: got %v, want %v", backward, got, want)
		}
	}
}

func testForeignCursor(t *testing.T, table store.Table) {
	pk := unique("foreign")
	for i := range 10 {
		item := store.Item{Key: numbered(pk, i), IndexPK: pk, IndexSK: numbered(pk, i).SK}
		mustPut(t, table, item, store.Absent)
		item.PK, item.IndexPK = pk+"x", pk+"x"
		mustPut(t, table, item, store.Absent)
	}
	eventually(t, func() string {
		if page := readPage(t, table, store.Query{PK: pk, Index: true, Limit: 5}); page.Cursor == "" {
			return "the index shows too few items"
		}
		return ""
	})
	queries := []store.Query{
		{PK: pk}, {PK: pk + "x"}, {PK: pk, SKPrefix: "item"}, {PK: pk, SKPrefix: "item#0"}, {PK: pk, Backward: true},
		{PK: pk, Index: true}, {PK: pk + "x", Index: true}, {PK: pk, Index: true, Backward: true}, {PK: pk, Index: true, SKPrefix: "item"},
	}
	for i, from := range queries {
		from.Limit = 5
		cursor := readPage(t, table, from).Cursor
		for j, to := range queries {
			to.Cursor = cursor
			to.Limit = 3 // the limit may change between pages
			_, err := table.Query(bg, to)
			if i == j && err != nil {
				t.Fatalf("the cursor of %+v for its own next page: %v", from, err)
			}
			if i != j && !fault.Is(err, fault.Invalid) {
				t.Fatalf("the cursor of %+v in %+v: got %v, want a fault of kind invalid", from, to, err)
			}
		}
	}
}
