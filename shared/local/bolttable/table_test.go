package bolttable_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/store"
	"entrasync/shared/store/storetest"
)

var bg = context.Background()

func open(t testing.TB, path string) *bolttable.Table {
	t.Helper()
	table, err := bolttable.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	return table
}

func TestConformance(t *testing.T) {
	storetest.TestTable(t, func(t *testing.T) store.Table {
		return open(t, filepath.Join(t.TempDir(), "table.db"))
	})
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	table, err := bolttable.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	want := store.Item{Key: store.Key{PK: "p", SK: "s"}, Value: []byte("v"), IndexPK: "ip", IndexSK: "is", Expires: time.Now().Add(time.Hour).Unix()}
	if _, err := table.Put(bg, want, store.Absent); err != nil {
		t.Fatal(err)
	}
	page, err := table.Query(bg, store.Query{PK: "ip", Index: true})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("got %v, %v, want one item", page, err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := table.Get(bg, want.Key); !fault.Is(err, fault.Transient) {
		t.Fatalf("get after close: got %v, want a fault of kind transient", err)
	}
	if _, err := table.Put(bg, want, store.Any); !fault.Is(err, fault.Transient) {
		t.Fatalf("put after close: got %v, want a fault of kind transient", err)
	}

	table = open(t, path)
	got, err := table.Get(bg, want.Key)
	if err != nil || got.Version != 1 || !bytes.Equal(got.Value, want.Value) || got.Expires != want.Expires {
		t.Fatalf("after reopening: got %+v, %v, want version 1 of %+v", got, err, want)
	}
	if page, err = table.Query(bg, store.Query{PK: "ip", Index: true}); err != nil || len(page.Items) != 1 {
		t.Fatalf("after reopening, the index has %v, %v, want one item", page, err)
	}
}

// A second Open fails after about a second. flock distinguishes open files, not processes,
// so this process can act as another one.
func TestSecondProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "table.db")
		open(t, path)
		start := time.Now()
		_, err := bolttable.Open(path)
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "in use by another entrasync process") {
			t.Fatalf("got %v, want a fault of kind conflict that says why", err)
		}
		if waited := time.Since(start); waited > 2*time.Second {
			t.Fatalf("it took %s, want at most 2s", waited)
		}
	})
}

func TestNotADatabase(t *testing.T) {
	if _, err := bolttable.Open(filepath.Join(t.TempDir(), "no such folder", "table.db")); !fault.Is(err, fault.Invalid) {
		t.Fatalf("got %v, want a fault of kind invalid", err)
	}
}

// Every read returns an item until the second in which it expires, and no read after that.
func TestExpiryMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := open(t, filepath.Join(t.TempDir(), "table.db"))
		item := store.Item{Key: store.Key{PK: "p", SK: "s"}, IndexPK: "p", IndexSK: "i", Expires: time.Now().Unix() + 10}
		if _, err := table.Put(bg, item, store.Absent); err != nil {
			t.Fatal(err)
		}
		readings := func() (n int) {
			if _, err := table.Get(bg, item.Key); err == nil {
				n++
			}
			if items, err := table.BatchGet(bg, []store.Key{item.Key}); err == nil {
				n += len(items)
			}
			for _, index := range []bool{false, true} {
				if page, err := table.Query(bg, store.Query{PK: "p", Index: index}); err == nil {
					n += len(page.Items)
				}
			}
			if err := table.Transact(bg, []store.Write{{Item: item, If: 1, Check: true}}); err == nil {
				n++
			}
			return n
		}
		time.Sleep(10*time.Second - 1)
		if n := readings(); n != 5 {
			t.Fatalf("just before its expiry %d reads return the item, want 5", n)
		}
		time.Sleep(time.Nanosecond)
		if n := readings(); n != 0 {
			t.Fatalf("at its expiry %d reads return the item, want 0", n)
		}
		if version, err := table.Put(bg, item, store.Absent); err != nil || version != 1 {
			t.Fatalf("put again: got version %d, %v, want 1", version, err)
		}
	})
}

// Writing other items removes expired ones from the file.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "table.db")
		table, err := bolttable.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		put := func(sk string, expires int64) {
			item := store.Item{Key: store.Key{PK: "p", SK: sk}, IndexPK: "p", IndexSK: sk, Expires: expires}
			if _, err := table.Put(bg, item, store.Any); err != nil {
				t.Fatal(err)
			}
		}
		soon := time.Now().Add(time.Minute).Unix()
		for i := range 100 {
			put(fmt.Sprintf("expires %d", i), soon)
		}
		put("expires 0", 0) // no longer
		time.Sleep(time.Hour)
		for i := range 20 {
			put(fmt.Sprintf("stays %d", i), 0)
		}
		if err := table.Close(); err != nil {
			t.Fatal(err)
		}
		for bucket, want := range map[string]int{"items": 21, "index": 21, "expires": 0} {
			if got := countKeys(t, path, bucket); got != want {
				t.Errorf("%d keys in bucket %s, want %d", got, bucket, want)
			}
		}
	})
}

func countKeys(t *testing.T, path, bucket string) (n int) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}
