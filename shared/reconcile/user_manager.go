package reconcile

import (
	"context"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// A manager in Entra is a reference to another account, so a user's manager can only be
// written once the manager has one. The user's attempt records a wait and then reads the
// manager's link once more; the manager's attempt writes its link and then reads the
// waits. So at least one of the two attempts sees the other.

// findManagers finds the accounts of the users' managers.
func (b *userBatch) findManagers(ctx context.Context, users []*user) {
	var waiting []*user
	for _, u := range users {
		switch {
		case !u.plan.Desired.HasManager:
		case u.plan.Desired.Manager == "":
			b.setManager(u, "")
		default:
			waiting = append(waiting, u)
		}
	}
	if waiting = b.setManagers(ctx, waiting); len(waiting) == 0 {
		return
	}
	waits := make([]store.Wait, len(waiting))
	for i, u := range waiting {
		waits[i] = b.waitForManager(u)
	}
	if err := b.Store.AddWaits(ctx, waits...); err != nil {
		b.failEach(ctx, waiting, err)
		return
	}
	for _, u := range b.setManagers(ctx, waiting) {
		if u.over {
			continue
		}
		b.setManager(u, "")
	}
}

// setManager sets the account of the manager, or that there is none: the user has no manager,
// or the manager has no account. No manager is better than one whom the user does not have any
// more.
func (b *userBatch) setManager(u *user, account directory.EntraID) {
	d := &u.plan.Desired
	switch {
	case account != "":
		*d = d.With(directory.Manager, directory.Text(string(account)))
		return
	case d.Manager == "":
		*d = d.With(directory.Manager, nil)
		return
	}
	d.Problems = append(d.Problems, directory.Problem{Attribute: directory.Manager, Reason: directory.ManagerAbsent,
		Message: "the manager " + string(d.Manager) + " has no account in this directory yet: it is filled in when the manager is connected"})
	if b.mayHaveManager(u) {
		*d = d.With(directory.Manager, nil)
	}
}

// mayHaveManager reports whether the account may have a manager whom entrasync wrote and whom
// this directory is to take away. Another directory on the tenant may have written one: if it
// has let the user go, nobody else takes that one away; if it still has the user, it does so
// itself, unless this directory knows that it wrote the same.
func (b *userBatch) mayHaveManager(u *user) bool {
	if len(u.link.Applied[directory.Manager]) > 0 {
		return true
	}
	may := u.link.MayHaveManager()
	for _, sibling := range b.siblings {
		link, _ := u.known.Link(sibling.ID)
		switch connected := len(u.known.Paths(sibling.ID)) > 0; {
		case link.EntraID == "" || link.EntraID != u.link.EntraID:
		case !connected:
			may = may || link.MayHaveManager()
		case len(link.Applied[directory.Manager]) > 0:
			return false
		}
	}
	return may
}

// letManagersBe finds those of the users who are back whose account got another manager, or
// none, while they were away: who was set by hand is not taken away as one whom we wrote. It is
// known before the accounts are claimed again, with which the links forget whom we wrote.
func (b *userBatch) letManagersBe(ctx context.Context, users []*user) {
	var back []*user
	var accounts []directory.EntraID
	for _, u := range users {
		if d := u.plan.Desired; d.Managed && d.HasManager && d.Manager != "" && len(u.link.Applied[directory.Manager]) > 0 && b.isBack(u) {
			back, accounts = append(back, u), append(accounts, u.link.EntraID)
		}
	}
	if len(back) == 0 {
		return
	}
	for i, found := range b.entra.Read(ctx, accounts, []directory.Attribute{directory.Manager}) {
		switch u := back[i]; {
		case found.Err != nil:
			b.fail(ctx, u, found.Err)
		case found.Account != nil && !found.Account.Attributes[directory.Manager].Equal(u.link.Applied[directory.Manager]):
			u.link.Applied = u.link.Applied.Without([]directory.Change{{Attribute: directory.Manager}})
			u.link.WroteManager = false
		}
	}
}

// setManagers sets the managers that have an account and returns the users whose
// manager has none.
func (b *userBatch) setManagers(ctx context.Context, users []*user) []*user {
	if len(users) == 0 {
		return nil
	}
	managers := make([]directory.UserID, len(users))
	for i, u := range users {
		managers[i] = u.plan.Desired.Manager
	}
	accounts, err := b.Store.Accounts(ctx, b.dir.ID, managers)
	if err != nil {
		b.failEach(ctx, users, err)
		return nil
	}
	var without []*user
	for _, u := range users {
		if account := accounts[u.plan.Desired.Manager]; account != "" {
			b.setManager(u, account)
		} else {
			without = append(without, u)
		}
	}
	return without
}

// waitForManager is the record that the user waits for the manager's account.
func (b *userBatch) waitForManager(u *user) store.Wait {
	return store.Wait{For: store.ManagerAccount(b.dir.ID, u.plan.Desired.Manager), Directory: b.dir.ID, User: u.attempt.User}
}
