package entra_test

import (
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// many are actions that disable the members of a group that was disconnected.
func many(people []directory.EntraID) []plan.Action {
	actions := make([]plan.Action, len(people))
	for i, id := range people {
		actions[i] = block(string(id))
		actions[i].Cause.Many = true
	}
	return actions
}

// The removal of many uses the same part of the quota as a first sync, and the suspension
// of one person goes before it.
func TestTheRemovalOfManyLeavesTheReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		people := n.people(t, 41)
		hired(t, n.client, 0, 2700)
		var crowd sync.WaitGroup
		start := time.Now()
		crowd.Go(func() {
			for _, result := range n.client.Apply(t.Context(), many(people[:40])) {
				if result.Err != nil {
					t.Error(result.Err)
				}
			}
		})
		time.Sleep(500 * time.Millisecond)
		if result := n.client.Apply(t.Context(), []plan.Action{block(string(people[40]))})[0]; result.Err != nil || time.Since(start) != 500*time.Millisecond {
			t.Errorf("the suspension was sent after %s: %v; want 500ms and no error", time.Since(start), result.Err)
		}
		crowd.Wait()
		if took := time.Since(start).Round(time.Millisecond); took != 2050*time.Millisecond {
			t.Errorf("41 writes took %s, want 2.05s at 20 a second", took)
		}
	})
}

// Of actions that are applied together the urgent ones are sent at once, when the others
// have to wait.
func TestUrgentActionsAreSentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		people := n.people(t, 31)
		one := string(people[30])
		hired(t, n.client, 0, 2700)
		var all sync.WaitGroup
		all.Go(func() { n.client.Apply(t.Context(), append(many(people[:30]), block(one))) })
		time.Sleep(time.Millisecond)
		if u, _ := n.dir.User(one); u.AccountEnabled {
			t.Error("the account of the one is enabled, want it disabled at once")
		}
		if u, _ := n.dir.User(string(people[0])); !u.AccountEnabled {
			t.Error("the account of one of many is disabled, want it to wait for the quota")
		}
		all.Wait()
	})
}

// The removal of many members of a group is not urgent, that of a few is.
func TestManyMembersAreNotUrgent(t *testing.T) {
	for members, want := range map[int]string{plan.FewObjects: "high", plan.FewObjects + 1: "low"} {
		s := &stub{t: t, answer: done(t)}
		remove := make(directory.Value, members)
		for i := range remove {
			remove[i] = fmt.Sprintf("m%d", i)
		}
		s.client().ApplyToGroups(t.Context(), []plan.Action{{Type: plan.RemoveMembers, EntraID: "g", Changes: []directory.Change{{Attribute: directory.Members, From: remove}}}})
		if got := s.requests[0].items(t)[0].Headers["x-ms-throttle-priority"]; got != want {
			t.Errorf("the priority of the removal of %d members is %q, want %q", members, got, want)
		}
	}
}

// Each write says to Graph how urgent it is.
func TestWritesSayHowUrgentTheyAre(t *testing.T) {
	s := &stub{t: t, answer: done(t)}
	event, request := plan.Cause{Event: true}, plan.Cause{Requested: true}
	with := func(a plan.Action, cause plan.Cause) plan.Action { a.Cause = cause; return a }
	s.client().Apply(t.Context(), []plan.Action{
		with(update("sync", "city", "A"), plan.Cause{}),
		with(update("event", "city", "A"), event),
		with(update("request", "city", "A"), request),
		block("one"), many([]directory.EntraID{"many"})[0],
	})
	if err := s.client().SetPassword(t.Context(), "password", "long enough 123"); err == nil {
		t.Error("the stub's answer to a password counts as success, want an error")
	}
	got := map[string]string{}
	for _, i := range s.requests[0].items(t) {
		got[i.URL] = i.Headers["x-ms-throttle-priority"]
	}
	want := map[string]string{"/users/sync": "low", "/users/event": "high", "/users/request": "", "/users/one": "high", "/users/many": "low"}
	if !maps.Equal(got, want) {
		t.Errorf("priorities %v, want %v", got, want)
	}
	if got := s.requests[1].header.Get("x-ms-throttle-priority"); got != "high" {
		t.Errorf("the priority of a password is %q, want high", got)
	}
}

// What Graph refuses makes those wait that are as urgent or less. Work on many waits for its
// turn; urgent work that must wait long goes back to its queue, so that it holds up nobody.
func TestWhoWaitsForARefusedWrite(t *testing.T) {
	one, crowd := block("e2"), many([]directory.EntraID{"e2"})[0]
	for _, tc := range []struct {
		name          string
		refused, next plan.Action
		waits         time.Duration
		putOff        bool
	}{
		{"many after many", crowd, crowd, 20 * time.Second, false},
		{"one after many", crowd, one, 0, false},
		{"many after one", one, crowd, 0, true},
		{"one after one", one, one, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{t: t}
				s.answer = func(n int, r sent) (int, http.Header, string) {
					if n > 1 {
						return done(t)(n, r)
					}
					return 200, nil, reply(t, r, func(item) map[string]any {
						return map[string]any{"status": 429, "headers": map[string]string{"Retry-After": "20", "x-ms-throttle-scope": "Tenant_Application/Write/app/tenant"}}
					})
				}
				client := s.client()
				client.Apply(t.Context(), []plan.Action{tc.refused})
				start := time.Now()
				result := client.Apply(t.Context(), []plan.Action{tc.next})[0]
				if putOff := fault.Is(result.Err, fault.Throttled); time.Since(start).Round(time.Second) != tc.waits || putOff != tc.putOff || result.Err != nil && !putOff {
					t.Errorf("after %s: %v; want it after %s, put off: %t", time.Since(start), result.Err, tc.waits, tc.putOff)
				}
				if f := fault.Of(result.Err); tc.putOff && f.RetryAfter < 20*time.Second {
					t.Errorf("it is to be tried again after %s, want 20s at least", f.RetryAfter)
				}
			})
		})
	}
}

// A new person whom an event asks for does not wait behind a first sync either.
func TestOneNewPersonDoesNotWaitBehindAFirstSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		hired(t, n.client, 0, 2700)
		var crowd sync.WaitGroup
		for i := range 4 {
			crowd.Go(func() { hired(t, n.client, 2700+100*i, 2800+100*i) })
		}
		time.Sleep(time.Second)
		start := time.Now()
		one := hires(9000, 9001)
		one[0].Cause.Event = true
		if result := n.client.Apply(t.Context(), one)[0]; result.Err != nil || time.Since(start) > 0 {
			t.Errorf("after %s: %v, want no error at once", time.Since(start), result.Err)
		}
		crowd.Wait()
	})
}
