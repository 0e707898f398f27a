package dynamotable_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/dynamotable"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// service returns its responses one after the other, and the last one again and again. It
// is for responses that the test server never returns. It works inside a bubble.
type service struct {
	status  int
	answers []string
	calls   int
}

// Do implements aws.HTTPClient.
func (s *service) Do(r *http.Request) (*http.Response, error) {
	s.calls++
	if s.status == 0 {
		return nil, errors.New("connection refused")
	}
	body := s.answers[min(s.calls, len(s.answers))-1]
	return &http.Response{StatusCode: s.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (s *service) table() *dynamotable.Table {
	config := awstest.Config("http://dynamodb.invalid")
	config.HTTPClient = s
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return dynamotable.New(dynamodb.NewFromConfig(config), "table")
}

// refused is an error response with the codes of a transaction's reasons.
func refused(code string, reasons ...string) *service {
	type reason struct{ Code string }
	answer := struct {
		Type    string   `json:"__type"`
		Reasons []reason `json:"CancellationReasons,omitempty"`
	}{Type: "com.amazonaws.dynamodb.v20120810#" + code}
	for _, r := range reasons {
		answer.Reasons = append(answer.Reasons, reason{r})
	}
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	return &service{status: http.StatusBadRequest, answers: []string{string(text)}}
}

var key = store.Key{PK: "p", SK: "s"}

func TestRefusals(t *testing.T) {
	for code, want := range map[string]fault.Kind{
		"ConditionalCheckFailedException":        fault.Changed,
		"TransactionConflictException":           fault.Changed,
		"ProvisionedThroughputExceededException": fault.Throttled,
		"RequestLimitExceeded":                   fault.Throttled,
		"ThrottlingException":                    fault.Throttled,
		"ResourceNotFoundException":              fault.Internal,
		"AccessDeniedException":                  fault.Internal,
		"ValidationException":                    fault.Internal,
		"ExpiredTokenException":                  fault.Transient,
	} {
		if _, err := refused(code).table().Put(bg, store.Item{Key: key}, 3); !fault.Is(err, want) {
			t.Errorf("put, %s: got %v, want kind %s", code, err, want)
		}
		if err := refused(code).table().Delete(bg, key, 3); !fault.Is(err, want) {
			t.Errorf("delete, %s: got %v, want kind %s", code, err, want)
		}
	}
	for name, s := range map[string]*service{
		"an outage":    {status: http.StatusServiceUnavailable, answers: []string{`{"__type":"x#ServiceUnavailable"}`}},
		"their defect": {status: http.StatusInternalServerError, answers: []string{`{"__type":"x#InternalServerError"}`}},
		"not JSON":     {status: http.StatusBadGateway, answers: []string{"<html>"}},
		"nobody there": {},
	} {
		if _, err := s.table().Get(bg, key); !fault.Is(err, fault.Transient) {
			t.Errorf("%s: got %v, want a fault of kind transient", name, err)
		}
	}
}

func TestCancellationReasons(t *testing.T) {
	for _, test := range []struct {
		name    string
		reasons []string
		want    fault.Kind
		calls   int
	}{
		{"a condition", []string{"None", "ConditionalCheckFailed"}, fault.Changed, 1},
		{"another transaction", []string{"TransactionConflict", "None"}, fault.Changed, 1},
		{"a condition and throttling", []string{"ThrottlingError", "ConditionalCheckFailed"}, fault.Changed, 1},
		{"throttling", []string{"None", "ThrottlingError"}, fault.Throttled, 1},
		{"throughput", []string{"ProvisionedThroughputExceeded", "None"}, fault.Throttled, 1},
		{"a defect", []string{"None", "ValidationError"}, fault.Internal, 1},
		{"no reasons", nil, fault.Transient, 1},
		{"an item that expires again and again", []string{"ConditionalCheckFailed", "None"}, fault.Changed, 4},
	} {
		s := refused("TransactionCanceledException", test.reasons...)
		err := s.table().Transact(bg, []store.Write{{Item: store.Item{Key: key}, If: store.Any}, {Item: store.Item{Key: store.Key{PK: "p", SK: "t"}}, If: 1}})
		if !fault.Is(err, test.want) || s.calls != test.calls {
			t.Errorf("%s: got %v after %d requests, want kind %s after %d", test.name, err, s.calls, test.want, test.calls)
		}
	}
}

const (
	nothing = `{"Responses":{"table":[]},"UnprocessedKeys":{"table":{"Keys":[{"pk":{"S":"p"},"sk":{"S":"s"}},{"pk":{"S":"p"},"sk":{"S":"t"}}],"ConsistentRead":true}}}`
	first   = `{"Responses":{"table":[{"pk":{"S":"p"},"sk":{"S":"s"},"v":{"N":"1"},"d":{"B":""}}]},"UnprocessedKeys":{"table":{"Keys":[{"pk":{"S":"p"},"sk":{"S":"t"}}],"ConsistentRead":true}}}`
	second  = `{"Responses":{"table":[{"pk":{"S":"p"},"sk":{"S":"t"},"v":{"N":"2"},"d":{"B":"AQ=="}}]},"UnprocessedKeys":{}}`
)

func TestUnprocessedKeys(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers []string
		want    fault.Kind
		calls   int
	}{
		{"at once", []string{first, second}, "", 2},
		{"after throttling", []string{nothing, nothing, first, nothing, second}, "", 5},
		{"never", []string{nothing}, fault.Throttled, 8},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &service{status: http.StatusOK, answers: test.answers}
			items, err := s.table().BatchGet(t.Context(), []store.Key{key, {PK: "p", SK: "t"}})
			if fault.KindOf(err) != test.want || s.calls != test.calls {
				t.Errorf("%s: %v after %d requests, want kind %q after %d", test.name, err, s.calls, test.want, test.calls)
			}
			if err == nil && (len(items) != 2 || items[0].SK != "s" || !bytes.Equal(items[1].Value, []byte{1})) {
				t.Errorf("%s: got %+v", test.name, items)
			}
		})
	}
}

// An item in the table that entrasync did not write is a defect, not an absence.
func TestForeignItem(t *testing.T) {
	for _, item := range []string{
		`{"pk":{"S":"p"},"sk":{"S":"s"}}`, `{"pk":{"S":"p"},"sk":{"S":"s"},"v":{"N":"0"}}`, `{"pk":{"S":"p"},"sk":{"S":"s"},"v":{"N":"1.5"}}`,
		`{"pk":{"S":"p"},"sk":{"S":"s"},"v":{"N":"1"},"other":{"S":"x"}}`, `{"pk":{"S":"p"},"sk":{"S":"s"},"v":{"N":"1"},"d":{"BOOL":true}}`,
	} {
		s := &service{status: http.StatusOK, answers: []string{`{"Item":` + item + `}`}}
		if got, err := s.table().Get(bg, key); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: got %+v, %v, want a fault of kind internal", item, got, err)
		}
	}
}
