package plan

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
)

// anAccount is a link with attributes that were written, the user that it belongs to, and the
// account as Entra has it.
type anAccount struct {
	user    User
	account directory.Account
	changed []directory.Attribute // what somebody else changed of what was written
}

// drawAccount draws an account of which somebody else may have changed anything.
func drawAccount(t *rapid.T) anAccount {
	const id = directory.UserID("5f0c1e2d3a4b5c6d7e8f9012")
	written := directory.Attributes{
		directory.UserPrincipalName: directory.Text("ann@contoso.example"), directory.AccountEnabled: directory.Bool(true), directory.ImmutableID: directory.Text(string(id)),
	}
	for _, name := range []directory.Attribute{directory.JobTitle, directory.Department, directory.CostCenter} {
		if rapid.Bool().Draw(t, "writes "+string(name)) {
			written[name] = directory.Text(rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, string(name)))
		}
	}
	var a anAccount
	wanted := maps.Clone(written)
	delete(wanted, directory.AccountEnabled)
	delete(wanted, directory.ImmutableID)
	a.user = User{ID: id, Desired: directory.Desired{Managed: true, State: directory.Enabled, UPN: "ann@contoso.example", Attributes: wanted},
		Link: directory.Link{Standing: directory.Standing{EntraID: "e1", Status: directory.Synced, Origin: directory.CreatedByUs}, User: id, UPN: "ann@contoso.example", State: directory.Enabled, Applied: written}}
	has := maps.Clone(written)
	for _, name := range []directory.Attribute{directory.JobTitle, directory.Department, directory.CostCenter, directory.City} {
		if rapid.Bool().Draw(t, "changes "+string(name)) {
			has[name] = directory.Text(rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "new "+string(name)))
		}
	}
	has[directory.AccountEnabled] = directory.Bool(rapid.Bool().Draw(t, "enabled"))
	has[directory.UserPrincipalName] = directory.Text(rapid.SampledFrom([]string{"ann@contoso.example", "Ann@Contoso.example", "eve@contoso.example"}).Draw(t, "name"))
	has[directory.ImmutableID] = directory.Text(rapid.SampledFrom([]string{string(id), "", "x"}).Draw(t, "immutable id"))
	a.account = directory.Account{ID: "e1", UPN: directory.UPN(has[directory.UserPrincipalName].String()), Enabled: has[directory.AccountEnabled].String() == "true",
		ImmutableID: has[directory.ImmutableID].String(), Attributes: has}
	for name, value := range written {
		if !name.Same(value, has[name]) {
			a.changed = append(a.changed, name)
		}
	}
	slices.Sort(a.changed)
	return a
}

// listed is the account in a list: of all accounts, or of changes, which leaves out what is
// empty and may leave out what did not change.
func (a anAccount) listed(t *rapid.T, whole bool) directory.AccountChange {
	shown := directory.AccountChange{ID: a.account.ID, Account: a.account}
	shown.Account.Attributes = maps.Clone(a.account.Attributes)
	for _, name := range slices.Sorted(maps.Keys(a.account.Attributes)) {
		may := !slices.Contains(a.changed, name) && rapid.Bool().Draw(t, "leaves out "+string(name))
		if !whole && (len(a.account.Attributes[name]) == 0 || may) {
			delete(shown.Account.Attributes, name)
		}
	}
	return shown
}

// What somebody else changed of what was written is found, whatever a list leaves out, and
// nothing else; repaired, all of it is written again and the findings are gone; reported,
// nothing is written. A second comparison finds nothing new.
func TestEveryChangeIsFoundAndNothingElse(t *testing.T) {
	now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		a := drawAccount(t)
		whole := rapid.Bool().Draw(t, "whole")
		if suspected := MayDiffer(a.user.Link, a.listed(t, whole), whole); !suspected && len(a.changed) > 0 || whole && suspected && len(a.changed) == 0 {
			t.Fatalf("the list says %t, want it to name the account if and only if something changed: %v", suspected, a.changed)
		}
		findings := a.user.Compare(a.account, nil, now)
		var names []directory.Attribute
		for _, f := range findings {
			names = append(names, f.Attribute)
		}
		if !slices.Equal(names, a.changed) {
			t.Fatalf("found %v, want %v", names, a.changed)
		}
		repair := rapid.Bool().Draw(t, "repair")
		link, news := a.user.Differs(findings, a.account, repair)
		if len(news) != len(findings) || len(link.Drift) != len(findings) {
			t.Fatalf("%d are new and %d kept, want %d", len(news), len(link.Drift), len(findings))
		}
		u := a.user
		u.Link = link
		again, more := u.Differs(u.Compare(a.account, nil, now.Add(time.Hour)), a.account, repair)
		if diff := cmp.Diff(link, again); diff != "" || len(more) > 0 {
			t.Fatalf("a second comparison finds %v and changes the link (-first +second):\n%s", more, diff)
		}
		written := map[directory.Attribute]bool{}
		decision := u.Decide()
		for _, action := range decision.Actions {
			for _, c := range action.Changes {
				written[c.Attribute] = true
			}
			link = u.Completed(link, action, link.EntraID)
		}
		var expected []directory.Attribute
		if repair {
			expected = a.changed
		}
		if got := slices.Sorted(maps.Keys(written)); !slices.Equal(got, expected) {
			t.Fatalf("writes %v, want %v", got, expected)
		}
		concluded := u.Concluded(link, nil, nil)
		if !repair && MayDiffer(concluded, a.listed(t, true), true) {
			t.Fatalf("the next list names the account again, want nothing: it has what was reported")
		}
		if left := len(concluded.Drift); left != len(findings)-len(expected) {
			t.Fatalf("%d findings are left, want %d: %v", left, len(findings)-len(expected), concluded.Drift)
		}
	})
}

// A link that nothing of the account belongs to is compared with no list.
func TestWhatIsNotOursIsNotCompared(t *testing.T) {
	ours := directory.Link{Standing: directory.Standing{EntraID: "e1"}, Applied: directory.Attributes{directory.JobTitle: directory.Text("Lead")}}
	shown := directory.AccountChange{ID: "e1", Account: directory.Account{Attributes: directory.Attributes{directory.JobTitle: directory.Text("Boss")}}}
	for name, tc := range map[string]struct {
		edit   func(*directory.Link, *directory.AccountChange)
		differ bool
	}{
		"ours":             {func(*directory.Link, *directory.AccountChange) {}, true},
		"freed":            {func(l *directory.Link, _ *directory.AccountChange) { l.Freed = true }, false},
		"being taken over": {func(l *directory.Link, _ *directory.AccountChange) { l.TakingOver = true }, false},
		"another account":  {func(_ *directory.Link, c *directory.AccountChange) { c.ID = "e2" }, false},
		"an agent":         {func(_ *directory.Link, c *directory.AccountChange) { c.Agent, c.Account.Attributes = true, nil }, true},
		"an agent's, released": {func(l *directory.Link, c *directory.AccountChange) {
			c.Agent, l.Status, l.Applied = true, directory.Released, directory.Attributes{directory.AccountEnabled: directory.Bool(true)}
		}, false},
		"an agent's, of which nothing was written": {func(l *directory.Link, c *directory.AccountChange) { c.Agent, l.Applied = true, nil }, false},
		"gone": {func(_ *directory.Link, c *directory.AccountChange) { c.Gone = true }, true},
		"gone, as found before": {func(l *directory.Link, c *directory.AccountChange) {
			c.Gone, l.Drift = true, directory.Findings{Gone("e1", time.Time{}, time.Time{})}
		}, false},
		"there, and found to be gone": {func(l *directory.Link, c *directory.AccountChange) {
			l.Applied, l.Drift = nil, directory.Findings{Gone("e1", time.Time{}, time.Time{})}
		}, true},
		"a finding of the same": {func(l *directory.Link, _ *directory.AccountChange) {
			l.Drift = directory.Findings{{Attribute: directory.JobTitle, Expected: directory.Text("Lead"), Found: directory.Text("Boss")}}
		}, false},
		"a finding of something else": {func(l *directory.Link, _ *directory.AccountChange) {
			l.Drift = directory.Findings{{Attribute: directory.JobTitle, Expected: directory.Text("Lead"), Found: directory.Text("Chief")}}
		}, true},
		"released": {func(l *directory.Link, _ *directory.AccountChange) { l.Status = directory.Released }, false},
		"released, and enabled": {func(l *directory.Link, c *directory.AccountChange) {
			l.Status, l.Applied = directory.Released, directory.Attributes{directory.AccountEnabled: directory.Bool(false)}
			c.Account.Attributes = directory.Attributes{directory.AccountEnabled: directory.Bool(true)}
		}, true},
		"freed, and enabled": {func(l *directory.Link, c *directory.AccountChange) {
			l.Freed, l.Status, l.Applied = true, directory.Released, directory.Attributes{directory.AccountEnabled: directory.Bool(false)}
			c.Account.Attributes = directory.Attributes{directory.AccountEnabled: directory.Bool(true)}
		}, true},
		"freed, and enabled as found before": {func(l *directory.Link, c *directory.AccountChange) {
			l.Freed, l.Status, l.Applied = true, directory.Released, directory.Attributes{directory.AccountEnabled: directory.Bool(false)}
			l.Drift = directory.Findings{{Attribute: directory.AccountEnabled, Expected: directory.Bool(false), Found: directory.Bool(true)}}
			c.Account.Attributes = directory.Attributes{directory.AccountEnabled: directory.Bool(true)}
		}, false},
		"freed, and gone": {func(l *directory.Link, c *directory.AccountChange) {
			l.Freed, l.Status, l.Applied = true, directory.Released, directory.Attributes{directory.AccountEnabled: directory.Bool(false)}
			c.Gone = true
		}, false},
		"the manager is not shown": {func(l *directory.Link, c *directory.AccountChange) {
			l.Applied, c.Account.Attributes = directory.Attributes{directory.Manager: directory.Text("m")}, nil
		}, false},
		"the manager is another": {func(l *directory.Link, c *directory.AccountChange) {
			other := directory.EntraID("n")
			l.Applied, c.Manager = directory.Attributes{directory.Manager: directory.Text("m")}, &other
		}, true},
		"there is no manager any more": {func(l *directory.Link, c *directory.AccountChange) {
			l.Applied, c.Manager = directory.Attributes{directory.Manager: directory.Text("m")}, new(directory.EntraID)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			link, change := ours, shown
			tc.edit(&link, &change)
			if got := MayDiffer(link, change, false); got != tc.differ {
				t.Errorf("got %t, want %t", got, tc.differ)
			}
		})
	}
}

// The state of an account that keeps the one that it had before the connection is not ours.
func TestTheStateOfAStagedUserIsNotOurs(t *testing.T) {
	u := User{Desired: directory.Desired{Managed: true, State: directory.Disabled, KeepsFound: true},
		Link: directory.Link{Standing: directory.Standing{EntraID: "e1", Origin: directory.TakenOver}, State: directory.Enabled, Found: directory.Enabled,
			Applied: directory.Attributes{directory.AccountEnabled: directory.Bool(true)}}}
	account := directory.Account{ID: "e1"}
	link, news := u.Differs(u.Compare(account, nil, time.Time{}), account, true)
	u.Link = link
	if actions := u.Decide().Actions; len(news) > 0 || len(actions) > 0 || link.State != directory.Disabled || link.Found != directory.Disabled {
		t.Errorf("findings %v, actions %v, link %+v; want none, and the state that it has now", news, actions, link)
	}
}

// A finding goes when JumpCloud has what was found, and when the attribute is not written any
// more; then it is not compared either.
func TestAFindingGoesWithWhatIsWanted(t *testing.T) {
	u := User{Desired: directory.Desired{Managed: true, State: directory.Enabled, Attributes: directory.Attributes{directory.JobTitle: directory.Text("Boss")}},
		Link: directory.Link{Standing: directory.Standing{EntraID: "e1"}, State: directory.Enabled, Applied: directory.Attributes{
			directory.AccountEnabled: directory.Bool(true), directory.JobTitle: directory.Text("Boss"), directory.Department: directory.Text("Ops")}}}
	u.Link.Drift = directory.Findings{
		{Attribute: directory.JobTitle, Expected: directory.Text("Lead"), Found: directory.Text("Boss")},
		{Attribute: directory.Department, Expected: directory.Text("Ops"), Found: directory.Text("Sales")},
		{Attribute: directory.AccountEnabled, Expected: directory.Bool(true), Found: directory.Bool(false)},
	}
	if left := u.Concluded(u.Link, nil, nil).Drift; len(left) != 1 || left[0].Attribute != directory.AccountEnabled {
		t.Errorf("left are %v, want only the state", left)
	}
	account := directory.Account{ID: "e1", Enabled: true, Attributes: directory.Attributes{directory.JobTitle: directory.Text("Lead"), directory.Department: directory.Text("Sales")}}
	if found := u.Compare(account, nil, time.Time{}); len(found) > 0 {
		t.Errorf("found %v, want nothing: the title is as expected, and the department is not written", found)
	}
}

// An immutable id that is not the user's is nobody's to repair, and is known then.
func TestAnImmutableIDOfSomebodyElse(t *testing.T) {
	u := User{ID: "5f0c1e2d3a4b5c6d7e8f9012", Desired: directory.Desired{Managed: true, State: directory.Enabled},
		Link: directory.Link{Standing: directory.Standing{EntraID: "e1", Origin: directory.TakenOver}, State: directory.Enabled, Applied: directory.Attributes{
			directory.AccountEnabled: directory.Bool(true), directory.ImmutableID: directory.Text("bWlsZA==")}}}
	account := directory.Account{ID: "e1", Enabled: true, ImmutableID: "b2xk"}
	link, news := u.Differs(u.Compare(account, nil, time.Time{}), account, true)
	if len(news) > 0 || MayDiffer(link, directory.AccountChange{ID: "e1", Account: account}, true) {
		t.Errorf("findings %v, link %+v; want none, and a link that knows the id", news, link)
	}
	u.Link = link
	if actions := u.Decide().Actions; len(actions) > 0 {
		t.Errorf("actions %v, want none", actions)
	}
}

// A list of members says whether a group is to be read.
func TestListsOfMembers(t *testing.T) {
	ann := directory.Member{User: "ann", Wanted: true, Applied: "a"}
	left := directory.Member{User: "bob", Applied: "b"} // to be removed
	waits := directory.Member{User: "joe", Wanted: true}
	for _, tc := range []struct {
		accounts []directory.EntraID
		exact    bool
		differs  bool
	}{
		{[]directory.EntraID{"a"}, true, false},
		{[]directory.EntraID{"a", "b"}, true, false},
		{[]directory.EntraID{"b"}, false, true},
		{[]directory.EntraID{"a", "x"}, false, false},
		{[]directory.EntraID{"a", "x"}, true, true},
	} {
		if got := ListDiffers([]directory.Member{ann, left, waits}, tc.accounts, tc.exact); got != tc.differs {
			t.Errorf("%v, exact %t: %t, want %t", tc.accounts, tc.exact, got, tc.differs)
		}
	}
}

// A finding names a bounded number of members.
func TestAFindingNamesSomeMembers(t *testing.T) {
	g := Group{Link: directory.GroupLink{Standing: directory.Standing{EntraID: "g"}}, Present: map[directory.EntraID]bool{}}
	for i := range 3 * shownMembers {
		id := directory.EntraID(fmt.Sprintf("%04d", i))
		g.Members = append(g.Members, Member{Member: directory.Member{Wanted: true, Applied: id}, Account: id})
	}
	findings := g.Compare(time.Time{})
	if len(findings) != 1 || len(findings[0].Expected) != shownMembers || findings[0].More != 2*shownMembers || findings[0].Expected[0] != "0000" {
		t.Errorf("found %+v, want one finding with %d members and %d more", findings, shownMembers, 2*shownMembers)
	}
}
