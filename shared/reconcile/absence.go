package reconcile

import (
	"context"
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

// Reads of JumpCloud may lag behind its events, and one answer may be wrong. So the engine
// compares what events claimed with what it read, and does not believe at once an absence
// that takes access away (see [plan.Absence]).

// expectations are what one attempt knows about reads that may be wrong.
type expectations struct {
	// lagging are the claims that JumpCloud does not show yet; recheckAt is when to read
	// again because of them or of an absence that is not believed yet.
	lagging   []directory.Claim
	recheckAt time.Time
	// believed says that the attempt believed an absence that no event stated.
	believed bool
}

// statedAt is when something happened that the events behind the task state, so that it
// needs no second read; zero if they do not state it.
func (e *linkEngine[T]) statedAt(o T, kind directory.ClaimKind, about func(directory.Claim) bool) time.Time {
	return statedAt(o.engaged().claims, o.standing().Claimed, kind, about)
}

// certainly is a time at which JumpCloud certainly had what a read shows that began at a
// time, unless it ended later.
func (e *linkEngine[T]) certainly(o T, began time.Time, shown directory.Claim) time.Time {
	return certainly(began, o.engaged().claims, o.standing().Claimed, shown)
}

// readAfterLag has an object read again when no read can be as old any more as what a read
// has just shown: a path that it left.
func (w *work) readAfterLag() {
	w.recheckAt = earliest(w.recheckAt, time.Now().UTC().Add(longestLag))
}

// endStranded notes in a link that all was read for which a message was set aside at a time
// (see [directory.Standing.StrandedAt]). As long as something is to be read once more it
// stays noted: the process may die before it sends the task for that.
func (w *work) endStranded(s *directory.Standing, read time.Time) {
	if s.StrandedAt.Equal(read) && w.recheckAt.IsZero() && w.compareAt.IsZero() {
		s.StrandedAt = time.Time{}
	}
}

// expected reports whether a link is only there because a message about the object was set
// aside, and all was read for it that the message may have asked for.
func (w *work) expected(s *directory.Standing, read time.Time) bool {
	return s.Version > 0 && !read.IsZero() && s.StrandedAt.Equal(read) && w.recheckAt.IsZero() &&
		s.EntraID == "" && s.LastWriteAt.IsZero() && s.Since.IsZero() && len(s.OpenActions) == 0
}

// unexpect removes the link of an object that turned out not to be connected and never was:
// nobody who is not connected has a link for good.
func (e *linkEngine[T]) unexpect(ctx context.Context, o T) {
	w, s := o.engaged(), o.standing()
	if err := e.Store.RemoveExpected(ctx, e.dir.ID, plan.Subject{Kind: w.noun.subject, ID: w.id}, s.Version); err != nil {
		e.retry(ctx, o, err)
		return
	}
	w.over, w.linkless = true, true
	w.line(zerolog.Ctx(ctx).Info()).Msg("the " + w.noun.subject + " was expected here and is not connected: its link is removed")
}

// absenceRechecks are the waits before an absence that was believed without an event is
// read again: JumpCloud may show the object by then.
var absenceRechecks = []time.Duration{time.Minute, 10 * time.Minute}

// nextAbsenceRecheck is when to read again after n rechecks; zero after the last.
func nextAbsenceRecheck(n int) time.Time {
	if n >= len(absenceRechecks) {
		return time.Time{}
	}
	return time.Now().UTC().Add(absenceRechecks[n])
}

// expect compares what events claimed with what was read, also for objects that have no
// link yet: a membership that JumpCloud does not show yet may give a user one.
func (e *linkEngine[T]) expect(ctx context.Context, objects []T) {
	now := time.Now().UTC()
	for _, o := range objects {
		w, s := o.engaged(), o.standing()
		if w.outcome.Retry {
			continue
		}
		s.Claimed = claimed(s.Claimed).with(w.claims, now)
		if w.failed { // the next read is compared with all claims
			continue
		}
		shows := func(c directory.Claim) directory.Shown { return o.shows(c, e.dir.Settings) }
		claims := slices.Concat(w.claims, claimed(s.Claimed).contradicting(w.claims, e.dir.Settings.ConnectionSource, shows, now))
		left, again, givenUp := lagging(claims, s.Claimed, shows, now)
		w.lagging, w.recheckAt = left, earliest(w.recheckAt, again)
		if givenUp > 0 {
			e.Metrics.Count("claims_given_up", givenUp)
			w.line(zerolog.Ctx(ctx).Warn()).Int("claims", givenUp).Msg("JumpCloud does not show what its event said: the read is believed")
		}
	}
}

// enqueueRechecks sends tasks, each for its time, for objects of which JumpCloud does not
// show yet what its events said, or does not show any more what was there before.
func (e *linkEngine[T]) enqueueRechecks(ctx context.Context, objects []T) {
	ctx, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	for _, o := range objects {
		w := o.engaged()
		if w.outcome.Retry { // the same task comes again
			continue
		}
		var err error
		if w.thought > 0 {
			err = e.recheckAbsence(ctx, o, w.thought)
		}
		if err == nil && !w.recheckAt.IsZero() {
			err = o.sendClaimRecheck(ctx, e.Lanes, w.recheckAt)
		}
		if err == nil && !w.compareAt.IsZero() {
			err = o.sendComparison(ctx, e.Lanes, w.compareAt)
		}
		if err != nil {
			e.retry(ctx, o, err)
		}
	}
}

// recheckAbsence sends the task for the next recheck of a believed absence, after n of them.
func (e *linkEngine[T]) recheckAbsence(ctx context.Context, o T, n int) error {
	at := nextAbsenceRecheck(n)
	if at.IsZero() {
		return nil
	}
	ctx, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	return o.sendAbsenceRecheck(ctx, e.Lanes, e.dir.Settings, n+1, at)
}

// awaitSecondRead ends the attempt on an object of which JumpCloud does not show something
// any more, such as the object itself: that is believed only after another read.
func (e *linkEngine[T]) awaitSecondRead(o T, what string) {
	w, s := o.engaged(), o.standing()
	w.over, w.failed, w.lagging = true, true, w.claims
	f := fault.Of(unconfirmed(what))
	s.Status, s.Reason, s.Message, s.NextTryAt = directory.Pending, reasonOf(f), sentenceOf(f), w.recheckAt
}

// judge decides from this read and those before whether an absence is believed. since is
// when a read first showed it, zero as long as it is not believed. differently makes the second read: it reads the other side of an edge, or another list.
// The task for the recheck is sent before the absence is believed, because the attempt
// that believes it may fail.
func (e *linkEngine[T]) judge(ctx context.Context, o T, about store.Doubt, differently func(context.Context) (absent bool, err error)) (since time.Time, err error) {
	about.Directory = e.dir.ID
	known, err := e.Store.Doubt(ctx, about)
	if err != nil {
		return since, err
	}
	now := time.Now().UTC()
	if e.Plans {
		return e.judgeAtOnce(ctx, o, known, now, differently)
	}
	if known.WantsSecond(now) && !known.Listed {
		absent, err := differently(ctx)
		switch {
		case errors.Is(err, errTooLong):
			return since, e.leaveToList(ctx, known, o.engaged().cause)
		case err != nil:
			return since, jumpCloudTrouble(err)
		}
		if !absent {
			e.reportAbsence(ctx, known, "contradicted")
			return since, e.Store.RemoveDoubt(ctx, known)
		}
	}
	people, err := e.Store.PeopleInDoubt(ctx, e.dir.ID, now, plan.FewPeople)
	if err != nil {
		return since, err
	}
	w := o.engaged()
	after, believed, again := known.Shown(now, max(people.Number(), known.People))
	if believed {
		if err := e.recheckAbsence(ctx, o, 0); err != nil {
			return since, err
		}
		w.believed = true
		e.reportAbsence(ctx, known, "believed")
		return known.Since, e.Store.RemoveDoubt(ctx, known)
	}
	if after != known.Absence {
		e.reportAbsence(ctx, known, "doubted")
		known.Absence = after
		err = e.Store.PutDoubt(ctx, known)
	}
	if err == nil {
		w.recheckAt = earliest(w.recheckAt, again)
	}
	return since, err
}

// plannedLife is how long a plan keeps whom it is to look at again, as the time from which they
// count: it may take very long until all others were looked at.
const plannedLife = 7 * 24 * time.Hour

// judgeAtOnce is judge for a plan: the second read follows the first one, and the absence is
// believed when all others were read too, so that the guard knows how many there are. What a
// list did not show either needs no second read, and a list that is too long for one is not
// read.
func (e *linkEngine[T]) judgeAtOnce(ctx context.Context, o T, known store.Doubt, now time.Time, differently func(context.Context) (absent bool, err error)) (since time.Time, err error) {
	w, believed := o.engaged(), !known.Second.IsZero()
	switch {
	case believed:
	case known.Listed:
		people, err := e.Store.PeopleInDoubt(ctx, e.dir.ID, now, plan.FewPeople)
		if err != nil {
			return since, err
		}
		believed = people.Number() <= plan.FewPeople
	default:
		absent, err := differently(ctx)
		switch {
		case err != nil && !errors.Is(err, errTooLong):
			return since, jumpCloudTrouble(err)
		case err == nil && !absent:
			return since, nil
		}
	}
	if believed {
		w.believed = true
		return now, e.Store.RemoveDoubt(ctx, known)
	}
	known.Second, known.Since = now, now.Add(plannedLife)
	w.recheckAt = earliest(w.recheckAt, now.Add(plan.SecondRead))
	return since, e.Store.PutDoubt(ctx, known)
}

// leaveToList removes a doubt whose second read is a list that is too long, and sends the task
// that reads the list and keeps its place. If the list does not show the object either, the
// doubt comes back as one that was first seen in a list.
func (e *linkEngine[T]) leaveToList(ctx context.Context, about store.Doubt, cause plan.Cause) error {
	task := GroupTask{Directory: e.dir.ID, Cause: cause, Source: true}
	if about.What == store.UserInGroup || about.What == store.UserExclude {
		task = GroupTask{Directory: e.dir.ID, Cause: cause, Group: about.Group, AllMembers: true}
	}
	if err := Enqueue(ctx, e.Lanes.GroupsBulk, task); err != nil {
		return err
	}
	e.reportAbsence(ctx, about, "left to a list")
	return e.Store.RemoveDoubt(ctx, about)
}

// reportAbsence logs and counts whether an absence was doubted, believed or contradicted.
func (e *linkEngine[T]) reportAbsence(ctx context.Context, about store.Doubt, what string) {
	e.Metrics.Count("absences", 1, "of", string(about.What), "outcome", what)
	zerolog.Ctx(ctx).Warn().Str("directory", string(about.Directory)).Str("of", string(about.What)).
		Str("user", string(about.User)).Str("group", string(about.Group)).Int("people", about.People).
		Time("since", about.Since).Msg("an absence in JumpCloud is " + what)
}

// isGone decides whether an object that JumpCloud does not show any more is gone: an
// event states it, or reads made in different ways agree. If the reads contradict each
// other that is an error; if they are too few, recheckAt is when to read again.
func (e *linkEngine[T]) isGone(ctx context.Context, o T, about store.Doubt, found func(context.Context) (bool, error)) (bool, error) {
	w := o.engaged()
	if !e.statedAt(o, directory.Removed, anything).IsZero() {
		return true, nil
	}
	since, err := e.judge(ctx, o, about, func(ctx context.Context) (bool, error) {
		found, err := found(ctx)
		return !found, err
	})
	gone := !since.IsZero()
	if err == nil && !gone && w.recheckAt.IsZero() {
		err = contradicted("the " + w.noun.subject)
	}
	return gone, err
}

// hasLeftSource decides whether an object has left the connection source, as a read of
// the object says. left is when that was, zero as long as it is not believed.
func hasLeftSource[T linked, ID ~string](ctx context.Context, e *linkEngine[T], o T, about store.Doubt, id ID, list func(context.Context) ([]ID, error)) (left time.Time, err error) {
	if left := e.statedToLeaveSource(o); !left.IsZero() {
		return left, nil
	}
	return e.judge(ctx, o, about, isUnlisted(id, list))
}

// statedToLeaveSource is when the object left the connection source according to the events
// behind the task; zero if they do not say so.
func (e *linkEngine[T]) statedToLeaveSource(o T) time.Time {
	source := e.dir.Settings.ConnectionSource
	return e.statedAt(o, directory.Dissociated, func(c directory.Claim) bool { return c.Source == source })
}

// inSourceSince is a time at which the object certainly was in the connection source, if it
// did not leave later, as a read shows that began at a time.
func (e *linkEngine[T]) inSourceSince(o T, began time.Time) time.Time {
	return e.certainly(o, began, directory.Claim{Kind: directory.Associated, Source: e.dir.Settings.ConnectionSource})
}

// secondReadLimit is the time limit for a second read that is a list: the attempt has more to
// read.
const secondReadLimit = readLimit / 3

// errTooLong says that a second read is a list that takes longer than that.
var errTooLong = errors.New("the list is too long for a second read")

// isUnlisted is a second read of an absence: it reads a list. The list of something that
// does not exist is empty.
func isUnlisted[ID ~string](id ID, list func(context.Context) ([]ID, error)) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		limited, cancel := context.WithTimeout(ctx, secondReadLimit)
		defer cancel()
		ids, err := list(limited)
		switch {
		case fault.Is(err, fault.NotFound):
			return true, nil
		case slices.Contains(ids, id): // also in a part of the list
			return false, nil
		case err != nil && limited.Err() != nil && ctx.Err() == nil:
			return false, errTooLong
		}
		return true, err
	}
}

// unconfirmed says that JumpCloud does not show something any more, and that it is read
// again before anybody loses access.
func unconfirmed(what string) error {
	return &fault.Error{Op: "reconcile.absence", Kind: fault.Transient, Reason: directory.AbsenceUnconfirmed,
		Message: "JumpCloud does not show " + what + " any more: it is read again, in another way, before anybody loses access"}
}

// contradicted says that one read of JumpCloud shows something and another does not.
func contradicted(what string) error {
	return &fault.Error{Op: "reconcile.absence", Kind: fault.Transient, Reason: directory.JumpCloudUnavailable, RetryAfter: plan.SecondRead,
		Message: "JumpCloud says of " + what + " that it is there and that it is not: it is tried again"}
}
