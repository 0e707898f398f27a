// Package awsfault turns what the AWS SDK says went wrong into faults.
//
// It knows what means the same everywhere: throttling, outages, credentials that
// ran out. What only one service says, its adapter maps before it asks here.
package awsfault

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"entrasync/shared/fault"
	"entrasync/shared/redact"
)

// throttling are the codes by which the services of this product ask to slow
// down (Amazon's pages "Common errors" of DynamoDB, SQS, Secrets Manager and
// EventBridge).
var throttling = []string{
	"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", "ThrottledException", "Throttling",
	"ThrottlingError", "RequestThrottled", "RequestThrottledException", "TooManyRequestsException", "SlowDown", "KmsThrottled",
	"OverLimit",
}

// passing are codes that the service counts as our mistake and that end by
// themselves: credentials of a role that are being replaced, a clock that
// drifted, a key that KMS cannot give at the moment.
var passing = []string{
	"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidSignatureException", "SignatureDoesNotMatch",
	"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "IDPCommunicationError",
}

// Of is the fault for an error of the SDK, fit to be shown: Amazon repeats what it
// cannot verify the signature of, with the token of the session. nil stays nil. Throttling is
// Throttled. What the service refuses otherwise, an unknown table or a missing
// permission, is a defect of the deployment: Internal. The service's own
// failures, the network and a cancelled context are Transient.
func Of(ctx context.Context, err error, op string) error {
	if err == nil {
		return nil
	}
	return fault.Wrap(redact.Redactor{}.Error(err), kind(ctx, err), op)
}

func kind(ctx context.Context, err error) fault.Kind {
	var refusal smithy.APIError
	switch {
	case ctx.Err() != nil || !errors.As(err, &refusal):
		return fault.Transient
	default:
		return Kind(refusal.ErrorCode(), refusal.ErrorFault() == smithy.FaultClient || refused(err))
	}
}

// refused reports whether the service answered with a status of the caller's
// mistakes. The SDK knows whose fault an error is only for those of the one
// service's own list, which a missing permission is never on.
func refused(err error) bool {
	var answer *smithyhttp.ResponseError
	return errors.As(err, &answer) && answer.HTTPStatusCode()/100 == 4
}

// Kind is that of an error code; client says whether the service counts it as
// the caller's mistake.
func Kind(code string, client bool) fault.Kind {
	switch {
	case slices.Contains(throttling, code):
		return fault.Throttled
	case client && !slices.Contains(passing, code):
		return fault.Internal
	default:
		return fault.Transient
	}
}

// Is reports whether the service answered with one of the error codes.
func Is(err error, codes ...string) bool {
	var refusal smithy.APIError
	return errors.As(err, &refusal) && slices.Contains(codes, refusal.ErrorCode())
}
