package users_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// A process died with an enabling under way, while the other lane disabled the account, and
// nobody worked on the user for a day: the sweep has ended the action by then, and what it
// wrote is still not known.
func TestWhatTheSweepEndedIsWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		f.must(f.jumpcloud.SuspendUser(string(ann)))
		f.work(ann)
		f.must(f.jumpcloud.ActivateUser(string(ann)))
		f.onRequest(1, func() {
			f.before = nil
			f.must(f.jumpcloud.SuspendUser(string(ann)))
			f.run(ann)
			f.after = func() { f.after = nil; panic("killed") }
		})
		func() {
			defer func() { _ = recover() }()
			f.run(ann)
		}()
		time.Sleep(25 * time.Hour)
		f.must(reconcile.Sweep{Store: f.store, Users: f, Groups: unread{}, Metrics: &metric.Memory{}}.Run(t.Context()))
		for _, a := range f.actions() {
			if a.Status == plan.Started {
				t.Errorf("never ended: %+v, want it ended by the sweep", a)
			}
		}
		if account := f.account("ann@contoso.example"); !account.AccountEnabled {
			t.Fatal("the account is disabled already: the test shows nothing")
		}
		f.work(ann)
		if account, link := f.account("ann@contoso.example"), f.link(ann); account.AccountEnabled || link.State != directory.Disabled || len(link.OpenActions) > 0 {
			t.Errorf("enabled %t, link %+v; want it disabled, and no open action", account.AccountEnabled, link)
		}
	})
}
