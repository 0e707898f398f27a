package resync_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/reconcile"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// A directory whose last resync is older than twice the period, or failed, is counted in each
// run; its users and groups are counted once an hour.
func TestOverdueResyncsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(*directory.Settings) {})
		made, err := f.Store.Directory(t.Context(), f.directory.ID)
		f.Must(err)
		made.CreatedAt = time.Now().UTC()
		_, err = f.Store.PutDirectory(t.Context(), made)
		f.Must(err)
		worker, err := resync.New(resync.Parts{
			Starter: resync.Starter{Store: f.Store, Jobs: &f.jobs}, Clients: f.Clients(), Drift: reconcile.Drift{Store: f.Store, UserTasks: &f.users, GroupTasks: &f.groups, Metrics: f.metrics},
			Users: &f.users, Groups: &f.groups, Metrics: f.metrics, Every: 24 * time.Hour, Outside: f.Clients(), Results: &f.files,
		})
		f.Must(err)
		overdue := func() int {
			t.Helper()
			before := f.metrics.Counts()["resync_overdue"]
			f.Must(worker.Observe(t.Context()))
			return f.metrics.Counts()["resync_overdue"] - before
		}
		if n := overdue(); n != 0 {
			t.Errorf("a new directory: %d overdue, want none", n)
		}
		counts, err := f.Store.CountsOf(t.Context(), f.directory.ID)
		if first, counted := counts[f.directory.ID]; err != nil || !counted || !first.CountedAt.Equal(time.Now()) {
			t.Errorf("got the counts %+v, %v, want some of now", counts, err)
		}
		time.Sleep(49 * time.Hour)
		if n := overdue(); n != 1 {
			t.Errorf("after two days without one: %d overdue, want 1", n)
		}
		now := time.Now().UTC()
		for result, want := range map[store.JobStatus]int{store.JobFinished: 0, store.JobFailed: 1} {
			job, err := f.Store.CreateJob(t.Context(), store.Job{ID: string(result), Directory: f.directory.ID, Kind: store.Resync, Status: store.JobQueued, CreatedAt: now})
			f.Must(err)
			job.Status, job.StartedAt, job.EndedAt = result, now, now
			_, err = f.Store.EndJob(t.Context(), job)
			f.Must(err)
			if n := overdue(); n != want {
				t.Errorf("after one that %s: %d overdue, want %d", result, n, want)
			}
		}
	})
}
