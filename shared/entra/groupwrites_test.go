package entra_test

import (
	"context"
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
	"entrasync/shared/reconcile"
)

// nobody is an object id that Entra does not have.
const nobody directory.EntraID = "00000000-0000-4000-8000-000000000009"

// creating is an action that creates a group.
func creating(name, unique string, members ...directory.EntraID) plan.Action {
	action := plan.Action{Type: plan.CreateGroup, Changes: []directory.Change{
		{Attribute: directory.DisplayName, To: directory.Value{name}}, {Attribute: "uniqueName", To: directory.Value{unique}},
	}}
	if len(members) > 0 {
		action.Changes = append(action.Changes, directory.Change{Attribute: directory.Members, To: texts(members)})
	}
	return action
}

// naming is an action that gives a group a name.
func naming(kind plan.Type, group directory.EntraID, name string) plan.Action {
	return plan.Action{Type: kind, EntraID: group, Changes: []directory.Change{{Attribute: directory.DisplayName, To: directory.Value{name}}}}
}

// write sends one action.
func (n tenant) write(t *testing.T, action plan.Action) reconcile.GroupResult {
	t.Helper()
	return n.client.ApplyToGroups(t.Context(), []plan.Action{action})[0]
}

// holds checks that a group has exactly these members.
func (n tenant) holds(t *testing.T, group directory.EntraID, members ...directory.EntraID) {
	t.Helper()
	g, ok := n.dir.Group(string(group))
	want := texts(members)
	slices.Sort(want)
	slices.Sort(g.Members)
	if !ok || !slices.Equal(g.Members, want) {
		t.Errorf("group %q exists: %t, with %d members, want %d", group, ok, len(g.Members), len(want))
	}
}

// wentThrough checks that all of an action succeeded.
func wentThrough(t *testing.T, r reconcile.GroupResult) {
	t.Helper()
	if r.Err != nil || len(r.Refused) > 0 {
		t.Errorf("%v, refused %v; want no error and nobody refused", r.Err, r.Refused)
	}
}

// failed checks the fault of a group.
func failed(t *testing.T, r reconcile.GroupResult, kind fault.Kind, reason directory.Reason) {
	t.Helper()
	f := fault.Of(r.Err)
	if f == nil || f.Kind != kind || f.Reason != reason || strings.Contains(f.Message, "account") {
		t.Errorf("fault %v, want %s (%s), in words of groups", r.Err, kind, reason)
	}
}

func TestCreateGroup(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 45)
	n.sim.ResetCounters()
	result := n.write(t, creating("R&D 'Größe'", "jc.64f0c0ffee", people...))
	wentThrough(t, result)
	n.holds(t, result.ID, people...)
	g, _ := n.dir.Group(string(result.ID))
	if g.DisplayName != "R&D 'Größe'" || g.Kind != entratest.Security || g.Properties["uniqueName"] != "jc.64f0c0ffee" {
		t.Errorf("%+v, want a security group R&D 'Größe' with the unique name jc.64f0c0ffee", g)
	}
	// A create with 20 members, two more binds, a third of a unit for each member. One round each.
	if c := n.sim.Counters(); c.WriteUnits != 7+7+2 || c.Requests != 3 || c.Operations != 3 {
		t.Errorf("%d write units, %d requests, %d operations; want 16, 3 and 3", c.WriteUnits, c.Requests, c.Operations)
	}
}

// The item has the header that makes the request an upsert, and only the address has
// the unique name.
func TestCreateIsAnUpsert(t *testing.T) {
	s := &stub{t: t}
	s.answer = func(_ int, r sent) (int, http.Header, string) {
		return 200, nil, reply(t, r, func(item) map[string]any {
			return map[string]any{"status": 201, "body": map[string]any{"id": "g1"}}
		})
	}
	results := s.client().ApplyToGroups(t.Context(), []plan.Action{creating("a", "it's 1/2", "u1", "u1", "u2"), creating("b", "jc.2")})
	if results[0].ID != "g1" || results[0].Err != nil || results[1].Err != nil || len(s.requests) != 1 {
		t.Fatalf("%+v in %d requests; want the id g1, no errors and one request", results, len(s.requests))
	}
	items := s.requests[0].items(t)
	if items[0].Method != "PATCH" || items[0].URL != "/groups(uniqueName='it%27%27s%201%2F2')" || items[0].Headers["Prefer"] != "create-if-missing" {
		t.Errorf("%+v, want the upsert of the group with doubled quotes", items[0])
	}
	bound, _ := items[0].Body["members@odata.bind"].([]any)
	if len(bound) != 2 || bound[0] != "https://graph.example/v1.0/directoryObjects/u1" {
		t.Errorf("members %v, want two, u1 first", bound)
	}
	types, isList := items[0].Body["groupTypes"].([]any)
	if b := items[0].Body; b["mailEnabled"] != false || b["securityEnabled"] != true || !isList || len(types) != 0 || b["uniqueName"] != nil || b["displayName"] != "a" {
		t.Errorf("body %v, want a security group without mail, without the unique name", b)
	}
	if _, has := items[1].Body["members@odata.bind"]; has {
		t.Error("a group without members binds some, want no members in the body")
	}
}

func TestMailNicknames(t *testing.T) {
	n := simulated(t)
	seen := map[string]bool{}
	for i, name := range []string{"Sales", "Sales", "東京", "@()\\[]\";:<>,./' ", strings.Repeat("long ", 50), "Ünïted"} {
		result := n.write(t, creating(name, "jc."+string(rune('a'+i))))
		wentThrough(t, result)
		g, _ := n.dir.Group(string(result.ID))
		nickname, _ := g.Properties["mailNickname"].(string)
		if len(nickname) < 10 || len(nickname) > 64 || seen[nickname] {
			t.Errorf("%q gets the mail nickname %q, want 10 to 64 characters that no other group has", name, nickname)
		}
		seen[nickname] = true
	}
}

// A repeated attempt finds the group that the first one created, even if the answer to
// the first one was lost.
func TestCreateAgain(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 3)
	n.fails(t, entratest.Fault{Path: `^/v1\.0/\$batch$`, LoseReply: true})
	lost := n.write(t, creating("g", "jc.1", people[:2]...))
	failed(t, lost, fault.Transient, "")
	made := n.dir.GroupsNamed("g")
	if len(made) != 1 {
		t.Fatalf("%d groups, want one", len(made))
	}
	again := n.write(t, creating("g", "jc.1", people...))
	wentThrough(t, again)
	if again.ID != directory.EntraID(made[0].ID) || len(n.dir.GroupsNamed("g")) != 1 {
		t.Errorf("the repeated attempt returns %q, the first created %q; want one group", again.ID, made[0].ID)
	}
	n.holds(t, again.ID, people...)
	empty := n.write(t, creating("empty", "jc.2"))
	if again := n.write(t, creating("empty", "jc.2")); again.Err != nil || again.ID != empty.ID || empty.ID == "" {
		t.Errorf("%+v, then %+v, want the same group and no error", empty, again)
	}
	// A new member: all are bound, and the answer has no id.
	if again := n.write(t, creating("empty", "jc.2", people[0])); again.Err != nil || again.ID != empty.ID {
		t.Errorf("%+v, want the same group and no error", again)
	}
	n.holds(t, empty.ID, people[0])
}

// The group exists, and Graph does not return its id.
func TestCreateWithoutAnID(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		body   any
	}{
		"not known yet": {404, graphBody("Request_ResourceNotFound", "x")},
		"no id":         {200, map[string]any{}},
	} {
		s := &stub{t: t}
		s.answer = func(_ int, r sent) (int, http.Header, string) {
			return 200, nil, reply(t, r, func(i item) map[string]any {
				if i.Method == http.MethodPatch {
					return map[string]any{"status": 204}
				}
				if i.URL != "/groups(uniqueName='jc.1')?%24select=id" {
					t.Errorf("%s: requested %s, want only the id of the group", name, i.URL)
				}
				return map[string]any{"status": row.status, "body": row.body}
			})
		}
		if f := fault.Of(s.client().ApplyToGroups(t.Context(), []plan.Action{creating("g", "jc.1", "u1")})[0].Err); f == nil || f.Kind != fault.Transient || f.Message == "" {
			t.Errorf("%s: %+v, want a transient fault with a message", name, f)
		}
	}
}

func TestOneBadMemberDoesNotPreventTheGroup(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 24)
	wentThrough(t, n.write(t, creating("another", "jc.0"))) // now it is known that a batch can make groups
	n.sim.ResetCounters()
	result := n.write(t, creating("g", "jc.1", append([]directory.EntraID{nobody}, people...)...))
	if result.Err != nil || len(result.Refused) != 1 || !fault.Is(result.Refused[nobody], fault.NotFound) {
		t.Errorf("%+v, want one member refused as not found", result)
	}
	n.holds(t, result.ID, people...)
	// The refused create, the one without members, 20 singly, 5 together.
	if c := n.sim.Counters(); c.WriteUnits != 7+1+20+2 || c.Requests != 4 {
		t.Errorf("%d write units in %d requests; want 30 in 4", c.WriteUnits, c.Requests)
	}
}

func TestRefusedCreates(t *testing.T) {
	n := simulated(t, func(c *entratest.Config) { c.Apps[0].Roles = []string{"GroupMember.ReadWrite.All", "User.Read.All"} })
	failed(t, n.write(t, creating("g", "jc.1", n.people(t, 2)...)), fault.Unauthorized, directory.PermissionMissing)

	n = simulated(t)
	long := n.write(t, creating(strings.Repeat("x", 257), "jc.1"))
	failed(t, long, fault.Invalid, directory.InvalidValue)
	if f := fault.Of(long.Err); f == nil || f.Subject != "displayName" || !strings.Contains(f.Message, "JumpCloud") {
		t.Errorf("%v, want a fault about displayName that names JumpCloud", long.Err)
	}
	failed(t, n.write(t, creating("g", "")), fault.Internal, "")
	n.fails(t, entratest.Fault{Method: http.MethodPatch, Status: 403, Times: 2, Body: graphBody("Directory_QuotaExceeded", "The directory object quota limit for the Tenant has been exceeded.")})
	failed(t, n.write(t, creating("g", "jc.1", n.people(t, 1)...)), fault.Forbidden, directory.QuotaExceeded)
}

// An answer of a replica that does not show a new group yet does not mean that the
// group is deleted or that something prevents its creation: the action is tried again.
func TestNewGroupsAreKnownLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.Lag = entratest.Lag{Min: time.Minute, Writes: true} })
		people := n.people(t, 22)
		first := n.write(t, creating("g", "jc.1", people...))
		failed(t, first, fault.Transient, directory.Unavailable)
		if first.ID == "" {
			t.Error("the result has no id of the group, want it beside the error")
		}
		failed(t, n.write(t, creating("g", "jc.1", people...)), fault.Transient, directory.Unavailable)
		time.Sleep(2 * time.Minute)
		again := n.write(t, creating("g", "jc.1", people...))
		wentThrough(t, again)
		if again.ID != first.ID {
			t.Errorf("%q, then %q, want the same id", first.ID, again.ID)
		}
		n.holds(t, again.ID, people...)
	})
}

func TestRenameTakeOverDelete(t *testing.T) {
	n := simulated(t)
	a, b, c, d := n.group(t, entratest.Group{DisplayName: "a"}), n.group(t, entratest.Group{DisplayName: "b"}), n.group(t, entratest.Group{DisplayName: "c"}), n.group(t, entratest.Group{DisplayName: "d"})
	n.sim.ResetCounters()
	for i, result := range n.client.ApplyToGroups(t.Context(), []plan.Action{
		naming(plan.RenameGroup, a, "O'Brien & Söhne"), naming(plan.TakeOverGroup, b, "B"), {Type: plan.TakeOverGroup, EntraID: c},
		{Type: plan.DeleteGroup, EntraID: d}, {Type: plan.DeleteGroup, EntraID: nobody},
	}) {
		wentThrough(t, result)
		if want := []directory.EntraID{a, b, c, d, nobody}[i]; result.ID != want {
			t.Errorf("answer %d is of %q, want %q", i, result.ID, want)
		}
	}
	for id, want := range map[directory.EntraID]string{a: "O'Brien & Söhne", b: "B", c: "c"} {
		if g, ok := n.dir.Group(string(id)); !ok || g.DisplayName != want {
			t.Errorf("%+v, want the name %s", g, want)
		}
	}
	if g, _ := n.dir.Group(string(d)); len(n.dir.GroupsNamed("d")) != 0 {
		t.Errorf("not deleted: %+v, want no group named d", g)
	}
	if c := n.sim.Counters(); c.Requests != 1 || c.WriteUnits != 4 {
		t.Errorf("%d requests, %d write units; want 1 and 4", c.Requests, c.WriteUnits)
	}
}

func TestRefusedWritesToGroups(t *testing.T) {
	n := simulated(t)
	mail := n.group(t, entratest.Group{DisplayName: "m", Kind: entratest.MailEnabledSecurity})
	synced := n.group(t, entratest.Group{DisplayName: "s", Kind: entratest.SyncedSecurity})
	fine := n.group(t, entratest.Group{DisplayName: "f"})
	results := n.client.ApplyToGroups(t.Context(), []plan.Action{
		naming(plan.RenameGroup, mail, "x"), naming(plan.RenameGroup, synced, "x"), naming(plan.RenameGroup, nobody, "x"), naming(plan.RenameGroup, fine, strings.Repeat("x", 257)),
		{Type: plan.DeleteGroup, EntraID: mail}, {Type: plan.DeleteGroup}, {Type: plan.Update, EntraID: fine},
	})
	failed(t, results[0], fault.Forbidden, directory.GroupUnusable)
	failed(t, results[1], fault.Forbidden, directory.SyncedFromOnPremises)
	failed(t, results[2], fault.NotFound, directory.GroupMissing)
	failed(t, results[3], fault.Invalid, directory.InvalidValue)
	failed(t, results[4], fault.Forbidden, directory.GroupUnusable)
	failed(t, results[5], fault.Internal, "")
	failed(t, results[6], fault.Internal, "")
}

// Every refusal of Graph is reported in words about groups.
func TestRefusalsOfGroupsByTheirBodies(t *testing.T) {
	for _, rows := range [][]refused{refusedConflicts, refusedValues, refusedDefects, refusedAccess, refusedForNow} {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &stub{t: t}
					s.answer = func(_ int, r sent) (int, http.Header, string) {
						return 200, nil, reply(t, r, func(item) map[string]any {
							return map[string]any{"status": row.status, "headers": row.header, "body": row.body}
						})
					}
					f := fault.Of(s.client().ApplyToGroups(t.Context(), []plan.Action{naming(plan.RenameGroup, "g", valueOfUser)})[0].Err)
					if f == nil || f.Kind != row.kind || f.RetryAfter != row.wait {
						t.Fatalf("%+v, want %s, wait %s", f, row.kind, row.wait)
					}
					for _, word := range []string{"account", "sign-in", "the user ", "user's", "ann.private"} {
						if strings.Contains(f.Message, word) {
							t.Errorf("the message has the word %q, want none about accounts: %s", word, f.Message)
						}
					}
				})
			})
		}
	}
}

// A write that clashes with another one is sent again for a while, after the time that
// Graph names.
func TestClashesOfOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		group := n.group(t, entratest.Group{DisplayName: "g"})
		n.fails(t, entratest.Fault{Path: `^/v1\.0/groups/`, Status: 409, Times: 2, Header: map[string]string{"Retry-After": "1"}})
		start := time.Now()
		wentThrough(t, n.write(t, naming(plan.RenameGroup, group, "h")))
		if waited := time.Since(start); waited != 2*time.Second {
			t.Errorf("waited %s, want 2s", waited)
		}
		n.fails(t, entratest.Fault{Path: `^/v1\.0/groups/`, Status: 409, Times: 100})
		n.sim.ResetCounters()
		failed(t, n.write(t, naming(plan.RenameGroup, group, "i")), fault.Transient, directory.Unavailable)
		if c := n.sim.Counters(); c.Operations != 5 {
			t.Errorf("sent %d times, want 5", c.Operations)
		}
		n.sim.ClearFaults()
		n.fails(t, entratest.Fault{Path: `^/v1\.0/groups/`, Status: 409, Header: map[string]string{"Retry-After": "30"}})
		n.fails(t, entratest.Fault{Path: `^/v1\.0/groups/`, Status: 409})
		other := n.group(t, entratest.Group{DisplayName: "other"})
		results := n.client.ApplyToGroups(t.Context(), []plan.Action{naming(plan.RenameGroup, group, "i"), naming(plan.RenameGroup, other, "o"), creating("new", "jc.1", append(n.people(t, 2), nobody)...)})
		failed(t, results[0], fault.Transient, directory.Unavailable)
		if f := fault.Of(results[0].Err); f == nil || f.RetryAfter != 30*time.Second {
			t.Errorf("a long wait: %+v, want a fault with the wait of 30s", f)
		}
		if results[1].Err != nil || results[2].Err != nil || len(results[2].Refused) != 1 {
			t.Errorf("the other actions: %+v, want no errors and one refused member", results[1:])
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // too little to wait in
		defer cancel()
		n.fails(t, entratest.Fault{Path: `^/v1\.0/groups/`, Status: 409})
		failed(t, n.client.ApplyToGroups(ctx, []plan.Action{naming(plan.RenameGroup, group, "j")})[0], fault.Transient, directory.Unavailable)
	})
}

func TestThrottledWritesToGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		a, b := n.group(t, entratest.Group{DisplayName: "a"}), n.group(t, entratest.Group{DisplayName: "b"})
		people := n.people(t, 21)
		throttled := func(seconds string, times int) entratest.Fault {
			return entratest.Fault{Path: `^/v1\.0/groups/` + string(a), Status: 429, Times: times, Header: map[string]string{"Retry-After": seconds}}
		}
		n.fails(t, throttled("1.5", 1))
		start := time.Now()
		results := n.client.ApplyToGroups(t.Context(), []plan.Action{naming(plan.RenameGroup, a, "x"), naming(plan.RenameGroup, b, "y")})
		wentThrough(t, results[0])
		wentThrough(t, results[1])
		if waited := time.Since(start); waited != 1500*time.Millisecond {
			t.Errorf("waited %s, want 1.5s", waited)
		}
		n.fails(t, throttled("90", 1))
		results = n.client.ApplyToGroups(t.Context(), []plan.Action{adding(a, people...), adding(b, people...)})
		failed(t, results[0], fault.Throttled, directory.ThrottledReason)
		if f := fault.Of(results[0].Err); f == nil || f.RetryAfter != 90*time.Second || len(results[0].Refused) != 0 {
			t.Errorf("%+v, want a wait of 90s and nobody refused", results[0])
		}
		wentThrough(t, results[1])
		n.holds(t, b, people...)
	})
}

// Nothing is sent when no time is left.
func TestWritesToGroupsInNoTime(t *testing.T) {
	n := simulated(t)
	group := n.group(t, entratest.Group{DisplayName: "g"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failed(t, n.client.ApplyToGroups(ctx, []plan.Action{adding(group, n.people(t, 3)...)})[0], fault.Transient, directory.Unavailable)
}
