package reconcile

import (
	"context"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// Stranger is an account that somebody else made a member of a group, and that is about to be
// taken out of it.
type Stranger struct {
	Group   directory.GroupID
	Account directory.EntraID
}

// AnnounceStrangers announces who is about to be taken out of groups in a directory by one
// cause, as [Parts.Announce] does. leavers are those who are about to lose access by it: they are
// announced by themselves, and count already now. Whether the strangers are too large a share of
// a group is asked by the task of the group, and they are no share of the linked users.
func (p Parts) AnnounceStrangers(ctx context.Context, dir directory.Directory, cause plan.Cause, strangers []Stranger, leavers []Leaver) error {
	if dir.Settings.Guard.Off() || len(strangers) == 0 {
		return nil
	}
	items, err := p.strangersOf(ctx, dir, cause, strangers)
	if err != nil || len(items) == 0 {
		return err
	}
	others, err := p.undecided(ctx, dir, plan.Removals, leavers)
	if err != nil {
		return err
	}
	_, err = p.guard(ctx, question{dir: dir, kind: plan.Removals, items: items, others: others, together: true, announces: true, byNumber: true})
	return err
}

// strangersOf are strangers as what would wait of them.
func (p Parts) strangersOf(ctx context.Context, dir directory.Directory, cause plan.Cause, strangers []Stranger) ([]store.HeldItem, error) {
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
		items = append(items, store.HeldItem{Account: s.Account, Group: s.Group, GroupName: link.Name, Action: plan.RemoveMembers, Reason: directory.ExtraMember, Cause: cause})
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
