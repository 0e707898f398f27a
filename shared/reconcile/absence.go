package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// Reads of JumpCloud may lag behind its events, and one answer may be wrong. So what
// events claimed is held against what was read, and an absence that takes access away
// is not believed at once (see [plan.Absence]).

// expectations are what one attempt found out about reads that may be wrong.
type expectations struct {
	// lagging are the claims that JumpCloud does not show yet; lookAt is when to look
	// again because of them or of an absence that is not believed yet.
	lagging []directory.Claim
	lookAt  time.Time
	// believed says that an absence was believed that no event stated.
	believed bool
}

// states reports whether the events that made us look state something, which needs no
// second read then.
func (e *linkEngine[T]) states(o T, kind directory.ClaimKind, about func(directory.Claim) bool) bool {
	return states(o.engaged().claims, o.standing().Claimed, kind, about)
}

// secondThoughts are when an absence that was believed without an event is looked at
// again: JumpCloud may show otherwise by then.
var secondThoughts = []time.Duration{time.Minute, 10 * time.Minute}

// nextThought is when to look again after n second thoughts; zero after the last.
func nextThought(n int) time.Time {
	if n >= len(secondThoughts) {
		return time.Time{}
	}
	return time.Now().UTC().Add(secondThoughts[n])
}

// expect holds what events claimed against what was read, also of objects that have no
// link yet: a membership that JumpCloud does not show yet may give a user one.
func (e *linkEngine[T]) expect(ctx context.Context, objects []T) {
	now := time.Now().UTC()
	for _, o := range objects {
		w, s := o.engaged(), o.standing()
		if w.outcome.Retry {
			continue
		}
		s.Claimed = claimed(s.Claimed).with(w.claims, now)
		if w.failed { // all claims are held against the next read
			continue
		}
		shows := func(c directory.Claim) directory.Shown { return o.shows(c, e.dir.Settings) }
		left, again, givenUp := lagging(w.claims, s.Claimed, shows, now)
		w.lagging, w.lookAt = left, earliest(w.lookAt, again)
		if givenUp > 0 {
			e.Metrics.Count("claims_given_up", givenUp)
			w.line(zerolog.Ctx(ctx).Warn()).Int("claims", givenUp).Msg("JumpCloud does not show what its event said: the read is believed")
		}
	}
}

// enqueueRechecks has those looked at again, each when it is time, of which JumpCloud does
// not show yet what its events said, or does not show what was there before.
func (e *linkEngine[T]) enqueueRechecks(ctx context.Context, objects []T) {
	for _, o := range objects {
		w := o.engaged()
		if w.outcome.Retry { // it comes again as it is
			continue
		}
		var err error
		if w.thought > 0 {
			err = e.rethink(ctx, o, w.thought)
		}
		if err == nil && !w.lookAt.IsZero() {
			err = o.expectAgain(context.WithoutCancel(ctx), e.Lanes, w.lookAt)
		}
		if err != nil {
			e.retry(ctx, o, err)
		}
	}
}

// rethink has an object looked at again, after n second thoughts.
func (e *linkEngine[T]) rethink(ctx context.Context, o T, n int) error {
	at := nextThought(n)
	if at.IsZero() {
		return nil
	}
	return o.rethinkAgain(context.WithoutCancel(ctx), e.Lanes, e.dir.Settings, n+1, at)
}

// awaitSecondRead ends the attempt of an object that is to be looked at again before it
// is believed that JumpCloud does not know something any more, such as the object.
func (e *linkEngine[T]) awaitSecondRead(o T, what string) {
	w, s := o.engaged(), o.standing()
	w.over, w.failed, w.lagging = true, true, w.claims
	f := fault.Of(unconfirmed(what))
	s.Status, s.Reason, s.Message, s.NextTryAt = directory.Pending, reasonOf(f), sentenceOf(f), w.lookAt
}

// judge holds an absence that a read has just shown against the reads before.
// differently makes the second read: it asks the other side of an edge, or another
// list. It is certain that a believed absence is thought of again before it is believed,
// because the attempt that believes it may come to nothing.
func (e *linkEngine[T]) judge(ctx context.Context, o T, about store.Doubt, differently func(context.Context) (absent bool, err error)) (believed bool, err error) {
	about.Directory = e.dir.ID
	known, err := e.Store.Doubt(ctx, about)
	if err != nil {
		return false, err
	}
	now := time.Now().UTC()
	if known.WantsSecond(now) && !known.Listed {
		absent, err := differently(ctx)
		if err != nil {
			return false, jumpCloudTrouble(err)
		}
		if !absent {
			e.reportAbsence(ctx, known, "contradicted")
			return false, e.Store.RemoveDoubt(ctx, known)
		}
	}
	people, err := e.Store.PeopleInDoubt(ctx, e.dir.ID, now, plan.FewPeople)
	if err != nil {
		return false, err
	}
	w := o.engaged()
	after, believed, again := known.Shown(now, max(people, known.People))
	if believed {
		if err := e.rethink(ctx, o, 0); err != nil {
			return false, err
		}
		w.believed = true
		e.reportAbsence(ctx, known, "believed")
		return true, e.Store.RemoveDoubt(ctx, known)
	}
	if after != known.Absence {
		e.reportAbsence(ctx, known, "doubted")
		known.Absence = after
		err = e.Store.PutDoubt(ctx, known)
	}
	if err == nil {
		w.lookAt = earliest(w.lookAt, again)
	}
	return false, err
}

// reportAbsence logs and counts what became of an absence.
func (e *linkEngine[T]) reportAbsence(ctx context.Context, about store.Doubt, what string) {
	e.Metrics.Count("absences", 1, "of", string(about.What), "outcome", what)
	zerolog.Ctx(ctx).Warn().Str("directory", string(about.Directory)).Str("of", string(about.What)).
		Str("user", string(about.User)).Str("group", string(about.Group)).Int("people", about.People).
		Time("since", about.Since).Msg("an absence in JumpCloud is " + what)
}

// isGone decides whether an object that JumpCloud does not know any more is gone: an
// event states it, or reads made in different ways agree. It is an error as long as
// they contradict each other; if neither, the object is to be looked at again.
func (e *linkEngine[T]) isGone(ctx context.Context, o T, about store.Doubt, found func(context.Context) (bool, error)) (bool, error) {
	w := o.engaged()
	if e.states(o, directory.Removed, anything) {
		return true, nil
	}
	gone, err := e.judge(ctx, o, about, func(ctx context.Context) (bool, error) {
		found, err := found(ctx)
		return !found, err
	})
	if err == nil && !gone && w.lookAt.IsZero() {
		err = contradicted("the " + w.noun.subject)
	}
	return gone, err
}

// hasLeftSource decides whether an object that the connection source held is held no
// more, as a read of the object says.
func hasLeftSource[T linked, ID ~string](ctx context.Context, e *linkEngine[T], o T, about store.Doubt, id ID, list func(context.Context) ([]ID, error)) (bool, error) {
	source := e.dir.Settings.ConnectionSource
	if e.states(o, directory.Dissociated, func(c directory.Claim) bool { return c.Source == source }) {
		return true, nil
	}
	return e.judge(ctx, o, about, isUnlisted(id, list))
}

// isUnlisted is a second read of an absence that asks a list. A list whose owner does
// not exist holds nobody.
func isUnlisted[ID ~string](id ID, list func(context.Context) ([]ID, error)) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		ids, err := list(ctx)
		if fault.Is(err, fault.NotFound) {
			return true, nil
		}
		return !slices.Contains(ids, id), err
	}
}

// unconfirmed says that something is not there according to JumpCloud and is asked
// for again before anybody loses access.
func unconfirmed(what string) error {
	return &fault.Error{Op: "reconcile.absence", Kind: fault.Transient, Reason: directory.AbsenceUnconfirmed,
		Message: "JumpCloud does not show " + what + " any more: it is asked again, in another way, before anybody loses access"}
}

// contradicted says that JumpCloud shows something in one way and not in another.
func contradicted(what string) error {
	return &fault.Error{Op: "reconcile.absence", Kind: fault.Transient, Reason: directory.JumpCloudUnavailable, RetryAfter: plan.SecondRead,
		Message: "JumpCloud says of " + what + " that it is there and that it is not: it is tried again"}
}
