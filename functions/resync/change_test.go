package resync_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/plan"
	"entrasync/shared/planning"
	"entrasync/shared/reconcile"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// changeSettings changes the settings of the directory as the API does where many are concerned: the
// tasks wait for a job, which begins then.
func (f *fixture) changeSettings(edit func(*directory.Settings)) store.Job {
	f.t.Helper()
	ctx := context.Background()
	before, err := f.Store.Directory(ctx, f.directory.ID)
	f.Must(err)
	after := before
	edit(&after.Settings)
	rollout, err := f.Store.Rollout(ctx, before.ID, store.Selection{})
	f.Must(err)
	rollout = rollout.Begin(before.ID, plan.Cause{Type: reconcile.SettingsCause, ID: "a request", At: time.Now().UTC(), Requested: true, Many: true}, false)
	job := resync.NewChange(before.ID, "the test", "changed settings")
	rollout.Awaits = job.ID
	_, err = f.Store.KeepDirectory(ctx, before, after, &rollout)
	f.Must(err)
	begun := planning.New(f.Table, f.Clients())
	rollout, err = begun.Store.Rollout(ctx, before.ID, store.Selection{})
	f.Must(err)
	rollout.Awaits = ""
	f.Must(begun.Store.KeepRollout(ctx, rollout))
	job, err = resync.Starter{Store: f.Store, Jobs: &f.jobs}.Change(ctx, job, begun)
	f.Must(err)
	return job
}

// locked is a world in which three of five are locked out.
func (f *fixture) locked() {
	f.t.Helper()
	ids := f.hire("ann", "bob", "cid", "dee", "eve")
	for _, id := range ids[:3] {
		f.Must(f.JumpCloud.LockUser(string(id)))
	}
	time.Sleep(time.Hour)
}

// disabled counts the accounts of that world that are disabled.
func (f *fixture) disabled() (count int) {
	for _, name := range []string{"ann", "bob", "cid", "dee", "eve"} {
		if !f.account(name).AccountEnabled {
			count++
		}
	}
	return count
}

// suspendsLocked turns a setting on.
func suspendsLocked(s *directory.Settings) { s.SuspendOnLockout = true }

// A job works on changed settings, and its process dies before or after any of its calls. The next
// one goes on: nobody is disabled before the hold is there, all wait in it, and nothing is left.
func TestAChangeKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a process at each of its calls")
	}
	moments := 0
	for n, died := 1, "yes"; died != ""; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, guarded(1))
			f.locked()
			job := f.changeSettings(suspendsLocked)
			m := functiontest.NewMortal(n)
			f.perish(f.newHandler(store.New(m.Table(f.Table)), m.Transport(f), m.Sender(&f.users), m.Sender(&f.groups), m.Sender(&f.jobs)))
			died = m.Died()
			f.pump()
			end, _ := f.finish(job.ID, timeout)
			f.pump()
			open, err := f.Store.OpenHolds(t.Context(), f.directory.ID)
			f.Must(err)
			holds := open[f.directory.ID]
			if end.Status != store.JobFinished || f.disabled() > 0 || len(holds) != 1 || holds[0].Count != 3 || holds[0].Kind != plan.Suspensions {
				t.Errorf("killed at %d, %s: the job is %s (%s), %d are disabled and %+v are open; want it finished, none, and one hold with three", n, died, end.Status, end.Message, f.disabled(), holds)
			}
			left, err := f.Store.Rollout(t.Context(), f.directory.ID, store.Selection{})
			if f.Must(err); left.Version != 0 {
				t.Errorf("killed at %d, %s: %+v is left to send, want nothing", n, died, left)
			}
		})
		if moments = n; n > 3000 {
			t.Fatal("a change has more than 3000 moments, want fewer")
		}
	}
	if moments < 40 {
		t.Errorf("a change had %d moments to die at, want at least 40", moments)
	}
}

// Settings do not wait for a job that can do nothing because the directory is suspended: their
// tasks do.
func TestSettingsDoNotWaitForTheJobOfASuspendedDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, guarded(5))
		f.locked()
		job := f.changeSettings(suspendsLocked)
		dir, err := f.Store.Directory(t.Context(), f.directory.ID)
		f.Must(err)
		_, err = f.Store.PutDirectory(t.Context(), dir.Suspend(directory.Suspension{Reason: directory.JumpCloudRefused, Message: "the key is refused", Scope: directory.Everything, Since: time.Now()}, time.Now().Add(time.Minute)))
		f.Must(err)
		if end, _ := f.finish(job.ID, timeout); end.Status != store.JobFailed || end.Message == "" {
			t.Errorf("the job is %s (%s), want that it has failed, and why", end.Status, end.Message)
		}
		rollout := reconcile.Rollout{Store: f.Store, Users: &f.users, Groups: &f.groups}
		waits, err := rollout.Waits(t.Context(), f.directory.ID, store.Selection{})
		f.Must(err)
		_, complete, err := rollout.Send(t.Context(), f.directory.ID, store.Selection{}, 0)
		if f.Must(err); waits || !complete || f.users.waiting() < 5 {
			t.Errorf("the settings wait still: %t, and %d tasks were sent, want those of all five", waits, f.users.waiting())
		}
	})
}

// Users about whom nothing could be planned are said to be undecided, and the guard is not made to
// believe that it knows of all.
func TestAChangeThatCouldNotBePlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, guarded(5))
		f.locked()
		job := f.changeSettings(suspendsLocked)
		f.outside = func(*http.Request) error { return errors.New("nobody answers") }
		for range 100 {
			f.invoke(f.handler, timeout)
			if job = f.job(job.ID); job.Status.Ended() {
				break
			}
			time.Sleep(time.Minute)
		}
		want := []plan.Affected{{Kind: plan.OfUser, Effect: plan.EffectUndecided, Count: 5, Names: []string{"ann", "bob", "cid", "dee", "eve"}}}
		for i := range job.Effects {
			job.Effects[i].Names = want[0].Names // nothing is known of them but their sign-in names
		}
		if diff := cmp.Diff(want, job.Effects); job.Status != store.JobFinished || diff != "" {
			t.Errorf("the job is %s (%s) (-want +got):\n%s", job.Status, job.Message, diff)
		}
		tasks := f.users.take()
		for _, m := range tasks {
			task, err := reconcile.ReadTask(m.Body)
			if f.Must(err); task.Cause.Announced {
				t.Errorf("got %+v, want that nobody was announced", task)
			}
		}
		if len(tasks) < 5 {
			t.Errorf("%d tasks were sent, want those of all five", len(tasks))
		}
	})
}
