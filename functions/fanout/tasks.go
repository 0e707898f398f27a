package fanout

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// tasks are the tasks for users and groups because of a change, each once in a
// directory.
type tasks struct {
	users  []reconcile.Task
	groups []reconcile.GroupTask
}

// of adds to each task the occurrence of the event and what the event claims about the
// task's user or group. The task later compares its reads with these claims. What an event
// claims that does not say when it happened counts from when it was sent to the queue:
// without a time nobody would know which of two claims is the later one.
func (t tasks) of(event jumpcloud.Event, sent time.Time) tasks {
	at, claims := event.Timestamp, event.Claims()
	if at.IsZero() {
		at = sent
	}
	for i := range claims {
		claims[i].At = at
	}
	about := func(is func(directory.Claim) bool) []directory.Claim {
		return slices.DeleteFunc(slices.Clone(claims), func(c directory.Claim) bool { return !is(c) })
	}
	for i := range t.users {
		task := &t.users[i]
		task.Occurrence = event.Occurrence()
		task.Claims = about(func(c directory.Claim) bool { return c.User == task.User })
	}
	for i := range t.groups {
		task := &t.groups[i]
		task.Occurrence = event.Occurrence()
		task.Claims = about(func(c directory.Claim) bool { return c.User == "" && c.Group == task.Group })
	}
	return t
}

// inCrowd marks the tasks as those of a cause that concerns many.
func (t tasks) inCrowd() {
	for i := range t.users {
		t.users[i].Cause.Many = true
	}
	for i := range t.groups {
		t.groups[i].Cause.Many = true
	}
}

// tasks returns the tasks for a change.
func (h Handler) tasks(ctx context.Context, change jumpcloud.Change, concern jumpcloud.Concern) (tasks, error) {
	event := change.Event
	cause := plan.Cause{Type: event.Type, ID: event.ID, At: event.Timestamp, Event: true}
	switch concern {
	case jumpcloud.Irrelevant, jumpcloud.OwnWrite:
		return tasks{}, nil
	case jumpcloud.GroupChanged:
		return h.groupChanged(ctx, change, cause)
	case jumpcloud.AssociationChanged:
		return h.associationChanged(ctx, change, cause)
	case jumpcloud.PasswordChanged:
		return h.userChanged(ctx, change, cause, cause.At)
	default:
		return h.userChanged(ctx, change, cause, time.Time{})
	}
}

// userChanged returns a task for each user of an event in each of the user's
// directories.
func (h Handler) userChanged(ctx context.Context, change jumpcloud.Change, cause plan.Cause, passwordAt time.Time) (tasks, error) {
	var found tasks
	for _, id := range change.Event.Users() {
		user, err := h.Store.User(ctx, change.Organization, id)
		if err != nil {
			return tasks{}, err
		}
		for _, dir := range user.Directories() {
			found.users = append(found.users, reconcile.Task{Directory: dir, User: id, Cause: cause, PasswordAt: passwordAt})
		}
	}
	return found, nil
}

// groupDeleted is the type of event that says that a group was deleted (Directory
// Insights API documentation).
const groupDeleted = "group_delete"

// groupChanged returns a task for each group of an event in each of the group's
// directories. If the group was deleted, it also returns a task for each connected
// group that contained it: the members leave that group too, and perhaps no other event
// says so.
func (h Handler) groupChanged(ctx context.Context, change jumpcloud.Change, cause plan.Cause) (tasks, error) {
	var found tasks
	for _, id := range change.Event.Groups() {
		group, err := h.Store.Group(ctx, change.Organization, id)
		if err != nil {
			return tasks{}, err
		}
		for _, dir := range directoriesOf(group) {
			found.groups = append(found.groups, reconcile.GroupTask{Directory: dir, Group: id, Cause: cause})
		}
		if change.Event.Type != groupDeleted {
			continue
		}
		for _, w := range group.Within {
			found.groups = append(found.groups, reconcile.GroupTask{Directory: w.Directory, Group: w.Outer, Cause: cause.For(len(group.Within)), AllMembers: true})
		}
	}
	return found, nil
}

// directoriesOf returns the directories that a group is connected to or has a link in,
// except released links, or whose members are excluded from.
func directoriesOf(group store.Group) []directory.ID {
	var ids distinct[directory.ID]
	for _, c := range group.Connections {
		ids.add(c.Directory)
	}
	for _, l := range group.Links {
		if l.Status != directory.Released {
			ids.add(l.Directory)
		}
	}
	for _, e := range group.Excludes {
		ids.add(e.Directory)
	}
	return ids.all
}

// associationChanged returns the tasks for an association between two objects. A task
// reads again which object joined or left: an event may come late, so its direction is
// not reliable.
func (h Handler) associationChanged(ctx context.Context, change jumpcloud.Change, cause plan.Cause) (tasks, error) {
	users, groups := change.Event.Users(), change.Event.Groups()
	source, isSource := change.Event.Source()
	switch {
	case isSource:
		return h.sourceChanged(ctx, change, source, cause)
	case len(users) > 0:
		return h.membershipChanged(ctx, change.Organization, users, groups, cause)
	default:
		return h.nestingChanged(ctx, change.Organization, groups, cause)
	}
}

// membershipChanged returns tasks for users who joined or left a group, in each
// directory to which the group connects its members.
func (h Handler) membershipChanged(ctx context.Context, organization directory.OrganizationID, users []directory.UserID, groups []directory.GroupID, cause plan.Cause) (tasks, error) {
	connecting, err := h.connecting(ctx, organization, groups)
	if err != nil {
		return tasks{}, err
	}
	var directories distinct[directory.ID]
	for _, at := range connecting {
		directories.add(at.directory)
	}
	var found tasks
	for _, id := range users {
		for _, dir := range directories.all {
			found.users = append(found.users, reconcile.Task{Directory: dir, User: id, Cause: cause, Memberships: true})
		}
	}
	return found, nil
}

// nestingChanged returns a task for each connected group that is one of the groups or
// contains one, because all its members may have changed.
func (h Handler) nestingChanged(ctx context.Context, organization directory.OrganizationID, groups []directory.GroupID, cause plan.Cause) (tasks, error) {
	connecting, err := h.connecting(ctx, organization, groups)
	var found tasks
	for _, at := range connecting {
		found.groups = append(found.groups, reconcile.GroupTask{Directory: at.directory, Group: at.group, Cause: cause.For(len(connecting)), AllMembers: true})
	}
	return found, err
}

// connected is a group that is connected to a directory, or whose members are excluded from
// it.
type connected struct {
	directory directory.ID
	group     directory.GroupID
}

// connecting returns the connected groups, and those whose members are excluded, that are one
// of the groups or contain one.
func (h Handler) connecting(ctx context.Context, organization directory.OrganizationID, groups []directory.GroupID) ([]connected, error) {
	var found distinct[connected]
	for _, id := range groups {
		group, err := h.Store.Group(ctx, organization, id)
		if err != nil {
			return nil, err
		}
		for _, c := range group.Connections {
			found.add(connected{c.Directory, id})
		}
		for _, w := range group.Within {
			found.add(connected{w.Directory, w.Outer})
		}
		for _, e := range group.Excludes {
			found.add(connected{e.Directory, id})
		}
	}
	return found.all, nil
}

// sourceChanged returns tasks for users and groups that were associated with an object,
// or no longer are, in each directory that has the object as its connection source.
func (h Handler) sourceChanged(ctx context.Context, change jumpcloud.Change, source directory.ConnectionSource, cause plan.Cause) (tasks, error) {
	directories, err := h.Store.DirectoriesOf(ctx, change.Organization)
	if err != nil {
		return tasks{}, err
	}
	var found tasks
	for _, dir := range directories {
		if dir.Settings.ConnectionSource != source {
			continue
		}
		for _, id := range change.Event.Users() {
			found.users = append(found.users, reconcile.Task{Directory: dir.ID, User: id, Cause: cause, Source: true})
		}
		for _, id := range change.Event.Groups() {
			found.groups = append(found.groups, reconcile.GroupTask{Directory: dir.ID, Group: id, Cause: cause, Source: true})
		}
	}
	return found, nil
}

// distinct collects values, each once, in the order in which they were added.
type distinct[T comparable] struct {
	all  []T
	seen map[T]bool
}

// add adds a value if it is new.
func (d *distinct[T]) add(one T) {
	if d.seen == nil {
		d.seen = map[T]bool{}
	}
	if !d.seen[one] {
		d.seen[one] = true
		d.all = append(d.all, one)
	}
}
