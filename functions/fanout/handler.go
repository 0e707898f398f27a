// Package fanout is the function that turns an event into tasks: one for every
// directory that the user of the event touches.
//
// A task carries keys only. Events that mean nothing to us, and events about
// users that no directory holds, are counted and dropped; they are never an
// error.
package fanout

import (
	"context"
	"time"

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

// Handle takes one batch and sends the tasks of all its changes together. A
// message that could not be fanned out comes again; one that is not a change ends
// in the dead-letter queue.
func (h Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	var response events.SQSEventResponse
	fail := func(id string, err error) {
		zerolog.Ctx(ctx).Error().Err(err).Str("messageId", id).Msg("a change could not be fanned out")
		response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	var tasks []reconcile.Task
	var sources []string // the messages that the tasks come from
	for _, record := range batch.Records {
		found, err := h.fanOut(ctx, []byte(record.Body))
		if err != nil {
			fail(record.MessageId, err)
			continue
		}
		if len(found) > 0 {
			tasks, sources = append(tasks, found...), append(sources, record.MessageId)
		}
	}
	if err := reconcile.Enqueue(ctx, h.Users, tasks...); err != nil {
		for _, id := range sources {
			fail(id, err)
		}
	}
	return response, nil
}

// fanOut finds the tasks of one change.
func (h Handler) fanOut(ctx context.Context, body []byte) ([]reconcile.Task, error) {
	change, err := jumpcloud.ReadChange(body)
	if err != nil {
		return nil, err
	}
	concern := change.Event.Concern()
	tasks, err := h.tasks(ctx, change, concern)
	if err != nil {
		return nil, err
	}
	outcome := "dropped"
	if len(tasks) > 0 {
		outcome = "fanned_out"
	}
	h.Metrics.Count("fanout_events", 1, "concern", string(concern), "outcome", outcome)
	zerolog.Ctx(ctx).Info().Str("event", change.Event.ID).Str("type", change.Event.Type).Str("concern", string(concern)).
		Int("tasks", len(tasks)).Msg("event " + outcome)
	return tasks, nil
}

// tasks are the users to look at because of a change.
func (h Handler) tasks(ctx context.Context, change jumpcloud.Change, concern jumpcloud.Concern) ([]reconcile.Task, error) {
	if concern == jumpcloud.Irrelevant || concern == jumpcloud.OwnWrite {
		return nil, nil
	}
	cause := plan.Cause{Type: change.Event.Type, ID: change.Event.ID, At: change.Event.Timestamp, Event: true}
	var passwordAt time.Time
	if concern == jumpcloud.PasswordChanged {
		passwordAt = cause.At
	}
	var tasks []reconcile.Task
	for _, id := range change.Event.Users() {
		user, err := h.Store.User(ctx, change.Organization, id)
		if err != nil {
			return nil, err
		}
		for _, dir := range user.Directories() {
			tasks = append(tasks, reconcile.Task{Directory: dir, User: id, Cause: cause, PasswordAt: passwordAt})
		}
	}
	return tasks, nil
}
