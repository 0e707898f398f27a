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

// itemKey is the key of an item in the file: the length of pk, pk, sk.
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

// A damaged record is reported once, and does not fail a list. A call with its key fails
// and does not treat the record as absent.
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
			var reported []store.Key
			table.OnDamage(func(key store.Key) { reported = append(reported, key) })
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
					t.Errorf("%+v: got %q and damaged %v, want two items and damaged %v", q, got, page.Damaged, bad)
				}
			}
			_, get := table.Get(bg, bad)
			_, batch := table.BatchGet(bg, []store.Key{{PK: "p", SK: "a"}, bad})
			_, put := table.Put(bg, store.Item{Key: bad}, store.Absent)
			for call, err := range map[string]error{"get": get, "batch get": batch, "put": put, "delete": table.Delete(bg, bad, store.Any)} {
				if f := fault.Of(err); !fault.Is(err, fault.Internal) || f.Subject != "p b" || f.Message == "" {
					t.Errorf("%s: got %v, want kind %s with the key", call, err, fault.Internal)
				}
			}
			if _, err := table.Put(bg, store.Item{Key: store.Key{PK: "p", SK: "d"}}, store.Absent); err != nil {
				t.Errorf("another record: got %v, want no error", err)
			}
			if diff := cmp.Diff([]store.Key{bad}, reported); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
			if all, err := table.Damaged(bg); err != nil || len(all) != 1 || all[0] != bad {
				t.Errorf("all damaged: got %v, %v, want %v", all, err, bad)
			}
		})
	}
}

// Records of a version without checksums are read, and get a checksum when they are written.
func TestRecordsWithoutChecksumAreRead(t *testing.T) {
	path := filled(t)
	change(t, path, func(items *bbolt.Bucket) error {
		// format 1; version 1 and no expiry as zigzag varints; index keys with their lengths; value
		return items.Put(itemKey("p", "b"), append([]byte{1, 2, 0, 1, 'i', 1, 'b'}, "old value"...))
	})
	table := open(t, path)
	item, err := table.Get(bg, store.Key{PK: "p", SK: "b"})
	if err != nil || string(item.Value) != "old value" || item.Version != 1 || item.IndexPK != "i" || item.IndexSK != "b" {
		t.Fatalf("got %+v, %v, want version 1 of the old value with its index keys", item, err)
	}
	if damaged, err := table.Damaged(bg); err != nil || len(damaged) > 0 {
		t.Errorf("got damaged %v, %v, want none", damaged, err)
	}
	item.Value = []byte("new value")
	if version, err := table.Put(bg, item, 1); err != nil || version != 2 {
		t.Errorf("got version %d, %v, want 2", version, err)
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
		t.Errorf("written again and damaged: got %v, %v, want one damaged record", damaged, err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// At most 1000 damaged records are reported.
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
	reported := 0
	table.OnDamage(func(store.Key) { reported++ })
	for range 2 {
		if damaged, err := table.Damaged(bg); err != nil || len(damaged) != 1500 {
			t.Errorf("got %d damaged, %v, want 1500", len(damaged), err)
		}
	}
	if reported != 1000 {
		t.Errorf("reported %d, want 1000", reported)
	}
}
