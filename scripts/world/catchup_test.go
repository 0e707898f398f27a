package world_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// insights is the route of the feed.
const insights = "POST /insights/directory/v1/events"

// arrival is how much longer than the feed's lag a change may take whose webhook does not
// come.
const arrival = 2 * time.Minute

// Without any webhook, every kind of change is in Entra within the feed's lag and two
// minutes.
func TestEverythingArrivesWithoutWebhooks(t *testing.T) {
	for name, tc := range map[string]struct {
		do    func(o *company) error
		shown func(o *company) bool
	}{
		"a suspension":      {func(o *company) error { return o.JumpCloud.SuspendUser(string(o.people[0])) }, func(o *company) bool { return !o.Enabled(o.names[0]) }},
		"a deletion":        {func(o *company) error { return o.JumpCloud.DeleteUser(string(o.people[0])) }, func(o *company) bool { return !o.Enabled(o.names[0]) }},
		"another name":      {func(o *company) error { return o.update(jumpcloudtest.Fields{"lastname": "Smith"}) }, func(o *company) bool { return o.text("surname") == "Smith" }},
		"one leaves":        {func(o *company) error { return o.JumpCloud.RemoveMember(string(o.group), string(o.people[0])) }, func(o *company) bool { return !o.Enabled(o.names[0]) }},
		"one joins":         {func(o *company) error { return o.JumpCloud.AddMember(string(o.group), string(o.Hire("joiner"))) }, func(o *company) bool { return o.Enabled("joiner") }},
		"the group's name":  {func(o *company) error { return o.JumpCloud.RenameGroup(string(o.group), "Crew") }, func(o *company) bool { return len(o.Members("Crew")) == len(o.people) }},
		"the group is gone": {func(o *company) error { return o.JumpCloud.DeleteGroup(string(o.group)) }, func(o *company) bool { return o.disabled() == len(o.people) }},
		"all are suspended": {func(o *company) error { return o.each(o.JumpCloud.SuspendUser) }, func(o *company) bool { return o.disabled() == len(o.people) }},
		"all get other names": {func(o *company) error {
			return o.each(func(id string) error { return o.JumpCloud.UpdateUser(id, jumpcloudtest.Fields{"lastname": "Smith"}) })
		}, func(o *company) bool {
			return !slices.ContainsFunc(o.names, func(name string) bool { account, _ := o.Account(name); return account.Text("surname") != "Smith" })
		}},
	} {
		for _, lag := range []time.Duration{time.Second, time.Minute, 5 * time.Minute} {
			t.Run(fmt.Sprint(name, " ", lag), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := newCompany(t, 30, world.Config{Latency: 100 * time.Millisecond, CatchUp: true})
					o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate, b.FeedLag = 1, lag })
					o.Must(tc.do(o))
					took := o.Until("Entra shows it", time.Hour, func() bool { return tc.shown(o) })
					if took > lag+arrival {
						t.Errorf("it took %s, want %s at most", took, lag+arrival)
					}
				})
			})
		}
	}
}

// each does something to each of the people.
func (o *company) each(do func(id string) error) error {
	for _, id := range o.people {
		if err := do(string(id)); err != nil {
			return err
		}
	}
	return nil
}

// With every webhook delivered, the catch-up costs one request to the feed each minute, and
// neither another one to JumpCloud nor one to Graph.
func TestWhatTheCatchUpCostsWhenAllWebhooksCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 20, world.Config{Latency: 100 * time.Millisecond, CatchUp: true})
		o.Must(o.each(o.JumpCloud.SuspendUser))
		o.Must(o.each(o.JumpCloud.ActivateUser))
		o.Settle(time.Hour)
		time.Sleep(5 * time.Minute) // what is read once more a minute later has been read
		const minutes = 60
		jumpCloud, graph := o.JumpCloud.Counters().ByRoute, o.Entra.Counters().Requests
		time.Sleep(minutes * time.Minute)
		after := o.JumpCloud.Counters().ByRoute
		for route, n := range after {
			if n -= jumpCloud[route]; route == insights && n != minutes || route != insights && n > 0 {
				t.Errorf("%d requests %s in %d minutes, want %d to the feed and none else", n, route, minutes, minutes)
			}
		}
		if n := o.Entra.Counters().Requests - graph; n > 0 {
			t.Errorf("%d requests to Graph, want none", n)
		}
		counts := o.Metrics.Counts()
		if n := counts[`catchup_events{outcome="unseen"}`]; n > 0 {
			t.Errorf("%d events were found, want none: webhooks brought them all", n)
		}
	})
}

// A rule of somebody else that makes alerts notifies once for all events of an open alert:
// of twenty people who join a group one event comes. The others are in the feed.
func TestTwentyPeopleJoinAndOneEventComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 1, world.Config{Latency: 100 * time.Millisecond, CatchUp: true})
		o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.OnePerOpenAlert = true })
		o.JumpCloud.ResolveAlerts()
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprintf("joiner%02d", i))
			o.Must(o.JumpCloud.AddMember(string(o.group), string(o.Hire(names[i]))))
		}
		came := o.JumpCloud.Counters()
		if came.Suppressed < 2*20-2 {
			t.Errorf("%d notifications were collected in an alert, want all but one", came.Suppressed)
		}
		took := o.Until("all have accounts and are members", time.Hour, func() bool {
			return len(o.Members("Staff")) == 21 && !slices.ContainsFunc(names, func(name string) bool { return !o.Enabled(name) })
		})
		if most := jumpcloudtest.DefaultBehaviour().FeedLag + arrival; took > most {
			t.Errorf("it took %s, want %s at most", took, most)
		}
	})
}

// Thousands of events that a catch-up finds wait in the bulk lane, and a suspension among
// them does not.
func TestASuspensionDoesNotWaitForAFloodThatWasCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 400
		o := newCompany(t, many, world.Config{Latency: 100 * time.Millisecond, CatchUp: true})
		o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 })
		for _, id := range o.people[1:] { // of an unknown kind: nothing says that it is not about access
			o.Must(o.JumpCloud.UpdateUser(string(id), jumpcloudtest.Fields{"lastname": "Smith", "ldap_binding_user": true}))
		}
		o.Must(o.JumpCloud.SuspendUser(string(o.people[0])))
		most := jumpcloudtest.DefaultBehaviour().FeedLag + arrival
		if took := o.Until("the suspension is in Entra", time.Hour, func() bool { return !o.Enabled(o.names[0]) }); took > most {
			t.Errorf("the suspension took %s, want %s at most", took, most)
		}
		if left := o.Waiting()["users-bulk.fifo"]; left < many/2 {
			t.Errorf("%d tasks wait in the bulk lane, want most of %d: %v", left, many, o.Waiting())
		}
		o.Settle(5 * time.Hour)
		for _, name := range o.names[1:] {
			if account, _ := o.Account(name); account.Text("surname") != "Smith" {
				t.Errorf("%s has the surname %s, want Smith", name, account.Text("surname"))
			}
		}
	})
}

// behaviours are the ways in which webhooks and the feed may go wrong.
var behaviours = map[string]func(*jumpcloudtest.Behaviour){
	"all is well":       func(*jumpcloudtest.Behaviour) {},
	"no webhook comes":  func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 },
	"half of them come": func(b *jumpcloudtest.Behaviour) { b.LossRate = 0.5 },
	"each comes twice":  func(b *jumpcloudtest.Behaviour) { b.DuplicateRate = 1 },
	"in another order":  func(b *jumpcloudtest.Behaviour) { b.ReorderRate, b.ReorderDelay = 1, time.Minute },
	"one for an alert":  func(b *jumpcloudtest.Behaviour) { b.OnePerOpenAlert = true },
	"without ids":       func(b *jumpcloudtest.Behaviour) { b.OmitEventIDs, b.LossRate = true, 0.3 },
	"a feed with gaps": func(b *jumpcloudtest.Behaviour) {
		b.LossRate, b.FeedLag, b.FeedLagSpread = 1, time.Minute, 8*time.Minute
	},
	"everything": func(b *jumpcloudtest.Behaviour) {
		b.LossRate, b.DuplicateRate, b.ReorderRate, b.ReorderDelay, b.FeedLagSpread, b.UserReadLag, b.MembershipReadLag = 0.5, 0.3, 0.5, time.Minute, 5*time.Minute, 3*time.Second, 3*time.Second
	},
}

// However webhooks come and the feed shows events, the same changes lead to the same end
// state. Several changes have the same time.
func TestTheEndStateIsTheSameHoweverEventsCome(t *testing.T) {
	for seed := range uint64(3) {
		want := map[string]string{}
		synctest.Test(t, func(t *testing.T) { want = endOfADay(t, seed, func(*jumpcloudtest.Behaviour) {}) })
		for _, name := range slices.Sorted(maps.Keys(behaviours)) {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if diff := cmp.Diff(want, endOfADay(t, seed, behaviours[name])); diff != "" {
						t.Errorf("Entra at the end (-when all is well +now):\n%s", diff)
					}
				})
			})
		}
	}
}

// endOfADay makes random changes and describes Entra at the end: each account, and the
// members of each group.
func endOfADay(t *testing.T, seed uint64, behave func(*jumpcloudtest.Behaviour)) map[string]string {
	t.Helper()
	o := newCompany(t, 12, world.Config{Latency: 20 * time.Millisecond, CatchUp: true, Settings: func(s *directory.Settings) { s.SuspendOnLockout = true }})
	o.addSecond()
	o.JumpCloud.Set(behave)
	o.JumpCloud.ResolveAlerts()
	random := rand.New(rand.NewPCG(seed, seed))
	changes := []func(id string) error{
		o.JumpCloud.SuspendUser, o.JumpCloud.ActivateUser, o.JumpCloud.LockUser, o.JumpCloud.UnlockUser,
		func(id string) error { return o.JumpCloud.AddMember(string(o.group), id) },
		func(id string) error { return o.JumpCloud.RemoveMember(string(o.group), id) },
		func(id string) error { return o.JumpCloud.AddMember(string(o.second), id) },
		func(id string) error { return o.JumpCloud.RemoveMember(string(o.second), id) },
		func(id string) error {
			return o.JumpCloud.UpdateUser(id, jumpcloudtest.Fields{"lastname": fmt.Sprint("Name", random.IntN(5))})
		},
	}
	for range 60 {
		id := o.people[random.IntN(len(o.people))]
		// A change that JumpCloud refuses, such as of somebody who is a member already, is
		// refused in each of the worlds.
		_ = changes[random.IntN(len(changes))](string(id))
		time.Sleep([]time.Duration{0, 0, time.Second, 20 * time.Second, 2 * time.Minute}[random.IntN(5)])
	}
	time.Sleep(30 * time.Minute)
	o.Settle(time.Hour)
	state := map[string]string{"Staff": fmt.Sprint(o.Members("Staff")), "Second": fmt.Sprint(o.Members("Second"))}
	for i, name := range o.names {
		account, _ := o.Account(name)
		state[name] = fmt.Sprint(account.AccountEnabled, " ", account.Text("surname"))
		if o.Link(o.people[i]).Reason == directory.LeftGroup { // whose values nobody writes any more
			state[name] = "left"
			if account.AccountEnabled {
				state[name] = "left, and is enabled"
			}
		}
	}
	return state
}
