package reconcile

import (
	"context"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// tell has those looked at who wait for something that has happened now.
func (b *batch) tell(ctx context.Context, what store.Awaited, cause plan.Cause) error {
	waits, err := b.Store.Waits(ctx, what)
	if err != nil || len(waits) == 0 {
		return err
	}
	tasks := make([]Task, len(waits))
	for i, w := range waits {
		tasks[i] = Task{Directory: w.Directory, User: w.User, Cause: cause}
	}
	if err := Enqueue(ctx, b.Later, tasks...); err != nil {
		return err
	}
	return b.Store.RemoveWaits(ctx, waits...)
}

// tellArrived says that a user's account is new in the directory: to those who
// have the user as manager, and to the user's links in the other directories on
// the tenant, for which it may have been kept.
func (b *batch) tellArrived(ctx context.Context, u *user) {
	cause := plan.Cause{Type: "account_arrived", ID: string(u.link.EntraID), At: u.link.LastWriteAt}
	var err error
	if b.dir.Settings.ExportsManager() {
		err = b.tell(ctx, store.ManagerAccount(b.dir.ID, u.attempt.User), cause)
	}
	var others []Task
	for _, link := range u.known.Links {
		if slices.ContainsFunc(b.siblings, func(d directory.Directory) bool { return d.ID == link.Directory }) && link.EntraID != "" {
			others = append(others, Task{Directory: link.Directory, User: u.attempt.User, Cause: cause})
		}
	}
	if err == nil {
		err = Enqueue(ctx, b.Later, others...)
	}
	if err != nil {
		b.retryUnseen(ctx, u, fault.Wrap(err, fault.Transient, "reconcile.tell"))
	}
}

// tellRenamed says that the name of a user's account is free.
func (b *batch) tellRenamed(ctx context.Context, u *user) {
	if !u.renamed {
		return
	}
	cause := plan.Cause{Type: "name_freed", ID: string(u.before.UPN), At: u.link.LastWriteAt}
	if err := b.tell(ctx, store.FreeAccount(b.dir.TenantObject, u.link.EntraID), cause); err != nil {
		b.retryUnseen(ctx, u, err)
	}
}
