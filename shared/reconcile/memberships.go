package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// asksPaths reports whether the task asks to read by which paths the user is
// connected.
func (u *user) asksPaths() bool { return u.attempt.Memberships || u.attempt.Source }

// readPaths makes the paths of one user those that JumpCloud has, as far as the task
// asks: which groups hold the user, and whether the connection source does.
func (b *batch) readPaths(ctx context.Context, u *user) error {
	if !u.asksPaths() {
		return nil
	}
	jc, err := b.Systems.JumpCloudGroups(ctx, b.dir.Organization)
	if err != nil {
		return jumpCloudTrouble(err)
	}
	if source := b.dir.Settings.ConnectionSource; u.attempt.Source && source.Type != directory.NoSource {
		if err := b.readSource(ctx, jc, u); err != nil {
			return err
		}
	}
	if !u.attempt.Memberships {
		return nil
	}
	return b.readGroups(ctx, jc, u)
}

// readSource makes the path by the connection source what JumpCloud has.
func (b *batch) readSource(ctx context.Context, jc JumpCloudGroups, u *user) error {
	source := b.dir.Settings.ConnectionSource
	var err error
	if u.held, err = jc.IsUserAssociated(ctx, source, u.attempt.User); err != nil {
		return jumpCloudTrouble(err)
	}
	if u.held {
		if err := b.dispel(ctx, u, store.Doubt{What: store.UserSource}); err != nil {
			return err
		}
		return b.Store.Connect(ctx, b.dir.ID, u.attempt.User, directory.Source, time.Now().UTC())
	}
	if !slices.Contains(u.known.Paths(b.dir.ID), directory.Source) {
		return nil
	}
	gone := states(u.attempt.Claims, u.link.Claimed, directory.Dissociated, func(c directory.Claim) bool { return c.Source == source })
	if !gone {
		gone, err = b.judge(ctx, u, store.Doubt{What: store.UserSource}, func(ctx context.Context) (bool, error) {
			users, _, err := jc.Associated(ctx, source)
			if fault.Is(err, fault.NotFound) {
				return true, nil
			}
			return !slices.Contains(users, u.attempt.User), err
		})
	}
	if err == nil && !gone {
		u.doubted = append(u.doubted, directory.Source)
	}
	if err != nil || !gone {
		return err
	}
	_, err = b.Store.Disconnect(ctx, b.dir.ID, u.attempt.User, directory.Source, directory.Disconnected)
	return err
}

// readGroups makes the paths by groups those that JumpCloud has.
func (b *batch) readGroups(ctx context.Context, jc JumpCloudGroups, u *user) error {
	var err error
	if u.groups, err = jc.GroupsOf(ctx, u.attempt.User); err != nil {
		return jumpCloudTrouble(err)
	}
	stay := slices.Clone(u.groups)
	for _, id := range groupsOf(u.known, b.dir.ID) {
		if slices.Contains(u.groups, id) {
			if err := b.dispel(ctx, u, store.Doubt{What: store.UserInGroup, Group: id}); err != nil {
				return err
			}
			continue
		}
		if states(u.attempt.Claims, u.link.Claimed, directory.Left, func(c directory.Claim) bool { return c.Group == id }) {
			continue
		}
		gone, err := b.judge(ctx, u, store.Doubt{What: store.UserInGroup, Group: id}, func(ctx context.Context) (bool, error) {
			users, _, err := jc.GroupMembers(ctx, id)
			if fault.Is(err, fault.NotFound) {
				return true, nil
			}
			return !slices.Contains(users, u.attempt.User), err
		})
		if err != nil {
			return err
		}
		if !gone {
			stay, u.doubted = append(stay, id), append(u.doubted, id.Path())
		}
	}
	return b.setGroups(ctx, u, stay, directory.LeftGroup)
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

// setGroups makes a user a member of exactly those of some groups that are
// connected, and has the groups looked at in which that changes anything.
func (b *batch) setGroups(ctx context.Context, u *user, groups []directory.GroupID, why directory.Reason) error {
	concerned := slices.Concat(groups, groupsOf(u.known, b.dir.ID))
	slices.Sort(concerned)
	concerned = slices.Compact(concerned)
	if len(concerned) == 0 {
		return b.tellGroups(ctx, u)
	}
	look, err := b.Store.LookGroups(ctx, b.dir.ID, concerned)
	if err != nil {
		return err
	}
	for _, id := range concerned {
		before := slices.Contains(groupsOf(u.known, b.dir.ID), id)
		in := look.Groups[id].Connected(b.dir.ID) && slices.Contains(groups, id)
		if in == before {
			continue
		}
		if _, err := b.Store.SetMemberships(ctx, b.dir.ID, id, time.Now().UTC(), store.Membership{User: u.attempt.User, In: in, Why: why, Tell: true}); err != nil {
			return err
		}
	}
	return b.tellGroups(ctx, u)
}

// tellGroups has the groups looked at that a user joined or left, also in an attempt
// before this one that ended before it could.
func (b *batch) tellGroups(ctx context.Context, u *user) error {
	untold, err := b.Store.Untold(ctx, b.dir.ID, u.attempt.User)
	if err != nil || len(untold) == 0 {
		return err
	}
	tasks := make([]GroupTask, len(untold))
	for i, id := range untold {
		tasks[i] = GroupTask{Directory: b.dir.ID, Group: id, Cause: u.attempt.Cause}
	}
	if err := Enqueue(ctx, b.GroupsLive, tasks...); err != nil {
		return err
	}
	return b.Store.Told(ctx, b.dir.ID, u.attempt.User, untold...)
}

// leaveAll takes users who were deleted out of their groups: JumpCloud need not say
// so by an event of its own.
func (b *batch) leaveAll(ctx context.Context, users []*user) {
	for _, u := range users {
		if u.source == nil {
			if err := b.setGroups(ctx, u, nil, directory.Deleted); err != nil {
				b.fail(ctx, u, err)
			}
		}
	}
}

// joinGroups has the groups looked at that a user joins with a new account. The
// paths are read anew: whoever put the user into a group before the account was
// recorded is seen here, and after it sees the account.
func (b *batch) joinGroups(ctx context.Context, u *user, cause plan.Cause) error {
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
	var touches []store.Touch
	for _, id := range groups {
		touches = append(touches, store.Touch{Directory: b.dir.ID, Group: id, User: u.attempt.User})
	}
	if err := b.Store.Touch(ctx, touches...); err != nil {
		return err
	}
	look, err := b.Store.LookGroups(ctx, b.dir.ID, groups)
	if err != nil {
		return err
	}
	var tasks []GroupTask
	for _, id := range groups {
		// A group that waits for accounts sees the touch when it looks next.
		if link, found := look.Groups[id].Link(b.dir.ID); !found || link.Coming == 0 {
			tasks = append(tasks, GroupTask{Directory: b.dir.ID, Group: id, Cause: cause})
		}
	}
	return Enqueue(ctx, b.GroupsBulk, tasks...)
}

// without are those of a user's groups that do not have the user's account yet. The
// others need not be told: who was told of before is told of again at the next look.
func (b *batch) without(ctx context.Context, u *user, groups []directory.GroupID) ([]directory.GroupID, error) {
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
