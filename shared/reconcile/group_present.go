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

// readPresent reads who is in the group in Entra. If the group is gone there, the link
// forgets it, and the next attempt searches by name and creates one if needed.
func (b *groupBatch) readPresent(ctx context.Context, g *group, target directory.EntraID) {
	list, err := b.listPresent(ctx, g, target)
	if fault.Is(err, fault.NotFound) && g.link.EntraID != "" && time.Since(g.link.LastWriteAt) > replicationTime {
		if err = b.forget(ctx, g); err == nil {
			b.comeAgain(g, firstWait, nil)
			return
		}
	}
	if fault.Is(err, fault.NotFound) {
		err = &fault.Error{Op: "reconcile.read members", Kind: fault.Transient, Reason: directory.Unavailable, RetryAfter: replicationStep, Message: "Entra does not show the group everywhere yet"}
	}
	switch {
	case err != nil:
		b.fail(ctx, g, err)
	case !g.over:
		g.plan.Present = setOf(list.Accounts)
	}
}

// writingTime is how much time must be left when a long list was read, so that some of its
// differences can be written.
const writingTime = 2 * groupWriteLimit

// listPresent reads the list of who is in the group in Entra. A list that is longer than the
// invocation, or leaves too little of it for the writes, keeps its place: the next attempt
// reads on, and uses it once. It is not used if the group was written in between: then it
// would show members that were removed, and not those that were added.
func (b *groupBatch) listPresent(ctx context.Context, g *group, target directory.EntraID) (store.AccountList, error) {
	list, err := b.keptPresent(ctx, g, target)
	if err != nil {
		return list, err
	}
	saved, kept, start := len(list.Accounts), !list.Began.IsZero(), time.Now()
	before := list.AccountList
	list.AccountList, err = b.entra.ListMembersOf(ctx, target, before)
	if !list.Began.Equal(before.Began) { // it began again
		list.Parts, saved = nil, 0
	}
	long := time.Since(start) >= shortList
	switch {
	case err == nil && list.Complete && (!long || deadline.Allows(ctx, writingTime)):
		g.link.PresentAt, g.plan.Link.PresentAt = time.Time{}, time.Time{}
		if kept {
			err = b.Store.ForgetAccountList(ctx, b.dir.ID, g.attempt.Group)
		}
		return list, err
	case fault.Is(err, fault.NotFound), list.Pages == 0:
		return list, err
	}
	b.keepPresent(ctx, g, list, saved)
	if err == nil {
		g.line(zerolog.Ctx(ctx).Info()).Int("pages", list.Pages).Int("accounts", len(list.Accounts)).
			Msg("a long list of members in Entra is read on by the next attempt")
		b.comeAgain(g, 0, nil)
	}
	return list, err
}

// keptPresent is the list that an earlier attempt kept, or a new one. A list that was begun
// before the cause of the task may be older than the cause.
func (b *groupBatch) keptPresent(ctx context.Context, g *group, target directory.EntraID) (store.AccountList, error) {
	fresh := store.AccountList{Cause: g.cause.At}
	if g.link.PresentAt.IsZero() {
		return fresh, nil
	}
	list, found, err := b.Store.AccountList(ctx, b.dir.ID, g.attempt.Group)
	younger := !g.cause.At.After(list.Cause) || list.Began.After(g.cause.At)
	if !found || !list.Began.Equal(g.link.PresentAt) || list.Group != target || !younger || list.Began.Before(g.attempt.NotBefore) || time.Since(list.Began) > listAge {
		return fresh, err
	}
	return list, nil
}

// keepPresent keeps the place in a list. If that fails, the next attempt begins again.
func (b *groupBatch) keepPresent(ctx context.Context, g *group, list store.AccountList, saved int) {
	ctx, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	if err := b.Store.KeepAccountList(ctx, b.dir.ID, g.attempt.Group, list, saved); err != nil {
		g.line(zerolog.Ctx(ctx).Warn()).Err(err).Msg("the place in a list of members in Entra could not be kept")
		return
	}
	g.link.PresentAt = list.Began
}
