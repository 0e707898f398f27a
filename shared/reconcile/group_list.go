package reconcile

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// listAge is how old a list may become until all its pages were read: an older one begins
// again. For an hour we know who left meanwhile (directory.Connection).
const listAge = 30 * time.Minute

// memberList is a list of members that an attempt reads, and how much of it was kept by
// earlier attempts.
type memberList struct {
	store.MemberList
	resumed bool
	saved   int
}

// listMembers reads who is in a group in JumpCloud.
func (b *groupBatch) listMembers(ctx context.Context, g *group) (memberList, error) {
	return b.readList(ctx, g, func(from directory.MemberList) (directory.MemberList, error) {
		return b.jumpcloud.ListMembers(ctx, g.attempt.Group, from)
	})
}

// readList reads a list in JumpCloud: the members of a group or, for a task without a group,
// what the connection source has. A list that is longer than the invocation keeps its place:
// the attempt ends, and its task is sent again as a new one, which reads on. That does not
// count as a failure. A list that was begun before the cause of the task is not read on,
// because it may be older.
func (b *groupBatch) readList(ctx context.Context, g *group, readOn func(directory.MemberList) (directory.MemberList, error)) (memberList, error) {
	kept, found, err := b.Store.MemberList(ctx, b.dir.ID, g.attempt.Group)
	if err != nil {
		return memberList{}, err
	}
	list := memberList{kept, found, len(kept.Users)}
	younger := !g.cause.At.After(kept.Cause) || kept.Began.After(g.cause.At)
	if !found || !younger || kept.Began.Before(g.attempt.NotBefore) || time.Since(kept.Began) > listAge {
		list = memberList{MemberList: store.MemberList{Cause: g.cause.At}, resumed: found}
	}
	if list.Complete {
		return list, nil
	}
	before := list.MemberList.MemberList
	list.MemberList.MemberList, err = readOn(before)
	if list.Walks != before.Walks || list.Pages < before.Pages || list.Unsorted != before.Unsorted { // it began again
		list.Parts, list.saved = nil, 0
	}
	if fault.Is(err, fault.NotFound) {
		return list, jumpCloudTrouble(err)
	}
	if err != nil || !list.Complete || time.Since(list.Began) >= shortList {
		b.keepList(ctx, g, list)
	}
	switch {
	case err != nil:
		return list, jumpCloudTrouble(err)
	case list.Complete:
		return list, nil
	}
	g.line(zerolog.Ctx(ctx).Info()).Int("pages", list.Pages).Int("users", len(list.Users)).Int("of", list.Total).
		Msg("a long list is read on by the next attempt")
	b.comeAgain(g, 0, nil)
	g.outcome.Afresh = true
	return list, nil
}

// shortList is the time within which a list can well be read once more. A longer one is kept
// also when it is complete, because there may be no time to apply all its differences.
const shortList = 5 * time.Second

// keepList keeps the place in a list. If that fails, the next attempt reads more.
func (b *groupBatch) keepList(ctx context.Context, g *group, list memberList) {
	ctx, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	if err := b.Store.KeepMemberList(ctx, b.dir.ID, g.attempt.Group, list.MemberList, list.saved); err != nil {
		g.line(zerolog.Ctx(ctx).Warn()).Err(err).Msg("the place in a list of members could not be kept")
	}
}

// forgetList deletes what was kept of a list that was applied.
func (b *groupBatch) forgetList(ctx context.Context, g *group, list memberList) error {
	if !list.resumed && time.Since(list.Began) < shortList {
		return nil
	}
	return b.Store.ForgetMemberList(ctx, b.dir.ID, g.attempt.Group)
}
