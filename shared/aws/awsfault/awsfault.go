// Package awsfault turns errors of the AWS SDK into faults.
//
// It knows the errors that mean the same in all services: throttling, outages, expired
// credentials. The adapter of a service maps that service's own errors first.
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

// throttling are the error codes for throttling of the services that entrasync uses
// (Amazon's pages "Common errors" of DynamoDB, SQS, Secrets Manager and EventBridge).
var throttling = []string{
	"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", "ThrottledException", "Throttling",
	"ThrottlingError", "RequestThrottled", "RequestThrottledException", "TooManyRequestsException", "SlowDown", "KmsThrottled",
	"OverLimit",
}

// passing are codes of errors that the service counts as the caller's mistake and that
// go away by themselves: credentials of a role that are being replaced, a clock that
// drifted, a key that KMS cannot provide at the moment.
var passing = []string{
	"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidSignatureException", "SignatureDoesNotMatch",
	"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "IDPCommunicationError",
}

// Of returns the fault for an error of the SDK; nil stays nil. The text is redacted,
// because AWS repeats a request whose signature it cannot verify, with the session
// token. Throttling is Throttled. Any other refusal, such as an unknown table or a
// missing permission, is a defect of the deployment: Internal. The service's own
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

// refused reports whether the status of the response is 4xx, a mistake of the caller.
// The SDK knows whether client or server is at fault only for the errors on the
// service's own list, and a missing permission is never on it.
func refused(err error) bool {
	var response *smithyhttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode()/100 == 4
}

// Kind returns the kind of fault for an error code; client says whether the service
// counts the error as the caller's mistake.
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

// Is reports whether err is a response of the service with one of the error codes.
func Is(err error, codes ...string) bool {
	var refusal smithy.APIError
	return errors.As(err, &refusal) && slices.Contains(codes, refusal.ErrorCode())
}
