package reconcile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// The waits between two tries when the outside system named none: 1, 2, 4 …
// seconds with jitter, 60 at most (Graph best practices), and a minute where
// only an administrator's consent helps.
const (
	firstWait   = time.Second
	longestWait = time.Minute
)

// waitBefore is how long to wait after try number n failed.
func waitBefore(n int, f *fault.Error) time.Duration {
	if f.RetryAfter > 0 {
		return f.RetryAfter
	}
	if f.Kind == fault.Unauthorized {
		return longestWait
	}
	wait := longestWait
	if n < 7 {
		wait = firstWait << max(n-1, 0)
	}
	return min(wait+rand.N(wait/4+1), longestWait) //nolint:gosec // jitter needs no secrecy
}

// failEach ends the attempt of every user for the same cause.
func (b *batch) failEach(ctx context.Context, users []*user, err error) {
	for _, u := range users {
		b.fail(ctx, u, err)
	}
}

// failAll ends attempts before anything is known of the users.
func (b *batch) failAll(users []*user, err error) {
	for _, u := range users {
		u.over = true
		u.outcome = Outcome{Retry: true, After: waitBefore(u.attempt.Number, fault.Of(err)), Err: err}
	}
}

// fail ends the attempt of one user. As long as tries are left the link says
// why it waits; after the last one it is parked, so that nothing is given up in
// silence.
func (b *batch) fail(ctx context.Context, u *user, err error) {
	f := fault.Of(err)
	u.over = true
	wait := waitBefore(u.attempt.Number, f)
	log := zerolog.Ctx(ctx).Warn().Str("directory", string(b.dir.ID)).Str("user", string(u.attempt.User)).
		Int("attempt", u.attempt.Number).Str("kind", string(f.Kind)).Err(err)
	b.Metrics.Count("user_attempts_failed", 1, "kind", string(f.Kind))
	if f.Kind == fault.Changed || u.link.User == "" {
		// Another worker holds the newer link, or we have none to write to.
		u.outcome = Outcome{Retry: true, After: wait, Err: err}
		log.Dur("after", wait).Msg("user will be tried again")
		return
	}
	link := u.link
	link.Reason, link.Message = reasonOf(f), sentenceOf(f)
	if u.takingOver() {
		link = forget(link)
	}
	if u.attempt.Last || f.Kind.Decide() == fault.Park {
		link.Status, link.NextTryAt = directory.Parked, time.Time{}
		log.Msg("user parked")
	} else {
		link.Status, link.NextTryAt = directory.Pending, time.Now().UTC().Add(wait)
		u.outcome = Outcome{Retry: true, After: wait, Err: err}
		log.Dur("after", wait).Msg("user will be tried again")
	}
	if _, err := b.Store.Record(ctx, link); err != nil {
		u.outcome = Outcome{Retry: true, After: wait, Err: err}
	}
}

// reasonOf is the typed word for a fault.
func reasonOf(f *fault.Error) directory.Reason {
	if f.Reason != "" {
		return directory.Reason(f.Reason)
	}
	switch f.Kind {
	case fault.Throttled:
		return directory.ThrottledReason
	case fault.Unauthorized:
		return directory.ConsentLost
	case fault.Transient, fault.Changed:
		return directory.Unavailable
	case fault.Invalid, fault.Conflict, fault.Forbidden, fault.NotFound:
		return directory.RefusedReason
	default:
		return directory.InternalReason
	}
}

// sentenceOf is what a fault means to the person who must act.
func sentenceOf(f *fault.Error) string {
	if f.Message != "" {
		return f.Message
	}
	return fmt.Sprintf("%s failed (%s): it is tried again with the user's next change or on request", f.Op, f.Kind)
}
