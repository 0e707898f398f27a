package admin_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// crew stores users and groups that are parked for different reasons, and returns the directory.
func (f *fixture) crew() string {
	f.t.Helper()
	id := f.directory("{}")
	for user, reason := range map[directory.UserID]directory.Reason{
		"u1": directory.DomainNotVerified, "u2": directory.DomainNotVerified, "u3": directory.UPNConflict, "u4": "",
	} {
		f.must(f.records.Connect(f.t.Context(), directory.ID(id), user, directory.Direct, time.Now().UTC()))
		f.link(id, user, func(l *directory.Link) {
			if l.Status = directory.Synced; reason != "" {
				l.Status, l.Reason = directory.Parked, reason
			}
		})
	}
	f.connectGroups(id, engineering, sales)
	f.groupLink(id, engineering, func(l *directory.GroupLink) { l.Status = directory.Synced })
	f.groupLink(id, sales, func(l *directory.GroupLink) { l.Status, l.Reason = directory.Parked, directory.GroupUnusable })
	f.sent() // what connecting sent
	return id
}

// Everybody of a status or a reason is tried again, with everything read again, in the bulk lane.
func TestAllOfAKindAreTriedAgain(t *testing.T) {
	f := newFixture(t)
	id := f.crew()
	users := func(ids ...string) (tasks []string) {
		for _, user := range ids {
			tasks = append(tasks, "user "+user+" retried")
		}
		return tasks
	}
	groups := func(ids ...string) (tasks []string) {
		for _, group := range ids {
			tasks = append(tasks, "group "+group+" retried, all true, source false, later false")
		}
		return tasks
	}
	both := []string{engineering, sales}
	slices.Sort(both)
	for _, tc := range []struct {
		kind, body string
		want       []string
	}{
		{"users", `{"reason":"domain_not_verified"}`, users("u1", "u2")},
		{"users", `{"status":"parked"}`, users("u1", "u2", "u3")},
		{"users", `{"status":"parked","reason":"upn_conflict"}`, users("u3")},
		{"users", `{"status":"synced","reason":"upn_conflict"}`, nil},
		{"users", `{"all":true}`, users("u1", "u2", "u3", "u4")},
		{"groups", `{"status":"parked"}`, groups(sales)},
		{"groups", `{"reason":"group_unusable"}`, groups(sales)},
		{"groups", `{"all":true}`, groups(both...)},
	} {
		status, answer := f.call("POST", "/v1/directories/"+id+"/sync/"+tc.kind, tc.body)
		if status != 202 || answer["sent"] != float64(len(tc.want)) || answer["complete"] != true {
			t.Errorf("%s %s: got %d %v, want 202, %d sent, complete", tc.kind, tc.body, status, answer, len(tc.want))
		}
		if got := f.sent(); !slices.Equal(got, tc.want) {
			t.Errorf("%s %s: sent %q, want %q", tc.kind, tc.body, got, tc.want)
		}
	}
}

// The tasks read as much as the request for one user: an event may have been missed.
func TestARetryOfManyReadsAsMuchAsOneOfOne(t *testing.T) {
	f := newFixture(t)
	id := f.directory(`{"connectionSource":{"type":"office_365","id":"6510000000000000000000f1"}}`)
	f.must(f.records.Connect(t.Context(), directory.ID(id), ann, directory.Direct, time.Now().UTC()))
	f.bodies(f.bulk)
	read := func(bodies [][]byte) reconcile.Task {
		t.Helper()
		if len(bodies) != 1 {
			t.Fatalf("got %d tasks, want 1", len(bodies))
		}
		task, err := reconcile.ReadTask(bodies[0])
		f.must(err)
		if !task.Cause.Requested {
			t.Errorf("the task %+v does not say that it is requested, want that it does", task)
		}
		task.Cause = reconcile.Task{}.Cause
		return task
	}
	f.call("POST", "/v1/directories/"+id+"/users/"+ann+"/sync", "")
	one := read(f.bodies(f.live))
	f.call("POST", "/v1/directories/"+id+"/sync/users", `{"all":true}`)
	many := read(f.bodies(f.bulk))
	if fmt.Sprint(one) != fmt.Sprint(many) || !one.Memberships || !one.Source {
		t.Errorf("one: %+v, many: %+v; want the same, with the memberships and the source", one, many)
	}
	// A group likewise.
	f.connectGroups(id, engineering)
	f.bodies(f.groupsBulk)
	f.call("POST", "/v1/directories/"+id+"/groups/"+engineering+"/sync", "")
	f.call("POST", "/v1/directories/"+id+"/sync/groups", `{"all":true}`)
	for name, bodies := range map[string][][]byte{"one": f.bodies(f.groupsLive), "many": f.bodies(f.groupsBulk)} {
		task, err := reconcile.ReadGroupTask(bodies[len(bodies)-1])
		f.must(err)
		if !task.AllMembers || !task.Source {
			t.Errorf("%s: %+v, want all members and the source", name, task)
		}
	}
}

// Whom to try again must be said, in words that are known.
func TestARetryOfManySaysWhom(t *testing.T) {
	f := newFixture(t)
	id := f.crew()
	for body, want := range map[string][2]string{
		`{}`:                             {"body", "say whom"},
		`{"all":false}`:                  {"body", "say whom"},
		`{"reason":"no_such_reason"}`:    {"body.reason", "domain_not_verified"},
		`{"status":"stuck"}`:             {"body.status", "parked"},
		`{"status":"parked","all":true}`: {"body.all", "leave one of them out"},
		`{"state":"parked"}`:             {"body.state", "no field state"},
	} {
		for _, kind := range []string{"users", "groups"} {
			status, problem := f.call("POST", "/v1/directories/"+id+"/sync/"+kind, body)
			mustSay(t, status, problem, 422, want[0], want[1])
		}
	}
	if got := f.sent(); len(got) > 0 {
		t.Errorf("sent %q, want nothing", got)
	}
	status, problem := f.call("POST", "/v1/directories/"+organization+"-none/sync/users", `{"all":true}`)
	mustSay(t, status, problem, 404, "path.id", "")
}

// Wherever the process dies that tries all of a kind again: what it had begun goes on by
// itself, and twice nothing is sent once it was done.
func TestARetryOfManyOutlivesItsProcess(t *testing.T) {
	for n, died := 1, true; died; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			id := f.crew()
			want := []string{"user u1 retried", "user u2 retried"}
			process := f.dies(n)
			status, _ := f.call("POST", "/v1/directories/"+id+"/sync/users", `{"reason":"domain_not_verified"}`)
			died = process.dead
			left, err := f.records.Rollout(t.Context(), directory.ID(id), store.Selection{Kind: plan.OfUser, Reason: directory.DomainNotVerified})
			f.must(err)
			got := f.sent()
			begun := left.Version > 0 || len(got) > 0
			time.Sleep(20 * time.Minute)
			got = append(got, f.sweep()...)
			slices.Sort(got)
			if got = slices.Compact(got); !begun {
				want = nil
			}
			if !slices.Equal(got, want) || !died && status != 202 || died && !begun && status < 500 {
				t.Errorf("call %d: answered %d, begun %t, sent %q, want %q", n, status, begun, got, want)
			}
			time.Sleep(time.Hour)
			if again := f.sweep(); len(again) > 0 {
				t.Errorf("call %d: sent %q again, want nothing", n, again)
			}
		})
	}
}
