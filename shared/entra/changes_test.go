package entra_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
)

// managed are attributes of each form, and the manager.
var managed = []directory.Attribute{
	directory.DisplayName, directory.JobTitle, directory.CostCenter, directory.Division, directory.BusinessPhones,
	"onPremisesExtensionAttributes.extensionAttribute3", directory.ImmutableID, directory.Manager,
}

// latest are the links to the changes after now.
func (n tenant) latest(t *testing.T, attributes ...directory.Attribute) (accounts, groups string) {
	t.Helper()
	accounts, err := n.client.LatestAccounts(t.Context(), attributes)
	if err != nil || accounts == "" {
		t.Fatalf("LatestAccounts: got %q, %v, want a link", accounts, err)
	}
	groups, err = n.client.LatestGroups(t.Context())
	if err != nil || groups == "" {
		t.Fatalf("LatestGroups: got %q, %v, want a link", groups, err)
	}
	return accounts, groups
}

// accountRound reads what changed in the accounts to the last page.
func (n tenant) accountRound(t *testing.T, from string, attributes ...directory.Attribute) (items []directory.AccountChange, link string, pages int) {
	t.Helper()
	for from != "" {
		page, err := n.client.AccountChanges(t.Context(), from, attributes)
		if err != nil {
			t.Fatal(err)
		}
		if (page.Next == "") == (page.Link == "") {
			t.Fatalf("page with Next %q and Link %q, want one of them", page.Next, page.Link)
		}
		items, from, link, pages = append(items, page.Items...), page.Next, page.Link, pages+1
	}
	return items, link, pages
}

// groupRound reads what changed in the groups to the last page.
func (n tenant) groupRound(t *testing.T, from string) (items []directory.GroupChange, link string, pages int) {
	t.Helper()
	for from != "" {
		page, err := n.client.GroupChanges(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		items, from, link, pages = append(items, page.Items...), page.Next, page.Link, pages+1
	}
	return items, link, pages
}

// requests are how many requests to Graph something makes.
func (n tenant) requests(do func()) int {
	n.sim.ResetCounters()
	do()
	return n.sim.Counters().Requests
}

// id is a pointer to an object id.
func id(of string) *directory.EntraID { return new(directory.EntraID(of)) }

// What a page leaves out stays different from what it shows as empty, and a manager that it
// does not mention from none.
func TestAccountChanges(t *testing.T) {
	n := simulated(t)
	ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example", Properties: map[string]any{"jobTitle": "Clerk", "employeeOrgData": map[string]any{"costCenter": "7", "division": "D"}}})
	bob := n.person(t, entratest.User{UserPrincipalName: "bob@contoso.example", Manager: ann})
	gone, purged := n.person(t, entratest.User{UserPrincipalName: "gone@contoso.example"}), n.person(t, entratest.User{UserPrincipalName: "purged@contoso.example"})
	var link, groups string
	if got := n.requests(func() { link, groups = n.latest(t, managed...) }); got != 2 {
		t.Errorf("the links cost %d requests, want 2", got)
	}
	read := func() map[string]directory.AccountChange {
		t.Helper()
		items, next, _ := n.accountRound(t, link, managed...)
		link = next
		found := map[string]directory.AccountChange{}
		for _, each := range items {
			found[string(each.ID)] = each
		}
		return found
	}
	for range 2 {
		quiet := n.requests(func() {
			if got := read(); len(got) != 0 {
				t.Errorf("without changes: %v, want none", got)
			}
			if got, next, _ := n.groupRound(t, groups); len(got) != 0 || next == "" {
				t.Errorf("without changes: %v, link %q, want none and a link", got, next)
			}
		})
		if quiet != 2 {
			t.Errorf("a round without changes costs %d requests, want 2", quiet)
		}
	}

	n.changed(t, ann, map[string]any{"jobTitle": nil, "employeeOrgData": nil, "accountEnabled": false, "department": "not tracked"})
	if _, err := n.dir.SetManager(bob, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := n.dir.DeleteUser(gone); err != nil {
		t.Fatal(err)
	}
	if err := n.dir.PurgeUser(purged); err != nil {
		t.Fatal(err)
	}
	agent := n.person(t, entratest.User{UserPrincipalName: "agent@contoso.example", Agent: true, Manager: bob, Properties: map[string]any{
		"businessPhones": []string{}, "onPremisesExtensionAttributes": map[string]any{"extensionAttribute3": nil}, "onPremisesImmutableId": "jc1", "userType": "Guest", "onPremisesSyncEnabled": true,
	}})
	before := link
	changed := read()
	want := map[string]directory.AccountChange{
		ann: {ID: directory.EntraID(ann), Account: directory.Account{ID: directory.EntraID(ann), UPN: "ann@contoso.example", Attributes: directory.Attributes{
			"accountEnabled": {"false"}, "userPrincipalName": {"ann@contoso.example"}, "displayName": {"ann"}}}},
		bob: {ID: directory.EntraID(bob), Manager: id(""), Account: directory.Account{ID: directory.EntraID(bob), UPN: "bob@contoso.example", Enabled: true, Attributes: directory.Attributes{
			"accountEnabled": {"true"}, "userPrincipalName": {"bob@contoso.example"}, "displayName": {"bob"}}}},
		gone:   {ID: directory.EntraID(gone), Gone: true, Account: directory.Account{ID: directory.EntraID(gone), Attributes: directory.Attributes{}}},
		purged: {ID: directory.EntraID(purged), Gone: true, ForGood: true, Account: directory.Account{ID: directory.EntraID(purged), Attributes: directory.Attributes{}}},
		agent: {ID: directory.EntraID(agent), Agent: true, Manager: id(bob), Account: directory.Account{ID: directory.EntraID(agent), Agent: true, UPN: "agent@contoso.example", Enabled: true, Guest: true, SyncedFromOnPremises: true, ImmutableID: "jc1",
			Attributes: directory.Attributes{"accountEnabled": {"true"}, "userPrincipalName": {"agent@contoso.example"}, "displayName": {"agent"},
				"businessPhones": {}, "onPremisesExtensionAttributes.extensionAttribute3": nil, "onPremisesImmutableId": {"jc1"}}}},
	}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	link = before
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("the same page again (-want +got):\n%s", diff)
	}
	n.sim.Set(func(b *entratest.Behaviour) { b.DeltaNulls = true })
	link = before
	shown := read()[ann].Account.Attributes
	for _, name := range []directory.Attribute{directory.JobTitle, directory.CostCenter, directory.Division} {
		if value, there := shown[name]; !there || len(value) > 0 {
			t.Errorf("null is shown: %s is %v, shown %t, want it shown as empty", name, value, there)
		}
	}
	n.sim.Set(func(b *entratest.Behaviour) { b.DeltaManagerAlone = true })
	n.changed(t, agent, map[string]any{"displayName": "Agent"})
	if _, err := n.dir.SetManager(agent, ann); err != nil {
		t.Fatal(err)
	}
	if got := read()[agent]; got.Manager != nil || got.Account.Attributes["displayName"].String() != "Agent" {
		t.Errorf("a page that leaves the manager out: %+v, want the new name and nothing about the manager", got)
	}
}

// A manager who is replaced is removed and added in one list, in either order.
func TestReplacedManager(t *testing.T) {
	const removed, added = `{"id":"m1","@removed":{"reason":"deleted"}}`, `{"id":"m2"}`
	for list, want := range map[string]*directory.EntraID{
		removed + "," + added: id("m2"), added + "," + removed: id("m2"), removed: id(""), "": nil,
	} {
		s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) {
			return 200, nil, `{"value":[{"id":"u1","manager@delta":[` + list + `]}],"@odata.deltaLink":"https://graph.example/v1.0/users/delta?$deltatoken=x"}`
		}}
		page, err := s.client().AccountChanges(t.Context(), "/users/delta?$deltatoken=a", managed)
		if err != nil || len(page.Items) != 1 || !cmp.Equal(page.Items[0].Manager, want) {
			t.Errorf("[%s]: %+v, %v, want manager %v", list, page.Items, err, want)
		}
	}
}

// The accounts and groups of a tenant are counted with one request each. An answer that is no
// number, or a refusal, is a fault.
func TestCounts(t *testing.T) {
	n := simulated(t)
	n.people(t, 12)
	n.group(t, entratest.Group{DisplayName: "Sales"})
	asked := n.requests(func() {
		accounts, err := n.client.CountAccounts(t.Context())
		if err != nil || accounts != 12 {
			t.Errorf("%d accounts, %v, want 12", accounts, err)
		}
		groups, err := n.client.CountGroups(t.Context())
		if err != nil || groups != 1 {
			t.Errorf("%d groups, %v, want 1", groups, err)
		}
	})
	if asked != 2 {
		t.Errorf("%d requests, want 2", asked)
	}
	for _, answer := range []string{"many", "", `{"value":[]}`} {
		s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) { return http.StatusOK, nil, answer }}
		if n, err := s.client().CountAccounts(t.Context()); err == nil {
			t.Errorf("the answer %q: %d accounts, want a fault", answer, n)
		}
	}
}

// A list shows all values: what is missing is empty there, apart from what is never empty.
func TestAccountPage(t *testing.T) {
	n := simulated(t)
	ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example", Properties: map[string]any{"jobTitle": "Clerk"}})
	bob := n.person(t, entratest.User{UserPrincipalName: "bob@contoso.example", Manager: ann, Agent: true, Properties: map[string]any{"accountEnabled": false}})
	n.people(t, 1100)
	var all []directory.AccountChange
	read := func(attributes ...directory.Attribute) (pages int) {
		t.Helper()
		all = nil
		for from := ""; from != "" || pages == 0; pages++ {
			page, err := n.client.AccountPage(t.Context(), from, attributes)
			if err != nil {
				t.Fatal(err)
			}
			if page.Link != "" {
				t.Errorf("a list has the link %q, want none", page.Link)
			}
			all, from = append(all, page.Items...), page.Next
		}
		return pages
	}
	if pages := read(directory.JobTitle, directory.CostCenter); pages != 2 || len(all) != 1102 || all[1].Manager != nil {
		t.Errorf("%d accounts on %d pages, manager %v, want 1102 on 2 and nothing about managers", len(all), pages, all[1].Manager)
	}
	want := []directory.AccountChange{
		{ID: directory.EntraID(ann), Manager: id(""), Account: directory.Account{ID: directory.EntraID(ann), UPN: "ann@contoso.example", Enabled: true, Attributes: directory.Attributes{
			"accountEnabled": {"true"}, "userPrincipalName": {"ann@contoso.example"}, "jobTitle": {"Clerk"}, "employeeOrgData.costCenter": nil}}},
		{ID: directory.EntraID(bob), Manager: id(ann), Agent: true, Account: directory.Account{ID: directory.EntraID(bob), Agent: true, UPN: "bob@contoso.example", Attributes: directory.Attributes{
			"accountEnabled": {"false"}, "userPrincipalName": {"bob@contoso.example"}, "jobTitle": nil, "employeeOrgData.costCenter": nil}}},
	}
	for _, world := range []struct {
		top     int
		refused bool
		pages   int
	}{{0, false, 2}, {100, false, 12}, {100, true, 12}} {
		n.sim.Set(func(b *entratest.Behaviour) { b.ExpandTop, b.ExpandTopRefused = world.top, world.refused })
		if pages := read(directory.JobTitle, directory.CostCenter, directory.Manager); pages != world.pages || len(all) != 1102 {
			t.Errorf("at most %d with managers, refused %t: %d accounts on %d pages, want 1102 on %d", world.top, world.refused, len(all), pages, world.pages)
		}
		if diff := cmp.Diff(want, all[:2]); diff != "" {
			t.Errorf("accounts (-want +got):\n%s", diff)
		}
	}
}

// An account whose state and name Graph does not show is not one that is disabled.
func TestAnAccountThatIsNotShown(t *testing.T) {
	s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) {
		return 200, nil, `{"value":[{"id":"u1","userPrincipalName":null,"accountEnabled":null,"jobTitle":null}]}`
	}}
	page, err := s.client().AccountPage(t.Context(), "", []directory.Attribute{directory.JobTitle, directory.AccountEnabled})
	if want := (directory.Attributes{"jobTitle": nil}); err != nil || len(page.Items) != 1 || !cmp.Equal(page.Items[0].Account.Attributes, want) {
		t.Errorf("%+v, %v, want only the job title shown, as empty", page.Items, err)
	}
	s.answer = func(int, sent) (int, http.Header, string) { return 200, nil, `{"value":[{"jobTitle":"x"}]}` }
	if page, err := s.client().AccountPage(t.Context(), "", nil); fault.KindOf(err) != fault.Transient {
		t.Errorf("an account without an id: %+v, %v, want a transient fault", page, err)
	}
}

// Groups of every kind are listed, and members are in their changes, spread over pages.
func TestGroupPageAndChanges(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 450)
	team := n.group(t, entratest.Group{DisplayName: "Team", Members: texts(people[:3]), Properties: map[string]any{"uniqueName": "jumpcloud.1"}})
	mail := n.group(t, entratest.Group{DisplayName: "Mail", Kind: entratest.Microsoft365})
	page, err := n.client.GroupPage(t.Context(), "")
	want := []directory.GroupChange{
		{ID: team, Name: new("Team"), Group: directory.SecurityGroup{ID: team, Name: "Team", UniqueName: "jumpcloud.1", Security: true}},
		{ID: mail, Name: new("Mail"), Group: directory.SecurityGroup{ID: mail, Name: "Mail", MailEnabled: true, Microsoft365: true}},
	}
	if diff := cmp.Diff(directory.GroupChanges{Items: want}, page); err != nil || diff != "" {
		t.Errorf("groups, %v (-want +got):\n%s", err, diff)
	}
	_, link := n.latest(t)
	for _, each := range people[3:] {
		if _, err := n.dir.AddMember(string(team), string(each)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.dir.RemoveMember(string(team), string(people[0])); err != nil {
		t.Fatal(err)
	}
	if err := n.dir.PurgeUser(string(people[1])); err != nil {
		t.Fatal(err)
	}
	if _, err := n.dir.UpdateGroup(string(team), map[string]any{"displayName": "Crew"}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.dir.DeleteGroup(string(mail)); err != nil {
		t.Fatal(err)
	}
	check := func(gone ...directory.EntraID) {
		t.Helper()
		items, _, pages := n.groupRound(t, link)
		var added, removed []directory.EntraID
		name, deleted := "", directory.GroupChange{}
		for _, each := range items {
			if each.ID == mail {
				deleted = each
				continue
			}
			added, removed = append(added, each.Added...), append(removed, each.Removed...)
			if each.Name != nil {
				name = *each.Name
			}
		}
		slices.Sort(removed)
		slices.Sort(gone)
		if !slices.Equal(added, people[3:]) || !slices.Equal(removed, gone) || name != "Crew" || !deleted.Gone || deleted.ForGood || pages < 3 {
			t.Errorf("%d added, removed %v, name %q, deleted %+v on %d pages; want 447, %v, Crew and one that can be restored on 3 or more", len(added), removed, name, deleted, pages, gone)
		}
	}
	check(people[0], people[1])
	n.sim.Set(func(b *entratest.Behaviour) { b.DeltaSilentPurge = true })
	check(people[0])
}

// A page that has a next one may be empty, and what was read already may come again.
func TestEmptyAndRepeatedPages(t *testing.T) {
	n := simulated(t, func(c *entratest.Config) {
		c.Behaviour.DeltaEmptyPages, c.Behaviour.DeltaRepeats, c.Behaviour.DeltaSplits, c.Behaviour.DeltaPage = true, true, true, 2
	})
	link, _ := n.latest(t, directory.DisplayName)
	people := n.people(t, 5)
	items, _, pages := n.accountRound(t, link, directory.DisplayName)
	shown := map[directory.EntraID]int{}
	for _, each := range items {
		shown[each.ID] += len(each.Account.Attributes)
	}
	for _, each := range people {
		if shown[each] < 6 {
			t.Errorf("account %s: %d values, want each of three twice or more", each, shown[each])
		}
	}
	if pages != 4 {
		t.Errorf("%d pages, want an empty one and 3 with accounts", pages)
	}
}

// A change that Graph does not show yet comes with a later round.
func TestChangesThatLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.DeltaLag = 15 * time.Minute })
		link, _ := n.latest(t)
		ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
		items, link, _ := n.accountRound(t, link)
		if len(items) != 0 {
			t.Errorf("at once: %v, want nothing", items)
		}
		time.Sleep(15 * time.Minute)
		if items, _, _ = n.accountRound(t, link); len(items) != 1 || string(items[0].ID) != ann {
			t.Errorf("later: %v, want the new account", items)
		}
	})
}

// forgotten reports whether err says that everything has to be read again.
func forgotten(err error) bool {
	f := fault.Of(err)
	return f != nil && f.Kind == fault.NotFound && f.Reason == directory.ChangesForgotten
}

// Each form in which Graph says that it does not know a link any more is the same fault.
func TestForgottenChanges(t *testing.T) {
	for _, form := range []entratest.DeadLink{entratest.DeadNotFound, entratest.DeadLocation, entratest.DeadGone} {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.DeltaDead = form })
		accounts, groups := n.latest(t)
		n.accountRound(t, accounts)
		n.sim.ForgetChanges()
		if _, err := n.client.AccountChanges(t.Context(), accounts, nil); !forgotten(err) {
			t.Errorf("%q: accounts: %v, want the fault for forgotten changes", form, err)
		}
		if _, err := n.client.GroupChanges(t.Context(), groups); !forgotten(err) {
			t.Errorf("%q: groups: %v, want the fault for forgotten changes", form, err)
		}
		accounts, _ = n.latest(t)
		n.accountRound(t, accounts)
	}
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		accounts, _ := n.latest(t)
		time.Sleep(7*24*time.Hour - time.Minute)
		n.accountRound(t, accounts)
		time.Sleep(2 * time.Minute)
		if _, err := n.client.AccountChanges(t.Context(), accounts, nil); !forgotten(err) {
			t.Errorf("after seven days: %v, want the fault for forgotten changes", err)
		}
	})
	empty := &stub{t: t, answer: func(int, sent) (int, http.Header, string) { return http.StatusGone, nil, "" }}
	if _, err := empty.client().AccountChanges(t.Context(), "/users/delta?$deltatoken=a", nil); !forgotten(err) {
		t.Errorf("410 without a body: %v, want the fault for forgotten changes", err)
	}
	n := simulated(t)
	for _, from := range []string{"/users?$skiptoken=garbage", "/users?$top=999&$skiptoken=garbage&$select=id"} {
		if _, err := n.client.AccountPage(t.Context(), from, nil); !forgotten(err) {
			t.Errorf("AccountPage(%q): %v, want the fault for forgotten changes", from, err)
		}
	}
	if _, err := n.client.GroupPage(t.Context(), "/groups?$skiptoken=garbage"); !forgotten(err) {
		t.Errorf("GroupPage: %v, want the fault for forgotten changes", err)
	}
}

// A failure that passes is not taken for a link that is forgotten, and says when to come
// again.
func TestChangesThatCannotBeReadNow(t *testing.T) {
	n := simulated(t)
	accounts, _ := n.latest(t)
	for _, row := range []struct {
		fault entratest.Fault
		kind  fault.Kind
	}{
		{entratest.Fault{Path: "/users/delta", Status: 503, Times: 5}, fault.Transient},
		{entratest.Fault{Path: "/users/delta", Status: 429, Times: 5, Header: map[string]string{"Retry-After": "30"}}, fault.Throttled},
		{entratest.Fault{Path: "/users/delta", Status: 403, Times: 5}, fault.Unauthorized},
	} {
		n.fails(t, row.fault)
		_, err := n.client.AccountChanges(t.Context(), accounts, nil)
		n.sim.ClearFaults()
		if f := fault.Of(err); f == nil || f.Kind != row.kind || row.fault.Status == 429 && f.RetryAfter != 30*time.Second {
			t.Errorf("%d: %v, want the kind %s", row.fault.Status, err, row.kind)
		}
	}
	n.accountRound(t, accounts)
	n.granted(t, "Group.ReadWrite.All")
	if _, err := n.another(t).AccountChanges(t.Context(), accounts, nil); fault.Of(err) == nil || fault.Of(err).Reason != directory.PermissionMissing {
		t.Errorf("without the permission for users: %v, want the reason %s", err, directory.PermissionMissing)
	}
}

// Where a tenant has no feed of changes, the fault says so, and the lists can be read.
func TestTenantWithoutChanges(t *testing.T) {
	n := simulated(t)
	accounts, _ := n.latest(t)
	ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
	n.sim.Set(func(b *entratest.Behaviour) { b.NoDelta = true })
	if _, err := n.client.LatestAccounts(t.Context(), managed); fault.Of(err) == nil || fault.Of(err).Reason != directory.ChangesUnsupported {
		t.Errorf("LatestAccounts: %v, want the reason %s", err, directory.ChangesUnsupported)
	}
	if _, err := n.client.AccountChanges(t.Context(), accounts, nil); !forgotten(err) {
		t.Errorf("AccountChanges: %v, want the fault for forgotten changes", err)
	}
	if page, err := n.client.AccountPage(t.Context(), "", managed); err != nil || len(page.Items) != 1 || string(page.Items[0].ID) != ann {
		t.Errorf("AccountPage: %+v, %v, want the one account", page, err)
	}
}

// Links are used to the letter, in every form in which Graph writes them, and our token goes
// to the pages of that list alone, whatever a link says.
func TestLinksOfChanges(t *testing.T) {
	for name, world := range entratest.Worlds() {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.World, c.Behaviour.DeltaPage = world, 1 })
		accounts, groups := n.latest(t, managed...)
		n.people(t, 3)
		n.group(t, entratest.Group{DisplayName: "Team"})
		if items, _, pages := n.accountRound(t, accounts, managed...); len(items) != 3 || pages != 4 {
			t.Errorf("%s: %d changes on %d pages, want 3 on 4, the last of which is empty", name, len(items), pages)
		}
		if items, _, _ := n.groupRound(t, groups); len(items) != 1 {
			t.Errorf("%s: %d groups, want 1", name, len(items))
		}
	}

	const page = `{"value":[],"@odata.nextLink":"https://graph.example/v1.0/users/delta()?$skiptoken=a%2Bb%20c~d&x=1"}`
	s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) { return 200, nil, page }}
	first, err := s.client().AccountChanges(t.Context(), "/users/delta?$deltatoken=A-b_%2B", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.answer = func(int, sent) (int, http.Header, string) {
		return 200, nil, `{"value":[],"@odata.deltaLink":"https://graph.example/v1.0/users/delta?$deltatoken=B"}`
	}
	last, err := s.client().AccountChanges(t.Context(), first.Next, nil)
	if err != nil || last.Next != "" || last.Link == "" {
		t.Fatalf("%+v, %v, want a link and no next page", last, err)
	}
	want := []string{"https://graph.example/v1.0/users/delta?$deltatoken=A-b_%2B", "https://graph.example/v1.0/users/delta()?$skiptoken=a%2Bb%20c~d&x=1"}
	for i, r := range s.requests {
		if r.url != want[i] || r.header.Get("x-ms-throttle-priority") != "low" {
			t.Errorf("request %d: %s with priority %q, want %s with low", i, r.url, r.header.Get("x-ms-throttle-priority"), want[i])
		}
	}

	sent := len(s.requests)
	for _, from := range []string{
		"", "https://evil.example/v1.0/users/delta?$deltatoken=a", "//evil.example/users/delta?$deltatoken=a", "/users/delta", "/users/delta?$select=id",
		"/users?$skiptoken=a", "/groups/delta?$deltatoken=a", "/users/../groups/delta?$deltatoken=a", "/users/delta/x?$deltatoken=a", "/users/u1?$deltatoken=a", "%zz",
	} {
		if _, err := s.client().AccountChanges(t.Context(), from, nil); !forgotten(err) {
			t.Errorf("AccountChanges(%q): %v, want the fault for forgotten changes", from, err)
		}
	}
	if _, err := s.client().GroupChanges(t.Context(), "/users/delta?$deltatoken=a"); !forgotten(err) {
		t.Errorf("GroupChanges with a link of accounts: %v, want the fault for forgotten changes", err)
	}
	if len(s.requests) != sent {
		t.Errorf("%d requests for links that are none, want none", len(s.requests)-sent)
	}
}

// A page that cannot be right is no page: it is read again later.
func TestUselessPagesOfChanges(t *testing.T) {
	for what, body := range map[string]string{
		"neither link":       `{"value":[]}`,
		"no list":            `{"@odata.deltaLink":"https://graph.example/v1.0/users/delta?$deltatoken=x"}`,
		"another host":       `{"value":[],"@odata.deltaLink":"https://evil.example/v1.0/users/delta?$deltatoken=x"}`,
		"not JSON":           `{`,
		"an object alone":    `{"value":[{"displayName":"x"}],"@odata.deltaLink":"https://graph.example/v1.0/users/delta?$deltatoken=x"}`,
		"a manager of no id": `{"value":[{"id":"u1","manager@delta":[{"@odata.type":"#microsoft.graph.user"}]}],"@odata.deltaLink":"https://graph.example/v1.0/users/delta?$deltatoken=x"}`,
		"leads to itself":    `{"value":[],"@odata.nextLink":"https://graph.example/v1.0/users/delta?$deltatoken=a"}`,
		"a value that is no": `{"value":[{"id":"u1","displayName":{"a":1}}],"@odata.deltaLink":"https://graph.example/v1.0/users/delta?$deltatoken=x"}`,
	} {
		s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) { return 200, nil, body }}
		page, err := s.client().AccountChanges(t.Context(), "/users/delta?$deltatoken=a", []directory.Attribute{directory.DisplayName})
		if fault.KindOf(err) != fault.Transient {
			t.Errorf("%s: %+v, %v, want a transient fault", what, page, err)
		}
	}
	n := 0
	s := &stub{t: t}
	s.answer = func(int, sent) (int, http.Header, string) {
		n++
		return 200, nil, fmt.Sprintf(`{"value":[],"@odata.nextLink":"https://graph.example/v1.0/users/delta?$skiptoken=%d"}`, n)
	}
	if _, err := s.client().LatestAccounts(t.Context(), nil); fault.KindOf(err) != fault.Transient || n > 20 {
		t.Errorf("a start that does not end: %v after %d requests, want a transient fault soon", err, n)
	}
	if got := s.requests[0].url; !strings.Contains(got, "/users/delta?$deltatoken=latest&$select=id,userPrincipalName") {
		t.Errorf("the first request is %s, want the changes after now of selected properties", got)
	}
}
