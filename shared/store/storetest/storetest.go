// Package storetest is the conformance suite of the store.Table port: it tests every
// sentence of the port's comments. Each adapter passes it, so that results of tests on
// one machine are true on AWS.
//
// The suite does not depend on one adapter: a table may have other items, reads of the
// index may lag and are repeated for a while, a page may be short or empty, and items
// with equal index keys come in any order.
package storetest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// indexPatience is how long the index may lag behind the table.
const indexPatience = 5 * time.Second

// TestTable runs the suite. open returns the table to test, the same or another one
// each time, and closes it with t.Cleanup.
func TestTable(t *testing.T, open func(t *testing.T) store.Table) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Table)
	}{
		{"get", testGet},
		{"put", testPut},
		{"put keeps every field", testFields},
		{"put conditions", testPutConditions},
		{"delete", testDelete},
		{"delete conditions", testDeleteConditions},
		{"keys are distinguished", testKeys},
		{"key rules", testKeyRules},
		{"limits of an item", testItemLimits},
		{"memory is not shared", testMemory},
		{"batch get", testBatchGet},
		{"batch get limits", testBatchGetLimits},
		{"transact", testTransact},
		{"transact is all or none", testTransactAtomic},
		{"transact compares with the state before", testTransactBefore},
		{"transact rules", testTransactRules},
		{"transact limits", testTransactLimits},
		{"expired items are as if absent", testExpired},
		{"query", testQuery},
		{"query rules", testQueryRules},
		{"query order is byte by byte", testQueryOrder},
		{"query pages", testQueryPages},
		{"query pages stop at the size limit", testQueryPageBytes},
		{"query pages while items come and go", testQueryMoving},
		{"cursor of another query", testForeignCursor},
		{"index", testIndex},
		{"index follows the item", testIndexFollows},
		{"index pages", testIndexPages},
		{"cancelled context", testCancelled},
		{"concurrent increments", testConcurrentIncrements},
		{"concurrent transactions", testConcurrentTransactions},
		{"model", testModel},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// failer is the part of testing.T and rapid.T that the suite needs.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// unique returns a partition key that no other test uses.
func unique(name string) string { return name + "#" + rand.Text() }

// numbered returns a key; keys sort like their numbers n.
func numbered(pk string, n int) store.Key {
	return store.Key{PK: pk, SK: fmt.Sprintf("item#%06d", n)}
}

func mustPut(t failer, table store.Table, item store.Item, cond store.IfVersion) int64 {
	t.Helper()
	version, err := table.Put(bg, item, cond)
	if err != nil {
		t.Fatalf("put %q if %d: %v", item.Key, cond, err)
	}
	return version
}

func mustDelete(t failer, table store.Table, key store.Key, cond store.IfVersion) {
	t.Helper()
	if err := table.Delete(bg, key, cond); err != nil {
		t.Fatalf("delete %q if %d: %v", key, cond, err)
	}
}

func mustTransact(t failer, table store.Table, writes ...store.Write) {
	t.Helper()
	if err := table.Transact(bg, writes); err != nil {
		t.Fatalf("transact: %v", err)
	}
}

// wantItem fails unless the table has the item with its version.
func wantItem(t failer, table store.Table, want store.Item) {
	t.Helper()
	got, err := table.Get(bg, want.Key)
	if err != nil {
		t.Fatalf("get %q: %v", want.Key, err)
	}
	if diff := diffItems([]store.Item{want}, []store.Item{got}); diff != "" {
		t.Fatalf("get %q (-want +got):\n%s", want.Key, diff)
	}
}

func wantAbsent(t failer, table store.Table, key store.Key) {
	t.Helper()
	item, err := table.Get(bg, key)
	if err == nil {
		t.Fatalf("get %q: got %+v, want a fault of kind not_found", key, item)
	}
	wantKind(t, err, fault.NotFound)
}

// wantKind fails unless err is a fault of the kind.
func wantKind(t failer, err error, want fault.Kind) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a fault of kind %s", err, want)
	}
	if f.Kind != want {
		t.Fatalf("got kind %s (%v), want %s", f.Kind, err, want)
	}
}

// diffItems compares two lists in order. An empty value may come back as nil.
func diffItems(want, got []store.Item) string {
	same := func(a, b store.Item) bool {
		value := bytes.Equal(a.Value, b.Value)
		a.Value, b.Value = nil, nil
		return value && cmp.Equal(a, b)
	}
	if slices.EqualFunc(want, got, same) {
		return "" // without the detailed comparison, which takes seconds on large values
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}

// byKey sorts items that may come in any order.
func byKey(items []store.Item) []store.Item {
	sorted := slices.Clone(items)
	slices.SortFunc(sorted, func(a, b store.Item) int {
		return cmpKeys(a.Key, b.Key)
	})
	return sorted
}

// eventually repeats a read of the index until it returns no complaint, because the
// index may lag. The last complaint fails the test.
func eventually(t failer, read func() (complaint string)) {
	t.Helper()
	deadline := time.Now().Add(indexPatience)
	for {
		complaint := read()
		if complaint == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s", complaint)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
