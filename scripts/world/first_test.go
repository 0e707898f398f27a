package world_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// One wrong 404 does not keep access from a user who should get it now.
func TestOneWrongAnswerKeepsNobodyOut(t *testing.T) {
	wrong := jumpcloudtest.Fault{Path: "/api/systemusers/*", Status: 404}
	for name, play := range map[string]func(*world.World){
		"connected": func(w *world.World) {
			id := w.Hire("ann")
			w.Settle(time.Hour)
			w.JumpCloud.FailNext(wrong)
			w.Connect(id)
		},
		"active again": func(w *world.World) {
			id := w.Hire("ann")
			w.Connect(id)
			w.Settle(time.Hour)
			w.Must(w.JumpCloud.SuspendUser(string(id)))
			w.Settle(time.Hour)
			w.JumpCloud.FailNext(wrong)
			w.Must(w.JumpCloud.ActivateUser(string(id)))
		},
		"activated": func(w *world.World) {
			id, err := w.JumpCloud.CreateUser(jumpcloudtest.Fields{"username": "ann", "email": "ann@" + world.Domain, "firstname": "ann", "lastname": "Lee", "state": "STAGED"})
			w.Must(err)
			w.Connect(directory.UserID(id))
			w.Settle(time.Hour)
			w.JumpCloud.FailNext(wrong)
			w.Must(w.JumpCloud.ActivateUser(id))
		},
	} {
		for _, events := range []jumpcloudtest.StateEvents{jumpcloudtest.DedicatedOnly, jumpcloudtest.UpdateOnly} {
			t.Run(name+", "+string(events), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := world.New(t, world.Config{Latency: 10 * time.Millisecond})
					w.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.StateEvents = events })
					play(w)
					time.Sleep(time.Second)
					w.Settle(time.Hour)
					if w.JumpCloud.Counters().FaultsInjected == 0 {
						t.Error("no fault was injected, want at least 1")
					}
					if !w.Enabled("ann") {
						t.Error("ann has no enabled account, want one")
					}
				})
			})
		}
	}
}

// A change just before a connection was made, which JumpCloud does not show yet, is read a
// minute later: a user who was suspended is disabled, and a user who joined is a member.
func TestWhatJumpCloudShowsLateIsSeenAfterAConnection(t *testing.T) {
	for _, lag := range []time.Duration{3 * time.Second, 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond})
			ann, bob := o.Hire("ann"), o.Hire("bob")
			group := o.Group("Late")
			o.Settle(time.Hour)
			o.lag(lag)
			o.Must(o.JumpCloud.SuspendUser(string(ann)))
			o.Must(o.JumpCloud.AddMember(string(group), string(bob)))
			time.Sleep(time.Second)
			o.Connect(ann)
			o.ConnectGroups(group)
			time.Sleep(3 * time.Minute)
			o.Settle(time.Hour)
			if o.Enabled("ann") {
				t.Errorf("lag %s: ann is suspended and enabled, want disabled", lag)
			}
			if members := o.Members("Late"); !o.Enabled("bob") || len(members) != 1 {
				t.Errorf("lag %s: bob is enabled: %t, members %v; want bob enabled and the only member", lag, o.Enabled("bob"), members)
			}
		})
	}
}

// A first list that is wrong once leaves nobody out.
func TestAFirstListThatIsWrongLeavesNobodyOut(t *testing.T) {
	const apiMembers = "/api/v2/usergroups/*/membership"
	for name, fault := range map[string]jumpcloudtest.Fault{
		"empty, without a total": {Path: apiMembers, Answer: jumpcloudtest.EmptyList},
		"empty, with a total":    {Path: apiMembers, Answer: jumpcloudtest.EmptyTotal},
		"five short":             {Path: apiMembers, Answer: jumpcloudtest.FewerOf, Count: 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world.New(t, world.Config{Latency: 10 * time.Millisecond})
				var people []directory.UserID
				for _, name := range []string{"ann", "bob", "cat", "dan", "eve", "fay"} {
					people = append(people, w.Hire(name))
				}
				group := w.Group("Staff", people...)
				w.Settle(time.Hour)
				w.JumpCloud.FailNext(fault)
				w.ConnectGroups(group)
				w.Settle(time.Hour)
				if w.JumpCloud.Counters().FaultsInjected == 0 {
					t.Error("no fault was injected, want at least 1")
				}
				if members := w.Members("Staff"); len(members) != len(people) {
					t.Errorf("members %v, want %d", members, len(people))
				}
			})
		})
	}
}
