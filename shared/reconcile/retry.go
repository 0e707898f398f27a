package reconcile

import (
	"fmt"
	"math/rand/v2"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// The waits between two tries when the outside system named none: 1, 2, 4 …
// seconds with jitter, 60 at most (Graph best practices), and a minute when the tenant
// does not accept our credentials.
const (
	firstWait   = time.Second
	longestWait = time.Minute
	// longestAsked caps the wait that an outside system asks for: a wait also delays
	// the user's later events.
	longestAsked = 5 * time.Minute
)

// replicationTime is how long after a write to an object a 404 may come from a replica
// that lags, and not from a deletion (Graph answers 404 for objects created minutes ago;
// the bound is assumed). replicationStep is the wait between two reads meanwhile.
const (
	replicationTime = 5 * time.Minute
	replicationStep = 15 * time.Second
)

// MayLag reports whether an account that Entra does not show at a time may exist all the
// same, because it was written shortly before.
func MayLag(link directory.Link, at time.Time) bool {
	return at.Sub(link.LastWriteAt) < replicationTime
}

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

// trouble is the kind of a failure for the metrics. Failures of JumpCloud have a kind of
// their own, so that "unauthorized" means a tenant that does not accept our sign-in.
func trouble(f *fault.Error) string {
	switch f.Reason {
	case directory.JumpCloudRefused, directory.JumpCloudUnavailable:
		return "jumpcloud"
	default:
		return string(f.Kind)
	}
}

// jumpCloudTrouble makes a failure to read JumpCloud one that is always retried: nothing
// about the user is wrong.
func jumpCloudTrouble(err error) error {
	f := *fault.Of(err)
	f.Reason = directory.JumpCloudUnavailable
	switch f.Kind {
	case fault.Unauthorized, fault.Forbidden:
		f.Kind, f.Reason = fault.Unauthorized, directory.JumpCloudRefused
	case fault.Invalid, fault.NotFound:
		f.Kind, f.Err = fault.Transient, disowned{f.Err}
	case fault.Conflict:
		f.Kind = fault.Transient
	}
	if f.Message == "" {
		f.Message = "JumpCloud could not be read: it is tried again"
	}
	return &f
}

// disowned is the cause of a failure to which JumpCloud answered that there is no such thing, or
// no such request. Of a user or a group who is gone another answer says that, so perhaps
// JumpCloud does not find the organization.
type disowned struct{ cause error }

// Error is what caused it, if that is known.
func (d disowned) Error() string {
	if d.cause == nil {
		return "JumpCloud does not find it"
	}
	return d.cause.Error()
}

// Unwrap returns what caused it.
func (d disowned) Unwrap() error { return d.cause }

// reasonOf is the reason of a fault; where it has none, one that follows from its kind.
func reasonOf(f *fault.Error) directory.Reason {
	if f.Reason != "" {
		return f.Reason
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

// sentenceOf is the message of a fault for the person who must act.
func sentenceOf(f *fault.Error) string {
	if f.Message != "" {
		return f.Message
	}
	return fmt.Sprintf("%s failed (%s): it is tried again with the next change or on request", f.Op, f.Kind)
}

// certain reports whether an error says that nothing was done: Graph refused or throttled
// the request.
func certain(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.Forbidden, fault.Unauthorized, fault.Throttled:
		return true
	default:
		return false
	}
}
