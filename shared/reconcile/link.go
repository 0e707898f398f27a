package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// linked is the work on an object that has a link.
type linked interface {
	object
	// standing is the part that its link has in common with all links.
	standing() *directory.Standing
	// name is the object's, for people.
	name() string
	// isKnown reports whether it has a link, or is to have one.
	isKnown() bool
	// waiting is its task as the record of one that waits.
	waiting() (store.Waiting, error)
	// recording is its link as it is to be recorded now.
	recording() store.Recording
	// beginning is called before an action is recorded and sent.
	beginning(*plan.Action)
	// parking is called when the link was parked for a fault of the kind. It may return
	// an action that was not sent and is to be recorded as failed.
	parking(fault.Kind) *plan.Action
	// recordAfterConflict records what was done for an object although another worker
	// changed its link meanwhile.
	recordAfterConflict(context.Context, Parts, directory.Directory, []plan.Action)
	// shows says whether what was read of the object shows what a claim says.
	shows(directory.Claim, directory.Settings) directory.Shown
	// sendClaimRecheck sends the task that compares a later read with the claims that
	// JumpCloud does not show yet.
	sendClaimRecheck(ctx context.Context, lanes Lanes, at time.Time) error
	// sendAbsenceRecheck sends the task for the nth recheck of an absence.
	sendAbsenceRecheck(ctx context.Context, lanes Lanes, settings directory.Settings, n int, at time.Time) error
	// sendComparison sends a task that compares the object with Entra at a time.
	sendComparison(ctx context.Context, lanes Lanes, at time.Time) error
	// logged adds fields to the log line about a concluded attempt.
	logged(*zerolog.Event) *zerolog.Event
}

// linkEngine works on objects that have links: it writes to the link how an attempt
// ended, and records the actions together with it.
type linkEngine[T linked] struct {
	engine[T]
}

// fail ends the attempt of one object and writes the reason to the link. It retries what
// may succeed later, however often; if everybody in the directory has the trouble, the
// object waits for its end. It parks the object if a person must act, and after
// the last try if entrasync has a defect.
func (e *linkEngine[T]) fail(ctx context.Context, o T, err error) {
	w, s, f := o.engaged(), o.standing(), fault.Of(err)
	w.over, w.failed = true, true
	s.Reason, s.Message = reasonOf(f), sentenceOf(f)
	e.countFailed(w, f)
	if e.awaits(ctx, o, f) {
		return
	}
	log := w.line(zerolog.Ctx(ctx).Warn()).Str("kind", string(f.Kind)).Str("reason", string(reasonOf(f))).Err(err)
	if f.Kind.Decide() == fault.Park || (w.last && f.Kind.Decide() == fault.Fail) {
		s.Status, s.NextTryAt = directory.Parked, time.Time{}
		w.refused = o.parking(f.Kind)
		e.countEnded(o)
		log.Msg(w.noun.attempts + " parked")
		return
	}
	e.postpone(o, waitBefore(w.number, f), err)
	log.Dur("after", w.outcome.After).Msg(w.noun.attempts + " will be tried again")
}

// failEach ends the attempts of several objects for the same cause.
func (e *linkEngine[T]) failEach(ctx context.Context, objects []T, err error) {
	for _, o := range objects {
		e.fail(ctx, o, err)
	}
}

// comeAgain ends an attempt that is to be repeated after a wait; err is why, nil if
// nothing is wrong.
func (e *linkEngine[T]) comeAgain(o T, wait time.Duration, err error) {
	o.engaged().over, o.engaged().failed = true, true
	e.postpone(o, wait, err)
}

// postpone notes that the task of an object is repeated after a wait.
func (e *linkEngine[T]) postpone(o T, wait time.Duration, err error) {
	w, s := o.engaged(), o.standing()
	s.Status, s.NextTryAt = directory.Pending, time.Now().UTC().Add(wait)
	w.outcome = Outcome{Retry: true, After: wait, Err: err, Afresh: w.last}
}

// begin notes the next action of an object in its link before it is recorded and sent.
func (e *linkEngine[T]) begin(o T) {
	w, s := o.engaged(), o.standing()
	action := &w.todo[0]
	w.prepare(action, o.name())
	o.beginning(action)
	s.OpenActions = append(slices.Clone(s.OpenActions), action.ID)
	w.unkept = append(w.unkept, *action)
}

// write sends the actions in rounds: the first action of every object together, then the
// second, and so on, because writes to one object are serial and writes to different
// objects are not. mayWrite ends the attempts on objects that must not be written now;
// send sends the actions and takes their results into the links.
func (e *linkEngine[T]) write(ctx context.Context, objects []T, mayWrite func(context.Context, []T), send func(context.Context, []T, []plan.Action)) {
	for {
		round := slices.DeleteFunc(live(objects), func(o T) bool { return len(o.engaged().todo) == 0 })
		mayWrite(ctx, round)
		round = live(round)
		for _, o := range round {
			e.begin(o)
		}
		e.record(ctx, round)
		if round = live(round); len(round) == 0 {
			return
		}
		actions := make([]plan.Action, len(round))
		for i, o := range round {
			w := o.engaged()
			actions[i], w.todo = w.todo[0], w.todo[1:]
		}
		send(ctx, round, actions)
	}
}

// record stores the links of objects together with their actions. If another worker
// changed a link meanwhile, the attempt ends and the task is retried.
func (e *linkEngine[T]) record(ctx context.Context, objects []T) {
	ctx, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	recordings := make([]store.Recording, len(objects))
	for i, o := range objects {
		w, s := o.engaged(), o.standing()
		if w.cause.Event && w.cause.At.After(s.LastEventAt) {
			s.LastEventAt = w.cause.At
		}
		recordings[i] = o.recording()
		recordings[i].Actions = slices.Clone(w.unkept)
		for _, a := range []*plan.Action{w.refused, w.drift} {
			if a != nil {
				recordings[i].Actions = append(recordings[i].Actions, *a)
			}
		}
	}
	for i, err := range e.Store.Record(ctx, recordings...) {
		w := objects[i].engaged()
		if err != nil {
			e.retry(ctx, objects[i], err)
			completed := slices.DeleteFunc(slices.Clone(w.unkept), func(a plan.Action) bool { return a.Status == plan.Started })
			if fault.Is(err, fault.Changed) && len(completed) > 0 {
				objects[i].recordAfterConflict(ctx, e.Parts, e.dir, completed)
			}
			continue
		}
		w.unkept = nil
		objects[i].standing().Version++
		if w.refused != nil {
			e.report(ctx, objects[i], *w.refused)
			w.refused = nil
		}
		e.reportDrift(ctx, objects[i])
	}
}

// recordFailures stores the links of the objects whose attempts failed.
func (e *linkEngine[T]) recordFailures(ctx context.Context, objects []T) {
	failed := slices.DeleteFunc(slices.Clone(objects), func(o T) bool { return !o.engaged().failed })
	if len(failed) > 0 {
		e.record(ctx, failed)
	}
}

// conclude ends the attempts that nothing interrupted: stand fills in the link; then does
// what must wait until the link is stored.
func (e *linkEngine[T]) conclude(ctx context.Context, objects []T, stand, then func(context.Context, T)) {
	for _, o := range objects {
		stand(ctx, o)
	}
	objects = live(objects)
	e.record(ctx, objects)
	for _, o := range live(objects) {
		if then(ctx, o); o.engaged().over {
			continue
		}
		o.engaged().over = true
		e.countEnded(o)
		s := o.standing()
		o.logged(o.engaged().line(zerolog.Ctx(ctx).Info())).Str("status", string(s.Status)).Str("reason", string(s.Reason)).
			Msg(o.engaged().noun.attempts + " attempt concluded")
	}
}

// postponeWithheld has an object wait for a permission if all was done except what needs
// it.
func (e *linkEngine[T]) postponeWithheld(ctx context.Context, o T) {
	w, s := o.engaged(), o.standing()
	if e.awaits(ctx, o, w.withheld) {
		e.countFailed(w, w.withheld)
		return
	}
	e.postpone(o, waitBefore(w.number, w.withheld), w.withheld)
	s.Reason, s.Message = reasonOf(w.withheld), sentenceOf(w.withheld)
	e.countFailed(w, w.withheld)
	w.line(zerolog.Ctx(ctx).Warn()).Str("reason", string(s.Reason)).Dur("after", w.outcome.After).Err(w.withheld).Msg(w.noun.attempts + " will be tried again")
}

// countEnded counts an attempt that ended for good.
func (e *linkEngine[T]) countEnded(o T) {
	s := o.standing()
	e.Metrics.Count(o.engaged().noun.ended, 1, "status", string(s.Status), "reason", string(s.Reason))
}

// readOpen reads the actions of an object that were begun and whose results are not known.
func (e *linkEngine[T]) readOpen(ctx context.Context, o T) {
	w := o.engaged()
	for _, id := range o.standing().OpenActions {
		action, err := e.Store.Action(ctx, e.dir.Organization, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			e.fail(ctx, o, err)
			return
		}
		w.open = append(w.open, action)
	}
}

// interrupt ends an action that a process left open when it died.
func (w *work) interrupt(action plan.Action) plan.Action {
	action.Status, action.CompletedAt = plan.Failed, time.Now().UTC()
	action.Error = &plan.Failure{Kind: string(fault.Transient), Reason: directory.Interrupted,
		Message: "entrasync stopped before Entra's answer was known; the " + w.noun.subject + " is processed again"}
	return action
}

// claim claims an account or a group in Entra for a user or group of JumpCloud.
func (e *linkEngine[T]) claim(ctx context.Context, id directory.EntraID, owner store.Owner) (store.Owner, error) {
	return e.Store.Claim(ctx, e.dir.TenantObject, id, owner, e.dir.ID)
}

// unclaim gives up the claim on an account or a group in Entra; free says that nobody
// has a claim on it any more.
func (e *linkEngine[T]) unclaim(ctx context.Context, id directory.EntraID, owner store.Owner) (free bool, err error) {
	return e.Store.Unclaim(ctx, e.dir.TenantObject, id, owner, e.dir.ID)
}
