package boltfile_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/local/boltfile"
)

var bg = context.Background()

func open(t testing.TB) *boltfile.File {
	t.Helper()
	f, err := boltfile.Open(filepath.Join(t.TempDir(), "file.db"), "b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func put(key string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error { return tx.Bucket([]byte("b")).Put([]byte(key), []byte("v")) }
}

func keys(t testing.TB, f *boltfile.File) (found []string) {
	t.Helper()
	err := f.View(bg, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("b")).ForEach(func(k, _ []byte) error {
			found = append(found, string(k))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// gather starts the changes while the writer is busy, one after the other, so
// that they are committed together in their order, and returns their errors.
func gather(t *testing.T, f *boltfile.File, changes ...func() error) []error {
	t.Helper()
	busy, release := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		if err := f.Update(bg, func(*bbolt.Tx) error { close(busy); <-release; return nil }, nil); err != nil {
			t.Error(err)
		}
	})
	<-busy
	errs := make([]error, len(changes))
	for i, change := range changes {
		group.Go(func() { errs[i] = change() })
		synctest.Wait()
	}
	close(release)
	group.Wait()
	return errs
}

func TestTogether(t *testing.T) { synctest.Test(t, together) }

func together(t *testing.T) {
	f := open(t)
	var tx *bbolt.Tx
	var order []string
	change := func(name string) func() error {
		return func() error {
			return f.Update(bg, func(t *bbolt.Tx) error {
				if tx == nil {
					tx = t
				}
				if tx != t {
					return errors.New("another transaction")
				}
				return put(name)(t)
			}, func() { order = append(order, name) })
		}
	}
	for _, err := range gather(t, f, change("a"), change("b"), change("c")) {
		if err != nil {
			t.Error(err)
		}
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(order, want) || !slices.Equal(keys(t, f), want) {
		t.Errorf("committed %v, stored %v, want %v", order, keys(t, f), want)
	}
}

func TestRefusedAlone(t *testing.T) { synctest.Test(t, refusedAlone) }

func refusedAlone(t *testing.T) {
	f := open(t)
	errs := gather(t, f,
		func() error { return f.Update(bg, put("a"), nil) },
		func() error {
			return f.Update(bg, func(*bbolt.Tx) error { return fault.New(fault.Changed, "test", "") },
				func() { t.Error("committed was called for a refused change") })
		},
		func() error { return f.Update(bg, put("b"), nil) },
	)
	if errs[0] != nil || !fault.Is(errs[1], fault.Changed) || errs[2] != nil {
		t.Errorf("got errors %v, want only the second, of kind %s", errs, fault.Changed)
	}
	if got := keys(t, f); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("stored %v, want [a b]", got)
	}
}

func TestCancelledWhileWaiting(t *testing.T) { synctest.Test(t, cancelledWhileWaiting) }

func cancelledWhileWaiting(t *testing.T) {
	f := open(t)
	ctx, cancel := context.WithCancel(bg)
	errs := gather(t, f,
		func() error { return f.Update(bg, func(*bbolt.Tx) error { cancel(); return nil }, nil) },
		func() error { return f.Update(ctx, put("never"), nil) },
	)
	if errs[0] != nil || !fault.Is(errs[1], fault.Transient) || !errors.Is(errs[1], context.Canceled) {
		t.Errorf("got errors %v, want only the second, of kind %s", errs, fault.Transient)
	}
	if got := keys(t, f); len(got) != 0 {
		t.Errorf("stored %v, want nothing", got)
	}
	if err := f.View(ctx, func(*bbolt.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("view: got %v, want %v", err, context.Canceled)
	}
}

func TestBrokenFailsAll(t *testing.T) { synctest.Test(t, brokenFailsAll) }

func brokenFailsAll(t *testing.T) {
	f := open(t)
	broken := errors.New("disk")
	errs := gather(t, f,
		func() error { return f.Update(bg, put("a"), func() { t.Error("committed was called") }) },
		func() error { return f.Update(bg, func(*bbolt.Tx) error { return broken }, nil) },
		func() error { return f.Update(bg, put("b"), nil) },
	)
	for i, err := range errs {
		if !fault.Is(err, fault.Transient) || !errors.Is(err, broken) {
			t.Errorf("change %d: got %v, want kind %s and %q", i, err, fault.Transient, broken)
		}
	}
	if got := keys(t, f); len(got) != 0 {
		t.Errorf("stored %v, want nothing", got)
	}
	if err := f.Update(bg, put("after"), nil); err != nil {
		t.Errorf("the next change: got %v, want no error", err)
	}
}

func TestManyWriters(t *testing.T) {
	f := open(t)
	var committed atomic.Int64
	var group sync.WaitGroup
	const writers, each = 20, 20
	for w := range writers {
		group.Go(func() {
			for i := range each {
				if err := f.Update(bg, put(fmt.Sprintf("%d/%d", w, i)), func() { committed.Add(1) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := len(keys(t, f)); n != writers*each || committed.Load() != writers*each {
		t.Errorf("%d keys stored, %d reported as committed, want %d", n, committed.Load(), writers*each)
	}
}

// BenchmarkUpdate compares the shared commits of this package with bbolt's own
// ways to write, for one writer and for fifty.
func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 50} {
		for _, way := range []string{"shared", "update", "batch", "batch-at-once"} {
			b.Run(fmt.Sprintf("writers=%d/%s", writers, way), func(b *testing.B) {
				benchmark(b, writers, writeBy(b, way))
			})
		}
	}
}

func writeBy(b *testing.B, way string) func(func(*bbolt.Tx) error) error {
	b.Helper()
	if way == "shared" {
		f := open(b)
		return func(apply func(*bbolt.Tx) error) error { return f.Update(bg, apply, nil) }
	}
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "file.db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err == nil {
		err = db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("b")); return err })
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	switch way {
	case "batch":
		return db.Batch
	case "batch-at-once":
		db.MaxBatchDelay = 0
		return db.Batch
	default:
		return db.Update
	}
}

func benchmark(b *testing.B, writers int, write func(func(*bbolt.Tx) error) error) {
	var mu sync.Mutex
	var took []time.Duration
	var next atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	for range writers {
		group.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				start := time.Now()
				if err := write(put(fmt.Sprint(n * 7919 % 1_000_003))); err != nil {
					b.Error(err)
				}
				mu.Lock()
				took = append(took, time.Since(start))
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
