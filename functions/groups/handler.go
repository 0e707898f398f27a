// Package groups is the function that brings groups up to date. It takes a batch of
// tasks from the live or the bulk lane and hands the tasks of each directory to
// reconcile together.
package groups

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/reconcile"
	"entrasync/shared/sqsbatch"
)

// Config is what the function is made of.
type Config struct {
	reconcile.Parts
	Postponer sqsbatch.Postponer
	// MaxReceives is how often a message comes before it is a dead letter. What
	// is worth trying on after the last time is sent again as a new message.
	MaxReceives int
}

// Handler reads the groups queues.
type Handler struct {
	config Config
	groups reconcile.Groups
}

// New refuses a configuration of which a part is missing, by its name.
func New(c Config) (Handler, error) {
	groups, err := reconcile.NewGroups(c.Parts)
	return Handler{c, groups}, errors.Join(err, sqsbatch.Check(c.Postponer, c.MaxReceives))
}

// task is a look at one group, with the messages that ask for it.
type task struct {
	sqsbatch.Duplicates
	attempt reconcile.GroupAttempt
	outcome reconcile.Outcome
}

// Handle takes one batch. Several tasks for one group and directory become one look.
// A task that must be tried again is postponed and reported as failed; a message
// that is not a task ends in the dead-letter queue.
func (h Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	response := &sqsbatch.Response{Postponer: h.config.Postponer}
	byDirectory := map[directory.ID][]*task{}
	var order []directory.ID
	known := map[string]*task{}
	sqsbatch.EachDue(ctx, batch, response, reconcile.ReadGroupTask, func(m events.SQSMessage, t reconcile.GroupTask) {
		key := string(t.Directory) + "/" + string(t.Group)
		asked := known[key]
		if asked == nil {
			asked = &task{attempt: reconcile.GroupAttempt{GroupTask: t}}
			if known[key] = asked; byDirectory[t.Directory] == nil {
				order = append(order, t.Directory)
			}
			byDirectory[t.Directory] = append(byDirectory[t.Directory], asked)
		} else {
			asked.attempt.GroupTask = asked.attempt.Join(t)
		}
		asked.Add(m)
		asked.attempt.Number, asked.attempt.Last = asked.Receives, asked.Receives >= h.config.MaxReceives
	})
	sqsbatch.SideBySide(len(order), func(i int) { h.work(ctx, order[i], byDirectory[order[i]]) })
	for _, id := range order {
		for _, t := range byDirectory[id] {
			sqsbatch.End(ctx, response, t.Duplicates, t.outcome, t.attempt.GroupTask, h.config.Lanes.GroupsBulk)
		}
	}
	return response.SQSEventResponse, nil
}

// work does what a batch holds for one directory.
func (h Handler) work(ctx context.Context, id directory.ID, tasks []*task) {
	attempts := make([]reconcile.GroupAttempt, len(tasks))
	for i, t := range tasks {
		attempts[i] = t.attempt
	}
	for i, outcome := range h.groups.Sync(ctx, id, attempts) {
		tasks[i].outcome = outcome
	}
}
