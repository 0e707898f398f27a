package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// asksPaths reports whether the task asks to read by which paths the user is
// connected.
func (u *user) asksPaths() bool { return u.attempt.Memberships || u.attempt.Source }

// readPaths sets the paths of one user to those that JumpCloud has, as far as the task asks
// for them: by which groups, and whether by the connection source.
func (b *userBatch) readPaths(ctx context.Context, u *user) error {
	if u.attempt.Source && b.dir.Settings.ConnectionSource.Type != directory.NoSource {
		if err := b.readSource(ctx, u); err != nil {
			return err
		}
	}
	if !u.attempt.Memberships {
		return nil
	}
	return b.readGroups(ctx, u)
}

// readSource sets or removes the path by the connection source, as JumpCloud has it.
func (b *userBatch) readSource(ctx context.Context, u *user) error {
	source, about := b.dir.Settings.ConnectionSource, b.about(u, store.UserSource, "")
	var err error
	if u.read.held, err = b.jumpcloud.IsUserAssociated(ctx, source, u.attempt.User); err != nil {
		return jumpCloudTrouble(err)
	}
	if u.read.held {
		if err := b.dispel(ctx, u, about); err != nil {
			return err
		}
		return b.Store.Connect(ctx, b.dir.ID, u.attempt.User, directory.Source, time.Now().UTC())
	}
	if !slices.Contains(u.known.Paths(b.dir.ID), directory.Source) {
		return nil
	}
	gone, err := hasLeftSource(ctx, &b.linkEngine, u, about, u.attempt.User, func(ctx context.Context) ([]directory.UserID, error) {
		users, _, err := b.jumpcloud.Associated(ctx, source)
		return users, err
	})
	if err == nil && !gone {
		u.read.doubted = append(u.read.doubted, directory.Source)
	}
	if err != nil || !gone {
		return err
	}
	_, err = b.Store.Disconnect(ctx, b.dir.ID, u.attempt.User, directory.Source, directory.Disconnected)
	return err
}

// readGroups sets the paths by groups to those that JumpCloud has.
func (b *userBatch) readGroups(ctx context.Context, u *user) error {
	since := time.Now().UTC()
	var err error
	if u.read.groups, err = b.jumpcloud.GroupsOf(ctx, u.attempt.User); err != nil {
		return jumpCloudTrouble(err)
	}
	stay := slices.Clone(u.read.groups)
	for _, id := range groupsOf(u.known, b.dir.ID) {
		about := b.about(u, store.UserInGroup, id)
		if slices.Contains(u.read.groups, id) {
			if err := b.dispel(ctx, u, about); err != nil {
				return err
			}
			continue
		}
		if b.states(u, directory.Left, func(c directory.Claim) bool { return c.Group == id }) {
			continue
		}
		gone, err := b.judge(ctx, u, about, isUnlisted(u.attempt.User, func(ctx context.Context) ([]directory.UserID, error) {
			users, _, err := b.jumpcloud.GroupMembers(ctx, id)
			return users, err
		}))
		if err != nil {
			return err
		}
		if !gone {
			stay, u.read.doubted = append(stay, id), append(u.read.doubted, id.Path())
		}
	}
	return b.setGroups(ctx, u, stay, directory.LeftGroup, since)
}

// groupsOf are the groups by which a user is connected to a directory.
func groupsOf(known store.User, id directory.ID) []directory.GroupID {
	var groups []directory.GroupID
	for _, path := range known.Paths(id) {
		if group, is := path.Group(); is {
			groups = append(groups, group)
		}
	}
	return groups
}

// setGroups makes a user a member of exactly those of the given groups that are connected,
// and sends tasks for the groups that change. since is when JumpCloud began to be read for
// the groups; Changed if the user left one of them since.
func (b *userBatch) setGroups(ctx context.Context, u *user, groups []directory.GroupID, why directory.Reason, since time.Time) error {
	concerned := slices.Concat(groups, groupsOf(u.known, b.dir.ID))
	slices.Sort(concerned)
	concerned = slices.Compact(concerned)
	if len(concerned) == 0 {
		return b.notifyGroups(ctx, u)
	}
	records, err := b.Store.ReadGroups(ctx, b.dir.ID, concerned)
	if err != nil {
		return err
	}
	for _, id := range concerned {
		before := slices.Contains(groupsOf(u.known, b.dir.ID), id)
		in := records.Groups[id].Connected(b.dir.ID) && slices.Contains(groups, id)
		if in == before {
			continue
		}
		all, err := b.Store.SetMemberships(ctx, b.dir.ID, id, time.Now().UTC(), store.Membership{User: u.attempt.User, In: in, Why: why, Notify: true, Since: since})
		if err != nil {
			return err
		}
		if len(all.Overtaken) > 0 {
			return fault.New(fault.Changed, "reconcile.set groups", "the user left a group while it was read who is in it: both are read again")
		}
	}
	return b.notifyGroups(ctx, u)
}

// leaveGroups removes users who were deleted from their groups: JumpCloud may send no
// event of its own for that.
func (b *userBatch) leaveGroups(ctx context.Context, users []*user) {
	for _, u := range users {
		if u.read.source == nil {
			if err := b.setGroups(ctx, u, nil, directory.Deleted, time.Time{}); err != nil {
				b.fail(ctx, u, err)
			}
		}
	}
}
