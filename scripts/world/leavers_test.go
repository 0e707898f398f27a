package world_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// leaverSeen is what the API says of somebody who left.
type leaverSeen struct {
	State   directory.AccountState
	Status  directory.LinkStatus
	Leaving *struct {
		Since           time.Time
		RestorableUntil *time.Time
		Steps           []struct {
			Step   directory.LeaverStep
			At     time.Time
			Status string
		}
	}
}

// see asks the API about a user.
func (o *company) see(id directory.UserID) (seen leaverSeen) {
	_, answer := o.Ask(http.MethodGet, "/v1/directories/"+string(o.Directory.ID)+"/users/"+string(id), "")
	o.Must(json.Unmarshal(answer, &seen))
	return seen
}

// Twelve people leave a company, and later its administrator has leavers deleted: the plan of the
// setting says who would be, the guard asks about all of them before the first is, and whoever
// comes back has the account again.
func TestLeaversAreDeletedWhenSomebodySaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, leavers = 40, 12
		o := newCompany(t, size, world.Config{Latency: 50 * time.Millisecond})
		path := "/v1/directories/" + string(o.Directory.ID)
		for _, id := range o.people[:leavers] {
			o.Must(o.JumpCloud.RemoveMember(string(o.group), string(id)))
		}
		o.Settle(time.Hour)
		if status := o.API(http.MethodPatch, path, `{"settings": {"guard": null}}`); status != http.StatusOK {
			t.Fatalf("the guard answers %d, want 200", status)
		}
		time.Sleep(10 * 24 * time.Hour)
		if seen := o.see(o.people[0]); seen.Leaving == nil || len(seen.Leaving.Steps) != 0 || seen.State != directory.Disabled {
			t.Errorf("of somebody who left the API says %+v, want since when and no steps", seen)
		}
		const body = `{"settings": {"leavers": {"deleteAccount": 7, "hideFromAddressLists": 20}}}`
		units := o.Entra.Counters().WriteUnits
		status, answer := o.Ask(http.MethodPatch, path+"?dryRun=true", body)
		var planned struct {
			Counts  map[string]int
			Actions []plan.Action
		}
		o.Must(json.Unmarshal(answer, &planned))
		if n := len(planned.Actions); status != http.StatusOK || n != leavers || planned.Actions[0].Type != plan.DeleteAccount || o.Entra.Counters().WriteUnits != units {
			t.Errorf("the plan answers %d with %s, want the deletion of %d accounts", status, answer, leavers)
		}
		if status := o.API(http.MethodPatch, path, body); status != http.StatusOK {
			t.Fatalf("the settings answer %d, want 200", status)
		}
		time.Sleep(50 * time.Minute)
		if seen := o.see(o.people[0]); seen.State != directory.Disabled || len(seen.Leaving.Steps) != 2 || seen.Leaving.Steps[0].Step != directory.DeleteAccount || seen.Leaving.Steps[0].Status != "waiting" || time.Until(seen.Leaving.Steps[0].At) < time.Minute {
			t.Errorf("within the hour the API says %+v, want the deletion first, later than now", seen.Leaving)
		}
		time.Sleep(time.Hour)
		open, err := o.Store.OpenHolds(t.Context(), o.Directory.ID)
		o.Must(err)
		if n := o.deleted(); n != 0 || len(open[o.Directory.ID]) != 1 || open[o.Directory.ID][0].Count != leavers {
			t.Fatalf("%d accounts are deleted and %+v are open, want none, and one hold with %d", n, open, leavers)
		}
		if seen := o.see(o.people[0]); seen.Status != directory.Held || seen.Leaving.Steps[0].Status != "held" {
			t.Errorf("of somebody who waits the API says %+v, want held", seen)
		}
		hold := open[o.Directory.ID][0]
		if status := o.API(http.MethodPost, path+"/holds/"+hold.ID+"/approve", fmt.Sprintf(`{"reason": "they have left", "joined": %d}`, hold.Joined)); status != http.StatusAccepted {
			t.Fatalf("the approval answers %d, want 202", status)
		}
		o.Settle(2 * time.Hour)
		if n := o.deleted(); n != leavers {
			t.Errorf("%d accounts are deleted, want %d", n, leavers)
		}
		if decided, err := o.Store.Hold(t.Context(), o.Directory.ID, hold.ID); err != nil || decided.Status != store.HoldApproved {
			t.Errorf("the hold is %+v (%v), want it approved", decided, err)
		}
		if seen := o.see(o.people[0]); seen.State != directory.Absent || seen.Leaving.RestorableUntil == nil || time.Until(*seen.Leaving.RestorableUntil) < 29*24*time.Hour {
			t.Errorf("of somebody who was deleted the API says %+v, want until when the account can be restored", seen)
		}
		time.Sleep(20 * 24 * time.Hour)
		o.Must(o.JumpCloud.AddMember(string(o.group), string(o.people[3])))
		o.Settle(2 * time.Hour)
		if link := o.Link(o.people[3]); !o.Enabled(o.names[3]) || link.Status != directory.Synced || o.deleted() != leavers-1 {
			t.Errorf("who is back is %+v, want the account restored and enabled", link)
		}
		if fmt.Sprint(o.see(o.people[3]).Leaving) != fmt.Sprint(leaverSeen{}.Leaving) {
			t.Errorf("of who is back the API says %+v, want nothing of leaving", o.see(o.people[3]).Leaving)
		}
	})
}

// deleted counts the accounts that are deleted and can be restored.
func (o *company) deleted() (n int) {
	for _, id := range o.people {
		link := o.Link(id)
		if account, found := o.Tenant.User(string(link.EntraID)); found && !account.Deleted.IsZero() {
			n++
		}
	}
	return n
}
