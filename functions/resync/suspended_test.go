package resync_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// suspend suspends tasks of the directory, or ends that.
func (f *fixture) suspend(scope directory.Scope, suspended bool) {
	f.t.Helper()
	d, err := f.Store.Directory(context.Background(), f.directory.ID)
	f.Must(err)
	if now := time.Now().UTC(); suspended {
		d = d.Suspend(directory.Suspension{Reason: directory.ConsentLost, Message: "consent again", Scope: scope, Since: now}, now.Add(time.Minute))
	} else {
		d = d.Resume(scope, now)
	}
	_, err = f.Store.PutDirectory(context.Background(), d)
	f.Must(err)
}

// schedule invokes the function as the schedule does, for so long.
func (f *fixture) schedule(lasts time.Duration) {
	f.t.Helper()
	for end := time.Now().Add(lasts); time.Now().Before(end); time.Sleep(5 * time.Minute) {
		f.jobs.take()
		f.invoke(f.handler, timeout)
	}
}

// The resync of a suspended directory waits, and says why, without a request to JumpCloud or
// Entra, however long that takes. Then it goes on by itself.
func TestASuspendedDirectoryWaits(t *testing.T) {
	for _, scope := range []directory.Scope{directory.Everything, directory.OfUsers, directory.OfGroups} {
		t.Run(string(scope), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				ann := f.hire("ann")[0]
				f.resync()
				f.Must(f.JumpCloud.UpdateUser(string(ann), jumpcloudtest.Fields{"lastname": "Ray"}))
				f.suspend(scope, true)
				f.requests(functiontest.GraphHost)
				f.requests(functiontest.JumpCloudHost)
				id := f.start().ID
				f.invoke(f.handler, timeout)
				for range 3 {
					if job := f.job(id); job.Status != store.JobRunning || job.Reason != directory.ConsentLost || job.Message != "consent again" {
						t.Fatalf("the job is %s (%s, %q), want it running, with the reason and message of the suspension", job.Status, job.Reason, job.Message)
					}
					f.schedule(24 * time.Hour)
				}
				if graph, jumpCloud := f.requests(functiontest.GraphHost), f.requests(functiontest.JumpCloudHost); graph+jumpCloud > 0 {
					t.Errorf("while it was suspended there were %d requests to Graph and %d to JumpCloud, want none", graph, jumpCloud)
				}
				f.suspend(scope, false)
				job, _ := f.finish(id, timeout)
				if job.Status != store.JobFinished || job.Repaired != 1 || job.Reason != "" || f.account("ann").Text("surname") != "Ray" {
					t.Errorf("the job is %s (%s, %q) with %d repaired, want it finished with 1", job.Status, job.Reason, job.Message, job.Repaired)
				}
			})
		})
	}
}

// A change of its settings finds out that the tenant of a suspended directory refuses us: its
// resync waits all the same, and another one can be asked for.
func TestASuspendedDirectoryWaitsForItsConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		ann := f.hire("ann")[0]
		f.resync()
		f.Must(f.JumpCloud.UpdateUser(string(ann), jumpcloudtest.Fields{"lastname": "Ray"}))
		f.suspend(directory.Everything, true)
		id := f.start().ID
		become := func(s directory.Status, reason directory.Reason) {
			d, err := f.Store.Directory(t.Context(), f.directory.ID)
			f.Must(err)
			d.Status, d.Reason = s, reason
			_, err = f.Store.PutDirectory(t.Context(), d)
			f.Must(err)
		}
		become(directory.PendingAuthorization, directory.ConsentLost)
		f.schedule(48 * time.Hour)
		if job := f.job(id); job.Status != store.JobRunning || job.Reason != directory.ConsentLost {
			t.Errorf("the job is %s (%s, %q), want it to wait", job.Status, job.Reason, job.Message)
		}
		if again, err := (resync.Starter{Store: f.Store, Jobs: &f.jobs}).Start(t.Context(), f.directory.ID, "the test"); err != nil || again.ID != id {
			t.Errorf("another start returned the job %s, %v, want %s", again.ID, err, id)
		}
		become(directory.Active, "")
		f.suspend(directory.Everything, false)
		if job, _ := f.finish(id, timeout); job.Status != store.JobFinished || f.account("ann").Text("surname") != "Ray" {
			t.Errorf("the job is %s (%s), want it finished", job.Status, job.Message)
		}
	})
}

// After a suspension of days a failure is as any other: the resync is not given up by it.
func TestAFailureAfterASuspension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.hire("ann")
		f.suspend(directory.Everything, true)
		id := f.start().ID
		f.schedule(48 * time.Hour)
		f.suspend(directory.Everything, false)
		f.JumpCloud.FailNext(jumpcloudtest.Fault{Path: "/api/systemusers", Drop: true, Times: 12})
		if job, _ := f.finish(id, timeout); job.Status != store.JobFinished {
			t.Errorf("the job is %s (%s), want it finished", job.Status, job.Message)
		}
	})
}

// What was found is waited for also when the directory is suspended for longer than a resync
// waits otherwise.
func TestSuspendedBeforeTheRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		ann := f.hire("ann")[0]
		f.resync()
		f.Must(f.JumpCloud.UpdateUser(string(ann), jumpcloudtest.Fields{"lastname": "Ray"}))
		id := f.start().ID
		f.invoke(f.handler, timeout) // compares everything, and the task is not worked on
		f.suspend(directory.Everything, true)
		f.schedule(3 * time.Hour)
		if job := f.job(id); job.Status != store.JobRunning || job.Phase != "repair" || job.Message != "consent again" {
			t.Fatalf("the job is %s in the phase %s (%s), want it to wait in the phase repair", job.Status, job.Phase, job.Message)
		}
		f.suspend(directory.Everything, false)
		f.schedule(20 * time.Minute)
		f.pump()
		if job, _ := f.finish(id, timeout); job.Status != store.JobFinished || job.Found != 1 || job.Repaired != 1 {
			t.Errorf("the job is %s with %d found and %d repaired (%s), want 1 of each", job.Status, job.Found, job.Repaired, job.Message)
		}
	})
}

// The schedule starts no resync of a suspended directory, and starts it when that is over. So
// very many of them keep nobody else's from its turn.
func TestTheScheduleLeavesOutSuspendedDirectories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.hire("ann")
		f.suspend(directory.Everything, true)
		f.schedule(48 * time.Hour)
		last, err := f.Store.LastJobs(context.Background(), store.Resync, f.directory.ID)
		if open, err := f.Store.OpenJobs(context.Background(), 10); err != nil || len(open) > 0 {
			t.Errorf("the open jobs are %v, %v; want none", open, err)
		}
		if got := last[f.directory.ID]; err != nil || got.Job != "" {
			t.Errorf("the last resync is %+v, %v; want none", got, err)
		}
		f.suspend(directory.Everything, false)
		f.schedule(10 * time.Minute)
		last, err = f.Store.LastJobs(context.Background(), store.Resync, f.directory.ID)
		if got := last[f.directory.ID]; err != nil || got.Result != store.JobFinished {
			t.Errorf("the last resync is %+v, %v; want that it finished", got, err)
		}
	})
}
