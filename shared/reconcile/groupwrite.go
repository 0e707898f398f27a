package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// decide has the plan made.
func (b *groupBatch) decide(_ context.Context, groups []*group) {
	for _, g := range groups {
		d := g.plan.Decide()
		g.claimed = d.Link.EntraID != g.link.EntraID
		g.todo, g.link, g.obstacle = d.Actions, d.Link, d.Obstacle
		g.members = map[directory.UserID]directory.Member{}
		for _, m := range d.Members {
			g.members[m.User] = m
		}
	}
}

// claim makes sure that a group that was found belongs to no other one.
func (b *groupBatch) claim(ctx context.Context, groups []*group) {
	for _, g := range groups {
		if !g.claimed {
			continue
		}
		if _, err := b.Store.Claim(ctx, b.dir.TenantObject, g.link.EntraID, b.owner(g), b.dir.ID); err != nil {
			g.link = g.plan.Link
			if fault.Is(err, fault.Conflict) {
				err = &fault.Error{Op: "reconcile.claim group", Kind: fault.Transient, Message: "another JumpCloud group took the group of that name just now", Err: err}
			}
			b.fail(ctx, g, err)
		}
	}
}

// owner is the group as the owner of a group in Entra.
func (b *groupBatch) owner(g *group) store.Owner {
	return store.Owner{Organization: b.dir.Organization, Group: g.attempt.Group, Username: g.plan.Name}
}

// write sends the actions in rounds: the first of every group together, then the
// second, because writes to one group are serial.
func (b *groupBatch) write(ctx context.Context, groups []*group) {
	for {
		round := slices.DeleteFunc(slices.Clone(groups), func(g *group) bool { return g.over || len(g.todo) == 0 })
		if len(round) == 0 {
			return
		}
		b.writeRound(ctx, round)
	}
}

// writeRound records and sends the next action of each group.
func (b *groupBatch) writeRound(ctx context.Context, groups []*group) {
	if !enoughTime(ctx) {
		for _, g := range groups {
			b.later(g, firstWait)
		}
		return
	}
	for _, g := range groups {
		if !b.leases.has(g.attempt.Group) {
			b.retryUnseen(ctx, g, fault.New(fault.Changed, "reconcile.write group", "somebody else works on the group by now"))
		}
	}
	if groups = slices.DeleteFunc(groups, func(g *group) bool { return g.over }); len(groups) == 0 {
		return
	}
	for _, g := range groups {
		b.begin(g)
	}
	b.record(ctx, groups)
	groups = slices.DeleteFunc(groups, func(g *group) bool { return g.over })
	if len(groups) == 0 {
		return
	}
	actions := make([]plan.Action, len(groups))
	for i, g := range groups {
		actions[i], g.todo = g.todo[0], g.todo[1:]
	}
	for i, result := range b.entra.ApplyToGroups(ctx, actions) {
		b.complete(ctx, groups[i], actions[i], result)
	}
}

// later has the rest of a group done by another invocation.
func (b *groupBatch) later(g *group, wait time.Duration) {
	g.over, g.failed = true, true
	g.link.Status, g.link.NextTryAt = directory.Pending, time.Now().UTC().Add(wait)
	g.outcome = Outcome{Retry: true, After: wait, Afresh: g.attempt.Last}
}

// settle notes how the groups stand now.
func (b *groupBatch) settle(ctx context.Context, groups []*group) {
	for _, g := range groups {
		if err := b.keepMembers(ctx, g); err != nil {
			b.fail(ctx, g, err)
			continue
		}
		g.close()
		g.link = g.plan.Settled(g.link, g.obstacle)
		g.link.NextTryAt = time.Time{}
		g.link.Freed = g.withheld == nil && g.link.Status == directory.Released && g.link.EntraID != ""
		switch {
		case g.withheld != nil:
			b.comeAgain(ctx, g)
		case g.awaits:
			b.later(g, g.comingStep())
		case g.again:
			b.later(g, settleStep)
		case g.link.Coming > 0:
			g.link.Coming, g.link.ComingAt = 0, time.Time{}
			g.waited = true
		}
	}
	groups = slices.DeleteFunc(groups, func(g *group) bool { return g.over })
	b.record(ctx, groups)
	for _, g := range groups {
		if g.over {
			continue
		}
		g.over = true
		b.leases.end(ctx, g.attempt.Group)
		b.lookBehind(ctx, g)
		if g.link.Freed {
			if _, err := b.Store.Unclaim(ctx, b.dir.TenantObject, g.link.EntraID, b.owner(g), b.dir.ID); err != nil {
				b.retryUnseen(ctx, g, err)
			}
		}
		b.Metrics.Count("groups_settled", 1, "status", string(g.link.Status), "reason", string(g.link.Reason))
		g.line(zerolog.Ctx(ctx).Info()).Str("status", string(g.link.Status)).Str("reason", string(g.link.Reason)).Msg("group looked at")
	}
}

// lookBehind has a group that waited looked at once more if somebody got an account
// just when it ceased to wait: nobody sends a task for a group that waits.
func (b *groupBatch) lookBehind(ctx context.Context, g *group) {
	if !g.waited {
		return
	}
	touched, err := b.Store.Touched(ctx, b.dir.ID, g.attempt.Group)
	if err != nil || len(touched) > 0 {
		g.outcome = Outcome{Retry: true, After: firstWait, Afresh: g.attempt.Last}
	}
}

// keepMembers keeps what is known of the members now. Those that are to be tried
// again stay touched, and so do all while something is in the way.
func (b *groupBatch) keepMembers(ctx context.Context, g *group) error {
	if err := b.Store.PutMembers(ctx, g.known()...); err != nil {
		return err
	}
	g.members = nil
	if g.plan.Link.EntraID != "" && g.link.EntraID == "" { // deleted
		return b.Store.ForgetMembers(ctx, b.dir.ID, g.attempt.Group, false)
	}
	if g.again || g.obstacle != nil || g.withheld != nil {
		return nil
	}
	return b.Store.Untouch(ctx, g.touched...)
}
