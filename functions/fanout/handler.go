// Package fanout is the function that turns an event into tasks: one for each directory
// that has the user or the group of the event.
//
// A task has keys only. Events that are not relevant, and events about users and groups
// that are in no directory, are counted and dropped. They are never an error.
package fanout

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/crowd"
	"entrasync/shared/deadline"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/sqsbatch"
	"entrasync/shared/store"
)

// Config is what the handler needs.
type Config struct {
	Store   *store.Store
	Lanes   reconcile.Lanes
	Metrics metric.Counter
	// Postponer makes changes wait that could not be fanned out.
	Postponer sqsbatch.Postponer
}

// Handler reads the changes queue.
type Handler struct {
	Config
	crowds *crowd.Counter
}

// New returns a fault that names the first part that is missing.
func New(c Config) (Handler, error) {
	err := fault.Missing("fanout.new", fault.Part{Name: "Store", There: c.Store != nil},
		fault.Part{Name: "Metrics", There: c.Metrics != nil}, fault.Part{Name: "Postponer", There: c.Postponer != nil})
	if err == nil {
		err = c.Lanes.Check()
	}
	return Handler{c, &crowd.Counter{}}, err
}

// Handle takes one batch and sends the tasks of all its changes together. If a message
// cannot be fanned out, it comes again after a wait that grows with every try; a message
// that is not a change ends in the dead-letter queue.
func (h Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	ctx, stop := deadline.ForWork(ctx, deadline.Reserve)
	defer stop()
	response := &sqsbatch.Response{Postponer: h.Postponer}
	failed, done := map[string]bool{}, map[string]jumpcloud.Change{}
	fail := func(m events.SQSMessage, err error) {
		zerolog.Ctx(ctx).Error().Err(err).Str("messageId", m.MessageId).Msg("a change could not be fanned out")
		if !failed[m.MessageId] {
			failed[m.MessageId] = true
			response.Postpone(ctx, wait(m), m)
		}
	}
	var users lanes[reconcile.Task]
	var groups lanes[reconcile.GroupTask]
	for _, m := range batch.Records {
		change, err := jumpcloud.ReadChange([]byte(m.Body))
		if err != nil {
			response.Malformed(ctx, m, err)
			continue
		}
		found, err := h.fanOut(ctx, change, sqsbatch.SentAt(m))
		if err != nil {
			fail(m, err)
			continue
		}
		done[m.MessageId] = change
		for _, t := range found.users {
			users.of(t.Cause).add(m, t)
		}
		for _, t := range found.groups {
			groups.of(t.Cause).add(m, t)
		}
	}
	users.live.send(ctx, h.Lanes.UsersLive, fail)
	groups.live.send(ctx, h.Lanes.GroupsLive, fail)
	users.bulk.send(ctx, h.Lanes.UsersBulk, fail)
	groups.bulk.send(ctx, h.Lanes.GroupsBulk, fail)
	for id := range failed {
		delete(done, id)
	}
	h.keepSeen(ctx, done)
	return response.SQSEventResponse, nil
}

// The waits before a change is fanned out again: 1, 2, 4 … seconds, at most three minutes.
// With the number of times that a message is received they outlast an outage of half an
// hour.
const (
	firstWait   = time.Second
	longestWait = 3 * time.Minute
)

// wait is how long a message waits that could not be fanned out.
func wait(m events.SQSMessage) time.Duration {
	const beyond = 8 // doublings
	return min(firstWait<<min(sqsbatch.Receives(m)-1, beyond), longestWait)
}

// task is a task for a user or a group.
type task interface {
	Message() (queue.Message, error)
}

// lanes are the tasks for users, or those for groups.
type lanes[T task] struct{ live, bulk lane[T] }

// of is the lane for the tasks of a cause.
func (l *lanes[T]) of(cause plan.Cause) *lane[T] {
	if cause.Many {
		return &l.bulk
	}
	return &l.live
}

// lane is the tasks for one queue.
type lane[T task] struct {
	tasks   []T
	sources []events.SQSMessage // the messages that the tasks come from
}

// add adds a task of a message.
func (l *lane[T]) add(source events.SQSMessage, task T) {
	l.tasks, l.sources = append(l.tasks, task), append(l.sources, source)
}

// send sends the tasks; fail gets the messages that they come from if that fails.
func (l *lane[T]) send(ctx context.Context, to queue.Sender, fail func(events.SQSMessage, error)) {
	if err := reconcile.Enqueue(ctx, to, l.tasks...); err != nil {
		for _, m := range l.sources {
			fail(m, err)
		}
	}
}

// fanOut finds the tasks of one change that was sent to the queue at a time.
func (h Handler) fanOut(ctx context.Context, change jumpcloud.Change, sent time.Time) (tasks, error) {
	concern := change.Event.Concern()
	found, err := h.tasks(ctx, change, concern)
	if err != nil {
		return tasks{}, err
	}
	count := len(found.users) + len(found.groups)
	outcome := "dropped"
	if count > 0 {
		outcome = "fanned_out"
		if h.crowds.Surplus(time.Now(), kindsOf(change)...) {
			found.inCrowd()
		}
	}
	h.Metrics.Count("fanout_events", 1, "concern", string(concern), "outcome", outcome)
	zerolog.Ctx(ctx).Info().Str("event", change.Event.ID).Str("type", change.Event.Type).Str("concern", string(concern)).
		Int("tasks", count).Msg("event " + outcome)
	return found.of(change.Event, sent), nil
}
