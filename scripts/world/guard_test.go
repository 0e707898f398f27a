package world_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

// By mistake the one group of a company loses its members in JumpCloud: all at once by its
// disconnection, or one by one with an event for each. Nobody beyond the guard is disabled, a
// suspension passes meanwhile, and what the administrator decides is done.
func TestAMistakeInJumpCloudDisablesNobodyUnasked(t *testing.T) {
	const size, most = 60, 6 // a tenth
	for name, c := range map[string]struct {
		mistake func(o *company)
		// most are disabled before anybody decides: fewer if the group's task comes before
		// those of the people.
		most int
	}{
		"disconnected": {func(o *company) {
			o.API(http.MethodDelete, "/v1/directories/"+string(o.Directory.ID)+"/connections/groups/"+string(o.group), "")
		}, 0},
		"emptied, and no event comes": {func(o *company) {
			o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 })
			for _, id := range o.people {
				o.Must(o.JumpCloud.RemoveMember(string(o.group), string(id)))
			}
			o.SyncGroup(o.group)
		}, 0},
		"emptied one by one": {func(o *company) {
			for _, id := range o.people {
				o.Must(o.JumpCloud.RemoveMember(string(o.group), string(id)))
			}
		}, most},
	} {
		for decision, status := range map[string]store.HoldStatus{"approve": store.HoldApproved, "reject": store.HoldRejected} {
			t.Run(name+", "+decision, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := newCompany(t, size, world.Config{Latency: 50 * time.Millisecond, Settings: func(s *directory.Settings) { s.Guard = directory.DefaultGuard() }})
					tova := o.Hire("tova")
					o.Connect(tova)
					o.Settle(time.Hour)
					c.mistake(o)
					o.Settle(time.Hour)
					before := o.disabled()
					if before > c.most {
						t.Fatalf("%d are disabled before anybody decides, want at most %d", before, c.most)
					}
					o.Must(o.JumpCloud.SuspendUser(string(tova)))
					o.EnqueueUser(tova, false)
					o.Settle(time.Hour)
					if o.Enabled("tova") {
						t.Error("the suspended one is enabled, want that to wait for nobody")
					}
					hold := o.openHold()
					if got := o.API(http.MethodPost, "/v1/directories/"+string(o.Directory.ID)+"/holds/"+hold.ID+"/"+decision, fmt.Sprintf(`{"joined": %d, "reason": "looked at"}`, hold.Joined)); got != http.StatusAccepted {
						t.Fatalf("the decision answers %d, want 202", got)
					}
					o.Settle(2 * time.Hour)
					want := before
					if status == store.HoldApproved {
						want = size
					}
					if n := o.disabled(); n != want {
						t.Errorf("%d are disabled after the decision, want %d", n, want)
					}
				})
			})
		}
	}
}

// A hold that an administrator has read grows by a mistake before the approval: those who came
// after the reading are not let through with the others, and the growth is announced.
func TestAnApprovalNamesWhatWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, leavers = 60, 8
		o := newCompany(t, size, world.Config{Latency: 50 * time.Millisecond, Settings: func(s *directory.Settings) { s.Guard = directory.DefaultGuard() }})
		for _, id := range o.people[:leavers] {
			o.Must(o.JumpCloud.DeleteUser(string(id)))
		}
		o.Settle(time.Hour)
		before := o.disabled()
		read := o.openHold()
		announced := o.Metrics.Counts()["holds_announced"]
		if read.Count == 0 || announced != 1 {
			t.Fatalf("%d wait and %d holds are announced, want some and 1", read.Count, announced)
		}
		time.Sleep(48 * time.Hour)
		o.API(http.MethodDelete, "/v1/directories/"+string(o.Directory.ID)+"/connections/groups/"+string(o.group), "")
		o.Settle(time.Hour)
		grown := o.openHold()
		if grown.ID != read.ID || grown.Count < size-before || !strings.Contains(grown.Message, fmt.Sprintf("by now %d", grown.Count)) {
			t.Fatalf("%d wait in the hold, which says %q; want the same one with everybody, and to say so", grown.Count, grown.Message)
		}
		if n := o.Metrics.Counts()["holds_announced"]; n != 2 {
			t.Errorf("%d announcements were made, want a second one for the growth", n)
		}
		approve := func(joined int) (int, string) {
			status, answer := o.Ask(http.MethodPost, "/v1/directories/"+string(o.Directory.ID)+"/holds/"+read.ID+"/approve", fmt.Sprintf(`{"joined": %d, "reason": "the leavers of Friday"}`, joined))
			return status, string(answer)
		}
		if status, answer := approve(read.Joined); status != http.StatusConflict || !strings.Contains(answer, fmt.Sprint(grown.Joined)) || !strings.Contains(answer, "body.joined") {
			t.Errorf("the approval of what was read answers %d %s, want 409 with the new number", status, answer)
		}
		o.Settle(time.Hour)
		if n := o.disabled(); n != before {
			t.Errorf("%d are disabled, want the %d from before", n, before)
		}
		if status, answer := approve(grown.Joined); status != http.StatusAccepted {
			t.Errorf("the approval of what is read anew answers %d %s, want 202", status, answer)
		}
		o.Settle(2 * time.Hour)
		if n := o.disabled(); n != size {
			t.Errorf("%d are disabled, want all %d", n, size)
		}
	})
}

// heldNow is an open hold as the API shows it.
type heldNow struct {
	ID      string
	Count   int
	Joined  int
	Message string
}

// openHold is the one hold that is open.
func (o *company) openHold() heldNow {
	o.t.Helper()
	_, answer := o.Ask(http.MethodGet, "/v1/directories/"+string(o.Directory.ID)+"/holds?status=open", "")
	var list struct{ Items []heldNow }
	o.Must(json.Unmarshal(answer, &list))
	if len(list.Items) != 1 {
		o.t.Fatalf("the open holds are %s, want one", answer)
	}
	return list.Items[0]
}

// The cause of a hold is taken back, and the hold is approved right after that: what nobody
// asks for any more is done to nobody, not even for a moment.
func TestWhatWasTakenBackIsNotDone(t *testing.T) {
	for name, c := range map[string]struct {
		size           int
		begins, isBack func(o *company)
		wait           time.Duration
	}{
		"a group is connected again": {20, (*company).disconnect, (*company).reconnect, time.Hour},
		"a large one is":             {200, (*company).disconnect, (*company).reconnect, time.Hour},
		"at once":                    {20, (*company).disconnect, (*company).reconnect, 20 * time.Second},
		"members are added again":    {20, (*company).empty, (*company).fill, time.Hour},
		"and their events are lost": {20, func(o *company) {
			o.empty()
			o.Settle(time.Hour)
			o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 })
		}, (*company).fill, time.Hour},
		"and at once": {20, (*company).empty, (*company).fill, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newCompany(t, c.size, world.Config{Latency: 50 * time.Millisecond, Settings: func(s *directory.Settings) { s.Guard = directory.DefaultGuard() }})
				c.begins(o)
				time.Sleep(c.wait)
				members := func() int { return len(o.Tenant.GroupsNamed("Staff")[0].Members) }
				before, in := o.disabled(), members()
				hold := o.openHold()
				c.isBack(o)
				if got := o.API(http.MethodPost, "/v1/directories/"+string(o.Directory.ID)+"/holds/"+hold.ID+"/approve", fmt.Sprintf(`{"joined": %d, "reason": "looked at"}`, hold.Joined)); got != http.StatusAccepted {
					t.Fatalf("the approval answers %d, want 202", got)
				}
				for range 300 {
					time.Sleep(time.Second)
					if n := o.disabled(); n > before {
						t.Fatalf("%d are disabled, want no more than the %d from before", n, before)
					}
					if n := members(); n < in {
						t.Fatalf("%d are in the security group, want no fewer than the %d from before", n, in)
					}
				}
			})
		})
	}
}

// disconnect disconnects the group.
func (o *company) disconnect() {
	o.API(http.MethodDelete, "/v1/directories/"+string(o.Directory.ID)+"/connections/groups/"+string(o.group), "")
}

// reconnect connects it again.
func (o *company) reconnect() {
	o.API(http.MethodPut, "/v1/directories/"+string(o.Directory.ID)+"/connections/groups/"+string(o.group), "")
}

// empty takes everybody out of the group in JumpCloud.
func (o *company) empty() {
	for _, id := range o.people {
		o.Must(o.JumpCloud.RemoveMember(string(o.group), string(id)))
	}
}

// fill adds everybody again.
func (o *company) fill() {
	for _, id := range o.people {
		o.Must(o.JumpCloud.AddMember(string(o.group), string(id)))
	}
}
