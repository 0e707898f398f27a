package catchup

import (
	"cmp"
	"context"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/store"
)

// narrower are the times before the present that are tried one after the other if JumpCloud
// does not show as much as was asked for: those of its smallest plan, a day, and what the
// next run needs.
var narrower = []time.Duration{jumpcloud.ShortRetention, 24 * time.Hour, jumpcloud.FeedLag}

// narrow makes the window begin later, if JumpCloud refused it because of the license: the
// plan may include less history. It reports false if that is not why, or if the window is as
// short as it can be.
func (t *turn) narrow(err error, now time.Time) bool {
	if fault.Of(err).Reason != directory.InsightsNotLicensed {
		return false
	}
	for t.narrowed < len(narrower) { // each once, however the clock moves on meanwhile
		from := now.Add(-narrower[t.narrowed]).UTC()
		t.narrowed++
		if !from.After(t.kept.From) || t.ofUnread() && !from.Before(t.kept.To) {
			continue
		}
		if t.wanted.IsZero() {
			t.wanted = t.kept.From
		}
		if t.kept.From, t.kept.After = from, ""; !t.ofUnread() {
			t.kept.To = now.UTC()
		}
		return true
	}
	return false
}

// widen makes the window begin where it should, since no shorter one was read either: nothing
// is skipped.
func (t *turn) widen() {
	if !t.wanted.IsZero() {
		t.kept.From, t.wanted = t.wanted, time.Time{}
	}
}

// noteUnread notes and logs the time that JumpCloud did not show, now that it shows the rest.
func (t *turn) noteUnread(ctx context.Context) {
	wanted := t.wanted
	if t.wanted = (time.Time{}); wanted.IsZero() || t.ofUnread() {
		return
	}
	// What is between it and an earlier one was read, but reading it again does no harm.
	if before := t.kept.Unread; before != nil && before.From.Before(wanted) {
		wanted = before.From
	}
	t.kept.Unread = &store.FeedGap{From: wanted, To: t.kept.From, NextTryAt: time.Now().Add(secondTry).UTC()}
	zerolog.Ctx(ctx).Warn().Str("reason", string(directory.HistoryNotLicensed)).Time("from", t.kept.Unread.From).Time("to", t.kept.Unread.To).
		Str("remedy", directory.Remedy(directory.HistoryNotLicensed)).Msg(directory.Sentence(directory.HistoryNotLicensed))
}

// explained gives a refusal of the feed its reason: JumpCloud answers 401 or 403 both to a key
// that it refuses altogether and to one without the right to read the feed. It also makes the window begin anew
// if JumpCloud does not know the place in it any more.
func (t *turn) explained(ctx context.Context, feed Feed, err error) error {
	f := fault.Of(err)
	if f.Kind == fault.Invalid {
		t.kept.After = ""
	}
	if t.kept.After == "" {
		t.forget()
	}
	if f.Kind != fault.Unauthorized && f.Reason != directory.InsightsForbidden {
		return err
	}
	refused := feed.ProbeKey(ctx)
	switch said := fault.Of(refused); {
	case refused == nil:
		return &fault.Error{Op: f.Op, Kind: fault.Forbidden, Reason: directory.InsightsForbidden, Message: directory.Sentence(directory.InsightsForbidden), Err: err}
	case said.Kind == fault.Forbidden: // of the administrator's role, or from our address
		return &fault.Error{Op: f.Op, Kind: fault.Unauthorized, Message: said.Message, Err: refused}
	default:
		return refused
	}
}

// reasonOf is the reason for what JumpCloud answered, and how long to wait before the next
// try; 0: the next run tries.
func reasonOf(f *fault.Error) (directory.Reason, time.Duration) {
	switch {
	case f.Reason == directory.InsightsNotLicensed, f.Reason == directory.InsightsForbidden:
		return f.Reason, stateRest
	case f.Kind == fault.Unauthorized, f.Kind == fault.NotFound: // no key that works, or none at all
		return directory.JumpCloudRefused, 0 // it may end by itself, and an end of access must not wait
	case f.Kind == fault.Throttled:
		return directory.ThrottledReason, f.RetryAfter
	default:
		return directory.JumpCloudUnavailable, f.RetryAfter
	}
}

// troubled notes why the feed could not be read. It is logged when it begins, and not again
// while the reason is the same.
func (t *turn) troubled(ctx context.Context, f *fault.Error, now time.Time) {
	reason, wait := reasonOf(f)
	t.Metrics.Count("catchup_failed", 1, "reason", string(reason))
	message := cmp.Or(f.Message, directory.Sentence(reason))
	t.kept.NextTryAt = time.Time{}
	if wait > 0 {
		t.kept.NextTryAt = now.Add(min(wait, stateRest))
	}
	if before := t.kept.Trouble; before != nil && before.Reason == reason {
		before.Message = message
		return
	}
	t.kept.Trouble = &store.FeedTrouble{Reason: reason, Message: message, Since: now}
	zerolog.Ctx(ctx).Warn().Err(f).Str("reason", string(reason)).Str("remedy", directory.Remedy(reason)).Msg("the feed of the organization cannot be read: " + message)
}

// recovered notes that the feed was read.
func (t *turn) recovered(ctx context.Context) {
	t.kept.NextTryAt = time.Time{}
	if t.kept.Trouble == nil {
		return
	}
	zerolog.Ctx(ctx).Info().Str("reason", string(t.kept.Trouble.Reason)).Time("since", t.kept.Trouble.Since).Msg("the feed of the organization can be read again")
	t.kept.Trouble = nil
}
