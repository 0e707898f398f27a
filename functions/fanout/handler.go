// Package fanout is the function that turns an event into tasks: one for each directory
// that has the user or the group of the event.
//
// A task has keys only. Events that are not relevant, and events about users and groups
// that are in no directory, are counted and dropped. They are never an error.
package fanout

import (
	"context"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// Handler reads the changes queue.
type Handler struct {
	Store   *store.Store
	Users   queue.Sender // the live lane
	Groups  queue.Sender // the live lane of groups
	Metrics metric.Counter
}

// Handle takes one batch and sends the tasks of all its changes together. If a message
// cannot be fanned out, it is reported as failed and comes again; a message that is not
// a change ends in the dead-letter queue.
func (h Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	var response events.SQSEventResponse
	failed := map[string]bool{}
	fail := func(id string, err error) {
		zerolog.Ctx(ctx).Error().Err(err).Str("messageId", id).Msg("a change could not be fanned out")
		if !failed[id] {
			failed[id] = true
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
		}
	}
	var users lane[reconcile.Task]
	var groups lane[reconcile.GroupTask]
	for _, record := range batch.Records {
		found, err := h.fanOut(ctx, []byte(record.Body))
		if err != nil {
			fail(record.MessageId, err)
			continue
		}
		users.add(record.MessageId, found.users)
		groups.add(record.MessageId, found.groups)
	}
	if err := reconcile.Enqueue(ctx, h.Users, users.tasks...); err != nil {
		for _, id := range users.sources {
			fail(id, err)
		}
	}
	if err := reconcile.Enqueue(ctx, h.Groups, groups.tasks...); err != nil {
		for _, id := range groups.sources {
			fail(id, err)
		}
	}
	return response, nil
}

// lane is the tasks for one queue.
type lane[T any] struct {
	tasks   []T
	sources []string // the messages that the tasks come from
}

// add adds the tasks of one message.
func (l *lane[T]) add(source string, tasks []T) {
	if len(tasks) > 0 {
		l.tasks, l.sources = append(l.tasks, tasks...), append(l.sources, source)
	}
}

// fanOut finds the tasks of one change.
func (h Handler) fanOut(ctx context.Context, body []byte) (tasks, error) {
	change, err := jumpcloud.ReadChange(body)
	if err != nil {
		return tasks{}, err
	}
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
