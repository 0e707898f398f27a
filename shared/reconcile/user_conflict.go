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

// recordAfterConflict records what was done for a user although another worker changed
// the link meanwhile. The other lane wrote the same account at the same time, and nobody
// knows which write came last: the next attempt writes the same attributes again.
func (u *user) recordAfterConflict(ctx context.Context, parts Parts, dir directory.Directory, completed []plan.Action) {
	err := parts.Store.RecordActions(ctx, completed...)
	if err == nil {
		err = store.Contended(ctx, func() error { return u.doubt(ctx, parts.Store, dir, completed) })
	}
	if err != nil && !fault.Is(err, fault.Conflict) { // otherwise the account belongs to somebody else by now
		u.line(zerolog.Ctx(ctx).Error()).Err(err).Msg("what was done could not be recorded")
	}
}

// doubt removes from the current link what was written for the user, so that it is written
// again; a fault of kind Changed if another writer was faster.
func (u *user) doubt(ctx context.Context, records *store.Store, dir directory.Directory, completed []plan.Action) error {
	known, err := records.User(ctx, dir.Organization, u.attempt.User)
	if err != nil {
		return err
	}
	link, _ := known.Link(dir.ID)
	if link.EntraID == "" || link.EntraID != u.link.EntraID {
		return nil
	}
	for _, action := range completed {
		if action.Writes(directory.AccountEnabled) {
			link.State = u.link.State
		}
		link = link.Forgetting(action.Changes)
		link.OpenActions = slices.DeleteFunc(slices.Clone(link.OpenActions), func(id string) bool { return id == action.ID })
	}
	if link.Freed { // nothing is written to an account that is free
		link.Freed = false
		_, err := records.ClaimAgain(ctx, store.Succession{Any: true}, dir.TenantObject, u.owner(dir.Organization), link)
		return err
	}
	return records.Record(ctx, store.Recording{Link: link})[0]
}
