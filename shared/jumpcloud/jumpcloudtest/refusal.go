package jumpcloudtest

import (
	"errors"
	"fmt"
	"net/http"
)

// Refusal is why the simulator refused something, with the status of the API's answer.
type Refusal struct {
	Status  int
	Message string
	Details []any // details of a refused password
}

// Error is the message with its status.
func (r *Refusal) Error() string { return fmt.Sprintf("%d: %s", r.Status, r.Message) }

func refuse(status int, format string, args ...any) error {
	return &Refusal{Status: status, Message: fmt.Sprintf(format, args...)}
}

func notFound(what, id string) error { return refuse(http.StatusNotFound, "%s %s not found", what, id) }

// rpcStatus are the statuses of version 2 errors by name (google.rpc.Code).
var rpcStatus = map[int]string{
	http.StatusBadRequest:          "INVALID_ARGUMENT",
	http.StatusUnauthorized:        "UNAUTHENTICATED",
	http.StatusForbidden:           "PERMISSION_DENIED",
	http.StatusNotFound:            "NOT_FOUND",
	http.StatusConflict:            "ALREADY_EXISTS",
	http.StatusTooManyRequests:     "RESOURCE_EXHAUSTED",
	http.StatusInternalServerError: "INTERNAL",
	http.StatusServiceUnavailable:  "UNAVAILABLE",
	http.StatusGatewayTimeout:      "DEADLINE_EXCEEDED",
}

// refusalReply is the answer to a request that failed: version 1 and the feed
// send a message, version 2 adds code and status.
func refusalReply(err error, api version) reply {
	var r *Refusal
	if !errors.As(err, &r) {
		r = &Refusal{Status: http.StatusInternalServerError, Message: "Internal Server Error"}
	}
	body := Fields{"message": r.Message}
	if api == v2 {
		body["code"] = r.Status
		body["status"] = "UNKNOWN"
		if word, ok := rpcStatus[r.Status]; ok {
			body["status"] = word
		}
	}
	if r.Details != nil {
		body["code"], body["status"], body["details"] = r.Status, rpcStatus[r.Status], r.Details
	}
	return reply{status: r.Status, body: body}
}
