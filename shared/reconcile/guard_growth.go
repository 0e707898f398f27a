package reconcile

import (
	"context"

	"github.com/rs/zerolog"

	"entrasync/shared/metric"
	"entrasync/shared/store"
)

// A hold is announced when it begins, and again when it has grown by more than what would begin
// one. That this is to be done is stored with the hold: however a process dies, the
// next who joins does it, or the sweep.

// limit is how many people may lose access by the guard at once, as far as it is known.
func (j *judgement) limit(ctx context.Context) (int, error) {
	guard := j.dir.Settings.Guard
	linked, err := j.linked(ctx, *guard.MaxCount, nil)
	return max(guard.Minimum, min(*guard.MaxCount, guard.MaxPercent*linked/100)), err
}

// announceHold counts and logs that a hold began or has grown, and notes that.
func announceHold(ctx context.Context, records *store.Store, metrics metric.Counter, hold store.Hold) (store.Hold, error) {
	metrics.Count("holds_announced", 1) // without labels: the alarm is about any
	says := "a hold began: a person has to approve or reject it"
	if !hold.GrownAt.IsZero() {
		says = "a hold has grown: a person has to approve or reject it"
	}
	zerolog.Ctx(ctx).Warn().Str("directory", string(hold.Directory)).Str("hold", hold.ID).Str("kind", string(hold.Kind)).Int("count", hold.Count).
		Str("cause", hold.Cause.Type).Str("why", hold.Sentence()).Msg(says)
	return records.AnnouncedHold(ctx, hold.Directory, hold.ID)
}
