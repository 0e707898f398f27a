// Package resync is the function that compares everything in a directory with JumpCloud and
// with Entra: a schedule starts what is due, and a message says that there is work on a job at
// once.
package resync

import (
	"context"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/deadline"
	"entrasync/shared/fault"
	"entrasync/shared/resync"
	"entrasync/shared/sqsbatch"
)

// Handler is invoked by a queue and by a schedule.
type Handler struct{ worker resync.Worker }

// New makes the handler. If a part is missing, it returns a fault that names the part.
func New(p resync.Parts) (Handler, error) {
	worker, err := resync.New(p)
	return Handler{worker}, err
}

// Event is an event of the queue or, without messages, of the schedule.
type Event struct {
	Records []events.SQSMessage `json:"Records"`
}

// Handle works on the jobs that the messages name or, for the schedule, does what is due. A
// job that has not ended when the time is over sends a message to go on. A message comes again
// only if our own records cannot be read or written.
func (h Handler) Handle(ctx context.Context, e Event) (events.SQSEventResponse, error) {
	ctx, stop := deadline.ForWork(ctx, deadline.Reserve)
	defer stop()
	if len(e.Records) == 0 {
		return events.SQSEventResponse{}, h.worker.Run(ctx)
	}
	return sqsbatch.EachAlone(ctx, e.Records, h.message), nil
}

// message works on the job that a message names. There is nothing to do on one that is gone.
func (h Handler) message(ctx context.Context, body []byte) error {
	named, err := resync.ReadMessage(body)
	if err != nil {
		return err
	}
	if err = h.worker.Work(ctx, named.Job); fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}
