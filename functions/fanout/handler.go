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

	"entrasync/shared/deadline"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/sqsbatch"
	"entrasync/shared/store"
)

// Config is what the handler needs.
type Config struct {
	Store   *store.Store
	Users   queue.Sender // the live lane
	Groups  queue.Sender // the live lane of groups
	Metrics metric.Counter
	// Postponer makes changes wait that could not be fanned out.
	Postponer sqsbatch.Postponer
}

// Handler reads the changes queue.
type Handler struct{ Config }

// New returns a fault that names the first part that is missing.
func New(c Config) (Handler, error) {
	return Handler{c}, fault.Missing("fanout.new", fault.Part{Name: "Store", There: c.Store != nil}, fault.Part{Name: "Users", There: c.Users != nil},
		fault.Part{Name: "Groups", There: c.Groups != nil}, fault.Part{Name: "Metrics", There: c.Metrics != nil}, fault.Part{Name: "Postponer", There: c.Postponer != nil})
}

// Handle takes one batch and sends the tasks of all its changes together. If a message
// cannot be fanned out, it comes again after a wait that grows with every try; a message
// that is not a change ends in the dead-letter queue.
func (h Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	ctx, stop := deadline.ForWork(ctx, deadline.Reserve)
	defer stop()
	response := &sqsbatch.Response{Postponer: h.Postponer}
	failed := map[string]bool{}
	fail := func(m events.SQSMessage, err error) {
		zerolog.Ctx(ctx).Error().Err(err).Str("messageId", m.MessageId).Msg("a change could not be fanned out")
		if !failed[m.MessageId] {
			failed[m.MessageId] = true
			response.Postpone(ctx, wait(m), m)
		}
	}
	var users lane[reconcile.Task]
	var groups lane[reconcile.GroupTask]
	for _, m := range batch.Records {
		change, err := jumpcloud.ReadChange([]byte(m.Body))
		if err != nil {
			response.Malformed(ctx, m, err)
			continue
		}
		found, err := h.fanOut(ctx, change)
		if err != nil {
			fail(m, err)
			continue
		}
		users.add(m, found.users)
		groups.add(m, found.groups)
	}
	if err := reconcile.Enqueue(ctx, h.Users, users.tasks...); err != nil {
		for _, m := range users.sources {
			fail(m, err)
		}
	}
	if err := reconcile.Enqueue(ctx, h.Groups, groups.tasks...); err != nil {
		for _, m := range groups.sources {
			fail(m, err)
		}
	}
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

// lane is the tasks for one queue.
type lane[T any] struct {
	tasks   []T
	sources []events.SQSMessage // the messages that the tasks come from
}

// add adds the tasks of one message.
func (l *lane[T]) add(source events.SQSMessage, tasks []T) {
	if len(tasks) > 0 {
		l.tasks, l.sources = append(l.tasks, tasks...), append(l.sources, source)
	}
}

// fanOut finds the tasks of one change.
func (h Handler) fanOut(ctx context.Context, change jumpcloud.Change) (tasks, error) {
	concern := change.Event.Concern()
	found, err := h.tasks(ctx, change, concern)
	if err != nil {
		return tasks{}, err
	}
	count := len(found.users) + len(found.groups)
	outcome := "dropped"
	if count > 0 {
		outcome = "fanned_out"
	}
	h.Metrics.Count("fanout_events", 1, "concern", string(concern), "outcome", outcome)
	zerolog.Ctx(ctx).Info().Str("event", change.Event.ID).Str("type", change.Event.Type).Str("concern", string(concern)).
		Int("tasks", count).Msg("event " + outcome)
	return found.of(change.Event), nil
}
