package reconcile

import (
	"context"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// A manager in Entra is a reference to another account, so a user's manager can
// only be written once the manager has one. Who comes first is written down as
// waiting before the manager's link is read for the last time, and the manager's
// link is written before those who wait are read: whichever happens first, one
// of the two sees the other.

// checkDomains holds the sign-in names that are to be written against the domains
// that the tenant verified. When the tenant cannot be asked nothing is lost: Entra
// refuses what it does not take.
func (b *batch) checkDomains(ctx context.Context, users []*user) {
	var domains []string
	for _, u := range users {
		if u.plan.Names() {
			domains = append(domains, u.plan.Desired.UPN.Domain())
		}
	}
	if len(domains) == 0 {
		return
	}
	tenant, err := b.entra.Tenant(ctx, domains)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("directory", string(b.dir.ID)).Msg("the tenant's domains cannot be read")
		return
	}
	for _, u := range users {
		if u.plan.Names() {
			u.plan.Desired = u.plan.Desired.In(tenant)
		}
	}
}

// findManagers finds the accounts of the users' managers.
func (b *batch) findManagers(ctx context.Context, users []*user) {
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
		waits[i] = store.Wait{Directory: b.dir.ID, Manager: u.plan.Desired.Manager, User: u.attempt.User}
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
func (b *batch) setManagers(ctx context.Context, users []*user) []*user {
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

// tellReports has those looked at who wait for a user's account as their manager.
func (b *batch) tellReports(ctx context.Context, u *user) {
	if !b.dir.Settings.ExportsManager() {
		return
	}
	waits, err := b.Store.Waits(ctx, b.dir.ID, u.attempt.User)
	if err == nil && len(waits) > 0 {
		tasks := make([]Task, len(waits))
		for i, w := range waits {
			tasks[i] = Task{Directory: b.dir.ID, User: w.User, Cause: plan.Cause{Type: "manager_arrived", ID: string(u.link.EntraID), At: u.link.LastWriteAt}}
		}
		if err = Enqueue(ctx, b.Later, tasks...); err == nil {
			err = b.Store.RemoveWaits(ctx, waits...)
		}
	}
	if err != nil {
		b.retryUnseen(ctx, u, fault.Wrap(err, fault.Transient, "reconcile.tell reports"))
	}
}
