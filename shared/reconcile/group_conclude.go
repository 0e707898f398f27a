package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
)

// end concludes the attempts that nothing interrupted. The claim of a group that is let go is
// given up before the lease: the next worker may claim the group in Entra again.
func (b *groupBatch) end(ctx context.Context, groups []*group) {
	for _, g := range groups {
		if !g.plan.Connected && g.link.Former == "" && len(g.link.Lost) == 0 && g.expected(g.standing(), g.read.stranded) {
			b.unexpect(ctx, g)
		}
	}
	b.conclude(ctx, live(groups), b.stand, func(ctx context.Context, g *group) {
		if g.link.Freed {
			if _, err := b.unclaim(ctx, g.link.EntraID, b.owner(g)); err != nil {
				b.retry(ctx, g, err)
				return
			}
		}
		b.leases.end(ctx, g.attempt.Group)
		b.checkMissed(ctx, g)
	})
}

// stand fills in the link of a group for which all was done.
func (b *groupBatch) stand(ctx context.Context, g *group) {
	if err := b.keepMembers(ctx, g); err != nil {
		b.fail(ctx, g, err)
		return
	}
	g.close()
	g.link = g.plan.Concluded(g.link, g.obstacle)
	g.link.NextTryAt = time.Time{}
	if err := b.standHeld(ctx, g); err != nil {
		b.fail(ctx, g, err)
		return
	}
	g.link.Freed = g.withheld == nil && g.link.Status == directory.Released && g.link.EntraID != ""
	switch {
	case g.withheld != nil:
		b.postponeWithheld(ctx, g)
		g.over, g.failed = true, true
	case g.match.awaits:
		b.comeAgain(g, g.comingStep(), nil)
	case g.written.again:
		b.comeAgain(g, replicationStep, nil)
	case g.link.Coming > 0:
		g.link.Coming, g.link.ComingAt = 0, time.Time{}
		g.match.waited = true
	}
	if !g.over {
		g.endStranded(g.standing(), g.read.stranded)
	}
}

// checkMissed retries a group that has stopped waiting if somebody got an account at that
// moment: nobody sends a task for a group that waits.
func (b *groupBatch) checkMissed(ctx context.Context, g *group) {
	if !g.match.waited {
		return
	}
	marks, err := b.Store.Marks(ctx, b.dir.ID, g.attempt.Group)
	if err != nil || len(marks) > 0 {
		g.outcome = Outcome{Retry: true, After: firstWait, Afresh: g.last}
	}
}

// keepMembers stores what is now known of the members, and clears the marks. All members
// stay marked if one is to be retried or held, or if the group has an obstacle.
func (b *groupBatch) keepMembers(ctx context.Context, g *group) error {
	if err := b.Store.PutMembers(ctx, g.known()...); err != nil {
		return err
	}
	g.written.members = nil
	if g.plan.Link.EntraID != "" && g.link.EntraID == "" { // deleted
		return b.Store.ForgetMembers(ctx, b.dir.ID, g.attempt.Group, false)
	}
	if g.written.again || g.obstacle != nil || g.withheld != nil || g.guard.held != nil {
		return nil
	}
	return b.Store.ClearMarks(ctx, g.read.marked...)
}

// keepKnown stores what is known of the members of groups whose attempt failed.
func (b *groupBatch) keepKnown(ctx context.Context, groups []*group) {
	ctx, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	for _, g := range groups {
		if !g.failed {
			continue
		}
		if err := b.Store.PutMembers(ctx, g.known()...); err != nil {
			g.line(zerolog.Ctx(ctx).Error()).Err(err).Msg("the results for members could not be recorded: the next attempt reads them from Entra")
			continue
		}
		g.link.OpenActions = g.written.unsure
	}
}

// known are the members with new results; none while the link has no group in Entra: the
// group that they were in may come back.
func (g *group) known() []directory.Member {
	if g.link.EntraID == "" {
		return nil
	}
	return slices.Collect(maps.Values(g.written.members))
}
