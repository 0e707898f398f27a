package sqsqueue

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"

	"entrasync/shared/fault"
)

// refusedPart says that SQS took a part of a batch only.
type refusedPart struct{ error }

// Unwrap gives the fault.
func (r refusedPart) Unwrap() error { return r.error }

// RetryableError tells the SDK whether the batch is worth sending again.
func (r refusedPart) RetryableError() bool {
	return fault.Is(r.error, fault.Transient) || fault.Is(r.error, fault.Throttled)
}

// wholeBatch makes an answer that refuses a part of a batch of n messages an
// error of the attempt, so that the SDK repeats the batch as it does after any
// other trouble. What was taken before is dropped by its de-duplication id.
func wholeBatch(op string, n int) func(*sqs.Options) {
	check := middleware.DeserializeMiddlewareFunc("entrasync/whole batch",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			answer, is := out.Result.(*sqs.SendMessageBatchOutput)
			if err != nil || !is {
				return out, metadata, err
			}
			if refusal := partial(op, answer.Failed, n); refusal != nil {
				err = refusedPart{refusal}
				// The SDK reads the answer to the next attempt into the same struct,
				// and SQS leaves out a list that is empty.
				*answer = sqs.SendMessageBatchOutput{}
			}
			return out, metadata, err
		})
	return sqs.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(check, middleware.Before)
	})
}
