package reconcile

import (
	"context"
	"maps"
	"slices"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// groupGuard is what the guard says about a group.
type groupGuard struct {
	// held is the verdict by which somebody stays in the group; nil if nothing is held.
	held *verdict
	// holds are the ids of all holds in which the removal of somebody waits, or was rejected.
	holds []string
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
		members: func(ctx context.Context) (int, error) { return b.presentMembers(ctx, g) }, names: b.signInNames,
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
			g.guard.holds = append(g.guard.holds, v.hold.ID)
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
// not disabled already, as what would wait of them. The deletion of a group takes out whoever
// is in it in Entra, not only whom entrasync made a member.
func (b *groupBatch) takenOut(ctx context.Context, g *group) ([]store.HeldItem, error) {
	if !slices.ContainsFunc(g.todo, func(a plan.Action) bool { return deletes(a) || a.Type == plan.RemoveMembers }) {
		return nil, nil
	}
	of, err := b.memberAccounts(ctx, g)
	if err != nil {
		return nil, err
	}
	everybody := slices.Collect(maps.Keys(of))
	if g.plan.Present != nil {
		everybody = slices.Collect(maps.Keys(g.plan.Present))
	}
	slices.Sort(everybody)
	var items []store.HeldItem
	for _, action := range g.todo {
		for _, account := range action.TakesOut(everybody) {
			items = append(items, store.HeldItem{User: of[account], Account: account, Group: g.attempt.Group, GroupName: g.plan.Name,
				Action: action.Type, Reason: g.whyOut(action, of[account]), Cause: g.cause})
		}
	}
	return b.withAccess(ctx, b.dir, items)
}

// memberAccounts are the accounts in a group in Entra of those whom entrasync made members, and
// whose they are.
func (b *groupBatch) memberAccounts(ctx context.Context, g *group) (map[directory.EntraID]directory.UserID, error) {
	of := map[directory.EntraID]directory.UserID{}
	add := func(m directory.Member) {
		if m.Applied != "" {
			of[m.Applied] = m.User
		}
	}
	if slices.ContainsFunc(g.todo, deletes) {
		all, err := b.Store.AllMembers(ctx, b.dir.ID, g.attempt.Group)
		for _, m := range all {
			add(m)
		}
		return of, err
	}
	for _, m := range g.plan.Members {
		add(m.Member)
	}
	return of, nil
}

// whyOut is why an action takes somebody out of the group.
func (g *group) whyOut(action plan.Action, user directory.UserID) directory.Reason {
	switch {
	case action.Type == plan.DeleteGroup && !g.plan.Exists:
		return directory.GroupDeleted
	case action.Type == plan.DeleteGroup:
		return directory.GroupDisconnected
	case user == "": // entrasync did not make the account a member
		return directory.ExtraMember
	default:
		return directory.LeftGroup
	}
}

// deletesUnderGuard reports whether the group in Entra is about to be deleted, and a guard asks
// who is in it.
func (b *groupBatch) deletesUnderGuard(g *group) bool {
	return !b.dir.Settings.Guard.Off() && slices.ContainsFunc(g.plan.Decide().Actions, deletes)
}

// signInNames are the sign-in names that accounts have in Entra, of as many as there is time
// for: they are for people.
func (b *groupBatch) signInNames(ctx context.Context, accounts []directory.EntraID) map[directory.EntraID]string {
	names := map[directory.EntraID]string{}
	if !deadline.Allows(ctx, groupWriteLimit) {
		return names
	}
	for i, found := range b.entra.Read(ctx, accounts, nil) {
		if found.Account != nil {
			names[accounts[i]] = string(found.Account.UPN)
		}
	}
	return names
}

// presentMembers counts who is in a group in Entra, as far as that is known.
func (b *groupBatch) presentMembers(ctx context.Context, g *group) (int, error) {
	if g.plan.Present != nil {
		return len(g.plan.Present), nil
	}
	all, err := b.Store.AllMembers(ctx, b.dir.ID, g.attempt.Group)
	return len(slices.DeleteFunc(all, func(m directory.Member) bool { return m.Applied == "" })), err
}

// findHeld finds what waits of a group and is not asked for any more: items are what is. Who was
// made a member by hand is asked for only by an attempt that compares all members.
func (b *groupBatch) findHeld(ctx context.Context, g *group, items []store.HeldItem) error {
	if !g.mayBeHeld(&g.link.Standing, g.attempt.Held) && len(g.link.HeldIn) == 0 {
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
	all := b.comparedAll(g)
	holds := append(slices.Clone(g.link.HeldIn), g.link.Hold, known.Count.Open)
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
				if item.Group == g.attempt.Group && !asked[item.About()] && (all || item.Reason != "") {
					g.guard.dropped = append(g.guard.dropped, item)
				}
			}
			cursor = page.Cursor
		}
	}
	return nil
}

// comparedAll reports whether everybody who is to be taken out of a group is known, also those
// who were made members by hand.
func (b *groupBatch) comparedAll(g *group) bool {
	managed := g.plan.Connected && g.plan.Exists && b.dir.Settings.ManageGroups && !b.excludes(g)
	return g.plan.All || !managed || b.dir.Settings.Guard.Off()
}

// standHeld fills in the link of a group as the guard says, and drops what does not wait any
// more.
func (b *groupBatch) standHeld(ctx context.Context, g *group) error {
	if err := b.dropHeld(ctx, g.guard.dropped); err != nil {
		return err
	}
	if !b.comparedAll(g) {
		g.guard.holds = append(g.guard.holds, g.link.HeldIn...)
	}
	slices.Sort(g.guard.holds)
	g.link.Hold, g.link.HeldFor, g.link.HeldIn = "", "", slices.Compact(g.guard.holds)
	if g.guard.held != nil && g.withheld == nil {
		holdLink(&g.link.Standing, *g.guard.held)
	}
	return nil
}

// leaveHolds drops everything that waits of a group to which nothing is done any more.
func (b *groupBatch) leaveHolds(ctx context.Context, g *group) error {
	g.guard = groupGuard{}
	if err := b.findHeld(ctx, g, nil); err != nil {
		return err
	}
	return b.standHeld(ctx, g)
}
