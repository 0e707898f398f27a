package reconcile

import (
	"context"
	"strings"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// An account that a leaver let go has the leaver's mail and files. A new JumpCloud user with the
// same e-mail may be the same person, who is hired again, or somebody else: that is asked. The
// user is parked until an administrator says that it is the same one, unless the immutable id
// of the account says so already, or the user was imported from the account.

// TakeOverCause is the type of the cause of a task that is sent when an administrator has
// said so.
const TakeOverCause = "take_over_confirmed"

// succession decides whether the user may have the account that was found.
func (b *userBatch) succession(ctx context.Context, u *user) (store.Succession, error) {
	account := u.link.EntraID
	if u.plan.Identified(account) || account == u.plan.ImportedFrom {
		return store.Succession{Any: true}, nil
	}
	unrecorded, err := b.identifiedOwner(ctx, u, account)
	return store.Succession{Unrecorded: unrecorded, May: func(owner directory.FormerOwner) bool {
		return u.link.Confirmed.Covers(account, owner)
	}}, err
}

// noteSuccession logs that the user gets an account that an administrator has confirmed.
func (b *userBatch) noteSuccession(ctx context.Context, u *user) {
	if word := u.link.Confirmed; word != nil && word.Account.ID == u.link.EntraID {
		u.line(zerolog.Ctx(ctx).Info()).Str("account", string(u.link.EntraID)).Str("formerUser", string(word.Account.Owner.User)).Str("who", word.By).
			Msg("the user gets the account of a former user, as an administrator has confirmed")
	}
}

// identifiedOwner is the other JumpCloud user whose immutable id an account has; nil if there is none.
// Accounts that were let go before there were records of it, and those of a directory that was
// deactivated since, are known only by that. Whether JumpCloud has that user still says nothing:
// a leaver is gone too.
func (b *userBatch) identifiedOwner(ctx context.Context, u *user, account directory.EntraID) (*directory.FormerOwner, error) {
	id := directory.UserID(u.plan.ImmutableIDOf(account))
	if id == u.attempt.User || !directory.IsJumpCloudID(string(id)) {
		return nil, nil
	}
	known, err := b.Store.User(ctx, b.dir.Organization, id)
	if err != nil {
		return nil, err
	}
	owner := &directory.FormerOwner{Organization: b.dir.Organization, User: id}
	for _, link := range known.Links {
		if link.Freed && strings.EqualFold(string(link.EntraID), string(account)) {
			owner.Username, owner.Until = link.UPN.LocalPart(), link.LastWriteAt
			break
		}
	}
	return owner, nil
}

// keepFrom parks a user whose account belonged to somebody else.
func (b *userBatch) keepFrom(u *user, owner directory.FormerOwner) {
	account := directory.FormerAccount{ID: u.link.EntraID, UPN: u.link.UPN, Owner: owner, Awaiting: u.called}
	u.match.adopted, u.todo, u.link = false, nil, u.plan.Link.Forgotten()
	u.link.Former, u.link.InTheWay = &account, nil
	u.obstacle = account.KeptFrom(u.attempt.User)
}
