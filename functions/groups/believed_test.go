package groups_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// A confirmed absence is checked again, also when the attempt that confirmed it failed:
// users who lost access by wrong answers get it back.
func TestABeliefIsThoughtOfAgainAfterAnAttemptThatFailed(t *testing.T) {
	wrong := func(f *fixture, faults ...jumpcloudtest.Fault) {
		for _, fault := range faults {
			fault.Every = 1
			f.jumpcloud.FailNext(fault)
		}
	}
	t.Run("a member", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann, bob := f.person("ann"), f.person("bob")
			id := f.group("Sales", ann, bob)
			f.run(id)
			f.finish()
			wrong(f, jumpcloudtest.Fault{Path: "/api/v2/users/*/memberof", Answer: jumpcloudtest.EmptyList},
				jumpcloudtest.Fault{Path: "/api/v2/usergroups/*/membership", Answer: jumpcloudtest.EmptyList})
			attempt := reconcile.Attempt{Number: 1, Task: reconcile.Task{Directory: f.directory.ID, User: ann, Memberships: true, Cause: plan.Cause{Type: "association_change", ID: "x"}}}
			f.users.Sync(t.Context(), f.directory.ID, []reconcile.Attempt{attempt}) // records the doubt
			f.userTasks.take()
			time.Sleep(plan.SecondRead)
			f.groups.fails = 1
			if !f.users.Sync(t.Context(), f.directory.ID, []reconcile.Attempt{attempt})[0].Retry {
				t.Fatal("the attempt did not fail")
			}
			attempt.Number++
			f.users.Sync(t.Context(), f.directory.ID, []reconcile.Attempt{attempt})
			if f.userLink(ann).State != directory.Disabled {
				t.Fatalf("the absence is not confirmed: %+v", f.userLink(ann))
			}
			f.jumpcloud.Mend()
			f.finish()
			if got := f.names(id); !slices.Equal(got, []string{"ann", "bob"}) || f.userLink(ann).State != directory.Enabled {
				t.Errorf("members %v, user %+v", got, f.userLink(ann))
			}
		})
	})
	t.Run("a group", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann := f.person("ann")
			id := f.group("Sales", ann)
			f.run(id)
			f.finish()
			wrong(f, jumpcloudtest.Fault{Path: "/api/v2/usergroups/*", Status: 404}, jumpcloudtest.Fault{Path: "/api/v2/groups", Answer: jumpcloudtest.EmptyTotal},
				jumpcloudtest.Fault{Path: "/api/v2/usergroups", Answer: jumpcloudtest.EmptyTotal}, jumpcloudtest.Fault{Path: "/api/v2/users/*/memberof", Answer: jumpcloudtest.EmptyList})
			f.handle(f.message(reconcile.GroupTask{Group: id}, 1)) // records the doubt
			f.groups.take()
			time.Sleep(plan.SecondRead)
			f.userTasks.fails = 1
			f.handle(f.message(reconcile.GroupTask{Group: id}, 2))
			if len(f.waiting) != 1 {
				t.Fatal("the attempt did not fail")
			}
			f.handle(f.waiting[0])
			f.waiting = nil
			f.workUsers(f.userTasks.take())
			if f.userLink(ann).State != directory.Disabled {
				t.Fatalf("the absence is not confirmed: %+v, %+v", f.link(id), f.userLink(ann))
			}
			f.jumpcloud.Mend()
			f.finish()
			if got := f.names(id); !slices.Equal(got, []string{"ann"}) || f.userLink(ann).State != directory.Enabled {
				t.Errorf("members %v, group %+v, user %+v", got, f.link(id), f.userLink(ann))
			}
		})
	})
}
