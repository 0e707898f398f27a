package entra_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
)

// replica is what a reader knows of a tenant from a list and the changes since.
type replica struct {
	accounts map[directory.EntraID]*knownAccount
	members  map[directory.EntraID]map[directory.EntraID]bool // of the groups
	names    map[directory.EntraID]string                     // of the groups
}

// knownAccount is what is known of an account: each attribute has one of some values, more
// than one where the changes left it out.
type knownAccount struct {
	values  map[directory.Attribute][]directory.Value
	manager []directory.EntraID
	shown   map[directory.Attribute]bool // by this round
}

// learn applies what a page says of an account. round is new for each round.
func (r replica) learn(change directory.AccountChange, touched map[directory.EntraID]bool) {
	if change.Gone {
		delete(r.accounts, change.ID)
		touched[change.ID] = true
		return
	}
	a := r.accounts[change.ID]
	if a == nil {
		a = &knownAccount{values: map[directory.Attribute][]directory.Value{}, manager: []directory.EntraID{""}}
		r.accounts[change.ID] = a
	}
	if !touched[change.ID] || a.shown == nil {
		touched[change.ID], a.shown = true, map[directory.Attribute]bool{}
	}
	for name, value := range change.Account.Attributes {
		a.values[name], a.shown[name] = []directory.Value{value}, true
	}
	if change.Manager != nil {
		a.manager = []directory.EntraID{*change.Manager}
	}
}

// ended notes, after a round, that what it left out of an account that changed may be empty.
func (r replica) ended(touched map[directory.EntraID]bool, attributes []directory.Attribute) {
	for each := range touched {
		a := r.accounts[each]
		if a == nil {
			continue
		}
		for _, name := range attributes {
			if name != directory.Manager && !a.shown[name] {
				a.values[name] = append(a.values[name], nil)
			}
		}
		a.shown = nil
	}
}

// Whatever happens in a tenant, and however Graph cuts, repeats and orders its answers, a list
// and the changes since tell what a list of now tells: each account and group that exists,
// and of what a page leaves out only that it is as before or empty. Every page may be read
// twice.
func TestListAndChangesAreTheListOfNow(t *testing.T) {
	attributes := append(slices.Clone(managed), directory.Department)
	rapid.Check(t, func(t *rapid.T) {
		silent := rapid.Bool().Draw(t, "silent")
		how := entratest.Behaviour{
			DeltaPage: rapid.IntRange(1, 6).Draw(t, "page"), DeltaEmptyPages: rapid.Bool().Draw(t, "empty"), DeltaRepeats: rapid.Bool().Draw(t, "repeats"),
			DeltaSplits: rapid.Bool().Draw(t, "splits"), DeltaNulls: rapid.Bool().Draw(t, "nulls"), DeltaSilentPurge: silent, Quota: entratest.Quota{Off: true},
		}
		h := newHistory(t, how)
		for range rapid.IntRange(0, 10).Draw(t, "before") {
			h.step(t)
		}
		accounts, err := h.client.LatestAccounts(t.Context(), attributes)
		if err != nil {
			t.Fatal(err)
		}
		groups, err := h.client.LatestGroups(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		between := func() {
			if rapid.IntRange(0, 3).Draw(t, "meanwhile") == 0 {
				h.step(t)
			}
		}
		between()
		r := replica{h.list(t, attributes, between), map[directory.EntraID]map[directory.EntraID]bool{}, map[directory.EntraID]string{}}
		for _, g := range h.dir.Groups() {
			if g.Deleted.IsZero() {
				r.names[directory.EntraID(g.ID)], r.members[directory.EntraID(g.ID)] = g.DisplayName, setOf(g.Members)
			}
		}
		for round := range 4 {
			between := between
			if round == 3 {
				between = func() {}
			} else {
				for range rapid.IntRange(0, 12).Draw(t, "changes") {
					h.step(t)
				}
			}
			touched := map[directory.EntraID]bool{}
			for from := accounts; from != ""; {
				page, err := h.client.AccountChanges(t.Context(), from, attributes)
				if rapid.IntRange(0, 4).Draw(t, "again") == 0 {
					page, err = h.client.AccountChanges(t.Context(), from, attributes)
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, each := range page.Items {
					r.learn(each, touched)
					if silent && each.ForGood {
						for group := range r.members {
							delete(r.members[group], each.ID)
						}
					}
				}
				from = page.Next
				if from == "" {
					accounts = page.Link
				}
				between()
			}
			r.ended(touched, attributes)
			for from := groups; from != ""; {
				page, err := h.client.GroupChanges(t.Context(), from)
				if err != nil {
					t.Fatal(err)
				}
				for _, each := range page.Items {
					r.learnGroup(each)
				}
				if from = page.Next; from == "" {
					groups = page.Link
				}
				between()
			}
		}
		r.compare(t, h, h.list(t, attributes, func() {}))
	})
}

// learnGroup applies what a page says of a group.
func (r replica) learnGroup(change directory.GroupChange) {
	if change.Gone {
		delete(r.members, change.ID)
		delete(r.names, change.ID)
		return
	}
	if r.members[change.ID] == nil {
		r.members[change.ID] = map[directory.EntraID]bool{}
	}
	if change.Name != nil {
		r.names[change.ID] = *change.Name
	}
	for _, each := range change.Added {
		r.members[change.ID][each] = true
	}
	for _, each := range change.Removed {
		delete(r.members[change.ID], each)
	}
}

// compare compares what is known with a list of now.
func (r replica) compare(t *rapid.T, h *history, now map[directory.EntraID]*knownAccount) {
	for each := range r.accounts {
		if now[each] == nil {
			t.Errorf("account %s is known and does not exist", each)
		}
	}
	for each, want := range now {
		got := r.accounts[each]
		if got == nil {
			t.Errorf("account %s exists and is not known", each)
			continue
		}
		for name, value := range want.values {
			if !slices.ContainsFunc(got.values[name], value[0].Equal) {
				t.Errorf("%s of %s: known as one of %q, want %q", name, each, got.values[name], value[0])
			}
		}
		// A list shows no manager who is deleted and can be restored; that the manager comes
		// and goes with that is no change of the account.
		known, shown := got.manager[0], want.manager[0]
		comesAndGoes := shown == "" && now[known] == nil || known == "" && h.restored[shown]
		if known != shown && !comesAndGoes {
			t.Errorf("manager of %s: known as %q, want %q", each, known, shown)
		}
	}
	exist := map[directory.EntraID]string{}
	for _, g := range h.dir.Groups() {
		if !g.Deleted.IsZero() {
			continue
		}
		exist[directory.EntraID(g.ID)] = g.DisplayName
		if got, want := r.members[directory.EntraID(g.ID)], setOf(g.Members); !maps.Equal(got, want) {
			t.Errorf("members of %s: known %v, want %v", g.ID, got, want)
		}
	}
	if !maps.Equal(r.names, exist) {
		t.Errorf("groups: known %v, want %v", r.names, exist)
	}
}

// setOf is a set of object ids.
func setOf(ids []string) map[directory.EntraID]bool {
	set := map[directory.EntraID]bool{}
	for _, each := range ids {
		set[directory.EntraID(each)] = true
	}
	return set
}

// history makes changes in a simulated tenant.
type history struct {
	tenant
	users, groups []string
	restored      map[directory.EntraID]bool // users
}

// newHistory is a history of a tenant that is empty.
func newHistory(t *rapid.T, how entratest.Behaviour) *history {
	sim, err := entratest.New(entratest.Config{Apps: []entratest.App{entratest.DefaultApp()}, Tenants: []entratest.Tenant{entratest.DefaultTenant()}, Behaviour: how})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	return &history{restored: map[directory.EntraID]bool{}, tenant: tenant{sim: sim, dir: sim.Tenant(entratest.DefaultTenant().ID), client: clientIn(t, sim)}}
}

// list reads all accounts; meanwhile is called after each page.
func (h *history) list(t *rapid.T, attributes []directory.Attribute, meanwhile func()) map[directory.EntraID]*knownAccount {
	found := replica{accounts: map[directory.EntraID]*knownAccount{}}
	for from, first := "", true; first || from != ""; first = false {
		page, err := h.client.AccountPage(t.Context(), from, attributes)
		if err != nil {
			t.Fatal(err)
		}
		for _, each := range page.Items {
			found.learn(each, map[directory.EntraID]bool{})
		}
		from = page.Next
		meanwhile()
	}
	return found.accounts
}

// step makes one change. Those that the directory refuses are no change.
func (h *history) step(t *rapid.T) {
	kind := rapid.IntRange(0, 15).Draw(t, "kind")
	if len(h.users) == 0 || kind == 0 {
		upn := fmt.Sprintf("p%d@contoso.example", len(h.users))
		if u, err := h.dir.AddUser(entratest.User{UserPrincipalName: upn, Agent: rapid.Bool().Draw(t, "agent")}); err == nil {
			h.users = append(h.users, u.ID)
		}
		return
	}
	if len(h.groups) == 0 || kind == 1 {
		if g, err := h.dir.AddGroup(entratest.Group{DisplayName: fmt.Sprint("g", len(h.groups))}); err == nil {
			h.groups = append(h.groups, g.ID)
		}
		return
	}
	user, other, group := rapid.SampledFrom(h.users).Draw(t, "user"), rapid.SampledFrom(h.users).Draw(t, "other"), rapid.SampledFrom(h.groups).Draw(t, "group")
	u, there := h.dir.User(user)
	deleted := !u.Deleted.IsZero()
	g, groupThere := h.dir.Group(group)
	groupDeleted := !g.Deleted.IsZero()
	set := func(name string, value any) { _, _ = h.dir.UpdateUser(user, map[string]any{name: value}) }
	text := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "text")
	switch {
	case kind <= 8 && (!there || deleted):
	case kind == 2:
		set("displayName", text)
	case kind == 3:
		set(rapid.SampledFrom([]string{"jobTitle", "department"}).Draw(t, "property"), rapid.SampledFrom([]any{nil, "x", "y"}).Draw(t, "value"))
	case kind == 4:
		set("employeeOrgData", rapid.SampledFrom([]any{nil, map[string]any{"costCenter": text}, map[string]any{"costCenter": "z", "division": text}}).Draw(t, "value"))
	case kind == 5:
		set("onPremisesExtensionAttributes", map[string]any{"extensionAttribute3": rapid.SampledFrom([]any{nil, "e", "f"}).Draw(t, "value")})
	case kind == 6:
		set("businessPhones", rapid.SampledFrom([]any{[]string{}, []string{"1"}}).Draw(t, "value"))
	case kind == 7:
		set("accountEnabled", rapid.Bool().Draw(t, "enabled"))
	case kind == 8:
		manager := other
		if m, alive := h.dir.User(other); !alive || !m.Deleted.IsZero() || rapid.Bool().Draw(t, "none") {
			manager = ""
		}
		_, _ = h.dir.SetManager(user, manager)
	case kind == 9 && there && deleted && rapid.Bool().Draw(t, "purge"):
		_ = h.dir.PurgeUser(user)
	case kind == 9 && there && deleted:
		_, _ = h.dir.RestoreUser(user)
		h.restored[directory.EntraID(user)] = true
	case kind == 9 && there:
		_, _ = h.dir.DeleteUser(user)
	case kind <= 13 && (!groupThere || groupDeleted):
	case kind <= 11:
		_, _ = h.dir.AddMember(group, other)
	case kind == 12:
		_, _ = h.dir.RemoveMember(group, other)
	case kind == 13:
		_, _ = h.dir.UpdateGroup(group, map[string]any{"displayName": text})
	case groupDeleted && kind == 14:
		_ = h.dir.PurgeGroup(group)
	case groupDeleted:
		_, _ = h.dir.RestoreGroup(group)
	case groupThere:
		_, _ = h.dir.DeleteGroup(group)
	}
}
