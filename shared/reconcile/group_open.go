package reconcile

import (
	"context"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// recall reads the open actions, whose results are not known, so that the plan compares
// their members with Entra and not with our records. It ends those that a process left
// open when it died: the lease says that no other worker works on them.
func (b *groupBatch) recall(ctx context.Context, groups []*group) {
	for _, g := range groups {
		if !b.readOpen(ctx, g, &g.match.open) {
			continue
		}
		for _, action := range g.match.open {
			if action.Status == plan.Started {
				b.note(ctx, g, g.interrupt(action))
			}
			g.plan.Unconfirmed = g.plan.Unconfirmed || action.Type == plan.CreateGroup && g.link.EntraID == ""
			for _, change := range action.Changes {
				if change.Attribute == directory.Members {
					g.plan.Unsure = append(g.plan.Unsure, accounts(change.To)...)
				}
			}
		}
	}
}

// deleting reports whether we began to delete the group in Entra, do not know whether it
// is gone, and would not delete it now: then Entra is read.
func (g *group) deleting() bool {
	wanted := !g.plan.Connected && g.plan.Settings.DeleteGroups
	return !wanted && slices.ContainsFunc(g.match.open, deletes)
}

// deletes reports whether an action deletes a group.
func deletes(a plan.Action) bool { return a.Type == plan.DeleteGroup }

// accounts are the object ids in the value of an attribute.
func accounts(value directory.Value) []directory.EntraID {
	ids := make([]directory.EntraID, len(value))
	for i, each := range value {
		ids[i] = directory.EntraID(each)
	}
	return ids
}

// supersede removes an open action that another one repeats: during an outage every
// attempt leaves one.
func (g *group) supersede(by plan.Action) {
	repeated := func(id string) bool {
		i := slices.IndexFunc(g.match.open, func(a plan.Action) bool { return a.ID == id })
		return i >= 0 && g.match.open[i].Type == by.Type && slices.EqualFunc(g.match.open[i].Changes, by.Changes, func(a, b directory.Change) bool {
			return a.Attribute == b.Attribute && slices.Equal(a.From, b.From) && slices.Equal(a.To, b.To)
		})
	}
	g.written.unsure = slices.DeleteFunc(slices.Clone(g.written.unsure), repeated)
	g.link.OpenActions = slices.DeleteFunc(slices.Clone(g.link.OpenActions), repeated)
}

// close ends the open actions after the group was compared with Entra. What could not be
// compared stays open.
func (g *group) close() {
	compared := g.plan.Connected && g.plan.Exists && g.plan.Settings.ManageGroups && g.obstacle == nil
	if compared || g.link.EntraID == "" && !g.plan.Unconfirmed {
		g.written.unsure = nil
	}
	g.written.unsure = slices.DeleteFunc(slices.Clone(g.written.unsure), func(id string) bool {
		return slices.ContainsFunc(g.match.open, func(a plan.Action) bool { return a.ID == id && deletes(a) })
	})
	g.link.OpenActions = g.written.unsure
}
