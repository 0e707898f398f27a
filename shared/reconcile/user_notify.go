package reconcile

import (
	"context"
	"slices"
	"strconv"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// notifyWaiting has those looked at who wait for something that has happened now.
func (b *userBatch) notifyWaiting(ctx context.Context, what store.Awaited, cause plan.Cause) error {
	waits, err := b.Store.Waits(ctx, what)
	if err != nil || len(waits) == 0 {
		return err
	}
	tasks := make([]Task, len(waits))
	for i, w := range waits {
		tasks[i] = Task{Directory: w.Directory, User: w.User, Cause: cause}
	}
	if err := Enqueue(ctx, b.Lanes.UsersBulk, tasks...); err != nil {
		return err
	}
	return b.Store.RemoveWaits(ctx, waits...)
}

// announceArrival says that a user's account is new in the directory: to those who
// have the user as manager, to the groups that hold the user, and to the user's
// links in the other directories on the tenant, for which it may have been kept.
func (b *userBatch) announceArrival(ctx context.Context, u *user) {
	cause := plan.Cause{Type: "account_arrived", ID: string(u.link.EntraID) + "/" + strconv.FormatInt(u.link.Version, 10), At: u.link.LastWriteAt}
	var err error
	if b.dir.Settings.ExportsManager() {
		err = b.notifyWaiting(ctx, store.ManagerAccount(b.dir.ID, u.attempt.User), cause)
	}
	if err == nil {
		err = b.joinGroups(ctx, u, cause)
	}
	var others []Task
	for _, link := range u.known.Links {
		if slices.ContainsFunc(b.siblings, func(d directory.Directory) bool { return d.ID == link.Directory }) && link.EntraID != "" {
			others = append(others, Task{Directory: link.Directory, User: u.attempt.User, Cause: cause})
		}
	}
	if err == nil {
		err = Enqueue(ctx, b.Lanes.UsersBulk, others...)
	}
	if err != nil {
		b.retry(ctx, u, fault.Wrap(err, fault.Transient, "reconcile.notify"))
	}
}

// announceFreeName says that the name of a user's account is free.
func (b *userBatch) announceFreeName(ctx context.Context, u *user) {
	if !u.written.renamed {
		return
	}
	cause := plan.Cause{Type: "name_freed", ID: string(u.written.before.UPN), At: u.link.LastWriteAt}
	if err := b.notifyWaiting(ctx, store.FreeAccount(b.dir.TenantObject, u.link.EntraID), cause); err != nil {
		b.retry(ctx, u, err)
	}
}

// notifyGroups has the groups looked at that a user joined or left, also in an attempt
// before this one that ended before it could.
func (b *userBatch) notifyGroups(ctx context.Context, u *user) error {
	pending, err := b.Store.PendingNotices(ctx, b.dir.ID, u.attempt.User)
	if err != nil || len(pending) == 0 {
		return err
	}
	tasks := make([]GroupTask, len(pending))
	for i, id := range pending {
		tasks[i] = GroupTask{Directory: b.dir.ID, Group: id, Cause: u.cause}
	}
	if err := Enqueue(ctx, b.Lanes.GroupsLive, tasks...); err != nil {
		return err
	}
	return b.Store.NoticesSent(ctx, b.dir.ID, u.attempt.User, pending...)
}

// joinGroups has the groups looked at that a user joins with a new account. The
// paths are read anew: whoever put the user into a group before the account was
// recorded is seen here, and after it sees the account.
func (b *userBatch) joinGroups(ctx context.Context, u *user, cause plan.Cause) error {
	if !b.dir.Settings.ManageGroups {
		return nil
	}
	known, err := b.Store.User(ctx, b.dir.Organization, u.attempt.User)
	if err != nil {
		return err
	}
	groups, err := b.without(ctx, u, groupsOf(known, b.dir.ID))
	if err != nil || len(groups) == 0 {
		return err
	}
	var marks []store.Mark
	for _, id := range groups {
		marks = append(marks, store.Mark{Directory: b.dir.ID, Group: id, User: u.attempt.User})
	}
	if err := b.Store.MarkDirty(ctx, marks...); err != nil {
		return err
	}
	look, err := b.Store.ReadGroups(ctx, b.dir.ID, groups)
	if err != nil {
		return err
	}
	var tasks []GroupTask
	for _, id := range groups {
		// A group that waits for accounts sees the mark when it looks next.
		if link, found := look.Groups[id].Link(b.dir.ID); !found || link.Coming == 0 {
			tasks = append(tasks, GroupTask{Directory: b.dir.ID, Group: id, Cause: cause})
		}
	}
	return Enqueue(ctx, b.Lanes.GroupsBulk, tasks...)
}

// without are those of a user's groups that do not have the user's account yet. The
// others need not be told: who was told of before is told of again at the next look.
func (b *userBatch) without(ctx context.Context, u *user, groups []directory.GroupID) ([]directory.GroupID, error) {
	var missing []directory.GroupID
	for _, id := range groups {
		members, err := b.Store.SomeMembers(ctx, b.dir.ID, id, []directory.UserID{u.attempt.User})
		if err != nil {
			return nil, err
		}
		if len(members) == 0 || members[0].Applied != u.link.EntraID {
			missing = append(missing, id)
		}
	}
	return missing, nil
}
