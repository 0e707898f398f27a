package groups_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// If a change of members is stored but its message cannot be sent, the next attempt
// sends it: a failed queue never leaves a user with wrong access.
func TestNothingIsLostBetweenTableAndQueue(t *testing.T) {
	t.Run("connected", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann, bob, cat := f.person("ann"), f.person("bob"), f.person("cat")
			id := f.group("Sales", ann, bob, cat)
			f.userTasks.fails = 1
			f.run(id)
			f.finish()
			if got := f.names(id); !slices.Equal(got, []string{"ann", "bob", "cat"}) {
				t.Errorf("members %v", got)
			}
		})
	})
	t.Run("disconnected", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann := f.person("ann")
			id := f.group("Sales", ann)
			f.run(id)
			f.finish()
			f.disconnect(id)
			f.userTasks.fails = 1
			f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
			f.finish()
			if l := f.userLink(ann); l.State != directory.Disabled {
				t.Errorf("user: %+v, want State %v", l, directory.Disabled)
			}
		})
	})
	t.Run("left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann, bob := f.person("ann"), f.person("bob")
			id := f.group("Sales", ann, bob)
			f.run(id)
			f.finish()
			f.must(f.jumpcloud.RemoveMember(string(id), string(ann)))
			f.groups.fails = 1
			attempt := reconcile.Attempt{Task: reconcile.Task{Directory: f.directory.ID, User: ann, Memberships: true, Cause: plan.Cause{Type: "association_change", ID: "x"}}}
			for attempt.Number = 1; f.users.Sync(t.Context(), f.directory.ID, []reconcile.Attempt{attempt})[0].Retry; attempt.Number++ {
				time.Sleep(time.Minute)
			}
			f.finish()
			if got := f.names(id); !slices.Equal(got, []string{"bob"}) || f.userLink(ann).State != directory.Disabled {
				t.Errorf("members %v, user %+v", got, f.userLink(ann))
			}
		})
	})
}

// Exact membership does not remove a user whose account is about to be taken over.
func TestExactMembershipWaitsForTheAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.ExactMembership = true })
		var people []directory.UserID
		var there []string
		for _, name := range []string{"ann", "bob"} {
			people = append(people, f.person(name))
			account, err := f.tenant.AddUser(entratest.User{UserPrincipalName: name + "@contoso.example", AccountEnabled: true})
			f.must(err)
			there = append(there, account.ID)
		}
		group, err := f.tenant.AddGroup(entratest.Group{DisplayName: "Sales", Members: there})
		f.must(err)
		id := f.group("Sales", people...)
		f.run(id)
		if now, _ := f.tenant.Group(group.ID); len(now.Members) != 2 {
			t.Errorf("after the first task: %v, want 2 Members", now.Members)
		}
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann", "bob"}) {
			t.Errorf("members %v", got)
		}
	})
}

// A group that is created again in JumpCloud takes over the group in Entra that the old
// one left.
func TestAGroupThatIsMadeAgainTakesTheOldOneOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		old := f.group("Sales", ann)
		f.run(old)
		f.finish()
		f.must(f.jumpcloud.DeleteGroup(string(old)))
		for range 2 { // the event comes twice
			f.handle(f.message(reconcile.GroupTask{Group: old}, 1))
			f.finish()
		}
		if link := f.link(old); link.Reason != directory.GroupDeleted {
			t.Errorf("the old one: %+v, want Reason %v", link, directory.GroupDeleted)
		}
		again := f.group("Sales", ann)
		f.run(again)
		f.finish()
		if link := f.link(again); len(f.tenant.Groups()) != 1 || link.Origin != directory.TakenOver {
			t.Errorf("%d groups, %+v, want 1 Groups, Origin %v", len(f.tenant.Groups()), link, directory.TakenOver)
		}
	})
}

// A group in Entra that another directory on the tenant owns too is not deleted.
func TestAGroupThatAnotherDirectoryHasIsSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.DeleteGroups, s.AllowSharedDomains = true, true })
		id := f.group("Sales", f.person("ann"))
		f.run(id)
		f.finish()
		one := f.directory
		f.directory.ID, f.directory.Name, f.directory.Version = directory.NewID(organization, "second"), "second", 0
		f.settings(func(*directory.Settings) {})
		f.connect(id)
		f.run(id)
		f.finish()
		shared := f.inEntra(id).ID
		f.directory = one
		f.disconnect(id)
		f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
		f.finish()
		if group, found := f.tenant.Group(shared); !found || !group.Deleted.IsZero() {
			t.Error("the group was deleted")
		}
	})
}
