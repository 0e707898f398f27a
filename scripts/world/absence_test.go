package world_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
)

// company is a world with people in one connected group, who all have accounts.
type company struct {
	*world.World
	t      world.T
	people []directory.UserID
	names  []string
	group  directory.GroupID
	second directory.GroupID // of addSecond

	// without is how many of the first counted people had no enabled account after the last
	// change.
	without, counted int
	last             int64
}

func newCompany(t world.T, size int, c world.Config) *company {
	t.Helper()
	o := &company{World: world.New(t, c), t: t}
	for i := range size {
		o.names = append(o.names, fmt.Sprintf("user%03d", i))
		o.people = append(o.people, o.Hire(o.names[i]))
	}
	o.group = o.Group("Staff", o.people...)
	o.ConnectGroups(o.group)
	o.Settle(30 * time.Minute)
	if n := o.disabled(); n > 0 {
		t.Fatalf("%d of %d are disabled at the start, want none", n, size)
	}
	return o
}

// addSecond connects another group, in which nobody is.
func (o *company) addSecond() {
	o.second = o.Group("Second")
	o.ConnectGroups(o.second)
	o.Settle(30 * time.Minute)
}

// lag makes JumpCloud show changes only some time after the events about them.
func (o *company) lag(lag time.Duration) {
	o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) {
		b.UserReadLag, b.GroupReadLag, b.MembershipReadLag, b.AssociationReadLag = lag, lag, lag, lag
	})
}

// disabled counts the people without an enabled account, anew only after a change.
func (o *company) disabled() int {
	if last := o.Tenant.LastChange(); o.last != last || o.counted != len(o.names) {
		o.last, o.counted, o.without = last, len(o.names), 0
		for _, name := range o.names {
			if !o.Enabled(name) {
				o.without++
			}
		}
	}
	return o.without
}

// never ends the test if anybody is disabled before nothing is left to do.
func (o *company) never(when string) {
	o.t.Helper()
	for start := time.Now(); time.Since(start) < time.Hour; time.Sleep(250 * time.Millisecond) {
		if n := o.disabled(); n > 0 {
			o.t.Fatalf("%s: %d of %d are disabled after %s, want none", when, n, len(o.names), time.Since(start))
		}
		if o.Idle() {
			return
		}
	}
	o.t.Fatalf("%s: after an hour the queues have %v, want them empty", when, o.Waiting())
}

// forAll calls do for all people.
func (o *company) forAll(do func(*world.World, directory.UserID)) {
	for _, id := range o.people {
		do(o.World, id)
	}
}

// One wrong answer of JumpCloud, of any known form, disables nobody.
func TestOneWrongAnswerDisablesNobody(t *testing.T) {
	const apiGroup, apiMembers, apiMemberOf, apiUser, apiUsers = "/api/v2/usergroups/*", "/api/v2/usergroups/*/membership", "/api/v2/users/*/memberof", "/api/systemusers/*", "/api/systemusers"
	syncGroup := func(o *company) { o.SyncGroup(o.group) }
	moved := func(o *company) { // an event that says nothing of what changed
		o.forAll(func(w *world.World, id directory.UserID) { w.EnqueueUser(id, true) })
	}
	changed := func(o *company) {
		o.forAll(func(w *world.World, id directory.UserID) { w.EnqueueUser(id, false) })
	}
	for name, tc := range map[string]struct {
		size   int
		faults []jumpcloudtest.Fault
		start  func(*company) // the tasks
	}{
		"an empty list of members, without a total":     {20, []jumpcloudtest.Fault{{Path: apiMembers, Answer: jumpcloudtest.EmptyList}}, syncGroup},
		"an empty list of members, with a total of 0":   {20, []jumpcloudtest.Fault{{Path: apiMembers, Answer: jumpcloudtest.EmptyTotal}}, syncGroup},
		"an empty page of members":                      {130, []jumpcloudtest.Fault{{Path: apiMembers, Answer: jumpcloudtest.EmptyPage}}, syncGroup},
		"the second page of members is empty":           {130, []jumpcloudtest.Fault{{Path: apiMembers, Answer: jumpcloudtest.EmptyPage, Skip: 1}}, syncGroup},
		"a list of members that is one short":           {20, []jumpcloudtest.Fault{{Path: apiMembers, Answer: jumpcloudtest.FewerOf}}, syncGroup},
		"a list of members that is ten short":           {20, []jumpcloudtest.Fault{{Path: apiMembers, Answer: jumpcloudtest.FewerOf, Count: 10}}, syncGroup},
		"no list of members":                            {20, []jumpcloudtest.Fault{{Path: apiMembers, Status: 404}}, syncGroup},
		"no group":                                      {20, []jumpcloudtest.Fault{{Path: apiGroup, Status: 404}}, syncGroup},
		"no group, and no list of its members":          {130, []jumpcloudtest.Fault{{Path: apiGroup, Status: 404}, {Path: apiMembers, Status: 404}}, syncGroup},
		"nobody is in a group":                          {20, []jumpcloudtest.Fault{{Path: apiMemberOf, Answer: jumpcloudtest.EmptyList, Times: 20}}, moved},
		"one is in no group":                            {20, []jumpcloudtest.Fault{{Path: apiMemberOf, Answer: jumpcloudtest.EmptyList}}, moved},
		"nobody has groups":                             {20, []jumpcloudtest.Fault{{Path: apiMemberOf, Status: 404, Times: 20}}, moved},
		"nobody in the list, and a 404 for each":        {20, []jumpcloudtest.Fault{{Path: apiUsers, Answer: jumpcloudtest.EmptyTotal, Times: 20}, {Path: apiUser, Status: 404, Times: 20}}, changed},
		"one is not in the list, and a 404 for them":    {3, []jumpcloudtest.Fault{{Path: apiUsers, Answer: jumpcloudtest.FewerOf, Times: 3}, {Path: apiUser, Status: 404}}, changed},
		"a 404 for the group beside a list of no group": {20, []jumpcloudtest.Fault{{Path: apiGroup, Status: 404}, {Path: "/api/v2/usergroups", Answer: jumpcloudtest.EmptyTotal}}, syncGroup},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newCompany(t, tc.size, world.Config{Latency: 10 * time.Millisecond})
				for _, fault := range tc.faults {
					o.JumpCloud.FailNext(fault)
				}
				tc.start(o)
				o.never("after one wrong answer")
				if o.JumpCloud.Counters().FaultsInjected == 0 {
					t.Error("no fault was injected, want at least 1")
				}
				o.JumpCloud.Mend()
				tc.start(o)
				o.never("after right answers")
			})
		})
	}
}

// A user or membership that JumpCloud does not show any more, without an event about it,
// costs access after a second read some seconds later. If more than three people lose
// access, a third read a minute later has to show the same.
func TestAnAbsenceIsBelievedInTheEnd(t *testing.T) {
	const few, many = plan.SecondRead, plan.SecondRead + plan.ThirdRead
	leave := func(n int) func(*company) {
		return func(o *company) {
			for _, id := range o.people[:n] {
				o.Must(o.JumpCloud.RemoveMember(string(o.group), string(id)))
			}
			o.SyncGroup(o.group)
		}
	}
	gone := func(n int) func(*company) {
		return func(o *company) {
			for _, id := range o.people[:n] {
				o.Must(o.JumpCloud.DeleteUser(string(id)))
				o.EnqueueUser(id, false)
			}
		}
	}
	for name, tc := range map[string]struct {
		size  int
		what  func(*company)
		lose  int
		after time.Duration
	}{
		"one left":              {20, leave(1), 1, few},
		"three left":            {20, leave(3), 3, few},
		"four left":             {20, leave(4), 4, many},
		"all left":              {130, leave(130), 130, many},
		"one was deleted":       {20, gone(1), 1, few},
		"four were deleted":     {20, gone(4), 4, many},
		"the group is gone":     {20, func(o *company) { o.Must(o.JumpCloud.DeleteGroup(string(o.group))); o.SyncGroup(o.group) }, 20, many},
		"a small group is gone": {2, func(o *company) { o.Must(o.JumpCloud.DeleteGroup(string(o.group))); o.SyncGroup(o.group) }, 2, few},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newCompany(t, tc.size, world.Config{Latency: 10 * time.Millisecond, Silent: true})
				start := time.Now()
				tc.what(o)
				o.Until("the first loses access", 10*time.Minute, func() bool { return o.disabled() > 0 })
				if took := time.Since(start); took < tc.after {
					t.Errorf("the first lost access after %s, want %s at least", took, tc.after)
				}
				o.Until("all have lost access who should", 10*time.Minute, func() bool { return o.disabled() == tc.lose })
				if took := time.Since(start); took > tc.after+10*time.Second {
					t.Errorf("all lost access after %s, want %s and a little", took, tc.after)
				}
				o.Settle(time.Hour)
				if n := o.disabled(); n != tc.lose {
					t.Errorf("%d are disabled in the end, want %d", n, tc.lose)
				}
			})
		})
	}
}

// What an event of JumpCloud states is done at once, for any number of people.
func TestWhatIsStatedNeedsNoSecondRead(t *testing.T) {
	for name, what := range map[string]func(*company, directory.UserID) error{
		"suspended": func(o *company, id directory.UserID) error { return o.JumpCloud.SuspendUser(string(id)) },
		"deleted":   func(o *company, id directory.UserID) error { return o.JumpCloud.DeleteUser(string(id)) },
		"left": func(o *company, id directory.UserID) error {
			return o.JumpCloud.RemoveMember(string(o.group), string(id))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newCompany(t, 20, world.Config{Latency: 10 * time.Millisecond})
				start := time.Now()
				o.forAll(func(_ *world.World, id directory.UserID) { o.Must(what(o, id)) })
				o.Until("nobody has access", time.Minute, func() bool { return o.disabled() == len(o.names) })
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("it took %s, want at most 2s", took)
				}
				o.Settle(time.Hour)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 20, world.Config{Latency: 10 * time.Millisecond})
		start := time.Now()
		o.Must(o.JumpCloud.DeleteGroup(string(o.group)))
		o.Until("nobody has access", time.Minute, func() bool { return o.disabled() == len(o.names) })
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("a deleted group: it took %s, want at most 2s", took)
		}
		o.Settle(time.Hour)
	})
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 20, world.Config{Latency: 10 * time.Millisecond})
		start := time.Now()
		o.DisconnectGroup(o.group)
		o.Until("nobody has access", time.Minute, func() bool { return o.disabled() == len(o.names) })
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("a disconnected group: it took %s, want at most 2s", took)
		}
		o.Settle(time.Hour)
	})
}

// A list that was wrong once has no effect on later ones: the next real absence is done
// after the same time as without it.
func TestADoubtThatWasDispelledIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 20, world.Config{Latency: 10 * time.Millisecond, Silent: true})
		o.JumpCloud.FailNext(jumpcloudtest.Fault{Path: "/api/v2/usergroups/*/membership", Answer: jumpcloudtest.EmptyList})
		o.SyncGroup(o.group)
		o.never("after one wrong answer")
		o.Must(o.JumpCloud.RemoveMember(string(o.group), string(o.people[0])))
		o.SyncGroup(o.group)
		if took := o.Until("the one who left has no access", 10*time.Minute, func() bool { return o.disabled() == 1 }); took > plan.SecondRead+2*time.Second {
			t.Errorf("it took %s, want at most %s", took, plan.SecondRead+2*time.Second)
		}
		o.Settle(time.Hour)
	})
}

// An account that is disabled is not enabled because of an old record: it stays as it is
// while every connection of the person waits for a second read.
func TestNobodyIsLetInAgainOnTheWordOfAnOldRecord(t *testing.T) {
	for _, size := range []int{2, 6} { // of more than three a third read decides
		synctest.Test(t, func(t *testing.T) {
			o := newCompany(t, size, world.Config{Latency: 10 * time.Millisecond})
			o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 })
			for i, id := range o.people { // they left after the table was copied
				o.Must(o.JumpCloud.RemoveMember(string(o.group), string(id)))
				_, err := o.Tenant.UpdateUser(o.names[i]+"@"+world.Domain, map[string]any{"accountEnabled": false})
				o.Must(err)
				o.Must(o.Store.ChangeLink(t.Context(), o.Directory.ID, id, func(l directory.Link) directory.Link {
					l.Applied = nil
					return l
				}))
			}
			moved := func(w *world.World, id directory.UserID) { w.EnqueueUser(id, true) }
			o.forAll(moved)
			for start := time.Now(); time.Since(start) < 30*time.Minute; time.Sleep(250 * time.Millisecond) {
				if n := size - o.disabled(); n > 0 {
					t.Fatalf("%d of %d have access again after %s, want none", n, size, time.Since(start))
				}
			}
			for _, id := range o.people {
				if link := o.Link(id); link.Status != directory.Released || link.Reason != directory.LeftGroup {
					t.Errorf("%s is %s (%s), want %s (%s)", id, link.Status, link.Reason, directory.Released, directory.LeftGroup)
				}
			}
		})
	}
}
