package reconcile

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// findLeavers finds who is still in groups in Entra whose groups are not connected any more,
// and left so long ago that the directory wants them taken out (directory.Leavers). Out of a
// connected group everybody is taken who is not a member.
func (b *groupBatch) findLeavers(ctx context.Context, groups []*group) {
	if b.dir.Settings.Leavers.RemoveFromGroups == nil || !b.dir.Settings.ManageGroups {
		return
	}
	for _, g := range groups {
		if g.plan.Connected && g.plan.Exists || g.link.EntraID == "" {
			continue
		}
		if err := b.findLeaversOf(ctx, g); err != nil {
			b.fail(ctx, g, err)
		}
	}
}

func (b *groupBatch) findLeaversOf(ctx context.Context, g *group) error {
	members, err := b.Store.AllMembers(ctx, b.dir.ID, g.attempt.Group)
	if err != nil {
		return err
	}
	var users []directory.UserID
	of := map[directory.UserID]directory.Member{}
	for _, m := range members {
		if m.Applied != "" && !m.Wanted {
			users, of[m.User] = append(users, m.User), m
		}
	}
	now, settings := time.Now().UTC(), plan.LeaversOf(b.dir)
	return b.Store.EachLink(ctx, b.dir.ID, users, func(link directory.Link) {
		if m := of[link.User]; m.Applied == link.EntraID && settings.LeavesGroups(link, now) {
			g.plan.Leavers = append(g.plan.Leavers, m.Applied)
			g.plan.Members = append(g.plan.Members, plan.Member{Member: m})
		}
	})
}
