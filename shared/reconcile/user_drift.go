package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// compare reads the accounts that are to be compared with what was written to them, in one
// batch. What somebody else changed is recorded. Unless the directory only wants it reported
// the link gets what was found, so that the plan writes it again.
func (b *userBatch) compare(ctx context.Context, users []*user) {
	now := time.Now().UTC()
	compared := slices.DeleteFunc(slices.Clone(users), func(u *user) bool {
		return !u.plan.Comparable() || !u.compares(u.link.Standing, u.attempt.Compare, now)
	})
	if len(compared) == 0 {
		return
	}
	accounts := make([]directory.EntraID, len(compared))
	for i, u := range compared {
		accounts[i] = u.link.EntraID
	}
	var missing []*user
	for i, found := range b.entra.Read(ctx, accounts, appliedOf(compared)) {
		switch u := compared[i]; {
		case found.Err != nil:
			b.fail(ctx, u, found.Err)
		case found.Account == nil:
			missing = append(missing, u)
		case found.Account.Agent:
			b.leaveToAgent(ctx, u, *found.Account)
		default:
			b.compareOne(u, *found.Account, now)
		}
	}
	if len(missing) > 0 {
		b.judgeMissing(ctx, missing, now)
	}
}

// appliedOf are the attributes that were written to any of the users' accounts.
func appliedOf(users []*user) []directory.Attribute {
	var attributes []directory.Attribute
	for _, u := range users {
		for name := range u.link.Applied {
			attributes = append(attributes, name)
		}
	}
	slices.Sort(attributes)
	return slices.Compact(attributes)
}

// compareOne compares an account that was read.
func (b *userBatch) compareOne(u *user, account directory.Account, now time.Time) {
	var elsewhere []directory.Link
	for _, sibling := range b.siblings {
		if link, linked := u.known.Link(sibling.ID); linked {
			elsewhere = append(elsewhere, link)
		}
	}
	var news directory.Findings
	u.link, news = u.plan.Differs(u.plan.Compare(account, elsewhere, now), account, b.dir.Settings.RepairDrift)
	u.link.MissedAt = time.Time{}
	u.plan.Link = u.link
	u.noteDrift(news, u.link.EntraID, u.called)
}

// leaveToAgent gives up an account that turned out to be an agent's: nothing is written to it
// any more, and the user is parked as one whose name an agent has. If the process dies before
// that is recorded, the task comes again and finds the account with the link.
func (b *userBatch) leaveToAgent(ctx context.Context, u *user, account directory.Account) {
	why := account.Untouchable()
	b.closeInterrupted(ctx, []*user{u})
	err := b.giveUpClaim(ctx, u, account.ID)
	if err == nil {
		err = b.leaveHolds(ctx, u)
	}
	if err != nil {
		b.fail(ctx, u, err)
		return
	}
	u.over, u.failed, u.todo, u.link = true, true, nil, u.link.Forgotten()
	u.link.Drift, u.link.MissedAt = nil, time.Time{}
	u.link.Status, u.link.Reason, u.link.Message, u.link.NextTryAt = directory.Parked, why.Reason, why.Message, time.Time{}
	u.endStranded(u.standing(), u.read.stranded)
	u.refused = u.parking(obstacleKind(why.Reason))
	b.countEnded(u)
	u.line(zerolog.Ctx(ctx).Warn()).Str("account", string(account.ID)).Msg("the account of the user is that of an agent: it is left alone from now on")
}

// judgeMissing decides whether accounts are gone that Entra does not show: it lists them as
// deleted, or a second attempt does not see them either.
func (b *userBatch) judgeMissing(ctx context.Context, users []*user, now time.Time) {
	accounts := make([]directory.EntraID, len(users))
	for i, u := range users {
		accounts[i] = u.link.EntraID
	}
	all := b.entra.FindDeleted(ctx, accounts)
	b.findTaken(ctx, users, all)
	for i, found := range all {
		u := users[i]
		if found.Err == nil && found.Deleted == nil && !b.Plans {
			found.Err = u.vanished(u.standing(), now)
		}
		if u.over {
			continue
		}
		if found.Err != nil {
			b.fail(ctx, u, found.Err)
			continue
		}
		var deletedAt time.Time
		if found.Deleted != nil {
			deletedAt = found.Deleted.At
		}
		if found.Unsearched != nil {
			b.unsearched(ctx, u, found.Unsearched)
		}
		if !u.plan.Desired.Managed {
			u.link.Leaving = plan.WasDeleted(u.link, deletedAt)
		}
		b.miss(ctx, u, plan.Gone(u.link.EntraID, deletedAt, now), found.Deleted != nil || found.Unsearched != nil)
	}
}

// findTaken finds out for which users another account has the name of the deleted one by now:
// Entra would refuse to restore it.
func (b *userBatch) findTaken(ctx context.Context, users []*user, deleted []Found) {
	var restored []*user
	var names []directory.UPN
	for i, u := range users {
		if d := deleted[i].Deleted; d != nil && d.UPN != "" && u.plan.Desired.Managed && u.plan.MayRestore {
			restored, names = append(restored, u), append(names, d.UPN)
		}
	}
	if len(restored) == 0 {
		return
	}
	for i, found := range b.entra.FindByUPN(ctx, names, nil) {
		u, err := restored[i], found.Err
		if err == nil && found.Account != nil && found.Account.ID != u.link.EntraID {
			err = b.Store.AddWaits(ctx, store.Wait{For: store.FreeAccount(b.dir.TenantObject, found.Account.ID), Directory: b.dir.ID, User: u.attempt.User})
			u.match.nameTaken = &directory.Obstacle{Reason: directory.UPNConflict, Message: fmt.Sprintf(
				"the account %s was deleted in Entra and cannot be restored, because another one (%s) has its name %s by now: rename or delete that one; or delete the old one for good, disconnect the user and connect them again",
				u.link.EntraID, found.Account.ID, names[i])}
		}
		if err != nil {
			b.fail(ctx, u, err)
		}
	}
}

// miss notes that the account of a user is gone. It is restored if the directory wants that,
// and then all its values are written, because they are not known; it is given up if the
// user is not managed any more.
func (b *userBatch) miss(ctx context.Context, u *user, gone directory.Finding, restorable bool) {
	u.line(zerolog.Ctx(ctx).Warn()).Str("account", string(u.link.EntraID)).Bool("restorable", restorable).Msg("the account is not in Entra any more")
	var news directory.Findings
	u.link.MissedAt = time.Time{}
	u.link.Drift, news = withGone(u.link.Drift, gone)
	u.noteDrift(news, u.link.EntraID, u.called)
	switch {
	case !u.plan.Desired.Managed:
		u.link = u.link.Lost()
	case restorable && u.plan.MayRestore && b.dir.Settings.RepairDrift && u.match.nameTaken == nil:
		u.match.restores = true
		u.link.Applied = u.link.Applied.Only(directory.Attributes{directory.ImmutableID: nil})
	default:
		u.match.gone = true
	}
	u.plan.Link = u.link
}

// decideGone changes the decision about a user whose account is gone: it is restored first, or
// the user is parked. Where findings are only reported, what JumpCloud changed is sent all the
// same, and its refusal leads to the restoration.
func (b *userBatch) decideGone(u *user) {
	switch {
	case u.match.restores:
		u.written.restored = true
		u.todo = append([]plan.Action{{Type: plan.Restore, EntraID: u.link.EntraID}}, u.todo...)
	case u.match.nameTaken != nil && (b.dir.Settings.RepairDrift || len(u.todo) > 0):
		u.todo, u.obstacle = nil, u.match.nameTaken
	case u.match.gone && (b.dir.Settings.RepairDrift || !u.plan.MayRestore || len(u.todo) == 0):
		u.todo, u.obstacle = nil, &directory.Obstacle{Reason: directory.AccountMissing, Message: missing(u.link.EntraID)}
	}
}

// sendComparison sends a task that compares the account with Entra.
func (u *user) sendComparison(ctx context.Context, lanes Lanes, at time.Time) error {
	return Enqueue(ctx, lanes.UsersBulk, Task{Directory: u.directory, User: u.attempt.User, Cause: u.cause, Compare: true, NotBefore: at})
}
