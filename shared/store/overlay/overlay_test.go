package overlay_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/store"
	"entrasync/shared/store/overlay"
	"entrasync/shared/store/storetest"
)

var bg = context.Background()

// openReal opens a real table.
func openReal(t *testing.T) *bolttable.Table {
	t.Helper()
	table, err := bolttable.Open(filepath.Join(t.TempDir(), "table.db"))
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

// mixed is an overlay of which some writes went to the table beneath, as before a plan.
type mixed struct {
	store.Table
	real  store.Table
	state map[store.Key]bool
	n     int
}

// Put writes every other new key to the table beneath. Its later writes are the overlay's.
func (m *mixed) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	m.n++
	beneath := !m.state[item.Key] && m.n%2 == 0
	m.state[item.Key] = true
	if beneath {
		return m.real.Put(ctx, item, cond)
	}
	return m.Table.Put(ctx, item, cond)
}

// Delete implements store.Table.
func (m *mixed) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	m.state[key] = true
	return m.Table.Delete(ctx, key, cond)
}

// Transact implements store.Table.
func (m *mixed) Transact(ctx context.Context, writes []store.Write) error {
	for _, w := range writes {
		m.state[w.Item.Key] = true
	}
	return m.Table.Transact(ctx, writes)
}

func TestTable(t *testing.T) {
	storetest.TestTable(t, func(t *testing.T) store.Table { return overlay.New(openReal(t)) })
}

// What was in the table before is as if it had been written to the overlay.
func TestTableOverWrites(t *testing.T) {
	storetest.TestTable(t, func(t *testing.T) store.Table {
		if strings.Contains(t.Name(), "concurrent") {
			t.Skip("the test's own table is for one writer")
		}
		real := openReal(t)
		return &mixed{Table: overlay.New(real), real: real, state: map[store.Key]bool{}}
	})
}

// Two overlays, one on the other.
func TestTableOnTable(t *testing.T) {
	storetest.TestTable(t, func(t *testing.T) store.Table { return overlay.New(overlay.New(openReal(t))) })
}

// The table beneath never changes.
func TestNothingIsWrittenBeneath(t *testing.T) {
	real := openReal(t)
	key := store.Key{PK: "p", SK: "a"}
	if _, err := real.Put(bg, store.Item{Key: key, Value: []byte("real")}, store.Absent); err != nil {
		t.Fatal(err)
	}
	over := overlay.New(real)
	if version, err := over.Put(bg, store.Item{Key: key, Value: []byte("planned")}, 1); err != nil || version != 2 {
		t.Errorf("got version %d, %v, want 2", version, err)
	}
	if err := over.Delete(bg, key, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := over.Get(bg, key); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v from the overlay, want kind %s", err, fault.NotFound)
	}
	if item, err := real.Get(bg, key); err != nil || string(item.Value) != "real" || item.Version != 1 {
		t.Errorf("got %q of version %d, %v, want the real one of version 1", item.Value, item.Version, err)
	}
	if changes := over.Changes(); len(changes) != 1 || !changes[0].Deleted || changes[0].Item.Key != key {
		t.Errorf("got the changes %+v, want one deletion", changes)
	}
}

// kept is an overlay whose writes are stored in the real table after each of them, as a plan
// does with those of one step.
type kept struct {
	layer overlay.Kept
	t     *testing.T
}

// with does one write on an overlay, and stores what it wrote.
func (k kept) with(write func(store.Table) error) error {
	over := overlay.New(k.layer.View())
	if err := write(over); err != nil {
		return err
	}
	for _, w := range k.layer.Writes(over.Changes()) {
		if _, err := k.layer.Table.Put(bg, w.Item, w.If); err != nil {
			k.t.Errorf("the write could not be kept: %v", err)
		}
	}
	return nil
}

func (k kept) Get(ctx context.Context, key store.Key) (store.Item, error) {
	return k.layer.View().Get(ctx, key)
}

func (k kept) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return k.layer.View().BatchGet(ctx, keys)
}

func (k kept) Query(ctx context.Context, q store.Query) (store.Page, error) {
	return k.layer.View().Query(ctx, q)
}

func (k kept) Put(ctx context.Context, item store.Item, cond store.IfVersion) (version int64, err error) {
	err = k.with(func(over store.Table) (err error) {
		version, err = over.Put(ctx, item, cond)
		return err
	})
	return version, err
}

func (k kept) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	return k.with(func(over store.Table) error { return over.Delete(ctx, key, cond) })
}

func (k kept) Transact(ctx context.Context, writes []store.Write) error {
	return k.with(func(over store.Table) error { return over.Transact(ctx, writes) })
}

// A layer in a real table passes what does not test the limits of one item: its items are
// larger than those that they stand for.
func TestKept(t *testing.T) {
	storetest.TestTable(t, func(t *testing.T) store.Table {
		for _, of := range []string{"limits", "key_rules", "concurrent", "size_limit"} {
			if strings.Contains(t.Name(), of) {
				t.Skip("a layer is written by one worker, and records are far from the limits")
			}
		}
		return kept{overlay.Kept{Table: openReal(t), Prefix: "JB#1#K#", Expires: overlay.Life(1 << 40)}, t}
	})
}
