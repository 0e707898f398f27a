// Package fanout is the function that turns an event into tasks: one for every
// directory that the user of the event touches.
//
// A task carries keys only. Events that mean nothing to us, and events about
// users that no directory holds, are counted and dropped; they are never an
// error.
package fanout

import (
	"context"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// Handler reads the changes queue.
type Handler struct {
	Store   *store.Store
	Users   queue.Sender // the live lane
	Metrics metric.Counter
}

// Handle takes one batch. A message that could not be fanned out comes again;
// one that is not a change ends in the dead-letter queue.
func (h Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	var response events.SQSEventResponse
	for _, record := range batch.Records {
		if err := h.fanOut(ctx, []byte(record.Body)); err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Str("message", record.MessageId).Msg("a change could not be fanned out")
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
		}
	}
	return response, nil
}

// fanOut sends the tasks of one change.
func (h Handler) fanOut(ctx context.Context, body []byte) error {
	change, err := jumpcloud.ReadChange(body)
	if err != nil {
		return err
	}
	concern := change.Event.Concern()
	tasks, err := h.tasks(ctx, change, concern)
	if err != nil {
		return err
	}
	outcome := "dropped"
	if len(tasks) > 0 {
		outcome = "fanned_out"
	}
	h.Metrics.Count("fanout_events", 1, "concern", string(concern), "outcome", outcome)
	zerolog.Ctx(ctx).Info().Str("event", change.Event.ID).Str("type", change.Event.Type).Str("concern", string(concern)).
		Int("tasks", len(tasks)).Msg("event " + outcome)
	return reconcile.Enqueue(ctx, h.Users, tasks...)
}

// tasks are the users to look at because of a change.
func (h Handler) tasks(ctx context.Context, change jumpcloud.Change, concern jumpcloud.Concern) ([]reconcile.Task, error) {
	if concern == jumpcloud.Irrelevant || concern == jumpcloud.OwnWrite {
		return nil, nil
	}
	cause := plan.Cause{Type: change.Event.Type, ID: change.Event.ID, At: change.Event.Timestamp}
	var tasks []reconcile.Task
	for _, id := range change.Event.Users() {
		user, err := h.Store.User(ctx, change.Organization, id)
		if err != nil {
			return nil, err
		}
		for _, dir := range user.Directories() {
			tasks = append(tasks, reconcile.Task{Directory: dir, User: id, Cause: cause})
		}
	}
	return tasks, nil
}
