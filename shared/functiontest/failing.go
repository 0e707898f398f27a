package functiontest

import (
	"context"
	"sync"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// Failing is a table of which one call fails and changes nothing: the nth one of those that
// read or write single records. The calls before it and after it are served.
type Failing struct {
	store.Table
	mu     sync.Mutex
	left   int
	failed string
}

// NewFailing makes a table whose nth call fails.
func NewFailing(to store.Table, n int) *Failing { return &Failing{Table: to, left: n} }

// Failed is the call that failed; "" if there were fewer calls.
func (f *Failing) Failed() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// fails is the error of a call, if it is its turn.
func (f *Failing) fails(call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left != 0 {
		return nil
	}
	f.failed = call
	return fault.New(fault.Transient, "test", "the table does not answer")
}

// Get implements store.Table.
func (f *Failing) Get(ctx context.Context, key store.Key) (store.Item, error) {
	if err := f.fails("get " + key.PK + " " + key.SK); err != nil {
		return store.Item{}, err
	}
	return f.Table.Get(ctx, key)
}

// Put implements store.Table.
func (f *Failing) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	if err := f.fails("put " + item.PK + " " + item.SK); err != nil {
		return 0, err
	}
	return f.Table.Put(ctx, item, cond)
}

// Delete implements store.Table.
func (f *Failing) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	if err := f.fails("delete " + key.PK + " " + key.SK); err != nil {
		return err
	}
	return f.Table.Delete(ctx, key, cond)
}

// Transact implements store.Table.
func (f *Failing) Transact(ctx context.Context, writes []store.Write) error {
	if err := f.fails("transact"); err != nil {
		return err
	}
	return f.Table.Transact(ctx, writes)
}
