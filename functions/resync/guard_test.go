package resync_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/resync"
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

// A plan shows whom the guard would hold, and why, as the resync after it does: those who are too
// many, with those who lost access within the window. It begins no hold itself.
func TestAPlanShowsWhatTheGuardWouldHold(t *testing.T) {
	for name, c := range map[string]struct {
		most, before, held int
		why                string
	}{
		"too many":             {4, 0, 5, "5 people would lose access within 1h, and the guard of this directory lets 4 (maxCount): this would wait in a hold until somebody approves or rejects it"},
		"with those of before": {6, 2, 5, "7 people would lose access within 1h"},
		"few enough":           {7, 2, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, guarded(c.most))
				ids := f.hireMany(16)
				for _, id := range ids[7 : 7+c.before] {
					f.Must(f.JumpCloud.DeleteUser(string(id)))
				}
				f.resync()
				for _, id := range ids[:5] {
					f.Must(f.JumpCloud.DeleteUser(string(id)))
				}
				f.Must(f.JumpCloud.SuspendUser(string(ids[5])))
				f.Must(f.JumpCloud.UpdateUser(string(ids[6]), map[string]any{"lastname": "Moss"}))
				job, lines := f.plan()
				planned, held := apart(lines)
				for _, a := range held {
					if a.Type != plan.Deprovision || a.Reason != directory.Deleted || a.Hold.ID != "" || a.Hold.Reason != directory.HeldRemovals || !strings.HasPrefix(a.Hold.Message, c.why) || a.EntraID == "" {
						t.Errorf("got %+v of %+v, want that %s", a.Hold, a, c.why)
					}
				}
				if len(held) != c.held || job.Planned[string(plan.Held)] != c.held {
					t.Errorf("%d are held, and the job counts %v, want %d", len(held), job.Planned, c.held)
				}
				if file := f.files.File(resync.PlanFile(job.ID)); strings.Count(file, "deprovision,held,user,") != c.held || c.held > 0 && !strings.Contains(file, c.why) {
					t.Errorf("the file does not say that %d are held, and why:\n%s", c.held, file)
				}
				if open, err := f.Store.OpenHolds(t.Context(), f.directory.ID); err != nil || len(open) > 0 || f.metrics.Counts()["holds_begun"] != 0 {
					t.Errorf("after the plan %v are open, %v, want none", open, err)
				}
				f.sameAsPlanned(planned)
				if got := f.held(); len(got) != c.held {
					t.Errorf("%d wait after the resync, want the %d that were planned as held", len(got), c.held)
				}
			})
		})
	}
}

// Who waits in an open hold already, or would join it, is planned as held there, and after an
// approval as what is done.
func TestAPlanKnowsTheHoldsThatThereAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, guarded(1))
		ids := f.hireMany(6)
		for _, id := range ids[:3] {
			f.Must(f.JumpCloud.DeleteUser(string(id)))
		}
		f.resync()
		open, err := f.Store.OpenHolds(t.Context(), f.directory.ID)
		f.Must(err)
		hold := open[f.directory.ID][0]
		f.Must(f.JumpCloud.DeleteUser(string(ids[3])))
		expect := func(when string, planned, held int, hold, reason string) {
			t.Helper()
			_, lines := f.plan()
			done, waiting := apart(lines)
			disabled := 0
			for _, a := range done {
				if a.Type == plan.Deprovision {
					disabled++
				}
			}
			if disabled != planned || len(waiting) != held {
				t.Errorf("%s: %d are disabled and %d held, want %d and %d", when, disabled, len(waiting), planned, held)
			}
			for _, a := range waiting {
				if a.Hold.ID != hold || string(a.Hold.Reason) != reason || hold != "" && !strings.Contains(a.Hold.Message, hold) {
					t.Errorf("%s: got %+v, want the hold %q and %s", when, a.Hold, hold, reason)
				}
			}
		}
		expect("open", 0, 4, hold.ID, string(directory.HeldRemovals))
		if now, err := f.Store.Hold(t.Context(), f.directory.ID, hold.ID); err != nil || now.Count != 3 {
			t.Errorf("three waited before the plan, and %d do now: %v", now.Count, err)
		}
		_, err = f.Store.DecideHold(t.Context(), f.directory.ID, hold.ID, store.HoldApproved, func(h *store.Hold) { h.ExpiresAt = h.Since.AddDate(0, 0, 1) })
		f.Must(err)
		expect("approved", 3, 1, "", string(directory.HeldRemovals)) // the fourth was not in it
	})
}

// hireMany hires so many users.
func (f *fixture) hireMany(n int) []directory.UserID {
	f.t.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("user%02d", i)
	}
	return f.hire(names...)
}

// apart are the actions of a plan that would be done, and those that would wait.
func apart(lines []plan.Action) (planned, held []plan.Action) {
	for _, a := range lines {
		if a.Status == plan.Held {
			held = append(held, a)
		} else {
			planned = append(planned, a)
		}
	}
	return planned, held
}

// held is what waits in open holds.
func (f *fixture) held() (all []store.HeldItem) {
	f.t.Helper()
	open, err := f.Store.OpenHolds(context.Background(), f.directory.ID)
	f.Must(err)
	for _, h := range open[f.directory.ID] {
		page, err := f.Store.HeldItems(context.Background(), h.ID, 0, "")
		f.Must(err)
		all = append(all, page.Items...)
	}
	return all
}
