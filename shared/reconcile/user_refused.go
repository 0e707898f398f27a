package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// completeFailed notes why an action failed. If Entra certainly did not write anything,
// the link is as before; otherwise the result is unknown and the attributes are written
// again. A fault that may pass ends the attempt. A fault that a person must fix does not:
// refused attributes become problems, what concerns the complete account becomes the
// user's obstacle, and the other actions go on. They also go on when a permission is
// missing, and then the user is retried later.
func (b *userBatch) completeFailed(ctx context.Context, u *user, action plan.Action, err error) {
	if certain(err) {
		u.link.Applied, u.link.Unconfirmed, u.link.Aside = u.written.before.Applied, u.written.before.Unconfirmed, u.written.before.Aside
		u.link.NameFreed, u.link.WroteManager = u.written.before.NameFreed, u.written.before.WroteManager
		u.link.Leaving = u.written.before.Leaving
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
	if b.addRestore(u, action, f) || b.freeIfGone(u, f) || b.handleRefusedMove(u, action, f) || u.refuseStep(action, f) {
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
		if err := b.giveUpClaim(ctx, u, u.link.EntraID); err != nil {
			b.fail(ctx, u, err)
			return
		}
		u.link, u.match.adopted, u.todo = u.link.Forgotten(), false, nil
	}
	if action.Type == plan.Restore { // what follows would be written to a deleted account
		u.todo = nil
	}
	if u.obstacle == nil {
		u.obstacle = &directory.Obstacle{Reason: reasonOf(f), Message: f.Message}
	}
}

// addRestore adds actions that restore an account which was deleted in Entra, if the
// directory wants that, and then repeat the failed action. It reports whether it did.
func (b *userBatch) addRestore(u *user, action plan.Action, f *fault.Error) bool {
	if reasonOf(f) != directory.AccountMissing || !u.plan.Desired.Managed || !u.plan.MayRestore || u.written.restored {
		return false
	}
	u.written.restored = true
	again := plan.Action{Type: action.Type, Changes: action.Changes, Reason: action.Reason}
	u.todo = append([]plan.Action{{Type: plan.Restore}, again}, u.todo...)
	return true
}

// freeIfGone gives up the account if both it and the user are gone. It reports whether it did.
func (b *userBatch) freeIfGone(u *user, f *fault.Error) bool {
	if reasonOf(f) != directory.AccountMissing || u.plan.Desired.Managed {
		return false
	}
	u.link, u.todo = u.link.Lost(), nil
	return true
}

// classify decides what the answer alone does not say: whether a conflicting name belongs
// to an account that the lookup does not show yet, and whether an account is gone or only
// not replicated yet.
func (b *userBatch) classify(ctx context.Context, u *user, action plan.Action, err error) *fault.Error {
	f := *fault.Of(err)
	young := u.number <= hiddenAttempts
	manager, _ := action.Value(directory.Manager)
	names := len(manager) > 0
	switch {
	case action.Type == plan.Provision && f.Reason == directory.UPNConflict && b.isIdentified(ctx, u, action, &f):
	case action.Type == plan.Provision && f.Reason == directory.UPNConflict && u.mayBeHidden():
		f.Kind = fault.Transient
	case f.Reason == directory.UPNConflict && action.Type == plan.LeaveDomain: // another name is tried
	case f.Reason == directory.UPNConflict && (f.Subject == string(directory.UserPrincipalName) || f.Subject == "" && action.Names()):
		f.Subject = string(directory.UserPrincipalName)
		upn, _ := action.Value(directory.UserPrincipalName)
		b.whoHas(ctx, u, directory.UPN(upn.String()), &f)
	case f.Kind == fault.NotFound && (time.Since(u.link.LastWriteAt) < replicationTime || names && young):
		f.Kind = fault.Transient
		f.Message = "Entra does not show the account everywhere yet"
	case f.Kind == fault.NotFound && names:
		f.Kind, f.Reason, f.Subject = fault.Invalid, directory.ManagerMissing, string(directory.Manager)
		f.Message = "the manager's account, or this one, is not in Entra any more: restore it from the deleted users there"
	case f.Kind == fault.NotFound:
		f.Reason, f.Message = directory.AccountMissing, missing(u.link.EntraID)
	}
	return &f
}

// isIdentified looks, after Entra refused to create an account, whether another one has the immutable
// id that it was to have, and reports whether that is so. Such an account is the user's, whatever
// its name is, as one that has the user's sign-in name: entrasync gave it the id before the records of
// it were deleted. The next attempt finds it and makes it the user's. The refusal then says so, or why
// it cannot be.
func (b *userBatch) isIdentified(ctx context.Context, u *user, action plan.Action, f *fault.Error) bool {
	id := string(u.attempt.User)
	if wanted, _ := action.Value(directory.ImmutableID); wanted.String() != id || f.Subject != "" && f.Subject != string(directory.ImmutableID) {
		return false
	}
	found := b.entra.FindByImmutableID(ctx, []string{id})[0]
	if found.Err != nil || found.Account == nil {
		return false
	}
	account := found.Account
	says := fmt.Sprintf("the account %s (%s) has the onPremisesImmutableId of this user", account.UPN, account.ID)
	if why := account.Untouchable(); why != nil {
		f.Message = says + ", and cannot become the user's: " + why.Message + ". Or take the id off it"
		return true
	}
	other, err := b.belongsToOther(ctx, u, account.ID)
	switch {
	case err != nil:
		f.Kind, f.Message = fault.Transient, says+": it is tried again"
	case other != nil:
		f.Message = says + ", and belongs to the JumpCloud user " + other.Name() + ": take the id off it, or disconnect that user"
	default:
		u.link.Unconfirmed = &directory.Creation{UPN: account.UPN, At: time.Now().UTC(), Existed: true}
		f.Kind, f.RetryAfter, f.Message = fault.Transient, firstWait, says+": it becomes the user's with the next try"
	}
	return true
}

// belongsToOther is the other user who has an account, and for whose leave this one waits; nil if there
// is none.
func (b *userBatch) belongsToOther(ctx context.Context, u *user, account directory.EntraID) (*store.Owner, error) {
	owner, err := b.Store.Owner(ctx, b.dir.TenantObject, account)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case owner.User == u.attempt.User && owner.Organization == b.dir.Organization:
		return nil, nil
	}
	return &owner, b.Store.AddWaits(ctx, store.Wait{For: store.FreeAccount(b.dir.TenantObject, account), Directory: b.dir.ID, User: u.attempt.User})
}

// missing is the sentence about an account that is not in Entra any more.
func missing(account directory.EntraID) string {
	return fmt.Sprintf("the account %s is not in Entra any more: restore it from the deleted users there, if it is among them; or delete it there for good, disconnect the user and connect them again for a new one", account)
}

// hiddenAttempts is how often a creation that failed because an account has the name is
// retried, so that the lookup can find the account, before the name counts as taken by
// something else (Graph clients try eight times).
const hiddenAttempts = 8

// mayBeHidden reports whether the lookup may not show yet the account that has the user's
// name: our own, whose creation was never confirmed, or any new one.
func (u *user) mayBeHidden() bool {
	own := u.written.before.Unconfirmed
	return (own != nil && time.Since(own.At) < replicationTime) || u.number <= hiddenAttempts
}

// taken is the obstacle of a user whose sign-in name an account of another user has.
//
// Two accounts that have each other's names are not renamed by way of a third name: Entra may
// keep a former name as an address of the account's mailbox, where entrasync cannot take it
// away, and refuse it to everybody else (assumed). The account would then keep the third name.
func (b *userBatch) taken(ctx context.Context, u *user, upn directory.UPN, holder directory.EntraID, owner store.Owner) *directory.Obstacle {
	if link := b.leaving(ctx, owner); link != nil {
		return &directory.Obstacle{Reason: directory.UPNConflict, Message: heldBy(upn, holder, owner, *link)}
	}
	says := fmt.Sprintf("%s belongs to the JumpCloud user %s already: give one of the two another e-mail", upn, owner.Name())
	if own := b.nameOf(ctx, owner, upn); own != "" {
		says = fmt.Sprintf("%s is in Entra the sign-in name of the account %s of the JumpCloud user %s, who is to have %s: this user is synced once that account has its own name. See what keeps it from that, or rename it in Entra and sync both users again",
			upn, holder, owner.Name(), own)
		if u.link.EntraID != "" && b.holderOf(ctx, own) == u.link.EntraID {
			says = fmt.Sprintf("two accounts in Entra have each other's sign-in names: %s, which this user is to have, is that of the account %s of the JumpCloud user %s, and %s, which that user is to have, is that of this user's account: give one of the two accounts any third name in Entra, and sync both users again",
				upn, holder, owner.Name(), own)
		}
	}
	return &directory.Obstacle{Reason: directory.UPNConflict, Message: says}
}

// leaving is the link by which the owner of an account is to lose it and does not, because that
// waits in a hold or was rejected there; nil if there is none.
func (b *userBatch) leaving(ctx context.Context, owner store.Owner) *directory.Link {
	if owner.User == "" || owner.Organization != b.dir.Organization {
		return nil
	}
	known, err := b.Store.User(ctx, owner.Organization, owner.User)
	if err != nil {
		return nil
	}
	for _, id := range owner.Directories {
		if link, _ := known.Link(id); link.Status == directory.Held && plan.KindOf(link.HeldFor) == plan.Removals {
			return &link
		}
	}
	return nil
}

// heldBy is the sentence about a sign-in name that the account of a leaver has who is held.
func heldBy(upn directory.UPN, holder directory.EntraID, owner store.Owner, link directory.Link) string {
	is := fmt.Sprintf("%s is the sign-in name of the account %s of the JumpCloud user %s", upn, holder, owner.Name())
	if link.Reason == directory.HoldRejected {
		return fmt.Sprintf("%s, who keeps it although %s, because the hold %s was rejected: rename that account in Entra and sync this user again, or give this user another e-mail",
			is, directory.Sentence(link.HeldFor), link.Hold)
	}
	return fmt.Sprintf("%s, who is to lose it (%s) and waits in the hold %s: once that is approved, and the account is disabled, entrasync asks whether this user is the same person (POST /v1/directories/%s/holds/%s/approve). If it is somebody else, give this user another e-mail",
		is, directory.Sentence(link.HeldFor), link.Hold, link.Directory, link.Hold)
}

// nameOf is the sign-in name that the owner of an account is to have instead of one that the
// account has; "" if nothing says that it is to have another one.
func (b *userBatch) nameOf(ctx context.Context, owner store.Owner, has directory.UPN) directory.UPN {
	if owner.User == "" || owner.Organization != b.dir.Organization {
		return ""
	}
	source, err := b.jumpcloud.User(ctx, owner.User)
	if err != nil {
		return ""
	}
	known, err := b.Store.User(ctx, owner.Organization, owner.User)
	if err != nil {
		return ""
	}
	var names []directory.UPN
	for _, dir := range append([]directory.Directory{b.dir}, b.siblings...) {
		name, obstacle := dir.Settings.UserPrincipalName(source)
		if obstacle == nil && len(known.Paths(dir.ID)) > 0 && slices.Contains(owner.Directories, dir.ID) {
			names = append(names, name)
		}
	}
	if len(names) == 0 || slices.ContainsFunc(names, has.Same) {
		return ""
	}
	return names[0]
}

// whoHas adds to a refusal which account has the sign-in name, if that can be found out,
// and records that the user waits for the name. If the name became free just now, the
// refusal becomes one that is retried.
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
	f.Message = b.taken(ctx, u, upn, holder, owner).Message
}

// holderOf is the account that has a sign-in name; "" if that cannot be found out.
func (b *userBatch) holderOf(ctx context.Context, upn directory.UPN) directory.EntraID {
	found := b.entra.FindByUPN(ctx, []directory.UPN{upn}, nil)[0]
	if found.Err != nil || found.Account == nil {
		return ""
	}
	return found.Account.ID
}
