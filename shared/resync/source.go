package resync

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// sourceOf names the list of the connection source among those of groups.
const sourceOf directory.GroupID = ""

// stepSource compares what the connection source has with who is connected by it. One task
// reads the whole list again, and connects and disconnects.
func (r *run) stepSource(ctx context.Context, began time.Time) (ended bool, err error) {
	if r.dir.Settings.ConnectionSource.Type == directory.NoSource {
		return true, nil
	}
	list, begun := r.members.of(sourceOf)
	if !begun && slices.Contains(r.place.Members.Long, sourceOf) {
		return true, r.sendSource(ctx)
	}
	reading, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	list, err = r.jumpcloud.ListAssociated(reading, r.dir.Settings.ConnectionSource, list)
	r.members.keep(sourceOf, list)
	switch {
	case fault.Is(err, fault.NotFound):
		return true, r.sendSource(ctx)
	case err != nil:
		return false, err
	case !list.Complete:
		r.place.Members.Long = []directory.GroupID{sourceOf}
		return false, nil
	}
	users, err := r.usersOfSourceThatDiffer(ctx, list.Users)
	if err != nil {
		return false, err
	}
	groups, err := r.groupsOfSourceThatDiffer(ctx, list.Nested)
	if err != nil || len(users)+len(groups) == 0 {
		return err == nil, err
	}
	all, err := r.standings(ctx, users, groups)
	if err != nil {
		return false, err
	}
	if err := r.record(ctx, began, all, false); err != nil {
		return false, err
	}
	return true, r.sendSource(ctx)
}

// sendSource sends the task that reads the connection source.
func (r *run) sendSource(ctx context.Context) error {
	return reconcile.Enqueue(ctx, r.Groups, reconcile.GroupTask{Directory: r.dir.ID, Cause: r.cause(), Source: true})
}

// usersOfSourceThatDiffer are the users whom the source has and who are not connected by it,
// or the other way round.
func (r *run) usersOfSourceThatDiffer(ctx context.Context, has []directory.UserID) ([]directory.UserID, error) {
	var connected []directory.UserID
	for cursor := ""; ; {
		page, err := r.Store.Connections(ctx, r.dir.ID, membersPage, cursor)
		if err != nil {
			return nil, err
		}
		for _, c := range page.Items {
			if slices.Contains(c.Paths, directory.Source) {
				connected = append(connected, c.User)
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return inOne(has, connected), nil
		}
	}
}

// groupsOfSourceThatDiffer does the same with groups.
func (r *run) groupsOfSourceThatDiffer(ctx context.Context, has []directory.GroupID) ([]directory.GroupID, error) {
	var connected []directory.GroupID
	for cursor := ""; ; {
		page, err := r.Store.GroupConnections(ctx, r.dir.ID, membersPage, cursor)
		if err != nil {
			return nil, err
		}
		for _, c := range page.Items {
			if slices.Contains(c.Paths, directory.Source) {
				connected = append(connected, c.Group)
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return inOne(has, connected), nil
		}
	}
}

// inOne are the ids that only one of two lists has, in their order.
func inOne[ID ~string](a, b []ID) []ID {
	in := map[ID]int{}
	for _, id := range a {
		in[id] |= 1
	}
	for _, id := range b {
		in[id] |= 2
	}
	var one []ID
	for id, where := range in {
		if where != 3 {
			one = append(one, id)
		}
	}
	slices.Sort(one)
	return one
}
