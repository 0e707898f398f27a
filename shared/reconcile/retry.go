package reconcile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
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
	// longestAsked caps what an outside system asks for: a wait also holds up
	// the user's later events.
	longestAsked = 5 * time.Minute
)

// waitBefore is how long to wait after try number n failed.
func waitBefore(n int, f *fault.Error) time.Duration {
	if f.RetryAfter > 0 {
		return min(f.RetryAfter, longestAsked)
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

// retryUnseen ends an attempt without a trace in the link: another worker holds
// the newer one, or the table cannot be used.
func (b *batch) retryUnseen(ctx context.Context, u *user, err error) {
	f := fault.Of(err)
	u.over = true
	u.outcome = Outcome{Retry: true, After: waitBefore(u.attempt.Number, f), Err: err, Afresh: u.attempt.Last}
	b.Metrics.Count("user_attempts_failed", 1, "kind", trouble(f))
	u.line(zerolog.Ctx(ctx).Warn()).Dur("after", u.outcome.After).Err(err).Msg("user will be tried again")
}

// fail ends the attempt of one user and says in the link why. What another try
// may mend is tried again, however often; what only a person can mend, and after
// the last try a defect of ours, parks the user.
func (b *batch) fail(ctx context.Context, u *user, err error) {
	f := fault.Of(err)
	u.over, u.failed = true, true
	u.link.Reason, u.link.Message = reasonOf(f), sentenceOf(f)
	b.Metrics.Count("user_attempts_failed", 1, "kind", trouble(f))
	log := u.line(zerolog.Ctx(ctx).Warn()).Str("kind", string(f.Kind)).Str("reason", string(reasonOf(f))).Err(err)
	if f.Kind.Decide() == fault.Park || (u.attempt.Last && f.Kind.Decide() == fault.Fail) {
		u.link.Status, u.link.NextTryAt = directory.Parked, time.Time{}
		b.noteParked(u, f.Kind)
		b.Metrics.Count("users_settled", 1, "status", string(u.link.Status), "reason", string(u.link.Reason))
		log.Msg("user parked")
		return
	}
	wait := waitBefore(u.attempt.Number, f)
	u.link.Status, u.link.NextTryAt = directory.Pending, time.Now().UTC().Add(wait)
	u.outcome = Outcome{Retry: true, After: wait, Err: err, Afresh: u.attempt.Last}
	log.Dur("after", wait).Msg("user will be tried again")
}

// line begins what is logged about the attempt of a user: whom, where, and the
// event that made us look, by which one change is followed through the functions.
func (u *user) line(e *zerolog.Event) *zerolog.Event {
	cause := u.attempt.Cause
	return e.Str("directory", string(u.attempt.Directory)).Str("user", string(u.attempt.User)).
		Str("cause", cause.Type).Str("event", cause.ID).Int("attempt", u.attempt.Number)
}

// trouble is the kind of a failure for the metrics. What JumpCloud does is kept
// apart, so that "unauthorized" means a tenant that does not accept our sign-in.
func trouble(f *fault.Error) string {
	switch directory.Reason(f.Reason) {
	case directory.JumpCloudRefused, directory.JumpCloudUnavailable:
		return "jumpcloud"
	default:
		return string(f.Kind)
	}
}

// jumpCloudTrouble is a failure to read JumpCloud as it concerns a user: nothing
// about the user is wrong, so it is never a reason to stop trying.
func jumpCloudTrouble(err error) error {
	f := *fault.Of(err)
	f.Reason = string(directory.JumpCloudUnavailable)
	switch f.Kind {
	case fault.Unauthorized, fault.Forbidden:
		f.Kind, f.Reason = fault.Unauthorized, string(directory.JumpCloudRefused)
	case fault.Invalid, fault.NotFound, fault.Conflict:
		f.Kind = fault.Transient
	}
	if f.Message == "" {
		f.Message = "JumpCloud could not be read: it is tried again"
	}
	return &f
}

// recordFailures keeps the links of users whose attempt failed.
func (b *batch) recordFailures(ctx context.Context) {
	failed := slices.DeleteFunc(slices.Clone(b.users), func(u *user) bool { return !u.failed })
	if len(failed) > 0 {
		b.record(ctx, failed)
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
