package bolttable_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/store"
)

// itemKey is where an item lies in the file: the length of pk, pk, sk.
func itemKey(pk, sk string) []byte { return append([]byte{0, byte(len(pk))}, pk+sk...) }

// change changes records of a closed file.
func change(t *testing.T, path string, work func(items *bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return work(tx.Bucket([]byte("items"))) })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// flip changes one byte in the middle of the value of a record.
func flip(items *bbolt.Bucket, pk, sk string) error {
	record := append([]byte(nil), items.Get(itemKey(pk, sk))...)
	record[len(record)-2] ^= 1
	return items.Put(itemKey(pk, sk), record)
}

// filled is a closed table with the items p/a, p/b and p/c, all in the index i.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table.db")
	table, err := bolttable.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, sk := range []string{"a", "b", "c"} {
		if _, err := table.Put(bg, store.Item{Key: store.Key{PK: "p", SK: sk}, Value: []byte("value of " + sk), IndexPK: "i", IndexSK: sk}, store.Absent); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// A record that is not what was written is named, once, and stops no list; what
// asks for it by its key fails instead of taking it for absent.
func TestADamagedRecordIsNamedAndStopsNoList(t *testing.T) {
	for name, damage := range map[string]func(*bbolt.Bucket) error{
		"a byte of its value":  func(items *bbolt.Bucket) error { return flip(items, "p", "b") },
		"it is cut":            func(items *bbolt.Bucket) error { return items.Put(itemKey("p", "b"), items.Get(itemKey("p", "b"))[:9]) },
		"it is empty":          func(items *bbolt.Bucket) error { return items.Put(itemKey("p", "b"), nil) },
		"it is another record": func(items *bbolt.Bucket) error { return items.Put(itemKey("p", "b"), items.Get(itemKey("p", "a"))) },
		"of a later version": func(items *bbolt.Bucket) error {
			return items.Put(itemKey("p", "b"), []byte{99, 1, 2, 3, 4, 5, 6, 7, 8})
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t)
			change(t, path, damage)
			table := open(t, path)
			var told []store.Key
			table.OnDamage(func(key store.Key) { told = append(told, key) })
			bad := store.Key{PK: "p", SK: "b"}
			for _, q := range []store.Query{{PK: "p"}, {PK: "i", Index: true}, {PK: "p", Backward: true}} {
				page, err := table.Query(bg, q)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, item := range page.Items {
					got = append(got, string(item.Value))
				}
				if len(got) != 2 || len(page.Damaged) != 1 || page.Damaged[0] != bad {
					t.Errorf("%+v: %q, damaged %v", q, got, page.Damaged)
				}
			}
			_, get := table.Get(bg, bad)
			_, batch := table.BatchGet(bg, []store.Key{{PK: "p", SK: "a"}, bad})
			_, put := table.Put(bg, store.Item{Key: bad}, store.Absent)
			for call, err := range map[string]error{"get": get, "batch get": batch, "put": put, "delete": table.Delete(bg, bad, store.Any)} {
				if f := fault.Of(err); !fault.Is(err, fault.Internal) || f.Subject != "p b" || f.Message == "" {
					t.Errorf("%s: %v", call, err)
				}
			}
			if _, err := table.Put(bg, store.Item{Key: store.Key{PK: "p", SK: "d"}}, store.Absent); err != nil {
				t.Errorf("another record: %v", err)
			}
			if diff := cmp.Diff([]store.Key{bad}, told); diff != "" {
				t.Errorf("told: %s", diff)
			}
			if all, err := table.Damaged(bg); err != nil || len(all) != 1 || all[0] != bad {
				t.Errorf("all damaged: %v, %v", all, err)
			}
		})
	}
}

// Records of before the checksum are read, and get one when they are written.
func TestRecordsWithoutChecksumAreRead(t *testing.T) {
	path := filled(t)
	change(t, path, func(items *bbolt.Bucket) error {
		// format 1; version 1 and no expiry as zigzag varints; index keys with their lengths; value
		return items.Put(itemKey("p", "b"), append([]byte{1, 2, 0, 1, 'i', 1, 'b'}, "old value"...))
	})
	table := open(t, path)
	item, err := table.Get(bg, store.Key{PK: "p", SK: "b"})
	if err != nil || string(item.Value) != "old value" || item.Version != 1 || item.IndexPK != "i" || item.IndexSK != "b" {
		t.Fatalf("%+v, %v", item, err)
	}
	if damaged, err := table.Damaged(bg); err != nil || len(damaged) > 0 {
		t.Errorf("%v, %v", damaged, err)
	}
	item.Value = []byte("new value")
	if version, err := table.Put(bg, item, 1); err != nil || version != 2 {
		t.Errorf("version %d, %v", version, err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	change(t, path, func(items *bbolt.Bucket) error { return flip(items, "p", "b") })
	again, err := bolttable.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if damaged, err := again.Damaged(bg); err != nil || len(damaged) != 1 {
		t.Errorf("written again it has no checksum: %v, %v", damaged, err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// Of many damaged records not every one is remembered.
func TestReportingIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	table, err := bolttable.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	change(t, path, func(items *bbolt.Bucket) error {
		for i := range 1500 {
			if err := items.Put(itemKey("p", fmt.Sprintf("%05d", i)), []byte("damaged")); err != nil {
				return err
			}
		}
		return nil
	})
	table = open(t, path)
	told := 0
	table.OnDamage(func(store.Key) { told++ })
	for range 2 {
		if damaged, err := table.Damaged(bg); err != nil || len(damaged) != 1500 {
			t.Errorf("%d, %v", len(damaged), err)
		}
	}
	if told != 1000 {
		t.Errorf("told of %d", told)
	}
}
