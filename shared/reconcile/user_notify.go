package reconcile

import (
	"context"
	"slices"
	"strconv"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// notifyWaiting sends tasks for the users who wait for something that has now happened. Who is
// sent one waits no longer, so that what is left after a failure is not sent twice.
func (p Parts) notifyWaiting(ctx context.Context, what store.Awaited, cause plan.Cause) error {
	for cursor := ""; ; {
		page, err := p.Store.WaitsPage(ctx, what, 0, cursor)
		if err != nil {
			return err
		}
		tasks := make([]Task, len(page.Items))
		for i, w := range page.Items {
			tasks[i] = Task{Directory: w.Directory, User: w.User, Cause: cause}
		}
		if err := Enqueue(ctx, p.Lanes.UsersBulk, tasks...); err != nil {
			return err
		}
		if err := p.Store.RemoveWaits(ctx, page.Items...); err != nil {
			return err
		}
		if cursor = page.Cursor; cursor == "" {
			return nil
		}
	}
}

// announceArrival sends tasks because a user's account is new in the directory: for the
// users who have the user as manager, for the user's groups, and for the user in the
// other directories on the tenant, which may wait for the account.
func (b *userBatch) announceArrival(ctx context.Context, u *user) error {
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
	return fault.Wrap(err, fault.Transient, "reconcile.notify")
}

// announceFreeName sends tasks for the users who wait for the account's earlier name. It
// does so before the link says that nobody waits; a task that is sent twice does no harm.
func (b *userBatch) announceFreeName(ctx context.Context, u *user) error {
	if !u.link.NameFreed {
		return nil
	}
	sending, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	cause := plan.Cause{Type: "name_freed", ID: string(u.link.EntraID), At: u.link.LastWriteAt}
	if err := b.notifyWaiting(sending, store.FreeAccount(b.dir.TenantObject, u.link.EntraID), cause); err != nil {
		return err
	}
	u.link.NameFreed = false
	return nil
}

// notifyGroups sends tasks for the groups that a user joined or left, also in an earlier
// attempt that ended before it could send them.
func (b *userBatch) notifyGroups(ctx context.Context, u *user) error {
	pending, err := b.Store.PendingNotices(ctx, b.dir.ID, u.attempt.User)
	if err != nil || len(pending) == 0 {
		return err
	}
	tasks := make([]GroupTask, len(pending))
	for i, id := range pending {
		tasks[i] = GroupTask{Directory: b.dir.ID, Group: id, Cause: u.cause}
	}
	if err := Enqueue(ctx, b.Lanes.Groups(u.cause), tasks...); err != nil {
		return err
	}
	return b.Store.NoticesSent(ctx, b.dir.ID, u.attempt.User, pending...)
}

// joinGroups sends tasks for the groups that a user joins with a new account. It reads the
// paths again, to find a group that got the user before the account was recorded; one
// that gets the user later sees the account.
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
	records, err := b.Store.ReadGroups(ctx, b.dir.ID, groups)
	if err != nil {
		return err
	}
	var tasks []GroupTask
	for _, id := range groups {
		// A group that waits for accounts sees the mark in its next attempt.
		if link, found := records.Groups[id].Link(b.dir.ID); !found || link.Coming == 0 {
			tasks = append(tasks, GroupTask{Directory: b.dir.ID, Group: id, Cause: cause})
		}
	}
	return Enqueue(ctx, b.Lanes.GroupsBulk, tasks...)
}

// without are those of a user's groups that do not have the user's account yet. Only they
// need a task.
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
