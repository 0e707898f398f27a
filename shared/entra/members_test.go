package entra_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// adding is an action that adds members.
func adding(group directory.EntraID, members ...directory.EntraID) plan.Action {
	return plan.Action{Type: plan.AddMembers, EntraID: group, Changes: []directory.Change{{Attribute: directory.Members, To: texts(members)}}}
}

// removing is an action that removes members.
func removing(group directory.EntraID, members ...directory.EntraID) plan.Action {
	return plan.Action{Type: plan.RemoveMembers, EntraID: group, Changes: []directory.Change{{Attribute: directory.Members, From: texts(members)}}}
}

func TestAddMembers(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 45)
	group := n.group(t, entratest.Group{DisplayName: "g"})
	n.sim.ResetCounters()
	wentThrough(t, n.write(t, adding(group, people...)))
	n.holds(t, group, people...)
	if c := n.sim.Counters(); c.WriteUnits != 7+7+2 || c.Operations != 3 {
		t.Errorf("%d write units, %d operations; want 16 and 3", c.WriteUnits, c.Operations)
	}
	other := n.group(t, entratest.Group{DisplayName: "h"})
	n.sim.ResetCounters()
	wentThrough(t, n.write(t, adding(other, people[0], people[0])))
	n.holds(t, other, people[0])
	if c := n.sim.Counters(); c.WriteUnits != 1 || c.Operations != 1 {
		t.Errorf("one member: %d write units, %d operations; want 1 and 1", c.WriteUnits, c.Operations)
	}
}

func TestOneBadIDAmong45(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 44)
	group := n.group(t, entratest.Group{DisplayName: "g"})
	n.sim.ResetCounters()
	result := n.write(t, adding(group, slices.Insert(slices.Clone(people), 30, nobody)...))
	f := fault.Of(result.Refused[nobody])
	if result.Err != nil || len(result.Refused) != 1 || f == nil || f.Kind != fault.NotFound || f.Reason != directory.MemberRefused {
		t.Errorf("%+v, want one member refused as not found", result)
	}
	n.holds(t, group, people...)
	if c := n.sim.Counters(); c.WriteUnits != 7+(7+20)+2 || c.Requests != 4 {
		t.Errorf("%d write units in %d requests; want 36 in 4", c.WriteUnits, c.Requests)
	}
}

// An account that is a member already counts as added.
func TestAddMembersAgain(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 5)
	group := n.group(t, entratest.Group{DisplayName: "g", Members: texts(people[:2])})
	wentThrough(t, n.write(t, adding(group, people...)))
	n.holds(t, group, people...)
	wentThrough(t, n.write(t, adding(group, people...)))
	wentThrough(t, n.write(t, adding(group, people[3])))
	n.holds(t, group, people...)
}

// Graph checks the limit of links before it checks which accounts are members already,
// so that 20 can be refused although each of them would fit.
func TestQuotaOfMembers(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 4)
	group := n.group(t, entratest.Group{DisplayName: "g", Members: texts(people[:2])})
	full := graphBody("Directory_QuotaExceeded", "Unable to perform operation as '12' would exceed the maximum quota count '10' for forward-link 'members'.")
	n.fails(t, entratest.Fault{Method: http.MethodPatch, Path: `^/v1\.0/groups/`, Status: 403, Body: full})
	wentThrough(t, n.write(t, adding(group, people[:3]...)))
	n.holds(t, group, people[:3]...)
	n.fails(t, entratest.Fault{Method: http.MethodPost, Path: `/members/\$ref$`, Status: 403, Body: full})
	result := n.write(t, adding(group, people[3]))
	f := fault.Of(result.Refused[people[3]])
	if result.Err != nil || f == nil || f.Kind != fault.Forbidden || f.Reason != directory.QuotaExceeded || !strings.Contains(f.Message, "'members'") {
		t.Errorf("%+v, want the member refused because of the limit of members", result)
	}
}

// A refusal of one member concerns that member alone.
func TestRefusedMembers(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 3)
	m365 := n.group(t, entratest.Group{DisplayName: "mail", Kind: entratest.Microsoft365})
	group := n.group(t, entratest.Group{DisplayName: "g"})
	n.fails(t, entratest.Fault{Method: http.MethodPost, Path: `/members/\$ref$`, Status: 403})
	result := n.write(t, adding(group, people[0], people[1], m365, "no-guid"))
	if result.Err != nil || len(result.Refused) != 3 {
		t.Fatalf("%+v, want no error and three members refused", result)
	}
	for id, want := range map[directory.EntraID]fault.Kind{people[0]: fault.Forbidden, m365: fault.Invalid, "no-guid": fault.Internal} {
		if f := fault.Of(result.Refused[id]); f == nil || f.Kind != want || f.Message == "" {
			t.Errorf("%s: %+v, want %s", id, f, want)
		}
	}
	n.holds(t, group, people[1])
}

// If Entra does not write the members of a group at all, or the group is gone, the
// fault is about the group.
func TestGroupsThatTakeNoMembers(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 25)
	dynamic := n.group(t, entratest.Group{DisplayName: "d", Kind: entratest.DynamicSecurity, Members: texts(people[:1])})
	synced := n.group(t, entratest.Group{DisplayName: "s", Kind: entratest.SyncedSecurity})
	n.sim.ResetCounters()
	failed(t, n.write(t, adding(dynamic, people...)), fault.Forbidden, directory.GroupUnusable)
	if c := n.sim.Counters(); c.WriteUnits != 7+20 {
		t.Errorf("%d write units, want 27, without tries for the other members", c.WriteUnits)
	}
	failed(t, n.write(t, removing(dynamic, people[0])), fault.Forbidden, directory.GroupUnusable)
	failed(t, n.write(t, adding(synced, people[0])), fault.Forbidden, directory.SyncedFromOnPremises)
	for _, action := range []plan.Action{adding(nobody, people...), adding(nobody, people[0]), removing(nobody, people...), removing(nobody, people[0])} {
		result := n.write(t, action)
		failed(t, result, fault.NotFound, directory.GroupMissing)
		if len(result.Refused) != 0 {
			t.Errorf("%s: members refused %v, want a fault about the group only", action.Type, result.Refused)
		}
	}
}

// A group that is deleted while an action is under way.
func TestGroupDeletedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		people := n.people(t, 45)
		group := n.group(t, entratest.Group{DisplayName: "g"})
		write := entratest.Fault{Method: http.MethodPatch, Path: `^/v1\.0/groups/`}
		n.fails(t, write) // served as ever
		write.Delay = 10 * time.Second
		n.fails(t, write)
		go func() {
			time.Sleep(5 * time.Second)
			if g, _ := n.dir.Group(string(group)); len(g.Members) != 20 {
				t.Errorf("%d members before, want 20", len(g.Members))
			}
			if err := n.dir.PurgeGroup(string(group)); err != nil {
				t.Error(err)
			}
		}()
		result := n.write(t, adding(group, people...))
		failed(t, result, fault.NotFound, directory.GroupMissing)
		if len(result.Refused) != 0 {
			t.Errorf("members refused %v, want a fault about the group only", result.Refused)
		}
	})
}

func TestRemoveMembers(t *testing.T) {
	for _, absent400 := range []bool{false, true} {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.RemoveAbsent400 = absent400 })
		people := n.people(t, 50)
		group := n.group(t, entratest.Group{DisplayName: "g", Members: texts(people[:45])})
		n.sim.ResetCounters()
		wentThrough(t, n.write(t, removing(group, append(slices.Clone(people[1:]), nobody)...)))
		n.holds(t, group, people[0])
		if c := n.sim.Counters(); c.WriteUnits != 50 || c.Requests != 3 {
			t.Errorf("%d write units in %d requests; want 50 in 3", c.WriteUnits, c.Requests)
		}
		// None of them is a member: the group exists all the same.
		wentThrough(t, n.write(t, removing(group, people[5:30]...)))
		for _, id := range people {
			if u, ok := n.dir.User(string(id)); !ok || !u.Deleted.IsZero() {
				t.Fatal("a user was deleted, want only the membership removed")
			}
		}
	}
}

// Without /$ref the same address would name the user itself, and Graph would
// delete the account.
func TestRemovalNamesTheMembership(t *testing.T) {
	s := &stub{t: t}
	s.answer = func(_ int, r sent) (int, http.Header, string) {
		return 200, nil, reply(t, r, func(item) map[string]any { return map[string]any{"status": 204} })
	}
	members := []directory.EntraID{"u1", "u2/..", "", "u3?x", "u4#"}
	wentThrough(t, s.client().ApplyToGroups(t.Context(), []plan.Action{removing("g1", members...)})[0])
	var urls []string
	for _, r := range s.requests {
		for _, i := range r.items(t) {
			if i.Method != http.MethodDelete || len(i.Body) != 0 {
				t.Errorf("%+v, want a DELETE without a body", i)
			}
			urls = append(urls, i.URL)
		}
	}
	want := []string{"/groups/g1/members/u1/$ref", "/groups/g1/members/u2%2F../$ref", "/groups/g1/members/u3%3Fx/$ref", "/groups/g1/members/u4%23/$ref"}
	if !slices.Equal(urls, want) {
		t.Errorf("%q\nwant %q", urls, want)
	}
}

// Items of a batch that write to one group may clash. They are sent fewer at a time,
// until all succeeded.
func TestMembersThatClash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.BatchConflicts = true })
		people := n.people(t, 20)
		a := n.group(t, entratest.Group{DisplayName: "a", Members: texts(people)})
		b := n.group(t, entratest.Group{DisplayName: "b", Members: texts(people[:1])})
		n.sim.ResetCounters()
		wentThrough(t, n.write(t, removing(a, people...)))
		wentThrough(t, n.write(t, adding(b, people...)))
		n.holds(t, a)
		n.holds(t, b, people...)
		// 20, 10, 5, 2 at a time and then one by one; one of them succeeds
		// each time; and the bind.
		if c := n.sim.Counters(); c.WriteUnits != 2*(20+10+5+2+16)+7 {
			t.Errorf("%d write units, want those of all rounds and the bind", c.WriteUnits)
		}
	})
}

// Clashes do not change the members that are sent later.
func TestManyMembersThatClash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.BatchConflicts = true })
		people := n.people(t, 46)
		a := n.group(t, entratest.Group{DisplayName: "a", Members: texts(people)})
		b := n.group(t, entratest.Group{DisplayName: "b", Members: []string{string(people[0]), string(people[25])}})
		results := n.client.ApplyToGroups(t.Context(), []plan.Action{removing(a, people[:45]...), adding(b, people...)})
		wentThrough(t, results[0])
		wentThrough(t, results[1])
		n.holds(t, a, people[45])
		n.holds(t, b, people...)
	})
}

// If clashes do not end, the result has the refusals so far.
func TestClashesThatDoNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		people := n.people(t, 3)
		group := n.group(t, entratest.Group{DisplayName: "g"})
		n.fails(t, entratest.Fault{Path: `/members/\$ref$`, Status: 409, Times: 100, Header: map[string]string{"Retry-After": "1"}})
		start := time.Now()
		result := n.write(t, adding(group, append(people, nobody)...))
		failed(t, result, fault.Transient, directory.Unavailable)
		if waited := time.Since(start); waited != 4*time.Second {
			t.Errorf("waited %s, want 4s", waited)
		}
		n.sim.ClearFaults()
		n.fails(t, entratest.Fault{Path: `/members/\$ref$`, Status: 429, Times: 2, Header: map[string]string{"Retry-After": "70"}})
		result = n.write(t, adding(group, append([]directory.EntraID{people[0], people[1], nobody}, people[2])...))
		failed(t, result, fault.Throttled, directory.ThrottledReason)
		if f := fault.Of(result.Err); f == nil || f.RetryAfter != 70*time.Second || !fault.Is(result.Refused[nobody], fault.NotFound) {
			t.Errorf("%+v, want a wait of 70s and the unknown member refused", result)
		}
		n.holds(t, group, people[2])
	})
}
