// Package stranded takes messages out of the dead letters, so that nobody is hidden there:
// a worker that dies with every receive of a message writes no reason, no log line and no
// count.
//
// For each message it (1) writes a record with all that is needed to send the message back
// (package store, Stranded); (2) parks the links of the users and groups that the message
// is about, with the reason stranded, unless a later change was applied since, and makes a
// link for a newcomer, who has none yet; (3) records a failed action for each user, which the
// events show; (4) counts and logs it; and only then (5) deletes the message. A process may
// die at any point: the message is received again, and the same record and the same actions
// are written again.
//
// The task of a password has a sealed password, which is never stored: its action is closed
// as interrupted, and the links say that the password has to be set again.
package stranded

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// DeadLetters are the dead letters of one queue.
type DeadLetters interface {
	// Receive returns up to max dead letters; it waits up to wait for the first. A dead
	// letter that is not deleted is received again later.
	Receive(ctx context.Context, max int, wait time.Duration) ([]queue.Received, error)
	// Delete removes dead letters. A receipt that is no longer valid is ignored.
	Delete(ctx context.Context, receipts ...string) error
}

// Queues are the dead letters by the lane that they come from.
type Queues map[store.Lane]DeadLetters

// Lanes are all lanes that have dead letters.
var Lanes = []store.Lane{store.Changes, store.UsersLive, store.UsersBulk, store.GroupsLive, store.GroupsBulk}

// Config is what is needed to take dead letters.
type Config struct {
	Store   *store.Store
	Dead    Queues
	Metrics metric.Counter
}

// Taker takes messages out of the dead letters.
type Taker struct{ Config }

// New returns a fault that names the first part that is missing.
func New(c Config) (Taker, error) {
	parts := []fault.Part{{Name: "Store", There: c.Store != nil}, {Name: "Metrics", There: c.Metrics != nil}}
	for _, lane := range Lanes {
		parts = append(parts, fault.Part{Name: "Dead[" + string(lane) + "]", There: c.Dead[lane] != nil})
	}
	return Taker{c}, fault.Missing("stranded.new", parts...)
}

const (
	// arrival is how long one receive waits: a receive of SQS that does not wait asks only
	// some of its servers.
	arrival = time.Second
	// lastBatch is how much time must be left to begin a batch.
	lastBatch = 15 * time.Second
)

// Take takes messages out of the dead letters of all lanes until there are none, or until
// too little time is left; it returns how many it took. A message that fails stays a dead
// letter, and the error says why.
func (t Taker) Take(ctx context.Context) (taken int, err error) {
	counts, errs := make([]int, len(Lanes)), make([]error, len(Lanes))
	var lanes errgroup.Group
	for i, lane := range Lanes {
		lanes.Go(func() error {
			counts[i], errs[i] = t.takeFrom(ctx, lane)
			return nil
		})
	}
	_ = lanes.Wait() // the errors are in errs
	for _, n := range counts {
		taken += n
	}
	return taken, errors.Join(errs...)
}

// takeFrom takes messages out of the dead letters of one lane.
func (t Taker) takeFrom(ctx context.Context, lane store.Lane) (taken int, err error) {
	for hasTime(ctx) {
		messages, err := t.Dead[lane].Receive(ctx, queue.MaxBatch, arrival)
		if err != nil || len(messages) == 0 {
			return taken, err
		}
		var failed error
		for _, m := range messages {
			if err := t.take(ctx, lane, m); err != nil {
				failed = errors.Join(failed, err)
				zerolog.Ctx(ctx).Error().Err(err).Str("queue", string(lane)).Str("messageId", m.ID).Msg("a dead letter could not be taken: it is received again")
				continue
			}
			taken++
		}
		if failed != nil {
			return taken, failed
		}
	}
	return taken, nil
}

// hasTime reports whether enough time is left for one more batch.
func hasTime(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() == nil && (!limited || time.Until(deadline) > lastBatch)
}

// take takes one message.
func (t Taker) take(ctx context.Context, lane store.Lane, m queue.Received) error {
	read := readMessage(lane, m, time.Now().UTC())
	var err error
	if read.record, err = t.Store.AddStranded(ctx, read.record); err != nil {
		return err
	}
	if err := t.mark(ctx, read); err != nil {
		return err
	}
	t.report(ctx, read.record)
	if read.tooLarge {
		return nil // the record does not have the body, so the message must stay
	}
	return t.Dead[lane].Delete(ctx, m.Receipt)
}

// report counts and logs a message.
func (t Taker) report(ctx context.Context, r store.Stranded) {
	t.Metrics.Count("stranded", 1, "queue", string(r.Lane))
	line := zerolog.Ctx(ctx).Error().Str("queue", string(r.Lane)).Str("stranded", r.ID).Int("receives", r.Receives)
	for _, about := range r.About {
		line = line.Str(about.Kind, about.ID)
	}
	for _, field := range [][2]string{
		{"organization", string(r.Organization)}, {"directory", string(r.Directory)},
		{"cause", r.Cause.Type}, {"event", r.Cause.ID}, {"unreadable", r.Unreadable},
	} {
		if field[1] != "" {
			line = line.Str(field[0], field[1])
		}
	}
	line.Msg("a message was received too often and is set aside: its change may not be in Entra")
}
