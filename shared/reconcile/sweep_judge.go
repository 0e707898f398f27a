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

// sweptSubject is what is known of a user or a group with unfinished records.
type sweptSubject struct {
	directory.Standing
	sent      store.Sent // when the last task was sent
	linked    bool
	connected bool
	// notify says that users are to be notified; awaited says that somebody works on the
	// subject, or will soon.
	notify, awaited bool
	links           []directory.Link // of a user, in all directories
}

// userSubject is what is known of a user.
func userSubject(known store.User, id directory.ID) sweptSubject {
	link, found := known.Link(id)
	return sweptSubject{Standing: link.Standing, linked: found, connected: len(known.Paths(id)) > 0, links: known.Links,
		awaited: link.NextTryAt.After(time.Now())}
}

// groupSubject is what is known of a group.
func groupSubject(known store.Group, id directory.ID, now time.Time) sweptSubject {
	link, found := known.Link(id)
	return sweptSubject{Standing: link.Standing, linked: found, connected: known.Connected(id), notify: link.NotifyPending,
		awaited: link.NextTryAt.After(now) || known.Busy(id, now)}
}

// undone reports whether the link shows that something is left to do. The open actions of a link
// that is parked or released are left for the next change: those that have not ended have
// records of their own.
func (s sweptSubject) undone() bool {
	follows := s.Status == directory.Released || s.Status == directory.Held
	if s.connected {
		follows = s.Status == directory.Synced || s.Status == directory.Parked || s.Status == directory.Held
	}
	open := len(s.OpenActions) > 0 && !s.ended()
	return (s.linked || s.connected) && (s.notify || open || !follows)
}

// ended reports whether the link shows a state that stays until something changes: parked
// with a reason, held, or released, also of a user who is connected and gone in JumpCloud.
func (s sweptSubject) ended() bool {
	return s.Status == directory.Parked || s.Status == directory.Held || s.Status == directory.Released
}

// longestOpen is how long an action may be open while tasks are sent for it. Then nobody
// will find out how it ended.
const longestOpen = 24 * time.Hour

// judge decides what the records about one subject need: a task, that they are deleted,
// or that actions are ended.
func (w *sweeping) judge(ctx context.Context, s sweptSubject, records []store.Unfinished) (sweptTask, error) {
	var task sweptTask
	parked := s.Status == directory.Parked || s.Status == directory.Held
	for _, u := range records {
		switch u.Kind {
		case store.OpenAction:
			switch {
			case w.ends(s, u.Action):
				if err := w.end(ctx, s, u.Action); err != nil {
					return task, err
				}
			case !s.awaited:
				task.need(u)
			}
		case store.DirtyMember:
			switch {
			case !s.linked && !s.connected: // no attempt would compare the member
				w.done = append(w.done, u)
			case !s.awaited && !parked:
				task.need(u)
			}
		case store.PendingNotice:
			if !s.awaited {
				task.need(u)
				task.all = true
			}
		case store.DueCheck:
			if answered := s.ended() && s.sent.At.After(u.Due); !s.undone() || answered {
				w.done = append(w.done, u)
			} else if !s.awaited {
				task.need(u)
				task.all = task.all || s.notify
			}
		}
	}
	return task, nil
}

// ends reports whether the sweep itself ends an action: no attempt will.
func (w *sweeping) ends(s sweptSubject, action plan.Action) bool {
	listed := s.linked && slices.Contains(s.OpenActions, action.ID)
	return !listed || action.Type == plan.SetPassword || w.now.Sub(action.At) > longestOpen
}

// end ends an action that no attempt will end: its process died, and the link does not
// name it any more, or it is a password, which is never sent twice. Somebody who changed
// the action meanwhile was faster. The links come first: an ended action is not found again.
func (w *sweeping) end(ctx context.Context, s sweptSubject, action plan.Action) error {
	a, version, err := w.Store.ActionVersion(ctx, w.directory.Organization(), action.ID)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil || a.Completed() {
		return err
	}
	a.Error = &plan.Failure{Kind: string(fault.Transient), Reason: directory.Interrupted, Message: interruptedSentence(a)}
	a.Status, a.CompletedAt = plan.Failed, w.now
	if err := w.endPassword(ctx, s, a); err != nil {
		return err
	}
	switch err := w.Store.ChangeAction(ctx, a, version); {
	case fault.Is(err, fault.Changed):
		return nil
	case err != nil:
		return err
	}
	w.ended = append(w.ended, a)
	w.found[store.OpenAction]++
	w.Metrics.Count("actions", 1, "type", string(a.Type), "status", string(a.Status), "reason", string(a.Error.Reason))
	return nil
}

// endPassword writes to the links that wait for the password of an action that it has to be
// set again. Other actions change no link.
func (w *sweeping) endPassword(ctx context.Context, s sweptSubject, a plan.Action) error {
	if a.Type != plan.SetPassword {
		return nil
	}
	why := directory.Obstacle{Reason: a.Error.Reason, Message: a.Error.Message}
	for _, link := range s.links {
		err := w.Store.ChangeLink(ctx, link.Directory, link.User, func(l directory.Link) directory.Link { return l.WithoutPassword(a.EntraID, why) })
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

// interruptedSentence says of an action that nobody will end what is known of it. Its
// status is that of the record.
func interruptedSentence(a plan.Action) string {
	switch {
	case a.Type == plan.SetPassword && a.Status == plan.Queued:
		return "the password was not sent to Entra within a day: set it again"
	case a.Type == plan.SetPassword:
		return "entrasync stopped before Entra's answer was known: the account may have the new password or the old one. Set it again"
	default:
		return "entrasync stopped before Entra's answer was known: whether Entra has the change is not known. The next sync compares it"
	}
}
