package users_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// leaving sets the steps of the directory, in days.
func (f *fixture) leaving(days map[directory.LeaverStep]int) {
	f.t.Helper()
	f.settings(func(s *directory.Settings) {
		of := func(step directory.LeaverStep) *int {
			n, set := days[step]
			if !set {
				return nil
			}
			return &n
		}
		s.Leavers = directory.Leavers{RemoveFromGroups: of(directory.RemoveFromGroups), RemoveLicenses: of(directory.RemoveLicenses),
			HideFromAddressLists: of(directory.HideFromAddressLists), ClearManager: of(directory.ClearManager), DeleteAccount: of(directory.DeleteAccount)}
	})
}

// allSteps are steps on several days.
func allSteps() map[directory.LeaverStep]int {
	return map[directory.LeaverStep]int{directory.RemoveLicenses: 1, directory.HideFromAddressLists: 2, directory.ClearManager: 3, directory.DeleteAccount: 30}
}

// sweepOnce runs the sweep once.
func (f *fixture) sweepOnce() {
	f.t.Helper()
	f.must(reconcile.Sweep{Store: f.store, Users: f, Groups: unread{}, Metrics: f.metrics}.Run(f.t.Context()))
}

// sweep runs the sweep once, and handles the tasks that it sent.
func (f *fixture) sweep() {
	f.t.Helper()
	f.sweepOnce()
	f.drain()
}

// days lets so many days pass, with a sweep every six hours.
func (f *fixture) days(n int) {
	f.t.Helper()
	for range n * 4 {
		time.Sleep(6*time.Hour + time.Minute)
		f.sweep()
	}
}

// stepsDone are the actions of steps, and those that give back, in their order.
func (f *fixture) stepsDone(id directory.UserID) (types []plan.Type) {
	f.t.Helper()
	for _, a := range f.actions() {
		if _, step := a.Step(); (step || a.GivesBack() || a.Type == plan.Restore) && a.Status == plan.Succeeded && a.Subject.ID == string(id) {
			types = append(types, a.Type)
		}
	}
	return types
}

// licensed connects somebody who has a manager and licenses, one of which comes from a group.
func (f *fixture) licensed(name string) (directory.UserID, directory.EntraID) {
	f.t.Helper()
	boss, err := f.accounts.AddUser(entratest.User{Properties: map[string]any{"userPrincipalName": name + ".boss@contoso.example", "displayName": "Boss", "mailNickname": name + "boss", "accountEnabled": true}})
	f.must(err)
	id := f.person(name)
	f.run(id)
	account := f.link(id).EntraID
	_, err = f.accounts.SetLicenses(string(account), entratest.License{SKU: entratest.SKUOffice, DisabledPlans: []string{entratest.PlanTeams}}, entratest.License{SKU: entratest.SKUVisio})
	f.must(err)
	f.byHand(account, map[string]any{"usageLocation": "DE"})
	_, err = f.accounts.SetManager(string(account), boss.ID)
	f.must(err)
	return id, account
}

// wantSteps checks which steps were done.
func (f *fixture) wantSteps(when string, id directory.UserID, want ...plan.Type) {
	f.t.Helper()
	if got := f.stepsDone(id); !slices.Equal(got, want) {
		f.t.Errorf("%s: the actions are %v, want %v; the link is %+v with %+v", when, got, want, f.link(id), f.link(id).Leaving)
	}
}

// own are the products of which an account has a license by itself.
func (f *fixture) own(account directory.EntraID) (skus []string) {
	f.t.Helper()
	user, _ := f.accounts.User(string(account))
	for _, l := range user.Licenses {
		if l.Group == "" {
			skus = append(skus, l.SKU)
		}
	}
	return skus
}

// The steps follow the block each on its day, each is an action of its own, and whoever comes
// back within the 30 days gets the account back with all that was taken.
func TestStepsFollowTheBlockOfALeaver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.leaving(allSteps())
		ann, account := f.licensed("ann")
		f.disconnect(ann)
		f.run(ann)
		f.wantSteps("blocked", ann)
		if leaving := f.link(ann).Leaving; leaving == nil || time.Until(leaving.NextAt) > 24*time.Hour || time.Until(leaving.NextAt) < 23*time.Hour {
			t.Errorf("the next step is due as %+v says, want it in a day", leaving)
		}
		f.days(2)
		f.wantSteps("two days", ann, plan.RemoveLicenses, plan.HideFromAddressLists)
		if own := f.own(account); len(own) != 0 {
			t.Errorf("the account has the licenses %v, want none", own)
		}
		f.days(20)
		f.wantSteps("22 days", ann, plan.RemoveLicenses, plan.HideFromAddressLists, plan.ClearManager)
		f.days(9)
		f.wantSteps("31 days", ann, plan.RemoveLicenses, plan.HideFromAddressLists, plan.ClearManager, plan.DeleteAccount)
		gone, _ := f.accounts.User(string(account))
		link := f.link(ann)
		if gone.Deleted.IsZero() || link.State != directory.Absent || link.Status != directory.Released || !strings.Contains(link.Message, "can be restored until") {
			t.Errorf("the account was deleted at %v and the link is %+v, want it deleted and the link to say until when it can be restored", gone.Deleted, link)
		}
		if until := link.Leaving.RestorableUntil().Sub(gone.Deleted); until < 29*24*time.Hour || until > 31*24*time.Hour {
			t.Errorf("the account can be restored for %v, want 30 days", until)
		}
		f.days(20)
		f.connect(ann)
		f.run(ann)
		f.drain()
		time.Sleep(time.Hour)
		f.sweep()
		f.wantSteps("back", ann, plan.RemoveLicenses, plan.HideFromAddressLists, plan.ClearManager, plan.DeleteAccount, plan.Restore, plan.AssignLicenses, plan.ShowInAddressLists)
		back, _ := f.accounts.User(string(account))
		if link := f.link(ann); link.EntraID != account || link.Status != directory.Synced || !back.AccountEnabled || back.Hidden() || back.Manager == "" || link.Leaving != nil {
			t.Errorf("back: the link is %+v with %+v and the account %+v, want the same account, with everything", link, link.Leaving, back)
		}
		if own := f.own(account); !slices.Equal(own, []string{entratest.SKUOffice, entratest.SKUVisio}) {
			t.Errorf("back with the licenses %v, want both", own)
		}
	})
}

// Nothing follows a suspension.
func TestNothingFollowsASuspension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.leaving(map[directory.LeaverStep]int{directory.RemoveLicenses: 0, directory.DeleteAccount: 1})
		ann, _ := f.licensed("ann")
		f.suspend(ann)
		f.run(ann)
		f.days(5)
		f.wantSteps("suspended", ann)
		f.disconnect(ann)
		f.run(ann)
		if f.days(0); f.link(ann).Leaving == nil || time.Since(f.link(ann).Leaving.Since) > time.Hour {
			t.Errorf("the days count from %+v, want from when the user left", f.link(ann).Leaving)
		}
		f.days(2)
		f.wantSteps("suspended and left", ann, plan.RemoveLicenses, plan.DeleteAccount)
	})
}

// What somebody changed by hand since is not undone when the user is back.
func TestWhatWasChangedSinceStaysWhenALeaverIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.leaving(map[directory.LeaverStep]int{directory.RemoveLicenses: 0, directory.HideFromAddressLists: 0, directory.ClearManager: 0})
		ann, account := f.licensed("ann")
		f.disconnect(ann)
		f.run(ann)
		f.days(1)
		f.wantSteps("left", ann, plan.RemoveLicenses, plan.HideFromAddressLists, plan.ClearManager)
		_, err := f.accounts.SetLicenses(string(account), entratest.License{SKU: entratest.SKUVisio})
		f.must(err)
		f.byHand(account, map[string]any{"showInAddressList": true})
		f.connect(ann)
		f.run(ann)
		f.drain()
		time.Sleep(time.Hour)
		f.sweep()
		f.wantSteps("back", ann, plan.RemoveLicenses, plan.HideFromAddressLists, plan.ClearManager)
		if own := f.own(account); !slices.Equal(own, []string{entratest.SKUVisio}) || f.link(ann).Leaving != nil || f.link(ann).Status != directory.Synced {
			t.Errorf("the licenses are %v and the link is %+v, want what was given by hand, and nothing left to do", own, f.link(ann))
		}
	})
}

// Nobody is deleted who was enabled by hand, is excluded, is in a connected group again although
// no event said so, or whose account is somebody else's by now.
func TestWhoIsNotDeleted(t *testing.T) {
	for name, meanwhile := range map[string]func(*fixture, directory.UserID, directory.EntraID){
		"enabled by hand": func(f *fixture, _ directory.UserID, account directory.EntraID) {
			f.settings(func(s *directory.Settings) { s.RepairDrift = false })
			f.byHand(account, map[string]any{"accountEnabled": true})
		},
		"excluded": func(f *fixture, ann directory.UserID, _ directory.EntraID) {
			f.directory = f.Exclude(f.directory, directory.Exclude{Users: []directory.UserID{ann}, UPNs: []directory.UPN{}})
		},
		"excluded by name": func(f *fixture, _ directory.UserID, _ directory.EntraID) {
			f.directory = f.Exclude(f.directory, directory.Exclude{Users: []directory.UserID{}, UPNs: []directory.UPN{"ann@contoso.example"}})
		},
		"in the excluded group, and no event says so": func(f *fixture, ann directory.UserID, _ directory.EntraID) {
			group := f.Group("break glass")
			f.exclude(directory.Exclude{Group: group})
			f.listExcluded(group)
			f.must(f.jumpcloud.AddMember(string(group), string(ann)))
		},
		"in a group again": func(f *fixture, ann directory.UserID, _ directory.EntraID) {
			f.ConnectGroup(f.directory, f.Group("staff", ann))
		},
		"a rehire has it": func(f *fixture, ann directory.UserID, _ directory.EntraID) {
			f.update(ann, jumpcloudtest.Fields{"email": "ann.old@contoso.example"})
			next := f.unconnected("ann2", "ann@contoso.example")
			f.connect(next)
			f.rehire(next)
		},
		"a rehire had it": func(f *fixture, ann directory.UserID, _ directory.EntraID) {
			f.update(ann, jumpcloudtest.Fields{"email": "ann.old@contoso.example"})
			next := f.unconnected("ann2", "ann@contoso.example")
			f.connect(next)
			f.rehire(next)
			f.leaving(map[directory.LeaverStep]int{}) // not that of the rehire either
			f.disconnect(next)
			f.run(next)
			f.leaving(map[directory.LeaverStep]int{directory.DeleteAccount: 20})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.leaving(map[directory.LeaverStep]int{directory.DeleteAccount: 10})
				ann, account := f.licensed("ann")
				f.disconnect(ann)
				f.run(ann)
				f.days(5)
				meanwhile(f, ann, account)
				f.days(14)
				if got, _ := f.accounts.User(string(account)); !got.Deleted.IsZero() {
					t.Errorf("the account was deleted at %v, want it left alone: %+v, %+v", got.Deleted, f.link(ann), f.link(ann).Leaving)
				}
			})
		})
	}
}

// The guard is asked about all who are to be deleted before the first of them is: an approval
// lets them be deleted, a rejection keeps them.
func TestTheGuardCountsDeletions(t *testing.T) {
	for _, status := range []store.HoldStatus{store.HoldApproved, store.HoldRejected} {
		t.Run(string(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.guarded(4, 100, 2)
				all := f.people(12)
				left := all[:8]
				for some := range slices.Chunk(left, 2) {
					f.leave(some...)
					time.Sleep(2 * time.Hour)
				}
				f.days(10)
				f.leaving(map[directory.LeaverStep]int{directory.DeleteAccount: 3})
				f.run(left...) // as the rollout of the settings does
				time.Sleep(directory.DeletionPause)
				f.sweep()
				deleted := func() (n int) {
					for _, id := range all {
						n += len(f.stepsDone(id))
					}
					return n
				}
				if n := deleted(); n != 0 {
					t.Errorf("%d accounts were deleted, want none before somebody approved it", n)
				}
				hold := f.hold()
				if hold.Count != len(left) || hold.Kind != plan.Removals || !strings.Contains(hold.Message, "8 people") {
					t.Errorf("the hold is %+v, want one with %d people", hold, len(left))
				}
				f.days(2)
				if got := f.hold(); got.ID != hold.ID || deleted() != 0 {
					t.Errorf("two days later the hold is %+v and %d were deleted, want the same hold and nobody", got, deleted())
				}
				f.decide(hold, status, time.Hour)
				f.drain()
				want := 0
				if status == store.HoldApproved {
					want = len(left)
				}
				f.days(3)
				if n := deleted(); n != want {
					t.Errorf("%s: %d accounts were deleted, want %d", status, n, want)
				}
				if open := f.holds(store.HoldOpen); len(open) != 0 {
					t.Errorf("the holds %+v are open, want none", open)
				}
			})
		})
	}
}

// While a deletion is held the account is free: a rehire is asked for as ever, and gets it.
func TestARehireGetsAnAccountWhoseDeletionIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(0, 0, 0)
		f.settings(func(s *directory.Settings) { s.Guard.MaxCount = nil })
		ann, account := f.licensed("ann")
		f.disconnect(ann)
		f.run(ann)
		f.guarded(0, 0, 0)
		f.leaving(map[directory.LeaverStep]int{directory.DeleteAccount: 1})
		f.days(2)
		if link := f.link(ann); link.Status != directory.Held || !link.Freed {
			t.Fatalf("the link is %+v, want it held, and the account free", link)
		}
		f.update(ann, jumpcloudtest.Fields{"email": "ann.old@contoso.example"})
		next := f.unconnected("ann2", "ann@contoso.example")
		f.connect(next)
		f.rehire(next)
		if link := f.link(next); link.Status != directory.Synced || link.EntraID != account {
			t.Errorf("the rehire is %+v, want the account %s", link, account)
		}
		f.decide(f.hold(), store.HoldApproved, time.Hour)
		f.days(2)
		if got, _ := f.accounts.User(string(account)); !got.Deleted.IsZero() || !got.AccountEnabled || len(f.holds(store.HoldOpen)) != 0 {
			t.Errorf("the account is %+v, want it the rehire's and open: %+v", got, f.link(ann))
		}
	})
}

// Who left two directories on one tenant and comes back by the one that did not delete the
// account has it again.
func TestAnAccountThatAnotherDirectoryDeletedIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		_, other := shared(f)
		f.leaving(map[directory.LeaverStep]int{directory.DeleteAccount: 1})
		ann, account := f.licensed("ann")
		f.disconnect(ann)
		f.run(ann)
		f.days(2)
		f.wantSteps("left", ann, plan.DeleteAccount)
		f.Connect(other, ann)
		f.handle(oneMessage(f.messageIn(other.ID, ann, 1)))
		f.drain()
		if got, _ := f.accounts.User(string(account)); !got.Deleted.IsZero() || !got.AccountEnabled {
			t.Errorf("the account is %+v, want it restored and enabled", got)
		}
	})
}

// Who comes back through another directory on the tenant has all the days again after leaving
// that one, too, whether or not the first directory looked at the user meanwhile.
func TestTheDaysBeginAgainAfterAnotherDirectory(t *testing.T) {
	for name, meanwhile := range map[string]bool{"an attempt meanwhile": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				one, two := shared(f)
				in := func(dir directory.Directory) *fixture { f.directory = dir; return f }
				in(one).leaving(map[directory.LeaverStep]int{directory.HideFromAddressLists: 0, directory.DeleteAccount: 10})
				one = f.directory
				ann := f.unconnected("ann", "ann@contoso.example")
				for _, dir := range []directory.Directory{one, two} {
					in(dir).connect(ann)
					f.run(ann)
				}
				leave := func(dirs ...directory.Directory) {
					for _, dir := range dirs {
						in(dir).disconnect(ann)
					}
					in(one).run(ann)
					in(two).run(ann)
					in(one).drain()
				}
				leave(one, two)
				f.days(2)
				in(two).connect(ann)
				f.run(ann)
				if meanwhile {
					in(one).run(ann)
				}
				in(one).drain()
				f.days(20)
				in(one).wantSteps("while another directory connects her", ann, plan.HideFromAddressLists)
				leave(two)
				f.days(8)
				in(one).wantSteps("eight days after she left that", ann, plan.HideFromAddressLists)
				f.days(4)
				in(one).wantSteps("twelve days after", ann, plan.HideFromAddressLists, plan.DeleteAccount)
			})
		})
	}
}

// A step that Entra refuses is shown, and does not keep the others from being done.
func TestARefusedStepKeepsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.leaving(map[directory.LeaverStep]int{directory.HideFromAddressLists: 1, directory.ClearManager: 2})
		ann, _ := f.licensed("ann")
		f.disconnect(ann)
		f.run(ann)
		f.must(f.entra.FailNext(entratest.Fault{Path: `users/[^/]+$`, Method: "PATCH", Status: 403, Times: 50}))
		f.days(2)
		f.wantSteps("refused", ann, plan.ClearManager)
		if link := f.link(ann); link.Status != directory.Parked || link.Message == "" {
			t.Errorf("the link is %+v, want it parked with the reason", link)
		}
		f.must(f.entra.FailNext(entratest.Fault{Path: `users/[^/]+$`, Method: "PATCH", Status: 403, Times: 0}))
	})
}

// The process dies at any of its calls while it does steps, or gives back what they took: all of
// them are done once, and what they took is known.
func TestTheProcessDiesWhileItDoesSteps(t *testing.T) {
	for name, back := range map[string]bool{"left": false, "back": true} {
		t.Run(name, func(t *testing.T) {
			for n, died := 1, true; died; n++ {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					f.leaving(map[directory.LeaverStep]int{directory.RemoveLicenses: 1, directory.HideFromAddressLists: 1, directory.ClearManager: 1, directory.DeleteAccount: 2})
					ann, account := f.licensed("ann")
					f.disconnect(ann)
					f.run(ann)
					if time.Sleep(49 * time.Hour); back {
						f.sweep()
						f.connect(ann)
					}
					m := f.message(ann, 1)
					if !back {
						task, err := reconcile.Task{Directory: f.directory.ID, User: ann, Memberships: true, Cause: plan.Cause{Type: reconcile.LeaverCause, At: time.Now().UTC()}}.Message()
						f.must(err)
						m.Body = string(task.Body)
					}
					died = f.diesAt(n, m)
					time.Sleep(6 * time.Minute)
					for range 20 {
						if len(f.handOver(m)) == 0 {
							break
						}
						time.Sleep(time.Minute)
					}
					f.drain()
					for range 4 {
						time.Sleep(31 * time.Minute)
						f.sweep()
					}
					got, _ := f.accounts.User(string(account))
					if !back {
						if got.Deleted.IsZero() || f.link(ann).State != directory.Absent {
							t.Errorf("call %d: the account is %+v and the link %+v, want it deleted", n, got, f.link(ann))
						}
						f.connect(ann)
						f.run(ann)
						f.drain()
						time.Sleep(time.Hour)
						f.sweep()
						got, _ = f.accounts.User(string(account))
					}
					link := f.link(ann)
					if own := f.own(account); link.EntraID != account || !got.AccountEnabled || got.Hidden() || got.Manager == "" || len(own) != 2 || link.Leaving != nil || link.Status != directory.Synced {
						t.Errorf("call %d: back, the account is %+v with the licenses %v, and the link %+v with %+v; want the same account with everything", n, got, own, link, link.Leaving)
					}
				})
				if !died {
					t.Logf("died at each of %d moments", n-1)
				}
			}
		})
	}
}

// The sweep dies at any of its calls while it announces whose accounts are to be deleted and
// sends their tasks: the next run does it, and where the guard asks nobody is deleted before.
func TestTheSweepDiesBeforeDeletions(t *testing.T) {
	for name, held := range map[string]bool{"the guard lets them": false, "the guard asks": true} {
		t.Run(name, func(t *testing.T) {
			for n, died := 1, true; died; n++ {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					f.settings(func(s *directory.Settings) { s.Guard.MaxCount = nil })
					all := f.people(6)
					f.leave(all[:3]...)
					if f.guarded(20, 100, 3); held {
						f.guarded(1, 100, 0)
					}
					f.leaving(map[directory.LeaverStep]int{directory.DeleteAccount: 1})
					f.run(all[:3]...)
					time.Sleep(25 * time.Hour)
					m := functiontest.NewMortal(n)
					_ = reconcile.Sweep{Store: store.New(m.Table(f.Table)), Users: m.Sender(f), Groups: m.Sender(unread{}), Metrics: f.metrics}.Run(t.Context()) // it is dead
					died = m.Died() != ""
					f.drain()
					for range 3 {
						time.Sleep(31 * time.Minute)
						f.sweep()
					}
					deleted := 0
					for _, id := range all {
						deleted += len(f.stepsDone(id))
					}
					open := f.holds(store.HoldOpen)
					switch {
					case held && (deleted != 0 || len(open) != 1 || open[0].Count != 3):
						t.Errorf("moment %d (%s): %d are deleted and the holds %+v open, want none and one with 3", n, m.Died(), deleted, open)
					case !held && (deleted != 3 || len(open) != 0):
						t.Errorf("moment %d (%s): %d are deleted and the holds %+v open, want 3 and none", n, m.Died(), deleted, open)
					}
				})
				if !died {
					t.Logf("died at each of %d moments", n-1)
				}
			}
		})
	}
}

// The links of a directory without steps say when somebody left, and nothing else happens.
func TestWithoutStepsNothingFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, _ := f.licensed("ann")
		f.disconnect(ann)
		f.run(ann)
		f.days(20)
		f.wantSteps("left", ann)
		if n := f.metrics.Counts()[metric.Key("leaver_steps_due")]; n != 0 {
			t.Errorf("the sweep found %d due steps, want none: %s", n, fmt.Sprint(f.link(ann).Leaving))
		}
	})
}
