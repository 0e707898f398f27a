package reconcile

import (
	"context"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// A manager in Entra is a reference to another account, so a user's manager can
// only be written once the manager has one. Who comes first is written down as
// waiting before the manager's link is read for the last time, and the manager's
// link is written before those who wait are read: whichever happens first, one
// of the two sees the other.

// findManagers finds the accounts of the users' managers.
func (b *userBatch) findManagers(ctx context.Context, users []*user) {
	var waiting []*user
	for _, u := range users {
		switch {
		case !u.plan.Desired.HasManager:
		case u.plan.Desired.Manager == "":
			u.plan.Desired = u.plan.Desired.With(directory.Manager, nil)
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
		u.plan.Desired.Problems = append(u.plan.Desired.Problems, directory.Problem{Attribute: directory.Manager, Reason: directory.ManagerAbsent,
			Message: "the manager " + string(u.plan.Desired.Manager) + " has no account in this directory yet: it is filled in when the manager is connected"})
		// A manager that we wrote and that is the manager no more is worse than none.
		if len(u.link.Applied[directory.Manager]) > 0 {
			u.plan.Desired = u.plan.Desired.With(directory.Manager, nil)
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
			u.plan.Desired = u.plan.Desired.With(directory.Manager, directory.Text(string(account)))
		} else {
			without = append(without, u)
		}
	}
	return without
}

// waitForManager says that the user waits for the manager's account.
func (b *userBatch) waitForManager(u *user) store.Wait {
	return store.Wait{For: store.ManagerAccount(b.dir.ID, u.plan.Desired.Manager), Directory: b.dir.ID, User: u.attempt.User}
}
