package reconcile

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// noteParked has it recorded that a user is parked, as the failure of the action
// that would have been sent: whoever reads the events learns of it, and not only
// who looks at the link. It is recorded when the reason is new, not at every look,
// and not if an action failed for it just now, which says so itself.
func (b *batch) noteParked(u *user, kind fault.Kind) {
	before, _ := u.known.Link(b.dir.ID)
	known := before.Status == directory.Parked && before.Reason == u.link.Reason
	if u.link.Status != directory.Parked || known || slices.Contains(u.failures, u.link.Reason) {
		return
	}
	now := time.Now().UTC()
	u.refusal = &plan.Action{
		ID: uuid.Must(uuid.NewV7()).String(), Type: u.unsent(), Directory: b.dir.ID, EntraID: u.link.EntraID,
		Subject: plan.Subject{Kind: "user", ID: string(u.attempt.User), Name: u.name}, Changes: []directory.Change{},
		Cause: u.attempt.Cause, Status: plan.Failed, At: now, CompletedAt: now,
		Error: &plan.Failure{Kind: string(kind), Reason: u.link.Reason, Message: u.link.Message},
	}
}

// unsent is the type of the action that would have been sent first.
func (u *user) unsent() plan.Type {
	switch {
	case u.link.EntraID != "":
		return plan.Update
	case u.plan.Account != nil:
		return plan.TakeOver
	default:
		return plan.Provision
	}
}

// obstacleKinds are the kinds of the reasons that park before anything is sent,
// apart from those of kind Invalid.
var obstacleKinds = map[directory.Reason]fault.Kind{
	directory.UPNConflict:          fault.Conflict,
	directory.AccountDeleted:       fault.Conflict,
	directory.SyncedFromOnPremises: fault.Forbidden,
	directory.ManagementRestricted: fault.Forbidden,
	directory.ProtectedAccount:     fault.Forbidden,
	directory.GuestAccount:         fault.Forbidden,
}

// obstacleKind is the kind of a reason that parks before anything is sent.
func obstacleKind(reason directory.Reason) fault.Kind {
	if kind, listed := obstacleKinds[reason]; listed {
		return kind
	}
	return fault.Invalid
}
