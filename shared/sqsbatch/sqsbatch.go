// Package sqsbatch is what the functions have in common that take batches of tasks from
// SQS: which messages ask for the same thing and how often they came, which of them come
// again, and when.
package sqsbatch

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
)

// Postponer makes a message wait before it comes again.
type Postponer interface {
	// Postpone hides a received message for d. source is the ARN of the queue
	// it came from.
	Postpone(ctx context.Context, source, receipt string, d time.Duration) error
}

// Check refuses a function that could not have messages come again.
func Check(postponer Postponer, maxReceives int) error {
	switch {
	case postponer == nil:
		return fault.New(fault.Internal, "sqsbatch.check", "Postponer is missing: whoever starts the function must give it")
	case maxReceives < 1:
		return fault.New(fault.Internal, "sqsbatch.check", "MaxReceives is missing: whoever starts the function must give it")
	default:
		return nil
	}
}

// Duplicates are the messages that ask for one thing.
type Duplicates struct {
	Messages []events.SQSMessage
	Receives int // how often the one came that came most often
}

// Add notes one more message.
func (a *Duplicates) Add(m events.SQSMessage) {
	a.Messages = append(a.Messages, m)
	receives, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil {
		receives = 1
	}
	a.Receives = max(a.Receives, receives)
}

// Task is what a message asks for.
type Task interface {
	Message() (queue.Message, error)
	Due() time.Time // when to do it; zero: at once
}

// EachDue reads the messages of a batch and hands the tasks on that are due, in their
// order. The others come again when they are, and what is no task ends in the dead
// letters.
func EachDue[T Task](ctx context.Context, batch events.SQSEvent, response *Response, read func([]byte) (T, error), do func(events.SQSMessage, T)) {
	for _, m := range batch.Records {
		t, err := read([]byte(m.Body))
		if err != nil {
			response.Malformed(ctx, m, err)
			continue
		}
		if wait := time.Until(t.Due()); wait > 0 {
			response.Postpone(ctx, wait, m)
			continue
		}
		do(m, t)
	}
}

// End has the messages of a task come again if it is to be tried again. Those that came
// as often as they may are sent again as a new one, after what waits in the bulk lane.
func End[T Task](ctx context.Context, response *Response, asked Duplicates, outcome reconcile.Outcome, task T, bulk queue.Sender) {
	switch {
	case outcome.Afresh:
		response.Replace(ctx, reconcile.Enqueue(context.WithoutCancel(ctx), bulk, task), asked.Messages...)
	case outcome.Retry:
		response.Postpone(ctx, outcome.After, asked.Messages...)
	}
}

// Response collects which messages of a batch come again.
type Response struct {
	Postponer Postponer
	events.SQSEventResponse
}

// Fail has messages come again after the visibility time-out of their queue, or end
// in its dead letters.
func (r *Response) Fail(messages ...events.SQSMessage) {
	for _, m := range messages {
		r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
	}
}

// Malformed has a message that is no task end in the dead letters.
func (r *Response) Malformed(ctx context.Context, m events.SQSMessage, err error) {
	zerolog.Ctx(ctx).Error().Err(err).Str("messageId", m.MessageId).Msg("a message is not a task")
	r.Fail(m)
}

// Postpone has messages come again after a while.
func (r *Response) Postpone(ctx context.Context, wait time.Duration, messages ...events.SQSMessage) {
	for _, m := range messages {
		if err := r.Postponer.Postpone(context.WithoutCancel(ctx), m.EventSourceARN, m.ReceiptHandle, wait); err != nil {
			// It comes again after the queue's visibility timeout instead.
			zerolog.Ctx(ctx).Warn().Err(err).Str("messageId", m.MessageId).Msg("a message could not be postponed")
		}
	}
	r.Fail(messages...)
}

// Replace notes that messages, which came as often as they may, were sent anew; if
// that failed they become dead letters.
func (r *Response) Replace(ctx context.Context, sent error, messages ...events.SQSMessage) {
	if sent != nil {
		zerolog.Ctx(ctx).Error().Err(sent).Int("messages", len(messages)).Msg("a task could not be sent again: it becomes a dead letter")
		r.Fail(messages...)
	}
}

// SideBySide does the work for several things at once, so that the slowness of one
// is not the others'. A panic in any of them is one of the caller, who knows how to
// survive it.
func SideBySide(n int, work func(int)) {
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
