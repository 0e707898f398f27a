package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// readSource reads the connection source: all its users and groups for a task without a
// group, or whether it has the group for a task that asks for that.
func (b *groupBatch) readSource(ctx context.Context, g *group) {
	source := b.dir.Settings.ConnectionSource
	var err error
	switch {
	case g.attempt.Group == "":
		if err = b.connectAll(ctx, g, source); err == nil {
			g.over = true
		}
	case g.attempt.Source && source.Type != directory.NoSource:
		err = b.readHeld(ctx, g, source)
	}
	if err != nil {
		b.fail(ctx, g, err)
	}
}

// readHeld connects the group by the source or disconnects it, as the source has it.
func (b *groupBatch) readHeld(ctx context.Context, g *group, source directory.ConnectionSource) (err error) {
	began := time.Now().UTC()
	if g.read.held, err = b.jumpcloud.IsGroupAssociated(ctx, source, g.attempt.Group); err != nil {
		return jumpCloudTrouble(err)
	}
	known := slices.Contains(g.read.paths, directory.Source)
	if left := b.statedToLeaveSource(g); !known && !left.IsZero() {
		return b.leaveSource(ctx, g, left)
	}
	if g.read.held {
		return b.connectGroup(ctx, g, began)
	}
	if !known {
		return b.reread(ctx, g)
	}
	about, err := b.about(ctx, g, store.GroupSource)
	if err != nil {
		return err
	}
	left, err := hasLeftSource(ctx, &b.linkEngine, g, about, g.attempt.Group, func(ctx context.Context) ([]directory.GroupID, error) {
		return b.jumpcloud.AssociatedGroups(ctx, source)
	})
	if err != nil || left.IsZero() {
		return err
	}
	return b.leaveSource(ctx, g, left)
}

// leaveSource ends the path by the source of a group that left it at a time.
func (b *groupBatch) leaveSource(ctx context.Context, g *group, at time.Time) error {
	if _, err := b.Store.LeaveGroup(ctx, b.dir.ID, g.attempt.Group, directory.Source, at); err != nil {
		return err
	}
	return b.reread(ctx, g)
}

// connectGroup connects a group that the source has, as a read shows that began at a time.
// A group that was not connected before is read again a minute later, and so is a group
// that left the source so late that the read may not show it yet. The task for that is sent
// before the group is connected: the next attempt finds a group that is not new.
func (b *groupBatch) connectGroup(ctx context.Context, g *group, began time.Time) error {
	if !slices.Contains(g.read.paths, directory.Source) {
		again := GroupTask{Directory: b.dir.ID, Group: g.attempt.Group, Cause: g.cause, AllMembers: true}.Recheck()
		if err := Enqueue(ctx, b.Lanes.GroupsBulk, again); err != nil {
			return err
		}
	}
	_, overtaken, err := b.Store.ConnectGroupRead(ctx, b.dir.ID, g.attempt.Group, directory.Source, time.Now().UTC(), b.inSourceSince(g, began))
	if err != nil {
		return err
	}
	if overtaken {
		g.readAfterLag()
	}
	return b.reread(ctx, g)
}

// reread reads the link and the paths of a group again after they were changed.
func (b *groupBatch) reread(ctx context.Context, g *group) error {
	records, err := b.Store.ReadGroups(ctx, b.dir.ID, []directory.GroupID{g.attempt.Group})
	if err != nil {
		return err
	}
	known := records.Groups[g.attempt.Group]
	link, found := known.Link(b.dir.ID)
	g.plan.Connected, g.read.paths = known.Connected(b.dir.ID), known.Paths(b.dir.ID)
	if g.over = !found; found {
		g.link = link
	}
	return nil
}

// connectAll connects the users that the source has, and sends a task for each of its
// groups, which reads the source again. It sends tasks for the users and groups that are
// connected by a source but not in its list, and for the users who left after the list
// began to be read. The next attempt does what there is no time for. Without a source all
// stay as they are.
func (b *groupBatch) connectAll(ctx context.Context, g *group, source directory.ConnectionSource) error {
	if source.Type == directory.NoSource {
		return nil
	}
	list, err := b.readList(ctx, g, func(from directory.MemberList) (directory.MemberList, error) {
		return b.jumpcloud.ListAssociated(ctx, source, from)
	})
	if err != nil || g.over {
		return err
	}
	known, err := b.connectedBySource(ctx)
	if err != nil {
		return err
	}
	if err := b.connectListed(ctx, g, list, setOf(known)); err != nil || g.over {
		return err
	}
	if err := b.sendUsers(ctx, b.Lanes.UsersBulk, g.cause, list.Users); err != nil {
		return err
	}
	if err := b.sendGroups(ctx, g.cause, list.Nested); err != nil {
		return err
	}
	if err := b.askUnlistedUsers(ctx, g.cause, known, setOf(list.Users)); err != nil {
		return err
	}
	if err := b.askUnlistedGroups(ctx, g.cause, list.Nested); err != nil {
		return err
	}
	return b.forgetList(ctx, g, list)
}

// connectListed connects the users of a list who are not known as connected by the source,
// and sends tasks for those who left after the list began to be read.
func (b *groupBatch) connectListed(ctx context.Context, g *group, list memberList, known map[directory.UserID]bool) error {
	var overtaken []directory.UserID
	for _, id := range list.Users {
		if known[id] {
			continue
		}
		if !deadline.Allows(ctx, groupWriteLimit) {
			b.comeAgain(g, firstWait, nil)
			return nil
		}
		left, err := b.Store.ConnectRead(ctx, b.dir.ID, id, directory.Source, time.Now().UTC(), list.Began.Add(-longestLag))
		if err != nil {
			return err
		}
		if left {
			overtaken = append(overtaken, id)
		}
	}
	return b.readThemselves(ctx, Task{Cause: g.cause, Source: true}, overtaken, len(overtaken))
}

// connectedBySource are the users who are connected by a source.
func (b *groupBatch) connectedBySource(ctx context.Context) (users []directory.UserID, err error) {
	for cursor, first := "", true; first || cursor != ""; first = false {
		list, err := b.Store.Connections(ctx, b.dir.ID, 0, cursor)
		if err != nil {
			return nil, err
		}
		for _, c := range list.Items {
			if slices.Contains(c.Paths, directory.Source) {
				users = append(users, c.User)
			}
		}
		cursor = list.Cursor
	}
	return users, nil
}

// setOf is the set of some ids: there may be very many.
func setOf[ID comparable](ids []ID) map[ID]bool {
	set := make(map[ID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// askUnlistedUsers sends tasks for users who were connected by a source before its list was
// applied and are not in it; each task reads the source again.
func (b *groupBatch) askUnlistedUsers(ctx context.Context, cause plan.Cause, connected []directory.UserID, listed map[directory.UserID]bool) error {
	var about []store.Doubt
	for _, id := range connected {
		if !listed[id] {
			about = append(about, store.Doubt{What: store.UserSource, User: id})
		}
	}
	return b.askUsers(ctx, about, Task{Cause: cause, Source: true})
}

// askUnlistedGroups sends tasks for groups that are connected by a source and not in its
// list.
func (b *groupBatch) askUnlistedGroups(ctx context.Context, cause plan.Cause, listed []directory.GroupID) error {
	var tasks []GroupTask
	var about []store.Doubt
	now, in := time.Now().UTC(), setOf(listed)
	for cursor, first := "", true; first || cursor != ""; first = false {
		list, err := b.Store.GroupConnections(ctx, b.dir.ID, 0, cursor)
		if err != nil {
			return err
		}
		for _, c := range list.Items {
			if !slices.Contains(c.Paths, directory.Source) || in[c.Group] {
				continue
			}
			people, err := b.people(ctx, c.Group)
			if err != nil {
				return err
			}
			about = append(about, store.Doubt{Directory: b.dir.ID, What: store.GroupSource, Group: c.Group, People: people, Listed: true, Absence: plan.Absence{Since: now}})
			tasks = append(tasks, GroupTask{Directory: b.dir.ID, Group: c.Group, Cause: cause, Source: true, NotBefore: now.Add(plan.SecondRead)})
		}
		cursor = list.Cursor
	}
	if err := b.Store.AddDoubts(ctx, about...); err != nil {
		return err
	}
	return Enqueue(ctx, b.Lanes.GroupsBulk, tasks...)
}
