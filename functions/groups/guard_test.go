package groups_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
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

// team makes people and a connected group of them in Entra; with direct they are connected
// directly, too.
func (f *fixture) team(direct bool, names ...string) (directory.GroupID, []directory.UserID) {
	f.t.Helper()
	var ids []directory.UserID
	for _, name := range names {
		id := f.person(name)
		if ids = append(ids, id); direct {
			f.must(f.store.Connect(context.Background(), f.directory.ID, id, directory.Direct, time.Now().UTC()))
		}
	}
	group := f.group("Sales", ids...)
	f.run(group)
	f.finish()
	return group, ids
}

// leave takes users out of a group in JumpCloud and handles the events.
func (f *fixture) leave(group directory.GroupID, ids ...directory.UserID) {
	f.t.Helper()
	for _, id := range ids {
		f.must(f.jumpcloud.RemoveMember(string(group), string(id)))
	}
	f.changed(ids...)
	f.finish()
}

// openHold is the one open hold, and who is in it.
func (f *fixture) openHold() (store.Hold, []store.HeldItem) {
	f.t.Helper()
	list, err := f.store.Holds(context.Background(), f.directory.ID, store.HoldOpen, 0, "")
	f.must(err)
	if len(list.Items) != 1 {
		f.t.Fatalf("%d holds are open, want 1: %+v", len(list.Items), list.Items)
	}
	items, err := f.store.HeldItems(context.Background(), list.Items[0].ID, 0, "")
	f.must(err)
	var counted store.Hold
	for _, item := range items.Items {
		counted.Add(item)
	}
	if hold := list.Items[0]; counted.Count != hold.Count || counted.Accounts != hold.Accounts {
		f.t.Errorf("%d wait in the hold, %d of them accounts, and it counts %d and %d", counted.Count, counted.Accounts, hold.Count, hold.Accounts)
	}
	return list.Items[0], items.Items
}

// decide decides a hold and does the tasks.
func (f *fixture) decide(hold store.Hold, status store.HoldStatus) {
	f.t.Helper()
	hold, err := f.store.DecideHold(context.Background(), f.directory.ID, hold.ID, status, func(h *store.Hold) {
		h.By, h.Note, h.ExpiresAt = "Ada", "it was said so", time.Now().UTC().Add(time.Hour)
	})
	f.must(err)
	_, err = reconcile.HeldTasks{Store: f.store, Users: &f.userTasks, Groups: &f.groups}.Send(context.Background(), hold)
	f.must(err)
	f.finish()
}

// disabled counts the accounts of some users that are disabled in Entra.
func (f *fixture) disabled(ids ...directory.UserID) (n int) {
	f.t.Helper()
	for _, id := range ids {
		if user, found := f.tenant.User(string(f.userLink(id).EntraID)); found && !user.AccountEnabled {
			n++
		}
	}
	return n
}

// Whoever would be taken out of a security group is counted before anybody is: by number, and
// by the share of that group. Others are added meanwhile.
func TestTooManyAreNotTakenOutOfAGroup(t *testing.T) {
	for name, c := range map[string]struct {
		count, percent int
		says           string
	}{
		"by number": {3, 100, "4 people would lose access within 1h"}, "by the share": {100, 50, "4 of 6 members would be taken out of the group"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.guarded(c.count, c.percent, 0)
				group, ids := f.team(true, "ann", "bob", "cat", "dan", "eve", "fay")
				f.leave(group, ids[0])
				if got, want := f.names(group), []string{"bob", "cat", "dan", "eve", "fay"}; !slices.Equal(got, want) {
					t.Fatalf("after one left %v are in the group, want %v", got, want)
				}
				f.leave(group, ids[1:4]...)
				link := f.link(group)
				if got := f.names(group); len(got) != 5 || link.Status != directory.Held || link.Reason != directory.HeldRemovals || !strings.Contains(link.Message, c.says) {
					t.Errorf("%v are in the group, and its link is %s %s: %s; want it held with all five, and %q", got, link.Status, link.Reason, link.Message, c.says)
				}
				hold, items := f.openHold()
				if link.Hold != hold.ID || len(items) != 3 || items[0].Action != plan.RemoveMembers || items[0].Group != group || items[0].GroupName != "Sales" || items[0].Name != "bob@contoso.example" {
					t.Errorf("in the hold %s wait %+v, want bob, cat and dan, who would be taken out of Sales", hold.ID, items)
				}
				gus := f.person("gus")
				f.must(f.jumpcloud.AddMember(string(group), string(gus)))
				f.must(f.jumpcloud.AddMember(string(group), string(ids[3]))) // dan is back
				f.changed(gus, ids[3])
				f.finish()
				if got, want := f.names(group), []string{"bob", "cat", "dan", "eve", "fay", "gus"}; !slices.Equal(got, want) {
					t.Errorf("%v are in the group, want %v", got, want)
				}
				if _, items := f.openHold(); len(items) != 2 {
					t.Errorf("%+v wait, want bob and cat only", items)
				}
				f.decide(hold, store.HoldApproved)
				if got, want := f.names(group), []string{"dan", "eve", "fay", "gus"}; !slices.Equal(got, want) {
					t.Errorf("after the approval %v are in the group, want %v", got, want)
				}
				if link := f.link(group); link.Status != directory.Synced || link.Hold != "" {
					t.Errorf("the link is %+v, want it synced", link)
				}
			})
		})
	}
}

// A rejection leaves the members in the group, and is not asked again.
func TestARejectionLeavesMembersInTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(0, 100, 0)
		group, ids := f.team(true, "ann", "bob", "cat")
		f.leave(group, ids[:2]...)
		hold, _ := f.openHold()
		f.decide(hold, store.HoldRejected)
		f.run(group)
		f.finish()
		if link := f.link(group); link.Reason != directory.HoldRejected || len(f.names(group)) != 3 {
			t.Errorf("%v are in the group, and its link is %+v; want all, and that it was rejected", f.names(group), link)
		}
		f.must(f.jumpcloud.AddMember(string(group), string(ids[0])))
		f.must(f.jumpcloud.AddMember(string(group), string(ids[1])))
		f.changed(ids[:2]...)
		f.finish()
		if link := f.link(group); link.Status != directory.Synced || link.Hold != "" {
			t.Errorf("the link is %+v, want it synced when both are back", link)
		}
		f.leave(group, ids[0])
		if again, items := f.openHold(); again.ID == hold.ID || len(items) != 1 {
			t.Errorf("in %s wait %+v, want ann in another hold than %s", again.ID, items, hold.ID)
		}
	})
}

// Whoever was rejected is no case any more: one more who leaves is judged alone, however many
// were rejected before.
func TestARejectionHoldsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(3, 100, 1)
		group, ids := f.team(true, "ann", "bob", "cat", "dan", "eve", "fay")
		f.leave(group, ids[:4]...)
		hold, _ := f.openHold()
		f.decide(hold, store.HoldRejected)
		time.Sleep(48 * time.Hour)
		f.leave(group, ids[4])
		list, err := f.store.Holds(t.Context(), f.directory.ID, store.HoldOpen, 0, "")
		f.must(err)
		if got := f.names(group); slices.Contains(got, "eve") || len(list.Items) > 0 {
			t.Errorf("%v are in the group and %+v are open, want eve taken out: she is the only one who left", got, list.Items)
		}
		if link := f.link(group); link.Reason != directory.HoldRejected {
			t.Errorf("the link is %+v, want it to say still that the others were rejected", link)
		}
	})
}

// Whoever was only taken out of a group is judged anew when the account would be disabled: each
// group let a few pass, and together they are too many for the directory.
func TestWhoLeftAGroupIsJudgedAnewForTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.Guard = directory.DefaultGuard() })
		staff, ids := f.team(false, "ann", "bob", "cat", "dan", "eve", "fay")
		for _, some := range [][]directory.UserID{ids[:3], ids[3:]} {
			team := f.group("Team of "+string(some[0]), some...)
			f.run(team)
			f.finish()
			f.leave(team, some...)
			if got := f.names(team); len(got) != 0 {
				t.Fatalf("%v are in the team, want the three taken out: so few always may be", got)
			}
		}
		f.disconnect(staff)
		f.run(staff)
		f.finish()
		if _, items := f.openHold(); f.disabled(ids...) != 0 || len(items) != 6 {
			t.Errorf("%d are disabled and %d wait, want all six to wait", f.disabled(ids...), len(items))
		}
	})
}

// A group that is disconnected, or gone in JumpCloud, is announced: the hold begins before
// anybody loses access, and has everybody whose last path it is.
func TestADisconnectedGroupIsAnnounced(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(f *fixture, group directory.GroupID) reconcile.GroupTask
		reason directory.Reason
	}{
		"disconnected": {func(f *fixture, group directory.GroupID) reconcile.GroupTask {
			f.disconnect(group)
			return reconcile.GroupTask{Group: group, Cause: plan.Cause{Type: "disconnected", At: time.Now().UTC()}}
		}, directory.GroupDisconnected},
		"gone": {func(f *fixture, group directory.GroupID) reconcile.GroupTask {
			f.must(f.jumpcloud.DeleteGroup(string(group)))
			return reconcile.GroupTask{Group: group, Claims: []directory.Claim{{Kind: directory.Removed, Group: group, At: time.Now().UTC()}},
				Cause: plan.Cause{Type: "group_delete", At: time.Now().UTC(), Event: true}}
		}, directory.GroupDeleted},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.guarded(4, 100, 0)
				group, ids := f.team(false, "ann", "bob", "cat", "dan", "eve", "fay")
				f.must(f.store.Connect(t.Context(), f.directory.ID, ids[0], directory.Direct, time.Now().UTC()))
				f.handle(f.message(c.end(f, group), 1))
				if _, items := f.openHold(); len(items) != 5 || !items[0].Announced || items[0].Reason != c.reason || items[0].Name != "bob@contoso.example" {
					t.Errorf("before any task was done %+v wait, want the five who have no other path", items)
				}
				f.finish()
				hold, items := f.openHold()
				if n := f.disabled(ids...); n != 0 || len(items) != 5 || hold.Cause.Type == "" {
					t.Errorf("%d accounts are disabled and %d wait, want none and 5", n, len(items))
				}
				for _, id := range ids[1:] {
					if link := f.userLink(id); link.Status != directory.Held || link.Reason != directory.HeldRemovals {
						t.Errorf("the link is %+v, want it held", link)
					}
				}
				f.decide(hold, store.HoldApproved)
				if n := f.disabled(ids...); n != 5 || f.userLink(ids[0]).Status != directory.Synced {
					t.Errorf("after the approval %d accounts are disabled, want the five", n)
				}
			})
		})
	}
}

// If the cause ends before anybody decides, nobody waits any more; also if the tasks for those
// who were announced were lost: the sweep sends others.
func TestWhoWasAnnouncedIsForgottenWithTheCause(t *testing.T) {
	for name, lost := range map[string]bool{"the tasks came": false, "they were lost": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.guarded(2, 100, 0)
				group, ids := f.team(false, "ann", "bob", "cat")
				f.disconnect(group)
				f.handle(f.message(reconcile.GroupTask{Group: group}, 1))
				if lost {
					f.userTasks.take()
				}
				f.finish()
				f.openHold()
				f.connect(group)
				f.run(group)
				if lost {
					f.userTasks.take()
				}
				f.finish()
				for range 2 {
					time.Sleep(11 * time.Minute)
					f.sweep()
					f.finish()
				}
				list, err := f.store.Holds(t.Context(), f.directory.ID, "", 0, "")
				f.must(err)
				if len(list.Items) != 1 || list.Items[0].Status != store.HoldOver || f.disabled(ids...) != 0 {
					t.Errorf("the holds are %+v and %d are disabled, want the one to be over and nobody disabled", list.Items, f.disabled(ids...))
				}
				for _, id := range ids {
					if link := f.userLink(id); link.Status != directory.Synced || link.Hold != "" {
						t.Errorf("the link is %+v, want it synced", link)
					}
				}
			})
		})
	}
}

// A group that is emptied in JumpCloud takes access only after several reads agree; the hold
// begins with the first of them then, although each user is judged alone.
func TestAnEmptiedGroupIsHeldFromTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(4, 100, 0)
		group, ids := f.team(false, "ann", "bob", "cat", "dan", "eve", "fay")
		for _, id := range ids {
			f.must(f.jumpcloud.RemoveMember(string(group), string(id)))
		}
		f.run(group) // no event came
		f.finish()
		if _, items := f.openHold(); f.disabled(ids...) != 0 {
			t.Errorf("%d are disabled and %d wait, want nobody disabled", f.disabled(ids...), len(items))
		}
	})
}

// The deletion of a security group takes everybody out of it.
func TestTheDeletionOfAGroupIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(2, 100, 0)
		f.settings(func(s *directory.Settings) { s.DeleteGroups = true })
		group, _ := f.team(true, "ann", "bob", "cat")
		f.disconnect(group)
		f.handle(f.message(reconcile.GroupTask{Group: group}, 1))
		f.finish()
		hold, items := f.openHold()
		link := f.link(group)
		if len(f.names(group)) != 3 || link.Status != directory.Held || link.Freed || len(items) != 3 || items[0].Action != plan.DeleteGroup {
			t.Errorf("the group has %v, its link is %+v and %+v wait; want it there and held", f.names(group), link, items)
		}
		f.decide(hold, store.HoldApproved)
		if link := f.link(group); link.EntraID != "" || link.Status != directory.Released {
			t.Errorf("the link is %+v, want the group deleted", link)
		}
	})
}

// An account that somebody added in Entra is taken out, too, by the deletion of a group that we
// made, and by exact membership: it counts, and the hold says whose it is and why.
func TestWhoWasAddedInEntraCountsAndHasAName(t *testing.T) {
	for name, c := range map[string]struct {
		how    func(f *fixture, group directory.GroupID)
		reason directory.Reason
		all    int
	}{
		"deletion": {func(f *fixture, group directory.GroupID) {
			f.disconnect(group)
		}, directory.GroupDisconnected, 7},
		"exact membership": {func(f *fixture, group directory.GroupID) {
			f.settings(func(s *directory.Settings) { s.ExactMembership = true })
		}, directory.ExtraMember, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.guarded(4, 100, 2)
				f.settings(func(s *directory.Settings) { s.DeleteGroups = true })
				group, _ := f.team(true, "ann", "bob")
				for _, id := range f.strangers(5) {
					_, err := f.tenant.AddMember(string(f.link(group).EntraID), id)
					f.must(err)
				}
				time.Sleep(time.Hour)
				c.how(f, group)
				f.run(group)
				f.finish()
				hold, items := f.openHold()
				if got := f.names(group); len(got) != 7 || len(items) != c.all {
					t.Errorf("%v are in the group and %+v wait, want all seven there, and %d to wait", got, items, c.all)
				}
				for _, item := range items {
					if stranger := item.User == ""; item.Name == "" || stranger != strings.HasPrefix(item.Name, "stranger") || item.Reason != c.reason {
						t.Errorf("%+v waits, want it with its sign-in name, and the reason %s", item, c.reason)
					}
				}
				f.must(reconcile.Enqueue(t.Context(), &f.groups, reconcile.GroupTask{Directory: f.directory.ID, Group: group}))
				f.finish() // another task, which does not ask for all members
				if again, _ := f.openHold(); again.ID != hold.ID || again.Count != c.all {
					t.Errorf("after another task %+v is open, want the hold as it was", again)
				}
				f.decide(hold, store.HoldApproved)
				if link := f.link(group); c.all == 7 && link.EntraID != "" || c.all == 5 && len(f.names(group)) != 2 {
					t.Errorf("the link is %+v, want that to be done once it is approved", link)
				}
			})
		})
	}
}

// slowReads is a table that takes long to read very many records.
type slowReads struct {
	store.Table
	takes *time.Duration
}

// BatchGet implements store.Table.
func (s slowReads) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	if len(keys) >= 100 {
		select {
		case <-time.After(*s.takes):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.Table.BatchGet(ctx, keys)
}

// A group with so many members that one attempt cannot read who has another path is announced
// all the same: no membership ends before all were read, or the hold has begun.
func TestALongEndIsAnnouncedBeforeAnybodyLosesAccess(t *testing.T) {
	const people = 400
	for name, c := range map[string]struct{ most, direct, disabled int }{
		"too many":             {20, 0, 0},
		"too many, found late": {350, 20, 0},
		"few enough":           {20, people - 10, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.settings(func(s *directory.Settings) { s.Guard.MaxCount = nil })
				ids := f.crowd(people)
				group := f.group("Sales", ids...)
				f.run(group)
				f.finish()
				for _, id := range ids[people-c.direct:] {
					f.must(f.store.Connect(t.Context(), f.directory.ID, id, directory.Direct, time.Now().UTC()))
				}
				f.guarded(c.most, 100, 0)
				var takes time.Duration
				f.store = store.New(slowReads{f.Table, &takes})
				f.restart()
				f.disconnect(group)
				m := f.message(reconcile.GroupTask{Group: group}, 1)
				for takes = 9 * time.Second; within(f, m); m = comesAgain(m) {
					if m.Attributes["ApproximateReceiveCount"] == "20" {
						t.Fatal("the task is not done after 20 invocations")
					}
					time.Sleep(f.postponed[m.ReceiptHandle])
					for some := range slices.Chunk(f.userTasks.take(), queue.MaxBatch) {
						f.workUsers(some)
					}
				}
				takes = 0
				f.finish()
				if n := f.disabled(ids...); n != c.disabled {
					t.Errorf("%d are disabled, want %d", n, c.disabled)
				}
				members, err := f.store.AllMembers(t.Context(), f.directory.ID, group)
				f.must(err)
				if slices.ContainsFunc(members, func(m directory.Member) bool { return m.Wanted }) || f.link(group).Ending != nil {
					t.Error("somebody still has the path, want the memberships of all ended")
				}
				if c.disabled == 0 {
					if hold, _ := f.openHold(); hold.Count != people-c.direct {
						t.Errorf("%d wait, want %d", hold.Count, people-c.direct)
					}
				}
			})
		})
	}
}

// The first group brings people who are suspended and whose accounts are open in Entra: all are
// found first, and none is taken over and disabled before somebody approves that.
func TestSuspendedPeopleOfAFirstGroupAreHeldFromTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.Guard = directory.DefaultGuard() })
		var ids []directory.UserID
		for _, name := range []string{"ann", "bob", "cat", "dan", "eve"} {
			id := f.person(name)
			_, err := f.tenant.AddUser(entratest.User{UserPrincipalName: name + "@contoso.example", DisplayName: name, AccountEnabled: true})
			f.must(err)
			f.suspend(id)
			ids = append(ids, id)
		}
		group := f.group("Sales", ids...)
		f.must(reconcile.Enqueue(t.Context(), &f.groups, reconcile.GroupTask{Directory: f.directory.ID, Group: group, AllMembers: true, Cause: plan.Cause{Type: reconcile.Connected, At: time.Now().UTC()}}))
		f.finish()
		time.Sleep(3 * time.Minute)
		f.finish()
		hold, items := f.openHold()
		if n := f.disabled(ids...); n != 0 || len(items) != 5 || !strings.Contains(hold.Message, "5 people would be suspended of 5 linked users") {
			t.Errorf("%d are disabled and %d wait (%s), want nobody disabled and all five to wait, of five", n, len(items), hold.Message)
		}
		f.decide(hold, store.HoldApproved)
		for _, id := range ids {
			if link := f.userLink(id); link.State != directory.Disabled || link.Status != directory.Synced || link.Origin != directory.TakenOver {
				t.Errorf("the link is %+v, want the account taken over and disabled", link)
			}
		}
	})
}

// Who is disabled and taken out of groups counts once, and the removal of a disabled account
// does not count.
func TestALeaverCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(2, 100, 0)
		group, ids := f.team(false, "ann", "bob", "cat", "dan")
		f.leave(group, ids[0], ids[1])
		if got := f.names(group); f.disabled(ids...) != 2 || len(got) != 2 {
			t.Errorf("%d are disabled and %v in the group, want two each", f.disabled(ids...), got)
		}
		f.leave(group, ids[2])
		if hold, _ := f.openHold(); hold.Accounts != 1 || hold.Count != 2 {
			t.Errorf("the hold is %+v, want one account in it, and its removal from the group", hold)
		}
		if got := f.names(group); f.disabled(ids...) != 2 || len(got) != 2 {
			t.Errorf("%d are disabled and %v in the group, want still two each", f.disabled(ids...), got)
		}
	})
}

// The process dies at any call while a group that is too large is disconnected: nobody loses
// access, and everybody waits.
func TestTheProcessDiesWhileAGroupIsAnnounced(t *testing.T) {
	for n, died := 1, true; died; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.guarded(2, 100, 0)
			group, ids := f.team(false, "ann", "bob", "cat")
			f.disconnect(group)
			m := f.message(reconcile.GroupTask{Group: group}, 1)
			died = f.diesAt(n, m)
			time.Sleep(6 * time.Minute)
			f.handle(m)
			f.finish()
			for range 2 {
				time.Sleep(11 * time.Minute)
				f.sweep()
				f.finish()
			}
			hold, items := f.openHold()
			if len(items) != 3 || f.disabled(ids...) != 0 {
				t.Errorf("call %d: %d wait in %s and %d are disabled, want all three and nobody", n, len(items), hold.ID, f.disabled(ids...))
			}
		})
		if n > 300 {
			t.Fatal("an attempt takes more than 300 calls, want fewer")
		}
	}
}

// Whoever is excluded stays in a group and waits in no hold; and nobody does of a group whose
// members are excluded.
func TestNobodyExcludedWaitsToBeTakenOut(t *testing.T) {
	for name, exclude := range map[string]func(directory.GroupID, []directory.UserID) directory.Exclude{
		"by id": func(_ directory.GroupID, ids []directory.UserID) directory.Exclude {
			return directory.Exclude{Users: ids[:2]}
		},
		"the group": func(group directory.GroupID, _ []directory.UserID) directory.Exclude {
			return directory.Exclude{Group: group}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.guarded(0, 100, 0)
				group, ids := f.team(true, "ann", "bob", "cat")
				f.leave(group, ids[:2]...)
				if _, items := f.openHold(); len(items) != 2 {
					t.Fatalf("%+v wait, want two", items)
				}
				f.exclude(exclude(group, ids))
				f.run(group)
				f.finish()
				list, err := f.store.Holds(t.Context(), f.directory.ID, "", 0, "")
				f.must(err)
				if len(list.Items) != 1 || list.Items[0].Status != store.HoldOver || len(f.names(group)) != 3 {
					t.Errorf("the holds are %+v and %v are in the group, want the hold over and all three", list.Items, f.names(group))
				}
				if link := f.link(group); link.Hold != "" || len(link.HeldIn) > 0 {
					t.Errorf("the link is %+v, want it in no hold", link)
				}
			})
		})
	}
}

// The deletion of a group takes out everybody who is in it in Entra, also those whom somebody
// else made members. Whoever has an account of ours is one person, however it is lost.
func TestTheDeletionOfAGroupCountsEverybodyInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.guarded(3, 100, 0)
		f.settings(func(s *directory.Settings) { s.DeleteGroups = true })
		group, _ := f.team(true, "ann", "bob")
		other := f.person("cat")
		f.must(f.store.Connect(t.Context(), f.directory.ID, other, directory.Direct, time.Now().UTC()))
		f.changed(other)
		f.finish()
		gone := f.person("dan")
		f.must(f.store.Connect(t.Context(), f.directory.ID, gone, directory.Direct, time.Now().UTC()))
		f.changed(gone)
		f.finish()
		stranger, err := f.tenant.AddUser(entratest.User{UserPrincipalName: "stranger@contoso.example", AccountEnabled: true})
		f.must(err)
		for _, id := range []string{stranger.ID, string(f.userLink(other).EntraID), string(f.userLink(gone).EntraID)} {
			_, err := f.tenant.AddMember(f.inEntra(group).ID, id)
			f.must(err)
		}
		f.suspend(gone) // has no access any more
		f.disconnect(group)
		f.handle(f.message(reconcile.GroupTask{Group: group}, 1))
		f.finish()
		hold, items := f.openHold()
		var people []string
		for _, item := range items {
			people = append(people, item.Person()+" "+item.Name)
		}
		want := []string{"account:" + stranger.ID + " stranger@contoso.example", string(other) + " cat@contoso.example"}
		if len(items) != 4 || !strings.Contains(hold.Message, "4 people") || !slices.Contains(people, want[0]) || !slices.Contains(people, want[1]) {
			t.Errorf("%v wait (%s), want ann, bob and %v", people, hold.Message, want)
		}
		f.decide(hold, store.HoldApproved)
		if link := f.link(group); link.EntraID != "" {
			t.Errorf("the link is %+v, want the group deleted", link)
		}
	})
}
