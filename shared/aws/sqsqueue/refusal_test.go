package sqsqueue_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/sqsqueue"
	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// service returns one response to every request. It is for responses that the test server
// never returns.
type service struct {
	status int
	answer map[string]any
}

// Do implements aws.HTTPClient.
func (s service) Do(r *http.Request) (*http.Response, error) {
	if s.status == 0 {
		return nil, errors.New("connection refused")
	}
	text, err := json.Marshal(s.answer)
	return &http.Response{StatusCode: s.status, Header: http.Header{"X-Amzn-Query-Error": nil}, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, err
}

func (s service) queue() *sqsqueue.Queue {
	config := awstest.Config("http://sqs.invalid")
	config.HTTPClient = s
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	client := sqs.NewFromConfig(config, func(o *sqs.Options) { o.DisableMessageChecksumValidation = true })
	return sqsqueue.New(client, "http://sqs.invalid/1/q.fifo")
}

func refused(status int, code, message string) service {
	return service{status, map[string]any{"__type": "com.amazonaws.sqs#" + code, "message": message}}
}

type entry = map[string]any

func failed(entries ...entry) service {
	return service{http.StatusOK, map[string]any{"Successful": []entry{{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}}, "Failed": entries}}
}

const expired = "Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."

func TestSendRefused(t *testing.T) {
	ours := entry{"Id": "1", "SenderFault": true, "Code": "InvalidMessageContents", "Message": "no"}
	theirs := entry{"Id": "1", "SenderFault": false, "Code": "InternalError", "Message": "no"}
	throttled := entry{"Id": "2", "SenderFault": true, "Code": "ThrottlingException", "Message": "no"}
	for name, test := range map[string]struct {
		service service
		want    fault.Kind
	}{
		"all kept":             {failed(), ""},
		"one, their failure":   {failed(theirs), fault.Transient},
		"one, throttled":       {failed(theirs, throttled), fault.Throttled},
		"one, our mistake":     {failed(throttled, ours, theirs), fault.Internal},
		"no such queue":        {refused(http.StatusBadRequest, "QueueDoesNotExist", ""), fault.Internal},
		"no permission":        {refused(http.StatusForbidden, "AccessDeniedException", ""), fault.Internal},
		"throttled":            {refused(http.StatusBadRequest, "RequestThrottled", ""), fault.Throttled},
		"an outage":            {refused(http.StatusServiceUnavailable, "ServiceUnavailable", ""), fault.Transient},
		"nobody there":         {service{}, fault.Transient},
		"credentials ran out":  {refused(http.StatusForbidden, "ExpiredToken", ""), fault.Transient},
		"a key that KMS holds": {refused(http.StatusBadRequest, "KmsThrottled", ""), fault.Throttled},
	} {
		message := queue.Message{Body: []byte("b"), GroupID: "g", DedupID: "d"}
		if err := test.service.queue().Send(bg, message, message, message); fault.KindOf(err) != test.want {
			t.Errorf("%s: got %v, want kind %q", name, err, test.want)
		}
	}
}

func TestDeleteRefused(t *testing.T) {
	for name, test := range map[string]struct {
		service service
		want    fault.Kind
	}{
		"unknown receipt": {failed(entry{"Id": "0", "SenderFault": true, "Code": "ReceiptHandleIsInvalid", "Message": "The input receipt handle is invalid."}), ""},
		"expired receipt": {failed(entry{"Id": "0", "SenderFault": true, "Code": "InvalidParameterValue", "Message": expired}), ""},
		"their failure":   {failed(entry{"Id": "0", "SenderFault": false, "Code": "InternalError", "Message": "no"}), fault.Transient},
		"one of each": {failed(entry{"Id": "0", "SenderFault": true, "Code": "ReceiptHandleIsInvalid"},
			entry{"Id": "1", "SenderFault": false, "Code": "InternalError"}), fault.Transient},
		"no permission": {refused(http.StatusForbidden, "AccessDeniedException", ""), fault.Internal},
	} {
		if err := test.service.queue().Delete(bg, "a", "b"); fault.KindOf(err) != test.want {
			t.Errorf("%s: got %v, want kind %q", name, err, test.want)
		}
	}
}

func TestPostponeRefused(t *testing.T) {
	for name, test := range map[string]struct {
		service service
		want    fault.Kind
	}{
		"unknown receipt":    {refused(http.StatusBadRequest, "ReceiptHandleIsInvalid", ""), fault.NotFound},
		"not in flight":      {refused(http.StatusBadRequest, "MessageNotInflight", ""), fault.NotFound},
		"expired receipt":    {refused(http.StatusBadRequest, "InvalidParameterValue", expired), fault.NotFound},
		"twelve hours over":  {refused(http.StatusBadRequest, "InvalidParameterValue", "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]."), fault.Invalid},
		"an outage":          {refused(http.StatusServiceUnavailable, "ServiceUnavailable", ""), fault.Transient},
		"nobody there":       {service{}, fault.Transient},
		"no permission":      {refused(http.StatusForbidden, "AccessDeniedException", ""), fault.Internal},
		"the server's limit": {refused(http.StatusBadRequest, "OverLimit", ""), fault.Throttled},
	} {
		if err := test.service.queue().Postpone(bg, "a", time.Second); fault.KindOf(err) != test.want {
			t.Errorf("%s: got %v, want kind %q", name, err, test.want)
		}
	}
}

func TestNoSuchQueue(t *testing.T) {
	client := awstest.SQS(t)
	q := sqsqueue.New(client, *client.Options().BaseEndpoint+"/000000000000/"+awstest.Name("none")+".fifo")
	_, errReceive := q.Receive(bg, 1, 0)
	_, errDepth := q.Depth(bg)
	for _, err := range []error{errReceive, errDepth, q.Send(bg, queue.Message{Body: []byte("b"), GroupID: "g", DedupID: "d"}),
		q.Delete(bg, "r"), q.Postpone(bg, "r", 0)} {
		if !fault.Is(err, fault.Internal) {
			t.Errorf("got %v, want a fault of kind internal", err)
		}
	}
}
