package reconcile

import (
	"context"
	"errors"
	"time"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// Rollout sends tasks for many users or groups of a directory. After its settings were
// changed: one for every link of a user, one for every connected group, those that read the
// group whose members are excluded, and those that read the connection source if it was named.
// With a selection: one for every link that has the status and the reason. A record
// (store.Rollout) says what is left to send: the API begins, and the sweep sends what the API
// had no time for, or did not send because its process died.
type Rollout struct {
	Store *store.Store
	// Users and Groups are the bulk lanes.
	Users, Groups queue.Sender
}

// The types of the causes of the tasks.
const (
	SettingsCause = "settings_changed"
	SourceCause   = "connection_source"
)

const (
	// rolloutPageSize is for how many records one page of tasks is sent.
	rolloutPageSize = 500
	// rolloutLimit is how long such a page may take (assumed).
	rolloutLimit = 5 * time.Second
)

// Send sends what is left for a directory and a selection: so many pages, all if pages is 0,
// and as many as there is time for. It keeps the place if more is left, and else deletes the
// record; complete says which. sent counts the tasks of a selection. Two may send at once:
// every task may come twice.
func (r Rollout) Send(ctx context.Context, id directory.ID, only store.Selection, pages int) (sent int, complete bool, err error) {
	left, err := r.Store.Rollout(ctx, id, only)
	if err != nil || left.Version == 0 {
		return 0, err == nil, err
	}
	if waits, err := r.waits(ctx, left); err != nil || waits {
		return 0, false, err
	}
	left.Awaits = ""
	for n := 0; left.Stage != store.RolledOut; n++ {
		if n > 0 && n == pages || !deadline.Allows(ctx, rolloutLimit) {
			return left.Sent, false, r.keep(ctx, left)
		}
		cursor, err := r.send(ctx, &left)
		switch {
		case fault.Is(err, fault.Invalid) && left.Cursor != "": // the cursor of another version
			left.Cursor = ""
		case err != nil:
			return left.Sent, false, errors.Join(err, r.keep(ctx, left))
		case cursor == "":
			left = left.Next()
		default:
			left.Cursor = cursor
		}
	}
	return left.Sent, true, r.Store.EndRollout(ctx, left)
}

// Waits reports whether what is left for a directory and a selection waits for a job.
func (r Rollout) Waits(ctx context.Context, id directory.ID, only store.Selection) (bool, error) {
	left, err := r.Store.Rollout(ctx, id, only)
	if err != nil {
		return false, err
	}
	return r.waits(ctx, left)
}

// waits reports whether a rollout waits for a job. One that has ended, or that nobody began, is
// waited for no more.
func (r Rollout) waits(ctx context.Context, left store.Rollout) (bool, error) {
	if left.Awaits == "" {
		return false, nil
	}
	job, err := r.Store.Job(ctx, left.Awaits)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return !job.Status.Ended(), err
}

// keep keeps the place, also if the time is over.
func (r Rollout) keep(ctx context.Context, left store.Rollout) error {
	ctx, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	return r.Store.KeepRollout(ctx, left)
}

// send sends one page of tasks and returns the cursor of the next page of the stage.
func (r Rollout) send(ctx context.Context, left *store.Rollout) (cursor string, err error) {
	switch {
	case left.Only != (store.Selection{}):
		return r.sendSelected(ctx, left)
	case left.Stage == store.RolloutOfUsers:
		if left.Cursor == "" {
			if err := r.sendExclude(ctx, *left); err != nil {
				return "", err
			}
		}
		page, err := r.Store.Links(ctx, left.Directory, rolloutPageSize, left.Cursor)
		if err != nil {
			return "", err
		}
		tasks := make([]Task, len(page.Items))
		for i, l := range page.Items {
			tasks[i] = Task{Directory: left.Directory, User: l.User, Cause: left.Cause}
		}
		return page.Cursor, Enqueue(ctx, r.Users, tasks...)
	case left.Stage == store.RolloutOfGroups:
		page, err := r.Store.GroupConnections(ctx, left.Directory, rolloutPageSize, left.Cursor)
		if err != nil {
			return "", err
		}
		tasks := make([]GroupTask, len(page.Items))
		for i, c := range page.Items {
			tasks[i] = GroupTask{Directory: left.Directory, Group: c.Group, Cause: left.Cause, AllMembers: true}
		}
		return page.Cursor, Enqueue(ctx, r.Groups, tasks...)
	default:
		return "", r.sendSource(ctx, *left)
	}
}

// sendSelected sends one page of tasks for the links of a selection. Each reads all that the
// request for one user or one group reads ([Retry], [RetryGroup]).
func (r Rollout) sendSelected(ctx context.Context, left *store.Rollout) (cursor string, err error) {
	dir, err := r.Store.Directory(ctx, left.Directory)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if left.Only.Kind == plan.OfGroup {
		page, err := r.Store.GroupLinksThat(ctx, dir.ID, left.Only.Status, left.Only.Reason, rolloutPageSize, left.Cursor)
		if err != nil {
			return "", err
		}
		tasks := make([]GroupTask, len(page.Items))
		for i, l := range page.Items {
			tasks[i] = RetryGroup(dir, l.Group, left.Cause)
		}
		left.Sent += len(tasks)
		return page.Cursor, Enqueue(ctx, r.Groups, tasks...)
	}
	page, err := r.Store.LinksThat(ctx, dir.ID, left.Only.Status, left.Only.Reason, rolloutPageSize, left.Cursor)
	if err != nil {
		return "", err
	}
	tasks := make([]Task, len(page.Items))
	for i, l := range page.Items {
		tasks[i] = Retry(dir, l.User, left.Cause)
	}
	left.Sent += len(tasks)
	return page.Cursor, Enqueue(ctx, r.Users, tasks...)
}

// Retry is the task of a user that an administrator asks to try again: an event may have been
// missed, so it also reads the groups of the user, the connection source and the account.
func Retry(dir directory.Directory, user directory.UserID, cause plan.Cause) Task {
	return Task{Directory: dir.ID, User: user, Cause: cause, Memberships: true, Compare: true, Source: dir.Settings.ConnectionSource.Type != directory.NoSource}
}

// RetryGroup is [Retry] for a group: it reads all members, the connection source, and the
// group in Entra.
func RetryGroup(dir directory.Directory, group directory.GroupID, cause plan.Cause) GroupTask {
	return GroupTask{Directory: dir.ID, Group: group, Cause: cause, AllMembers: true, Compare: true, Source: dir.Settings.ConnectionSource.Type != directory.NoSource}
}

// sendExclude sends the tasks that read the group whose members are excluded. They are sent
// before those of users, who may have to wait for them.
func (r Rollout) sendExclude(ctx context.Context, left store.Rollout) error {
	dir, err := r.Store.Directory(ctx, left.Directory)
	switch {
	case fault.Is(err, fault.NotFound): // there is nobody to exclude
		return nil
	case err != nil:
		return err
	}
	task, named := ExcludeTask(dir, left.Cause)
	if !named {
		return nil
	}
	return Enqueue(ctx, r.Groups, task, task.Recheck())
}

// sendSource sends the tasks that read the associations of the connection source.
func (r Rollout) sendSource(ctx context.Context, left store.Rollout) error {
	if !left.Source {
		return nil
	}
	cause := plan.Cause{Type: SourceCause, ID: left.Cause.ID, At: left.Cause.At, Requested: left.Cause.Requested, Many: true}
	task := GroupTask{Directory: left.Directory, Cause: cause, Source: true}
	return Enqueue(ctx, r.Groups, task, task.Recheck())
}
