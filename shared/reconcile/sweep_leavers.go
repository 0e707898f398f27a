package reconcile

import (
	"context"
	"errors"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// LeaverCause is the type of the cause of the tasks that are sent when steps are due for those
// who left.
const LeaverCause = "leaver"

// leave sends the tasks for those who left and for whom a step is due. Before, it announces whose
// accounts are to be deleted, all of them together.
func (w *sweeping) leave(ctx context.Context, due []store.Unfinished) error {
	cause := plan.Cause{Type: LeaverCause, At: w.now}.For(len(due))
	var deletions []Deletion
	var dir directory.Directory
	for some := range slices.Chunk(due, sweepPageSize) {
		users := make([]directory.UserID, len(some))
		about := make([]store.Sent, len(some))
		for i, u := range some {
			users[i], about[i] = u.User, store.Sent{Directory: w.directory, User: u.User}
		}
		known, err := w.Store.ReadUsers(ctx, w.directory, users)
		if err != nil {
			return err
		}
		sent, err := w.Store.LastSent(ctx, about)
		if err != nil {
			return err
		}
		dir = known.Directory
		for i, u := range some {
			link, _ := known.Users[u.User].Link(w.directory)
			s := userSubject(known.Users[u.User], w.directory)
			switch {
			case link.Leaving == nil || link.Leaving.NextAt.IsZero():
				w.done = append(w.done, u)
			case s.awaited || link.Leaving.NextAt.After(w.now): // the index is behind the link
			default:
				task := sweptTask{about: sent[i], all: true}
				task.need(u)
				w.tasks = append(w.tasks, task)
				if plan.LeaversOf(dir).Deletes(link, w.now) && len(known.Users[u.User].Paths(w.directory)) == 0 {
					deletions = append(deletions, Deletion{User: u.User, Account: link.EntraID, Name: link.UPN})
				}
			}
		}
	}
	if err := (Parts{Store: w.Store, Metrics: w.Metrics}).AnnounceDeletions(ctx, dir, cause, deletions); err != nil {
		return err
	}
	w.cause, w.found = &cause, map[store.UnfinishedKind]int{} // they are on time, and nobody lost them
	err := errors.Join(w.send(ctx), w.Store.Finish(ctx, w.done...))
	if n := w.found[store.DueLeaver]; n > 0 {
		w.Metrics.Count("leaver_steps_due", n)
	}
	return err
}
