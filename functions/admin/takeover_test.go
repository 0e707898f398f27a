package admin_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// rehired stores a user who waits for the account of a former one, and returns the path of the
// confirmation.
func (f *fixture) rehired(id string) string {
	f.t.Helper()
	f.must(f.records.Connect(f.t.Context(), directory.ID(id), ann, directory.Direct, time.Now().UTC()))
	f.link(id, ann, func(l *directory.Link) {
		l.Status, l.Reason = directory.Parked, directory.FormerOwned
		l.Former = &directory.FormerAccount{ID: "e1", UPN: "ann@contoso.example", Awaiting: "ann",
			Owner: directory.FormerOwner{Organization: organization, User: "65f0000000000000000000ff", Username: "ann.old", Until: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}}
	})
	return "/v1/directories/" + id + "/users/" + ann + "/take-over"
}

// recorded are the actions of a directory that record a confirmation.
func (f *fixture) recorded(id string) (found []plan.Action) {
	f.t.Helper()
	list, err := f.records.Actions(f.t.Context(), directory.ID(id), 0, "")
	f.must(err)
	for _, action := range list.Items {
		if action.Type == plan.ConfirmTakeOver {
			found = append(found, action)
		}
	}
	return found
}

// An administrator confirms once: it is kept with the name, recorded, and sends a task.
func TestATakeOverIsConfirmedOnce(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	path := f.rehired(id)
	_, got := f.call("GET", "/v1/directories/"+id+"/users/"+ann, "")
	if former, _ := got["formerAccount"].(map[string]any); former["entraId"] != "e1" || former["username"] != "ann.old" || former["until"] != "2026-03-02T09:00:00Z" {
		t.Errorf("the user shows %v, want the account e1 of ann.old until 2026-03-02T09:00:00Z", got)
	}
	for i, by := range []string{"chief", "somebody else"} {
		status, got := f.call("POST", path, `{"by":"`+by+`","reason":"hired again","entraId":"E1"}`)
		confirmed, _ := got["takeOver"].(map[string]any)
		if status != 202 || got["status"] != "pending" || confirmed["by"] != "chief" || confirmed["entraId"] != "e1" || confirmed["reason"] != "hired again" {
			t.Errorf("request %d: got %d %v, want 202, pending, confirmed by chief", i+1, status, got)
		}
		tasks := f.tasks(f.live)
		if len(tasks) != 1 || tasks[0].User != ann || tasks[0].Cause.Type != reconcile.TakeOverCause {
			t.Errorf("request %d sent %+v, want one task of the user", i+1, tasks)
		}
	}
	actions := f.recorded(id)
	if len(actions) != 1 || actions[0].Cause.By != "chief" || actions[0].EntraID != "e1" || actions[0].Subject.Name != "ann" {
		t.Errorf("recorded are %+v, want one confirmation by chief", actions)
	}
	_, list := f.call("GET", "/v1/events?type=user_take_over_confirmed", "")
	items, _ := list["items"].([]any)
	if len(items) != 1 {
		t.Fatalf("got the events %v, want one", list)
	}
	if by, _ := items[0].(map[string]any)["initiated_by"].(map[string]any); by["username"] != "chief" || by["type"] != "admin" {
		t.Errorf("the event says %v, want that the administrator chief did it", items[0])
	}
}

// Without a body it is whom the token belongs to.
func TestATakeOverSaysWhoseTokenItIs(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	if status, got := f.call("POST", f.rehired(id), ""); status != 202 || got["takeOver"].(map[string]any)["by"] != "admin token" {
		t.Errorf("got %d %v, want 202, confirmed by \"admin token\"", status, got)
	}
}

// A confirmation concerns the account in every directory of the tenant where the user waits.
func TestATakeOverConcernsAllDirectoriesOfTheTenant(t *testing.T) {
	f := newFixture(t)
	one := f.directory(`{"allowSharedDomains":true}`)
	_, created := f.create("Second", organization, tenant, `{"allowSharedDomains":true}`)
	two := idOf(created)
	path := f.rehired(one)
	f.rehired(two)
	f.tasks(f.live)
	if status, got := f.call("POST", path, `{"by":"chief"}`); status != 202 {
		t.Fatalf("got %d %v, want 202", status, got)
	}
	_, got := f.call("GET", "/v1/directories/"+two+"/users/"+ann, "")
	if got["takeOver"] == nil || got["status"] != "pending" {
		t.Errorf("the other directory says %v, want confirmed and pending", got)
	}
	if tasks := f.tasks(f.live); len(tasks) != 2 || tasks[0].Directory == tasks[1].Directory {
		t.Errorf("sent %+v, want a task for each directory", tasks)
	}
	if n := len(f.recorded(one)) + len(f.recorded(two)); n != 1 {
		t.Errorf("%d confirmations recorded, want 1", n)
	}
}

// There is nothing to confirm, or something else.
func TestATakeOverThatIsNotAskedFor(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	path := "/v1/directories/" + id + "/users/" + ann + "/take-over"
	status, problem := f.call("POST", path, "")
	mustSay(t, status, problem, 404, "path.userId", "never connected")
	f.must(f.records.Connect(t.Context(), directory.ID(id), ann, directory.Direct, time.Now().UTC()))
	f.link(id, ann, func(l *directory.Link) { l.Status, l.Reason = directory.Parked, directory.UPNConflict })
	status, problem = f.call("POST", path, "{}")
	mustSay(t, status, problem, 409, "path.userId", "nothing to confirm")
	f.rehired(id)
	status, problem = f.call("POST", path, `{"entraId":"e2"}`)
	mustSay(t, status, problem, 409, "body.entraId", "by now")
	status, problem = f.call("POST", path, `{"who":"me"}`)
	mustSay(t, status, problem, 422, "body.who", "no field who")
	status, problem = f.call("POST", "/v1/directories/"+organization+"-none/users/"+ann+"/take-over", "")
	mustSay(t, status, problem, 404, "path.id", "")
	if tasks := f.tasks(f.live); len(tasks) > 0 || len(f.recorded(id)) > 0 {
		t.Errorf("refused requests sent %+v and recorded %+v, want nothing", tasks, f.recorded(id))
	}
}

// A process that dies before it sends the task leaves it to the sweep, which finds the check.
func TestAConfirmationWithoutATaskIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.directory("{}")
		f.rehired(id)
		user, err := f.records.User(t.Context(), organization, ann)
		f.must(err)
		link, _ := user.Link(directory.ID(id))
		word := directory.TakeOver{Account: *link.Former, By: "chief", At: time.Now().UTC()}
		confirm := func(id string) error {
			return f.records.ConfirmTakeOver(t.Context(), plan.Action{ID: id, Directory: link.Directory, Type: plan.ConfirmTakeOver, Status: plan.Succeeded, At: word.At, CompletedAt: word.At}, link.ConfirmedBy(word))
		}
		f.must(confirm("a"))
		if err := confirm("b"); !fault.Is(err, fault.Changed) {
			t.Errorf("a second confirmation of the same version: got %v, want a fault of kind Changed", err)
		}
		time.Sleep(time.Hour)
		due, err := f.records.Unfinished(t.Context(), link.Directory, 10, "")
		f.must(err)
		if len(due.Items) != 1 || due.Items[0].Kind != store.DueCheck || due.Items[0].User != ann {
			t.Errorf("due are %+v, want a check of the user", due.Items)
		}
	})
}
