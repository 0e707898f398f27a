package sqsqueue

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"

	"entrasync/shared/fault"
)

// refusedPart is the error that SQS accepted only a part of a batch.
type refusedPart struct{ error }

// Unwrap returns the fault.
func (r refusedPart) Unwrap() error { return r.error }

// RetryableError reports to the SDK whether the batch may be sent again.
func (r refusedPart) RetryableError() bool {
	return fault.Is(r.error, fault.Transient) || fault.Is(r.error, fault.Throttled)
}

// failPartial turns a response that refuses a part of a batch of n messages into an error
// of the attempt, so that the SDK sends the batch again as after any other failure. SQS
// drops the messages that it accepted before by their de-duplication ids.
func failPartial(op string, n int) func(*sqs.Options) {
	check := middleware.DeserializeMiddlewareFunc("entrasync/fail partial batch",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			answer, is := out.Result.(*sqs.SendMessageBatchOutput)
			if err != nil || !is {
				return out, metadata, err
			}
			if refusal := partial(op, answer.Failed, n); refusal != nil {
				err = refusedPart{refusal}
				// The SDK decodes the response to the next attempt into the same struct,
				// and SQS leaves out an empty list.
				*answer = sqs.SendMessageBatchOutput{}
			}
			return out, metadata, err
		})
	return sqs.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(check, middleware.Before)
	})
}
