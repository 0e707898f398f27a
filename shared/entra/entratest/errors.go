package entratest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// graphError is the refusal of a request. Its JSON is the ODataError of the official
// description.
type graphError struct {
	status  int
	code    string
	message string
	details []errorDetail
	inner   map[string]any // beside date and request ids
	header  http.Header
}

type errorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target,omitempty"`
}

// body is the error as it goes over the wire.
func (e *graphError) body(now time.Time, requestID, clientRequestID string) map[string]any {
	inner := map[string]any{
		"date": now.UTC().Format("2006-01-02T15:04:05"), "request-id": requestID, "client-request-id": clientRequestID,
	}
	for name, value := range e.inner {
		inner[name] = value
	}
	described := map[string]any{"code": e.code, "message": e.message, "innerError": inner}
	if len(e.details) > 0 {
		described["details"] = e.details
	}
	return map[string]any{"error": described}
}

func refuse(status int, code, format string, args ...any) *graphError {
	return &graphError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// badRequest is the refusal for most broken rules.
func badRequest(format string, args ...any) *graphError {
	return refuse(http.StatusBadRequest, "Request_BadRequest", format, args...)
}

// withDetail adds one entry to error.details, with the message of the error.
func (e *graphError) withDetail(code, target string) *graphError {
	e.details = append(e.details, errorDetail{Code: code, Message: e.message, Target: target})
	return e
}

// badValue is the refusal of one property (Graph error observed by users of the
// Go SDK: an empty string, a value too long).
func badValue(property, resource string) *graphError {
	return badRequest("Invalid value specified for property '%s' of resource '%s'.", property, resource).
		withDetail("InvalidValue", property)
}

// conflict is the refusal of a value that another object has: 400, not 409 (said
// by Microsoft engineers). Newer bodies name the other objects.
func conflict(property string, others ...string) *graphError {
	e := badRequest("Another object with the same value for property %s already exists.", property).
		withDetail("ObjectConflict", property)
	if len(others) > 0 {
		e.details = append(e.details, errorDetail{
			Code: "ConflictingObjects", Message: "The conflicting objects are listed in the target.", Target: strings.Join(others, ","),
		})
	}
	return e
}

func required(property, resource string) *graphError {
	return badRequest("A value is required for property '%s' of resource '%s'.", property, resource)
}

func notFound(id string) *graphError {
	return refuse(http.StatusNotFound, "Request_ResourceNotFound",
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)
}

func forbidden() *graphError {
	return refuse(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
}

// masteredOnPremises is the refusal of a write to a synced object (Graph error
// observed by two integrators).
func masteredOnPremises() *graphError {
	return badRequest("Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.")
}

// originatedElsewhere is the refusal of a write to a property that another service
// controls: the extension attributes of a user that was synced once and is a cloud user
// now, and the employeeId of one that Exchange made (Graph error observed by
// integrators and users: microsoft-graph-docs-contrib 3564, 8048). It does not name the
// property.
func originatedElsewhere() *graphError {
	return badRequest("Unable to update the specified properties for objects that have originated within an external service.")
}

func unsupportedQuery(format string, args ...any) *graphError {
	return refuse(http.StatusBadRequest, "Request_UnsupportedQuery", format, args...)
}

// malformed is the refusal of a request that is not OData at all.
func malformed(format string, args ...any) *graphError {
	return refuse(http.StatusBadRequest, "BadRequest", format, args...)
}

func concurrencyViolation() *graphError {
	return refuse(http.StatusConflict, "Directory_ConcurrencyViolation",
		"Error due to concurrent requests being made to the tenant. Please wait briefly and retry.")
}

// internalError is the answer when the simulator itself has an error, such as a journal
// that cannot be written.
func internalError(err error) *graphError {
	return refuse(http.StatusInternalServerError, "Service_InternalServerError", "The simulator failed: %v", err)
}
