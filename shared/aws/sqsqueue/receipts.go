package sqsqueue

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// The errors of SQS for a receipt that is not valid: unknown or of another queue, of a
// message that is not in flight, and, for FIFO queues, expired (SQS API reference,
// errors of DeleteMessage and ChangeMessageVisibility; the last is "Value … for
// parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.").
const (
	codeInvalidReceipt = "ReceiptHandleIsInvalid"
	codeNotInFlight    = "MessageNotInflight"
	codeParameter      = "InvalidParameterValue"
	receiptParameter   = "ReceiptHandle"
)

// staleReceipt reports whether an error code, with or without the prefix of older
// responses, means that a receipt is not valid. codeParameter may also mean an invalid
// visibility timeout; only the message has the parameter's name.
func staleReceipt(code, message string) bool {
	switch strings.TrimPrefix(code, "AWS.SimpleQueueService.") {
	case codeInvalidReceipt, codeNotInFlight:
		return true
	case codeParameter:
		return strings.Contains(message, receiptParameter)
	}
	return false
}

// Delete implements queue.Receiver.
func (q *Queue) Delete(ctx context.Context, receipts ...string) error {
	const op = "queue.delete"
	if err := queue.CheckReceipts(op, receipts); err != nil {
		return err
	}
	if len(receipts) == 0 {
		return fault.Wrap(ctx.Err(), fault.Transient, op)
	}
	entries := make([]types.DeleteMessageBatchRequestEntry, len(receipts))
	for i, receipt := range receipts {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipt)}
	}
	answer, err := q.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: entries})
	if err != nil {
		return awsfault.Of(ctx, err, op)
	}
	failed := slices.DeleteFunc(answer.Failed, func(entry types.BatchResultErrorEntry) bool {
		return staleReceipt(aws.ToString(entry.Code), aws.ToString(entry.Message))
	})
	return partial(op, failed, len(receipts))
}

// Postpone implements queue.Receiver. It rounds d up to full seconds. SQS hides a message
// for at most twelve hours after it was received, so the longest times are refused as
// Invalid.
func (q *Queue) Postpone(ctx context.Context, receipt string, d time.Duration) error {
	const op = "queue.postpone"
	if err := queue.CheckPostpone(op, d); err != nil {
		return err
	}
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.url, ReceiptHandle: aws.String(receipt), VisibilityTimeout: seconds(d)})
	var refused smithy.APIError
	switch {
	case !errors.As(err, &refused):
		return awsfault.Of(ctx, err, op)
	case staleReceipt(refused.ErrorCode(), refused.ErrorMessage()):
		return &fault.Error{Op: op, Kind: fault.NotFound, Message: "the receipt is no longer valid", Err: err}
	case awsfault.Is(err, codeParameter):
		return fault.Wrap(err, fault.Invalid, op)
	default:
		return awsfault.Of(ctx, err, op)
	}
}

// Depth implements queue.Queue. Messages that are delayed by a setting of the queue count
// as visible.
func (q *Queue) Depth(ctx context.Context) (queue.Depth, error) {
	const op = "queue.depth"
	waiting := []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesDelayed}
	inFlight := types.QueueAttributeNameApproximateNumberOfMessagesNotVisible
	answer, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: append(waiting, inFlight)})
	if err != nil {
		return queue.Depth{}, awsfault.Of(ctx, err, op)
	}
	var depth queue.Depth
	for name, value := range answer.Attributes {
		n, err := strconv.Atoi(value)
		if err != nil {
			return queue.Depth{}, fault.Wrap(err, fault.Internal, op)
		}
		if name == string(inFlight) {
			depth.InFlight += n
		} else {
			depth.Visible += n
		}
	}
	return depth, nil
}
