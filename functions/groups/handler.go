// Package groups is the function that brings groups up to date. It takes a batch of
// tasks from the live or the bulk lane and passes the tasks of each directory to
// reconcile together.
package groups

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/reconcile"
	"entrasync/shared/sqsbatch"
)

// Config is the configuration of the function.
type Config struct {
	reconcile.Parts
	Postponer sqsbatch.Postponer
	// MaxReceives is how often a message is received before it is a dead letter. A task
	// that should be tried again is sent as a new message some receives before.
	MaxReceives int
}

// Handler reads the groups queues.
type Handler struct {
	config Config
	groups reconcile.Groups
}

// New makes the handler. If a part of the configuration is missing, it returns a fault
// that names the part.
func New(c Config) (Handler, error) {
	groups, err := reconcile.NewGroups(c.Parts)
	return Handler{c, groups}, errors.Join(err, sqsbatch.Check(c.Postponer, c.MaxReceives))
}

// task is one task for a group, with its messages.
type task struct {
	sqsbatch.Duplicates
	attempt reconcile.GroupAttempt
	outcome reconcile.Outcome
}

// Handle takes one batch. Several tasks for one group and directory become one. A task
// that must be tried again is postponed and reported as failed; a message that is not a
// task ends in the dead-letter queue.
func (h Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	ctx, stop := deadline.ForWork(ctx, deadline.Reserve)
	defer stop()
	response := &sqsbatch.Response{Postponer: h.config.Postponer}
	byDirectory := map[directory.ID][]*task{}
	var order []directory.ID
	known := map[string]*task{}
	sqsbatch.EachDue(ctx, batch, response, reconcile.ReadGroupTask, func(m events.SQSMessage, t reconcile.GroupTask) {
		key := string(t.Directory) + "/" + string(t.Group)
		current := known[key]
		if current == nil {
			current = &task{attempt: reconcile.GroupAttempt{GroupTask: t}}
			if known[key] = current; byDirectory[t.Directory] == nil {
				order = append(order, t.Directory)
			}
			byDirectory[t.Directory] = append(byDirectory[t.Directory], current)
		} else {
			current.attempt.GroupTask = current.attempt.Join(t)
		}
		current.Add(m)
		current.attempt.Number, current.attempt.Last = current.Receives, current.Last(h.config.MaxReceives)
	})
	sqsbatch.SideBySide(len(order), func(i int) { h.work(ctx, order[i], byDirectory[order[i]]) })
	for _, id := range order {
		for _, t := range byDirectory[id] {
			sqsbatch.End(ctx, response, t.Duplicates, t.outcome, t.attempt.GroupTask, h.config.Lanes.GroupsBulk)
		}
	}
	return response.SQSEventResponse, nil
}

// work does the tasks for one directory.
func (h Handler) work(ctx context.Context, id directory.ID, tasks []*task) {
	attempts := make([]reconcile.GroupAttempt, len(tasks))
	for i, t := range tasks {
		attempts[i] = t.attempt
	}
	for i, outcome := range h.groups.Sync(ctx, id, attempts) {
		tasks[i].outcome = outcome
	}
}
