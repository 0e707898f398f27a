package users_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// guarded sets the guard of the directory.
func (f *fixture) guarded(count, percent, minimum int) {
	f.t.Helper()
	f.settings(func(s *directory.Settings) {
		s.Guard = directory.Guard{MaxCount: &count, MaxPercent: percent, Minimum: minimum, Window: "1h"}
	})
}

// people connects so many and brings them up to date.
func (f *fixture) people(n int) []directory.UserID {
	f.t.Helper()
	var ids []directory.UserID
	for i := range n {
		ids = append(ids, f.person(fmt.Sprintf("p%03d", i)))
	}
	for some := range slices.Chunk(ids, 10) {
		f.run(some...)
	}
	f.again = nil
	return ids
}

// suspend suspends users in JumpCloud.
func (f *fixture) suspend(ids ...directory.UserID) {
	f.t.Helper()
	for _, id := range ids {
		f.must(f.jumpcloud.SuspendUser(string(id)))
	}
}

// leave disconnects users and handles their tasks, one after the other.
func (f *fixture) leave(ids ...directory.UserID) {
	f.t.Helper()
	for _, id := range ids {
		f.disconnect(id)
		f.run(id)
	}
}

// disabled are those of some users whose accounts are disabled in Entra.
func (f *fixture) disabled(ids ...directory.UserID) (disabled []directory.UserID) {
	f.t.Helper()
	for _, id := range ids {
		if !f.account(string(f.link(id).UPN)).AccountEnabled {
			disabled = append(disabled, id)
		}
	}
	return disabled
}

// wantDisabled checks that of all some users exactly these accounts are disabled.
func (f *fixture) wantDisabled(all []directory.UserID, want ...directory.UserID) {
	f.t.Helper()
	if got := f.disabled(all...); !slices.Equal(got, want) {
		f.t.Errorf("the accounts of %v are disabled, want those of %v", got, want)
	}
}

// holds are the holds of the directory with a status, the newest first.
func (f *fixture) holds(status store.HoldStatus) []store.Hold {
	f.t.Helper()
	list, err := f.store.Holds(context.Background(), f.directory.ID, status, 0, "")
	f.must(err)
	return list.Items
}

// hold is the one open hold.
func (f *fixture) hold() store.Hold {
	f.t.Helper()
	open := f.holds(store.HoldOpen)
	if len(open) != 1 {
		f.t.Fatalf("%d holds are open, want 1: %+v", len(open), open)
	}
	return open[0]
}

// held are who is in a hold.
func (f *fixture) held(hold store.Hold) (ids []directory.UserID) {
	f.t.Helper()
	list, err := f.store.HeldItems(context.Background(), hold.ID, 0, "")
	f.must(err)
	for _, item := range list.Items {
		ids = append(ids, item.User)
	}
	return ids
}

// decide decides a hold and handles the tasks for what is in it.
func (f *fixture) decide(hold store.Hold, status store.HoldStatus, valid time.Duration) {
	f.t.Helper()
	_, err := f.store.DecideHold(context.Background(), f.directory.ID, hold.ID, status, func(h *store.Hold) {
		h.By, h.Note, h.ExpiresAt = "Ada", "it was said so", time.Now().UTC().Add(valid)
	})
	f.must(err)
	f.run(f.held(hold)...)
}

// A hold begins with the next person who would lose access and is one too many. The others
// keep their accounts open, and their links say why and what to do.
func TestTheGuardHoldsWhatIsTooMuch(t *testing.T) {
	f := newFixture(t)
	f.guarded(4, 100, 2)
	all := f.people(12)
	f.leave(all[:7]...)
	f.wantDisabled(all, all[:4]...)
	hold := f.hold()
	if got, want := f.held(hold), all[4:7]; !slices.Equal(got, want) || hold.Count != 3 || hold.Kind != plan.Removals {
		t.Errorf("%v wait (%d) in a hold on %s, want %v in one on removals", got, hold.Count, hold.Kind, want)
	}
	for _, id := range all[4:7] {
		link := f.link(id)
		if link.Status != directory.Held || link.Reason != directory.HeldRemovals || link.State != directory.Enabled || link.Hold != hold.ID || link.Freed {
			t.Errorf("the link is %+v, want it held for the guard with an open account", link)
		}
		for _, says := range []string{"5 people would lose access within 1h", "lets 4 (maxCount)", hold.ID, "approve"} {
			if !strings.Contains(link.Message, says) {
				t.Errorf("the message %q does not say %q", link.Message, says)
			}
		}
	}
	if got := f.metrics.Counts()[metric.Key("held", "kind", "removals")]; got != 3 {
		t.Errorf("%d are counted as held, want 3", got)
	}
	// The next attempt of any of them changes nothing, and the one who comes back is not in
	// the hold any more.
	f.run(all[4], all[5])
	f.connect(all[6])
	f.run(all[6])
	f.wantDisabled(all, all[:4]...)
	if got, want := f.held(f.hold()), all[4:6]; !slices.Equal(got, want) || f.hold().Count != 2 {
		t.Errorf("%v wait, counted as %d, want %v", got, f.hold().Count, want)
	}
	if link := f.link(all[6]); link.Status != directory.Synced || link.Hold != "" {
		t.Errorf("the link of who is back is %+v, want it synced", link)
	}
	// When nobody is left the hold is over by itself.
	for _, id := range all[4:6] {
		f.connect(id)
		f.run(id)
	}
	if over := f.holds(store.HoldOver); len(over) != 1 || len(f.holds(store.HoldOpen)) != 0 {
		t.Errorf("the holds that are over are %+v, want the one", over)
	}
	// Those who lost access within the hour still count: the next one begins another hold.
	f.leave(all[8])
	if next := f.hold(); next.ID == hold.ID {
		t.Error("the next leaver joined the hold that is over, want another one")
	}
}

// The share is of the linked users, and the minimum always may leave.
func TestTheGuardKnowsTheSizeOfTheDirectory(t *testing.T) {
	for n, last := range map[int]int{1: 1, 4: 3, 12: 3, 31: 3, 40: 4, 55: 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			f := newFixture(t)
			f.settings(func(s *directory.Settings) { s.Guard = directory.DefaultGuard() })
			all := f.people(n)
			f.leave(all[:min(n, last+2)]...)
			f.wantDisabled(all, all[:last]...)
			if last < n && !strings.Contains(f.hold().Message, fmt.Sprintf("of %d linked users within 1h, and the guard of this directory lets 10 %% (maxPercent)", n)) {
				t.Errorf("the hold says %q, want the number of linked users, %d", f.hold().Message, n)
			}
		})
	}
}

// A hold on removals holds no suspension, and the reverse: also of somebody who is held as a
// leaver and is then suspended.
func TestASuspensionNeverWaitsForAHoldOnRemovals(t *testing.T) {
	f := newFixture(t)
	f.guarded(2, 100, 0)
	f.settings(func(s *directory.Settings) { s.SuspendOnLockout = true })
	all := f.people(10)
	f.leave(all[:4]...)
	f.wantDisabled(all, all[:2]...)
	f.suspend(all[9])
	f.run(all[9])
	f.must(f.jumpcloud.LockUser(string(all[3])))
	f.run(all[3])
	f.wantDisabled(all, all[0], all[1], all[3], all[9])
	if got, want := f.held(f.hold()), all[2:3]; !slices.Equal(got, want) {
		t.Errorf("%v wait, want %v", got, want)
	}
	if link := f.link(all[3]); link.Status != directory.Released || link.Hold != "" {
		t.Errorf("the link of the locked one is %+v, want it released", link)
	}
	// A third suspension is one too many, and then a leaver of those does not wait for it.
	f.suspend(all[8])
	f.run(all[8])
	if link := f.link(all[8]); link.Status != directory.Held || link.Reason != directory.HeldSuspensions {
		t.Errorf("the link is %+v, want it held among the suspensions", link)
	}
	removals := f.holds(store.HoldOpen)
	slices.SortFunc(removals, func(a, b store.Hold) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	if len(removals) != 2 || removals[0].Kind != plan.Removals || removals[1].Kind != plan.Suspensions {
		t.Fatalf("the open holds are %+v, want one of each kind", removals)
	}
	f.decide(removals[0], store.HoldApproved, time.Hour)
	f.wantDisabled(all, all[0], all[1], all[2], all[3], all[9])
	if got := f.hold().Kind; got != plan.Suspensions {
		t.Errorf("a hold on %s is open, want the one on suspensions to be", got)
	}
}

// An approval lets exactly those through who were in the hold, until it expires, and they do
// not count. What nobody asks for any more is dropped.
func TestAnApprovalLetsExactlyThatSetThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(2, 100, 0)
		all := f.people(10)
		f.leave(all[:5]...)
		hold := f.hold()
		f.connect(all[4]) // and its event is late
		f.decide(hold, store.HoldApproved, time.Hour)
		f.wantDisabled(all, all[:4]...)
		if left := f.held(hold); len(left) > 0 {
			t.Errorf("%v are left in the hold, want nobody", left)
		}
		if link := f.link(all[3]); link.Status != directory.Released || link.Hold != "" {
			t.Errorf("the link of who was approved is %+v, want it released", link)
		}
		// Who comes back and leaves again is a new case.
		f.connect(all[3])
		f.run(all[3])
		f.leave(all[3], all[5])
		f.wantDisabled(all, all[:3]...)
		second := f.hold()
		if got, want := f.held(second), []directory.UserID{all[3], all[5]}; !slices.Equal(got, want) || second.ID == hold.ID {
			t.Errorf("%v wait in %s, want %v in another hold than %s", got, second.ID, want, hold.ID)
		}
		// An approval that has expired lets nobody through: those still wait.
		_, err := f.store.DecideHold(t.Context(), f.directory.ID, second.ID, store.HoldApproved, func(h *store.Hold) {
			h.By, h.ExpiresAt = "Ada", time.Now().Add(10*time.Minute)
		})
		f.must(err)
		time.Sleep(11 * time.Minute)
		f.run(all[3], all[5])
		if third := f.hold(); third.ID == second.ID || len(f.held(third)) != 2 {
			t.Errorf("%v wait in %s, want both in another hold than %s", f.held(third), third.ID, second.ID)
		}
		// After the window they would be no more too many, but the hold is open.
		time.Sleep(2 * time.Hour)
		f.run(all[3])
		f.wantDisabled(all, all[:3]...)
	})
}

// A rejection leaves the accounts as they are, and the same wish is not asked again until its
// cause changes.
func TestARejectionIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(2, 100, 0)
		all := f.people(10)
		f.leave(all[:6]...)
		hold := f.hold()
		f.decide(hold, store.HoldRejected, 0)
		f.wantDisabled(all, all[:2]...)
		link := f.link(all[2])
		if link.Status != directory.Held || link.Reason != directory.HoldRejected || !strings.Contains(link.Message, "Ada rejected the hold "+hold.ID) {
			t.Errorf("the link is %+v, want it held because Ada rejected that", link)
		}
		time.Sleep(2 * time.Hour)
		f.run(all[2:6]...)
		f.wantDisabled(all, all[:2]...)
		if open := f.holds(store.HoldOpen); len(open) > 0 {
			t.Errorf("the holds %+v are open, want the same wish not to be asked again", open)
		}
		// Back, and gone again: the cause has changed.
		f.connect(all[2])
		f.run(all[2])
		f.leave(all[2])
		// Deleted, suspended: other reasons.
		f.must(f.jumpcloud.DeleteUser(string(all[3])))
		f.run(all[3])
		f.suspend(all[4])
		f.run(all[4])
		f.wantDisabled(all, all[0], all[1], all[2], all[3], all[4])
		if link := f.link(all[5]); link.Reason != directory.HoldRejected {
			t.Errorf("the link of the last one is %+v, want it as it was rejected", link)
		}
	})
}

// A rejection holds for as long as its cause does, however long that is: nobody is disabled, and
// nobody is asked again.
func TestARejectionIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(2, 100, 0)
		all := f.people(10)
		f.leave(all[:6]...)
		f.decide(f.hold(), store.HoldRejected, 0)
		for range 3 {
			time.Sleep(361 * 24 * time.Hour)
			f.run(all...)
			f.wantDisabled(all, all[:2]...)
			if open, rejected := f.holds(store.HoldOpen), f.holds(store.HoldRejected); len(open) > 0 || len(rejected) != 1 {
				t.Errorf("%d holds are open and %d are shown as rejected, want none and the one", len(open), len(rejected))
			}
		}
	})
}

// Two workers that trip at the same moment make one hold.
func TestTwoWorkersMakeOneHold(t *testing.T) {
	for range 5 {
		f := newFixture(t)
		f.guarded(3, 100, 0)
		all := f.people(40)
		for _, id := range all {
			f.disconnect(id)
		}
		var working sync.WaitGroup
		var batches [][]directory.UserID
		for some := range slices.Chunk(all, 5) {
			batches = append(batches, some)
		}
		messages := make([]func(), len(batches))
		for i, some := range batches {
			batch := f.batch(some...)
			messages[i] = func() {
				for range 20 { // a worker that was overtaken gets the message again
					response, err := f.handler.Handle(context.Background(), batch)
					if err != nil || len(response.BatchItemFailures) == 0 {
						return
					}
				}
			}
		}
		for _, handle := range messages {
			working.Go(handle)
		}
		working.Wait()
		if got := len(f.disabled(all...)); got != 3 {
			t.Errorf("%d accounts are disabled, want 3", got)
		}
		if hold := f.hold(); hold.Count != 37 || len(f.held(hold)) != 37 {
			t.Errorf("%d wait, counted as %d, want 37", len(f.held(hold)), hold.Count)
		}
	}
}

// A guard that is turned off holds nobody, also those who waited.
func TestAGuardThatIsTurnedOff(t *testing.T) {
	f := newFixture(t)
	f.guarded(0, 100, 0)
	all := f.people(6)
	f.leave(all[:3]...)
	f.wantDisabled(all)
	f.settings(func(s *directory.Settings) { s.Guard.MaxCount = nil })
	f.run(all[:3]...)
	f.leave(all[3:5]...)
	f.wantDisabled(all, all[:5]...)
	if over := f.holds(store.HoldOver); len(over) != 1 {
		t.Errorf("%d holds are over, want the one", len(over))
	}
}

// An open account of a suspended user that is only to be taken over is not touched while the
// suspension is held, and attributes of a user who is held are still written.
func TestWhatGoesOnWhileSomebodyIsHeld(t *testing.T) {
	f := newFixture(t)
	f.guarded(0, 100, 0)
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "found@contoso.example", DisplayName: "Found", AccountEnabled: true})
	f.must(err)
	found := f.unconnected("found", "found@contoso.example")
	ann := f.person("ann")
	f.run(ann)
	f.suspend(found, ann)
	f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
	f.connect(found)
	f.run(found, ann)
	if account := f.account("found@contoso.example"); !account.AccountEnabled || account.Text("onPremisesImmutableId") != "" || account.DisplayName != "Found" {
		t.Errorf("the found account is %+v, want it untouched", account)
	}
	if account := f.account("ann@contoso.example"); !account.AccountEnabled || account.Text("surname") != "Moss" {
		t.Errorf("ann's account is %+v, want it open and with her new name", account)
	}
	f.decide(f.hold(), store.HoldApproved, time.Hour)
	f.wantDisabled([]directory.UserID{found, ann}, found, ann)
	if link := f.link(found); link.Status != directory.Synced || link.TakingOver {
		t.Errorf("the link is %+v, want the account taken over", link)
	}
}

// The process dies at any of its calls while the guard is asked: nobody more is disabled than
// the guard lets, and who was counted once is let through by the next attempt.
func TestTheProcessDiesWhileTheGuardIsAsked(t *testing.T) {
	for name, approves := range map[string]bool{"before the approval": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			for n, died := 1, true; died; n++ {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					f.guarded(1, 100, 0)
					all := f.people(3)
					for _, id := range all {
						f.disconnect(id)
					}
					want := all[:1]
					if approves {
						f.run(all...)
						_, err := f.store.DecideHold(t.Context(), f.directory.ID, f.hold().ID, store.HoldApproved, func(h *store.Hold) { h.ExpiresAt = time.Now().Add(time.Hour) })
						f.must(err)
						want = all
					}
					died = f.dies(n, f.batch(all...).Records...)
					f.again = nil
					time.Sleep(3 * time.Minute)
					for range 3 {
						f.run(all...)
						time.Sleep(3 * time.Minute)
					}
					if got := f.disabled(all...); len(got) != len(want) {
						t.Errorf("call %d: the accounts of %v are disabled, want %d", n, got, len(want))
					}
					if !approves {
						if hold := f.hold(); hold.Count != 2 || len(f.held(hold)) != 2 {
							t.Errorf("call %d: %v wait, counted as %d, want two", n, f.held(hold), hold.Count)
						}
						return
					}
					if open := f.holds(store.HoldOpen); len(open) > 0 {
						t.Errorf("call %d: %+v are open, want none after the approval", n, open)
					}
					for _, id := range all {
						if link := f.link(id); link.Status != directory.Released || link.Hold != "" {
							t.Errorf("call %d: the link is %+v, want it released", n, link)
						}
					}
					for _, hold := range f.holds("") {
						if left := f.held(hold); len(left) > 0 {
							t.Errorf("call %d: %v are left in the hold, want nobody", n, left)
						}
					}
				})
			}
		})
	}
}

// The process of the API dies at any of its calls while it approves: the decision is kept
// whole or not at all, and once it is, the sweep sends what that process did not.
func TestTheProcessDiesWhileItApproves(t *testing.T) {
	for n, died := 1, true; died; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.guarded(0, 100, 0)
			all := f.people(3)
			f.leave(all...)
			f.suspend(all[2]) // who waits in a hold of the other kind, too
			f.run(all[2])
			holds := f.holds(store.HoldOpen)
			f.again = nil
			m := functiontest.NewMortal(n)
			approve := func(records *store.Store, users queue.Sender, hold store.Hold) error {
				decided, err := records.DecideHold(t.Context(), f.directory.ID, hold.ID, store.HoldApproved, func(h *store.Hold) { h.ExpiresAt = time.Now().Add(24 * time.Hour) })
				if err != nil || decided.Passes == 0 {
					return err
				}
				_, err = reconcile.HeldTasks{Store: records, Users: users, Groups: unread{}}.Send(t.Context(), decided)
				return err
			}
			for _, hold := range holds {
				_ = approve(store.New(m.Table(f.Table)), m.Sender(f), hold) // it may be dead
			}
			died = m.Died() != ""
			for _, hold := range f.holds(store.HoldOpen) { // the administrator asks again
				f.must(approve(f.store, f, hold))
			}
			for range 3 {
				time.Sleep(11 * time.Minute)
				f.must(reconcile.Sweep{Store: f.store, Users: f, Groups: unread{}, Metrics: &metric.Memory{}}.Run(t.Context()))
				f.drain()
			}
			f.wantDisabled(all, all...)
			for _, hold := range f.holds("") {
				if left := f.held(hold); hold.Status == store.HoldOpen || hold.Passes > 0 || len(left) > 0 {
					t.Errorf("died at %q: the hold is %+v with %v in it, want it decided and done", m.Died(), hold, left)
				}
			}
		})
	}
}

// Settings that suspend many are no surprise of each: all are found first, and the hold has all.
func TestSettingsThatSuspendManyAreHeldFromTheFirst(t *testing.T) {
	for name, c := range map[string]struct{ locked, disabled int }{"too many": {6, 0}, "few enough": {4, 4}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.guarded(4, 100, 0)
				all := f.people(8)
				for _, id := range all[:c.locked] {
					f.must(f.jumpcloud.LockUser(string(id)))
				}
				f.run(all...)
				f.wantDisabled(all)
				f.again = nil
				f.settings(func(s *directory.Settings) { s.SuspendOnLockout = true })
				for _, id := range all {
					f.must(reconcile.Enqueue(t.Context(), f, reconcile.Task{Directory: f.directory.ID, User: id, Cause: plan.Cause{Type: reconcile.SettingsCause, At: time.Now(), Many: true}}))
				}
				f.drainOnce()
				f.wantDisabled(all)
				if link := f.link(all[0]); link.Status != directory.Pending || link.Reason != directory.Locked || link.NextTryAt.IsZero() {
					t.Errorf("the link is %+v, want it pending for some minutes", link)
				}
				time.Sleep(3 * time.Minute)
				f.drainOnce()
				f.wantDisabled(all, all[:c.disabled]...)
				if c.disabled == 0 {
					if got, want := f.held(f.hold()), all[:6]; !slices.Equal(got, want) {
						t.Errorf("%v wait, want %v", got, want)
					}
				}
				// An event acts at once.
				if c.disabled == 0 {
					f.decide(f.hold(), store.HoldApproved, time.Hour)
				}
				f.must(f.jumpcloud.LockUser(string(all[7])))
				f.run(all[7])
				if got := len(f.disabled(all...)); got != c.locked+1 && c.locked == 6 {
					t.Errorf("%d are disabled, want all who are locked", got)
				}
			})
		})
	}
}

// The end of an exclusion has everybody disabled who was suspended, or disconnected, meanwhile:
// they are found first as well, each kind with its own.
func TestTheEndOfAnExclusionIsHeldFromTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(4, 100, 0)
		all := f.people(11)
		f.settings(func(s *directory.Settings) {
			s.Exclude.Users = all
		})
		f.run(all...)
		f.suspend(all[:5]...)
		for _, id := range all[5:10] {
			f.disconnect(id)
		}
		f.run(all...)
		f.again = nil
		f.settings(func(s *directory.Settings) { s.Exclude = directory.Exclude{} })
		for _, id := range all {
			f.must(reconcile.Enqueue(t.Context(), f, reconcile.Task{Directory: f.directory.ID, User: id, Cause: plan.Cause{Type: reconcile.SettingsCause, At: time.Now()}}))
		}
		f.drainOnce()
		time.Sleep(3 * time.Minute)
		f.drainOnce()
		f.wantDisabled(all)
		open := f.holds(store.HoldOpen)
		if len(open) != 2 || open[0].Count != 5 || open[1].Count != 5 || open[0].Kind == open[1].Kind {
			t.Errorf("%+v are open, want a hold of each kind with all five", open)
		}
	})
}

// A hold is announced when it begins, and again with each growth of which the guard would not let
// so many through.
func TestTheGrowthOfAHoldIsAnnounced(t *testing.T) {
	f := newFixture(t)
	f.guarded(3, 100, 0)
	all := f.people(16)
	leavers := 0
	for _, c := range []struct{ leave, want int }{{3, 0}, {1, 1}, {3, 1}, {1, 2}, {3, 2}, {1, 3}, {3, 3}} {
		f.leave(all[leavers : leavers+c.leave]...)
		leavers += c.leave
		if got := f.metrics.Counts()["holds_announced"]; got != c.want {
			t.Errorf("after %d leavers there were %d announcements, want %d", leavers, got, c.want)
		}
	}
	if hold := f.hold(); hold.Joined != 12 || hold.Count != 12 {
		t.Errorf("%d have joined, of whom %d wait; want 12", hold.Joined, hold.Count)
	}
	f.connect(all[4])
	f.run(all[4])
	if hold := f.hold(); hold.Joined != 12 || hold.Count != 11 {
		t.Errorf("%d have joined, of whom %d wait; want 12, and one less to wait", hold.Joined, hold.Count)
	}
}

// However the process dies that begins a hold, the hold is announced.
func TestADeathHidesNoHold(t *testing.T) {
	for n, died := 1, true; died; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.guarded(0, 100, 0)
			all := f.people(1)
			f.disconnect(all[0])
			died = f.diesAt(n, f.batch(all...).Records...)
			if len(f.holds(store.HoldOpen)) == 0 {
				return
			}
			for range 2 {
				time.Sleep(6 * time.Minute)
				f.must(reconcile.Sweep{Store: f.store, Users: f, Groups: unread{}, Metrics: f.metrics}.Run(t.Context()))
			}
			if got := f.metrics.Counts()["holds_announced"]; got != 1 && got != 2 {
				t.Errorf("moment %d: %d announcements, want one, or one more after a death", n, got)
			}
		})
	}
}

// A new password ends the sessions also of somebody who is held, or whose hold was rejected: the
// account is open.
func TestANewPasswordEndsTheSessionsOfWhoIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(0, 100, 0)
		f.settings(func(s *directory.Settings) { s.RevokeSessionsOnPasswordChange = true })
		ann := f.people(1)[0]
		changed := func(password string, want int) {
			t.Helper()
			time.Sleep(time.Hour)
			f.must(f.jumpcloud.SetPassword(string(ann), password))
			f.runForPassword(ann, time.Now())
			f.run(ann)
			ended := 0
			for _, a := range f.actions() {
				if a.Type == plan.EndSessions && a.Reason == directory.PasswordChanged && a.Status == plan.Succeeded {
					ended++
				}
			}
			if ended != want {
				t.Errorf("after %s the sessions were ended %d times, want %d", password, ended, want)
			}
		}
		changed("Correct-Horse-1", 1)
		f.suspend(ann)
		f.run(ann)
		changed("Correct-Horse-2", 2)
		f.decide(f.hold(), store.HoldRejected, 0)
		changed("Correct-Horse-3", 3)
		if link := f.link(ann); link.State != directory.Enabled || link.Reason != directory.HoldRejected {
			t.Errorf("the link is %+v, want the account open because the hold was rejected", link)
		}
	})
}

// A setting that is taken back leaves nothing behind: whom it would have suspended does not
// count when it is made again, if JumpCloud has no reason any more.
func TestSettingsThatAreTakenBackCountNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(5, 100, 0)
		all := f.people(12)
		for _, id := range all {
			f.must(f.jumpcloud.LockUser(string(id)))
		}
		for some := range slices.Chunk(all, 10) {
			f.run(some...)
		}
		f.again = nil
		set := func(on bool) {
			f.settings(func(s *directory.Settings) { s.SuspendOnLockout = on })
			for _, id := range all {
				f.must(reconcile.Enqueue(t.Context(), f, reconcile.Task{Directory: f.directory.ID, User: id, Cause: plan.Cause{Type: reconcile.SettingsCause, At: time.Now(), Many: true}}))
			}
			f.drainOnce()
		}
		set(true)
		time.Sleep(30 * time.Second)
		set(false)
		for _, id := range all[2:] {
			f.must(f.jumpcloud.UnlockUser(string(id)))
		}
		time.Sleep(time.Minute)
		set(true)
		time.Sleep(3 * time.Minute)
		f.drainOnce()
		f.wantDisabled(all, all[:2]...)
		if open := f.holds(store.HoldOpen); len(open) > 0 {
			t.Errorf("the holds %+v are open, want none for two people", open)
		}
	})
}

// What cannot be decided twice is refused.
func TestAHoldIsDecidedOnce(t *testing.T) {
	f := newFixture(t)
	f.guarded(0, 100, 0)
	f.leave(f.people(1)...)
	hold := f.hold()
	f.decide(hold, store.HoldApproved, time.Hour)
	again, err := f.store.DecideHold(t.Context(), f.directory.ID, hold.ID, store.HoldApproved, func(h *store.Hold) { h.By = "Bob" })
	if err != nil || again.By != "Ada" {
		t.Errorf("a second approval answers %+v, %v; want the first one", again, err)
	}
	_, err = f.store.DecideHold(t.Context(), f.directory.ID, hold.ID, store.HoldRejected, func(*store.Hold) {})
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("a rejection after the approval is %v, want a conflict", err)
	}
}

// batch is one task for each user, in one batch.
func (f *fixture) batch(ids ...directory.UserID) (batch events.SQSEvent) {
	f.t.Helper()
	for _, id := range ids {
		batch.Records = append(batch.Records, f.message(id, 1))
	}
	return batch
}

// Nobody who is excluded waits in a hold: nothing is written to the account any more, so there
// is nothing to decide.
func TestWhoIsExcludedWaitsInNoHold(t *testing.T) {
	f := newFixture(t)
	f.guarded(0, 100, 0)
	all := f.people(3)
	f.leave(all[0])
	f.suspend(all[1])
	f.run(all[1])
	if open := f.holds(store.HoldOpen); len(open) != 2 {
		t.Fatalf("%d holds are open, want one of each kind", len(open))
	}
	f.exclude(directory.Exclude{Users: all[:2]})
	f.run(all...)
	if over := f.holds(store.HoldOver); len(over) != 2 {
		t.Errorf("%d holds are over, want both: %+v", len(over), f.holds(""))
	}
	for _, id := range all[:2] {
		if link := f.link(id); link.Reason != directory.Excluded || link.Hold != "" {
			t.Errorf("the link is %+v, want it excluded and in no hold", link)
		}
	}
	// When the exclusion ends, each is a new case.
	f.exclude(directory.Exclude{})
	f.run(all...)
	f.wantDisabled(all)
	if open := f.holds(store.HoldOpen); len(open) != 2 {
		t.Errorf("%d holds are open, want one of each kind again", len(open))
	}
}

// Two directories on one tenant guard each for itself: each counts whose access it would take
// itself, so the limits of the tenant are those of both together, and a hold in one stops
// nothing that the other does.
func TestTwoDirectoriesGuardEachForItself(t *testing.T) {
	f := newFixture(t)
	one, two := shared(f)
	for dir, count := range map[*directory.Directory]int{&one: 1, &two: 2} {
		f.directory = *dir
		f.guarded(count, 100, 0)
		*dir = f.directory
	}
	in := func(dir directory.Directory) *fixture { f.directory = dir; return f }
	var all []directory.UserID
	for i := range 6 {
		name := fmt.Sprintf("p%03d", i)
		id := f.unconnected(name, name+"@contoso.example")
		all = append(all, id)
		for _, dir := range []directory.Directory{one, two} {
			in(dir).connect(id)
			f.run(id)
		}
	}
	// Who leaves one of them keeps the access by the other one, and counts nowhere.
	in(one).leave(all[:3]...)
	if len(in(one).holds(store.HoldOpen)) > 0 {
		t.Error("a hold began, want nobody counted who keeps the access")
	}
	for _, id := range all[:3] {
		in(one).connect(id)
		f.run(id)
	}
	for _, id := range all {
		in(one).disconnect(id)
		in(two).disconnect(id)
	}
	in(one).run(all...)
	f.wantDisabled(all, all[0])
	if waiting := f.held(f.hold()); len(waiting) != 5 {
		t.Errorf("%v wait in the first directory, want all but one", waiting)
	}
	in(two).run(all...)
	if disabled := f.disabled(all...); len(disabled) > 3 || len(disabled) < 2 {
		t.Errorf("the accounts of %v are disabled, want no more than both let together, three", disabled)
	}
	if waiting := f.held(f.hold()); len(waiting) != 4 {
		t.Errorf("%v wait in the second directory, want all but two", waiting)
	}
	// Nobody is disabled twice or asked for without end: once both are decided, both are over.
	f.decide(in(two).hold(), store.HoldApproved, time.Hour)
	f.decide(in(one).hold(), store.HoldApproved, time.Hour)
	f.wantDisabled(all, all...)
	if open := len(in(one).holds(store.HoldOpen)) + len(in(two).holds(store.HoldOpen)); open > 0 {
		t.Errorf("%d holds are open, want none", open)
	}
}
