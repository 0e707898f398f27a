package world_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/reconcile"
)

// joins are the ways by which a user is connected whom JumpCloud did not show before, when
// there was no access to lose.
var joins = map[string]struct {
	silent bool // no event says so: a list shows it
	join   func(o sourced, eve directory.UserID, crew directory.GroupID)
}{
	"the event of a membership": {false, func(o sourced, eve directory.UserID, crew directory.GroupID) {
		o.Must(o.JumpCloud.AddMember(string(crew), string(eve)))
	}},
	"the event of an association": {false, func(o sourced, eve directory.UserID, _ directory.GroupID) {
		o.Must(o.JumpCloud.Associate(string(eve), o.source))
	}},
	"a list of members, and no event": {true, func(o sourced, eve directory.UserID, crew directory.GroupID) {
		o.Must(o.JumpCloud.AddMember(string(crew), string(eve)))
		o.SyncGroup(crew)
	}},
}

// missing is the wrong answer that there is no such user.
func missing(user directory.UserID, times int) jumpcloudtest.Fault {
	return jumpcloudtest.Fault{Path: "/api/systemusers/" + string(user), Status: 404, Times: times}
}

// A user without a connection has no access to lose, so one read is enough to say that the
// user is gone. It does not count any more when the user is connected: a second wrong answer
// then does not keep out for good who is in.
func TestWhoWasMissingOnceIsConnected(t *testing.T) {
	for name, tc := range joins {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, _, _, crew := newSourced(t, world.Config{Latency: 10 * time.Millisecond})
				eve := o.Hire("eve")
				o.Connect(eve)
				o.rest()
				_, err := o.Store.Disconnect(t.Context(), o.Directory.ID, eve, directory.Direct, directory.Disconnected)
				o.Must(err)
				o.EnqueueUser(eve, false)
				o.rest()
				if o.Enabled("eve") {
					t.Fatal("eve is enabled before she is connected again")
				}
				if tc.silent {
					o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 })
					o.JumpCloud.FailNext(missing(eve, 1))
					o.EnqueueUser(eve, false)
					o.rest()
					o.JumpCloud.FailNext(missing(eve, 1))
				} else { // the first attempt shows no path yet
					o.lag(time.Second)
					o.JumpCloud.FailNext(missing(eve, 2))
				}
				tc.join(o, eve, crew)
				o.Until("eve is enabled", time.Minute, func() bool { return o.Enabled("eve") })
				if o.rest(); !o.Enabled("eve") {
					t.Errorf("eve is %s (%s) in the end, want her enabled", o.Link(eve).Status, o.Link(eve).Reason)
				}
			})
		})
	}
}

// A wrong answer that there is no such user does not undo a connection that began while it
// was on its way.
func TestASlowAnswerThatAUserIsMissingUndoesNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := &late{path: apiUser}
		o, _, _, crew := newSourced(t, world.Config{Latency: 10 * time.Millisecond, Silent: true, JumpCloud: answers.over})
		eve := o.Hire("eve")
		o.Connect(eve)
		o.rest()
		_, err := o.Store.Disconnect(t.Context(), o.Directory.ID, eve, directory.Direct, directory.Disconnected)
		o.Must(err)
		o.EnqueueUser(eve, false)
		o.rest()
		answers.meanwhile = func() {
			o.Must(o.JumpCloud.AddMember(string(crew), string(eve)))
			o.SyncGroup(crew)
		}
		answers.slow.Store(true)
		o.JumpCloud.FailNext(missing(eve, 1))
		o.bulkUser(reconcile.Task{User: eve, Memberships: true})
		if o.rest(); !o.Enabled("eve") || answers.slow.Load() {
			link := o.Link(eve)
			t.Errorf("eve is enabled: %t, an answer was slow: %t; her link is %s (%s); want both", o.Enabled("eve"), !answers.slow.Load(), link.Status, link.Reason)
		}
	})
}
