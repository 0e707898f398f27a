package reconcile

import (
	"context"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// reclaim claims groups in Entra again whose claims were given up when their groups were
// released, if the groups are connected again, or are now to be deleted, or have members who left. If a group in
// Entra belongs to another group by now, the link forgets it, and lookUp searches by name.
//
// While the claim was given up, another JumpCloud group may have had the group in Entra and
// renamed it; and so may another directory on the tenant while the group was not connected to
// this one. Then its name is not known.
func (b *groupBatch) reclaim(ctx context.Context, groups []*group) {
	for _, g := range groups {
		back := g.plan.Connected && g.plan.Exists
		if back {
			again := !g.link.Since.IsZero() && !g.link.Since.Equal(g.read.since)
			if len(b.dir.Shares) > 0 && again {
				g.link.Applied = ""
			}
			g.link.Since = g.read.since
		}
		deletes := b.dir.Settings.DeleteGroups && g.link.Origin == directory.CreatedByUs
		if !g.link.Freed || !back && !deletes && len(g.plan.Leavers) == 0 {
			continue
		}
		_, err := b.claim(ctx, g.link.EntraID, b.owner(g))
		switch {
		case err == nil:
			g.link.Freed, g.link.Applied = false, ""
		case fault.Is(err, fault.Conflict):
			g.link.Former = g.link.EntraID
			g.link.EntraID, g.link.Origin, g.link.Applied, g.link.Note, g.link.Freed = "", "", "", "", false
		default:
			b.fail(ctx, g, err)
		}
	}
}

// spare prevents the deletion of a group in Entra that another directory on the tenant has
// as well.
func (b *groupBatch) spare(ctx context.Context, groups []*group) {
	for _, g := range groups {
		if !b.dir.Settings.DeleteGroups || g.plan.Connected && g.plan.Exists || g.link.EntraID == "" || g.link.Freed {
			continue
		}
		owner, err := b.Store.Owner(ctx, b.dir.TenantObject, g.link.EntraID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			b.fail(ctx, g, err)
			continue
		}
		if slices.ContainsFunc(owner.Directories, func(id directory.ID) bool { return id != b.dir.ID }) {
			g.plan.Settings.DeleteGroups = false
		}
	}
}

// lookUp searches the groups that have no group in Entra yet, in one batch, and reads the
// members of those whose members are all compared, or are to be known before a deletion.
func (b *groupBatch) lookUp(ctx context.Context, groups []*group) {
	var names []string
	var searching []*group
	for _, g := range groups {
		g.plan.Link = g.link
		if g.plan.Searches() {
			names, searching = append(names, g.plan.Name), append(searching, g)
		}
	}
	if len(names) > 0 {
		for i, found := range b.entra.FindGroups(ctx, names) {
			if found.Err != nil {
				b.fail(ctx, searching[i], found.Err)
				continue
			}
			searching[i].plan.Named = found.Groups
			b.findOwners(ctx, searching[i])
		}
	}
	for _, g := range groups {
		if target := g.plan.Target(); !g.over && !g.match.gone && target != "" && (g.deleting() || b.mayHoldExcluded(g) || b.deletesUnderGuard(g) || g.plan.All && g.plan.Connected && g.plan.Exists && b.dir.Settings.ManageGroups) {
			b.readPresent(ctx, g, target)
		}
	}
}

// findOwners finds which of the groups with the name belong to other JumpCloud groups.
func (b *groupBatch) findOwners(ctx context.Context, g *group) {
	for _, each := range g.plan.Named {
		owner, err := b.Store.Owner(ctx, b.dir.TenantObject, each.ID)
		taken := err == nil && !owner.Is(b.owner(g))
		if fault.Is(err, fault.NotFound) {
			taken, err = b.awaitsCreation(ctx, g, directory.MadeFor(each.UniqueName))
		}
		if err != nil {
			b.fail(ctx, g, err)
			return
		}
		if taken {
			g.plan.Taken = append(g.plan.Taken, each.ID)
		}
	}
}

// awaitsCreation reports whether another JumpCloud group sent the creation of a group in
// Entra and does not know yet whether it was created.
func (b *groupBatch) awaitsCreation(ctx context.Context, g *group, id directory.GroupID) (bool, error) {
	if id == "" || id == g.attempt.Group {
		return false, nil
	}
	known, err := b.Store.Group(ctx, b.dir.Organization, id)
	return slices.ContainsFunc(known.Links, func(link directory.GroupLink) bool {
		return link.EntraID == "" && len(link.OpenActions) > 0
	}), err
}

// forget removes the group in Entra from the link. If we began to delete the group, the
// deletion counts as done.
func (b *groupBatch) forget(ctx context.Context, g *group) error {
	if slices.ContainsFunc(g.open, deletes) {
		g.link.Former = g.link.EntraID
	}
	_, err := b.unclaim(ctx, g.link.EntraID, b.owner(g))
	g.link.EntraID, g.link.Origin, g.link.Applied, g.link.Note, g.link.Status = "", "", "", "", directory.Pending
	return err
}

// decide makes the plan.
func (b *groupBatch) decide(ctx context.Context, groups []*group) {
	for _, g := range groups {
		b.noteDifferences(g)
		d := g.plan.Decide()
		if slices.ContainsFunc(d.Actions, deletes) && b.dir.Settings.Exclude.Any() {
			if b.keepExcluded(ctx, g, d.Actions); g.over {
				continue
			}
			d = g.plan.Decide()
		}
		if b.dir.Settings.Exclude.Any() && (g.plan.HasStrangers() || slices.ContainsFunc(d.Actions, changesMembers)) {
			if err := b.spareExcluded(ctx, g, d.Actions); err != nil {
				b.fail(ctx, g, err)
			}
			if g.over {
				continue
			}
			d = g.plan.Decide()
		}
		g.match.claimed = d.Link.EntraID != g.link.EntraID
		if g.todo, g.link = d.Actions, d.Link; d.Obstacle != nil {
			g.obstacle = d.Obstacle
		}
		g.written.members = map[directory.UserID]directory.Member{}
		for _, m := range d.Members {
			g.written.members[m.User] = m
		}
		g.refuse()
	}
}

// claimFound makes sure that a found group belongs to no other.
func (b *groupBatch) claimFound(ctx context.Context, groups []*group) {
	for _, g := range groups {
		if !g.match.claimed {
			continue
		}
		if _, err := b.claim(ctx, g.link.EntraID, b.owner(g)); err != nil {
			g.link = g.plan.Link
			if fault.Is(err, fault.Conflict) {
				err = &fault.Error{Op: "reconcile.claim group", Kind: fault.Transient, Message: "another JumpCloud group took the group of that name just now", Err: err}
			}
			b.fail(ctx, g, err)
		}
	}
}
