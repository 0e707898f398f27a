package storetest

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

var bg = context.Background()

func cmpKeys(a, b store.Key) int {
	return cmp.Or(strings.Compare(a.PK, b.PK), strings.Compare(a.SK, b.SK))
}

func testGet(t *testing.T, table store.Table) {
	key := store.Key{PK: unique("get"), SK: "a"}
	wantAbsent(t, table, key)
	mustPut(t, table, store.Item{Key: key, Value: []byte("v")}, store.Absent)
	wantItem(t, table, store.Item{Key: key, Version: 1, Value: []byte("v")})
	wantAbsent(t, table, store.Key{PK: key.PK, SK: "b"})
}

func testPut(t *testing.T, table store.Table) {
	key := store.Key{PK: unique("put"), SK: "a"}
	for want := int64(1); want <= 3; want++ {
		// The version in the item is ignored.
		item := store.Item{Key: key, Value: []byte{byte(want)}, Version: 77}
		if got := mustPut(t, table, item, store.Any); got != want {
			t.Fatalf("put number %d returned version %d", want, got)
		}
		item.Version = want
		wantItem(t, table, item)
	}
	mustDelete(t, table, key, store.Any)
	if got := mustPut(t, table, store.Item{Key: key}, store.Any); got != 1 {
		t.Fatalf("the first put after a delete returned version %d, want 1", got)
	}
}

func testFields(t *testing.T, table store.Table) {
	pk := unique("fields")
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	later := time.Now().Add(time.Hour).Unix()
	for _, item := range []store.Item{
		{Key: store.Key{PK: pk, SK: "binary value"}, Value: binary},
		{Key: store.Key{PK: pk, SK: "no value"}},
		{Key: store.Key{PK: pk, SK: "indexed"}, IndexPK: pk, IndexSK: "x", Value: []byte("v")},
		{Key: store.Key{PK: pk, SK: "expires"}, Expires: later, Value: []byte("v")},
		{Key: store.Key{PK: pk, SK: "everything"}, Expires: later, IndexPK: pk, IndexSK: "y\x00é", Value: []byte("v")},
	} {
		item.Version = mustPut(t, table, item, store.Absent)
		wantItem(t, table, item)
	}
	// A put replaces the item completely.
	bare := store.Item{Key: store.Key{PK: pk, SK: "everything"}}
	bare.Version = mustPut(t, table, bare, store.Any)
	wantItem(t, table, bare)
}

func testPutConditions(t *testing.T, table store.Table) {
	for _, test := range []struct {
		name string
		puts int // number of puts before the tested write
		cond store.IfVersion
		want fault.Kind
	}{
		{"absent on absent", 0, store.Absent, ""},
		{"any on absent", 0, store.Any, ""},
		{"version on absent", 0, 1, fault.Changed},
		{"absent on present", 1, store.Absent, fault.Changed},
		{"any on present", 1, store.Any, ""},
		{"right version", 3, 3, ""},
		{"older version", 3, 2, fault.Changed},
		{"newer version", 3, 4, fault.Changed},
		{"greatest version", 1, math.MaxInt64, fault.Changed},
		{"not a version", 1, -2, fault.Invalid},
	} {
		key := store.Key{PK: unique("conditions"), SK: "a"}
		for range test.puts {
			mustPut(t, table, store.Item{Key: key, Value: []byte("before")}, store.Any)
		}
		version, err := table.Put(bg, store.Item{Key: key, Value: []byte("after")}, test.cond)
		if fault.KindOf(err) != test.want {
			t.Fatalf("%s: got %v, want kind %q", test.name, err, test.want)
		}
		switch {
		case err == nil:
			if version != int64(test.puts)+1 {
				t.Fatalf("%s: returned version %d", test.name, version)
			}
			wantItem(t, table, store.Item{Key: key, Version: version, Value: []byte("after")})
		case test.puts == 0:
			wantAbsent(t, table, key)
		default:
			wantItem(t, table, store.Item{Key: key, Version: int64(test.puts), Value: []byte("before")})
		}
	}
}

func testDelete(t *testing.T, table store.Table) {
	pk := unique("delete")
	key, neighbour := store.Key{PK: pk, SK: "a"}, store.Key{PK: pk, SK: "ab"}
	mustPut(t, table, store.Item{Key: key}, store.Any)
	mustPut(t, table, store.Item{Key: neighbour}, store.Any)
	mustDelete(t, table, key, store.Any)
	wantAbsent(t, table, key)
	wantItem(t, table, store.Item{Key: neighbour, Version: 1})
	mustDelete(t, table, key, store.Any) // does not exist
}

func testDeleteConditions(t *testing.T, table store.Table) {
	for _, test := range []struct {
		name string
		puts int
		cond store.IfVersion
		want fault.Kind
	}{
		{"absent on absent", 0, store.Absent, ""},
		{"version on absent", 0, 1, fault.Changed},
		{"absent on present", 1, store.Absent, fault.Changed},
		{"right version", 2, 2, ""},
		{"older version", 2, 1, fault.Changed},
		{"newer version", 2, 3, fault.Changed},
		{"any on present", 2, store.Any, ""},
		{"not a version", 1, -2, fault.Invalid},
	} {
		key := store.Key{PK: unique("delete conditions"), SK: "a"}
		for range test.puts {
			mustPut(t, table, store.Item{Key: key}, store.Any)
		}
		if err := table.Delete(bg, key, test.cond); fault.KindOf(err) != test.want {
			t.Fatalf("%s: got %v, want kind %q", test.name, err, test.want)
		}
		if test.want == "" || test.puts == 0 {
			wantAbsent(t, table, key)
		} else {
			wantItem(t, table, store.Item{Key: key, Version: int64(test.puts)})
		}
	}
}

// testKeys stores items under keys that a careless encoding would make equal.
func testKeys(t *testing.T, table store.Table) {
	pk := unique("keys")
	keys := []store.Key{
		{PK: pk, SK: "ab"}, {PK: pk + "a", SK: "b"}, {PK: pk + "ab", SK: "c"},
		{PK: pk + "\x00", SK: "ab"}, {PK: pk, SK: "\x00ab"}, {PK: pk, SK: "ab\x00"}, {PK: pk, SK: "\x00"},
		{PK: pk + "#", SK: "ab"}, {PK: pk, SK: "#ab"}, {PK: pk + "/", SK: "ab"}, {PK: pk, SK: "/ab"},
		{PK: pk, SK: "AB"}, {PK: pk, SK: " ab"}, {PK: pk, SK: "ab "},
		{PK: pk, SK: "é"}, {PK: pk, SK: "e\u0301"}, {PK: pk, SK: "\U0001F600"}, {PK: pk, SK: "\uffff"},
	}
	for i, key := range keys {
		mustPut(t, table, store.Item{Key: key, Value: []byte{byte(i)}}, store.Absent)
	}
	for i, key := range keys {
		wantItem(t, table, store.Item{Key: key, Version: 1, Value: []byte{byte(i)}})
	}
}

func testKeyRules(t *testing.T, table store.Table) {
	pk := unique("rules")
	long := strings.Repeat("k", store.MaxKeyBytes+1)
	exact := strings.Repeat("k", store.MaxKeyBytes)
	longPK := pk + strings.Repeat("k", store.MaxKeyBytes-len(pk))
	for _, test := range []struct {
		name string
		item store.Item
		want fault.Kind
	}{
		{"empty pk", store.Item{Key: store.Key{SK: "a"}}, fault.Invalid},
		{"empty sk", store.Item{Key: store.Key{PK: pk}}, fault.Invalid},
		{"pk not UTF-8", store.Item{Key: store.Key{PK: pk + "\xff", SK: "a"}}, fault.Invalid},
		{"sk not UTF-8", store.Item{Key: store.Key{PK: pk, SK: "\xc3"}}, fault.Invalid},
		{"longest pk", store.Item{Key: store.Key{PK: longPK, SK: "a"}}, ""},
		{"pk too long", store.Item{Key: store.Key{PK: long, SK: "a"}}, fault.Invalid},
		{"longest sk", store.Item{Key: store.Key{PK: pk, SK: exact}}, ""},
		{"sk too long", store.Item{Key: store.Key{PK: pk, SK: long}}, fault.Invalid},
	} {
		_, err := table.Put(bg, test.item, store.Any)
		if fault.KindOf(err) != test.want {
			t.Fatalf("put, %s: got %v, want kind %q", test.name, err, test.want)
		}
		if err == nil {
			wantItem(t, table, store.Item{Key: test.item.Key, Version: 1})
			continue
		}
		_, err = table.Get(bg, test.item.Key)
		wantKind(t, err, fault.Invalid)
		wantKind(t, table.Delete(bg, test.item.Key, store.Any), fault.Invalid)
		_, err = table.BatchGet(bg, []store.Key{test.item.Key})
		wantKind(t, err, fault.Invalid)
	}
	for name, item := range map[string]store.Item{
		"only an index pk":   {IndexPK: pk},
		"only an index sk":   {IndexSK: "a"},
		"index pk too long":  {IndexPK: long, IndexSK: "a"},
		"index sk too long":  {IndexPK: pk, IndexSK: long},
		"index pk not UTF-8": {IndexPK: "\xff", IndexSK: "a"},
		"index sk not UTF-8": {IndexPK: pk, IndexSK: "\xff"},
	} {
		item.Key = store.Key{PK: pk, SK: "indexed"}
		if _, err := table.Put(bg, item, store.Any); !fault.Is(err, fault.Invalid) {
			t.Fatalf("put, %s: got %v, want a fault of kind invalid", name, err)
		}
		wantAbsent(t, table, item.Key)
	}
	longest := store.Item{Key: store.Key{PK: pk, SK: "indexed"}, IndexPK: longPK, IndexSK: exact, Version: 1}
	mustPut(t, table, longest, store.Absent)
	wantItem(t, table, longest)
}

func testItemLimits(t *testing.T, table store.Table) {
	item := store.Item{Key: store.Key{PK: unique("limits"), SK: "a"}, IndexPK: "ipk", IndexSK: "isk"}
	room := store.MaxItemBytes - len(item.PK) - len(item.SK) - len(item.IndexPK) - len(item.IndexSK)
	item.Value = bytes.Repeat([]byte{0xff}, room+1)
	_, err := table.Put(bg, item, store.Any)
	wantKind(t, err, fault.Invalid)
	wantKind(t, table.Transact(bg, []store.Write{{Item: item, If: store.Any}}), fault.Invalid)
	wantAbsent(t, table, item.Key)
	item.Value = item.Value[:room]
	item.Version = mustPut(t, table, item, store.Any)
	wantItem(t, table, item)
}

func testMemory(t *testing.T, table store.Table) {
	item := store.Item{Key: store.Key{PK: unique("memory"), SK: "a"}, Value: []byte("value"), Version: 1}
	given := item
	given.Value = bytes.Clone(item.Value)
	mustPut(t, table, given, store.Any)
	clear(given.Value)
	wantItem(t, table, item)
	got, err := table.Get(bg, item.Key)
	if err != nil {
		t.Fatal(err)
	}
	clear(got.Value)
	wantItem(t, table, item)
	for i := range 50 { // later writes do not change a value that was read
		got, err = table.Get(bg, item.Key)
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, table, store.Item{Key: numbered(item.PK, i), Value: bytes.Repeat([]byte("x"), 5000)}, store.Any)
		if string(got.Value) != "value" {
			t.Fatalf("a value that was read changed to %q", got.Value)
		}
	}
}

func testCancelled(t *testing.T, table store.Table) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	item := store.Item{Key: store.Key{PK: unique("cancelled"), SK: "a"}}
	_, errGet := table.Get(ctx, item.Key)
	_, errBatch := table.BatchGet(ctx, []store.Key{item.Key})
	_, errPut := table.Put(ctx, item, store.Any)
	_, errQuery := table.Query(ctx, store.Query{PK: item.PK})
	for _, err := range []error{errGet, errBatch, errPut, errQuery,
		table.Delete(ctx, item.Key, store.Any),
		table.Transact(ctx, []store.Write{{Item: item, If: store.Any}}),
	} {
		wantKind(t, err, fault.Transient)
	}
	wantAbsent(t, table, item.Key)
}

func testExpired(t *testing.T, table store.Table) {
	pk := unique("expired")
	past, future := time.Now().Add(-time.Second).Unix(), time.Now().Add(time.Hour).Unix()
	gone := store.Item{Key: store.Key{PK: pk, SK: "a"}, Expires: past, IndexPK: pk, IndexSK: "a"}
	kept := store.Item{Key: store.Key{PK: pk, SK: "b"}, Expires: future, IndexPK: pk, IndexSK: "b", Version: 1}
	mustPut(t, table, kept, store.Absent)
	for range 2 { // the item is absent again after each, so the version starts again
		if version := mustPut(t, table, gone, store.Absent); version != 1 {
			t.Fatalf("a put over an expired item returned version %d, want 1", version)
		}
	}
	if version := mustPut(t, table, gone, store.Any); version != 1 {
		t.Fatalf("an unconditional put over an expired item returned version %d, want 1", version)
	}
	wantAbsent(t, table, gone.Key)
	items, err := table.BatchGet(bg, []store.Key{gone.Key, kept.Key})
	if diff := diffItems([]store.Item{kept}, items); err != nil || diff != "" {
		t.Fatalf("batch get: %v (-want +got):\n%s", err, diff)
	}
	wantQuery(t, table, store.Query{PK: pk}, kept)
	wantQuery(t, table, store.Query{PK: pk, Index: true}, kept)

	_, err = table.Put(bg, gone, 1)
	wantKind(t, err, fault.Changed)
	wantKind(t, table.Delete(bg, gone.Key, 1), fault.Changed)
	wantKind(t, table.Transact(bg, []store.Write{{Item: gone, If: 1, Check: true}}), fault.Changed)
	mustTransact(t, table, store.Write{Item: gone, If: store.Absent, Check: true}, store.Write{Item: kept, If: 1})
	mustDelete(t, table, gone.Key, store.Absent)

	// An item stays when a put removes its expiry.
	mustPut(t, table, gone, store.Absent)
	lifted := gone
	lifted.Expires = 0
	lifted.Version = mustPut(t, table, lifted, store.Absent)
	for i := range 20 { // an adapter may delete expired items during these writes
		mustPut(t, table, store.Item{Key: numbered(pk, i)}, store.Any)
	}
	wantItem(t, table, lifted)
}
