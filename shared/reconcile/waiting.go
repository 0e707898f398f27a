package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// A task of a suspended directory is stored as waiting, and its message ends: a message
// that is postponed again and again would use up its receives. What the tasks of one user
// or group ask for is joined, as in a batch.

// setAside ends attempts in a suspended directory: their tasks wait. The links say why.
func (e *linkEngine[T]) setAside(ctx context.Context, objects []T, s directory.Suspension) {
	keeping, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	var news []T
	for _, o := range objects {
		w, before := o.engaged(), *o.standing()
		if err := e.await(keeping, o, s, s.Message); err != nil {
			e.retry(ctx, o, err)
			continue
		}
		w.over = true
		if now := o.standing(); !w.linkless && o.isKnown() && (before.Status != now.Status || before.Reason != now.Reason || w.cause.At.After(before.LastEventAt)) {
			news = append(news, o)
		}
	}
	if len(news) > 0 {
		e.record(ctx, news)
	}
	zerolog.Ctx(ctx).Info().Str("directory", string(e.dir.ID)).Int("tasks", len(objects)).Str("reason", string(s.Reason)).Msg("tasks wait for a suspended directory")
}

// await stores the task of an object as waiting for the end of a suspension, and notes in
// its link why.
func (e *linkEngine[T]) await(ctx context.Context, o T, s directory.Suspension, why string) error {
	task, err := o.waiting()
	if err != nil {
		return err
	}
	task.Scope = s.Scope
	if err := e.Store.AddWaiting(ctx, task, mergeWaiting); err != nil {
		return err
	}
	e.Metrics.Count("tasks_waiting", 1, "reason", string(s.Reason))
	standing := o.standing()
	standing.Status, standing.Reason, standing.Message, standing.NextTryAt = directory.Pending, s.Reason, why, time.Time{}
	o.engaged().outcome = Outcome{}
	return nil
}

// awaits is await for an object that came upon a fault: it reports whether the fault is
// one of everybody in the directory, for whose end the object now waits.
func (e *linkEngine[T]) awaits(ctx context.Context, o T, f *fault.Error) bool {
	w := o.engaged()
	s := e.suspension(ctx, w.noun.scope, f)
	if s == nil {
		return false
	}
	why := s.Message
	if s.Scope == directory.OfPart {
		why = sentenceOf(f)
	}
	keeping, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	if err := e.await(keeping, o, *s, why); err != nil {
		w.line(zerolog.Ctx(ctx).Warn()).Err(err).Msg(w.noun.attempts + " could not be set aside: the task is tried again")
		return false
	}
	w.line(zerolog.Ctx(ctx).Info()).Str("reason", string(s.Reason)).Str("scope", string(s.Scope)).Msg(w.noun.attempts + " waits for the end of a suspension")
	return true
}

// waitingTask is the record of a task of some kind.
func waitingTask(kind, id string, task any, urgent bool, in directory.ID) (store.Waiting, error) {
	body, err := json.Marshal(task)
	return store.Waiting{Directory: in, Kind: kind, ID: id, Urgent: urgent, Task: body}, fault.Wrap(err, fault.Internal, "reconcile.encode task")
}

// isUrgent reports whether a task may be about access that somebody is to lose: an event of
// one user says so, or does not say what it is, or somebody requested it.
func isUrgent(cause plan.Cause, claims []directory.Claim, settings directory.Settings) bool {
	if cause.Many || cause.Type == Connected {
		return false
	}
	return len(claims) == 0 || slices.ContainsFunc(claims, func(c directory.Claim) bool {
		return c.Denies(settings) || c.Kind == directory.Left || c.Kind == directory.Dissociated
	})
}

// mergeWaiting joins two waiting tasks of one user or group.
func mergeWaiting(kept, added store.Waiting) (merged store.Waiting, err error) {
	if merged = kept; kept.IsOfGroup() {
		merged.Task, err = mergeTasks[GroupTask](kept.Task, added.Task)
	} else {
		merged.Task, err = mergeTasks[Task](kept.Task, added.Task)
	}
	merged.Scope = kept.Scope.Wider(added.Scope)
	return merged, err
}

func mergeTasks[T interface{ Merge(other T) T }](kept, added json.RawMessage) (json.RawMessage, error) {
	var one, other T
	err := errors.Join(json.Unmarshal(kept, &one), json.Unmarshal(added, &other))
	var body []byte
	if err == nil {
		body, err = json.Marshal(one.Merge(other))
	}
	return body, fault.Wrap(err, fault.Internal, "reconcile.merge tasks")
}

// maxClaims is how many claims of its tasks one that waits keeps, the latest ones: what is
// older than a minute only says what later reads show.
const maxClaims = 100

// latest are the last claims of a list, at most maxClaims.
func latest(claims []directory.Claim) []directory.Claim {
	claims = slices.Clone(claims)
	slices.SortStableFunc(claims, func(a, b directory.Claim) int { return a.At.Compare(b.At) })
	return claims[max(len(claims)-maxClaims, 0):]
}

// Merge is Join for tasks that wait: it is the task of a first read if one of both is.
func (t Task) Merge(other Task) Task {
	joined := t.Join(other)
	joined.Claims, joined.NotBefore = latest(joined.Claims), firstRead(t.NotBefore, other.NotBefore)
	return joined
}

// Merge is as that of a [Task].
func (t GroupTask) Merge(other GroupTask) GroupTask {
	joined := t.Join(other)
	joined.Claims, joined.NotBefore = latest(joined.Claims), firstRead(t.NotBefore, other.NotBefore)
	return joined
}

// firstRead is the zero time if one of two times is, else the later one.
func firstRead(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	if b.After(a) {
		return b
	}
	return a
}
