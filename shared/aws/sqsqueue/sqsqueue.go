// Package sqsqueue implements queue.Queue with an SQS FIFO queue.
//
// On Lambda it only sends and postpones; the event source receives and deletes. Every
// call of the port is one request, except a Receive that waits longer than SQS allows
// for one request.
package sqsqueue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// maxWait is how long one ReceiveMessage may wait (ReceiveMessage,
// WaitTimeSeconds).
const maxWait = 20 * time.Second

// Queue is a queue, safe for concurrent use.
type Queue struct {
	client *sqs.Client
	url    string
}

var _ queue.Queue = (*Queue)(nil)

// New makes a Queue of the SQS FIFO queue with that URL. The queue must have SQS's
// defaults for message size and receive wait time.
func New(client *sqs.Client, url string) *Queue { return &Queue{client: client, url: url} }

// Send implements queue.Sender.
func (q *Queue) Send(ctx context.Context, messages ...queue.Message) error {
	const op = "queue.send"
	if err := queue.CheckMessages(op, messages); err != nil {
		return err
	}
	if len(messages) == 0 {
		return fault.Wrap(ctx.Err(), fault.Transient, op)
	}
	entries := make([]types.SendMessageBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(string(m.Body)),
			MessageGroupId: aws.String(m.GroupID), MessageDeduplicationId: aws.String(m.DedupID),
		}
	}
	_, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: entries}, failPartial(op, len(messages)))
	return awsfault.Of(ctx, err, op)
}

// partial makes the fault for a batch from which SQS refused some entries. If one entry
// would be refused every time, the kind is Internal, so that nobody retries forever.
func partial(op string, failed []types.BatchResultErrorEntry, of int) error {
	if len(failed) == 0 {
		return nil
	}
	kind := fault.Transient
	var causes []error
	for _, entry := range failed {
		causes = append(causes, fmt.Errorf("%s: %s", aws.ToString(entry.Code), aws.ToString(entry.Message)))
		switch k := awsfault.Kind(aws.ToString(entry.Code), entry.SenderFault); {
		case k == fault.Internal:
			kind = k
		case kind != fault.Internal && k == fault.Throttled:
			kind = k
		}
	}
	return &fault.Error{Op: op, Kind: kind, Message: fmt.Sprintf("SQS refused %d of %d entries", len(failed), of), Err: errors.Join(causes...)}
}

// Receive implements queue.Receiver. It rounds wait up to full seconds.
func (q *Queue) Receive(ctx context.Context, limit int, wait time.Duration) ([]queue.Received, error) {
	const op = "queue.receive"
	if err := queue.CheckReceive(op, limit); err != nil {
		return nil, err
	}
	for end := time.Now().Add(wait); ; {
		left := min(max(time.Until(end), 0), maxWait)
		answer, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &q.url, MaxNumberOfMessages: int32(limit), WaitTimeSeconds: seconds(left),
			// If a response is lost, the client's retry receives the same messages.
			ReceiveRequestAttemptId: aws.String(rand.Text()),
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{
				types.MessageSystemAttributeNameMessageGroupId, types.MessageSystemAttributeNameMessageDeduplicationId,
				types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
				types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp,
			},
		})
		if err != nil {
			return nil, awsfault.Of(ctx, err, op)
		}
		if len(answer.Messages) > 0 || time.Until(end) <= 0 {
			return received(op, answer.Messages)
		}
	}
}

// seconds rounds up to full seconds, the unit of SQS.
func seconds(d time.Duration) int32 { return int32(math.Ceil(d.Seconds())) }

func received(op string, messages []types.Message) ([]queue.Received, error) {
	all := make([]queue.Received, 0, len(messages))
	for _, m := range messages {
		attribute := func(name types.MessageSystemAttributeName) string { return m.Attributes[string(name)] }
		count, errCount := strconv.Atoi(attribute(types.MessageSystemAttributeNameApproximateReceiveCount))
		sent, errSent := moment(attribute(types.MessageSystemAttributeNameSentTimestamp))
		first, errFirst := moment(attribute(types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp))
		if err := errors.Join(errCount, errSent, errFirst); err != nil {
			return nil, fault.Wrap(err, fault.Internal, op)
		}
		all = append(all, queue.Received{
			ID: aws.ToString(m.MessageId), Body: []byte(aws.ToString(m.Body)), Receipt: aws.ToString(m.ReceiptHandle),
			GroupID:      attribute(types.MessageSystemAttributeNameMessageGroupId),
			DedupID:      attribute(types.MessageSystemAttributeNameMessageDeduplicationId),
			ReceiveCount: count, SentAt: sent, FirstReceive: first,
		})
	}
	return all, nil
}

// moment parses milliseconds since 1970.
func moment(text string) (time.Time, error) {
	ms, err := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(ms).UTC(), err
}
