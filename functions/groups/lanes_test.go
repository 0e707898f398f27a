package groups_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"entrasync/functions/groups"
	"entrasync/shared/directory"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// lanes are the lanes of users, each by itself.
type lanes struct{ live, bulk sent }

// apart makes the groups function send to separate lanes.
func (f *fixture) apart() *lanes {
	f.t.Helper()
	l := &lanes{}
	var err error
	f.handler, err = groups.New(groups.Config{Postponer: f, MaxReceives: maxReceives, Parts: reconcile.Parts{Store: f.store, Clients: f.Clients(), Metrics: &metric.Memory{},
		Lanes: reconcile.Lanes{UsersLive: &l.live, UsersBulk: &l.bulk, GroupsLive: &f.groups, GroupsBulk: &f.groups}}})
	f.must(err)
	return l
}

// check compares how many tasks each lane got, each of which must say whether its cause
// concerns many.
func (l *lanes) check(t *testing.T, live, bulk int) {
	t.Helper()
	for lane, messages := range map[string][]reconcile.Task{"live": tasksOf(t, &l.live), "bulk": tasksOf(t, &l.bulk)} {
		want := map[string]int{"live": live, "bulk": bulk}[lane]
		if len(messages) != want {
			t.Errorf("the %s lane got %d tasks, want %d", lane, len(messages), want)
		}
		for _, m := range messages {
			if m.Cause.Many != (lane == "bulk") {
				t.Errorf("a task in the %s lane has a cause that concerns many: %t", lane, m.Cause.Many)
				break
			}
		}
	}
}

// tasksOf are the tasks that were sent.
func tasksOf(t *testing.T, s *sent) []reconcile.Task {
	t.Helper()
	var tasks []reconcile.Task
	for _, m := range s.take() {
		task, err := reconcile.ReadTask(m.Body)
		if err != nil {
			t.Fatal(err)
		}
		tasks = append(tasks, task)
	}
	return tasks
}

// A few who leave with one cause go to the live lane, many to the bulk lane: also when the
// first attempt could not send their tasks, and when they are to be asked for one by one.
func TestManyWhoLeaveWaitInTheBulkLane(t *testing.T) {
	for _, people := range []int{plan.FewObjects, plan.FewObjects + 1, 6 * plan.FewObjects} {
		live, bulk := people, 0
		if people > plan.FewObjects {
			live, bulk = 0, people
		}
		run := func(name string, play func(*fixture, *lanes, directory.GroupID, []directory.UserID)) {
			t.Run(fmt.Sprintf("%d, %s", people, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					all := make([]directory.UserID, people)
					for i := range all {
						all[i] = f.person(fmt.Sprintf("user%d", i))
					}
					id := f.group("Sales", all...)
					f.run(id)
					f.finish()
					l := f.apart()
					play(f, l, id, all)
					l.check(t, live, bulk)
				})
			})
		}
		run("disconnected", func(f *fixture, _ *lanes, id directory.GroupID, _ []directory.UserID) {
			f.disconnect(id)
			f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
		})
		run("disconnected, and the queue was down", func(f *fixture, l *lanes, id directory.GroupID, _ []directory.UserID) {
			f.disconnect(id)
			l.live.fails, l.bulk.fails = 1, 1
			f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
			l.live.take()
			l.bulk.take() // chunks that were sent beside the one that failed
			l.live.fails, l.bulk.fails = 0, 0
			f.handle(f.message(reconcile.GroupTask{Group: id}, 2))
		})
		run("not listed", func(f *fixture, _ *lanes, id directory.GroupID, all []directory.UserID) {
			for _, one := range all {
				f.must(f.jumpcloud.RemoveMember(string(id), string(one)))
			}
			f.handle(f.message(reconcile.GroupTask{Group: id, AllMembers: true}, 1))
		})
	}
}
