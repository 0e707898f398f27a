package deployment

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/fault"
	"entrasync/shared/redirect"
)

// service is one service of AWS on this machine and its protocol.
type service struct {
	name, target, version string
}

// The services that a stack needs (AWS JSON protocol, as in the service models
// of the SDKs).
var (
	dynamoDB       = service{"dynamodb", "DynamoDB_20120810", "1.0"}
	sqs            = service{"sqs", "AmazonSQS", "1.0"}
	secretsManager = service{"secretsmanager", "secretsmanager", "1.1"}
	eventBridge    = service{"events", "AWSEvents", "1.1"}
)

// caller sends the requests to the servers.
var caller = http.Client{CheckRedirect: redirect.FollowNone}

// call runs one operation of a service, as CloudFormation would do for a
// resource of the template.
func (s service) call(ctx context.Context, server, operation string, in any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "deployment.call")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server+"/", bytes.NewReader(body))
	if err != nil {
		return fault.Wrap(err, fault.Internal, "deployment.call")
	}
	request.Header.Set("Content-Type", "application/x-amz-json-"+s.version)
	request.Header.Set("X-Amz-Target", s.target+"."+operation)
	request.Header.Set("X-Amz-Date", "20250101T000000Z")
	// The servers check the key and the region, not the signature.
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20250101/%s/%s/aws4_request, SignedHeaders=host, Signature=0",
		awstest.AccessKey, awstest.Region, s.name))
	response, err := caller.Do(request)
	if err != nil {
		return fault.Wrap(err, fault.Transient, "deployment.call")
	}
	defer func() { _ = response.Body.Close() }()
	if answer, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		return &fault.Error{Op: "deployment.call", Kind: fault.Internal, Subject: operation, Message: response.Status + ": " + string(answer), Err: err}
	}
	return nil
}
