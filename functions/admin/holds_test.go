package admin_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// guarded stores a directory in whose hold so many users wait, and returns both ids.
func (f *fixture) guarded(people int) (id, hold string) {
	f.t.Helper()
	id = f.directory("{}")
	now := time.Now().UTC()
	known, err := f.records.Guard(f.t.Context(), directory.ID(id), plan.Removals, "")
	f.must(err)
	h := store.Hold{ID: "0197a000-0000-7000-8000-000000000001", Directory: directory.ID(id), Kind: plan.Removals, Status: store.HoldOpen, Since: now,
		Message: "21 people would lose access within 1h, and the guard of this directory lets 20 (maxCount)", Cause: plan.Cause{Type: "group_disconnected", At: now}}
	known.Count.Open = h.ID
	for first := true; people > 0; first = false {
		change := store.GuardChange{Known: known, Hold: &h, Counts: first}
		for range min(people, store.MaxHeld) {
			people--
			h.Joined++
			user := directory.UserID(fmt.Sprintf("65100000000000000000%04d", people))
			item := store.HeldItem{Hold: h.ID, Directory: directory.ID(id), Kind: plan.Removals, User: user,
				Account: "account", Name: "name of " + string(user), Action: plan.Deprovision, Reason: directory.LeftGroup, Since: now}
			h.Add(item)
			change.Items = append(change.Items, item)
		}
		f.must(f.records.KeepGuard(f.t.Context(), change, now))
		h.Version++
	}
	return id, h.ID
}

// decision is the body of an approval or a rejection of a hold in which so many wait.
func decision(decide string, joined int) string {
	if decide == "reject" {
		return `{"by": "Ada", "reason": "the group was dissolved"}`
	}
	return fmt.Sprintf(`{"by": "Ada", "reason": "the group was dissolved", "joined": %d}`, joined)
}

// The list of holds says what waits, why and since when, and who would be hit.
func TestHoldsAreShown(t *testing.T) {
	f := newFixture(t)
	id, hold := f.guarded(3)
	status, answer := f.call("GET", "/v1/directories/"+id+"/holds?status=open", "")
	items, _ := answer["items"].([]any)
	if status != 200 || len(items) != 1 {
		t.Fatalf("got %d %v, want the one hold", status, answer)
	}
	for field, want := range map[string]any{"id": hold, "kind": "removals", "status": "open", "count": 3.0, "accounts": 3.0, "members": 0.0, "joined": 3.0, "message": "21 people would lose access within 1h, and the guard of this directory lets 20 (maxCount)"} {
		if got := dig(items[0], field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	if dig(items[0], "since") == nil || dig(items[0], "cause", "type") != "group_disconnected" {
		t.Errorf("the hold is %v, want since when and by what", items[0])
	}
	status, answer = f.call("GET", "/v1/directories/"+id+"/holds/"+hold+"/items?limit=2", "")
	items, _ = answer["items"].([]any)
	if status != 200 || len(items) != 2 || answer["cursor"] == nil {
		t.Fatalf("got %d %v, want a page of two and a cursor", status, answer)
	}
	for field, want := range map[string]any{"userId": "651000000000000000000000", "name": "name of 651000000000000000000000", "action": "deprovision", "reason": "left_group", "entraId": "account"} {
		if got := dig(items[0], field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	_, answer = f.call("GET", "/v1/directories/"+id+"/holds/"+hold+"/items?limit=2&cursor="+fmt.Sprint(answer["cursor"]), "")
	if items, _ = answer["items"].([]any); len(items) != 1 {
		t.Errorf("the second page is %v, want one", answer)
	}
	_, dir := f.call("GET", "/v1/directories/"+id, "")
	if got := dig(dir, "health", "holds").([]any); len(got) != 1 || dig(got[0], "id") != hold {
		t.Errorf("the directory shows the holds %v, want the one", got)
	}
	if got := fmt.Sprint(dig(dir, "health", "points")); !strings.Contains(got, "what:held") || !strings.Contains(got, "/holds/"+hold+"/items") {
		t.Errorf("the points are %s, want one about the hold that says where to look", got)
	}
}

// A decision says who and why, and its tasks are sent: few to the live lane, many to the other.
func TestAHoldIsDecided(t *testing.T) {
	for _, c := range []struct {
		decide, status string
		people         int
	}{{"approve", "approved", 3}, {"approve", "approved", 230}, {"reject", "rejected", 3}} {
		f := newFixture(t)
		id, hold := f.guarded(c.people)
		path := "/v1/directories/" + id + "/holds/" + hold + "/"
		status, answer := f.call("POST", path+c.decide, decision(c.decide, c.people))
		if status != 202 || answer["status"] != c.status || answer["by"] != "Ada" || answer["reason"] != "the group was dissolved" || answer["decidedAt"] == nil || answer["count"] != float64(c.people) {
			t.Errorf("got %d %v, want 202 and who decided why", status, answer)
		}
		if expires := answer["expiresAt"] != nil; expires != (c.decide == "approve") {
			t.Errorf("expiresAt is %v, want one for an approval only", answer["expiresAt"])
		}
		lane, other := f.live, f.bulk
		if c.people > plan.FewObjects {
			lane, other = f.bulk, f.live
		}
		sent := f.bodies(lane)
		if len(sent) != c.people || len(f.bodies(other)) > 0 {
			t.Fatalf("%d tasks were sent to the lane, want %d and none to the other", len(sent), c.people)
		}
		task, err := reconcile.ReadTask(sent[0])
		if err != nil || !task.Held || task.Cause.Type != reconcile.HeldCause || task.Cause.ID != hold {
			t.Errorf("the task is %+v (%v), want one for the hold", task, err)
		}
		// The same again is no harm, the opposite is refused.
		if status, _ := f.call("POST", path+c.decide, decision(c.decide, c.people)); status != 202 {
			t.Errorf("the same decision again answers %d, want 202", status)
		}
		opposite := map[string]string{"approve": "reject", "reject": "approve"}[c.decide]
		if status, answer := f.call("POST", path+opposite, decision(opposite, c.people)); status != 409 || !strings.Contains(fmt.Sprint(answer), c.status) {
			t.Errorf("the opposite answers %d %v, want 409 and that it is %s", status, answer, c.status)
		}
		if _, answer := f.call("GET", "/v1/directories/"+id+"/holds?status=open", ""); len(answer["items"].([]any)) > 0 {
			t.Errorf("the open holds are %v, want none", answer)
		}
	}
}

// A decision that is not complete is refused by the name of the field.
func TestADecisionMustSayWhy(t *testing.T) {
	f := newFixture(t)
	id, hold := f.guarded(1)
	path := "/v1/directories/" + id + "/holds/" + hold
	past, late := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), time.Now().Add(31*24*time.Hour).UTC().Format(time.RFC3339)
	for _, c := range []struct {
		path, body, names string
		status            int
	}{
		{path + "/approve", `{}`, "body.reason", 422}, {path + "/approve", `{"reason": ""}`, "body.reason", 422}, {path + "/reject", `{"by": "Ada"}`, "body.reason", 422}, {path + "/reject", `{"reason": "x", "joined": 2}`, "body.joined", 409},
		{path + "/approve", `{"reason": "x", "joined": 1, "expiresAt": "` + past + `"}`, "body.expiresAt", 422}, {path + "/approve", `{"reason": "x", "joined": 1, "expiresAt": "` + late + `"}`, "body.expiresAt", 422},
		{path + "/reject", `{"reason": "x", "expiresAt": "` + late + `"}`, "body.expiresAt", 422}, {path + "/approve", `{"reason": "x", "joined": 1, "by": ""}`, "body.by", 422},
		{path + "/approve", `{"reason": "x"}`, "body.joined", 422}, {path + "/approve", `{"reason": "x", "joined": -1}`, "body.joined", 422}, {path + "/approve", `{"reason": "x", "joined": 0}`, "body.joined", 409}, {path + "/approve", `{"reason": "x", "joined": 2}`, "body.joined", 409},
		{"/v1/directories/" + id + "/holds/0197a000-0000-7000-8000-000000000002/approve", decision("approve", 1), "path.holdId", 404},
		{"/v1/directories/" + id + "/holds/none/approve", decision("approve", 1), "path.holdId", 404},
	} {
		status, answer := f.call("POST", c.path, c.body)
		if status != c.status || !strings.Contains(fmt.Sprint(answer), c.names) {
			t.Errorf("%s %s: got %d %v, want %d that names %s", c.path, c.body, status, answer, c.status, c.names)
		}
	}
	if status, answer := f.call("POST", path+"/approve", `{"reason": "x", "joined": 1}`); status != 202 || answer["by"] == "" || answer["by"] == nil {
		t.Errorf("got %d %v, want the caller's name", status, answer)
	}
	if status, _ := f.call("GET", "/v1/directories/"+id+"/holds/0197a000-0000-7000-8000-000000000002/items", ""); status != 404 {
		t.Errorf("the items of a hold that is not there answer %d, want 404", status)
	}
	if status, answer := f.call("GET", "/v1/directories/"+id+"/holds?status=done", ""); status != 422 {
		t.Errorf("a status that is none answers %d %v, want 422", status, answer)
	}
}

// If the tasks are not sent, because the queue takes none or the process died, the sweep sends
// them, and once more some minutes later: the list of what is in a hold may lag.
func TestTheSweepSendsWhatADecisionDidNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id, hold := f.guarded(3)
		_, err := f.records.DecideHold(t.Context(), directory.ID(id), hold, store.HoldApproved, func(h *store.Hold) { h.ExpiresAt = time.Now().Add(time.Hour) })
		f.must(err)
		for _, want := range []int{3, 3, 0} {
			time.Sleep(6 * time.Minute)
			f.must(reconcile.Sweep{Store: f.records, Users: f.bulk, Groups: f.groupsBulk, Metrics: &metric.Memory{}}.Run(t.Context()))
			if sent := len(f.bodies(f.bulk)); sent != want {
				t.Errorf("the sweep sent %d tasks, want %d", sent, want)
			}
		}
	})
}

// The guard is a setting like the others, except that a maxCount of null turns it off: and the
// answer says what that means.
func TestTheGuardIsSet(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	for _, c := range []struct {
		patch string
		want  map[string]any
		off   bool
	}{
		{`{"guard": {"maxCount": 50}}`, map[string]any{"maxCount": 50.0, "maxPercent": 10.0, "minimum": 3.0, "window": "1h"}, false},
		{`{"guard": {"maxPercent": 20, "window": "90m"}}`, map[string]any{"maxCount": 50.0, "maxPercent": 20.0, "minimum": 3.0, "window": "90m"}, false},
		{`{"guard": {"maxCount": null}}`, map[string]any{"maxCount": nil, "maxPercent": 20.0, "minimum": 3.0, "window": "90m"}, true},
		{`{"suspendOnLockout": true}`, map[string]any{"maxCount": nil, "maxPercent": 20.0, "minimum": 3.0, "window": "90m"}, true},
		{`{"guard": {"window": null}}`, map[string]any{"maxCount": nil, "maxPercent": 20.0, "minimum": 3.0, "window": "1h"}, true},
		{`{"guard": {"maxCount": 0}}`, map[string]any{"maxCount": 0.0, "maxPercent": 20.0, "minimum": 3.0, "window": "1h"}, false},
		{`{"guard": null}`, map[string]any{"maxCount": 20.0, "maxPercent": 10.0, "minimum": 3.0, "window": "1h"}, false},
	} {
		status, answer := f.call("PATCH", "/v1/directories/"+id, `{"settings": `+c.patch+`}`)
		if got := fmt.Sprint(dig(answer, "settings", "guard")); status != 200 || got != fmt.Sprint(c.want) {
			t.Errorf("%s: got %d and the guard %s, want %v", c.patch, status, got, c.want)
		}
		if said := fmt.Sprint(answer["unguarded"]); strings.Contains(said, "everybody at once") != c.off {
			t.Errorf("%s: unguarded is %s, want it to say what it means: %t", c.patch, said, c.off)
		}
	}
	for patch, names := range map[string]string{
		`{"guard": {"maxCount": 5001}}`: "maxCount", `{"guard": {"maxCount": -1}}`: "maxCount", `{"guard": {"maxPercent": 101}}`: "maxPercent",
		`{"guard": {"minimum": -1}}`: "minimum", `{"guard": {"window": "30s"}}`: "body.settings.guard.window", `{"guard": {"window": "2d"}}`: "body.settings.guard.window",
		`{"guard": {"most": 1}}`: "guard.most", `{"guard": 5}`: "guard",
	} {
		status, answer := f.call("PATCH", "/v1/directories/"+id, `{"settings": `+patch+`}`)
		if status != 422 || !strings.Contains(fmt.Sprint(answer), names) {
			t.Errorf("%s: got %d %v, want 422 that names %s", patch, status, answer, names)
		}
	}
}

// Whoever turns the guard off while a hold is open is told what is done by that.
func TestTheGuardIsTurnedOffWhileAHoldIsOpen(t *testing.T) {
	f := newFixture(t)
	id, hold := f.guarded(5)
	status, answer := f.call("PATCH", "/v1/directories/"+id, `{"settings": {"guard": {"maxCount": null}}}`)
	for _, says := range []string{"everybody at once", "the hold on removals " + hold + " is done now", "nobody has approved it: 5 actions"} {
		if got := fmt.Sprint(answer["unguarded"]); status != 200 || !strings.Contains(got, says) {
			t.Errorf("got %d and %q, want it to say %q", status, got, says)
		}
	}
}
