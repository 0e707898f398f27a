package reconcile

import (
	"context"
	"maps"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// groupGuard is what the guard says about a group.
type groupGuard struct {
	// held is the verdict by which somebody stays in the group; nil if nothing is held.
	held *verdict
	// dropped is what waited of the group and does not any more, once the attempt concludes.
	dropped []store.HeldItem
}

// guard asks the guard about everybody who would be taken out of a group, together: it is one
// cause. Whoever may not be yet stays in it, and everything else of the group goes on.
func (b *groupBatch) guard(ctx context.Context, groups []*group) {
	for _, g := range groups {
		if err := b.guardGroup(ctx, g); err != nil {
			b.fail(ctx, g, err)
		}
	}
}

func (b *groupBatch) guardGroup(ctx context.Context, g *group) error {
	items, err := b.takenOut(ctx, g)
	if err != nil {
		return err
	}
	if err := b.findHeld(ctx, g, items); err != nil || len(items) == 0 {
		return err
	}
	verdicts, err := b.Parts.guard(ctx, question{
		dir: b.dir, kind: plan.Removals, items: items, together: true, group: g.attempt.Group,
		members: func(ctx context.Context) (int, error) { return b.presentMembers(ctx, g) },
	})
	if err != nil {
		return err
	}
	spared, holds := map[directory.EntraID]bool{}, map[string]verdict{}
	waiting := map[string]map[directory.EntraID]bool{} // in which hold
	for i, v := range verdicts {
		switch {
		case v.hold != nil:
			spared[items[i].Account] = true
			if id := v.hold.ID; holds[id].hold == nil {
				holds[id], waiting[id] = v, map[directory.EntraID]bool{}
			}
			waiting[v.hold.ID][items[i].Account] = true
			if g.guard.held == nil || g.guard.held.rejected() { // one that somebody can still decide is shown
				g.guard.held = &v
			}
		case v.kept != nil:
			g.guard.dropped = append(g.guard.dropped, *v.kept)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(holds)) {
		for _, action := range plan.Sparable(g.todo, waiting[id]) {
			b.planHeld(g, action, holds[id])
		}
	}
	g.todo = plan.Sparing(g.todo, spared)
	return nil
}

// takenOut are the people whom the actions on a group take out of it and whose accounts are
// not disabled already, as what would wait of them.
func (b *groupBatch) takenOut(ctx context.Context, g *group) ([]store.HeldItem, error) {
	members := g.plan.Members
	if slices.ContainsFunc(g.todo, deletes) {
		all, err := b.Store.AllMembers(ctx, b.dir.ID, g.attempt.Group)
		if err != nil {
			return nil, err
		}
		members = nil
		for _, m := range all {
			members = append(members, plan.Member{Member: m})
		}
	}
	of := map[directory.EntraID]directory.UserID{}
	var applied []directory.EntraID
	for _, m := range members {
		if m.Applied != "" {
			of[m.Applied], applied = m.User, append(applied, m.Applied)
		}
	}
	var items []store.HeldItem
	var users []directory.UserID
	for _, action := range g.todo {
		for _, account := range action.TakesOut(applied) {
			items = append(items, store.HeldItem{User: of[account], Account: account, Group: g.attempt.Group, GroupName: g.plan.Name,
				Action: action.Type, Reason: g.whyOut(action, of[account]), Cause: g.cause})
			users = append(users, of[account])
		}
	}
	if len(items) == 0 {
		return nil, nil
	}
	links := map[directory.UserID]directory.Link{}
	users = slices.DeleteFunc(users, func(id directory.UserID) bool { return id == "" })
	if err := b.Store.EachLink(ctx, b.dir.ID, users, func(l directory.Link) { links[l.User] = l }); err != nil {
		return nil, err
	}
	for i := range items {
		items[i].Name = string(links[items[i].User].UPN)
	}
	return slices.DeleteFunc(items, func(item store.HeldItem) bool {
		link := links[item.User]
		return item.User != "" && link.EntraID == item.Account && link.State == directory.Disabled
	}), nil
}

// whyOut is why an action takes somebody out of the group; "" of an account that nobody in
// JumpCloud is known to have.
func (g *group) whyOut(action plan.Action, user directory.UserID) directory.Reason {
	switch {
	case action.Type == plan.DeleteGroup && !g.plan.Exists:
		return directory.GroupDeleted
	case action.Type == plan.DeleteGroup:
		return directory.GroupDisconnected
	case user == "":
		return ""
	default:
		return directory.LeftGroup
	}
}

// presentMembers counts who is in a group in Entra, as far as that is known.
func (b *groupBatch) presentMembers(ctx context.Context, g *group) (int, error) {
	if g.plan.Present != nil {
		return len(g.plan.Present), nil
	}
	all, err := b.Store.AllMembers(ctx, b.dir.ID, g.attempt.Group)
	return len(slices.DeleteFunc(all, func(m directory.Member) bool { return m.Applied == "" })), err
}

// findHeld finds what waits of a group and is not asked for any more: items are what is.
func (b *groupBatch) findHeld(ctx context.Context, g *group, items []store.HeldItem) error {
	if g.link.Hold == "" && !g.attempt.Held {
		return nil
	}
	known, err := b.Store.Guard(ctx, b.dir.ID, plan.Removals, "")
	if err != nil {
		return err
	}
	asked := map[store.About]bool{}
	for _, item := range items {
		asked[item.About()] = true
	}
	holds := []string{g.link.Hold, known.Count.Open}
	if g.cause.Type == HeldCause {
		holds = append(holds, g.cause.ID)
	}
	slices.Sort(holds)
	for _, hold := range slices.Compact(holds) {
		for cursor, first := "", hold != ""; first || cursor != ""; first = false {
			page, err := b.Store.HeldItems(ctx, hold, heldPage, cursor)
			if err != nil {
				return err
			}
			for _, item := range page.Items {
				if item.Group == g.attempt.Group && !asked[item.About()] {
					g.guard.dropped = append(g.guard.dropped, item)
				}
			}
			cursor = page.Cursor
		}
	}
	return nil
}

// standHeld fills in the link of a group as the guard says, and drops what does not wait any
// more.
func (b *groupBatch) standHeld(ctx context.Context, g *group) error {
	if err := b.dropHeld(ctx, g.guard.dropped); err != nil {
		return err
	}
	g.link.Hold, g.link.HeldFor = "", ""
	if g.guard.held != nil && g.withheld == nil {
		holdLink(&g.link.Standing, *g.guard.held)
	}
	return nil
}
