// Package fault is the one error type of entrasync.
//
// Every failure, at JumpCloud, at Microsoft Graph, in the store or in a request, becomes
// an [*Error] of one of a closed list of kinds. The kind alone decides what happens next
// ([Kind.Decide]) and is the word that logs, metrics and administrators see. The reason
// is a more specific typed word that a link records. The message is a sentence for the
// person who must act. No code distinguishes errors by their text.
package fault

import (
	"errors"
	"strings"
	"time"
)

// Kind says what sort of thing went wrong.
type Kind string

// The closed list of kinds.
const (
	Invalid      Kind = "invalid"      // the input is wrong and stays wrong until a person changes it
	NotFound     Kind = "not_found"    // the thing named does not exist
	Conflict     Kind = "conflict"     // something else has the name or the account
	Forbidden    Kind = "forbidden"    // the outside system does not allow the request on this object
	Unauthorized Kind = "unauthorized" // our credentials do not work: nothing in this directory can proceed
	Changed      Kind = "changed"      // a conditional write failed because another writer was faster
	Throttled    Kind = "throttled"    // the outside system limits our rate of requests
	Transient    Kind = "transient"    // an outage, a time-out, a replica that lags
	Internal     Kind = "internal"     // a defect of entrasync
)

// Kinds lists every kind, for tables and metrics.
var Kinds = []Kind{Invalid, NotFound, Conflict, Forbidden, Unauthorized, Changed, Throttled, Transient, Internal}

// Decision is what a worker does with a task that failed.
type Decision string

// The three decisions.
const (
	Retry Decision = "retry" // the same task may succeed later without anybody acting
	Park  Decision = "park"  // stop trying on this link until something changes
	Fail  Decision = "fail"  // the message or entrasync is defective: dead-letter it and raise an alarm
)

// Decide maps a kind to what a worker does with the task. Unauthorized is retried because
// consent returns for all links of a directory at once, without a change of any of them.
func (k Kind) Decide() Decision {
	switch k {
	case Changed, Throttled, Transient, Unauthorized:
		return Retry
	case Invalid, NotFound, Conflict, Forbidden:
		return Park
	default:
		return Fail
	}
}

// Reason is a typed word that is more specific than a kind, such as "domain_not_verified".
// The words are listed in directory.Reasons.
type Reason string

// Error is what went wrong.
type Error struct {
	Op         string        // what was attempted: "entra.create user", "store.get"
	Kind       Kind          // never empty
	Reason     Reason        // a typed word that is more specific than the kind; may be empty
	Subject    string        // the thing it is about: a user id, a setting, a field; never a secret
	Message    string        // a sentence for the person who must act; may be empty
	RetryAfter time.Duration // the wait that the outside system named; 0 if it named none
	Err        error         // the cause, if there is one
}

// New makes an error of a kind with a sentence for the person who must act.
func New(kind Kind, op, message string) *Error {
	return &Error{Op: op, Kind: kind, Message: message}
}

// Wrap adds to err what was attempted. It keeps the kind, reason, message and wait of a
// fault inside err; any other error becomes a fault of the given kind. Wrap of nil is nil.
func Wrap(err error, kind Kind, op string) error {
	if err == nil {
		return nil
	}
	wrapped := &Error{Op: op, Kind: kind, Err: err}
	var inner *Error
	if errors.As(err, &inner) {
		wrapped.Kind, wrapped.Reason, wrapped.Subject = inner.Kind, inner.Reason, inner.Subject
		wrapped.Message, wrapped.RetryAfter = inner.Message, inner.RetryAfter
	}
	return wrapped
}

// Error joins operation, subject, kind and message with the first cause that is not a
// fault. Faults in between are left out, because they would repeat the same.
func (e *Error) Error() string {
	var b strings.Builder
	for _, part := range []string{e.Op, e.Subject} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	b.WriteString(string(e.Kind))
	if e.Reason != "" {
		b.WriteString(" (" + string(e.Reason) + ")")
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if cause := e.cause(); cause != nil {
		b.WriteString(": " + cause.Error())
	}
	return b.String()
}

// cause is the first error in the chain that is not a fault.
func (e *Error) cause() error {
	inner := e
	for errors.As(inner.Err, &inner) && inner.Err != nil {
	}
	return inner.Err
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of err: of the outermost fault in it, Internal for any
// other error, "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	return Of(err).Kind
}

// Of is the outermost fault in err. Any other error becomes an Internal one;
// nil stays nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Internal, Err: err}
}

// Is reports whether err is a fault of the kind.
func Is(err error, kind Kind) bool { return KindOf(err) == kind }
