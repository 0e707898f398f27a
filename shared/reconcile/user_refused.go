package reconcile

import (
	"context"
	"fmt"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// completeFailed notes why an action failed. What Entra certainly did not do is
// as it was; of the rest nobody knows, and it is written again. What may succeed
// later ends the attempt. Of what a person must mend the rest is done all the
// same: attributes that are refused become problems, and what concerns the whole
// account becomes the user's obstacle. So is the rest of what a missing permission
// keeps from being done, and then the user comes again.
func (b *userBatch) completeFailed(ctx context.Context, u *user, action plan.Action, err error) {
	if certain(err) {
		u.link.Applied, u.link.Unconfirmed, u.link.Aside = u.written.before.Applied, u.written.before.Unconfirmed, u.written.before.Aside
	}
	f := b.classify(ctx, u, action, err)
	action.Status = plan.Failed
	action.Error = &plan.Failure{Kind: string(f.Kind), Reason: reasonOf(f), Message: f.Message}
	u.written.failures = append(u.written.failures, action.Error.Reason)
	b.note(ctx, u, action)
	if permissionMissing(f) && standsAlone(action) {
		u.withheld = f
		u.todo = append(lessProperty(action, f.Subject), u.todo...)
		return
	}
	if f.Kind.Decide() != fault.Park {
		b.fail(ctx, u, f)
		return
	}
	if b.bringBack(u, action, f) || b.letGo(u, f) || b.unmoved(u, action, f) {
		return
	}
	if rest, possible := action.SplitChanges(f); possible {
		u.todo = append(rest.Actions, u.todo...)
		for _, name := range rest.Refused {
			u.written.problems = append(u.written.problems, directory.Problem{Attribute: name, Reason: reasonOf(f), Message: f.Message, FoundOut: f.Subject == ""})
		}
		if reasonOf(f) == directory.ManagerMissing {
			if err := b.Store.AddWaits(ctx, b.waitForManager(u)); err != nil {
				b.fail(ctx, u, err)
			}
		}
		return
	}
	if u.link.TakingOver || action.Type == plan.Restore && u.match.adopted {
		if err := b.giveFree(ctx, u, u.link.EntraID); err != nil {
			b.fail(ctx, u, err)
			return
		}
		u.link, u.match.adopted, u.todo = forget(u.link), false, nil
	}
	if u.obstacle == nil {
		u.obstacle = &directory.Obstacle{Reason: reasonOf(f), Message: f.Message}
	}
}

// bringBack restores an account that was deleted in Entra, where the directory
// wants that, and then does what found it missing. It reports whether it will.
func (b *userBatch) bringBack(u *user, action plan.Action, f *fault.Error) bool {
	if reasonOf(f) != directory.AccountMissing || !u.plan.Desired.Managed || !u.plan.MayRestore || u.written.restored {
		return false
	}
	u.written.restored = true
	again := plan.Action{Type: action.Type, Changes: action.Changes, Reason: action.Reason}
	u.todo = append([]plan.Action{{Type: plan.Restore}, again}, u.todo...)
	return true
}

// letGo forgets the account of a user who is gone and whose account is gone too.
// It reports whether that was so.
func (b *userBatch) letGo(u *user, f *fault.Error) bool {
	if reasonOf(f) != directory.AccountMissing || u.plan.Desired.Managed {
		return false
	}
	u.written.lost, u.link, u.todo = u.link.EntraID, forget(u.link), nil
	return true
}

// classify tells apart what the answer alone does not: a name that is taken by
// an account that the look-up did not show yet, and an account that is gone or
// only not replicated yet.
func (b *userBatch) classify(ctx context.Context, u *user, action plan.Action, err error) *fault.Error {
	f := *fault.Of(err)
	young := u.number <= hiddenAttempts
	switch {
	case action.Type == plan.Provision && f.Reason == directory.UPNConflict && u.mayBeHidden():
		f.Kind = fault.Transient
	case f.Reason == directory.UPNConflict && action.Type == plan.LeaveDomain: // another name will do
	case f.Reason == directory.UPNConflict && (f.Subject == string(directory.UserPrincipalName) || f.Subject == "" && action.Names()):
		f.Subject = string(directory.UserPrincipalName)
		upn, _ := action.Value(directory.UserPrincipalName)
		b.whoHas(ctx, u, directory.UPN(upn.String()), &f)
	case f.Kind == fault.NotFound && (time.Since(u.link.LastWriteAt) < replicationTime || action.Writes(directory.Manager) && young):
		f.Kind = fault.Transient
		f.Message = "Entra does not show the account everywhere yet"
	case f.Kind == fault.NotFound && action.Writes(directory.Manager):
		f.Kind, f.Reason, f.Subject = fault.Invalid, directory.ManagerMissing, string(directory.Manager)
		f.Message = "the manager's account, or this one, is not in Entra any more: restore it from the deleted users there"
	case f.Kind == fault.NotFound:
		f.Reason = directory.AccountMissing
		f.Message = fmt.Sprintf("the account %s is not in Entra any more: restore it from the deleted users there; or delete it there for good, disconnect the user and connect them again for a new one", u.link.EntraID)
	}
	return &f
}

// hiddenAttempts is how often a creation that met an account of the same name is
// tried again, so that the look-up can find the account, before the name counts
// as taken by something else (Graph clients try eight times).
const hiddenAttempts = 8

// mayBeHidden reports whether the account that has the user's name already may be
// one that the look-up does not show yet: our own, whose creation was never
// confirmed, or anybody's that is new.
func (u *user) mayBeHidden() bool {
	own := u.written.before.Unconfirmed
	return (own != nil && time.Since(own.At) < replicationTime) || u.number <= hiddenAttempts
}

// taken is the obstacle of a user whose sign-in name belongs to another one.
func taken(upn directory.UPN, owner string) *directory.Obstacle {
	return &directory.Obstacle{Reason: directory.UPNConflict, Message: fmt.Sprintf(
		"%s belongs to the JumpCloud user %s already: give one of the two another e-mail", upn, owner)}
}

// whoHas says in a refusal whose the sign-in name is that is taken, if that can be
// found out, and has the user looked at when the name is free. If that happened
// just now, the user is to be tried again.
func (b *userBatch) whoHas(ctx context.Context, u *user, upn directory.UPN, f *fault.Error) {
	holder := b.holderOf(ctx, upn)
	if holder == "" {
		return
	}
	wait := store.Wait{For: store.FreeAccount(b.dir.TenantObject, holder), Directory: b.dir.ID, User: u.attempt.User}
	if err := b.Store.AddWaits(ctx, wait); err != nil || b.holderOf(ctx, upn) != holder {
		f.Kind, f.Message = fault.Transient, "the sign-in name was taken a moment ago: it is tried again"
		return
	}
	owner, err := b.Store.Owner(ctx, b.dir.TenantObject, holder)
	if err != nil {
		f.Message = fmt.Sprintf("%s is the sign-in name of another account in Entra (%s): change that account or the user's e-mail", upn, holder)
		return
	}
	f.Message = taken(upn, owner.Name()).Message
}

// holderOf is the account that has a sign-in name; "" if that cannot be found out.
func (b *userBatch) holderOf(ctx context.Context, upn directory.UPN) directory.EntraID {
	found := b.entra.FindByUPN(ctx, []directory.UPN{upn}, nil)[0]
	if found.Err != nil || found.Account == nil {
		return ""
	}
	return found.Account.ID
}
