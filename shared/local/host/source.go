package host

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // a checksum that the event format demands, not a protection
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/queue"
)

// Source is an event source mapping: the queue that a function receives from, and how.
type Source struct {
	Queue       string // the queue's name
	ARN         string // the ARN in the events; "" for that of a queue on this machine
	From        queue.Queue
	BatchSize   int // at most queue.MaxBatch
	Concurrency int // invocations side by side
	// Window is how long to wait for further messages once a batch has one. A longer window
	// means more delay and fewer, fuller batches.
	Window time.Duration
}

// ARN is the ARN of a queue on this machine, as functions receive it in events.
func ARN(queueName string) string { return "arn:aws:sqs:local:000000000000:" + queueName }

// longPoll is how long one receive waits for a message, SQS's longest.
const longPoll = 20 * time.Second

// pauseAfterError is how long a poller waits after its queue could not be read.
const pauseAfterError = time.Second

// Feed starts to invoke a function with the messages that the source receives.
func (h *Host) Feed(f Function, s Source) {
	for range s.Concurrency {
		h.pollers.Go(func() {
			for h.ctx.Err() == nil {
				h.poll(f, s)
			}
		})
	}
}

// poll receives one batch and invokes the function with it.
func (h *Host) poll(f Function, s Source) {
	batch, err := s.From.Receive(h.ctx, s.BatchSize, longPoll)
	if h.ctx.Err() != nil && len(batch) == 0 {
		return
	}
	if err != nil {
		h.log.Error().Err(err).Str("queue", s.Queue).Msg("a queue cannot be read")
		h.rest(pauseAfterError)
		return
	}
	if len(batch) == 0 {
		return
	}
	if missing := s.BatchSize - len(batch); missing > 0 && s.Window > 0 {
		h.rest(s.Window)
		more, err := s.From.Receive(h.ctx, missing, 0)
		if err == nil {
			batch = append(batch, more...)
		}
	}
	h.handle(f, s, batch)
}

// rest waits for d, or until the host stops.
func (h *Host) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.ctx.Done():
	}
}

// handle invokes the function and deletes the messages that it did not report as failed. If
// the invocation itself failed, it deletes none.
func (h *Host) handle(f Function, s Source, batch []queue.Received) {
	ctx, cancel := h.invocation(f)
	defer cancel()
	response, err := invoke[events.SQSEvent, events.SQSEventResponse](ctx, h, f, eventOf(s, batch))
	if err != nil {
		h.log.Error().Err(err).Str("queue", s.Queue).Int("messages", len(batch)).Msg("an invocation failed: its messages come again")
		return
	}
	failed := map[string]bool{}
	for _, item := range response.BatchItemFailures {
		failed[item.ItemIdentifier] = true
	}
	var done []string
	for _, m := range batch {
		if !failed[m.ID] {
			done = append(done, m.Receipt)
		}
	}
	if len(done) == 0 {
		return
	}
	if err := s.From.Delete(context.WithoutCancel(h.ctx), done...); err != nil {
		h.log.Error().Err(err).Str("queue", s.Queue).Msg("handled messages cannot be deleted: they come again")
	}
}

// The parts of an ARN with the region and the account.
const (
	regionOfARN  = 3
	accountOfARN = 4
)

// partOf is one part of an ARN; "" if it has none.
func partOf(arn string, part int) string {
	if parts := strings.Split(arn, ":"); len(parts) > part {
		return parts[part]
	}
	return ""
}

// eventOf is a batch as SQS's event source mapping presents it.
func eventOf(s Source, batch []queue.Received) events.SQSEvent {
	arn := cmp.Or(s.ARN, ARN(s.Queue))
	region := partOf(arn, regionOfARN)
	event := events.SQSEvent{Records: make([]events.SQSMessage, len(batch))}
	for i, m := range batch {
		sum := md5.Sum(m.Body) //nolint:gosec // see the import
		event.Records[i] = events.SQSMessage{
			MessageId: m.ID, ReceiptHandle: m.Receipt, Body: string(m.Body), Md5OfBody: hex.EncodeToString(sum[:]),
			EventSource: "aws:sqs", EventSourceARN: arn, AWSRegion: region,
			Attributes: map[string]string{
				"ApproximateReceiveCount":          strconv.Itoa(m.ReceiveCount),
				"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.FirstReceive.UnixMilli(), 10),
				"SentTimestamp":                    strconv.FormatInt(m.SentAt.UnixMilli(), 10),
				"MessageGroupId":                   m.GroupID,
				"MessageDeduplicationId":           m.DedupID,
			},
		}
	}
	return event
}
