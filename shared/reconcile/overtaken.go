package reconcile

import (
	"context"
	"slices"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// overtaken keeps what was done for a user whose link somebody else changed
// meanwhile. The other lane wrote the same account side by side, and nobody knows
// whose write came last: what was written here is certain no more, and is written
// again by the attempt that follows.
func (b *batch) overtaken(ctx context.Context, u *user, completed []plan.Action) {
	err := b.Store.RecordActions(ctx, completed...)
	if err == nil {
		err = store.Contended(ctx, func() error { return b.doubt(ctx, u, completed) })
	}
	if err != nil && !fault.Is(err, fault.Conflict) { // else the account is somebody else's by now
		zerolog.Ctx(ctx).Error().Err(err).Str("user", string(u.attempt.User)).Msg("what was done could not be recorded")
	}
}

// doubt takes what was written for a user out of the link as it is now; Changed if
// another writer was faster.
func (b *batch) doubt(ctx context.Context, u *user, completed []plan.Action) error {
	known, err := b.Store.User(ctx, b.dir.Organization, u.attempt.User)
	if err != nil {
		return err
	}
	link, _ := known.Link(b.dir.ID)
	if link.EntraID == "" || link.EntraID != u.link.EntraID {
		return nil
	}
	if link.Freed { // nothing is written to an account that is free
		if _, err := b.Store.Claim(ctx, b.dir.TenantObject, link.EntraID, b.owner(u), b.dir.ID); err != nil {
			return err
		}
		link.Freed = false
	}
	for _, action := range completed {
		if action.Writes(directory.AccountEnabled) {
			link.State = u.link.State
		}
		link.Applied = link.Applied.Without(action.Changes)
		link.OpenActions = slices.DeleteFunc(slices.Clone(link.OpenActions), func(id string) bool { return id == action.ID })
	}
	return b.Store.Record(ctx, store.Recording{Link: link})[0]
}
