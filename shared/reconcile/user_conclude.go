package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// end concludes the attempts that nothing interrupted.
func (b *userBatch) end(ctx context.Context, users []*user) {
	for _, u := range users {
		never := !u.connected.Here && u.connected.Ended == "" && u.known.Since(u.directory).IsZero()
		if never && u.link.Unconfirmed == nil && u.expected(u.standing(), u.read.stranded) {
			b.unexpect(ctx, u)
		}
	}
	b.conclude(ctx, live(users), b.stand, func(ctx context.Context, u *user) {
		if u.link.Arrived {
			if err := b.announceArrival(ctx, u); err != nil {
				b.retry(ctx, u, err)
				return
			}
		}
		b.release(ctx, u)
		b.recheck(ctx, u)
	})
}

// recheck sends a task, due later, for a user who was just connected directly or has a new
// account: entrasync gets no events from before it knew the user, and the first read may
// lag behind them. It is sent when the first attempt concludes, so that first connections
// share batches with one another and not with messages that only wait.
func (b *userBatch) recheck(ctx context.Context, u *user) {
	direct := u.cause.Type == Connected && slices.Contains(u.known.Paths(u.directory), directory.Direct)
	arrives := u.link.Arrived
	if !arrives && (!direct && !u.match.unannounced || !u.attempt.NotBefore.IsZero()) {
		return
	}
	task := Task{Directory: u.directory, User: u.attempt.User, Cause: u.cause}.Recheck()
	sending, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	if err := Enqueue(sending, b.Lanes.UsersBulk, task); err != nil {
		b.retry(ctx, u, err)
	}
}

// doubtFirst has a user read again, a minute later, who is to be parked for the first time: so
// does recheck with users who have a new account. It sends the task before the link says that
// the user is parked, and the link says that this was done, because a try that failed later makes
// the user pending again.
func (b *userBatch) doubtFirst(ctx context.Context, u *user) error {
	before, _ := u.known.Link(u.directory)
	first := (before.Status == "" || before.Status == directory.Pending) && before.EntraID == "" && before.LastWriteAt.IsZero() && !before.ParkDoubted
	if !first || u.link.Status != directory.Parked {
		return nil
	}
	sending, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	err := u.sendClaimRecheck(sending, b.Lanes, earliest(u.recheckAt, time.Now().UTC().Add(recheckAfter)))
	if err == nil {
		u.recheckAt = time.Time{} // it is sent
		u.link.ParkDoubted = true
	}
	return err
}

// doubtFailed is doubtFirst for users whose attempts failed.
func (b *userBatch) doubtFailed(ctx context.Context, users []*user) {
	for _, u := range users {
		if !u.failed {
			continue
		}
		if err := b.doubtFirst(ctx, u); err != nil {
			u.refused = nil
			b.fail(ctx, u, err)
		}
	}
}

// stand fills in the link of a user for whom all was done, and sends the tasks that would be
// lost if the link were recorded first. If they cannot be sent, the attempt fails.
func (b *userBatch) stand(ctx context.Context, u *user) {
	if err := b.announceFreeName(ctx, u); err != nil {
		b.fail(ctx, u, err)
		return
	}
	if u.match.unannounced { // an earlier attempt recorded the account and perhaps died then
		if err := b.announceArrival(ctx, u); err != nil {
			b.fail(ctx, u, err)
			return
		}
		u.link.Arrived = false
	}
	meanwhile, err := b.connectedMeanwhile(ctx, u)
	switch {
	case err != nil:
		b.fail(ctx, u, err)
		return
	case meanwhile:
		b.comeAgain(u, firstWait, nil)
		return
	}
	u.link = u.plan.Concluded(u.link, u.obstacle, u.written.problems)
	u.link.NextTryAt = time.Time{}
	if err := b.standHeld(ctx, u); err != nil {
		b.fail(ctx, u, err)
		return
	}
	b.date(u)
	u.endStranded(u.standing(), u.read.stranded)
	if err := b.awaitDomain(ctx, u); err != nil {
		b.fail(ctx, u, err)
		return
	}
	if u.withheld != nil {
		b.postponeWithheld(ctx, u)
	}
	if err := b.doubtFirst(ctx, u); err != nil {
		b.fail(ctx, u, err)
		return
	}
	released := u.link.Status == directory.Released || u.plan.HasLeft(u.link) // and a step is refused, or waits in a hold
	u.link.Freed = u.link.Freed || released && u.link.EntraID != "" && !u.keptElsewhere() && len(u.link.OpenActions) == 0
	if u.read.passwordAt.After(u.link.PasswordAt) {
		u.link.PasswordAt = u.read.passwordAt
	}
	u.refused = u.parking(obstacleKind(u.link.Reason))
}

// connectedMeanwhile reports whether another directory on the tenant connected the user while
// this attempt took the account from the user: the directories write the same account, so
// its state is decided again.
func (b *userBatch) connectedMeanwhile(ctx context.Context, u *user) (bool, error) {
	if len(b.siblings) == 0 || u.connected.Here || u.connected.Elsewhere || u.read.source == nil || u.link.EntraID == "" {
		return false, nil
	}
	known, err := b.Store.User(ctx, b.dir.Organization, u.attempt.User)
	return b.howConnected(known).Elsewhere, err
}

// keptElsewhere reports whether another directory keeps the account for the user. Who is gone
// in JumpCloud stays connected there and is kept by none: each directory gives up its claim.
func (u *user) keptElsewhere() bool { return u.connected.Elsewhere && u.read.source != nil }

// parking returns the action that would have been sent, as failed, so that the events show
// that the user is parked, and not only the link. It returns none if the link had the
// reason before, or if an action just failed for the same reason.
func (u *user) parking(kind fault.Kind) *plan.Action {
	before, _ := u.known.Link(u.directory)
	known := before.Status == directory.Parked && before.Reason == u.link.Reason
	if u.link.Status != directory.Parked || known || slices.Contains(u.written.failures, u.link.Reason) {
		return nil
	}
	refused := plan.Action{Type: u.unsent(), EntraID: u.link.EntraID, Changes: []directory.Change{},
		Error: &plan.Failure{Kind: string(kind), Reason: u.link.Reason, Message: u.link.Message}}
	u.prepare(&refused, u.called)
	refused.Status, refused.CompletedAt = plan.Failed, refused.At
	return &refused
}

// unsent is the type of the action that would have been sent first.
func (u *user) unsent() plan.Type {
	switch {
	case u.link.EntraID != "":
		return plan.Update
	case u.plan.Account != nil || u.link.Former != nil:
		return plan.TakeOver
	default:
		return plan.Provision
	}
}

// obstacleKinds are the kinds of the reasons that park before anything is sent,
// apart from those of kind Invalid.
var obstacleKinds = map[directory.Reason]fault.Kind{
	directory.UPNConflict:          fault.Conflict,
	directory.FormerOwned:          fault.Conflict,
	directory.AccountDeleted:       fault.Conflict,
	directory.SyncedFromOnPremises: fault.Forbidden,
	directory.ManagementRestricted: fault.Forbidden,
	directory.ProtectedAccount:     fault.Forbidden,
	directory.GuestAccount:         fault.Forbidden,
	directory.AgentAccount:         fault.Forbidden,
	directory.Excluded:             fault.Forbidden,
}

// obstacleKind is the kind of a reason that parks before anything is sent.
func obstacleKind(reason directory.Reason) fault.Kind {
	if kind, listed := obstacleKinds[reason]; listed {
		return kind
	}
	return fault.Invalid
}

// release gives up the claim on the account of a user who is gone, so that another user
// with its name can take it over: a person who is hired again, if an administrator says that
// it is the same one. The link keeps
// the account: a user who comes back claims it again. It is not given up while another
// worker may still write to the account: that would change it for the next user.
func (b *userBatch) release(ctx context.Context, u *user) {
	if !u.link.Freed {
		return
	}
	free, err := b.Store.Release(ctx, b.dir.TenantObject, u.link.EntraID, b.leaver(u), b.dir.ID)
	if free {
		err = b.notifyFreed(ctx, u, u.link.EntraID)
	}
	if err != nil {
		b.retry(ctx, u, err)
	}
}

// leaver is the user as the owner of an account who lets it go. How a deleted user was called is
// known by the claim.
func (b *userBatch) leaver(u *user) store.Owner {
	owner := b.owner(u)
	if u.read.source == nil {
		owner.Username = ""
	}
	return owner
}

// giveUpClaim gives up the claim on an account, and sends tasks for the users who wait for it
// if nobody else has a claim.
func (b *userBatch) giveUpClaim(ctx context.Context, u *user, account directory.EntraID) error {
	free, err := b.unclaim(ctx, account, b.owner(u))
	if err != nil || !free {
		return err
	}
	return b.notifyFreed(ctx, u, account)
}

// notifyFreed sends tasks for the users who wait for an account that nobody claims any more.
func (b *userBatch) notifyFreed(ctx context.Context, u *user, account directory.EntraID) error {
	return b.notifyWaiting(ctx, store.FreeAccount(b.dir.TenantObject, account), plan.Cause{Type: "account_freed", ID: string(u.attempt.User), At: time.Now().UTC()})
}
