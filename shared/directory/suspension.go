package directory

import (
	"slices"
	"time"
)

// Scope is which tasks of a directory a suspension stops.
type Scope string

// The scopes of a suspension.
const (
	// Everything: nothing can be read or written, for anybody.
	Everything Scope = "everything"
	// OfUsers and OfGroups: a permission is missing without which no user, or no group,
	// can be read. The tasks of the others go on.
	OfUsers  Scope = "users"
	OfGroups Scope = "groups"
	// OfPart: a permission is missing for one kind of write. All tasks go on, and only
	// those that came upon it wait.
	OfPart Scope = "part"
)

// widest are the scopes, from the one that stops most.
var widest = []Scope{Everything, OfUsers, OfGroups, OfPart}

// Wider is the one of two scopes that stops more.
func (s Scope) Wider(other Scope) Scope {
	if slices.Index(widest, other) < slices.Index(widest, s) || !slices.Contains(widest, s) {
		return other
	}
	return s
}

// Suspension says that a trouble does not concern one user or group, but everybody in a
// directory: one probe looks whether it is over, and the tasks wait.
type Suspension struct {
	Reason  Reason    `json:"reason" doc:"One typed word: the trouble"`
	Message string    `json:"message" doc:"The trouble as a sentence, with what to do"`
	Scope   Scope     `json:"scope" enum:"everything,users,groups,part" doc:"Which tasks wait: all of the directory, those of all users or of all groups, or those that need the part which is missing"`
	Since   time.Time `json:"since"`
	// Rights are the permissions of the application when it was suspended, in a form that
	// is only to be compared; "" if they are not known. Of a right that JumpCloud's key lacks
	// it is what could not be read for it.
	Rights string `json:"rights,omitempty" hidden:"true"`
}

// Probes are the looks whether suspensions of a directory are over.
type Probes struct {
	LastAt time.Time `json:"lastAt,omitzero" doc:"When it was last looked whether the trouble is over"`
	NextAt time.Time `json:"nextAt,omitzero" doc:"When it is looked next"`
	// ResumedAt is when a suspension ended whose tasks may still wait; zero: none do.
	ResumedAt time.Time `json:"resumedAt,omitzero" doc:"When a trouble ended; the tasks that waited are being sent"`
}

// ProbeEvery is the time between two probes of a directory.
const ProbeEvery = time.Minute

// suspending are the reasons for a refusal of the application or of our key, which
// concern everybody in a directory.
var suspending = []Reason{
	PendingConsent, ConsentLost, NotConsented, ApplicationDisabled, TenantNotFound, SecretExpired, CredentialsRefused,
	SignInBlocked, SignInMisconfigured, PermissionMissing, JumpCloudRefused,
}

// Suspends reports whether a refusal for a reason may concern everybody in a directory.
func Suspends(r Reason) bool { return slices.Contains(suspending, r) }

// IsSuspended reports whether all tasks of the directory wait.
func (d Directory) IsSuspended() bool { return d.Suspended != nil }

// Stopped returns the suspension that stops the tasks of a scope; nil if they go on.
func (d Directory) Stopped(scope Scope) *Suspension {
	if d.Suspended != nil {
		return d.Suspended
	}
	return d.Of(scope)
}

// Of returns the suspension of just this scope; nil if there is none.
func (d Directory) Of(scope Scope) *Suspension {
	if scope == Everything {
		return d.Suspended
	}
	if at := d.partly(scope); at >= 0 {
		return &d.PartlySuspended[at]
	}
	return nil
}

// Is reports whether a suspension, nil if there is none, is the same one as another.
func (s *Suspension) Is(other Suspension) bool {
	return s != nil && s.Scope == other.Scope && s.Since.Equal(other.Since)
}

// partly is the place of the suspension of a scope that is not everything; -1: there is
// none.
func (d Directory) partly(scope Scope) int {
	return slices.IndexFunc(d.PartlySuspended, func(s Suspension) bool { return s.Scope == scope })
}

// Suspend is the directory with a suspension, which replaces an earlier one of its scope
// but keeps its beginning. The next probe is at a time.
func (d Directory) Suspend(s Suspension, next time.Time) Directory {
	if s.Scope == Everything {
		if d.Suspended != nil {
			s.Since = d.Suspended.Since
		}
		d.Suspended, d.Probes.ResumedAt = &s, time.Time{}
	} else {
		before := slices.Clone(d.PartlySuspended)
		if at := d.partly(s.Scope); at >= 0 {
			s.Since = before[at].Since
			before[at] = s
		} else {
			before = append(before, s)
		}
		d.PartlySuspended = before
	}
	d.Probes.NextAt = next
	return d
}

// Resume is the directory without the suspension of a scope: the tasks that waited are to
// be sent from a time on.
func (d Directory) Resume(scope Scope, now time.Time) Directory {
	if scope == Everything {
		d.Suspended = nil
	} else {
		d.PartlySuspended = slices.DeleteFunc(slices.Clone(d.PartlySuspended), func(s Suspension) bool { return s.Scope == scope })
	}
	d.Probes.ResumedAt = now
	return d
}

// ResumeTime is for how long after a suspension waiting tasks are searched, at least: longer
// than an invocation that read the directory before the end may take to set a task aside.
const ResumeTime = 15 * time.Minute

// IsProbed reports whether probes of the directory go on: it is suspended, or tasks may
// still wait that are to be sent.
func (d Directory) IsProbed() bool {
	return d.Suspended != nil || len(d.PartlySuspended) > 0 || d.IsResuming()
}

// IsResuming reports whether tasks may still wait that are to be sent.
func (d Directory) IsResuming() bool {
	return d.Suspended == nil && !d.Probes.ResumedAt.IsZero()
}

// Sends reports whether a task that waits for the end of a scope is to be sent.
func (d Directory) Sends(scope Scope, ofGroup bool) bool {
	own := OfUsers
	if ofGroup {
		own = OfGroups
	}
	return d.Stopped(own) == nil && d.Stopped(scope) == nil
}

// Shown is the directory for people: why it is suspended is what is wrong with it.
func (d Directory) Shown() Directory {
	hide := func(s Suspension) Suspension { s.Rights = ""; return s }
	all := make([]Suspension, 0, len(d.PartlySuspended))
	for _, s := range d.PartlySuspended {
		all = append(all, hide(s))
	}
	d.PartlySuspended, d.Granted, d.DeletesFrom = all, nil, time.Time{}
	if d.Suspended != nil {
		s := hide(*d.Suspended)
		d.Suspended, d.Reason, d.Message = &s, s.Reason, s.Message
	} else if d.Reason == "" && len(all) > 0 {
		d.Reason, d.Message = all[0].Reason, all[0].Message
	}
	return d
}
