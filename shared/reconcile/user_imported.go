package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// A user who was imported from an account of the tenant gets that very account, known by
// its object id: its name, and the user's e-mail, may have changed since the import.

// importedFrom is the account of the tenant from which a user was imported; "" if another
// directory on the tenant gave it to the user: then [userBatch.share] decides.
func (b *userBatch) importedFrom(known store.User) directory.EntraID {
	account := known.ImportedFrom(b.dir.TenantObject)
	for _, sibling := range b.siblings {
		if link, _ := known.Link(sibling.ID); strings.EqualFold(string(link.EntraID), string(account)) {
			return ""
		}
	}
	return account
}

// lookUpOrigins reads the accounts from which users without an account were imported, in one
// batch.
func (b *userBatch) lookUpOrigins(ctx context.Context, users []*user) {
	imported := slices.DeleteFunc(slices.Clone(users), func(u *user) bool { return u.plan.Origin() == "" })
	if len(imported) == 0 {
		return
	}
	var missing []*user
	for i, found := range b.entra.Read(ctx, originsOf(imported), desiredOf(imported)) {
		switch u := imported[i]; {
		case found.Err != nil:
			b.fail(ctx, u, found.Err)
		case found.Account == nil:
			missing = append(missing, u)
		default:
			u.plan = u.plan.FoundOrigin(found.Account)
		}
	}
	if len(missing) > 0 {
		b.judgeOrigins(ctx, missing)
	}
}

// originsOf are the accounts from which users were imported.
func originsOf(users []*user) []directory.EntraID {
	accounts := make([]directory.EntraID, len(users))
	for i, u := range users {
		accounts[i] = u.plan.Origin()
	}
	return accounts
}

// judgeOrigins decides whether accounts are gone that Entra does not show: it lists them as
// deleted, or two reads some seconds apart agree. They existed when the users were imported,
// and if one answer were wrong the user would get a second account.
func (b *userBatch) judgeOrigins(ctx context.Context, users []*user) {
	for i, found := range b.entra.FindDeleted(ctx, originsOf(users)) {
		u, account := users[i], users[i].plan.Origin()
		if found.Err != nil {
			b.fail(ctx, u, found.Err)
			continue
		}
		if found.Unsearched != nil {
			b.unsearched(ctx, u, found.Unsearched)
		}
		if found.Deleted == nil {
			if again := u.missOrigin(time.Now().UTC()); again > 0 {
				b.fail(ctx, u, &fault.Error{Op: "reconcile.look up imported", Kind: fault.Transient, Reason: directory.Unavailable, RetryAfter: again,
					Message: fmt.Sprintf("Entra does not show the account %s, which is to be the user's: it is looked for again", account)})
				continue
			}
		}
		u.line(zerolog.Ctx(ctx).Warn()).Str("account", string(account)).Bool("deleted", found.Deleted != nil).
			Msg("the account that was to be the user's is not in Entra any more: one of the user's name is searched")
		u.plan = u.plan.LostOrigin(found.Deleted)
	}
}

// missOrigin notes that a read does not show the account from which the user was imported. It
// returns after how long to read again; 0 if the absence is believed.
func (u *user) missOrigin(now time.Time) time.Duration {
	absence := plan.Absence{Since: u.link.ImportMissing}
	if absence.WantsSecond(now) {
		return 0
	}
	after, _, again := absence.Shown(now, 0)
	u.link.ImportMissing = after.Since
	return again.Sub(now)
}

// takenBy is the obstacle of a user whose account belongs to another user.
func (b *userBatch) takenBy(ctx context.Context, u *user, holder directory.EntraID, owner store.Owner) *directory.Obstacle {
	account := u.plan.Account
	if account == nil || account.ID != u.plan.ImportedFrom {
		return b.taken(ctx, u, u.plan.Desired.UPN, holder, owner)
	}
	return &directory.Obstacle{Reason: directory.UPNConflict, Message: fmt.Sprintf(
		"%s (%s), the account from which this user was imported, belongs to the JumpCloud user %s already: disconnect one of the two", account.UPN, account.ID, owner.Name())}
}

// yield gives up the claim on the account from which the user was imported if another
// directory on the tenant, which gives the user another name, has just claimed it for the
// user: an account has one name. The error says that the next attempt decides again.
func (b *userBatch) yield(ctx context.Context, u *user, owner store.Owner) error {
	if !u.plan.Desired.Managed || u.link.EntraID != u.plan.ImportedFrom || !slices.ContainsFunc(b.siblings, func(sibling directory.Directory) bool {
		name, obstacle := sibling.Settings.UserPrincipalName(*u.read.source)
		otherwise := obstacle != nil || !name.Same(u.plan.Desired.UPN)
		return otherwise && slices.Contains(owner.Directories, sibling.ID) && len(u.known.Paths(sibling.ID)) > 0
	}) {
		return nil
	}
	u.link = u.plan.Link.Forgotten()
	if _, err := b.unclaim(ctx, u.plan.ImportedFrom, b.owner(u)); err != nil {
		return err
	}
	return &fault.Error{Op: "reconcile.yield", Kind: fault.Transient, Reason: directory.Unavailable,
		Message: "another directory on the tenant has just taken the account over for this user, under another name: the next attempt decides again"}
}
