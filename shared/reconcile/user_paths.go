package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"entrasync/shared/directory"
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
	began := time.Now().UTC()
	var err error
	if u.read.held, err = b.jumpcloud.IsUserAssociated(ctx, source, u.attempt.User); err != nil {
		return jumpCloudTrouble(err)
	}
	known := slices.Contains(u.known.Paths(b.dir.ID), directory.Source)
	if left := b.statedToLeaveSource(u); !known && !left.IsZero() {
		return b.leaveSource(ctx, u, left)
	}
	if u.read.held {
		return b.connectBySource(ctx, u, about, began)
	}
	if !known {
		return nil
	}
	left, err := hasLeftSource(ctx, &b.linkEngine, u, about, u.attempt.User, func(ctx context.Context) ([]directory.UserID, error) {
		return b.jumpcloud.AssociatedUsers(ctx, source)
	})
	if err == nil && left.IsZero() {
		u.read.doubted = append(u.read.doubted, directory.Source)
	}
	if err != nil || left.IsZero() {
		return err
	}
	return b.leaveSource(ctx, u, left)
}

// connectBySource connects a user whom the source has, as a read shows that began at a
// time. A user who left the source so late that the read may not show it yet is read again.
func (b *userBatch) connectBySource(ctx context.Context, u *user, about store.Doubt, began time.Time) error {
	if err := b.dispel(ctx, u, about); err != nil {
		return err
	}
	overtaken, err := b.Store.ConnectRead(ctx, b.dir.ID, u.attempt.User, directory.Source, time.Now().UTC(), b.inSourceSince(u, began))
	if overtaken {
		u.overtake()
	}
	return err
}

// overtake has a user read again of whom JumpCloud shows a path that was left just now.
func (u *user) overtake() {
	u.read.overtaken = true
	u.readAfterLag()
}

// leaveSource ends the path by the source of a user who left it at a time.
func (b *userBatch) leaveSource(ctx context.Context, u *user, at time.Time) error {
	_, err := b.Store.Leave(ctx, b.dir.ID, u.attempt.User, directory.Source, directory.Disconnected, at)
	return err
}

// readGroups sets the paths by groups to those that JumpCloud has.
func (b *userBatch) readGroups(ctx context.Context, u *user) error {
	began := time.Now().UTC()
	var err error
	if u.read.groups, err = b.jumpcloud.GroupsOf(ctx, u.attempt.User); err != nil {
		return jumpCloudTrouble(err)
	}
	if err := b.joinExcluded(ctx, u); err != nil {
		return err
	}
	stay, left := slices.Clone(u.read.groups), b.statedToLeave(u)
	for _, id := range groupsOf(u.known, b.dir.ID) {
		about := b.about(u, store.UserInGroup, id)
		if slices.Contains(u.read.groups, id) {
			if err := b.dispel(ctx, u, about); err != nil {
				return err
			}
			continue
		}
		if !left[id].IsZero() {
			continue
		}
		since, err := b.judge(ctx, u, about, isUnlisted(u.attempt.User, func(ctx context.Context) ([]directory.UserID, error) {
			users, _, err := b.jumpcloud.GroupMembers(ctx, id)
			return users, err
		}))
		if err != nil {
			return err
		}
		if since.IsZero() {
			stay, u.read.doubted = append(stay, id), append(u.read.doubted, id.Path())
		} else {
			left[id] = since
		}
	}
	return b.setGroups(ctx, u, memberships{groups: stay, began: began, left: left, why: directory.LeftGroup})
}

// statedToLeave are the groups that the user left according to the events behind the task,
// and when.
func (b *userBatch) statedToLeave(u *user) map[directory.GroupID]time.Time {
	left := map[directory.GroupID]time.Time{}
	for _, c := range u.claims {
		if c.Kind != directory.Left {
			continue
		}
		if at := b.statedAt(u, directory.Left, func(other directory.Claim) bool { return other.Group == c.Group }); !at.IsZero() {
			left[c.Group] = at
		}
	}
	return left
}

// memberships are the groups that have a user as member.
type memberships struct {
	groups []directory.GroupID
	began  time.Time                       // when JumpCloud began to be read for them; zero: it was not read
	left   map[directory.GroupID]time.Time // groups that the user left, if it is known when
	why    directory.Reason                // the user is in no others
}

// of is the change of the membership in one group, and whether the user is to be in it.
func (m memberships) of(b *userBatch, u *user, id directory.GroupID, in bool) store.Membership {
	change := store.Membership{User: u.attempt.User, In: in, Why: m.why, Notify: true, Left: m.left[id]}
	if !m.began.IsZero() {
		change.Since = b.certainly(u, m.began, directory.Claim{Kind: directory.Joined, Group: id})
	}
	return change
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
// and sends tasks for the groups that change. A user who left a group so late that the read
// may not show it yet stays out, and is read again.
func (b *userBatch) setGroups(ctx context.Context, u *user, m memberships) error {
	concerned := slices.Concat(m.groups, groupsOf(u.known, b.dir.ID), slices.Collect(maps.Keys(m.left)))
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
		connects, left := records.Groups[id].Connected(b.dir.ID), !m.left[id].IsZero()
		in := connects && slices.Contains(m.groups, id) && (before || !left)
		if in == before && (before || !left || !connects) {
			continue
		}
		all, err := b.Store.SetMemberships(ctx, b.dir.ID, id, time.Now().UTC(), m.of(b, u, id, in))
		if err != nil {
			return err
		}
		if len(all.Overtaken) > 0 {
			u.overtake()
		}
	}
	return b.notifyGroups(ctx, u)
}

// leaveGroups removes users who were deleted from their groups: JumpCloud may send no
// event of its own for that.
func (b *userBatch) leaveGroups(ctx context.Context, users []*user) {
	for _, u := range users {
		if u.read.source == nil {
			if err := b.setGroups(ctx, u, memberships{why: directory.Deleted}); err != nil {
				b.fail(ctx, u, err)
			}
		}
	}
}
