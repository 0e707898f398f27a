package world_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// opposites are changes, what undoes them, and whether Entra is right after the one and
// after the other.
var opposites = map[string]struct {
	do, undo func(*company)
	right    func(o *company, undone bool) bool
}{
	"leaves and joins": {
		func(o *company) { o.Must(o.JumpCloud.RemoveMember(string(o.group), string(o.people[0]))) },
		func(o *company) { o.Must(o.JumpCloud.AddMember(string(o.group), string(o.people[0]))) },
		func(o *company, undone bool) bool { return o.Enabled(o.names[0]) == undone },
	},
	"is suspended and activated": {
		func(o *company) { o.Must(o.JumpCloud.SuspendUser(string(o.people[0]))) },
		func(o *company) { o.Must(o.JumpCloud.ActivateUser(string(o.people[0]))) },
		func(o *company, undone bool) bool { return o.Enabled(o.names[0]) == undone },
	},
	"is renamed and named as before": {
		func(o *company) {
			o.Must(o.JumpCloud.UpdateUser(string(o.people[0]), jumpcloudtest.Fields{"lastname": "Moss"}))
		},
		func(o *company) {
			o.Must(o.JumpCloud.UpdateUser(string(o.people[0]), jumpcloudtest.Fields{"lastname": "Lee"}))
		},
		func(o *company, undone bool) bool {
			account, _ := o.Account(o.names[0])
			return account.Text("surname") == map[bool]string{true: "Lee", false: "Moss"}[undone]
		},
	},
	"the group is renamed and named as before": {
		func(o *company) { o.Must(o.JumpCloud.RenameGroup(string(o.group), "Crew")) },
		func(o *company) { o.Must(o.JumpCloud.RenameGroup(string(o.group), "Staff")) },
		func(o *company, undone bool) bool {
			return len(o.Members(map[bool]string{true: "Staff", false: "Crew"}[undone])) == len(o.names)
		},
	},
}

// Entra gets the last one of a change and its undoing, also if reads lag and show them in
// any order.
func TestAChangeThatIsUndoneWhileReadsLag(t *testing.T) {
	for name, tc := range opposites {
		for _, twice := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, again %t", name, twice), func(t *testing.T) {
				for _, lag := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 7 * time.Second, 20 * time.Second} {
					for _, gap := range []time.Duration{200 * time.Millisecond, 700 * time.Millisecond, 1500 * time.Millisecond, 5 * time.Second, 12 * time.Second} {
						synctest.Test(t, func(t *testing.T) {
							o := newCompany(t, 2, world.Config{Latency: 10 * time.Millisecond})
							o.lag(lag)
							tc.do(o)
							time.Sleep(gap)
							tc.undo(o)
							if twice {
								time.Sleep(gap)
								tc.do(o)
							}
							time.Sleep(2 * time.Minute)
							o.Settle(time.Hour)
							if !tc.right(o, !twice) {
								t.Errorf("lag %s, gap %s: the last change is undone: %t, and Entra does not show it", lag, gap, !twice)
							}
						})
					}
				}
			})
		}
	}
}

// An event that arrives late does not undo a later one.
func TestAnEventThatComesLateStatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 3, world.Config{Latency: 10 * time.Millisecond})
		change := func(op string, at time.Time) jumpcloudtest.Fields {
			return jumpcloudtest.Fields{"timestamp": at.UTC().Format(time.RFC3339Nano), "association": map[string]any{"op": op, "connection": map[string]any{
				"from": map[string]any{"name": "", "object_id": string(o.group), "type": "user_group"}, "to": map[string]any{"name": "", "object_id": string(o.people[0]), "type": "user"}}}}
		}
		before := time.Now()
		time.Sleep(30 * time.Second)
		o.Must(o.JumpCloud.Emit("association_change", change("add", time.Now())))
		o.Settle(time.Hour)
		o.JumpCloud.FailNext(jumpcloudtest.Fault{Path: "/api/v2/users/*/memberof", Answer: jumpcloudtest.EmptyList})
		o.Must(o.JumpCloud.Emit("association_change", change("remove", before)))
		o.never("after one wrong answer")
	})
}

// One wrong 404 does not keep a user out who joins a connected group again or for the first
// time.
func TestOneWrongAnswerKeepsNoMemberOut(t *testing.T) {
	for name, before := range map[string]func(*company) directory.UserID{
		"rejoins": func(o *company) directory.UserID {
			o.Must(o.JumpCloud.RemoveMember(string(o.group), string(o.people[0])))
			o.Settle(time.Hour)
			return o.people[0]
		},
		"joins": func(o *company) directory.UserID {
			id := o.Hire("zoe")
			o.names = append(o.names, "zoe")
			o.Settle(time.Hour)
			return id
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newCompany(t, 2, world.Config{Latency: 10 * time.Millisecond})
				id := before(o)
				o.JumpCloud.FailNext(jumpcloudtest.Fault{Path: "/api/systemusers/*", Status: 404})
				o.Must(o.JumpCloud.AddMember(string(o.group), string(id)))
				time.Sleep(time.Second)
				o.Settle(time.Hour)
				if o.JumpCloud.Counters().FaultsInjected == 0 {
					t.Error("no fault was injected, want at least 1")
				}
				if n := o.disabled(); n > 0 || len(o.Members("Staff")) != len(o.names) {
					t.Errorf("%d have no enabled account, members %v; want none, and %d members", n, o.Members("Staff"), len(o.names))
				}
			})
		})
	}
}
