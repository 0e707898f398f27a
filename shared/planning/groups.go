package planning

import (
	"context"
	"errors"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// group is what is planned for a group in Entra.
type group struct {
	ID directory.EntraID `json:"id"`
	// Name is the name that it is to have; "" if it keeps the one it has. UniqueName is that of
	// a group that is to be created.
	Name       string `json:"name,omitempty"`
	UniqueName string `json:"uniqueName,omitempty"`
	Gone       bool   `json:"gone,omitempty"`
	Restored   bool   `json:"restored,omitempty"`
}

// applied is a group as it is after what was planned.
func (g group) applied(real directory.SecurityGroup) directory.SecurityGroup {
	if real.ID = g.ID; g.Name != "" {
		real.Name = g.Name
	}
	if g.UniqueName != "" {
		real.UniqueName, real.Security = g.UniqueName, true
	}
	return real
}

// member is a member of a group whom a plan adds, or removes.
type member struct {
	ID directory.EntraID `json:"id"`
	In bool              `json:"in"`
}

// groups are what is planned for some groups.
func (t tenant) groups(ctx context.Context, ids []directory.EntraID) (map[string]group, error) {
	sks := make([]string, len(ids))
	for i, id := range ids {
		sks[i] = folded(id)
	}
	return recordsOf[group](ctx, t, t.pk(groupsPart), sks)
}

// ApplyToGroups implements reconcile.Entra: nothing is sent, and what each action is to write is
// noted, except members whom Entra does not have.
func (t tenant) ApplyToGroups(ctx context.Context, actions []plan.Action) []reconcile.GroupResult {
	results := make([]reconcile.GroupResult, len(actions))
	ids := make([]directory.EntraID, len(actions))
	for i, action := range actions {
		results[i].ID = action.EntraID
		if action.Type == plan.CreateGroup {
			results[i].ID = madeFor(action.Subject)
		}
		ids[i] = results[i].ID
	}
	known, err := t.groups(ctx, ids)
	unknown, unread := t.unknownMembers(ctx, actions)
	notes := t.notes()
	for i, action := range actions {
		t.note(notes, known[folded(ids[i])], ids[i], action, unknown)
	}
	if err = errors.Join(err, unread); err == nil {
		err = notes.keep(ctx)
	}
	for i := range results {
		results[i].Err, results[i].Refused = err, unknown
	}
	return results
}

// note notes what an action on a group is to write, except the members who are refused.
func (t tenant) note(notes *notes, own group, id directory.EntraID, action plan.Action, refused map[directory.EntraID]error) {
	own.ID = id
	if name, written := action.Value(directory.DisplayName); written {
		own.Name = name.String()
		notes.add(t.pk(titlesPart, folded(own.Name)), folded(id), id)
	}
	if name, written := action.Value(directory.UniqueName); written {
		own.UniqueName = name.String()
	}
	switch action.Type {
	case plan.DeleteGroup:
		own.Gone = true
	case plan.RestoreGroup:
		own.Gone, own.Restored = false, true
	}
	for _, change := range action.Changes {
		if change.Attribute != directory.Members {
			continue
		}
		for i, value := range slices.Concat(change.To, change.From) {
			m := member{ID: directory.EntraID(value), In: i < len(change.To)}
			if m.In && refused[m.ID] != nil {
				continue
			}
			notes.add(t.pk(membersPart, folded(id)), folded(m.ID), m)
		}
	}
	notes.add(t.pk(groupsPart), folded(id), own)
}

// FindGroups implements reconcile.Entra.
func (t tenant) FindGroups(ctx context.Context, names []string) []reconcile.FoundGroups {
	found := t.Entra.FindGroups(ctx, names)
	for i, name := range names {
		if found[i].Err == nil {
			found[i].Groups, found[i].Err = t.named(ctx, name, found[i].Groups)
		}
	}
	return found
}

// named are the groups that have a name after what was planned; real are those that have it.
func (t tenant) named(ctx context.Context, name string, real []directory.SecurityGroup) ([]directory.SecurityGroup, error) {
	ids, err := t.titled(ctx, name)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, g := range real {
		ids, there[folded(g.ID)] = append(ids, g.ID), true
	}
	known, err := t.groups(ctx, ids)
	if err != nil {
		return nil, err
	}
	var named []directory.SecurityGroup
	for _, g := range real {
		own, is := known[folded(g.ID)]
		switch {
		case !is:
			named = append(named, g)
		case !own.Gone && (own.Name == "" || strings.EqualFold(own.Name, name)):
			named = append(named, own.applied(g))
		}
	}
	for _, id := range ids {
		own, is := known[folded(id)]
		if !is || there[folded(id)] || own.Gone || !strings.EqualFold(own.Name, name) {
			continue
		}
		shown := t.ReadGroups(ctx, []directory.EntraID{id})[0]
		if shown.Err != nil {
			return nil, shown.Err
		}
		named = append(named, shown.Groups...)
	}
	return named, nil
}

// titled are the groups that are planned to get a name, or were.
func (t tenant) titled(ctx context.Context, name string) (ids []directory.EntraID, err error) {
	err = each(ctx, t, t.pk(titlesPart, folded(name)), func(id directory.EntraID) { ids = append(ids, id) })
	return ids, err
}

// ReadGroups implements reconcile.Entra.
func (t tenant) ReadGroups(ctx context.Context, groups []directory.EntraID) []reconcile.FoundGroups {
	known, err := t.groups(ctx, groups)
	if err != nil {
		found := make([]reconcile.FoundGroups, len(groups))
		for i := range found {
			found[i].Err = err
		}
		return found
	}
	found := asked(groups, func(id directory.EntraID) bool { return !IsMade(id) && !known[folded(id)].Gone }, func(real []directory.EntraID) []reconcile.FoundGroups {
		return t.Entra.ReadGroups(ctx, real)
	})
	for i, id := range groups {
		own, is := known[folded(id)]
		switch {
		case !is || own.Gone:
		case IsMade(id):
			found[i].Groups = []directory.SecurityGroup{own.applied(directory.SecurityGroup{})}
		default:
			found[i].Groups = slices.Clone(found[i].Groups)
			for n := range found[i].Groups {
				found[i].Groups[n] = own.applied(found[i].Groups[n])
			}
		}
	}
	return found
}

// ListMembersOf implements reconcile.Entra: the members that the group has in Entra, with those
// who are planned to be added and without those who are planned to be removed.
func (t tenant) ListMembersOf(ctx context.Context, id directory.EntraID, from directory.AccountList) (directory.AccountList, error) {
	known, err := t.groups(ctx, []directory.EntraID{id})
	if err != nil {
		return from, err
	}
	own, is := known[folded(id)]
	list := from
	switch {
	case own.Gone || IsMade(id) && !is:
		return from, fault.New(fault.NotFound, "planning.list members", "")
	case IsMade(id):
		list = fresh(id, from)
	default:
		if list, err = t.Entra.ListMembersOf(ctx, id, from); own.Restored && fault.Is(err, fault.NotFound) {
			list, err = fresh(id, from), nil
		}
	}
	if err != nil || !is || !list.Complete {
		return list, err
	}
	at := map[string]int{}
	for i, account := range list.Accounts {
		at[folded(account)] = i
	}
	out := map[string]bool{}
	accounts := slices.Clone(list.Accounts)
	err = each(ctx, t, t.pk(membersPart, folded(id)), func(m member) {
		_, there := at[folded(m.ID)]
		if out[folded(m.ID)] = !m.In; m.In && !there {
			accounts = append(accounts, m.ID)
		}
	})
	list.Accounts = slices.DeleteFunc(accounts, func(account directory.EntraID) bool { return out[folded(account)] })
	return list, err
}
