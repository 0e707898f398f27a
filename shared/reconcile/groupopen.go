package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// recall reads the actions of which nobody knows how much was done: what they were
// about is compared with Entra and not with our records. Those that a process left
// when it died are ended: the lease says that nobody is about them any more.
func (b *groupBatch) recall(ctx context.Context, groups []*group) {
	for _, g := range groups {
		for _, id := range g.link.OpenActions {
			action, err := b.Store.Action(ctx, b.dir.Organization, id)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				b.fail(ctx, g, err)
				break
			}
			g.open = append(g.open, action)
			if action.Status == plan.Started {
				action.Status, action.CompletedAt = plan.Failed, time.Now().UTC()
				action.Error = &plan.Failure{Kind: string(fault.Transient), Reason: interrupted, Message: "entrasync stopped before Entra's answer was known; the group was looked at again"}
				b.note(ctx, g, action)
			}
			g.plan.Asked = g.plan.Asked || action.Type == plan.CreateGroup && g.link.EntraID == ""
			for _, change := range action.Changes {
				if change.Attribute == plan.Members {
					g.plan.Unsure = append(g.plan.Unsure, accounts(change.To)...)
				}
			}
		}
	}
}

// deleting reports whether we began to delete the group in Entra, do not know whether
// it is gone, and would not do so now: then we look.
func (g *group) deleting() bool {
	wanted := !g.plan.Connected && g.plan.Settings.DeleteGroups
	return !wanted && slices.ContainsFunc(g.open, deletes)
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

// supersede lets an open action go that another one repeats: while an outside system
// is out of order every attempt leaves one.
func (g *group) supersede(by plan.Action) {
	repeated := func(id string) bool {
		i := slices.IndexFunc(g.open, func(a plan.Action) bool { return a.ID == id })
		return i >= 0 && g.open[i].Type == by.Type && slices.EqualFunc(g.open[i].Changes, by.Changes, func(a, b directory.Change) bool {
			return a.Attribute == b.Attribute && slices.Equal(a.From, b.From) && slices.Equal(a.To, b.To)
		})
	}
	g.unsure = slices.DeleteFunc(slices.Clone(g.unsure), repeated)
	g.link.OpenActions = slices.DeleteFunc(slices.Clone(g.link.OpenActions), repeated)
}

// close ends what is open once the group was compared with Entra. What could not be
// compared stays open.
func (g *group) close() {
	compared := g.plan.Connected && g.plan.Exists && g.plan.Settings.ManageGroups && g.obstacle == nil
	if compared || g.link.EntraID == "" && !g.plan.Asked {
		g.unsure = nil
	}
	g.unsure = slices.DeleteFunc(slices.Clone(g.unsure), func(id string) bool {
		return slices.ContainsFunc(g.open, func(a plan.Action) bool { return a.ID == id && deletes(a) })
	})
	g.link.OpenActions = g.unsure
}
