package storetest

import (
	"bytes"
	"slices"
	"testing"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

func testBatchGet(t *testing.T, table store.Table) {
	pk := unique("batch")
	var keys []store.Key
	var want []store.Item
	for i := range 10 {
		key := numbered(pk, i)
		keys = append(keys, key)
		if i%2 == 0 { // the others do not exist
			mustPut(t, table, store.Item{Key: key, Value: []byte{byte(i)}}, store.Any)
			want = append(want, store.Item{Key: key, Version: 1, Value: []byte{byte(i)}})
		}
	}
	got, err := table.BatchGet(bg, keys)
	if diff := diffItems(want, byKey(got)); err != nil || diff != "" {
		t.Fatalf("batch get: %v (-want +got):\n%s", err, diff)
	}
	if got, err = table.BatchGet(bg, nil); err != nil || len(got) != 0 {
		t.Fatalf("batch get of no keys: %v, %v", got, err)
	}
	_, err = table.BatchGet(bg, []store.Key{keys[0], keys[1], keys[0]})
	wantKind(t, err, fault.Invalid)
}

func testBatchGetLimits(t *testing.T, table store.Table) {
	pk := unique("batch limits")
	value := bytes.Repeat([]byte("v"), 200<<10) // together more than fits one answer of DynamoDB
	var keys []store.Key
	for i := range store.MaxBatchGet + 1 {
		keys = append(keys, numbered(pk, i))
		mustPut(t, table, store.Item{Key: keys[i], Value: value}, store.Any)
	}
	_, err := table.BatchGet(bg, keys)
	wantKind(t, err, fault.Invalid)
	got, err := table.BatchGet(bg, keys[:store.MaxBatchGet])
	if err != nil || len(got) != store.MaxBatchGet {
		t.Fatalf("batch get of %d keys: %d items, %v", store.MaxBatchGet, len(got), err)
	}
	for i, item := range byKey(got) {
		if item.Key != keys[i] || !bytes.Equal(item.Value, value) {
			t.Fatalf("item %d came back as %q with %d bytes", i, item.Key, len(item.Value))
		}
	}
}

func testTransact(t *testing.T, table store.Table) {
	pk := unique("transact")
	put, replaced, deleted, checked := numbered(pk, 1), numbered(pk, 2), numbered(pk, 3), numbered(pk, 4)
	for _, key := range []store.Key{replaced, deleted, checked} {
		mustPut(t, table, store.Item{Key: key, Value: []byte("before")}, store.Any)
	}
	mustTransact(t, table,
		store.Write{Item: store.Item{Key: put, Value: []byte("after"), Version: 9}, If: store.Absent},
		store.Write{Item: store.Item{Key: replaced, Value: []byte("after")}, If: 1},
		store.Write{Item: store.Item{Key: deleted}, If: 1, Delete: true},
		store.Write{Item: store.Item{Key: checked, Value: []byte("ignored")}, If: 1, Check: true},
		store.Write{Item: store.Item{Key: numbered(pk, 5)}, If: store.Absent, Check: true},
		store.Write{Item: store.Item{Key: numbered(pk, 6)}, If: store.Any, Delete: true},
	)
	wantItem(t, table, store.Item{Key: put, Version: 1, Value: []byte("after")})
	wantItem(t, table, store.Item{Key: replaced, Version: 2, Value: []byte("after")})
	wantAbsent(t, table, deleted)
	wantItem(t, table, store.Item{Key: checked, Version: 1, Value: []byte("before")})
	wantAbsent(t, table, numbered(pk, 5))
	mustTransact(t, table) // no writes
	if version := mustPut(t, table, store.Item{Key: replaced}, 2); version != 3 {
		t.Fatalf("the put after a transaction returned version %d, want 3", version)
	}
}

// testTransactAtomic puts one failing condition of every sort in every place of a
// transaction.
func testTransactAtomic(t *testing.T, table store.Table) {
	for _, failing := range []struct {
		name  string
		write store.Write
	}{
		{"put", store.Write{If: 7}},
		{"put if absent", store.Write{If: store.Absent}},
		{"delete", store.Write{If: 7, Delete: true}},
		{"check", store.Write{If: 7, Check: true}},
		{"check of absence", store.Write{If: store.Absent, Check: true}},
	} {
		for place := range 3 {
			pk := unique("atomic")
			replaced, deleted, guard, created := numbered(pk, 1), numbered(pk, 2), numbered(pk, 3), numbered(pk, 4)
			for _, key := range []store.Key{replaced, deleted, guard} {
				mustPut(t, table, store.Item{Key: key, Value: []byte("before"), IndexPK: pk, IndexSK: key.SK}, store.Any)
			}
			writes := []store.Write{
				{Item: store.Item{Key: replaced, Value: []byte("after")}, If: 1},
				{Item: store.Item{Key: deleted}, If: store.Any, Delete: true},
				{Item: store.Item{Key: created, IndexPK: pk, IndexSK: "new"}, If: store.Absent},
			}
			failing.write.Item.Key = guard
			writes = slices.Insert(writes, place, failing.write)
			if err := table.Transact(bg, writes); !fault.Is(err, fault.Changed) {
				t.Fatalf("%s in place %d: got %v, want a fault of kind changed", failing.name, place, err)
			}
			var want []store.Item
			for _, key := range []store.Key{replaced, deleted, guard} {
				want = append(want, store.Item{Key: key, Version: 1, Value: []byte("before"), IndexPK: pk, IndexSK: key.SK})
			}
			wantQuery(t, table, store.Query{PK: pk}, want...)
			wantQuery(t, table, store.Query{PK: pk, Index: true}, want...)
		}
	}
}

func testTransactBefore(t *testing.T, table store.Table) {
	pk := unique("before")
	a, b := numbered(pk, 1), numbered(pk, 2)
	mustPut(t, table, store.Item{Key: a}, store.Absent)
	// A condition does not see the delete of a or the put of b in the same transaction,
	// in either order.
	mustTransact(t, table,
		store.Write{Item: store.Item{Key: a}, If: 1, Delete: true},
		store.Write{Item: store.Item{Key: b}, If: store.Absent})
	mustTransact(t, table,
		store.Write{Item: store.Item{Key: b}, If: 1, Delete: true},
		store.Write{Item: store.Item{Key: a}, If: store.Absent})
	wantItem(t, table, store.Item{Key: a, Version: 1})
	wantAbsent(t, table, b)
}

func testTransactRules(t *testing.T, table store.Table) {
	pk := unique("transact rules")
	a, b := store.Item{Key: numbered(pk, 1)}, store.Item{Key: numbered(pk, 2)}
	for name, writes := range map[string][]store.Write{
		"key twice":               {{Item: a, If: store.Any}, {Item: b, If: store.Any}, {Item: a, If: store.Any}},
		"key put and checked":     {{Item: a, If: store.Any}, {Item: a, If: store.Absent, Check: true}},
		"key put and deleted":     {{Item: a, If: store.Any}, {Item: a, If: store.Any, Delete: true}},
		"delete and check":        {{Item: a, If: store.Absent, Delete: true, Check: true}},
		"check of any":            {{Item: a, If: store.Any, Check: true}},
		"not a version":           {{Item: a, If: -2}},
		"empty key":               {{Item: a, If: store.Any}, {Item: store.Item{}, If: store.Any}},
		"empty key of a check":    {{Item: a, If: store.Any}, {Item: store.Item{}, If: store.Absent, Check: true}},
		"invalid beats a changed": {{Item: a, If: 7}, {Item: store.Item{}, If: store.Any, Delete: true}},
	} {
		if err := table.Transact(bg, writes); !fault.Is(err, fault.Invalid) {
			t.Fatalf("%s: got %v, want a fault of kind invalid", name, err)
		}
		wantQuery(t, table, store.Query{PK: pk})
	}
}

func testTransactLimits(t *testing.T, table store.Table) {
	pk := unique("transact limits")
	var writes []store.Write
	for i := range store.MaxTransactItems + 1 {
		writes = append(writes, store.Write{Item: store.Item{Key: numbered(pk, i)}, If: store.Absent})
	}
	wantKind(t, table.Transact(bg, writes), fault.Invalid)
	wantAbsent(t, table, numbered(pk, 0))
	mustTransact(t, table, writes[:store.MaxTransactItems]...)
	wantItem(t, table, store.Item{Key: numbered(pk, store.MaxTransactItems-1), Version: 1})

	const items = 16
	large := make([]store.Write, items)
	for i := range large {
		key := numbered(pk+"large", i)
		large[i] = store.Write{If: store.Absent, Item: store.Item{Key: key,
			Value: make([]byte, store.MaxTransactBytes/items-len(key.PK)-len(key.SK))}}
	}
	over := append([]store.Write(nil), large...)
	over[0].Item.Value = append(over[0].Item.Value, 0)
	wantKind(t, table.Transact(bg, over), fault.Invalid)
	wantAbsent(t, table, large[0].Item.Key)
	if err := table.Transact(bg, large); err != nil {
		t.Fatalf("a transaction of MaxTransactBytes: %v", err)
	}
}
