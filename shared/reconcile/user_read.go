package reconcile

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// readLimit is the time limit for reading JumpCloud for a batch: a JumpCloud that does not
// answer must not delay everybody.
const readLimit = 15 * time.Second

// openJumpCloud gets the client of the organization and reads users by lists where it can.
func (b *userBatch) openJumpCloud(ctx context.Context, users []*user) (err error) {
	ids := make([]directory.UserID, len(users))
	for i, u := range users {
		ids[i] = u.attempt.User
	}
	if b.jumpcloud, err = b.Clients.JumpCloud(ctx, b.dir.Organization); err != nil {
		return err
	}
	b.listed, err = b.jumpcloud.ListUsers(ctx, ids)
	return err
}

// readUser reads what JumpCloud has of one user: the paths, if the task asks for them,
// and the current state.
func (b *userBatch) readUser(ctx context.Context, u *user) {
	u.read.stranded = u.link.StrandedAt
	if u.read.failed = b.readPaths(ctx, u); u.read.failed != nil {
		return
	}
	found, listed := b.listed[u.attempt.User]
	var err error
	if !listed {
		found, err = b.jumpcloud.User(ctx, u.attempt.User)
	}
	switch {
	case err == nil:
		u.read.source = &found
		if u.read.failed = b.dispel(ctx, u, b.about(u, store.UserExists, "")); u.read.failed == nil {
			u.read.failed = b.leaveExcluded(ctx, u)
		}
	case fault.Is(err, fault.NotFound):
		u.read.failed = b.judgeUser(ctx, u)
	default:
		u.read.failed = jumpCloudTrouble(err)
	}
}

// judgeUser decides whether a user whom JumpCloud does not show any more is gone. It
// returns an error as long as that is not believed. It is believed at once of a user who
// was believed to be gone before, until JumpCloud shows the user again. Of a user who is not
// connected and has no enabled account it is not judged, because there is no access to lose.
// The link does not say then that the user is gone: once the user is connected, one more
// wrong answer would be believed at once and end that. Neither is it judged of who is
// excluded.
func (b *userBatch) judgeUser(ctx context.Context, u *user) error {
	if u.read.spared = b.whyExcluded(u) != nil; u.read.spared {
		return nil
	}
	link, _ := u.known.Link(b.dir.ID)
	access := link.State == directory.Enabled || link.Unconfirmed != nil || len(u.known.Paths(b.dir.ID))+len(u.read.groups) > 0 || u.read.held
	believed := link.Status == directory.Released && link.Reason == directory.Deleted && link.State != directory.Enabled ||
		link.Status == directory.Held && link.HeldFor == directory.Deleted
	if !access || believed {
		u.read.unjudged = !believed && b.statedAt(u, directory.Removed, anything).IsZero()
		return nil
	}
	gone, err := b.isGone(ctx, u, b.about(u, store.UserExists, ""), func(ctx context.Context) (bool, error) {
		return b.jumpcloud.IsUserFound(ctx, u.attempt.User)
	})
	if err == nil && !gone {
		err = unconfirmed("the user")
	}
	return err
}

// about is the record of an absence that concerns a user.
func (b *userBatch) about(u *user, what store.Doubted, group directory.GroupID) store.Doubt {
	return store.Doubt{Directory: b.dir.ID, What: what, User: u.attempt.User, Group: group, People: 1}
}

// dispel removes a doubt when a second read shows that nothing is absent.
func (b *userBatch) dispel(ctx context.Context, u *user, about store.Doubt) error {
	if u.attempt.NotBefore.IsZero() {
		return nil
	}
	return b.Store.RemoveDoubt(ctx, about)
}

// endUnread ends the attempts on users who could not be read. A user without a link, which
// could say why, is retried all the same.
func (b *userBatch) endUnread(ctx context.Context, users []*user) {
	for _, u := range users {
		switch {
		case u.read.failed == nil || u.outcome.Retry:
		case fault.Of(u.read.failed).Reason == directory.AbsenceUnconfirmed:
			b.awaitSecondRead(u, "the user")
		case u.link.Version > 0:
			b.fail(ctx, u, u.read.failed)
		case b.awaits(ctx, u, fault.Of(u.read.failed)):
			u.over, u.failed = true, u.connected.Here
		default:
			b.retry(ctx, u, u.read.failed)
		}
	}
}

// shows says whether what was read of the user shows what a claim says.
func (u *user) shows(c directory.Claim, settings directory.Settings) directory.Shown {
	switch c.Kind {
	case directory.Joined, directory.Left:
		if !u.attempt.Memberships {
			return directory.Another
		}
		return c.ShownByGroups(u.read.groups)
	case directory.Associated, directory.Dissociated:
		if !u.attempt.Source {
			return directory.Another
		}
		return c.ShownBySource(settings.ConnectionSource, u.read.held)
	default:
		return c.ShownBy(u.read.source)
	}
}

// sendClaimRecheck sends a task that reads again what this one read.
func (u *user) sendClaimRecheck(ctx context.Context, lanes Lanes, at time.Time) error {
	return Enqueue(ctx, lanes.Users(u.cause), Task{Directory: u.directory, User: u.attempt.User, Cause: u.cause, Claims: u.lagging, NotBefore: at,
		Memberships: u.attempt.Memberships, Source: u.attempt.Source, Compare: u.attempt.Compare, Held: u.attempt.Held})
}

// sendAbsenceRecheck sends a task that reads all paths by which the user may be connected.
func (u *user) sendAbsenceRecheck(ctx context.Context, lanes Lanes, settings directory.Settings, n int, at time.Time) error {
	return Enqueue(ctx, lanes.Users(u.cause), Task{Directory: u.directory, User: u.attempt.User, Cause: u.cause, Thought: n, NotBefore: at,
		Memberships: true, Source: settings.ConnectionSource.Type != directory.NoSource})
}

// desire applies the rules to what was read.
func (b *userBatch) desire(_ context.Context, users []*user) {
	for _, u := range users {
		if u.read.source != nil {
			u.called = u.read.source.Username
		}
		u.plan = plan.User{
			ID:         u.attempt.User,
			Desired:    directory.Desire(u.read.source, u.connected, b.settings(u.known)),
			Link:       u.link,
			MayRestore: b.dir.Settings.RestoreDeleted || u.deletedByUs(time.Now()),
			OwnDeleted: b.ownDeleted(u, time.Now()),
			Federated:  b.dir.Settings.Federated,

			SecondAccount: len(b.others(u.known)) > 0,
			ImportedFrom:  b.importedFrom(u.known),
			NewPassword:   u.gotPassword(u.read.source) && b.dir.Settings.RevokeSessionsOnPasswordChange,
		}
		if u.read.unjudged {
			u.plan.Desired.Reason = u.connected.WhyEnded()
		}
	}
}

// passwordEventLag is how much later than the date of a password the event about
// it may be (assumed).
const passwordEventLag = time.Minute

// gotPassword reports whether JumpCloud has a newer password than the one that we know of:
// by the date that JumpCloud shows, or by the event behind the task, unless the event is
// about the password of that date. The first date that we read changes nothing.
func (u *user) gotPassword(source *directory.User) bool {
	known, event := u.link.PasswordAt, u.attempt.PasswordAt
	if now := time.Now().UTC(); event.After(now) { // an event of the future would hide all that come before
		event = now
	}
	u.read.passwordAt = known
	if source != nil && source.PasswordDate.After(u.read.passwordAt) {
		u.read.passwordAt = source.PasswordDate
	}
	if event.Sub(u.read.passwordAt) > passwordEventLag {
		u.read.passwordAt = event
	}
	first := known.IsZero() && event.IsZero()
	return !first && u.read.passwordAt.After(known)
}
