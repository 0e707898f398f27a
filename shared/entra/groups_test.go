package entra_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

var _ reconcile.EntraGroups = (*entra.Client)(nil)

// group creates a group in the tenant and returns its object id.
func (n tenant) group(t *testing.T, g entratest.Group) directory.EntraID {
	t.Helper()
	g, err := n.dir.AddGroup(g)
	if err != nil {
		t.Fatal(err)
	}
	return directory.EntraID(g.ID)
}

// people creates users in the tenant and returns their object ids.
func (n tenant) people(t *testing.T, count int) []directory.EntraID {
	t.Helper()
	ids := make([]directory.EntraID, count)
	for i := range ids {
		ids[i] = directory.EntraID(n.person(t, entratest.User{UserPrincipalName: fmt.Sprintf("p%d@contoso.example", i)}))
	}
	return ids
}

// texts are object ids as plain texts.
func texts(ids []directory.EntraID) []string {
	var out []string
	for _, id := range ids {
		out = append(out, string(id))
	}
	return out
}

// fails arms a fault.
func (n tenant) fails(t *testing.T, f entratest.Fault) {
	t.Helper()
	if err := n.sim.FailNext(f); err != nil {
		t.Fatal(err)
	}
}

func TestFindGroups(t *testing.T) {
	n := simulated(t)
	names := []string{"R&D 'Core'", "Größe + Öl #1 100%", "none", "Sales, 東京", "twice"}
	ids := map[string]directory.EntraID{}
	for _, name := range []string{names[0], names[1], names[3]} {
		ids[name] = n.group(t, entratest.Group{DisplayName: name})
	}
	n.group(t, entratest.Group{DisplayName: "Twice"})
	n.group(t, entratest.Group{DisplayName: "TWICE", Kind: entratest.Microsoft365})
	n.group(t, entratest.Group{DisplayName: "twice as many"})
	n.sim.ResetCounters()
	found := n.client.FindGroups(t.Context(), append(names, "  größe + öl #1 100% "))
	for i, f := range found {
		if f.Err != nil {
			t.Fatalf("%d: %v", i, f.Err)
		}
	}
	for i, name := range names[:4] {
		if name == "none" {
			if len(found[i].Groups) != 0 {
				t.Errorf("found %+v, want no group with this name", found[i].Groups)
			}
			continue
		}
		want := []directory.SecurityGroup{{ID: ids[name], Name: name, Security: true}}
		if !cmp.Equal(found[i].Groups, want) {
			t.Errorf("%s: %s", name, cmp.Diff(want, found[i].Groups))
		}
	}
	if len(found[4].Groups) != 2 {
		t.Errorf("found %+v, want two groups with one name", found[4].Groups)
	}
	if len(found[5].Groups) != 1 || found[5].Groups[0].ID != ids[names[1]] {
		t.Errorf("the same name with other letters and spaces: found %+v, want the one group", found[5].Groups)
	}
	if c := n.sim.Counters(); c.Requests != 1 || c.WriteUnits != 0 || c.ResourceUnits != len(found) {
		t.Errorf("%d requests, %d write units, %d resource units; want 1 request, none and one for each name", c.Requests, c.WriteUnits, c.ResourceUnits)
	}
}

func TestKindsOfGroups(t *testing.T) {
	n := simulated(t)
	want := map[entratest.GroupKind]directory.SecurityGroup{
		entratest.Security:            {Security: true},
		entratest.Microsoft365:        {MailEnabled: true, Microsoft365: true},
		entratest.MailEnabledSecurity: {Security: true, MailEnabled: true},
		entratest.Distribution:        {MailEnabled: true},
		entratest.DynamicSecurity:     {Security: true, Dynamic: true},
		entratest.RoleAssignable:      {Security: true, RoleAssignable: true},
		entratest.SyncedSecurity:      {Security: true, SyncedFromOnPremises: true},
	}
	var names []string
	for kind, g := range want {
		g.Name = string(kind)
		g.ID = n.group(t, entratest.Group{DisplayName: g.Name, Kind: kind})
		want[kind] = g
		names = append(names, g.Name)
	}
	n.group(t, entratest.Group{DisplayName: "restricted", Properties: map[string]any{"isManagementRestricted": true, "uniqueName": "jc.1"}})
	found := n.client.FindGroups(t.Context(), append(names, "restricted"))
	for i, name := range names {
		if w := []directory.SecurityGroup{want[entratest.GroupKind(name)]}; found[i].Err != nil || !cmp.Equal(found[i].Groups, w) {
			t.Errorf("%s: %v, (-want +got) %s", name, found[i].Err, cmp.Diff(w, found[i].Groups))
		}
	}
	if last := found[len(names)].Groups; len(last) != 1 || !last[0].ManagementRestricted || last[0].UniqueName != "jc.1" {
		t.Errorf("restricted: %+v, want one group under restricted management with the unique name jc.1", last)
	}
}

func TestFindGroupsFollowsPagesAndFillsBatches(t *testing.T) {
	n := simulated(t)
	for range 1000 {
		n.group(t, entratest.Group{DisplayName: "Many"})
	}
	names := []string{"many"}
	for i := range 24 {
		names = append(names, fmt.Sprintf("none %d", i))
	}
	n.sim.ResetCounters()
	found := n.client.FindGroups(t.Context(), names)
	if len(found[0].Groups) != 1000 || found[0].Err != nil {
		t.Errorf("%d groups, %v, want 1000 groups and no error", len(found[0].Groups), found[0].Err)
	}
	// 20 names, 5 names, and the second page.
	if c := n.sim.Counters(); c.Requests != 3 || c.Operations != 26 {
		t.Errorf("%d requests of %d operations, want 3 of 26", c.Requests, c.Operations)
	}
}

// An error with one name concerns that name alone.
func TestFindGroupsInTrouble(t *testing.T) {
	n := simulated(t)
	id := n.group(t, entratest.Group{DisplayName: "b"})
	n.fails(t, entratest.Fault{Path: `^/v1\.0/groups$`, Status: 500})
	found := n.client.FindGroups(t.Context(), []string{"a", "b"})
	if !fault.Is(found[0].Err, fault.Transient) || found[1].Err != nil || len(found[1].Groups) != 1 || found[1].Groups[0].ID != id {
		t.Errorf("%+v, want a transient fault for the first name and the group for the second", found)
	}
	n = simulated(t, func(c *entratest.Config) { c.Apps[0].Roles = []string{"User.Read.All"} })
	f := fault.Of(n.client.FindGroups(t.Context(), []string{"a"})[0].Err)
	if f == nil || f.Kind != fault.Unauthorized || f.Reason != directory.PermissionMissing {
		t.Errorf("without the permission: %+v, want Unauthorized (permission missing)", f)
	}
}

// A page on another host, or one that cannot be read, is not the end of the list.
func TestBrokenPages(t *testing.T) {
	for _, body := range []any{
		map[string]any{"value": []any{}, "@odata.nextLink": "https://elsewhere.example/v1.0/groups?$skiptoken=x"},
		map[string]any{"value": "text"},
		"bm8gSlNPTg",
	} {
		s := &stub{t: t}
		s.answer = func(_ int, r sent) (int, http.Header, string) {
			return 200, nil, reply(t, r, func(item) map[string]any { return map[string]any{"status": 200, "body": body} })
		}
		if found := s.client().FindGroups(t.Context(), []string{"a"})[0]; !fault.Is(found.Err, fault.Transient) || found.Groups != nil {
			t.Errorf("%v: groups %+v, want a transient fault and no groups", body, found)
		}
		if members, err := membersOf(t, s.client(), "g"); !fault.Is(err, fault.Transient) || members != nil {
			t.Errorf("%v: members %v, %v, want a transient fault and no members", body, members, err)
		}
	}
}

// membersOf lists the members of a group; none after a fault.
func membersOf(t *testing.T, c *entra.Client, group directory.EntraID) ([]directory.EntraID, error) {
	t.Helper()
	list, err := c.ListMembersOf(t.Context(), group, directory.AccountList{})
	if err != nil {
		return nil, err
	}
	if !list.Complete {
		t.Errorf("the list of %s is not complete", group)
	}
	return list.Accounts, nil
}

func TestMembersOf(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 1200)
	group := n.group(t, entratest.Group{DisplayName: "g", Members: texts(people)})
	n.sim.ResetCounters()
	members, err := membersOf(t, n.client, group)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(people)
	slices.Sort(members)
	if !slices.Equal(members, people) {
		t.Errorf("%d members, want %d", len(members), len(people))
	}
	if c := n.sim.Counters(); c.Operations != 2 || c.ResourceUnits != 4 || c.WriteUnits != 0 {
		t.Errorf("%d operations, %d resource units, %d write units; want 2, 4 and 0", c.Operations, c.ResourceUnits, c.WriteUnits)
	}
	_, err = membersOf(t, n.client, "00000000-0000-4000-8000-000000000009")
	if f := fault.Of(err); f == nil || f.Kind != fault.NotFound || f.Reason != directory.GroupMissing || strings.Contains(f.Message, "account") {
		t.Errorf("no such group: %v, want NotFound (group missing) without the word account", err)
	}
	empty := n.group(t, entratest.Group{DisplayName: "empty"})
	if members, err := membersOf(t, n.client, empty); err != nil || len(members) != 0 {
		t.Errorf("an empty group: %v, %v, want no members and no error", members, err)
	}
}

// A list of members is read on where it ended. It begins again for another group, and when
// Graph does not know the place any more.
func TestAListOfMembersIsReadOn(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 2500)
	group := n.group(t, entratest.Group{DisplayName: "g", Members: texts(people)})
	page := func(list directory.AccountList) directory.AccountList {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // time for one page
		defer cancel()
		list, err := n.client.ListMembersOf(ctx, group, list)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	first := page(directory.AccountList{})
	second := page(first)
	third := page(second)
	for i, list := range []directory.AccountList{first, second, third} {
		if list.Pages != i+1 || list.Complete != (i == 2) || len(list.Accounts) != min(999*(i+1), len(people)) || !list.Began.Equal(first.Began) {
			t.Errorf("after page %d: page %d, complete %t, %d members, begun at %s; want %s", i+1, list.Pages, list.Complete, len(list.Accounts), list.Began, first.Began)
		}
	}
	found := slices.Sorted(slices.Values(third.Accounts))
	if slices.Sort(people); !slices.Equal(found, people) {
		t.Errorf("%d members, want the %d of the group", len(slices.Compact(found)), len(people))
	}
	elsewhere, forgotten := second, second
	elsewhere.Group = "another"
	forgotten.Next = "/groups/" + string(group) + "/members?$select=id&$top=999&$skiptoken=forgotten"
	for what, list := range map[string]directory.AccountList{"another group": elsewhere, "a place that Graph does not know": forgotten} {
		if got := page(list); got.Pages != 1 || len(got.Accounts) != 999 || got.Group != group {
			t.Errorf("%s: page %d with %d members, want the first page", what, got.Pages, len(got.Accounts))
		}
	}
}
