package awsfault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/fault"
)

// AWS repeats the request that it verified, with the session token.
func TestSessionTokenIsShownNobody(t *testing.T) {
	said := "The request signature we calculated does not match the signature you provided. The Canonical String for this request should have been 'POST\n/\n\nhost:sqs.eu-west-1.amazonaws.com\nx-amz-security-token:IQoJcanary/+==\n'"
	err := awsfault.Of(t.Context(), &smithy.OperationError{ServiceID: "SQS", Err: &smithy.GenericAPIError{Code: "SignatureDoesNotMatch", Message: said, Fault: smithy.FaultClient}}, "op")
	if !fault.Is(err, fault.Transient) || strings.Contains(fmt.Sprintf("%v %+v", err, fault.Of(err).Err), "canary") || !strings.Contains(err.Error(), "does not match the signature") {
		t.Errorf("got %v, want kind %s and the message without the session token", err, fault.Transient)
	}
}

func TestOf(t *testing.T) {
	refusal := func(code string, whose smithy.ErrorFault) error {
		return &smithy.OperationError{ServiceID: "X", Err: fmt.Errorf("http 400: %w", &smithy.GenericAPIError{Code: code, Fault: whose})}
	}
	answered := func(status int, code string) error {
		return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
			Err: refusal(code, smithy.FaultUnknown)}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		err  error
		want fault.Kind
	}{
		{"nothing", t.Context(), nil, ""},
		{"throttled by DynamoDB", t.Context(), refusal("ProvisionedThroughputExceededException", smithy.FaultClient), fault.Throttled},
		{"throttled by SQS", t.Context(), refusal("RequestThrottled", smithy.FaultClient), fault.Throttled},
		{"throttled, fault unknown", t.Context(), refusal("ThrottlingException", smithy.FaultUnknown), fault.Throttled},
		{"no permission", t.Context(), answered(http.StatusBadRequest, "AccessDeniedException"), fault.Internal},
		{"an error that nobody listed", t.Context(), answered(http.StatusServiceUnavailable, "Whatever"), fault.Transient},
		{"no such table", t.Context(), refusal("ResourceNotFoundException", smithy.FaultClient), fault.Internal},
		{"expired credentials", t.Context(), refusal("ExpiredTokenException", smithy.FaultClient), fault.Transient},
		{"their failure", t.Context(), refusal("InternalServerError", smithy.FaultServer), fault.Transient},
		{"the network", t.Context(), errors.New("connection reset by peer"), fault.Transient},
		{"cancelled", cancelled, refusal("AccessDeniedException", smithy.FaultClient), fault.Transient},
		{"a fault stays what it is", t.Context(), fault.New(fault.Changed, "below", ""), fault.Changed},
	} {
		err := awsfault.Of(test.ctx, test.err, "op")
		if got := fault.KindOf(err); got != test.want || (err != nil && fault.Of(err).Op != "op") {
			t.Errorf("%s: got %v, want kind %q", test.name, err, test.want)
		}
	}
}
