// Package sqsbatch is the common part of the functions that receive batches of tasks from
// SQS: it collects the messages with the same task and how often they were received, and
// decides which of them are received again, and when.
package sqsbatch

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
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

// Check returns a fault if a part is missing that is needed to receive messages again.
func Check(postponer Postponer, maxReceives int) error {
	return fault.Missing("sqsbatch.check", fault.Part{Name: "Postponer", There: postponer != nil}, fault.Part{Name: "MaxReceives", There: maxReceives > 0})
}

// Duplicates are the messages of one batch that have the same task.
type Duplicates struct {
	Messages []events.SQSMessage
	Receives int // the highest number of times that one of them was received
}

// Add adds a message.
func (a *Duplicates) Add(m events.SQSMessage) {
	a.Messages = append(a.Messages, m)
	a.Receives = max(a.Receives, Receives(m))
}

// spareReceives is how many receives are left after the last try, in which the task is
// sent again: for a queue that does not take it, or a process that dies before it did.
const spareReceives = 3

// Last reports whether the task is tried for the last time with these messages, which are
// received maxReceives times at most.
func (a Duplicates) Last(maxReceives int) bool { return a.Receives >= maxReceives-spareReceives }

// Receives is how often a message was received, at least once.
func Receives(m events.SQSMessage) int {
	receives, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil {
		receives = 1
	}
	return max(receives, 1)
}

// SentAt is when a message was sent to its queue, UTC; zero if the message does not say.
func SentAt(m events.SQSMessage) time.Time {
	milliseconds, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(milliseconds).UTC()
}

// answerLimit is the time limit for making messages wait, or for sending a task again.
const answerLimit = 5 * time.Second

// Task is the task in the body of a message.
type Task interface {
	Message() (queue.Message, error)
	Due() time.Time // when to do it; zero: at once
}

// EachDue reads the messages of a batch and calls do for the tasks that are due, in their
// order. Tasks that are not due yet are received again when they are. A message that is
// not a task becomes a dead letter.
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

// End postpones the messages of a task that is to be retried. After the last try it sends
// the task again as a new message to the bulk lane.
func End[T Task](ctx context.Context, response *Response, duplicates Duplicates, outcome reconcile.Outcome, task T, bulk queue.Sender) {
	switch {
	case outcome.Afresh:
		sending, cancel := deadline.ForAnswer(ctx, answerLimit)
		defer cancel()
		response.Replace(ctx, reconcile.Enqueue(sending, bulk, task), duplicates.Messages...)
	case outcome.Retry:
		response.Postpone(ctx, outcome.After, duplicates.Messages...)
	}
}

// Response collects the messages of a batch that are to be received again.
type Response struct {
	Postponer Postponer
	events.SQSEventResponse
}

// Fail reports messages as failed: SQS delivers them again after the visibility timeout of
// their queue, or moves them to its dead letters.
func (r *Response) Fail(messages ...events.SQSMessage) {
	for _, m := range messages {
		r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
	}
}

// malformedWait is how long a message waits that is not what its queue is for: it becomes a
// dead letter soon, because what comes after it in its message group waits for that.
const malformedWait = time.Second

// Malformed logs a message that is not a task, and fails it until it is a dead letter.
func (r *Response) Malformed(ctx context.Context, m events.SQSMessage, err error) {
	zerolog.Ctx(ctx).Error().Err(err).Str("messageId", m.MessageId).Msg("a message is not a task")
	r.Postpone(ctx, malformedWait, m)
}

// Postpone fails messages so that they are received again after a wait.
func (r *Response) Postpone(ctx context.Context, wait time.Duration, messages ...events.SQSMessage) {
	ctx, cancel := deadline.ForAnswer(ctx, answerLimit)
	defer cancel()
	for _, m := range messages {
		if err := r.Postponer.Postpone(ctx, m.EventSourceARN, m.ReceiptHandle, wait); err != nil {
			// It is received again after the queue's visibility timeout instead.
			zerolog.Ctx(ctx).Warn().Err(err).Str("messageId", m.MessageId).Msg("a message could not be postponed")
		}
	}
	r.Fail(messages...)
}

// Replace ends messages whose task was sent again as a new message. If sending failed with
// sent, they are received again after the visibility timeout, and in the end become dead
// letters.
func (r *Response) Replace(ctx context.Context, sent error, messages ...events.SQSMessage) {
	if sent != nil {
		zerolog.Ctx(ctx).Error().Err(sent).Int("messages", len(messages)).Msg("a task could not be sent again")
		r.Fail(messages...)
	}
}

// EachAlone works on the messages of a batch side by side, each by its body. One whose work
// fails is logged and received again.
func EachAlone(ctx context.Context, messages []events.SQSMessage, work func(ctx context.Context, body []byte) error) events.SQSEventResponse {
	response := &Response{}
	failed := make([]error, len(messages))
	SideBySide(len(messages), func(i int) { failed[i] = work(ctx, []byte(messages[i].Body)) })
	for i, err := range failed {
		if err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Str("messageId", messages[i].MessageId).Msg("a message is received again")
			response.Fail(messages[i])
		}
	}
	return response.SQSEventResponse
}

// SideBySide calls work for 0 to n-1 at the same time, so that a slow one does not delay
// the others. A panic in one of them becomes a panic of the caller.
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
