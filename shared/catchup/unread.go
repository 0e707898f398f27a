package catchup

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
)

// What JumpCloud did not show once it may show later: the refusal was a mistake, or the plan
// has changed. So the unread time is tried again, in a window of its own.

// ofUnread reports whether the present window is of the time that JumpCloud did not show.
func (t *turn) ofUnread() bool { return !t.kept.Then.IsZero() }

// readUnread tries to read the time that JumpCloud did not show, if that is due and JumpCloud
// still keeps it.
func (t *turn) readUnread(ctx context.Context, feed Feed) error {
	unread, now := t.kept.Unread, time.Now().UTC()
	oldest := now.Add(-jumpcloud.FeedRetention)
	if unread == nil || unread.NextTryAt.After(now) || !unread.To.After(oldest) {
		return nil
	}
	if err := t.keep(ctx); err != nil { // what was found until now is seen then
		return own(err)
	}
	from := unread.From
	if from.Before(oldest) {
		from = oldest
	}
	t.kept.Then, t.kept.From, t.kept.To, t.kept.After = t.kept.From, from, unread.To, ""
	t.seen, t.narrowed = nil, 0
	return t.window(ctx, feed)
}

// endUnread ends the window of the time that JumpCloud did not show: what is before the
// window, it still does not show.
func (t *turn) endUnread(now time.Time) {
	unread := *t.kept.Unread
	if unread.To, unread.NextTryAt = t.kept.From, now.Add(stateRest); unread.To.After(unread.From) {
		t.kept.Unread = &unread
	} else {
		t.kept.Unread = nil
	}
	t.forget()
}

// staysUnread reports whether JumpCloud still shows nothing of the time that it did not show:
// that is no trouble of the present, and it is tried again later.
func (t *turn) staysUnread(err error, now time.Time) bool {
	if !t.ofUnread() || fault.Of(err).Reason != directory.InsightsNotLicensed {
		return false
	}
	unread := *t.kept.Unread
	unread.NextTryAt = now.Add(stateRest).UTC()
	t.kept.Unread = &unread
	t.forget()
	return true
}

// forget gives up the present window: the next one begins where it should.
func (t *turn) forget() {
	if t.ofUnread() {
		t.kept.From, t.kept.Then = t.kept.Then, time.Time{}
	}
	t.kept.To, t.kept.After = time.Time{}, ""
}
