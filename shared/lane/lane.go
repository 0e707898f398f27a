// Package lane is what the functions have in common that work off a live and a bulk
// lane: which messages ask for the same thing and how often they came, which of
// them come again, and when.
package lane

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"
)

// Postponer makes a message wait before it comes again.
type Postponer interface {
	// Postpone hides a received message for d. source is the ARN of the queue
	// it came from.
	Postpone(ctx context.Context, source, receipt string, d time.Duration) error
}

// Asked are the messages that ask for one thing.
type Asked struct {
	Messages []events.SQSMessage
	Number   int // how often the one came that came most often
}

// Add notes one more message.
func (a *Asked) Add(m events.SQSMessage) {
	a.Messages = append(a.Messages, m)
	receives, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil {
		receives = 1
	}
	a.Number = max(a.Number, receives)
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
