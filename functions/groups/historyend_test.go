package groups_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
)

// members returns the people in a JumpCloud group, if the group connects them.
func (h *history) members(g *group) map[directory.UserID]bool {
	members := map[directory.UserID]bool{}
	if g.connected && !g.deleted {
		for _, id := range h.jumpcloud.Members(string(g.id)) {
			members[directory.UserID(id)] = true
		}
	}
	return members
}

// account returns the account of a user; "" if there is none, or it was freed.
func (h *history) account(id directory.UserID) directory.EntraID {
	accounts, err := h.store.Accounts(context.Background(), h.directory.ID, []directory.UserID{id})
	h.must(err)
	return accounts[id]
}

// compareGroup compares a group with JumpCloud, Entra and our records.
func (h *history) compareGroup(g *group) {
	known, err := h.store.Group(context.Background(), organization, g.id)
	h.must(err)
	link, linked := known.Link(h.directory.ID)
	inEntra, exists := h.tenant.Group(string(link.EntraID))
	wanted := g.connected && !g.deleted
	switch {
	case known.Connected(h.directory.ID) != wanted:
		h.t.Fatalf("%s is connected: %v, want %v (%+v)", g.id, !wanted, wanted, link)
	case !linked:
		return
	case known.Busy(h.directory.ID, time.Now()) || !link.NextTryAt.IsZero() || link.Status == directory.Pending:
		h.t.Fatalf("%s has not ended: %+v", g.id, link)
	case !wanted && link.Status != directory.Released:
		h.t.Fatalf("%s is not released: %+v", g.id, link)
	case !wanted && h.directory.Settings.DeleteGroups && link.Origin == directory.CreatedByUs:
		h.t.Fatalf("%s should have been deleted: %+v", g.id, link)
	case !wanted || !h.directory.Settings.ManageGroups: // its group in Entra is not checked
		return
	case link.EntraID != "" && (!exists || !inEntra.Deleted.IsZero()):
		h.t.Fatalf("%s is not in Entra: %+v", g.id, link)
	case link.Reason == directory.GroupDeletedInEntra && link.Status == directory.Parked && link.EntraID == "" && !h.directory.Settings.RestoreDeleted && h.deletedOf(link) != "":
		return
	case len(link.OpenActions) > 0:
		h.t.Fatalf("%s has open actions: %+v", g.id, link)
	case link.Status != directory.Synced || !exists:
		h.t.Fatalf("%s is not in sync: %+v", g.id, link)
	}
	h.compareMembers(g, link, inEntra)
}

// compareMembers compares the members of a managed group with JumpCloud and our
// records.
func (h *history) compareMembers(g *group, link directory.GroupLink, inEntra entratest.Group) {
	name := ""
	for _, each := range h.jumpcloud.Groups() {
		if each.Text("id") == string(g.id) {
			name = strings.TrimSpace(each.Text("name"))
		}
	}
	if inEntra.DisplayName != name || link.Applied != name || inEntra.Kind != entratest.Security {
		h.t.Fatalf("%s is named %q in JumpCloud and %q in Entra: %+v, want DisplayName %v, Applied %v, Kind %v", g.id, name, inEntra.DisplayName, link, name, name, entratest.Security)
	}
	want := map[string]bool{}
	people := h.members(g)
	for id := range people {
		if account := h.account(id); account != "" {
			want[string(account)] = true
		}
	}
	records, err := h.store.AllMembers(context.Background(), h.directory.ID, g.id)
	h.must(err)
	for _, m := range records {
		if account := h.account(m.User); m.Wanted != people[m.User] || !m.Wanted || m.Applied != account || (m.Problem == nil) == (account == "") {
			h.t.Fatalf("%s: the record %+v (%v) of an account %q", g.id, m, m.Problem, account)
		}
		delete(people, m.User)
	}
	if len(people) > 0 {
		h.t.Fatalf("%s has no record of %v", g.id, people)
	}
	for _, stranger := range h.strangersOf(inEntra) {
		if !h.exactOnce || !h.directory.Settings.ExactMembership && slices.Contains(inEntra.Members, stranger) {
			want[stranger] = true
		}
	}
	if link.Origin == directory.TakenOver && (inEntra.ID != h.seeded || h.wasOthers(g, inEntra.ID)) { // a member of its former JumpCloud group is a stranger here
		for _, id := range inEntra.Members {
			want[id] = true
		}
	}
	if got := slices.Sorted(slices.Values(inEntra.Members)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		h.t.Fatalf("%s has the members %v, want %v (%+v)", g.id, got, slices.Sorted(maps.Keys(want)), link)
	}
}

// wasOthers reports whether another JumpCloud group had a group in Entra before.
func (h *history) wasOthers(than *group, id string) bool {
	return slices.ContainsFunc(h.groups, func(g *group) bool {
		known, err := h.store.Group(context.Background(), organization, g.id)
		h.must(err)
		link, _ := known.Link(h.directory.ID)
		return g != than && (string(link.EntraID) == id || string(link.Former) == id)
	})
}

// strangersOf returns the members that a group in Entra had before entrasync wrote to
// it.
func (h *history) strangersOf(inEntra entratest.Group) []string {
	if inEntra.ID == h.seeded {
		return []string{h.stranger}
	}
	return nil
}

// comparePerson compares the paths and the account of a person with the rules.
func (h *history) comparePerson(p *person) {
	jc, err := h.fixture.users.Clients.JumpCloud(context.Background(), organization)
	h.must(err)
	var source *directory.User
	user, err := jc.User(context.Background(), p.id)
	if !fault.Is(err, fault.NotFound) {
		h.must(err)
		source = &user
	}
	var paths []directory.Path
	if p.direct {
		paths = append(paths, directory.Direct)
	}
	for _, g := range h.groups {
		if h.members(g)[p.id] {
			paths = append(paths, g.id.Path())
		}
	}
	known, err := h.store.User(context.Background(), organization, p.id)
	h.must(err)
	got := slices.Clone(known.Paths(h.directory.ID))
	slices.Sort(paths)
	slices.Sort(got)
	if !slices.Equal(paths, got) {
		h.t.Fatalf("%s is connected by %v, want %v", p.name, got, paths)
	}
	want := directory.Desire(source, directory.Connected{Here: len(paths) > 0, Ended: known.Ended(h.directory.ID)}, h.directory.Settings)
	link, linked := known.Link(h.directory.ID)
	account, exists := h.tenant.User(string(link.EntraID))
	switch {
	case !linked && want.Managed, want.Managed && !exists:
		h.t.Fatalf("%s is connected and has no account: %+v", p.name, link)
	case linked && (len(link.OpenActions) > 0 || link.Status == directory.Pending):
		h.t.Fatalf("%s has not ended: %+v", p.name, link)
	case exists && account.AccountEnabled != (want.State == directory.Enabled):
		h.t.Fatalf("%s: enabled is %v, want %v (%+v)", p.name, account.AccountEnabled, want.State, link)
	}
}

// compareTenant fails if Entra has two copies of a group that we created, a group that
// no link names, or a deleted account.
func (h *history) compareTenant() {
	owners, creating, freed := map[string]directory.GroupID{}, map[any]bool{}, map[directory.GroupID]bool{}
	for _, g := range h.groups {
		known, err := h.store.Group(context.Background(), organization, g.id)
		h.must(err)
		if link, _ := known.Link(h.directory.ID); link.EntraID != "" {
			other, twice := owners[string(link.EntraID)]
			if twice && !link.Freed && !freed[other] { // a freed group may have another owner now
				h.t.Fatalf("%s and %s share %s", g.id, other, link.EntraID)
			}
			freed[g.id] = link.Freed
			owners[string(link.EntraID)] = g.id
		} else if len(link.OpenActions) > 0 { // released before the answer to its creation was known
			creating[link.UniqueName()] = true
		}
	}
	for _, each := range h.tenant.Groups() {
		if owners[each.ID] == "" && each.ID != h.seeded && !h.byHand[each.ID] && each.Deleted.IsZero() && !creating[each.Properties["uniqueName"]] {
			h.t.Fatalf("no link names the group %+v", each)
		}
	}
	for _, each := range h.tenant.Users() {
		if !each.Deleted.IsZero() {
			h.t.Fatalf("the account %s was deleted", each.UserPrincipalName)
		}
	}
}
