package fanout_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/crowd"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/plan"
)

// sent are how many tasks each lane got.
type sent struct{ usersLive, usersBulk, groupsLive, groupsBulk int }

// sent empties the lanes.
func (f *fixture) sent() sent {
	f.t.Helper()
	return sent{len(f.bodies(f.users)), len(f.bodies(f.bulk.users)), len(f.bodies(f.groups)), len(f.bodies(f.bulk.groups))}
}

// person is the id of the nth person.
func person(n int) string { return fmt.Sprintf("64a1b2c3d4e5f6071829%04x", n) }

// people connects people to a directory.
func (f *fixture) people(n int) {
	f.t.Helper()
	for i := range n {
		if err := f.records.Connect(f.t.Context(), one, directory.UserID(person(i)), directory.Direct, time.Now().UTC()); err != nil {
			f.t.Fatal(err)
		}
	}
}

// Of many events with one cause, the first few go to the live lane and the others to the
// bulk lane. What is urgent stays in the live lane, however many there are.
func TestTheSurplusOfACrowdGoesToTheBulkLane(t *testing.T) {
	const many, interval = crowd.FewOfAll + 30, 600 * time.Millisecond
	attributes := func(c jumpcloud.Change) jumpcloud.Change {
		c.Event.OnlyAttributes = true
		return c
	}
	says := func(c jumpcloud.Change, word jumpcloud.Word) jumpcloud.Change {
		c.Event.Says = []jumpcloud.Word{word}
		return c
	}
	caughtUp := func(c jumpcloud.Change) jumpcloud.Change {
		c.Via = jumpcloud.ByCatchUp
		return c
	}
	few := func(live int) sent { return sent{usersLive: live, usersBulk: many - live} }
	groups := func(live int) sent { return sent{groupsLive: live, groupsBulk: many - live} }
	everyGroup := func(f *fixture) {
		for i := range many {
			f.connect(one, directory.GroupID(person(i)))
		}
	}
	source := func(f *fixture) { f.source(one, directory.ApplicationSource, application) }
	urgent := sent{usersLive: many}
	for name, tc := range map[string]struct {
		known  func(*fixture)
		change func(n int) jumpcloud.Change
		want   sent
	}{
		"people leave a group":           {func(f *fixture) { f.connect(one, engineering) }, func(n int) jumpcloud.Change { return edge("user_group", engineering, "user", person(n)) }, few(crowd.Few)},
		"people leave the source":        {source, func(n int) jumpcloud.Change { return edge("user", person(n), "application", application) }, few(crowd.Few)},
		"groups leave the source":        {source, func(n int) jumpcloud.Change { return edge("user_group", person(n), "application", application) }, groups(crowd.FewGroups)},
		"each joins another group":       {everyGroup, func(n int) jumpcloud.Change { return edge("user_group", person(n), "user", person(n)) }, few(crowd.FewOfAll)},
		"groups are deleted":             {everyGroup, func(n int) jumpcloud.Change { return groupChange("group_delete", person(n)) }, groups(crowd.FewGroups)},
		"groups leave their groups":      {everyGroup, func(n int) jumpcloud.Change { return edge("user_group", person(n), "user_group", engineering) }, groups(crowd.FewGroups)},
		"groups are renamed":             {everyGroup, func(n int) jumpcloud.Change { return groupChange("group_update", person(n)) }, groups(crowd.Few)},
		"attributes of people change":    {func(f *fixture) { f.people(many) }, func(n int) jumpcloud.Change { return attributes(change("user_update", person(n))) }, few(crowd.Few)},
		"people are suspended":           {func(f *fixture) { f.people(many) }, func(n int) jumpcloud.Change { return change("user_suspended", person(n)) }, urgent},
		"people are locked out":          {func(f *fixture) { f.people(many) }, func(n int) jumpcloud.Change { return says(change("user_update", person(n)), "locked") }, urgent},
		"people are deleted":             {func(f *fixture) { f.people(many) }, func(n int) jumpcloud.Change { return change("user_delete", person(n)) }, urgent},
		"people get passwords":           {func(f *fixture) { f.people(many) }, func(n int) jumpcloud.Change { return change("user_password_set", person(n)) }, urgent},
		"people change, nobody says how": {func(f *fixture) { f.people(many) }, func(n int) jumpcloud.Change { return change("user_update", person(n)) }, urgent},
		"caught up, nobody says how":     {func(f *fixture) { f.people(many) }, func(n int) jumpcloud.Change { return caughtUp(change("user_update", person(n))) }, few(crowd.Few)},
		"caught up, people join groups":  {everyGroup, func(n int) jumpcloud.Change { return caughtUp(edge("user_group", person(n), "user", person(n))) }, few(crowd.Few)},
		"caught up, people suspended":    {func(f *fixture) { f.people(many) }, func(n int) jumpcloud.Change { return caughtUp(change("user_suspended", person(n))) }, urgent},
		"caught up, people deleted":      {func(f *fixture) { f.people(many) }, func(n int) jumpcloud.Change { return caughtUp(change("user_delete", person(n))) }, urgent},
		"caught up, people locked out":   {func(f *fixture) { f.people(many) }, func(n int) jumpcloud.Change { return caughtUp(says(change("user_update", person(n)), "locked")) }, urgent},
		"caught up, people activated":    {func(f *fixture) { f.people(many) }, func(n int) jumpcloud.Change { return caughtUp(change("user_activated", person(n))) }, few(crowd.Few)},
		"groups that nobody connected":   {func(*fixture) {}, func(n int) jumpcloud.Change { return edge("user_group", engineering, "user", person(n)) }, sent{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				tc.known(f)
				for n := range many {
					c := tc.change(n)
					c.Event.ID = fmt.Sprint("event", n)
					f.handle(c)
					time.Sleep(interval)
				}
				if got := f.sent(); got != tc.want {
					t.Errorf("tasks in the lanes: %+v, want %+v", got, tc.want)
				}
			})
		})
	}
}

// A crowd ends: what comes later, or from another group or organization, is live again.
func TestACrowdEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.connect(one, engineering)
		f.connect(one, sales)
		leave := func(group string, n int) jumpcloud.Change {
			c := edge("user_group", group, "user", person(n))
			c.Event.ID = fmt.Sprint(group, n)
			return c
		}
		for n := range crowd.FewOfAll + 1 {
			f.handle(leave(engineering, n))
		}
		if got, want := f.sent(), (sent{usersLive: crowd.Few, usersBulk: crowd.FewOfAll + 1 - crowd.Few}); got != want {
			t.Errorf("the crowd: %+v, want %+v", got, want)
		}
		f.handle(leave(sales, 1))
		if got, want := f.sent(), (sent{usersLive: 1}); got != want {
			t.Errorf("another group: %+v, want %+v", got, want)
		}
		time.Sleep(time.Minute)
		f.handle(leave(engineering, 100))
		if got, want := f.sent(), (sent{usersLive: 1}); got != want {
			t.Errorf("a minute later: %+v, want %+v", got, want)
		}
	})
}

// One event that concerns many connected groups makes tasks for the bulk lane.
func TestOneEventOfManyGroupsGoesToTheBulkLane(t *testing.T) {
	for name, tc := range map[string]struct {
		outer  int
		change jumpcloud.Change
		want   sent
	}{
		"put into a few":    {plan.FewObjects, edge("user_group", backend, "user_group", sales), sent{groupsLive: plan.FewObjects}},
		"put into many":     {plan.FewObjects + 1, edge("user_group", backend, "user_group", sales), sent{groupsBulk: plan.FewObjects + 1}},
		"deleted from many": {plan.FewObjects + 1, groupChange("group_delete", backend), sent{groupsLive: 1, groupsBulk: plan.FewObjects + 1}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if tc.change.Event.Type == "group_delete" {
				f.connect(one, backend)
			}
			for n := range tc.outer {
				outer := directory.GroupID(person(n))
				f.connect(one, outer)
				f.within(one, outer, backend)
			}
			f.handle(tc.change)
			if got := f.sent(); got != tc.want {
				t.Errorf("tasks in the lanes: %+v, want %+v", got, tc.want)
			}
		})
	}
}
