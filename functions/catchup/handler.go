// Package catchup is the function that finds, every minute, the events whose webhook never
// came, and sends them the same way as the webhook does.
package catchup

import (
	"context"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/catchup"
	"entrasync/shared/deadline"
)

// Handler is invoked by a schedule.
type Handler struct{ catchup.Parts }

// New makes the handler. If a part is missing, it returns a fault that names the part.
func New(p catchup.Parts) (Handler, error) { return Handler{p}, p.Check() }

// Handle reads the feed of every organization. What a run did not read, the next one does.
func (h Handler) Handle(ctx context.Context, _ events.EventBridgeEvent) error {
	ctx, stop := deadline.ForWork(ctx, deadline.Reserve)
	defer stop()
	return h.Run(ctx)
}
