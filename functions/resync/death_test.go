package resync_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	function "entrasync/functions/resync"
	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

// A process that works on a resync dies before or after any of its calls of the table, of
// queues, of JumpCloud and of Entra. The next one goes on, and the end is the same.
func TestKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a process at each of its calls")
	}
	moments := 0
	for n, died := 1, "yes"; died != ""; n++ {
		synctest.Test(t, func(t *testing.T) { died = testDeath(t, n) })
		if moments = n; n > 2000 {
			t.Fatal("a resync has more than 2000 moments, want fewer")
		}
	}
	if moments < 60 {
		t.Errorf("a resync had %d moments to die at, want at least 60", moments)
	}
}

// testDeath kills a process at its nth moment, and returns the call at which it died; "" if
// it lived.
func testDeath(t *testing.T, n int) (died string) {
	t.Helper()
	f, sales := changed(t)
	job := f.start()
	m := functiontest.NewMortal(n)
	mortal := f.newHandler(store.New(m.Table(f.Table)), m.Transport(f), m.Sender(&f.users), m.Sender(&f.groups), m.Sender(&f.jobs))
	f.perish(mortal)
	if died = m.Died(); died == "" {
		f.pump()
		f.jobs.take()
	}
	time.Sleep(10 * time.Minute) // the lease expires
	f.jobs.take()                // its message was lost too
	end, _ := f.finish(job.ID, timeout)
	f.mustBeRepaired(fmt.Sprintf("killed at moment %d, %q", n, died), end, sales)
	return died
}

// perish invokes a handler that may die: what it returns then, nobody sees.
func (f *fixture) perish(h interface {
	Handle(context.Context, function.Event) (events.SQSEventResponse, error)
}) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	f.perishIn(ctx, h)
}

// perishIn is perish with the time of a context.
func (f *fixture) perishIn(ctx context.Context, h interface {
	Handle(context.Context, function.Event) (events.SQSEventResponse, error)
}) {
	_, _ = h.Handle(ctx, function.Event{Records: delivered(f.jobs.take()...)})
}

// changed is a fixture after a first resync, in which much was changed that nobody knows of.
func changed(t *testing.T) (f *fixture, sales directory.GroupID) {
	t.Helper()
	f = newFixture(t, nil)
	ids := f.hire("ann", "bob", "cid", "dee")
	sales = f.connectGroup("Sales", ids[0], ids[1])
	f.resync()
	f.Must(f.JumpCloud.UpdateUser(string(ids[0]), jumpcloudtest.Fields{"lastname": "Ray"}))
	f.Must(f.JumpCloud.UpdateUser(string(ids[2]), jumpcloudtest.Fields{"state": "SUSPENDED"}))
	f.Must(f.JumpCloud.RemoveMember(string(sales), string(ids[1])))
	_, err := f.Tenant.UpdateUser("dee@"+functiontest.Domain, map[string]any{"surname": "Hand"})
	f.Must(err)
	_, err = f.Tenant.UpdateGroup(f.Tenant.GroupsNamed("Sales")[0].ID, map[string]any{"displayName": "Hands"})
	f.Must(err)
	time.Sleep(time.Hour)
	return f, sales
}

// mustBeRepaired fails the test unless the changes of changed are repaired.
func (f *fixture) mustBeRepaired(when string, job store.Job, sales directory.GroupID) {
	f.t.Helper()
	if ann, dee := f.account("ann").Text("surname"), f.account("dee").Text("surname"); ann != "Ray" || dee != "Lee" {
		f.t.Errorf("%s: ann and dee have the surnames %q and %q, want Ray and Lee", when, ann, dee)
	}
	if f.account("cid").AccountEnabled {
		f.t.Errorf("%s: cid is suspended and enabled", when)
	}
	if got, want := f.members("Sales"), []string{"ann"}; !slices.Equal(got, want) {
		f.t.Errorf("%s: the group %s has the members %v, want %v", when, sales, got, want)
	}
	if job.Status != store.JobFinished || job.Found != 4 || job.Repaired != 4 || job.Parked != 0 {
		f.t.Errorf("%s: the job is %s with %d found, %d repaired and %d parked (%s); want 4 found and repaired", when, job.Status, job.Found, job.Repaired, job.Parked, job.Message)
	}
	if open, err := f.Store.OpenJobs(f.t.Context(), 10); err != nil || len(open) != 0 {
		f.t.Errorf("%s: got the open jobs %v, %v; want none", when, open, err)
	}
}

// A resync that is cut into pieces of some seconds ends as one that is not.
func TestCutIntoPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, sales := changed(t)
		job := f.start()
		f.outside = func(*http.Request) error { time.Sleep(time.Second); return nil }
		end, _ := f.finish(job.ID, 20*time.Second)
		f.mustBeRepaired("cut into pieces", end, sales)
	})
}
