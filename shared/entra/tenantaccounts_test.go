package entra_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// encoded is a value as JSON.
func encoded(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// 1,000 accounts are read in one request, those that do not exist are left out, and no
// enabled account counts as disabled where Graph does not say that it is enabled.
func TestAccountsByID(t *testing.T) {
	for name, world := range entratest.Worlds() {
		synctest.Test(t, func(t *testing.T) {
			n := simulated(t, func(c *entratest.Config) { c.Behaviour.World = world })
			ids := n.people(t, 1000)
			off := directory.EntraID(n.person(t, entratest.User{UserPrincipalName: "off@contoso.example", Properties: map[string]any{"accountEnabled": false}}))
			agent := directory.EntraID(n.person(t, entratest.User{UserPrincipalName: "agent@contoso.example", Agent: true}))
			gone := directory.EntraID(n.person(t, entratest.User{UserPrincipalName: "gone@contoso.example"}))
			if _, err := n.dir.DeleteUser(string(gone)); err != nil {
				t.Fatal(err)
			}
			group := n.group(t, entratest.Group{DisplayName: "Sales"})
			upper := directory.EntraID(strings.ToUpper(string(ids[1])))

			n.sim.ResetCounters()
			found, err := n.client.AccountsByID(t.Context(), ids, []directory.Attribute{directory.City})
			if err != nil || len(found) != 1000 {
				t.Fatalf("%s: %d accounts, %v; want 1000", name, len(found), err)
			}
			for _, id := range ids {
				if a := found[id]; a.ID != id || !a.Enabled || a.UPN == "" || a.Alias == "" || len(a.Attributes) != 1 {
					t.Fatalf("%s: %s is %+v, want it enabled, with its name, its alias and an attribute", name, id, a)
				}
			}
			want := map[string]int{"requests": 1, "units": 2, "writes": 0}
			if world.SparseByIDs { // and 50 batches of 20
				want = map[string]int{"requests": 51, "units": 1002, "writes": 0}
			}
			c, asked := n.sim.Counters(), n.sim.Requests()
			if priority := asked[0].Header.Get("x-ms-throttle-priority"); priority != "" {
				t.Errorf("%s: the priority %q, want none: it is a read that somebody may wait for", name, priority)
			}
			if diff := cmp.Diff(want, map[string]int{"requests": c.Requests, "units": c.ResourceUnits, "writes": c.WriteUnits}); diff != "" {
				t.Errorf("%s: the cost of 1000 accounts differs (-want +got):\n%s", name, diff)
			}

			some := []directory.EntraID{
				ids[0], ids[0], upper, off, agent, gone, group, "", "nonsense", "64f0c0ffee64f0c0ffee64f0", ids[0] + "\n",
				"00000000-0000-4000-8000-0000000000ff", "{00000000-0000-4000-8000-0000000000ff}",
			}
			found, err = n.client.AccountsByID(t.Context(), some, nil)
			if err != nil || len(found) != 4 || found[ids[0]].ID != ids[0] || found[upper].ID != ids[1] {
				t.Errorf("%s: %v, %v; want the four accounts by the ids that were given", name, found, err)
			}
			if a := found[off]; a.ID != off || a.Enabled {
				t.Errorf("%s: %+v, want the disabled account", name, a)
			}
			if a := found[agent]; a.ID != agent || !a.Agent || a.Guest {
				t.Errorf("%s: %+v, want the account of an agent", name, a)
			}

			n.sim.ResetCounters()
			if found, err = n.client.AccountsByID(t.Context(), append(ids, off), nil); err != nil || len(found) != 1001 {
				t.Errorf("%s: %d accounts, %v; want 1001", name, len(found), err)
			}
			if requests := n.sim.Counters().ByRoute["POST /directoryObjects/getByIds"]; requests != 2 {
				t.Errorf("%s: 1001 ids in %d requests, want 2", name, requests)
			}
			n.sim.ResetCounters()
			if found, err = n.client.AccountsByID(t.Context(), []directory.EntraID{"nonsense"}, nil); err != nil || len(found) != 0 || n.sim.Counters().Requests != 0 {
				t.Errorf("%s: %v, %v; want nothing found and nothing requested", name, found, err)
			}
		})
	}
}

// An answer that does not say whether an account is enabled is not believed; where the
// second one does not say it either, nothing is.
func TestAccountsWithoutAState(t *testing.T) {
	full := map[string]any{"id": annsID, "userPrincipalName": "ann@contoso.example", "accountEnabled": true}
	off := map[string]any{"id": annsID, "userPrincipalName": "ann@contoso.example", "accountEnabled": false}
	bare := map[string]any{"@odata.type": "#microsoft.graph.agentUser", "id": annsID, "userPrincipalName": "ann@contoso.example"}
	nulls := map[string]any{"@odata.type": "#microsoft.graph.user", "id": annsID, "userPrincipalName": nil, "accountEnabled": nil}
	for name, tc := range map[string]struct {
		first, again map[string]any
		want         int
		enabled      bool
		kind         fault.Kind
	}{
		"left out, then enabled":  {bare, full, 1, true, ""},
		"left out, then disabled": {bare, off, 1, false, ""},
		"null, then enabled":      {nulls, full, 1, true, ""},
		"no name, then enabled":   {map[string]any{"@odata.type": "#microsoft.graph.user", "id": annsID, "accountEnabled": true}, full, 1, true, ""},
		"left out twice":          {bare, bare, 0, false, fault.Transient},
		"null twice":              {nulls, nulls, 0, false, fault.Transient},
		"then no id":              {bare, map[string]any{"accountEnabled": true}, 0, false, fault.Transient},
	} {
		client := answering(t, map[string]any{"value": []any{tc.first}}, tc.again).client()
		found, err := client.AccountsByID(t.Context(), []directory.EntraID{annsID}, nil)
		a := found[annsID]
		if len(found) != tc.want || fault.KindOf(err) != tc.kind || tc.want == 1 && a.UPN == "" || a.Enabled != tc.enabled || tc.want == 1 && a.Agent != (tc.first["userPrincipalName"] != nil) {
			t.Errorf("%s, by id: %+v, %v; want %d, enabled %t, kind %q", name, found, err, tc.want, tc.enabled, tc.kind)
		}
		page, _, err := client.ListAccounts(t.Context(), directory.AccountQuery{}, "")
		if listed := len(page) == 1 && page[0].Enabled && page[0].UPN != ""; listed != tc.enabled || len(page) > 1 || !listed && len(page) != 0 || fault.KindOf(err) != tc.kind {
			t.Errorf("%s, listed: %+v, %v; want it listed: %t, kind %q", name, page, err, tc.enabled, tc.kind)
		}
	}
}

// Where the application may not read users, getByIds shows ids and nulls: the fault names
// the permission.
func TestAccountsThatMayNotBeRead(t *testing.T) {
	n := lacking(t, "User.ReadWrite.All")
	n.person(t, entratest.User{ID: annsID, UserPrincipalName: "ann@contoso.example"})
	found, err := n.client.AccountsByID(t.Context(), []directory.EntraID{annsID}, nil)
	lacks(t, err, "User.ReadWrite.All")
	if found != nil {
		t.Errorf("%+v, want no accounts", found)
	}
}

// An account that is read again is throttled like any other request in a batch.
func TestThrottledWhileReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.World.SparseByIDs, c.Behaviour.BatchThrottle424 = true, true })
		ids := n.people(t, 45)
		n.fails(t, entratest.Fault{Path: "/users/" + string(ids[30]), Status: 429, Header: map[string]string{"Retry-After": "1.5"}})
		start := time.Now()
		if found, err := n.client.AccountsByID(t.Context(), ids, nil); err != nil || len(found) != 45 || !found[ids[30]].Enabled || time.Since(start) != 1500*time.Millisecond {
			t.Errorf("%d accounts after %s, %v; want 45 after 1.5s", len(found), time.Since(start), err)
		}
		for _, f := range []entratest.Fault{{Status: 500}, {Status: 404}, {LoseReply: true}} {
			f.Path = "/users/" + string(ids[30])
			n.fails(t, f)
			if found, err := n.client.AccountsByID(t.Context(), ids, nil); found != nil || !fault.Is(err, fault.Transient) {
				t.Errorf("%+v: %d accounts, %v; want a transient fault", f, len(found), err)
			}
		}
	})
}

// A new account is found as soon as the replicas have it.
func TestAccountsBehindTheirReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, func(c *entratest.Config) {
			c.Behaviour.Lag = entratest.Lag{Min: 30 * time.Second, Max: 30 * time.Second}
		})
		created := n.client.Apply(t.Context(), []plan.Action{creation()})[0]
		if created.Err != nil {
			t.Fatal(created.Err)
		}
		for _, want := range []int{0, 1} {
			byID, idErr := n.client.AccountsByID(t.Context(), []directory.EntraID{created.ID}, nil)
			byName, nameErr := n.client.AccountsByUPN(t.Context(), []directory.UPN{"ann@contoso.example"}, nil)
			listed, _, listErr := n.client.ListAccounts(t.Context(), directory.AccountQuery{}, "")
			if len(byID) != want || len(byName) != want || len(listed) != want || idErr != nil || nameErr != nil || listErr != nil {
				t.Errorf("by id %d (%v), by name %d (%v), listed %d (%v); want %d", len(byID), idErr, len(byName), nameErr, len(listed), listErr, want)
			}
			time.Sleep(30 * time.Second)
		}
	})
}

// Accounts are read by their sign-in names, in any case and with every character that a
// name may have; what no account can be called disturbs nothing.
func TestAccountsByUPN(t *testing.T) {
	for name, world := range entratest.Worlds() {
		synctest.Test(t, func(t *testing.T) {
			n := simulated(t, func(c *entratest.Config) { c.Behaviour.World = world })
			n.people(t, 300)
			quoted := "o'" + strings.Repeat("'", 60) + "@" + strings.Repeat("d", 20) + ".onmicrosoft.example"
			names := []string{"Mira.O'Neil@contoso.example", "g_x.example#EXT#@contoso.example", "a^b~c!d_e-f@contoso.example", quoted}
			for _, upn := range names {
				n.person(t, entratest.User{UserPrincipalName: upn})
			}
			var wanted []directory.UPN
			for i := range 299 {
				wanted = append(wanted, directory.UPN(fmt.Sprintf("P%d@Contoso.Example", i)))
			}
			n.sim.ResetCounters()
			found, err := n.client.AccountsByUPN(t.Context(), append(wanted, "nobody@contoso.example"), []directory.Attribute{directory.City})
			if err != nil || len(found) != 299 || found["p298@contoso.example"].UPN != "p298@contoso.example" || !found["p0@contoso.example"].Enabled || len(found["p0@contoso.example"].Attributes) != 1 {
				t.Errorf("%s: %d accounts, %v; want 299, by their names in lower case", name, len(found), err)
			}
			if c := n.sim.Counters(); c.Requests != 1 || c.Operations != 20 || c.ResourceUnits != 20 || c.WriteUnits != 0 {
				t.Errorf("%s: %d requests of %d operations, %d resource units; want 1, 20 and 20", name, c.Requests, c.Operations, c.ResourceUnits)
			}

			wanted = []directory.UPN{"", " ", "nonsense", "x@y@z", "a\x00b@contoso.example", "line\nbreak", directory.UPN(strings.Repeat("x", 5000) + "@contoso.example"),
				directory.UPN(strings.Repeat("'", 60) + "@contoso.example"), "\xff", "p1@contoso.example", "P1@contoso.example", "') or (accountEnabled eq true"}
			for _, upn := range names {
				wanted = append(wanted, directory.UPN(upn))
			}
			n.sim.ResetCounters()
			found, err = n.client.AccountsByUPN(t.Context(), wanted, nil)
			if c := n.sim.Counters(); c.Requests != 1 || c.ByRoute["GET /users"] != 1 || c.ByRoute["GET /users/{user-id}"] != 2 {
				t.Errorf("%s: %d requests, %v; want one, with a filter for the names that fit in it and a look-up for each of the two others", name, c.Requests, c.ByRoute)
			}
			if err != nil || len(found) != 1+len(names) {
				t.Errorf("%s: %v, %v; want %d accounts", name, found, err, 1+len(names))
			}
			for _, upn := range names {
				if a := found[directory.UPN(strings.ToLower(upn))]; string(a.UPN) != upn {
					t.Errorf("%s: %q is %+v, want its account", name, upn, a)
				}
			}
			n.sim.ResetCounters()
			if found, err = n.client.AccountsByUPN(t.Context(), nil, nil); err != nil || len(found) != 0 || n.sim.Counters().Requests != 0 {
				t.Errorf("%s: %v, %v; want nothing found and nothing requested", name, found, err)
			}
		})
	}
}
