package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// userGuard is what the guard says about a user.
type userGuard struct {
	// held is the verdict by which the account stays open; nil if nothing is held.
	held *verdict
	// dropped is what waited of the user and does not any more, once the attempt concludes.
	dropped []store.HeldItem
}

// guard asks the guard about those who would lose access. Whoever may not yet keeps the
// account open, and everything else of the user goes on.
func (b *userBatch) guard(ctx context.Context, users []*user) {
	asking, others := apart(users, (*user).takesAccess)
	b.discount(ctx, others)
	others = live(others)
	b.collect(ctx, asking)
	asking = live(asking)
	if err := b.findHeld(ctx, others); err != nil {
		b.failEach(ctx, others, err)
	}
	if len(asking) == 0 {
		return
	}
	verdicts, err := b.askGuard(ctx, asking)
	if err != nil {
		b.failEach(ctx, asking, err)
		return
	}
	for i, u := range asking {
		if v := verdicts[i]; v.hold != nil {
			b.planHeld(u, *plan.Decision{Link: u.link, Actions: u.todo}.TakesAccess(), v)
			u.guard.held, u.todo = &v, u.plan.WhileHeld(u.link, u.todo)
		}
	}
}

// takesAccess reports whether an action that is still to be sent disables an open account.
func (u *user) takesAccess() bool {
	return plan.Decision{Link: u.link, Actions: u.todo}.TakesAccess() != nil
}

// patience is how long whoever is to lose access by a cause that concerns others as well waits
// for them: nobody knows how many they are before JumpCloud was read for each.
const patience = 2 * time.Minute

// isOneOf reports whether a user is to lose access by a cause that concerns others as well, and
// by no event: settings that changed, or a group or a connection source that brings its members,
// whose accounts are taken over.
func (u *user) isOneOf() bool {
	if len(u.claims) > 0 {
		return false
	}
	switch u.cause.Type {
	case SettingsCause, SourceCause:
		return true
	case Connected:
		return !slices.Contains(u.known.Paths(u.directory), directory.Direct)
	default:
		return false
	}
}

// noted is what is noted of a user who waits for the others.
func (b *userBatch) noted(u *user, kind plan.HoldKind) store.Doubt {
	if kind == plan.Suspensions {
		return b.about(u, store.UserSuspension, "")
	}
	return b.about(u, store.UserRemoval, "")
}

// unnote forgets what was noted of a user.
func (b *userBatch) unnote(ctx context.Context, u *user) error {
	for _, kind := range plan.HoldKinds() {
		if err := b.Store.RemoveDoubt(ctx, b.noted(u, kind)); err != nil {
			return err
		}
	}
	return nil
}

// collect ends the first attempts on users who are to lose access by a cause that concerns
// others as well, unless they were announced: each is noted, and asked about with all the others
// some time later.
func (b *userBatch) collect(ctx context.Context, users []*user) {
	if b.dir.Settings.Guard.Off() {
		return
	}
	wait, life := patience, time.Duration(0)
	if b.Plans { // which checks whoever waits when all others were checked
		wait, life = plan.SecondRead, plannedLife
	}
	for _, u := range users {
		switch {
		case !u.isOneOf() || u.cause.Announced || u.link.Status == directory.Held:
			continue
		case !u.attempt.NotBefore.IsZero():
			if err := b.unnote(ctx, u); err != nil {
				b.fail(ctx, u, err)
			}
			continue
		}
		why := plan.Decision{Link: u.link, Actions: u.todo}.TakesAccess().Reason
		about, now := b.noted(u, plan.KindOf(why)), time.Now().UTC()
		about.Since = now.Add(life)
		if err := b.Store.PutDoubt(ctx, about); err != nil {
			b.fail(ctx, u, err)
			continue
		}
		u.over, u.failed, u.lagging = true, true, u.claims
		u.recheckAt = earliest(u.recheckAt, now.Add(wait))
		u.link.Status, u.link.Reason, u.link.NextTryAt = directory.Pending, u.plan.Desired.Reason, u.recheckAt
		u.link.Message = directory.Sentence(u.plan.Desired.Reason) + "; the account is disabled within some minutes, if the directory's guard lets so many be"
	}
}

// discount forgets what was noted of users who are to lose nothing any more, because the cause
// was taken back or JumpCloud has no reason by now.
func (b *userBatch) discount(ctx context.Context, users []*user) {
	for _, u := range users {
		before, _ := u.known.Link(b.dir.ID)
		if before.Status != directory.Pending || plan.KindOf(before.Reason) != plan.Suspensions && !directory.HasLeft(before.Reason) {
			continue
		}
		if err := b.unnote(ctx, u); err != nil {
			b.fail(ctx, u, err)
		}
	}
}

// askGuard asks about users by the reason for which each is to be disabled. A user who is held
// for one that counts among the removals and is suspended as well is asked about as such: a
// suspension never waits for a hold on removals.
func (b *userBatch) askGuard(ctx context.Context, users []*user) ([]verdict, error) {
	verdicts := make([]verdict, len(users))
	for _, kind := range plan.HoldKinds() {
		for _, many := range []bool{true, false} {
			var at []int
			var items []store.HeldItem
			for i, u := range users {
				action := plan.Decision{Link: u.link, Actions: u.todo}.TakesAccess()
				reason := action.Reason
				if kind == plan.Suspensions && verdicts[i].hold != nil && action.Type != plan.DeleteAccount {
					reason = b.suspendedFor(u)
				}
				if u.isOneOfMany(kind) != many || plan.KindOf(reason) != kind {
					continue
				}
				at = append(at, i)
				items = append(items, store.HeldItem{User: u.attempt.User, Account: u.link.EntraID, Name: u.called, Action: action.Type, Reason: reason, Cause: u.cause})
			}
			answers, err := b.ask(ctx, kind, items, many)
			if err != nil {
				return nil, err
			}
			for n, i := range at {
				b.take(users[i], &verdicts[i], answers[n], items[n].Reason)
			}
		}
	}
	for i, u := range users {
		if err := b.sift(ctx, u, verdicts[i]); err != nil {
			return nil, err
		}
	}
	return verdicts, nil
}

// isOneOfMany reports whether others are likely to lose access by the same cause, also by an
// absence that no event stated, such as that of the members of a group that was emptied.
func (u *user) isOneOfMany(kind plan.HoldKind) bool {
	return kind == plan.Removals && u.believed || u.isOneOf()
}

// ask asks about some users; many says that they are some of many.
func (b *userBatch) ask(ctx context.Context, kind plan.HoldKind, items []store.HeldItem, many bool) ([]verdict, error) {
	if len(items) == 0 {
		return nil, nil
	}
	q := question{dir: b.dir, kind: kind, items: items, together: many}
	if !many || b.dir.Settings.Guard.Off() {
		return b.Parts.guard(ctx, q)
	}
	likely, err := b.Store.PeopleLikelyGone(ctx, b.dir.ID, kind, time.Now(), directory.MostGuarded)
	if err != nil {
		return nil, err
	}
	q.expected, q.more = likely.Others, likely.Number() > 0
	for _, id := range likely.Users {
		q.others = append(q.others, store.HeldItem{User: id}.Person())
	}
	return b.Parts.guard(ctx, q)
}

// take takes the answer about a user. If it is the second one, for a suspension that may act,
// its reason is that of the actions.
func (b *userBatch) take(u *user, known *verdict, answer verdict, reason directory.Reason) {
	second := known.hold != nil
	if answer.kept != nil && answer.hold == nil {
		u.guard.dropped = append(u.guard.dropped, *answer.kept)
	}
	switch {
	case !second:
		*known = answer
	case answer.hold == nil:
		if known.kept != nil {
			u.guard.dropped = append(u.guard.dropped, *known.kept)
		}
		*known = answer
		for i, action := range u.todo {
			if action.Type == plan.Deprovision || action.Type == plan.EndSessions || action.Type == plan.TakeOver {
				u.todo[i].Reason = reason
			}
		}
	}
}

// suspendedFor is why a user is to be suspended who is to lose access for another reason
// already; "" if JumpCloud has no such reason.
func (b *userBatch) suspendedFor(u *user) directory.Reason {
	if u.read.source == nil {
		return ""
	}
	settings := b.settings(u.known)
	settings.SuspendOnLockout = settings.SuspendOnLockout || b.dir.Settings.SuspendOnLockout
	settings.SuspendOnPasswordExpiration = settings.SuspendOnPasswordExpiration || b.dir.Settings.SuspendOnPasswordExpiration
	reason := directory.Desire(u.read.source, directory.Connected{Here: true}, settings).Reason
	if plan.KindOf(reason) != plan.Suspensions {
		return ""
	}
	return reason
}

// sift finds what waits of a user for a kind of which there is no reason any more, such as a
// suspension of somebody who has left since.
func (b *userBatch) sift(ctx context.Context, u *user, v verdict) error {
	if !u.mayBeHeld(&u.link.Standing, u.attempt.Held) {
		return nil
	}
	for _, kind := range plan.HoldKinds() {
		if v.hold != nil && (kind == v.hold.Kind || kind == plan.Suspensions && b.suspendedFor(u) != "") {
			continue
		}
		if err := b.findItems(ctx, kind, []*user{u}); err != nil {
			return err
		}
	}
	return nil
}

// findHeld finds what waits of users who are not to lose access: it is not asked for any more.
func (b *userBatch) findHeld(ctx context.Context, users []*user) error {
	waiting, _ := apart(users, func(u *user) bool { return u.mayBeHeld(&u.link.Standing, u.attempt.Held) })
	if len(waiting) == 0 {
		return nil
	}
	for _, kind := range plan.HoldKinds() {
		if err := b.findItems(ctx, kind, waiting); err != nil {
			return err
		}
	}
	return nil
}

// findItems finds what waits of users for one kind.
func (b *userBatch) findItems(ctx context.Context, kind plan.HoldKind, users []*user) error {
	items := make([]store.HeldItem, len(users))
	for i, u := range users {
		items[i] = store.HeldItem{User: u.attempt.User}
	}
	known, err := b.Store.Guard(ctx, b.dir.ID, kind, "", items...)
	if err != nil {
		return err
	}
	for i, u := range users {
		if item, waits := known.Items[items[i].About()]; waits {
			u.guard.dropped = append(u.guard.dropped, item)
		}
	}
	return nil
}

// standHeld fills in the link of a user as the guard says, and drops what does not wait any
// more.
func (b *userBatch) standHeld(ctx context.Context, u *user) error {
	if err := b.dropHeld(ctx, u.guard.dropped); err != nil {
		return err
	}
	u.link.Hold, u.link.HeldFor = "", ""
	if u.guard.held != nil {
		holdLink(&u.link.Standing, *u.guard.held)
	}
	return nil
}

// leaveHolds drops everything that waits of a user to whom nothing is done any more.
func (b *userBatch) leaveHolds(ctx context.Context, u *user) error {
	u.guard = userGuard{}
	if err := b.findHeld(ctx, []*user{u}); err != nil {
		return err
	}
	return b.standHeld(ctx, u)
}
