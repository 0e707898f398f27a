package catchup

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// clockSkew is how far our clock may be from JumpCloud's (assumed): a window begins so long
// before the present at least, because JumpCloud refuses one that begins in the future or
// after its own end.
const clockSkew = time.Minute

// turn is the reading of one organization by this process.
type turn struct {
	Parts
	served
	kept store.CatchUp
	// seen are the ids of the events that were seen before; nil if they were not read yet.
	// found are those that were found and sent, and are not stored yet.
	seen  map[string]bool
	found []store.Seen
	// wanted is where the window should have begun, if JumpCloud did not show so much; zero
	// if it did. narrowed is how many of the shorter ones were considered.
	wanted   time.Time
	narrowed int
}

// ours is a failure of our own records or queues. All others are JumpCloud's.
type ours struct{ error }

// Unwrap returns the failure.
func (o ours) Unwrap() error { return o.error }

// own marks a failure as one of our own; nil stays nil.
func own(err error) error {
	if err == nil {
		return nil
	}
	return ours{err}
}

// take takes the lease.
func (t *turn) take(ctx context.Context) error {
	t.kept.Holder = uuid.NewString()
	return t.keep(ctx)
}

// keep stores the record, with the lease for the rest of the turn, and which events were
// found.
func (t *turn) keep(ctx context.Context) (err error) {
	t.kept.HeldUntil = time.Now().Add(longestTurn + leaseReserve).UTC()
	if t.kept, err = t.Store.PutCatchUp(ctx, t.kept, t.found...); err == nil {
		t.found = nil
	}
	return err
}

// errTimeUp says that the time of the turn is over: the next one reads on.
var errTimeUp = errors.New("the time of the turn is over")

// read reads the feed up to the present: the rest of the window that an earlier turn began,
// if there is one, then a new window. Then it tries the time that JumpCloud did not show.
func (t *turn) read(ctx context.Context) error {
	feed, err := t.Feeds.Feed(ctx, t.id)
	if err != nil {
		return err
	}
	if !t.kept.To.IsZero() {
		if err := t.window(ctx, feed); err != nil {
			return err
		}
		if err := t.keep(ctx); err != nil {
			return own(err)
		}
	}
	t.begin(time.Now().UTC())
	if err := t.window(ctx, feed); err != nil {
		return err
	}
	if err := t.readUnread(ctx, feed); err != nil {
		return err
	}
	t.migrateRules(ctx, feed)
	return nil
}

// begin begins a window that ends now.
func (t *turn) begin(now time.Time) {
	from := t.kept.From
	if from.IsZero() {
		from = t.since
	}
	if oldest := now.Add(-jumpcloud.FeedRetention); from.Before(oldest) {
		from = oldest
	}
	if latest := now.Add(-clockSkew); from.After(latest) {
		from = latest
	}
	t.kept.From, t.kept.To, t.kept.After, t.narrowed = from.UTC(), now, "", 0
}

// window reads the present window page by page, from the place that was reached. What was
// found on its last page is in found, and not stored yet.
func (t *turn) window(ctx context.Context, feed Feed) error {
	for {
		if !deadline.Allows(ctx, shortestTurn) {
			t.widen()
			return errTimeUp
		}
		page, err := feed.EventPage(ctx, jumpcloud.EventQuery{From: t.kept.From, To: t.kept.To}, t.kept.After)
		if err != nil {
			if t.narrow(err, time.Now()) {
				continue
			}
			if t.widen(); t.staysUnread(err, time.Now()) {
				return nil
			}
			return t.explained(ctx, feed, err)
		}
		t.noteUnread(ctx)
		if err := t.send(ctx, page.Events); err != nil {
			return own(err)
		}
		if t.kept.After = page.Next; page.Next == "" {
			t.endWindow(time.Now().UTC())
			return nil
		}
		if err := t.keep(ctx); err != nil {
			return own(err)
		}
	}
}

// endWindow says where the next window begins: so long before the end of this one that all
// events before were visible when this one was begun.
func (t *turn) endWindow(now time.Time) {
	if t.ofUnread() {
		t.endUnread(now)
		return
	}
	if next := t.kept.To.Add(-jumpcloud.FeedLag); next.After(t.kept.From) {
		t.kept.From = next
	}
	t.kept.To, t.kept.LastRunAt = time.Time{}, now
}

// mostInSeen is how many ids one record of seen events has: far below the limit of an item.
const mostInSeen = 2000

// send sends the events of a page that were not seen before.
func (t *turn) send(ctx context.Context, page []jumpcloud.FeedEvent) error {
	if len(page) == 0 {
		return nil
	}
	if err := t.readSeen(ctx); err != nil {
		return err
	}
	var changes []jumpcloud.Change
	var ids []string
	now, late := time.Now().UTC(), time.Duration(0)
	for _, event := range page {
		if t.seen[event.ID] || t.seen[event.Twin] {
			continue
		}
		t.seen[event.ID] = true
		changes = append(changes, jumpcloud.Change{Organization: t.id, Event: event.Event, Via: jumpcloud.ByCatchUp})
		ids = append(ids, event.ID)
		if !event.Timestamp.IsZero() {
			late += now.Sub(event.Timestamp)
		}
	}
	t.Metrics.Count("catchup_events", len(page)-len(changes), "outcome", "seen")
	if len(changes) == 0 {
		return nil
	}
	if err := reconcile.Enqueue(ctx, t.Changes, changes...); err != nil {
		return err
	}
	t.Metrics.Count("catchup_events", len(changes), "outcome", "unseen")
	t.Metrics.Count("catchup_late_seconds", int(late/time.Second))
	zerolog.Ctx(ctx).Info().Int("events", len(changes)).Time("first", changes[0].Event.Timestamp).Msg("events were found whose webhook did not come")
	t.kept.Found, t.kept.LastFoundAt = t.kept.Found+len(changes), now
	for chunk := range slices.Chunk(ids, mostInSeen) {
		t.found = append(t.found, store.Seen{Organization: t.id, Via: jumpcloud.ByCatchUp.String(), At: now, IDs: chunk})
	}
	return nil
}

// readSeen reads which events of the window were seen before, if they were not read yet.
func (t *turn) readSeen(ctx context.Context) error {
	if t.seen != nil {
		return nil
	}
	seen, now := map[string]bool{}, time.Now()
	since := t.kept.From.Add(-clockSkew) // an event is seen after it happened
	ways := []jumpcloud.Via{jumpcloud.ByWebhook}
	if !t.kept.LastFoundAt.Before(since) {
		ways = append(ways, jumpcloud.ByCatchUp)
	}
	for _, via := range ways {
		err := t.Store.SeenSince(ctx, t.id, via.String(), since, now, func(s store.Seen) {
			for _, id := range s.IDs {
				seen[id] = true
			}
			if via == jumpcloud.ByWebhook && s.At.After(t.kept.LastWebhookAt) {
				t.kept.LastWebhookAt = s.At
			}
		})
		if err != nil {
			return err
		}
	}
	delete(seen, "") // a twin that is not known
	t.seen = seen
	return nil
}

// recordLimit is how long writing the end of a turn may take.
const recordLimit = 5 * time.Second

// end ends the turn: it stores how it went and ends the lease, in one write. It returns a
// failure of our own.
func (t *turn) end(ctx context.Context, failed error) error {
	if fault.Is(failed, fault.Changed) { // another process has the organization now
		return failed
	}
	var mine ours
	switch {
	case failed == nil:
		t.recovered(ctx)
	case errors.Is(failed, errTimeUp):
	case errors.As(failed, &mine):
		t.Metrics.Count("catchup_failed", 1, "reason", string(directory.InternalReason))
	default:
		t.troubled(ctx, fault.Of(failed), time.Now().UTC())
	}
	recording, stop := deadline.ForRecords(ctx, recordLimit)
	defer stop()
	t.kept.Holder, t.kept.HeldUntil = "", time.Time{}
	_, err := t.Store.PutCatchUp(recording, t.kept, t.found...)
	return errors.Join(mine.error, err)
}
