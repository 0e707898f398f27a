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

// A change of members that is kept and whose message cannot be sent is sent by the
// next attempt: nobody keeps access or lacks it because a queue failed once.
func TestNothingIsLostBetweenTableAndQueue(t *testing.T) {
	t.Run("connected", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann, bob, cat := f.person("ann"), f.person("bob"), f.person("cat")
			id := f.group("Sales", ann, bob, cat)
			f.userTasks.fails = 1
			f.run(id)
			f.settle()
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
			f.settle()
			f.disconnect(id)
			f.userTasks.fails = 1
			f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
			f.settle()
			if l := f.userLink(ann); l.State != directory.Disabled {
				t.Errorf("user: %+v", l)
			}
		})
	})
	t.Run("left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann, bob := f.person("ann"), f.person("bob")
			id := f.group("Sales", ann, bob)
			f.run(id)
			f.settle()
			f.must(f.jumpcloud.RemoveMember(string(id), string(ann)))
			f.groups.fails = 1
			attempt := reconcile.Attempt{Task: reconcile.Task{Directory: f.directory.ID, User: ann, Memberships: true, Cause: plan.Cause{Type: "association_change", ID: "x"}}}
			for attempt.Number = 1; f.users.Sync(t.Context(), f.directory.ID, []reconcile.Attempt{attempt})[0].Retry; attempt.Number++ {
				time.Sleep(time.Minute)
			}
			f.settle()
			if got := f.names(id); !slices.Equal(got, []string{"bob"}) || f.userLink(ann).State != directory.Disabled {
				t.Errorf("members %v, user %+v", got, f.userLink(ann))
			}
		})
	})
}

// Exact membership takes nobody out who is about to be taken over.
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
			t.Errorf("after the first look: %v", now.Members)
		}
		f.settle()
		if got := f.names(id); !slices.Equal(got, []string{"ann", "bob"}) {
			t.Errorf("members %v", got)
		}
	})
}

// A group that is made again in JumpCloud takes over the one that the old one left.
func TestAGroupThatIsMadeAgainTakesTheOldOneOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		old := f.group("Sales", ann)
		f.run(old)
		f.settle()
		f.must(f.jumpcloud.DeleteGroup(string(old)))
		for range 2 { // the event comes twice
			f.handle(f.message(reconcile.GroupTask{Group: old}, 1))
			f.settle()
		}
		if link := f.link(old); link.Reason != directory.GroupDeleted {
			t.Errorf("the old one: %+v", link)
		}
		again := f.group("Sales", ann)
		f.run(again)
		f.settle()
		if link := f.link(again); len(f.tenant.Groups()) != 1 || link.Origin != directory.TakenOver {
			t.Errorf("%d groups, %+v", len(f.tenant.Groups()), link)
		}
	})
}

// A group in Entra that another directory on the tenant has is not deleted.
func TestAGroupThatAnotherDirectoryHasIsSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.DeleteGroups, s.AllowSharedDomains = true, true })
		id := f.group("Sales", f.person("ann"))
		f.run(id)
		f.settle()
		one := f.directory
		f.directory.ID, f.directory.Name, f.directory.Version = directory.NewID(organization, "second"), "second", 0
		f.settings(func(*directory.Settings) {})
		f.connect(id)
		f.run(id)
		f.settle()
		shared := f.inEntra(id).ID
		f.directory = one
		f.disconnect(id)
		f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
		f.settle()
		if group, found := f.tenant.Group(shared); !found || !group.Deleted.IsZero() {
			t.Error("the group was deleted")
		}
	})
}
