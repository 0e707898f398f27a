package reconcile

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// The group whose members are excluded from a directory is no group of the directory, even
// if it is connected: its task reads who is in it, and nothing is written. Its events lead to
// tasks for its members, which read by themselves whether they are in it.

// excludeStages are the stages of the work on that group.
func excludeStages() []stage[*groupBatch, *group] {
	return []stage[*groupBatch, *group]{
		{"read excluded", each((*groupBatch).readExcluded), false}, // who is in it
		{"expect", (*groupBatch).expect, true},
		{"exclude", each((*groupBatch).parkExcluded), false}, // sets link, if it has one; nothing of it waits in a hold
		{"record failures", (*groupBatch).recordFailures, true},
		{"recheck", (*groupBatch).enqueueRechecks, true},
	}
}

// excludes reports whether the directory excludes the members of a group.
func (b *groupBatch) excludes(g *group) bool {
	return g.attempt.Group != "" && g.attempt.Group == b.dir.Settings.Exclude.Group
}

// readExcluded reads whether the group is there and, the first time and on request, who is
// in it.
func (b *groupBatch) readExcluded(ctx context.Context, g *group) {
	known, err := b.Store.Exclusion(ctx, b.dir.ID, g.attempt.Group)
	if err == nil {
		err = b.askForExcluded(ctx, g, known)
	}
	switch {
	case fault.Is(err, fault.Changed): // the setting was stored again
		b.retry(ctx, g, err)
	case err != nil:
		b.fail(ctx, g, err)
	}
}

// askForExcluded reads the group in JumpCloud.
func (b *groupBatch) askForExcluded(ctx context.Context, g *group, known store.Exclusion) error {
	found, err := b.jumpcloud.Group(ctx, g.attempt.Group)
	switch {
	case fault.Is(err, fault.NotFound):
		g.read.answered = true
		return b.keepLast(ctx, g, known)
	case err != nil:
		return jumpCloudTrouble(err)
	}
	g.read.answered, g.read.source, g.plan.Name = true, &found, found.Name
	if known.GoneAt.IsZero() && known.Known() && !g.attempt.AllMembers {
		return nil
	}
	return b.listExcluded(ctx, g, known)
}

// keepLast notes that the group is gone in JumpCloud, once that is believed: its last known
// members stay excluded, and the directory says so.
func (b *groupBatch) keepLast(ctx context.Context, g *group, known store.Exclusion) error {
	if !known.GoneAt.IsZero() {
		return nil
	}
	about := store.Doubt{Directory: b.dir.ID, What: store.GroupExists, Group: g.attempt.Group, People: 1}
	gone, err := b.isGone(ctx, g, about, func(ctx context.Context) (bool, error) { return b.jumpcloud.IsGroupFound(ctx, g.attempt.Group) })
	if err != nil {
		return err
	}
	if !gone {
		f := *fault.Of(unconfirmed("the group whose members are excluded"))
		f.RetryAfter = plan.SecondRead
		return &f
	}
	now := time.Now().UTC()
	if known.GoneAt = now; known.ListedAt.IsZero() {
		known.ListedAt = now // nobody can be read any more
	}
	b.Metrics.Count("exclude_group_gone", 1)
	g.line(zerolog.Ctx(ctx).Error()).Msg("the group whose members are excluded is gone in JumpCloud: its last known members stay excluded until the setting exclude.group is changed")
	return b.Store.PutExclusion(ctx, known)
}

// listExcluded reads who is in the group. Users who are new in the list are excluded at once,
// and those who are missing read by themselves whether they left. Tasks for the new ones are
// sent first: if the process dies then, each reads that by itself too.
func (b *groupBatch) listExcluded(ctx context.Context, g *group, known store.Exclusion) error {
	before, err := b.Store.ExcludedMembers(ctx, b.dir.ID, g.attempt.Group)
	if err != nil {
		return err
	}
	list, err := b.listMembers(ctx, g)
	if err != nil || g.over {
		return err
	}
	inside := make([]store.Within, len(list.Within))
	for i, id := range list.Within {
		inside[i] = store.Within{Directory: b.dir.ID, Outer: g.attempt.Group, Inner: id}
	}
	if err := b.Store.PutWithin(ctx, inside...); err != nil {
		return err
	}
	excluded, listed := setOf(before), setOf(list.Users)
	var joined []directory.UserID
	for _, id := range list.Users {
		if !excluded[id] {
			joined = append(joined, id)
		}
	}
	if err := b.sendExcluded(ctx, g, joined); err != nil {
		return err
	}
	if err := b.Store.PutExcluded(ctx, b.dir.ID, g.attempt.Group, joined...); err != nil {
		return err
	}
	var missing []store.Doubt
	for _, id := range before {
		if !listed[id] {
			missing = append(missing, store.Doubt{What: store.UserExclude, User: id, Group: g.attempt.Group})
		}
	}
	if err := b.askUsers(ctx, missing, Task{Cause: g.cause, Memberships: true}); err != nil {
		return err
	}
	known.ListedAt, known.GoneAt = list.Began, time.Time{}
	if err := b.Store.PutExclusion(ctx, known); err != nil {
		return err
	}
	return b.forgetList(ctx, g, list)
}

// sendExcluded sends tasks that read in which groups users are.
func (b *groupBatch) sendExcluded(ctx context.Context, g *group, users []directory.UserID) error {
	tasks := make([]Task, len(users))
	for i, id := range users {
		tasks[i] = Task{Directory: b.dir.ID, User: id, Cause: g.cause.For(len(users)), Memberships: true}
	}
	return Enqueue(ctx, b.Lanes.UsersBulk, tasks...)
}

// parkExcluded parks the link of the group, if it has one. What Entra has of it is not known
// any more, and who is in it is read anew once it is connected as any other.
func (b *groupBatch) parkExcluded(ctx context.Context, g *group) {
	if g.over = true; g.linkless {
		return
	}
	if err := b.leaveHolds(ctx, g); err != nil {
		b.fail(ctx, g, err)
		return
	}
	why := b.dir.Settings.Exclude.WhyGroup()
	g.failed = true
	g.link.Status, g.link.Reason, g.link.Message, g.link.NextTryAt = directory.Parked, why.Reason, why.Message, time.Time{}
	g.link.Name, g.link.Applied, g.link.ListedAt = g.plan.Name, "", time.Time{}
	g.endStranded(g.standing(), g.read.stranded)
	b.countEnded(g)
}
