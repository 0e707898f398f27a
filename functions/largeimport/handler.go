// Package largeimport is the function that works on imports of users from Microsoft 365
// into JumpCloud: a message says that an import was made, and a schedule finds those that
// are not done. When an import has ended, it writes the files with its lines and sends the
// mail "User Import Complete".
package largeimport

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/deadline"
	"entrasync/shared/importing"
	"entrasync/shared/sqsbatch"
)

// Handler is invoked by a queue and by a schedule.
type Handler struct{ worker importing.Worker }

// New makes the handler. If a part is missing, it returns a fault that names the part.
func New(p importing.Parts, d importing.Delivery) (Handler, error) {
	return Handler{importing.Worker{Parts: p, Delivery: &d}}, errors.Join(p.Check(), d.Check())
}

// Event is an event of the queue or, without messages, of the schedule.
type Event struct {
	Records []events.SQSMessage `json:"Records"`
}

// mostAtOnce is how many imports one run of the schedule works on. Others wait for the next
// run, which leaves out those that this one still works on.
const mostAtOnce = 4

// Handle works on the imports that the messages name, or on those that are open. An import
// that is not done when the time is over goes on with the next run. A message comes again
// only if our own records cannot be read or written.
func (h Handler) Handle(ctx context.Context, e Event) (events.SQSEventResponse, error) {
	ctx, stop := deadline.ForWork(ctx, deadline.Reserve)
	defer stop()
	if len(e.Records) == 0 {
		return events.SQSEventResponse{}, h.open(ctx)
	}
	return sqsbatch.EachAlone(ctx, e.Records, h.message), nil
}

// message works on the import that a message names.
func (h Handler) message(ctx context.Context, body []byte) error {
	job, err := importing.ReadJob(body)
	if err != nil {
		return err
	}
	_, err = h.worker.Work(ctx, job.Import)
	return err
}

// open works on the imports that are not done.
func (h Handler) open(ctx context.Context) error {
	ids, err := h.worker.Store.OpenImports(ctx, importing.MostOpen)
	if err != nil {
		return err
	}
	return h.worker.WorkOnSome(ctx, ids, mostAtOnce)
}
