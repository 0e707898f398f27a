package jumpcloudtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

// reads is what the API shows of one user in one group and directory: the state,
// whether the group has the name Sales, whether the membership and the association
// exist, each from both sides.
func (b bench) reads(user, group, m365 string) string {
	b.t.Helper()
	on := func(path, id string) bool {
		for _, each := range b.want(200, "GET", path, nil).list() {
			if to, is := each["to"].(map[string]any); is {
				each = to
			}
			if each.Text("id") == id {
				return true
			}
		}
		return false
	}
	state := b.want(200, "GET", "/api/systemusers/"+user, nil).fields().Text("state")
	listed := b.want(200, "GET", "/api/systemusers?filter=_id:$in:"+user, nil).results()
	if len(listed) != 1 || listed[0].Text("state") != state {
		b.t.Errorf("the list says %v, the user %s, want the same state", listed, state)
	}
	member := on("/api/v2/usergroups/"+group+"/membership", user)
	if on("/api/v2/users/"+user+"/memberof", group) != member || on("/api/v2/usergroups/"+group+"/members", user) != member {
		b.t.Error("the sides of the membership differ")
	}
	associated := on("/api/v2/office365s/"+m365+"/associations?targets=user", user)
	if on("/api/v2/users/"+user+"/associations?targets=office_365", m365) != associated {
		b.t.Error("the sides of the association differ")
	}
	name := b.want(200, "GET", "/api/v2/usergroups/"+group, nil).fields().Text("name")
	return fmt.Sprintf("%s %s %v %v", state, name, member, associated)
}

// Events are delivered at once, and each kind of read shows the state before for a time
// of its own.
func TestReadsLagBehindEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, func(config *Config) {
			config.Client = &http.Client{Transport: Transport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }))}
		})
		b.must(b.Notify("http://receiver/", "token"))
		user, group, m365 := b.user("mira", nil), b.must(b.CreateGroup("Old")), b.must(b.CreateDirectory("M365"))
		b.want(204, "POST", "/_sim/behaviour", Fields{"UserReadLag": 2e9, "GroupReadLag": 4e9, "MembershipReadLag": 6e9, "AssociationReadLag": 8e9})
		time.Sleep(time.Minute)
		synctest.Wait()
		before := len(b.Deliveries())
		b.ok(b.SuspendUser(user))
		b.ok(b.RenameGroup(group, "Sales"))
		b.ok(b.AddMember(group, user))
		b.ok(b.Associate(user, m365))
		synctest.Wait()
		deliveries := b.Deliveries()[before:]
		if len(deliveries) < 4 || !deliveries[len(deliveries)-1].Delivered {
			t.Fatalf("deliveries wait: %+v, want all delivered", deliveries)
		}
		if got, _ := b.User(user); got.Text("state") != "SUSPENDED" || len(b.Members(group)) != 1 {
			t.Error("the Go methods do not show the present state")
		}
		for _, want := range []string{"ACTIVATED Old false false", "SUSPENDED Old false false", "SUSPENDED Sales false false",
			"SUSPENDED Sales true false", "SUSPENDED Sales true true"} {
			if got := b.reads(user, group, m365); got != want {
				t.Errorf("after %d s: %s, want %s", time.Now().Second(), got, want)
			}
			time.Sleep(2 * time.Second)
		}

		// And the same for deletions.
		b.ok(b.RemoveMember(group, user))
		b.ok(b.DeleteUser(user))
		b.want(200, "GET", "/api/systemusers/"+user, nil)
		time.Sleep(2 * time.Second)
		b.want(404, "GET", "/api/systemusers/"+user, nil)
		if got := b.want(200, "GET", "/api/v2/usergroups/"+group+"/membership", nil).list(); len(got) != 1 {
			t.Errorf("the membership is gone too soon: %v, want it still shown", got)
		}
		time.Sleep(4 * time.Second)
		if got := b.want(200, "GET", "/api/v2/usergroups/"+group+"/membership", nil).list(); len(got) != 0 {
			t.Errorf("the membership is still shown: %v, want it gone", got)
		}
		b.ok(b.DeleteGroup(group))
		b.want(200, "GET", "/api/v2/usergroups/"+group, nil)
		time.Sleep(4 * time.Second)
		b.want(404, "GET", "/api/v2/usergroups/"+group, nil)
	})
}

// Late changes are shown in order, even if the lag ends meanwhile; in the end reads
// show the present state.
func TestLagThatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		user := b.user("mira", nil)
		title := func() string { return b.want(200, "GET", "/api/systemusers/"+user, nil).fields().Text("jobTitle") }
		set := func(lag time.Duration, to string) {
			b.Set(func(behaviour *Behaviour) { behaviour.UserReadLag = lag })
			b.ok(b.UpdateUser(user, Fields{"jobTitle": to}))
		}
		set(10*time.Second, "one")
		set(0, "two")
		b.ok(b.UpdateUser(user, Fields{"username": "mira2"}))
		other := b.user("mira", Fields{"email": "another@example.com"}) // the name is free, and taken again
		if got := title(); got != "" {
			t.Errorf("shown at once: %q, want the title before", got)
		}
		b.want(404, "GET", "/api/systemusers/"+other, nil)
		b.want(400, "POST", "/api/systemusers", Fields{"username": "mira", "email": "x@example.com"})
		time.Sleep(10 * time.Second)
		if got := title(); got != "two" {
			t.Errorf("in the end: %q, want two", got)
		}
		b.want(200, "GET", "/api/systemusers/"+other, nil)
		b.want(400, "POST", "/api/systemusers", Fields{"username": "mira2", "email": "x@example.com"})
		set(0, "three")
		if got := title(); got != "three" {
			t.Errorf("without a lag: %q, want three", got)
		}
	})
}

// Without the switch nothing lags.
func TestNoLagByDefault(t *testing.T) {
	var none Behaviour
	for _, b := range []Behaviour{DefaultBehaviour(), none} {
		if b.UserReadLag+b.GroupReadLag+b.MembershipReadLag+b.AssociationReadLag != 0 || b.GoneMembers != ForgetGone || b.OmitTotals {
			encoded, _ := json.Marshal(b)
			t.Errorf("%s, want no lag, no gaps and totals", encoded)
		}
	}
}
