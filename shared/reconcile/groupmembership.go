package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// readSource asks the connection source: which users and groups it holds, for a task
// without a group, and whether it holds the group, for one that asks.
func (b *groupBatch) readSource(ctx context.Context, groups []*group) {
	source := b.dir.Settings.ConnectionSource
	for _, g := range groups {
		switch {
		case g.attempt.Group == "":
			if err := b.connectAll(ctx, source, g.attempt.Cause); err != nil {
				b.fail(ctx, g, err)
				continue
			}
			g.over = true
		case g.attempt.Source && source.Type != directory.NoSource:
			held, err := b.jumpcloud.IsGroupAssociated(ctx, source, g.attempt.Group)
			if err != nil {
				b.fail(ctx, g, jumpCloudTrouble(err))
				continue
			}
			if err := b.connectGroup(ctx, g, held); err != nil {
				b.fail(ctx, g, err)
			}
		}
	}
}

// connectGroup makes the group connected by the source, or not.
func (b *groupBatch) connectGroup(ctx context.Context, g *group, held bool) error {
	var err error
	if held {
		_, err = b.Store.ConnectGroup(ctx, b.dir.ID, g.attempt.Group, directory.Source, time.Now().UTC())
	} else {
		_, err = b.Store.DisconnectGroup(ctx, b.dir.ID, g.attempt.Group, directory.Source)
	}
	if err != nil {
		return err
	}
	look, err := b.Store.LookGroups(ctx, b.dir.ID, []directory.GroupID{g.attempt.Group})
	if err != nil {
		return err
	}
	known := look.Groups[g.attempt.Group]
	link, found := known.Link(b.dir.ID)
	g.plan.Connected = known.Connected(b.dir.ID)
	if g.over = !found; found {
		g.link = link
	}
	return nil
}

// connectAll connects what the source holds, and ends the connections that another
// source made before. Without a source all stay as they are.
func (b *groupBatch) connectAll(ctx context.Context, source directory.ConnectionSource, cause plan.Cause) error {
	if source.Type == directory.NoSource {
		return nil
	}
	users, groups, err := b.jumpcloud.Associated(ctx, source)
	if err != nil {
		return jumpCloudTrouble(err)
	}
	now := time.Now().UTC()
	for _, id := range users {
		if err := b.Store.Connect(ctx, b.dir.ID, id, directory.Source, now); err != nil {
			return err
		}
	}
	for _, id := range groups {
		if _, err := b.Store.ConnectGroup(ctx, b.dir.ID, id, directory.Source, now); err != nil {
			return err
		}
	}
	if err := b.sendUsers(ctx, b.Bulk, cause, users); err != nil {
		return err
	}
	if err := b.sendGroups(ctx, cause, groups); err != nil {
		return err
	}
	return b.askAgain(ctx, cause, users, groups)
}

// askAgain has those looked at, for the source's sake, who are connected by a source
// and are not among those that it has: each look asks the source and ends the
// connection.
func (b *groupBatch) askAgain(ctx context.Context, cause plan.Cause, users []directory.UserID, groups []directory.GroupID) error {
	var tasks []Task
	for cursor, first := "", true; first || cursor != ""; first = false {
		list, err := b.Store.Connections(ctx, b.dir.ID, 0, cursor)
		if err != nil {
			return err
		}
		for _, c := range list.Items {
			if slices.Contains(c.Paths, directory.Source) && !slices.Contains(users, c.User) {
				tasks = append(tasks, Task{Directory: b.dir.ID, User: c.User, Cause: cause, Source: true})
			}
		}
		cursor = list.Cursor
	}
	var groupTasks []GroupTask
	for cursor, first := "", true; first || cursor != ""; first = false {
		list, err := b.Store.GroupConnections(ctx, b.dir.ID, 0, cursor)
		if err != nil {
			return err
		}
		for _, c := range list.Items {
			if slices.Contains(c.Paths, directory.Source) && !slices.Contains(groups, c.Group) {
				groupTasks = append(groupTasks, GroupTask{Directory: b.dir.ID, Group: c.Group, Cause: cause, Source: true})
			}
		}
		cursor = list.Cursor
	}
	if err := Enqueue(ctx, b.Live, tasks...); err != nil {
		return err
	}
	return Enqueue(ctx, b.Later, groupTasks...)
}

// sendGroups has groups looked at as a whole.
func (b *groupBatch) sendGroups(ctx context.Context, cause plan.Cause, groups []directory.GroupID) error {
	tasks := make([]GroupTask, len(groups))
	for i, id := range groups {
		tasks[i] = GroupTask{Directory: b.dir.ID, Group: id, Cause: cause, Whole: true}
	}
	return Enqueue(ctx, b.Later, tasks...)
}

// sendUsers has users looked at.
func (b *groupBatch) sendUsers(ctx context.Context, lane queue.Sender, cause plan.Cause, users []directory.UserID) error {
	tasks := make([]Task, len(users))
	for i, id := range users {
		tasks[i] = Task{Directory: b.dir.ID, User: id, Cause: cause}
	}
	return Enqueue(ctx, lane, tasks...)
}

// readMembership compares who is in the groups with what we know: all of it for a
// group that is looked at as a whole for the first time or on request, and nobody
// for one that is connected no more.
func (b *groupBatch) readMembership(ctx context.Context, groups []*group) {
	for _, g := range groups {
		var err error
		switch {
		case !g.plan.Connected || !g.plan.Exists:
			err = b.emptyOut(ctx, g)
		case g.link.ListedAt.IsZero(), g.attempt.Whole && (g.attempt.Number == 1 || g.link.ListedAt.Before(g.attempt.Cause.At)):
			g.attempt.Whole = true
			err = b.readMembers(ctx, g)
		}
		if err != nil {
			b.fail(ctx, g, err)
		}
	}
}

// memberChunk is how many memberships are changed before we look whether there is
// time for more.
const memberChunk = 100

// readMembers makes the memberships those that JumpCloud has. What there is no time
// for is found again by the next attempt.
func (b *groupBatch) readMembers(ctx context.Context, g *group) error {
	asOf := time.Now().UTC()
	users, within, err := b.jumpcloud.GroupMembers(ctx, g.attempt.Group)
	if err != nil {
		return jumpCloudTrouble(err)
	}
	known, err := b.Store.AllMembers(ctx, b.dir.ID, g.attempt.Group)
	if err != nil {
		return err
	}
	var changes []store.Membership
	wanted := map[directory.UserID]bool{}
	for _, m := range known {
		wanted[m.User] = m.Wanted
		if m.Wanted && !slices.Contains(users, m.User) {
			changes = append(changes, store.Membership{User: m.User, Why: directory.LeftGroup})
		}
	}
	for _, id := range users {
		if !wanted[id] {
			changes = append(changes, store.Membership{User: id, In: true})
		}
	}
	inside := make([]store.Within, len(within))
	for i, id := range within {
		inside[i] = store.Within{Directory: b.dir.ID, Outer: g.attempt.Group, Inner: id}
	}
	if err := b.Store.PutWithin(ctx, inside...); err != nil {
		return err
	}
	if err := b.setMemberships(ctx, g, known, changes); err != nil || g.over {
		return err
	}
	g.link.ListedAt = asOf
	return nil
}

// emptyOut takes all members out of a group that is connected no more: they lose
// that path. In Entra the group stays as it is, and whom we made a member there is
// known when the group is connected again.
func (b *groupBatch) emptyOut(ctx context.Context, g *group) error {
	why := directory.GroupDisconnected
	if !g.plan.Exists {
		why = directory.GroupDeleted
	}
	known, err := b.Store.AllMembers(ctx, b.dir.ID, g.attempt.Group)
	if err != nil {
		return err
	}
	var changes []store.Membership
	for _, m := range known {
		if m.Wanted {
			changes = append(changes, store.Membership{User: m.User, Why: why})
		}
	}
	if err := b.setMemberships(ctx, g, known, changes); err != nil || g.over {
		return err
	}
	g.link.ListedAt = time.Time{}
	return b.Store.ForgetMembers(ctx, b.dir.ID, g.attempt.Group, g.plan.Exists)
}

// setMemberships changes memberships and has the users looked at: who joins in the
// lane of first connections if there are many, who leaves at once. known are the
// members before.
func (b *groupBatch) setMemberships(ctx context.Context, g *group, known []directory.Member, changes []store.Membership) error {
	if err := b.tellAgain(ctx, g, known); err != nil {
		return err
	}
	if len(changes) > 0 && !g.link.Telling {
		g.link.Telling = true
		if b.record(ctx, []*group{g}); g.over {
			return nil
		}
	}
	for chunk := range slices.Chunk(changes, memberChunk) {
		if !enoughTime(ctx) {
			b.later(g, firstWait)
			return nil
		}
		if _, err := b.Store.SetMemberships(ctx, b.dir.ID, g.attempt.Group, time.Now().UTC(), chunk...); err != nil {
			return err
		}
		var joined, left []directory.UserID
		for _, c := range chunk {
			if c.In {
				joined = append(joined, c.User)
			} else {
				left = append(left, c.User)
			}
		}
		if err := b.sendUsers(ctx, b.Live, g.attempt.Cause, left); err != nil {
			return err
		}
		if err := b.sendUsers(ctx, b.Bulk, g.attempt.Cause, joined); err != nil {
			return err
		}
	}
	g.link.Telling = false
	return nil
}

// tellAgain has the users looked at whose memberships an attempt before this one
// changed, and that perhaps ended before it could say so.
func (b *groupBatch) tellAgain(ctx context.Context, g *group, known []directory.Member) error {
	if !g.link.Telling {
		return nil
	}
	touched, err := b.Store.Touched(ctx, b.dir.ID, g.attempt.Group)
	if err != nil {
		return err
	}
	wanted := map[directory.UserID]bool{}
	for _, m := range known {
		wanted[m.User] = m.Wanted
	}
	var joined, left []directory.UserID
	for _, t := range touched {
		if wanted[t.User] {
			joined = append(joined, t.User)
		} else {
			left = append(left, t.User)
		}
	}
	if err := b.sendUsers(ctx, b.Live, g.attempt.Cause, left); err != nil {
		return err
	}
	return b.sendUsers(ctx, b.Bulk, g.attempt.Cause, joined)
}
