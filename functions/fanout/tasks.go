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

// tasks are the users and the groups to look at because of a change, each once in
// a directory.
type tasks struct {
	users  []reconcile.Task
	groups []reconcile.GroupTask
}

// of are the tasks as those of an event: it is the occurrence that asks for them, and
// what it claims of each is an expectation to hold the reads against.
func (t tasks) of(event jumpcloud.Event) tasks {
	claims := event.Claims()
	for i := range claims {
		claims[i].At = event.Timestamp
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

// tasks are what to look at because of a change.
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

// userChanged looks at the users of an event in every directory that they touch.
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

// groupDeleted is the type of event that says that a group is gone (Directory
// Insights API documentation).
const groupDeleted = "group_delete"

// groupChanged looks at a group in every directory that it touches. The members
// of one that is gone leave the connected groups that it was within, and nothing
// else may say so.
func (h Handler) groupChanged(ctx context.Context, change jumpcloud.Change, cause plan.Cause) (tasks, error) {
	var found tasks
	for _, id := range change.Event.Groups() {
		group, err := h.Store.Group(ctx, change.Organization, id)
		if err != nil {
			return tasks{}, err
		}
		for _, dir := range touched(group) {
			found.groups = append(found.groups, reconcile.GroupTask{Directory: dir, Group: id, Cause: cause})
		}
		if change.Event.Type != groupDeleted {
			continue
		}
		for _, w := range group.Within {
			found.groups = append(found.groups, reconcile.GroupTask{Directory: w.Directory, Group: w.Outer, Cause: cause, AllMembers: true})
		}
	}
	return found, nil
}

// touched are the directories that a group is connected to, or has a link in that
// is not over.
func touched(group store.Group) []directory.ID {
	var ids distinct[directory.ID]
	for _, c := range group.Connections {
		ids.add(c.Directory)
	}
	for _, l := range group.Links {
		if l.Status != directory.Released {
			ids.add(l.Directory)
		}
	}
	return ids.all
}

// associationChanged looks at the ends of an association. Which end joined or
// left what is read again by whoever does the task: an event may come late, and
// its direction is not to be relied on.
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

// membershipChanged looks at users who joined or left a group, wherever its
// members are connected.
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

// nestingChanged looks at the connected groups that one of the groups is or is
// within: all their members may be others now.
func (h Handler) nestingChanged(ctx context.Context, organization directory.OrganizationID, groups []directory.GroupID, cause plan.Cause) (tasks, error) {
	connecting, err := h.connecting(ctx, organization, groups)
	var found tasks
	for _, at := range connecting {
		found.groups = append(found.groups, reconcile.GroupTask{Directory: at.directory, Group: at.group, Cause: cause, AllMembers: true})
	}
	return found, err
}

// connected is a group that is connected to a directory.
type connected struct {
	directory directory.ID
	group     directory.GroupID
}

// connecting are the connected groups that groups are or are within.
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
	}
	return found.all, nil
}

// sourceChanged looks at users and groups that were associated with an object, or
// are not any more, in every directory whose connections the object keeps.
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

// distinct collects things, each once, in the order in which they came.
type distinct[T comparable] struct {
	all  []T
	seen map[T]bool
}

// add collects one.
func (d *distinct[T]) add(one T) {
	if d.seen == nil {
		d.seen = map[T]bool{}
	}
	if !d.seen[one] {
		d.seen[one] = true
		d.all = append(d.all, one)
	}
}
