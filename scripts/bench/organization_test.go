package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// latency is what a request to an outside system takes (assumed).
const latency = 100 * time.Millisecond

// organization is one before its first sync.
type organization struct {
	*world.World
	t      *testing.T
	size   size
	groups []directory.GroupID
}

// newOrganization makes the people and groups of JumpCloud, and an empty tenant.
func newOrganization(t *testing.T, s size) *organization {
	t.Helper()
	o := &organization{World: world.New(t, world.Config{Latency: latency, Apart: s.apart, Silent: true}), t: t, size: s}
	o.fillGroups(o.createPeople())
	return o
}

// createPeople adds the users to JumpCloud.
func (o *organization) createPeople() []string {
	o.t.Helper()
	people := make([]string, o.size.users)
	for i := range people {
		var err error
		people[i], err = o.JumpCloud.CreateUser(jumpcloudtest.Fields{
			"username": fmt.Sprintf("user%d", i), "email": fmt.Sprintf("user%d@%s", i, world.Domain), "firstname": "Bench", "lastname": fmt.Sprint(i), "state": "ACTIVATED"})
		o.Must(err)
	}
	progress("%d users", len(people))
	return people
}

// fillGroups puts every user into a group, in an order that is new each time, until
// there are enough groups.
func (o *organization) fillGroups(people []string) {
	o.t.Helper()
	random := rand.New(rand.NewPCG(1, 1))
	for {
		random.Shuffle(len(people), func(i, j int) { people[i], people[j] = people[j], people[i] })
		for members := range slices.Chunk(people, groupSize) {
			if len(o.groups) == o.size.groups {
				progress("%d groups", len(o.groups))
				return
			}
			id, err := o.JumpCloud.CreateGroup(fmt.Sprintf("Group %d", len(o.groups)))
			o.Must(err)
			for _, member := range members {
				o.Must(o.JumpCloud.AddMember(id, member))
			}
			o.groups = append(o.groups, directory.GroupID(id))
		}
	}
}

// How often the queues are checked, how long tasks may go on after the last write, because
// each new user is read once more a minute after the account arrived, and after which time
// the test gives up.
const (
	checkEvery = time.Second
	idle       = 2 * time.Minute
	hopeless   = 3 * time.Hour
)

// work waits until nothing is left to do, and returns the time until the last write at
// Graph.
func (o *organization) work() time.Duration {
	o.t.Helper()
	start, shown := time.Now(), time.Duration(0)
	for {
		time.Sleep(checkEvery)
		waiting := o.Waiting()
		units, last := o.Written()
		since, took := time.Since(start), last.Sub(start)
		if len(waiting) == 0 {
			progress("after %.0f s, with the last write after %.0f s, nothing is left to do", since.Seconds(), took.Seconds())
			if since-took > idle {
				o.t.Errorf("tasks went on for %s after the last write, want at most %s", since-took, idle)
			}
			return took
		}
		if since-shown >= time.Minute {
			shown = since
			progress("after %.0f s: %d write units, %d refused, waiting %v", since.Seconds(), units, o.Entra.Counters().Throttled, waiting)
		}
		if since > hopeless {
			o.t.Fatalf("after %s the queues have %v, want them empty", since, waiting)
		}
	}
}

// compare compares Entra with JumpCloud.
func (o *organization) compare() {
	o.t.Helper()
	if depth, err := o.Dead.Depth(o.t.Context()); err != nil || depth.Visible > 0 {
		o.t.Errorf("%d tasks are dead letters (%v), want none", depth.Visible, err)
	}
	account := map[string]string{} // by the JumpCloud user
	for _, user := range o.Tenant.Users() {
		if id := user.Text("onPremisesImmutableId"); user.AccountEnabled {
			account[id] = user.ID
		}
	}
	if len(account) != o.size.users {
		o.t.Errorf("%d enabled accounts, want %d", len(account), o.size.users)
	}
	for i, id := range o.groups {
		found := o.Tenant.GroupsNamed(fmt.Sprintf("Group %d", i))
		want := map[string]bool{}
		for _, member := range o.JumpCloud.Members(string(id)) {
			want[account[member]] = true
		}
		if len(found) != 1 || !slices.Equal(slices.Sorted(slices.Values(found[0].Members)), slices.Sorted(maps.Keys(want))) {
			o.t.Errorf("Entra has %d groups of the name Group %d, want 1 with the %d members of JumpCloud", len(found), i, len(want))
		}
		if link := o.GroupLink(id); link.Status != directory.Synced {
			o.t.Errorf("Group %d: %s, %s: %s; want %s", i, link.Status, link.Reason, link.Message, directory.Synced)
		}
	}
}
