// Package users is the function that brings users up to date. It takes a batch
// of tasks from the live or the bulk lane and hands the tasks of each directory
// to reconcile together.
package users

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
)

// Postponer makes a message wait before it comes again.
type Postponer interface {
	// Postpone hides a received message for d. source is the ARN of the queue
	// it came from.
	Postpone(ctx context.Context, source, receipt string, d time.Duration) error
}

// Handler reads the users queues.
type Handler struct {
	Users     reconcile.Users
	Postponer Postponer
	// MaxReceives is how often a message comes before it is a dead letter. What
	// is worth trying on after the last time is sent again as a new message.
	MaxReceives int
	Again       queue.Sender // the bulk lane
}

// task is one user of a batch with the messages that ask for it.
type task struct {
	attempt  reconcile.Attempt
	messages []events.SQSMessage
}

// Handle takes one batch. Several tasks for one user and directory become one
// look. A task that must be tried again is postponed and reported as failed; a
// message that is not a task ends in the dead-letter queue.
func (h Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	var response events.SQSEventResponse
	fail := func(m events.SQSMessage) {
		response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
	}
	byDirectory := map[directory.ID][]*task{}
	var order []directory.ID
	known := map[string]*task{}
	for _, m := range batch.Records {
		t, err := reconcile.ReadTask([]byte(m.Body))
		if err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Str("messageId", m.MessageId).Msg("a message is not a task")
			fail(m)
			continue
		}
		key := string(t.Directory) + "/" + string(t.User)
		if known[key] == nil {
			known[key] = &task{attempt: reconcile.Attempt{Task: t}}
			if byDirectory[t.Directory] == nil {
				order = append(order, t.Directory)
			}
			byDirectory[t.Directory] = append(byDirectory[t.Directory], known[key])
		}
		known[key].add(m, t, h.MaxReceives)
	}
	outcomes := make([][]reconcile.Outcome, len(order))
	sideBySide(len(order), func(i int) {
		outcomes[i] = h.Users.Sync(ctx, order[i], attempts(byDirectory[order[i]]))
	})
	for n, id := range order {
		tasks := byDirectory[id]
		for i, outcome := range outcomes[n] {
			switch {
			case outcome.Afresh:
				h.sendAgain(ctx, tasks[i], fail)
			case outcome.Retry:
				h.postpone(ctx, tasks[i], outcome.After, fail)
			}
		}
	}
	return response, nil
}

// sideBySide does the work of several directories at once, so that the slowness of
// one is not the others'. A panic in any of them is one of the caller, who knows
// how to survive it.
func sideBySide(n int, work func(int)) {
	panics := make([]any, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			defer func() { panics[i] = recover() }()
			work(i)
		})
	}
	group.Wait()
	for _, cause := range panics {
		if cause != nil {
			panic(cause)
		}
	}
}

// add notes one more message that asks for the same look. The latest cause is
// the one that is named.
func (t *task) add(m events.SQSMessage, same reconcile.Task, maxReceives int) {
	t.messages = append(t.messages, m)
	if same.Cause.At.After(t.attempt.Cause.At) {
		t.attempt.Cause = same.Cause
	}
	if same.PasswordAt.After(t.attempt.PasswordAt) {
		t.attempt.PasswordAt = same.PasswordAt
	}
	receives, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil {
		receives = 1
	}
	t.attempt.Number = max(t.attempt.Number, receives)
	t.attempt.Last = t.attempt.Number >= maxReceives
}

// attempts are the attempts of tasks.
func attempts(tasks []*task) []reconcile.Attempt {
	list := make([]reconcile.Attempt, len(tasks))
	for i, t := range tasks {
		list[i] = t.attempt
	}
	return list
}

// sendAgain replaces the messages of a task, which have come as often as they
// may, by a new one. It comes after those that wait in the bulk lane.
func (h Handler) sendAgain(ctx context.Context, t *task, fail func(events.SQSMessage)) {
	fresh := t.attempt.Task
	fresh.Afresh++
	if err := reconcile.Enqueue(context.WithoutCancel(ctx), h.Again, fresh); err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str("user", string(fresh.User)).Msg("a task could not be sent again: it becomes a dead letter")
		for _, m := range t.messages {
			fail(m)
		}
	}
}

// postpone makes all messages of a task wait and come again.
func (h Handler) postpone(ctx context.Context, t *task, wait time.Duration, fail func(events.SQSMessage)) {
	for _, m := range t.messages {
		if err := h.Postponer.Postpone(context.WithoutCancel(ctx), m.EventSourceARN, m.ReceiptHandle, wait); err != nil {
			// It comes again after the queue's visibility timeout instead.
			zerolog.Ctx(ctx).Warn().Err(err).Str("messageId", m.MessageId).Msg("a message could not be postponed")
		}
		fail(m)
	}
}
