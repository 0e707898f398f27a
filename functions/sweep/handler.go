// Package sweep is the function that finds, every few minutes, what was begun and what
// nobody works on any more: a process died, or a message was lost. It sends the task that
// does the rest.
package sweep

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/deadline"
	"entrasync/shared/reconcile"
)

// Handler is invoked by a schedule.
type Handler struct {
	steps []func(context.Context) error
}

// New makes the handler. If a part of the sweep is missing, it returns a fault that names
// the part.
func New(s reconcile.Sweep) (Handler, error) {
	return Handler{steps: []func(context.Context) error{s.Run}}, s.Check()
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
