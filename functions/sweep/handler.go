// Package sweep is the function that finds, every few minutes, what was begun and what
// nobody works on any more: a process died, or a message was lost. It sends the task that
// does the rest. What was received too often is taken out of the dead letters, and shown.
// What else is to be done every few minutes is a [Step] of it.
package sweep

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/deadline"
	"entrasync/shared/reconcile"
	"entrasync/shared/stranded"
)

// Step is one part of a run.
type Step func(context.Context) error

// Handler is invoked by a schedule.
type Handler struct {
	steps []Step
}

// New makes the handler, which takes the dead letters first, then sweeps, and then does
// what more there is. If a part is missing, it returns a fault that names the part.
func New(s reconcile.Sweep, dead stranded.Queues, more ...Step) (Handler, error) {
	if err := s.Check(); err != nil {
		return Handler{}, err
	}
	taker, err := stranded.New(stranded.Config{Store: s.Store, Dead: dead, Metrics: s.Metrics})
	take := func(ctx context.Context) error {
		_, err := taker.Take(ctx)
		return err
	}
	return Handler{steps: append([]Step{take, s.Run}, more...)}, err
}

// Handle runs the steps one after the other. The failure of one does not affect another.
// What a run did not do, the next one does.
func (h Handler) Handle(ctx context.Context, _ events.EventBridgeEvent) error {
	ctx, stop := deadline.ForWork(ctx, deadline.Reserve)
	defer stop()
	var failed []error
	for _, step := range h.steps {
		failed = append(failed, step(ctx))
	}
	return errors.Join(failed...)
}
