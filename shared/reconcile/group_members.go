package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// sendGroups sends tasks that read all members of groups.
func (b *groupBatch) sendGroups(ctx context.Context, cause plan.Cause, groups []directory.GroupID) error {
	tasks := make([]GroupTask, len(groups))
	for i, id := range groups {
		tasks[i] = GroupTask{Directory: b.dir.ID, Group: id, Cause: cause, AllMembers: true, Source: true}
	}
	return Enqueue(ctx, b.Lanes.GroupsBulk, tasks...)
}

// sendUsers sends tasks for users.
func (b *groupBatch) sendUsers(ctx context.Context, lane queue.Sender, cause plan.Cause, users []directory.UserID) error {
	tasks := make([]Task, len(users))
	for i, id := range users {
		tasks[i] = Task{Directory: b.dir.ID, User: id, Cause: cause}
	}
	return Enqueue(ctx, lane, tasks...)
}

// sendChanged sends tasks for users whose memberships changed: those who join to the bulk
// lane, and those who left to the lane for so many as left in all.
func (b *groupBatch) sendChanged(ctx context.Context, cause plan.Cause, joined, left []directory.UserID, leftInAll int) error {
	leaving := cause.For(leftInAll)
	if err := b.sendUsers(ctx, b.Lanes.Users(leaving), leaving, left); err != nil {
		return err
	}
	return b.sendUsers(ctx, b.Lanes.UsersBulk, cause.For(len(joined)), joined)
}

// readMembership compares the members of a group with our records: it reads all members
// the first time and on request. A group that is not connected any more has no members.
func (b *groupBatch) readMembership(ctx context.Context, g *group) {
	var err error
	if g.plan.Connected && g.plan.Exists {
		g.link.Ending = nil
	}
	switch {
	case !g.plan.Connected || !g.plan.Exists:
		err = b.endMemberships(ctx, g)
	case g.link.ListedAt.IsZero(), g.link.ListedAt.Before(g.read.stranded), g.attempt.AllMembers && (g.number == 1 || !g.link.ListedAt.After(g.cause.At) || g.link.ListedAt.Before(g.attempt.NotBefore)):
		g.attempt.AllMembers = true
		err = b.readMembers(ctx, g)
	case g.link.NotifyPending:
		err = b.setMemberships(ctx, g, nil)
	}
	if err != nil {
		b.fail(ctx, g, err)
	}
}

// memberChunk is how many memberships are changed before the time that is left is checked.
const memberChunk = 100

// readMembers sets the memberships to those that JumpCloud lists: users who are new in the
// list join. It sends tasks that read one by one the users who are missing, because a list
// that changes while it is read, or is wrong once, must take nobody's access away, and
// the users who left after the list began to be read, because it may be older than that.
// The next attempt does what there is no time for.
func (b *groupBatch) readMembers(ctx context.Context, g *group) error {
	known, err := b.Store.AllMembers(ctx, b.dir.ID, g.attempt.Group)
	if err != nil {
		return err
	}
	list, err := b.listMembers(ctx, g)
	if err != nil || g.over {
		return err
	}
	users, within, asOf := list.Users, list.Within, list.Began
	var changes []store.Membership
	var missing []directory.UserID
	listed, wanted := map[directory.UserID]bool{}, map[directory.UserID]bool{}
	for _, id := range users {
		listed[id] = true
	}
	for _, m := range known {
		wanted[m.User] = m.Wanted
		if m.Wanted && !listed[m.User] {
			missing = append(missing, m.User)
		}
	}
	for _, id := range users {
		if !wanted[id] {
			changes = append(changes, store.Membership{User: id, In: true, Since: asOf.Add(-longestLag)})
		}
	}
	inside := make([]store.Within, len(within))
	for i, id := range within {
		inside[i] = store.Within{Directory: b.dir.ID, Outer: g.attempt.Group, Inner: id}
	}
	if err := b.Store.PutWithin(ctx, inside...); err != nil {
		return err
	}
	if err := b.askForMembers(ctx, g, missing); err != nil {
		return err
	}
	if err := b.setMemberships(ctx, g, changes); err != nil || g.over {
		return err
	}
	g.link.ListedAt = asOf
	return b.forgetList(ctx, g, list)
}

// askForMembers sends tasks for users who are not in the list of their group any more; the
// tasks read in which groups each user is.
func (b *groupBatch) askForMembers(ctx context.Context, g *group, missing []directory.UserID) error {
	var about []store.Doubt
	for _, id := range missing {
		about = append(about, store.Doubt{What: store.UserInGroup, User: id, Group: g.attempt.Group})
	}
	return b.askUsers(ctx, about, Task{Cause: g.cause, Memberships: true})
}

// askUsers sends tasks, due a little later, for users whom a list does not show any more.
// ask says what the tasks read.
func (b *groupBatch) askUsers(ctx context.Context, about []store.Doubt, ask Task) error {
	now := time.Now().UTC()
	ask.Cause = ask.Cause.For(len(about))
	tasks := make([]Task, len(about))
	for i := range about {
		about[i].Directory, about[i].People, about[i].Listed, about[i].Since = b.dir.ID, 1, true, now
		tasks[i] = ask
		tasks[i].Directory, tasks[i].User, tasks[i].NotBefore = b.dir.ID, about[i].User, now.Add(plan.SecondRead)
	}
	if err := b.Store.AddDoubts(ctx, about...); err != nil {
		return err
	}
	return Enqueue(ctx, b.Lanes.Users(ask.Cause), tasks...)
}

// readThemselves sends a task for each user whom a list shows, but who left after the list
// began to be read: it reads from JumpCloud whether the user is in. inAll is how many such
// users the list has so far.
func (b *groupBatch) readThemselves(ctx context.Context, ask Task, users []directory.UserID, inAll int) error {
	ask.Cause = ask.Cause.For(inAll)
	tasks := make([]Task, len(users))
	for i, id := range users {
		tasks[i] = ask
		tasks[i].Directory, tasks[i].User, tasks[i].NotBefore = b.dir.ID, id, time.Now().UTC().Add(plan.SecondRead)
	}
	return Enqueue(ctx, b.Lanes.Users(ask.Cause), tasks...)
}

// endMemberships ends all memberships of a group that is not connected any more: its members
// lose that path. In Entra the group stays as it is; the records keep whom we made a
// member there, for when the group is connected again. They forget it only if the group
// certainly never comes back: that one read does not show it may be wrong.
func (b *groupBatch) endMemberships(ctx context.Context, g *group) error {
	why := directory.GroupDisconnected
	if !g.plan.Exists {
		why = directory.GroupDeleted
	}
	if b.lease(ctx, []*group{g}); g.over { // another worker may not have sent all tasks yet
		return nil
	}
	known, err := b.Store.AllMembers(ctx, b.dir.ID, g.attempt.Group)
	if err != nil {
		return err
	}
	var leaving []directory.UserID
	for _, m := range known {
		if m.Wanted {
			leaving = append(leaving, m.User)
		}
	}
	now, err := b.announceEnd(ctx, g, leaving, why)
	if err != nil {
		return err
	}
	changes := make([]store.Membership, len(now))
	for i, id := range now {
		changes[i] = store.Membership{User: id, Why: why}
	}
	g.cause = g.cause.For(len(leaving)) // also if not all end now
	if err := b.setMemberships(ctx, g, changes); err != nil || g.over {
		return err
	}
	if len(now) < len(leaving) {
		b.comeAgain(g, firstWait, nil)
		return nil
	}
	g.link.ListedAt = time.Time{}
	gone := !g.plan.Exists && (g.believed || !b.statedAt(g, directory.Removed, anything).IsZero())
	deleting := b.dir.Settings.DeleteGroups && g.link.EntraID != ""                   // the guard asks who is in it
	leavers := b.dir.Settings.Leavers.RemoveFromGroups != nil && g.link.EntraID != "" // they are still in it
	return b.Store.ForgetMembers(ctx, b.dir.ID, g.attempt.Group, !gone || deleting || leavers)
}

// setMemberships changes memberships and sends tasks for the users: a few who leave to the
// live lane, many, and those who join, to the bulk lane. It takes the lease of the group: while one
// worker changes memberships, no other may clear marks for which no task was sent yet.
func (b *groupBatch) setMemberships(ctx context.Context, g *group, changes []store.Membership) error {
	if len(changes) == 0 && !g.link.NotifyPending {
		return nil
	}
	if b.lease(ctx, []*group{g}); g.over {
		return nil
	}
	leaving, overtaken := 0, 0 // in all, with those of earlier attempts
	for _, c := range changes {
		if !c.In {
			leaving++
		}
	}
	if err := b.notifyAgain(ctx, g, &leaving); err != nil {
		return err
	}
	if len(changes) > 0 && !g.link.NotifyPending {
		g.link.NotifyPending = true
		if b.record(ctx, []*group{g}); g.over {
			return nil
		}
	}
	for chunk := range slices.Chunk(changes, memberChunk) {
		if !deadline.Allows(ctx, groupWriteLimit) {
			b.comeAgain(g, firstWait, nil)
			return nil
		}
		all, err := b.Store.SetMemberships(ctx, b.dir.ID, g.attempt.Group, time.Now().UTC(), chunk...)
		if err != nil {
			return err
		}
		overtaken += len(all.Overtaken)
		if err := b.readThemselves(ctx, Task{Cause: g.cause, Memberships: true}, all.Overtaken, overtaken); err != nil {
			return err
		}
		var joined, left []directory.UserID
		for _, c := range chunk {
			switch {
			case slices.Contains(all.Overtaken, c.User):
			case c.In:
				joined = append(joined, c.User)
			default:
				left = append(left, c.User)
			}
		}
		if err := b.sendChanged(ctx, g.cause, joined, left, leaving); err != nil {
			return err
		}
	}
	g.link.NotifyPending = false
	return nil
}

// notifyAgain sends tasks for users whose memberships an earlier attempt changed and that
// perhaps ended before it could send them. It adds those who left to the number of those
// who leave in all.
func (b *groupBatch) notifyAgain(ctx context.Context, g *group, leaving *int) error {
	if !g.link.NotifyPending {
		return nil
	}
	marks, err := b.Store.Marks(ctx, b.dir.ID, g.attempt.Group)
	if err != nil {
		return err
	}
	users := make([]directory.UserID, len(marks))
	for i, m := range marks {
		users[i] = m.User
	}
	members, err := b.Store.SomeMembers(ctx, b.dir.ID, g.attempt.Group, users)
	if err != nil {
		return err
	}
	var joined []directory.UserID
	in := map[directory.UserID]bool{}
	for _, m := range members {
		if in[m.User] = m.Wanted; m.Wanted {
			joined = append(joined, m.User)
		}
	}
	left := slices.DeleteFunc(users, func(id directory.UserID) bool { return in[id] })
	*leaving += len(left)
	return b.sendChanged(ctx, g.cause, joined, left, *leaving)
}
