// Package reconcile holds the use cases of entrasync: it brings users and groups up to
// date, and sets passwords.
//
// A task names an object and a directory, never a change. The engine (1) reads our records
// of the object; (2) reads its current state in JumpCloud, each object by itself, and
// doubts what is missing there or lags behind its events; (3) computes the desired state
// in Entra (package plan); (4) reads from Entra what the link does not know; (5) decides
// on actions (plan); (6) claims the account that it found, so that no two objects have
// one account; (7) records, sends and completes each action; (8) writes the status and its
// reason to the link; (9) sends tasks for those who wait for the object; (10) retries a
// failed attempt or parks the object. Tasks lead to the same end state, however often and
// in whatever order they come; a process may die at any point.
//
// The engine (engine.go, stage.go, link.go, absence.go, retry.go) is what all kinds of
// work have in common. A kind is a struct that embeds [work], and a list of stages:
// user.go, group.go, password.go, and the files whose names begin like them. The engine's
// tests are here; those of the kinds are in functions/users, functions/groups and
// scripts/world, with real clients against the simulators. The package uses ports only
// (ports.go); shared/jumpcloud and shared/entra implement them.
package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// recordLimit is the time limit for writing our own records. They are written also when
// the time for the work is over: what happened must be recorded.
const recordLimit = 5 * time.Second

// noun names a kind of object in logs, metrics and records.
type noun struct {
	subject  string          // what an action is about, and the field of a log line: "user"
	attempts string          // what is tried: "user"
	failed   string          // the metric of attempts that failed; "" counts nothing
	ended    string          // the metric of attempts that ended for good, by status and reason
	scope    directory.Scope // of a suspension that stops all of the kind
}

// attempted is what the tasks of all kinds have in common.
type attempted struct {
	noun      noun
	directory directory.ID
	id        string // of the object in JumpCloud
	cause     plan.Cause
	claims    []directory.Claim
	thought   int
	number    int  // 1 for the first try
	last      bool // no retry follows by itself
}

// work is what the engine knows of the work on one object. Every kind embeds it.
type work struct {
	attempted
	stage    string // the current one
	over     bool   // the attempt has ended
	failed   bool   // the link is to say why
	outcome  Outcome
	open     []plan.Action // whose results were not known when the attempt began
	todo     []plan.Action // what is still to be sent
	unkept   []plan.Action // completed, not recorded yet
	obstacle *directory.Obstacle
	withheld *fault.Error // the missing permission that kept a part from being done
	refused  *plan.Action // was not sent, and is to be recorded as failed
	drift    *plan.Action // says what somebody else changed, and is to be recorded with the link
	// compareAt is when to compare the object with Entra, because a read may still be older
	// than the last write; zero: not later.
	compareAt time.Time
	// linkless says that there is no link to record: the directory is gone, or the task
	// is about its connection source.
	linkless bool
	expectations
}

// engaged is the work itself, for the engine.
func (w *work) engaged() *work { return w }

// line begins a log line about an attempt: the object, the directory, the stage, and the
// event behind the task, by which one change is followed through the functions.
func (w *work) line(e *zerolog.Event) *zerolog.Event {
	return e.Str("directory", string(w.directory)).Str(w.noun.subject, w.id).Str("stage", w.stage).
		Str("cause", w.cause.Type).Str("event", w.cause.ID).Int("attempt", w.number)
}

// object is the work on one object of some kind.
type object interface {
	comparable
	engaged() *work
}

// engine works on some objects of one kind in one directory. It does what all kinds of
// work have in common: it ends, retries or gives up attempts, and logs, counts and
// publishes what was done.
type engine[T object] struct {
	Parts
	dir       directory.Directory
	trouble   *recognition
	objects   []T
	completed []plan.Action
}

// outcomes are the outcomes of the attempts, in their order.
func (e *engine[T]) outcomes() []Outcome {
	all := make([]Outcome, len(e.objects))
	for i, o := range e.objects {
		all[i] = o.engaged().outcome
	}
	return all
}

// live are those of some objects whose attempts are not over.
func live[T object](objects []T) []T {
	return slices.DeleteFunc(slices.Clone(objects), func(o T) bool { return o.engaged().over })
}

// retry ends an attempt without a change of the link: another worker has written a newer
// one, or the table cannot be used.
func (e *engine[T]) retry(ctx context.Context, o T, err error) {
	w, f := o.engaged(), fault.Of(err)
	w.over, w.failed = true, false
	w.outcome = Outcome{Retry: true, After: waitBefore(w.number, f), Err: err, Afresh: w.last}
	e.countFailed(w, f)
	w.line(zerolog.Ctx(ctx).Warn()).Dur("after", w.outcome.After).Err(err).Msg(w.noun.attempts + " will be tried again")
}

// retryEach ends the attempts of several objects for the same cause.
func (e *engine[T]) retryEach(ctx context.Context, objects []T, err error) {
	for _, o := range objects {
		e.retry(ctx, o, err)
	}
}

// found handles the error of reading our records. It reports whether there is anything
// to do: there is nothing to do in a directory that is gone.
func (e *engine[T]) found(ctx context.Context, id directory.ID, objects []T, err error) bool {
	switch {
	case fault.Is(err, fault.NotFound):
		zerolog.Ctx(ctx).Info().Str("directory", string(id)).Int("tasks", len(objects)).Msg("the directory is gone: nothing to do")
		for _, o := range objects {
			o.engaged().over, o.engaged().linkless = true, true
		}
	case err != nil:
		e.retryEach(ctx, objects, err)
	}
	return err == nil
}

// countFailed counts an attempt that failed.
func (e *engine[T]) countFailed(w *work, f *fault.Error) {
	if w.noun.failed != "" {
		e.Metrics.Count(w.noun.failed, 1, "kind", trouble(f))
	}
}

// prepare fills in what the record of an action needs, except the id of the object in
// Entra, which the action has already.
func (w *work) prepare(action *plan.Action, name string) {
	action.ID = uuid.Must(uuid.NewV7()).String()
	action.Directory = w.directory
	action.Subject = plan.Subject{Kind: w.noun.subject, ID: w.id, Name: name}
	action.Cause = w.cause
	action.Status, action.At = plan.Started, time.Now().UTC()
}

// note notes a completed action, to be recorded with the link, and reports it.
func (e *engine[T]) note(ctx context.Context, o T, action plan.Action) {
	w := o.engaged()
	w.unkept = append(w.unkept, action)
	e.report(ctx, o, action)
}

// report logs and counts a completed action, and notes it for publish.
func (e *engine[T]) report(ctx context.Context, o T, action plan.Action) {
	e.completed = append(e.completed, action)
	reason, level := string(action.Reason), zerolog.InfoLevel
	if action.Error != nil {
		reason, level = string(action.Error.Reason), zerolog.WarnLevel
	}
	e.Metrics.Count("actions", 1, "type", string(action.Type), "status", string(action.Status), "reason", reason)
	line := o.engaged().line(zerolog.Ctx(ctx).WithLevel(level)).
		Str("action", string(action.Type)).Str("actionId", action.ID).Str("status", string(action.Status)).
		Str("entraId", string(action.EntraID)).Str("reason", reason)
	if action.Error != nil {
		line = line.Str("kind", action.Error.Kind).Str("why", action.Error.Message)
	}
	line.Msg("action completed")
}

// publish publishes completed actions. The record is what counts: a failure to publish
// is logged and counted, and nothing is undone.
func (e *engine[T]) publish(ctx context.Context, _ []T) {
	if e.Publisher == nil || len(e.completed) == 0 {
		return
	}
	if err := e.Publisher.Publish(ctx, e.completed...); err != nil {
		e.Metrics.Count("publish_failed", len(e.completed))
		zerolog.Ctx(ctx).Error().Err(err).Int("actions", len(e.completed)).Msg("actions could not be published")
	}
}
