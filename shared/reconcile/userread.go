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

// readLimit bounds the reading of JumpCloud for a batch: a JumpCloud that hangs
// must not hold up everybody.
const readLimit = 15 * time.Second

// openJumpCloud finds the client of the organization and reads by lists whom it can.
func (b *batch) openJumpCloud(ctx context.Context, users []*user) (err error) {
	ids := make([]directory.UserID, len(users))
	for i, u := range users {
		ids[i] = u.attempt.User
	}
	if b.jumpcloud, err = b.Systems.JumpCloud(ctx, b.dir.Organization); err != nil {
		return err
	}
	b.listed, err = b.jumpcloud.ListUsers(ctx, ids)
	return err
}

// read reads what JumpCloud has of one user: the paths, if the task asks for them,
// and the current state.
func (b *batch) read(ctx context.Context, u *user) {
	if u.unread = b.readPaths(ctx, u); u.unread != nil {
		return
	}
	found, listed := b.listed[u.attempt.User]
	var err error
	if !listed {
		found, err = b.jumpcloud.User(ctx, u.attempt.User)
	}
	switch {
	case err == nil:
		u.source = &found
		u.unread = b.dispel(ctx, u, store.Doubt{What: store.UserExists})
	case fault.Is(err, fault.NotFound):
		u.unread = b.judgeUser(ctx, u)
	default:
		u.unread = jumpCloudTrouble(err)
	}
}

// judgeUser decides whether a user whom JumpCloud does not know any more is gone. It
// is an error as long as that is not believed. Who is not connected and has no account
// that opens has no access to lose, nor to get; and who was believed to be gone is so
// until JumpCloud shows otherwise.
func (b *batch) judgeUser(ctx context.Context, u *user) error {
	link, _ := u.known.Link(b.dir.ID)
	access := link.State == directory.Enabled || link.Unconfirmed != nil || len(u.known.Paths(b.dir.ID))+len(u.groups) > 0 || u.held
	believed := link.Status == directory.Released && link.Reason == directory.Deleted && link.State != directory.Enabled
	if !access || believed || states(u.attempt.Claims, u.link.Claimed, directory.Removed, anything) {
		return nil
	}
	gone, err := b.judge(ctx, u, store.Doubt{What: store.UserExists}, func(ctx context.Context) (bool, error) {
		found, err := b.jumpcloud.IsUserFound(ctx, u.attempt.User)
		return !found, err
	})
	switch {
	case err != nil || gone:
		return err
	case u.again.IsZero():
		return contradicted("the user")
	default:
		return unconfirmed("the user")
	}
}

// dispel forgets a doubt that a second look at a user shows to be none.
func (b *batch) dispel(ctx context.Context, u *user, about store.Doubt) error {
	if u.attempt.NotBefore.IsZero() {
		return nil
	}
	about.Directory, about.User = b.dir.ID, u.attempt.User
	return b.Store.RemoveDoubt(ctx, about)
}

// judge holds an absence that concerns a user against the reads before.
func (b *batch) judge(ctx context.Context, u *user, about store.Doubt, differently func(context.Context) (bool, error)) (believed bool, err error) {
	about.Directory, about.User, about.People = b.dir.ID, u.attempt.User, 1
	v, err := doubts{b.Store, b.Metrics}.judge(ctx, about, differently, func(ctx context.Context) error { return b.rethink(ctx, u, 0) })
	u.again = earliest(u.again, v.again)
	return v.believed, err
}

// rethink has a user looked at again, after n second thoughts, by everything by which
// the user may be connected.
func (b *batch) rethink(ctx context.Context, u *user, n int) error {
	at := nextThought(n)
	if at.IsZero() {
		return nil
	}
	return Enqueue(context.WithoutCancel(ctx), b.Live, Task{Directory: b.dir.ID, User: u.attempt.User, Cause: u.attempt.Cause, Thought: n + 1,
		Memberships: true, Source: b.dir.Settings.ConnectionSource.Type != directory.NoSource, NotBefore: at})
}

// endUnread ends the attempts of users who could not be read. Who has no link yet
// that could say why is tried again all the same.
func (b *batch) endUnread(ctx context.Context) {
	for _, u := range b.users {
		switch {
		case u.unread == nil:
		case directory.Reason(fault.Of(u.unread).Reason) == directory.AbsenceUnconfirmed:
			b.endDoubtful(u)
		case u.link.Version > 0:
			b.fail(ctx, u, u.unread)
		default:
			b.retryUnseen(ctx, u, u.unread)
		}
	}
}

// endDoubtful ends the attempt of a user who is to be looked at again before it is
// believed that JumpCloud does not know them any more.
func (b *batch) endDoubtful(u *user) {
	u.over, u.failed, u.lagging = true, true, u.attempt.Claims
	f := fault.Of(u.unread)
	u.link.Status, u.link.Reason, u.link.Message, u.link.NextTryAt = directory.Pending, reasonOf(f), sentenceOf(f), u.again
}

// expect holds what events claimed against what was read, also of users who have no
// link yet: a membership that JumpCloud does not show yet may give them one.
func (b *batch) expect(ctx context.Context) {
	now := time.Now().UTC()
	for _, u := range b.users {
		if u.unread != nil || u.outcome.Retry {
			continue
		}
		u.link.Claimed = claimed(u.link.Claimed).with(u.attempt.Claims, now)
		left, again, givenUp := lagging(u.attempt.Claims, u.link.Claimed, b.shown(u), now)
		u.lagging, u.again = left, earliest(u.again, again)
		if givenUp > 0 {
			b.Metrics.Count("claims_given_up", givenUp)
			u.line(zerolog.Ctx(ctx).Warn()).Int("claims", givenUp).Msg("JumpCloud does not show what its event said: the read is believed")
		}
	}
}

// shown says of a claim whether what was read of the user shows it.
func (b *batch) shown(u *user) func(directory.Claim) directory.Shown {
	return func(c directory.Claim) directory.Shown {
		switch c.Kind {
		case directory.Joined, directory.Left:
			return c.ShownByGroups(u.groups)
		case directory.Associated, directory.Dissociated:
			return c.ShownBySource(b.dir.Settings.ConnectionSource, u.held)
		default:
			return c.ShownBy(u.source)
		}
	}
}

// lookAgain has those looked at again, each when it is time, of whom JumpCloud does
// not show yet what its events said, or does not show what was there before.
func (b *batch) lookAgain(ctx context.Context) {
	for _, u := range b.users {
		if u.outcome.Retry { // it comes again as it is
			continue
		}
		var err error
		if u.attempt.Thought > 0 {
			err = b.rethink(ctx, u, u.attempt.Thought)
		}
		if err == nil && !u.again.IsZero() {
			err = Enqueue(context.WithoutCancel(ctx), b.Live, Task{Directory: b.dir.ID, User: u.attempt.User, Cause: u.attempt.Cause, Claims: u.lagging, NotBefore: u.again,
				Memberships: u.attempt.Memberships, Source: u.attempt.Source})
		}
		if err != nil {
			b.retryUnseen(ctx, u, err)
		}
	}
}

// desire applies the rules to what was read.
func (b *batch) desire(_ context.Context, users []*user) {
	for _, u := range users {
		if u.source != nil {
			u.name = u.source.Username
		}
		u.plan = plan.User{
			ID:         u.attempt.User,
			Desired:    directory.Desire(u.source, u.connected, b.settings(u.known)),
			Link:       u.link,
			MayRestore: b.dir.Settings.RestoreDeleted,
			Federated:  b.dir.Settings.Federated,

			SecondAccount: b.hasAnother(u.known),
			NewPassword:   u.gotPassword(u.source) && b.dir.Settings.RevokeSessionsOnPasswordChange,
		}
	}
}

// passwordEventLag is how much later than the date of a password the event about
// it may be (assumed).
const passwordEventLag = time.Minute

// gotPassword reports whether JumpCloud has a newer password than the one that we
// know of: by the date that it gives, or by the event that made us look, unless
// that is about the password of that date. The first date of all changes nothing.
func (u *user) gotPassword(source *directory.User) bool {
	known, event := u.link.PasswordAt, u.attempt.PasswordAt
	if now := time.Now().UTC(); event.After(now) { // an event of the future would hide all that come before
		event = now
	}
	u.passwordAt = known
	if source != nil && source.PasswordDate.After(u.passwordAt) {
		u.passwordAt = source.PasswordDate
	}
	if event.Sub(u.passwordAt) > passwordEventLag {
		u.passwordAt = event
	}
	first := known.IsZero() && event.IsZero()
	return !first && u.passwordAt.After(known)
}
