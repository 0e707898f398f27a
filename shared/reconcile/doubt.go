package reconcile

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// doubts decide about absences that JumpCloud shows and no event stated: an absence
// takes access away, and one wrong answer must not (see [plan.Absence]).
type doubts struct {
	store   *store.Store
	metrics metric.Counter
}

// verdict is what is held of an absence that was read.
type verdict struct {
	believed bool
	// again is when to read it again, if it is not believed; zero if a read that was
	// made differently showed the contrary.
	again time.Time
}

// judge holds an absence that a read has just shown against the reads before.
// differently makes the second read: it asks the other side of an edge, or another
// list. rethink has it looked at again later; that is certain before anything is
// believed, because the attempt that believes it may come to nothing.
func (d doubts) judge(ctx context.Context, about store.Doubt, differently func(context.Context) (absent bool, err error), rethink func(context.Context) error) (verdict, error) {
	known, err := d.store.Doubt(ctx, about)
	if err != nil {
		return verdict{}, err
	}
	now := time.Now().UTC()
	if known.WantsSecond(now) && !known.Listed {
		absent, err := differently(ctx)
		if err != nil {
			return verdict{}, jumpCloudTrouble(err)
		}
		if !absent {
			d.tell(ctx, known, "contradicted")
			return verdict{}, d.store.RemoveDoubt(ctx, known)
		}
	}
	people, err := d.store.PeopleInDoubt(ctx, about.Directory, now, plan.FewPeople)
	if err != nil {
		return verdict{}, err
	}
	after, believed, again := known.Shown(now, max(people, known.People))
	if believed {
		if err := rethink(ctx); err != nil {
			return verdict{}, err
		}
		d.tell(ctx, known, "believed")
		return verdict{believed: true}, d.store.RemoveDoubt(ctx, known)
	}
	if after != known.Absence {
		d.tell(ctx, known, "doubted")
		known.Absence = after
		err = d.store.PutDoubt(ctx, known)
	}
	return verdict{again: again}, err
}

// tell logs and counts what became of an absence.
func (d doubts) tell(ctx context.Context, about store.Doubt, what string) {
	d.metrics.Count("absences", 1, "of", string(about.What), "outcome", what)
	zerolog.Ctx(ctx).Warn().Str("directory", string(about.Directory)).Str("of", string(about.What)).
		Str("user", string(about.User)).Str("group", string(about.Group)).Int("people", about.People).
		Time("since", about.Since).Msg("an absence in JumpCloud is " + what)
}

// unconfirmed says that something is not there according to JumpCloud and is asked
// for again before anybody loses access.
func unconfirmed(what string) error {
	return &fault.Error{Op: "reconcile.absence", Kind: fault.Transient, Reason: string(directory.AbsenceUnconfirmed),
		Message: "JumpCloud does not show " + what + " any more: it is asked again, in another way, before anybody loses access"}
}

// contradicted says that JumpCloud shows something in one way and not in another.
func contradicted(what string) error {
	return &fault.Error{Op: "reconcile.absence", Kind: fault.Transient, Reason: string(directory.JumpCloudUnavailable), RetryAfter: plan.SecondRead,
		Message: "JumpCloud says of " + what + " that it is there and that it is not: it is tried again"}
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
