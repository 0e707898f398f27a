package resync_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// guarded is the guard of a directory.
func guarded(count int) func(*directory.Settings) {
	return func(s *directory.Settings) {
		s.Guard = directory.Guard{MaxCount: &count, MaxPercent: 100, Minimum: 0, Window: "1h"}
	}
}

// A resync that finds that too many are to lose access announces all of them before the first
// does. What else it finds is repaired, and the two kinds are apart.
func TestAResyncAnnouncesWhoIsToLoseAccess(t *testing.T) {
	for name, c := range map[string]struct {
		most, disabled, held int
	}{"too many": {4, 1, 5}, "few enough": {5, 6, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, guarded(c.most))
				var names []string
				for i := range 12 {
					names = append(names, fmt.Sprintf("user%02d", i))
				}
				ids := f.hire(names...)
				for _, id := range ids[:5] { // no event comes
					f.Must(f.JumpCloud.DeleteUser(string(id)))
				}
				f.Must(f.JumpCloud.SuspendUser(string(ids[5])))
				f.Must(f.JumpCloud.UpdateUser(string(ids[6]), map[string]any{"lastname": "Moss"}))
				job, _ := f.resync()
				disabled := 0
				for _, each := range names {
					if !f.account(each).AccountEnabled {
						disabled++
					}
				}
				if disabled != c.disabled || f.account(names[5]).AccountEnabled || f.account(names[6]).Text("surname") != "Moss" {
					t.Errorf("%d accounts are disabled, want %d with the suspended one, and the changed one written", disabled, c.disabled)
				}
				if job.Found != 7 || job.Parked != c.held || job.Repaired != 7-c.held {
					t.Errorf("the job is %+v, want 7 found, %d parked and the others repaired", job, c.held)
				}
				open, err := f.Store.OpenHolds(t.Context(), f.directory.ID)
				f.Must(err)
				if c.held == 0 {
					if len(open) > 0 {
						t.Errorf("%+v are open, want none", open)
					}
					return
				}
				hold := open[f.directory.ID][0]
				items, err := f.Store.HeldItems(t.Context(), hold.ID, 0, "")
				f.Must(err)
				if len(items.Items) != 5 || hold.Count != 5 || hold.Kind != plan.Removals || hold.Cause.Type != "resync" || items.Items[0].Reason != directory.Deleted {
					t.Errorf("in the hold %+v wait %+v, want the five deleted ones", hold, items.Items)
				}
				decided, err := f.Store.DecideHold(t.Context(), f.directory.ID, hold.ID, store.HoldApproved, func(h *store.Hold) { h.ExpiresAt = h.Since.AddDate(0, 0, 1) })
				f.Must(err)
				_, err = reconcile.HeldTasks{Store: f.Store, Users: &f.users, Groups: &f.groups}.Send(t.Context(), decided)
				f.Must(err)
				f.pump()
				for i, each := range names[:5] {
					if f.account(each).AccountEnabled {
						t.Errorf("after the approval the account of %s is open: %+v", each, f.link(ids[i]))
					}
				}
			})
		})
	}
}

// A plan shows all whom a resync would take access from: it asks no guard, and begins no hold.
func TestAPlanAsksNoGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, guarded(1))
		for _, id := range f.hire("ann", "bob", "cat") {
			f.Must(f.JumpCloud.SuspendUser(string(id)))
		}
		_, lines := f.plan()
		disabled := 0
		for _, a := range lines {
			if a.Type == plan.Deprovision {
				disabled++
			}
		}
		open, err := f.Store.OpenHolds(t.Context(), f.directory.ID)
		f.Must(err)
		if disabled != 3 || len(open) > 0 || f.metrics.Counts()["holds_begun"] != 0 {
			t.Errorf("the plan disables %d and %+v are open, want three and none", disabled, open)
		}
	})
}
