package sweep_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// change stores the directory once more, with the rollout of its settings.
func (f *fixture) change(source bool) {
	f.t.Helper()
	d, err := f.store.Directory(f.t.Context(), dir)
	f.must(err)
	among, err := f.store.Neighbours(f.t.Context(), d)
	f.must(err)
	before, err := f.store.Rollout(f.t.Context(), dir, store.Selection{})
	f.must(err)
	rollout := before.Begin(dir, plan.Cause{Type: reconcile.SettingsCause, ID: "request", At: time.Now().UTC(), Requested: true, Many: true}, source)
	_, err = f.store.PutDirectoryAmong(f.t.Context(), d, &rollout, among)
	f.must(err)
}

// fill fills the directory up to so many users, who are in sync.
func (f *fixture) fill(n int) {
	f.t.Helper()
	var all []store.Recording
	for i := range n - 1 { // Ann is there
		link := directory.NewLink(dir, directory.UserID(fmt.Sprintf("user%05d", i)))
		link.Status = directory.Synced
		all = append(all, store.Recording{Link: link})
	}
	for _, err := range f.store.Record(f.t.Context(), all...) {
		f.must(err)
	}
}

// Settings that were stored are applied to everybody, although a run has no time for all: a
// later run goes on where one ended. Nothing is sent before whoever stored them had time for
// that, and nothing twice.
func TestARolloutGoesOnWhereARunEnded(t *testing.T) {
	for name, run := range map[string]func(*fixture) []string{
		"no time": func(f *fixture) []string {
			f.table.slow = 12 * time.Second
			defer func() { f.table.slow = 0 }()
			return f.run()
		},
		"enough pages": func(f *fixture) []string {
			_, _, err := reconcile.Rollout{Store: f.store, Users: f.users, Groups: f.groups}.Send(f.t.Context(), dir, store.Selection{}, 1)
			f.must(err)
			return f.taken()
		},
		"the queue fails": func(f *fixture) []string {
			full := &full{Sender: f.users, takes: queue.MaxBatch * 60}
			if _, _, err := (reconcile.Rollout{Store: f.store, Users: full, Groups: f.groups}.Send(f.t.Context(), dir, store.Selection{}, 0)); err == nil {
				f.t.Error("got no error, want that of the queue")
			}
			return f.taken()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const users = 1100
				f := newFixture(t)
				f.fill(users)
				f.change(true)
				if young := f.run(); len(young) > 0 {
					t.Errorf("at once: got %d tasks, want none", len(young))
				}
				time.Sleep(6 * time.Minute)
				got := run(f)
				if len(got) == 0 || len(got) >= users {
					t.Errorf("the first run sent %d tasks, want a part of %d", len(got), users)
				}
				for range 5 {
					got = append(got, f.run()...)
					time.Sleep(time.Minute)
				}
				counts := map[string]int{}
				for _, task := range got {
					counts[task]++
				}
				const others = 2 // the group, and the source
				if len(counts) != users+others || counts["group sales, all true"] != 1 || counts["group , all false"] != 2 {
					t.Errorf("got %d different tasks, %d for the group, %d for the source; want %d, 1 and 2", len(counts), counts["group sales, all true"], counts["group , all false"], users+others)
				}
				if name != "the queue fails" && len(got) != users+others+1 {
					t.Errorf("got %d tasks, want %d: none twice", len(got), users+others+1)
				}
				if left, err := f.store.Rollout(t.Context(), dir, store.Selection{}); err != nil || left.Version != 0 {
					t.Errorf("left is %+v, %v; want nothing", left, err)
				}
			})
		})
	}
}

// Settings that change again while tasks are sent begin again: no sender ends what it did not
// send.
func TestSettingsThatChangeAgainBeginAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.change(true)
		again := &full{Sender: f.users, takes: 1, then: func() { f.change(false) }}
		_, _, err := reconcile.Rollout{Store: f.store, Users: again, Groups: f.groups}.Send(t.Context(), dir, store.Selection{}, 0)
		f.must(err)
		f.taken()
		time.Sleep(6 * time.Minute)
		want := []string{"user ann, memberships false", "group sales, all true", "group , all false", "group , all false"}
		if got := f.run(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// full is a queue that takes so many messages and then fails. With each it does then, unless
// that is nil.
type full struct {
	queue.Sender
	mu    sync.Mutex
	takes int
	then  func()
}

func (q *full) Send(ctx context.Context, messages ...queue.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.takes -= len(messages); q.takes < 0 {
		return fault.New(fault.Transient, "test", "the queue is full")
	}
	if q.then != nil {
		q.then()
	}
	return q.Sender.Send(ctx, messages...)
}
