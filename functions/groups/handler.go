// Package groups is the function that brings groups up to date. It takes a batch of
// tasks from the live or the bulk lane and hands the tasks of each directory to
// reconcile together.
package groups

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/lane"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
)

// Handler reads the groups queues.
type Handler struct {
	Groups    reconcile.Groups
	Postponer lane.Postponer
	// MaxReceives is how often a message comes before it is a dead letter. What
	// is worth trying on after the last time is sent again as a new message.
	MaxReceives int
	Again       queue.Sender // the bulk lane
}

// task is a look at one group, with the messages that ask for it.
type task struct {
	lane.Asked
	attempt reconcile.GroupAttempt
	outcome reconcile.Outcome
}

// Handle takes one batch. Several tasks for one group and directory become one look.
// A task that must be tried again is postponed and reported as failed; a message
// that is not a task ends in the dead-letter queue.
func (h Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	response := &lane.Response{Postponer: h.Postponer}
	byDirectory := map[directory.ID][]*task{}
	var order []directory.ID
	known := map[string]*task{}
	for _, m := range batch.Records {
		t, err := reconcile.ReadGroupTask([]byte(m.Body))
		if err != nil {
			response.Malformed(ctx, m, err)
			continue
		}
		if wait := time.Until(t.NotBefore); wait > 0 {
			response.Postpone(ctx, wait, m)
			continue
		}
		key := string(t.Directory) + "/" + string(t.Group)
		if known[key] == nil {
			known[key] = &task{attempt: reconcile.GroupAttempt{GroupTask: t}}
			if byDirectory[t.Directory] == nil {
				order = append(order, t.Directory)
			}
			byDirectory[t.Directory] = append(byDirectory[t.Directory], known[key])
		}
		known[key].add(m, t, h.MaxReceives)
	}
	lane.SideBySide(len(order), func(i int) { h.work(ctx, order[i], byDirectory[order[i]]) })
	for _, id := range order {
		for _, t := range byDirectory[id] {
			switch {
			case t.outcome.Afresh: // after those that wait in the bulk lane
				response.Replace(ctx, reconcile.Enqueue(context.WithoutCancel(ctx), h.Again, t.attempt.GroupTask), t.Messages...)
			case t.outcome.Retry:
				response.Postpone(ctx, t.outcome.After, t.Messages...)
			}
		}
	}
	return response.SQSEventResponse, nil
}

// add notes one more message that asks for the same look. The latest cause is the
// one that is named.
func (t *task) add(m events.SQSMessage, same reconcile.GroupTask, maxReceives int) {
	t.Add(m)
	if same.Cause.At.After(t.attempt.Cause.At) {
		t.attempt.Cause = same.Cause
	}
	t.attempt.Whole = t.attempt.Whole || same.Whole
	t.attempt.Source = t.attempt.Source || same.Source
	t.attempt.Thought = max(t.attempt.Thought, same.Thought)
	if len(t.Messages) > 1 {
		t.attempt.Claims = append(t.attempt.Claims, same.Claims...)
	}
	t.attempt.Number = t.Number
	t.attempt.Last = t.Number >= maxReceives
}

// work does what a batch holds for one directory.
func (h Handler) work(ctx context.Context, id directory.ID, tasks []*task) {
	attempts := make([]reconcile.GroupAttempt, len(tasks))
	for i, t := range tasks {
		attempts[i] = t.attempt
	}
	for i, outcome := range h.Groups.Sync(ctx, id, attempts) {
		tasks[i].outcome = outcome
	}
}
