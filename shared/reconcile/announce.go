package reconcile

import (
	"context"
	"slices"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// A cause that takes access from many is announced before the first of them gets a task: if it
// is too much for the guard, the hold is open by then and has everybody, and not only those
// who come after the limit.

// Leaver is somebody who is about to lose access, and why.
type Leaver struct {
	User   directory.UserID
	Reason directory.Reason
	// LetIn says that somebody else enabled the account, so that our records say that it is
	// disabled.
	LetIn bool
}

// Stranger is an account that somebody else made a member of a group, and that is about to be
// taken out of it.
type Stranger struct {
	Group   directory.GroupID
	Account directory.EntraID
}

// Announce announces who is about to lose access in a directory by one cause, and who is about
// to be taken out of groups. Those who have none to lose, as our records say, are left out. It
// begins or joins holds; it counts nobody.
func (p Parts) Announce(ctx context.Context, dir directory.Directory, cause plan.Cause, leavers []Leaver, strangers ...Stranger) error {
	if dir.Settings.Guard.Off() || p.Plans {
		return nil
	}
	items := map[plan.HoldKind][]store.HeldItem{}
	of := make(map[directory.UserID]Leaver, len(leavers))
	users := make([]directory.UserID, len(leavers))
	for i, l := range leavers {
		of[l.User], users[i] = l, l.User
	}
	err := p.Store.EachLink(ctx, dir.ID, users, func(link directory.Link) {
		leaver := of[link.User]
		if link.State != directory.Enabled && !leaver.LetIn {
			return
		}
		kind := plan.KindOf(leaver.Reason)
		items[kind] = append(items[kind], store.HeldItem{User: link.User, Account: link.EntraID, Name: string(link.UPN), Action: plan.Deprovision, Reason: leaver.Reason, Cause: cause})
	})
	if err != nil {
		return err
	}
	out, err := p.strangersOf(ctx, dir, cause, strangers)
	if err != nil {
		return err
	}
	items[plan.Removals] = append(items[plan.Removals], out...)
	for _, kind := range plan.HoldKinds() {
		if len(items[kind]) == 0 {
			continue
		}
		if _, err := p.guard(ctx, question{dir: dir, kind: kind, items: items[kind], together: true, announces: true}); err != nil {
			return err
		}
	}
	return nil
}

// strangersOf are strangers as what would wait of them, without those who are excluded. Whether
// they are too large a share of their groups is asked by the tasks of the groups.
func (p Parts) strangersOf(ctx context.Context, dir directory.Directory, cause plan.Cause, strangers []Stranger) ([]store.HeldItem, error) {
	if len(strangers) == 0 {
		return nil, nil
	}
	var groups []directory.GroupID
	for _, s := range strangers {
		groups = append(groups, s.Group)
	}
	slices.Sort(groups)
	records, err := p.Store.ReadGroups(ctx, dir.ID, slices.Compact(groups))
	if err != nil {
		return nil, err
	}
	var items []store.HeldItem
	for _, s := range strangers {
		link, _ := records.Groups[s.Group].Link(dir.ID)
		items = append(items, store.HeldItem{Account: s.Account, Group: s.Group, GroupName: link.Name, Action: plan.RemoveMembers, Cause: cause})
	}
	return p.withAccess(ctx, dir, items)
}

// withAccess are those of some items whose people have accounts that are not disabled, nor
// excluded, with their names. Whoever is a member by hand and has an account of ours is the same person there.
func (p Parts) withAccess(ctx context.Context, dir directory.Directory, items []store.HeldItem) ([]store.HeldItem, error) {
	var strangers []directory.EntraID
	for _, item := range items {
		if item.User == "" {
			strangers = append(strangers, item.Account)
		}
	}
	owners, err := p.Store.Owners(ctx, dir.TenantObject, strangers)
	if err != nil {
		return nil, err
	}
	var users []directory.UserID
	for i := range items {
		item := &items[i]
		if owner := owners[item.Account]; item.User == "" && ownsHere(dir, owner) {
			item.User = owner.User
		}
		if item.User != "" {
			users = append(users, item.User)
		}
	}
	links := map[directory.UserID]directory.Link{}
	if err := p.Store.EachLink(ctx, dir.ID, users, func(l directory.Link) { links[l.User] = l }); err != nil {
		return nil, err
	}
	for i := range items {
		items[i].Name = string(links[items[i].User].UPN)
	}
	return slices.DeleteFunc(items, func(item store.HeldItem) bool {
		link := links[item.User]
		ours := item.User != "" && link.EntraID == item.Account
		return ours && (link.State == directory.Disabled || link.Reason == directory.Excluded)
	}), nil
}

// announceEnd announces the end of the memberships of a group: who has no other path to the
// directory or to another one on the tenant is about to lose access. If there is no time to
// find all of them, the guard judges them one by one.
func (b *groupBatch) announceEnd(ctx context.Context, g *group, members []directory.UserID, why directory.Reason) error {
	guard := b.dir.Settings.Guard
	if guard.Off() || b.Plans || len(members) <= guard.Minimum {
		return nil
	}
	var leavers []Leaver
	for some := range slices.Chunk(members, memberChunk) {
		if !deadline.Allows(ctx, groupWriteLimit+readLimit) {
			return nil
		}
		records, err := b.Store.ReadUsers(ctx, b.dir.ID, some)
		if err != nil {
			return err
		}
		for _, id := range some {
			if known := records.Users[id]; onlyBy(known, records, g.attempt.Group.Path()) {
				leavers = append(leavers, Leaver{User: id, Reason: why})
			}
		}
	}
	return b.Announce(ctx, b.dir, g.cause, leavers)
}

// onlyBy reports whether a user is connected by one path only, in all of the tenant.
func onlyBy(known store.User, records store.UserRecords, path directory.Path) bool {
	for _, sibling := range records.Siblings {
		if len(known.Paths(sibling.ID)) > 0 {
			return false
		}
	}
	paths := known.Paths(records.Directory.ID)
	return len(paths) == 1 && paths[0] == path
}
