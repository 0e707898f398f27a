package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// settleTime is how long after a write to an account its absence may be a
// replica that lags, and not a deletion (Graph answers 404 for objects created
// minutes ago; the bound is assumed), and settleStep how often it is looked for
// meanwhile.
const (
	settleTime = 5 * time.Minute
	settleStep = 15 * time.Second
)

// MayLag reports whether an account that Entra does not show at a time may be there all
// the same, because it was written shortly before.
func MayLag(link directory.Link, at time.Time) bool { return at.Sub(link.LastWriteAt) < settleTime }

// recordLimit bounds the writing of our own records. It does not shrink with the
// time that is left to the invocation: what happened must be kept.
const recordLimit = 5 * time.Second

// underWay is how long an action that was begun may still be worked on by
// somebody else: longer than any invocation runs.
const underWay = 2 * time.Minute

// interrupted is the reason of an action whose outcome nobody learnt.
const interrupted directory.Reason = "interrupted"

// begin fills in what the record of the user's next action needs.
func (b *batch) begin(u *user) {
	action := &u.todo[0]
	action.EntraID = u.link.EntraID // of an account that was created just now, too
	action.ID = uuid.Must(uuid.NewV7()).String()
	action.Directory = b.dir.ID
	action.Subject = plan.Subject{Kind: "user", ID: string(u.attempt.User), Name: u.name}
	action.Cause = u.attempt.Cause
	action.Status, action.At = plan.Started, time.Now().UTC()
	u.before = u.link
	u.link = u.plan.Begun(u.link, *action)
	u.link.OpenActions = append(slices.Clone(u.link.OpenActions), action.ID)
	u.unkept = append(u.unkept, *action)
}

// record keeps the links of the users with what happened to them. A user whose
// link somebody else changed meanwhile is over and comes again; what happened is
// kept all the same.
func (b *batch) record(ctx context.Context, users []*user) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	recordings := make([]store.Recording, len(users))
	for i, u := range users {
		if cause := u.attempt.Cause; cause.Event && cause.At.After(u.link.LastEventAt) {
			u.link.LastEventAt = cause.At
		}
		recordings[i] = store.Recording{Link: u.link, Actions: u.unkept}
		if u.refusal != nil {
			recordings[i].Actions = append(slices.Clone(u.unkept), *u.refusal)
		}
	}
	for i, err := range b.Store.Record(ctx, recordings...) {
		u := users[i]
		if err == nil {
			u.unkept = nil
			u.link.Version++
			if u.refusal != nil {
				b.report(ctx, u, *u.refusal)
				u.refusal = nil
			}
			continue
		}
		b.retryUnseen(ctx, u, err)
		completed := slices.DeleteFunc(slices.Clone(u.unkept), func(a plan.Action) bool { return a.Status == plan.Started })
		if fault.Is(err, fault.Changed) && len(completed) > 0 {
			b.overtaken(ctx, u, completed)
		}
	}
}

// complete folds the result of an action into the link.
func (b *batch) complete(ctx context.Context, u *user, action plan.Action, result Result) {
	action.CompletedAt = time.Now().UTC()
	u.link.OpenActions = slices.DeleteFunc(slices.Clone(u.link.OpenActions), func(id string) bool { return id == action.ID })
	if result.Err != nil {
		b.completeFailed(ctx, u, action, result.Err)
		return
	}
	action.Status, action.EntraID = plan.Succeeded, result.ID
	u.link = u.plan.Completed(u.link, action, result.ID)
	u.link.LastWriteAt = action.CompletedAt
	u.adopted = false
	b.note(ctx, u, action)
	u.renamed = u.renamed || u.givesUpName(action)
	if action.Type == plan.Restore {
		u.link.Arrived = true
	}
	if action.Type == plan.Provision {
		if _, err := b.Store.Claim(ctx, b.dir.TenantObject, result.ID, b.owner(u), b.dir.ID); err != nil {
			// The next look finds the account, knows it for ours and claims it.
			unconfirmed := directory.Creation{UPN: u.link.UPN, At: action.At}
			u.link = forget(u.link)
			u.link.Unconfirmed = &unconfirmed
			b.fail(ctx, u, err)
		}
	}
}

// givesUpName reports whether an action gave the account another name for good.
func (u *user) givesUpName(action plan.Action) bool {
	had := u.before.UPN
	if u.before.Aside != nil {
		had = u.before.Aside.Home
	}
	return action.Type != plan.LeaveDomain && action.Writes(directory.UserPrincipalName) && had != "" && !u.link.UPN.Same(had)
}

// completeFailed notes why an action failed. What Entra certainly did not do is
// as it was; of the rest nobody knows, and it is written again. What may succeed
// later ends the attempt. Of what a person must mend the rest is done all the
// same: attributes that are refused become problems, and what concerns the whole
// account becomes the user's obstacle. So is the rest of what a missing permission
// keeps from being done, and then the user comes again.
func (b *batch) completeFailed(ctx context.Context, u *user, action plan.Action, err error) {
	if certain(err) {
		u.link.Applied, u.link.Unconfirmed, u.link.Aside = u.before.Applied, u.before.Unconfirmed, u.before.Aside
	}
	f := b.classify(ctx, u, action, err)
	action.Status = plan.Failed
	action.Error = &plan.Failure{Kind: string(f.Kind), Reason: reasonOf(f), Message: f.Message}
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
	if rest, possible := action.Rest(f); possible {
		u.todo = append(rest.Actions, u.todo...)
		for _, name := range rest.Refused {
			u.problems = append(u.problems, directory.Problem{Attribute: name, Reason: reasonOf(f), Message: f.Message, FoundOut: f.Subject == ""})
		}
		if reasonOf(f) == directory.ManagerMissing {
			if err := b.Store.AddWaits(ctx, b.waitForManager(u)); err != nil {
				b.fail(ctx, u, err)
			}
		}
		return
	}
	if u.link.TakingOver || action.Type == plan.Restore && u.adopted {
		if err := b.giveFree(ctx, u, u.link.EntraID); err != nil {
			b.fail(ctx, u, err)
			return
		}
		u.link, u.adopted, u.todo = forget(u.link), false, nil
	}
	if u.obstacle == nil {
		u.obstacle = &directory.Obstacle{Reason: reasonOf(f), Message: f.Message}
	}
}

// bringBack restores an account that was deleted in Entra, where the directory
// wants that, and then does what found it missing. It reports whether it will.
func (b *batch) bringBack(u *user, action plan.Action, f *fault.Error) bool {
	if reasonOf(f) != directory.AccountMissing || !u.plan.Desired.Managed || !u.plan.MayRestore || u.restored {
		return false
	}
	u.restored = true
	again := plan.Action{Type: action.Type, Changes: action.Changes, Reason: action.Reason}
	u.todo = append([]plan.Action{{Type: plan.Restore}, again}, u.todo...)
	return true
}

// letGo forgets the account of a user who is gone and whose account is gone too.
// It reports whether that was so.
func (b *batch) letGo(u *user, f *fault.Error) bool {
	if reasonOf(f) != directory.AccountMissing || u.plan.Desired.Managed {
		return false
	}
	u.lost, u.link, u.todo = u.link.EntraID, forget(u.link), nil
	return true
}

// certain reports whether an error says that nothing was done: Graph refused the
// request, or put it off.
func certain(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.Forbidden, fault.Unauthorized, fault.Throttled:
		return true
	default:
		return false
	}
}

// forget is the link without an account.
func forget(link directory.Link) directory.Link {
	link.EntraID, link.UPN, link.Owner, link.State, link.Found, link.Applied = "", "", "", directory.Absent, "", nil
	link.SessionsToEnd, link.Unconfirmed, link.PasswordDiffers, link.Freed, link.TakingOver, link.Aside = false, nil, nil, false, false, nil
	return link
}

// release gives the account of a user that is gone free for whoever comes next
// with its name, such as a person who is hired again. The link keeps the account:
// one that comes back claims it again.
func (b *batch) release(ctx context.Context, u *user) {
	account := u.lost
	if u.link.Freed {
		account = u.link.EntraID
	}
	if account == "" {
		return
	}
	if err := b.giveFree(ctx, u, account); err != nil {
		b.retryUnseen(ctx, u, err)
	}
}

// giveFree gives an account back, and has those looked at who wait for it once
// nobody has it.
func (b *batch) giveFree(ctx context.Context, u *user, account directory.EntraID) error {
	free, err := b.Store.Unclaim(ctx, b.dir.TenantObject, account, b.owner(u), b.dir.ID)
	if err != nil || !free {
		return err
	}
	return b.tell(ctx, store.FreeAccount(b.dir.TenantObject, account), plan.Cause{Type: "account_freed", ID: string(u.attempt.User), At: time.Now().UTC()})
}

// classify tells apart what the answer alone does not: a name that is taken by
// an account that the look-up did not show yet, and an account that is gone or
// only not replicated yet.
func (b *batch) classify(ctx context.Context, u *user, action plan.Action, err error) *fault.Error {
	f := *fault.Of(err)
	young := u.attempt.Number <= lookAgain
	switch {
	case action.Type == plan.Provision && f.Reason == string(directory.UPNConflict) && u.mayBeHidden():
		f.Kind = fault.Transient
	case f.Reason == string(directory.UPNConflict) && action.Type == plan.LeaveDomain: // another name will do
	case f.Reason == string(directory.UPNConflict) && (f.Subject == string(directory.UserPrincipalName) || f.Subject == "" && action.Names()):
		f.Subject = string(directory.UserPrincipalName)
		upn, _ := action.Value(directory.UserPrincipalName)
		b.whoHas(ctx, u, directory.UPN(upn.String()), &f)
	case f.Kind == fault.NotFound && (time.Since(u.link.LastWriteAt) < settleTime || action.Writes(directory.Manager) && young):
		f.Kind = fault.Transient
		f.Message = "Entra does not show the account everywhere yet"
	case f.Kind == fault.NotFound && action.Writes(directory.Manager):
		f.Kind, f.Reason, f.Subject = fault.Invalid, string(directory.ManagerMissing), string(directory.Manager)
		f.Message = "the manager's account, or this one, is not in Entra any more: restore it from the deleted users there"
	case f.Kind == fault.NotFound:
		f.Reason = string(directory.AccountMissing)
		f.Message = fmt.Sprintf("the account %s is not in Entra any more: restore it from the deleted users there; or delete it there for good, disconnect the user and connect them again for a new one", u.link.EntraID)
	}
	return &f
}

// lookAgain is how often a creation that met an account of the same name is
// tried again, so that the look-up can find the account, before the name counts
// as taken by something else (Graph clients try eight times).
const lookAgain = 8

// mayBeHidden reports whether the account that has the user's name already may be
// one that the look-up does not show yet: our own, whose creation was never
// confirmed, or anybody's that is new.
func (u *user) mayBeHidden() bool {
	own := u.before.Unconfirmed
	return (own != nil && time.Since(own.At) < settleTime) || u.attempt.Number <= lookAgain
}

// closeInterrupted ends actions that a process left open when it died. An account
// that the look-up showed to be ours is the proof that its creation worked; of
// other actions the outcome is unknown, and what they left undone is among the
// actions of this attempt. An action that is young is left alone: somebody may be
// about it.
func (b *batch) closeInterrupted(ctx context.Context, users []*user) {
	for _, u := range users {
		var open []string
		for _, id := range u.link.OpenActions {
			action, err := b.Store.Action(ctx, b.dir.Organization, id)
			if err != nil && !fault.Is(err, fault.NotFound) {
				b.fail(ctx, u, err)
				break
			}
			if err != nil || action.Status != plan.Started {
				continue
			}
			switch proven := action.Type == plan.Provision && u.adopted && u.link.Owner == directory.CreatedByUs; {
			case proven:
				action.Status, action.EntraID = plan.Succeeded, u.link.EntraID
				u.link.LastWriteAt = action.At
			case time.Since(action.At) < underWay:
				open = append(open, id)
				continue
			default:
				action.Status = plan.Failed
				action.Error = &plan.Failure{Kind: string(fault.Transient), Reason: interrupted, Message: "entrasync stopped before Entra's answer was known; the user was looked at again"}
			}
			action.CompletedAt = time.Now().UTC()
			b.note(ctx, u, action)
		}
		if !u.over {
			u.link.OpenActions = open
		}
	}
}

// taken is the obstacle of a user whose sign-in name belongs to another one.
func taken(upn directory.UPN, owner string) *directory.Obstacle {
	return &directory.Obstacle{Reason: directory.UPNConflict, Message: fmt.Sprintf(
		"%s belongs to the JumpCloud user %s already: give one of the two another e-mail", upn, owner)}
}

// whoHas says in a refusal whose the sign-in name is that is taken, if that can be
// found out, and has the user looked at when the name is free. If that happened
// just now, the user is to be tried again.
func (b *batch) whoHas(ctx context.Context, u *user, upn directory.UPN, f *fault.Error) {
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
func (b *batch) holderOf(ctx context.Context, upn directory.UPN) directory.EntraID {
	found := b.entra.FindByUPN(ctx, []directory.UPN{upn}, nil)[0]
	if found.Err != nil || found.Account == nil {
		return ""
	}
	return found.Account.ID
}

// note has a completed action recorded with the link, published and counted.
func (b *batch) note(ctx context.Context, u *user, action plan.Action) {
	u.unkept = append(u.unkept, action)
	if action.Error != nil {
		u.failures = append(u.failures, action.Error.Reason)
	}
	b.report(ctx, u, action)
}

// report has a completed action published, and counts it.
func (b *batch) report(ctx context.Context, u *user, action plan.Action) {
	b.completed = append(b.completed, action)
	reason := string(action.Reason)
	level := zerolog.InfoLevel
	if action.Error != nil {
		reason, level = string(action.Error.Reason), zerolog.WarnLevel
	}
	b.Metrics.Count("actions", 1, "type", string(action.Type), "status", string(action.Status), "reason", reason)
	line := zerolog.Ctx(ctx).WithLevel(level).
		Str("action", string(action.Type)).Str("actionId", action.ID).Str("status", string(action.Status)).
		Str("directory", string(b.dir.ID)).Str("user", string(u.attempt.User)).Str("entraId", string(action.EntraID)).
		Str("event", action.Cause.ID).Str("reason", reason)
	if action.Error != nil {
		line = line.Str("kind", action.Error.Kind).Str("why", action.Error.Message)
	}
	line.Msg("action completed")
}

// publish tells the rest of the world what was done.
func (b *batch) publish(ctx context.Context) {
	publish(ctx, b.Publisher, b.Metrics, b.completed)
}

// publish passes completed actions on. The record is what counts: when nobody can
// be told, that is logged and counted, and nothing is undone.
func publish(ctx context.Context, to Publisher, metrics metric.Counter, completed []plan.Action) {
	if to == nil || len(completed) == 0 {
		return
	}
	if err := to.Publish(ctx, completed...); err != nil {
		metrics.Count("publish_failed", len(completed))
		zerolog.Ctx(ctx).Error().Err(err).Int("actions", len(completed)).Msg("actions could not be published")
	}
}
