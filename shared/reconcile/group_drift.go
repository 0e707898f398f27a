package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// asksComparison reports whether the group in Entra is ours, and the attempt is to compare it
// with what was written.
func (g *group) asksComparison() bool {
	ours := g.link.EntraID != "" && !g.link.Freed && g.plan.Connected && g.plan.Exists && g.plan.Settings.ManageGroups
	return ours && (g.attempt.Compare || len(g.link.Drift) > 0)
}

// comparesNow reports whether the group is compared in this attempt, with all its members.
func (g *group) comparesNow() bool {
	return g.asksComparison() && !g.comparableAt(g.link.Standing).After(time.Now())
}

// compare reads the groups in Entra that are to be compared, in one batch; who is in them is
// read next to it.
func (b *groupBatch) compare(ctx context.Context, groups []*group) {
	now := time.Now().UTC()
	var compared []*group
	var ids []directory.EntraID
	for _, g := range groups {
		if g.asksComparison() && g.compares(g.link.Standing, true, now) {
			compared, ids = append(compared, g), append(ids, g.link.EntraID)
		}
	}
	if len(ids) == 0 {
		return
	}
	for i, found := range b.entra.ReadGroups(ctx, ids) {
		g := compared[i]
		if found.Err == nil && len(found.Groups) == 0 && !b.Plans {
			found.Err = g.vanished(g.standing(), now)
		}
		switch {
		case found.Err != nil:
			b.fail(ctx, g, found.Err)
		case len(found.Groups) > 0:
			g.plan.Shown = &found.Groups[0]
			g.link.Drift, g.link.MissedAt = g.link.Drift.Without(directory.DeletedAt, directory.ObjectID), time.Time{}
		default:
			b.miss(ctx, g, now)
		}
	}
}

// miss notes that the group in Entra is gone. Unless that is only reported, the group is
// searched by name by the next attempt, as after any read that does not find it.
func (b *groupBatch) miss(ctx context.Context, g *group, now time.Time) {
	g.line(zerolog.Ctx(ctx).Warn()).Str("account", string(g.link.EntraID)).Msg("the group is not in Entra any more")
	var news directory.Findings
	g.link.MissedAt = time.Time{}
	g.link.Drift, news = withGone(g.link.Drift, plan.Gone(g.link.EntraID, time.Time{}, now))
	g.noteDrift(news, g.link.EntraID, g.plan.Name)
	if g.plan.OnlyReport {
		g.match.gone = true
		return
	}
	if err := b.forget(ctx, g); err != nil {
		b.fail(ctx, g, err)
		return
	}
	b.comeAgain(g, firstWait, nil)
}

// noteDifferences records what somebody else changed. The members are compared whenever all
// of them were read, unless the read may lag behind our own writes, or the group is new.
func (b *groupBatch) noteDifferences(g *group) {
	now := time.Now().UTC()
	known := g.plan.Present != nil && g.link.EntraID != "" && g.plan.Link.EntraID == g.link.EntraID && len(g.plan.Unsure) == 0
	if g.match.gone || !known || g.comparableAt(g.link.Standing).After(now) {
		return
	}
	g.plan.Link = g.link
	var findings, news directory.Findings
	if findings = g.plan.Compare(now); g.plan.Shown == nil {
		others := slices.Clone(g.link.Drift.Without(directory.Members))
		findings = append(others, findings...)
	}
	g.link.Drift, news = g.link.Drift.Replaced(findings)
	if renamed, is := g.link.Drift.Of(directory.DisplayName); is && g.plan.Shown != nil {
		g.link.Applied = renamed.Expected.String()
		if !g.plan.OnlyReport {
			g.link.Applied = renamed.Found.String()
		}
	}
	g.plan.Link = g.link
	g.noteDrift(news, g.link.EntraID, g.plan.Name)
}

// refuse ends the plan for a group that nothing can be written to: it is gone and that is only
// reported, or it became one of a kind that entrasync does not manage.
func (g *group) refuse() {
	switch shown := g.plan.Shown; {
	case g.match.gone:
		g.todo, g.obstacle = nil, &directory.Obstacle{Reason: directory.GroupMissing, Message: fmt.Sprintf(
			"the group %s is not in Entra any more: restore it from the deleted groups there, if it is among them, or set repairDrift on this directory, so that entrasync makes it again", g.link.EntraID)}
	case shown != nil && shown.Unusable() != "":
		g.todo, g.obstacle = nil, &directory.Obstacle{Reason: directory.GroupUnusable, Message: fmt.Sprintf(
			"the group %s in Entra is %s now: manage it there, or rename the group in JumpCloud", g.link.EntraID, shown.Unusable())}
	}
}

// sendComparison sends a task that compares the group with Entra.
func (g *group) sendComparison(ctx context.Context, lanes Lanes, at time.Time) error {
	return Enqueue(ctx, lanes.GroupsBulk, GroupTask{Directory: g.directory, Group: g.attempt.Group, Cause: g.cause, Compare: true, NotBefore: at})
}
