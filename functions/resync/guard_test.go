package resync_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
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

// Whoever was rejected is no case any more, also if they are very many: a resync disables the
// one whom it finds later.
func TestAResyncCountsNobodyWhoWasRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 2*store.MaxHeld + 10
		f := newFixture(t, guarded(many-1))
		var names []string
		for i := range many + 2 {
			names = append(names, fmt.Sprintf("user%03d", i))
		}
		ids := f.hire(names...)
		for _, id := range ids[:many] {
			f.Must(f.JumpCloud.SuspendUser(string(id)))
		}
		f.resync()
		open, err := f.Store.OpenHolds(t.Context(), f.directory.ID)
		f.Must(err)
		if len(open[f.directory.ID]) != 1 || open[f.directory.ID][0].Count != many {
			t.Fatalf("%+v are open, want one hold with all %d", open, many)
		}
		hold, err := f.Store.DecideHold(t.Context(), f.directory.ID, open[f.directory.ID][0].ID, store.HoldRejected, func(*store.Hold) {})
		f.Must(err)
		_, err = reconcile.HeldTasks{Store: f.Store, Users: &f.users, Groups: &f.groups}.Send(t.Context(), hold)
		f.Must(err)
		f.pump()
		f.Must(f.JumpCloud.SuspendUser(string(ids[many])))
		f.resync()
		if open, err = f.Store.OpenHolds(t.Context(), f.directory.ID); err != nil || len(open) > 0 || f.account(names[many]).AccountEnabled {
			t.Errorf("%+v are open (%v), want none, and the account of the last one disabled", open, err)
		}
		if !f.account(names[0]).AccountEnabled {
			t.Error("somebody who was rejected is disabled")
		}
	})
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
				if open, err := f.Store.OpenHolds(t.Context(), f.directory.ID); err != nil || len(open) > 0 || f.metrics.Counts()["holds_announced"] != 0 {
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
		for _, id := range ids[3:5] {
			f.Must(f.JumpCloud.DeleteUser(string(id)))
		}
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
		expect("open", 0, 5, hold.ID, string(directory.HeldRemovals))
		if now, err := f.Store.Hold(t.Context(), f.directory.ID, hold.ID); err != nil || now.Count != 3 {
			t.Errorf("three waited before the plan, and %d do now: %v", now.Count, err)
		}
		_, err = f.Store.DecideHold(t.Context(), f.directory.ID, hold.ID, store.HoldApproved, func(h *store.Hold) { h.ExpiresAt = h.Since.AddDate(0, 0, 1) })
		f.Must(err)
		expect("approved", 3, 2, "", string(directory.HeldRemovals)) // the last two were not in it
	})
}

// openHold is the one open hold of the directory and what is in it; none if there is none.
func (f *fixture) openHold() (hold store.Hold, items []store.HeldItem) {
	f.t.Helper()
	open, err := f.Store.OpenHolds(f.t.Context(), f.directory.ID)
	f.Must(err)
	holds := open[f.directory.ID]
	if len(holds) == 0 {
		return hold, nil
	}
	list, err := f.Store.HeldItems(f.t.Context(), holds[0].ID, 0, "")
	f.Must(err)
	if len(holds) > 1 || holds[0].Count != len(list.Items) {
		f.t.Errorf("%+v are open with %d in the first, want one that counts them", holds, len(list.Items))
	}
	return holds[0], list.Items
}

// approve approves a hold and works on its tasks.
func (f *fixture) approve(hold store.Hold) {
	f.t.Helper()
	decided, err := f.Store.DecideHold(f.t.Context(), f.directory.ID, hold.ID, store.HoldApproved, func(h *store.Hold) { h.ExpiresAt = time.Now().Add(time.Hour) })
	f.Must(err)
	_, err = reconcile.HeldTasks{Store: f.Store, Users: &f.users, Groups: &f.groups}.Send(f.t.Context(), decided)
	f.Must(err)
	f.pump()
}

// Accounts that somebody enabled in Entra again are announced together before the first of them
// is disabled: by a list of all accounts and by one of what changed.
func TestAResyncAnnouncesWhomSomebodyLetIn(t *testing.T) {
	for name, c := range map[string]struct {
		most, held int
		whole      bool
	}{"too many of all": {4, 5, true}, "too many of what changed": {4, 5, false}, "few enough": {5, 0, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, func(s *directory.Settings) { s.Guard.MaxCount = nil })
				names := []string{"ann", "bob", "cat", "dan", "eve", "fay", "gus"}
				ids := f.hire(names...)
				for _, id := range ids[:5] {
					f.Must(f.JumpCloud.SuspendUser(string(id)))
				}
				f.resync()
				f.directory = f.Settings(f.directory, guarded(c.most))
				time.Sleep(2 * time.Hour)
				if c.whole {
					f.Must(f.Store.ForgetChangesLink(t.Context(), f.directory.ID, store.TrackedAccounts))
				}
				for _, each := range names[:5] {
					f.byHand(each, map[string]any{"accountEnabled": true})
				}
				f.byHand(names[5], map[string]any{"surname": "Hand"})
				job, _ := f.resync()
				open := 0
				for _, each := range names[:5] {
					if f.account(each).AccountEnabled {
						open++
					}
				}
				hold, items := f.openHold()
				if open != c.held || len(items) != c.held || job.Found != 6 || job.Parked != c.held || job.Repaired != 6-c.held || f.account(names[5]).Text("surname") != "Lee" {
					t.Errorf("%d accounts are open, %d wait and the job is %+v; want %d that wait, and the changed one repaired", open, len(items), job, c.held)
				}
				if c.held == 0 {
					return
				}
				if hold.Kind != plan.Suspensions || hold.Cause.Type != reconcile.ResyncCause || items[0].Reason != directory.SuspendedReason {
					t.Errorf("in %+v waits %+v, want suspensions by the resync", hold, items[0])
				}
				if again, _ := f.resync(); again.Rechecked != c.held {
					t.Errorf("the next resync is %+v, want the five to wait", again)
				}
				f.approve(hold)
				for _, each := range names[:5] {
					if f.account(each).AccountEnabled {
						t.Errorf("after the approval the account of %s is open", each)
					}
				}
			})
		})
	}
}

// Whoever was made a member by hand of groups that are to have exactly their members is
// announced with those of all groups before the first is taken out.
func TestAResyncAnnouncesWhomSomebodyMadeMembers(t *testing.T) {
	for name, c := range map[string]struct {
		most, held int
		whole      bool
	}{"too many of all": {5, 6, true}, "too many of what changed": {5, 6, false}, "few enough": {6, 0, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, func(s *directory.Settings) { s.Guard.MaxCount, s.ExactMembership = nil, true })
				ids := f.hire("ann", "bob", "cat")
				f.directory = f.Settings(f.directory, guarded(c.most))
				var strangers []string
				for i := range 6 {
					stranger, err := f.Tenant.AddUser(entratest.User{UserPrincipalName: fmt.Sprintf("stranger%d@contoso.example", i), AccountEnabled: true})
					f.Must(err)
					strangers = append(strangers, stranger.ID)
				}
				for i, group := range []string{"Sales", "Ops", "Board"} {
					f.connectGroup(group, ids[i])
				}
				f.resync()
				time.Sleep(2 * time.Hour)
				if c.whole {
					f.Must(f.Store.ForgetChangesLink(t.Context(), f.directory.ID, store.TrackedGroups))
				}
				for i, group := range []string{"Sales", "Ops", "Board"} {
					for _, id := range strangers[2*i : 2*i+2] {
						_, err := f.Tenant.AddMember(f.Tenant.GroupsNamed(group)[0].ID, id)
						f.Must(err)
					}
				}
				// One of us was made a member by hand, too, who has an account that is open.
				_, err := f.Tenant.AddMember(f.Tenant.GroupsNamed("Sales")[0].ID, string(f.link(ids[1]).EntraID))
				f.Must(err)
				if c.held > 0 {
					c.held++
				} else {
					f.directory = f.Settings(f.directory, guarded(c.most+1))
				}
				job, _ := f.resync()
				hold, items := f.openHold()
				if in := len(f.members("Sales")) + len(f.members("Ops")) + len(f.members("Board")); in != 3+c.held || len(items) != c.held || job.Found != 3 {
					t.Errorf("%d are in the groups, %d wait and the job is %+v; want %d that wait", in, len(items), job, c.held)
				}
				if c.held == 0 {
					return
				}
				if !slices.ContainsFunc(items, func(i store.HeldItem) bool {
					return i.User == ids[1] && i.GroupName == "Sales" && i.Name == "bob@contoso.example"
				}) {
					t.Errorf("%+v wait, want bob, who would be taken out of Sales, among them", items)
				}
				f.approve(hold)
				if in := len(f.members("Sales")) + len(f.members("Ops")) + len(f.members("Board")); in != 3 {
					t.Errorf("after the approval %d are in the groups, want three", in)
				}
			})
		})
	}
}

// A resync that is given up before it announced anybody leaves that to the next one, although
// Entra names what changed only once.
func TestAResyncThatIsGivenUpForgetsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, guarded(5))
		ids := f.hire("ann", "bob")
		f.Must(f.JumpCloud.SuspendUser(string(ids[0])))
		f.resync()
		time.Sleep(2 * time.Hour)
		f.byHand("ann", map[string]any{"accountEnabled": true})
		f.outside = func(r *http.Request) error {
			if r.URL.Host == functiontest.JumpCloudHost {
				return errors.New("JumpCloud is not there")
			}
			return nil
		}
		if job, _ := f.resync(); job.Status != store.JobFailed {
			t.Fatalf("the resync is %+v, want it given up", job)
		}
		f.outside = nil
		f.resync()
		if f.account("ann").AccountEnabled {
			t.Error("the account is open, want it found by the next resync")
		}
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
