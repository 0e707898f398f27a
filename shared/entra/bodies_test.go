package entra_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// valueOfUser is in bodies where Graph repeats what it was sent; no message may show
// it.
const valueOfUser = "ann.private@corp.example"

// refused is one refusal of Graph, and the fault that it must become.
type refused struct {
	name    string
	status  int
	header  map[string]string
	body    any // a JSON value; a string is sent as it is; nil sends nothing
	kind    fault.Kind
	reason  directory.Reason
	subject string        // the property at fault
	wait    time.Duration // that Graph asked for
	words   []string      // what the message must say, so that somebody can act
}

// graphBody is an error in Graph's form. Details are triples of code, message and
// target; an empty target is left out.
func graphBody(code, message string, details ...string) any {
	list := []any{}
	for d := range slices.Chunk(details, 3) {
		detail := map[string]any{"code": d[0], "message": d[1]}
		if d[2] != "" {
			detail["target"] = d[2]
		}
		list = append(list, detail)
	}
	e := map[string]any{"code": code, "message": message, "innerError": map[string]any{
		"date": "2026-01-02T03:04:05", "request-id": "1b1f2d4e-0000-4000-8000-000000000001", "client-request-id": "1b1f2d4e-0000-4000-8000-000000000002",
	}}
	if len(list) > 0 {
		e["details"] = list
	}
	return map[string]any{"error": e}
}

// badRequestBody is a Request_BadRequest.
func badRequestBody(message string, details ...string) any {
	return graphBody("Request_BadRequest", message, details...)
}

const (
	conflictOfUPN   = "Another object with the same value for property userPrincipalName already exists."
	conflictOfProxy = "Another object with the same value for property proxyAddresses already exists."
	otherObject     = "0c0d3f0e-1111-4222-8333-444455556666"
	unverified      = "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization."
	badEmployeeID   = "Invalid value specified for property 'employeeId' of resource 'User'."
)

// refusedConflicts are the forms of "another object has that value".
var refusedConflicts = []refused{
	{name: "name taken", status: 400, body: badRequestBody(conflictOfUPN, "ObjectConflict", conflictOfUPN, "userPrincipalName"),
		kind: fault.Conflict, reason: directory.UPNConflict, subject: "userPrincipalName", words: []string{"sign-in name", "change that object or the user"}},
	{name: "name taken, as newer bodies say it", status: 400, body: badRequestBody(conflictOfUPN, "ObjectConflict", conflictOfUPN, "userPrincipalName", "ConflictingObjects", conflictOfUPN, "User_"+otherObject),
		kind: fault.Conflict, reason: directory.UPNConflict, subject: "userPrincipalName", words: []string{"sign-in name", otherObject}},
	{name: "several objects, named first", status: 400, body: badRequestBody(conflictOfProxy, "ConflictingObjects", conflictOfProxy, otherObject+","+strings.Replace(otherObject, "0c", "0d", 1), "ObjectConflict", conflictOfProxy, "proxyAddresses"),
		kind: fault.Conflict, reason: directory.UPNConflict, subject: "proxyAddresses", words: []string{"e-mail addresses", otherObject + ", 0d0d3f0e"}},
	{name: "objects named by their kind", status: 400, body: badRequestBody("One or more values are in use.", "ConflictingObjects", "", "User", "ObjectConflict", "", "mail"),
		kind: fault.Conflict, reason: directory.UPNConflict, subject: "mail", words: []string{"the same mail"}},
	{name: "name taken, no details", status: 400, body: badRequestBody(conflictOfProxy),
		kind: fault.Conflict, reason: directory.UPNConflict, subject: "proxyAddresses", words: []string{"taken", "change that object"}},
	{name: "immutable id taken", status: 400, body: badRequestBody("Another object with the same value for property onPremisesImmutableId already exists.", "ObjectConflict", "", "onPremisesImmutableId"),
		kind: fault.Conflict, reason: directory.UPNConflict, subject: "onPremisesImmutableId", words: []string{"the same onPremisesImmutableId"}},
	{name: "same key, other classes", status: 400, body: graphBody("Request_MultipleObjectsWithSameKeyValue", "Multiple objects with the same key value were found for property value '"+valueOfUser+"'.", "ObjectConflict", "", "mail"),
		kind: fault.Conflict, reason: directory.UPNConflict, subject: "mail", words: []string{"the same mail", "change that object"}},
	{name: "same key, nothing named", status: 400, body: graphBody("Request_MultipleObjectsWithSameKeyValue", "Multiple objects with the same key value were found."),
		kind: fault.Conflict, reason: directory.UPNConflict, words: []string{"one of the values", "change that object"}},
	{name: "in general", status: 400, body: badRequestBody("A conflicting object with one or more of the specified property values is present in the directory."),
		kind: fault.Conflict, reason: directory.UPNConflict, words: []string{"one of the values"}},
	{name: "as a validation", status: 422, body: graphBody("Request_UnprocessableEntity", "The values provided contain one or more validation errors.", "PropertyConflict", "Another object with the same value for property mailNickname already exists.", "mailNickname"),
		kind: fault.Conflict, reason: directory.UPNConflict, subject: "mailNickname", words: []string{"the same mailNickname"}},
	{name: "a 409 that is none of concurrency", status: 409, body: graphBody("Conflict", "Something is in the way of '"+valueOfUser+"'."),
		kind: fault.Conflict, reason: directory.UPNConflict, words: []string{"another object in Entra"}},
	{name: "a Microsoft account goes by the name", status: 400, body: badRequestBody("Property netId is invalid."),
		kind: fault.Conflict, reason: directory.UPNConflict, subject: "userPrincipalName", words: []string{"Microsoft account", "change the user's e-mail"}},
	{name: "a Microsoft account goes by the name, as not found", status: 404, body: graphBody("Request_ResourceNotFound", "Property netId is invalid."),
		kind: fault.Conflict, reason: directory.UPNConflict, subject: "userPrincipalName", words: []string{"change the user's e-mail"}},
}

// refusedValues are refusals of one value, or of the complete account because of its
// kind.
var refusedValues = []refused{
	{name: "bad value", status: 400, body: badRequestBody(badEmployeeID, "InvalidValue", badEmployeeID, "employeeId"),
		kind: fault.Invalid, reason: directory.InvalidValue, subject: "employeeId", words: []string{"employeeId", "change it in JumpCloud"}},
	{name: "bad value, named in the text only", status: 400, body: badRequestBody("Invalid value specified for property 'businessPhones' of resource 'User'."),
		kind: fault.Invalid, reason: directory.InvalidValue, subject: "businessPhones", words: []string{"businessPhones", "change it in JumpCloud"}},
	{name: "bad value, named in the detail only", status: 400, body: badRequestBody("One or more properties contains invalid values.", "InvalidValue", badEmployeeID, ""),
		kind: fault.Invalid, reason: directory.InvalidValue, subject: "employeeId", words: []string{"employeeId"}},
	{name: "bad value that nobody names", status: 400, body: badRequestBody("One or more properties contains invalid values."),
		kind: fault.Invalid, reason: directory.RefusedReason, words: []string{"refuses the change", "invalid values"}},
	{name: "empty string", status: 400, body: badRequestBody("Invalid value specified for property 'givenName' of resource 'User'.", "InvalidValue", "", "givenName"),
		kind: fault.Invalid, reason: directory.InvalidValue, subject: "givenName", words: []string{"givenName"}},
	{name: "bad sign-in name", status: 400, body: badRequestBody("Property userPrincipalName is invalid."),
		kind: fault.Invalid, reason: directory.InvalidValue, subject: "userPrincipalName", words: []string{"userPrincipalName", "change it in JumpCloud"}},
	{name: "missing value", status: 400, body: badRequestBody("A value is required for property 'mailNickname' of resource 'User'."),
		kind: fault.Invalid, reason: directory.InvalidValue, subject: "mailNickname", words: []string{"does not let mailNickname be empty", "in JumpCloud"}},
	{name: "null for a collection", status: 400, body: badRequestBody("A null value was found for the property named 'businessPhones', which has the expected type 'Collection(Edm.String)[Nullable=False]'. The expected type 'Collection(Edm.String)[Nullable=False]' does not allow null values."),
		kind: fault.Invalid, reason: directory.InvalidValue, subject: "businessPhones", words: []string{"does not let businessPhones be empty"}},
	{name: "unknown property", status: 400, body: badRequestBody("Invalid property 'shoeSize'."),
		kind: fault.Invalid, reason: directory.InvalidValue, subject: "shoeSize", words: []string{"no property shoeSize", "turn its rule off"}},
	{name: "read-only property", status: 400, body: badRequestBody("Property 'createdDateTime' is read-only and cannot be set."),
		kind: fault.Invalid, reason: directory.InvalidValue, subject: "createdDateTime", words: []string{"does not let createdDateTime be written"}},
	{name: "unverified domain", status: 400, body: badRequestBody(unverified),
		kind: fault.Invalid, reason: directory.DomainNotVerified, subject: "userPrincipalName", words: []string{"corp.example is not a verified domain of tenant Contoso", "change the user's e-mail"}},
	{name: "unverified domain, with details", status: 400, body: badRequestBody(unverified, "InvalidValue", unverified, "userPrincipalName"),
		kind: fault.Invalid, reason: directory.DomainNotVerified, subject: "userPrincipalName", words: []string{"verify it in Entra"}},
	{name: "weak password", status: 400, body: badRequestBody("The specified password does not comply with password complexity requirements. Please provide a different password."),
		kind: fault.Invalid, reason: directory.InvalidValue, subject: "passwordProfile", words: []string{"too weak", "choose one"}},
	{name: "weak password, with details", status: 400, body: badRequestBody("The specified password does not comply with password complexity requirements. Please provide a different password.", "InvalidPassword", "", "password"),
		kind: fault.Invalid, reason: directory.InvalidValue, subject: "passwordProfile", words: []string{"choose one"}},
	{name: "mastered on premises", status: 400, body: badRequestBody("Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration."),
		kind: fault.Forbidden, reason: directory.SyncedFromOnPremises, words: []string{"on-premises", "manage it there"}},
	{name: "owned by another service", status: 400, body: badRequestBody("Unable to update the specified properties for objects that have originated within an external service."),
		kind: fault.Invalid, reason: directory.MasteredElsewhere, words: []string{"on-premises Active Directory or in Exchange", "change it there"}},
	{name: "anything else", status: 400, body: badRequestBody("Something new about '" + valueOfUser + "' and " + valueOfUser + "."),
		kind: fault.Invalid, reason: directory.RefusedReason, words: []string{"refuses the change", "Something new about"}},
	{name: "without a word", status: 400, body: badRequestBody(""),
		kind: fault.Invalid, reason: directory.RefusedReason, words: []string{"(400 Request_BadRequest) and does not say why"}},
	{name: "anything else, at length", status: 400, body: badRequestBody(strings.Repeat("é", 10000)),
		kind: fault.Invalid, reason: directory.RefusedReason, words: []string{"é…"}},
}

// refusedDefects are requests that Graph does not understand: no person can correct
// them.
var refusedDefects = []refused{
	{name: "malformed JSON", status: 400, body: graphBody("BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."),
		kind: fault.Internal, reason: directory.InternalReason, words: []string{"defect", "report it"}},
	{name: "reference without $ref", status: 400, body: badRequestBody("Write requests are only supported on contained entities"),
		kind: fault.Internal, reason: directory.InternalReason, words: []string{"report it"}},
	{name: "unsupported filter", status: 400, body: graphBody("Request_UnsupportedQuery", "Unsupported property filter clause operator 'NotEqualsMatch'."),
		kind: fault.Internal, reason: directory.InternalReason, words: []string{"report it"}},
	{name: "text too long for a filter", status: 400, body: graphBody("Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified for property 'displayName' of resource 'Group'."),
		kind: fault.Internal, reason: directory.InternalReason, words: []string{"report it"}},
	{name: "not a GUID", status: 400, body: badRequestBody("Invalid object identifier '" + valueOfUser + "'."),
		kind: fault.Internal, reason: directory.InternalReason, words: []string{"Invalid object identifier", "report it"}},
	{name: "not a reference", status: 400, body: badRequestBody("Invalid URL format specified in @odata.id."),
		kind: fault.Internal, reason: directory.InternalReason, words: []string{"report it"}},
	{name: "wrong method", status: 405, body: badRequestBody("Specified HTTP method is not allowed for the request target."),
		kind: fault.Internal, reason: directory.InternalReason, words: []string{"405", "report it"}},
	{name: "wrong media type", status: 415, body: graphBody("UnsupportedMediaType", "The request is using an unsupported media type."),
		kind: fault.Internal, reason: directory.InternalReason, words: []string{"415"}},
	{name: "outside the directory store", status: 501, body: graphBody("NotImplemented", ""),
		kind: fault.Internal, reason: directory.InternalReason, words: []string{"501 NotImplemented", "report it"}},
}

// refusedAccess are refusals of an object, of a permission or of a token.
var refusedAccess = []refused{
	{name: "no token", status: 401, body: graphBody("InvalidAuthenticationToken", "Access token has expired or is not yet valid."),
		kind: fault.Unauthorized, reason: directory.ConsentLost, words: []string{"credentials", "consent"}},
	{name: "unknown application", status: 401, body: graphBody("Authorization_IdentityNotFound", "The identity of the calling application could not be established."),
		kind: fault.Unauthorized, reason: directory.ConsentLost, words: []string{"consent"}},
	{name: "protected account", status: 403, body: graphBody("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
		kind: fault.Forbidden, reason: directory.ProtectedAccount, words: []string{"administrator role", "by hand"}},
	{name: "consent that has not come through", status: 403, body: graphBody("Authorization_RequestDenied", "Required roles claim values are not provided."),
		kind: fault.Unauthorized, reason: directory.PermissionMissing, words: []string{"admin consent"}},
	{name: "tenant full", status: 403, body: graphBody("Directory_QuotaExceeded", "The directory object quota limit for the Tenant has been exceeded. Please ask your administrator to increase the quota limit or delete objects to reduce the used quota."),
		kind: fault.Forbidden, reason: directory.QuotaExceeded, words: []string{"limit of objects", "delete some"}},
	{name: "tenant full, without a word", status: 403, body: graphBody("Directory_QuotaExceeded", ""),
		kind: fault.Forbidden, reason: directory.QuotaExceeded, words: []string{"ask Microsoft to raise it"}},
	{name: "object full", status: 403, body: graphBody("Directory_QuotaExceeded", "Unable to perform operation as '121' would exceed the maximum quota count '100' for forward-link 'owners'."),
		kind: fault.Forbidden, reason: directory.QuotaExceeded, words: []string{"no more links", "'100'", "'owners'"}},
	{name: "not found", status: 404, body: graphBody("Request_ResourceNotFound", "Resource '"+valueOfUser+"' does not exist or one of its queried reference-property objects are not present."),
		kind: fault.NotFound, words: []string{"deleted", "so new"}},
	{name: "delta token dead", status: 410, body: graphBody("resyncRequired", "Resync is required."), kind: fault.NotFound, reason: directory.ChangesForgotten, words: []string{"read again"}},
	{name: "delta token unknown", status: 400, body: graphBody("syncStateNotFound", "The sync state generation is not found."), kind: fault.NotFound, reason: directory.ChangesForgotten, words: []string{"read again"}},
}

// refusedForNow are refusals that a retry may solve.
var refusedForNow = []refused{
	{name: "throttled", status: 429, header: map[string]string{"Retry-After": "90"}, body: graphBody("TooManyRequests", "Please retry again later."),
		kind: fault.Throttled, reason: directory.ThrottledReason, wait: 90 * time.Second, words: []string{"slow down", "by itself"}},
	{name: "throttled, another code", status: 429, header: map[string]string{"Retry-After": "62.5"}, body: graphBody("activityLimitReached", ""),
		kind: fault.Throttled, reason: directory.ThrottledReason, wait: 62500 * time.Millisecond, words: []string{"slow down"}},
	{name: "throttled, the older code", status: 429, header: map[string]string{"Retry-After": "90"}, body: graphBody("Request_ThrottledTemporarily", ""),
		kind: fault.Throttled, reason: directory.ThrottledReason, wait: 90 * time.Second, words: []string{"slow down"}},
	{name: "throttled, and only the code says so", status: 503, header: map[string]string{"Retry-After": "7"}, body: graphBody("Request_ThrottledTemporarily", ""),
		kind: fault.Throttled, reason: directory.ThrottledReason, wait: 7 * time.Second, words: []string{"slow down"}},
	{name: "throttled, two numbers", status: 429, header: map[string]string{"Retry-After": "8,20"}, body: graphBody("TooManyRequests", ""),
		kind: fault.Throttled, reason: directory.ThrottledReason, wait: 20 * time.Second, words: []string{"slow down"}},
	{name: "concurrent write", status: 409, body: graphBody("Directory_ConcurrencyViolation", "Error due to concurrent requests being made to the tenant. Please wait briefly and retry."),
		kind: fault.Transient, reason: directory.Unavailable, words: []string{"by itself"}},
	{name: "concurrent write, with a time to wait", status: 409, header: map[string]string{"Retry-After": "3"}, body: graphBody("Directory_ConcurrencyViolation", "Error due to concurrent requests being made to the tenant."),
		kind: fault.Transient, reason: directory.Unavailable, wait: 3 * time.Second, words: []string{"by itself"}},
	{name: "time-out", status: 408, body: graphBody("RequestTimeout", ""), kind: fault.Transient, reason: directory.Unavailable, words: []string{"by itself"}},
	{name: "locked", status: 423, body: graphBody("Locked", ""), kind: fault.Transient, reason: directory.Unavailable, words: []string{"by itself"}},
	{name: "dependency failed", status: 424, body: graphBody("FailedDependency", "Failed Dependency"), kind: fault.Transient, reason: directory.Unavailable, words: []string{"by itself"}},
	{name: "broken", status: 500, body: graphBody("UnknownError", "trouble with '"+valueOfUser+"'"), kind: fault.Transient, reason: directory.Unavailable, words: []string{"500 UnknownError", "by itself"}},
	{name: "broken, another code", status: 500, body: graphBody("Service_InternalServerError", "Encountered an internal server error."), kind: fault.Transient, reason: directory.Unavailable, words: []string{"by itself"}},
	{name: "bad gateway", status: 502, body: graphBody("UnknownError", ""), kind: fault.Transient, reason: directory.Unavailable, words: []string{"502"}},
	{name: "unavailable", status: 503, body: graphBody("serviceNotAvailable", "The service is temporarily unavailable."), kind: fault.Transient, reason: directory.Unavailable, words: []string{"503 serviceNotAvailable"}},
	{name: "unavailable, with a time to wait", status: 503, header: map[string]string{"Retry-After": "40"}, body: graphBody("serviceNotAvailable", ""),
		kind: fault.Transient, reason: directory.Unavailable, wait: 40 * time.Second, words: []string{"by itself"}},
	{name: "late", status: 504, body: graphBody("UnknownError", ""), kind: fault.Transient, reason: directory.Unavailable, words: []string{"504"}},
	{name: "no body", status: 503, kind: fault.Transient, reason: directory.Unavailable, words: []string{"503"}},
	{name: "no body of a client error", status: 400, kind: fault.Transient, reason: directory.Unavailable, words: []string{"in front of Graph"}},
	{name: "not JSON", status: 403, body: "<html>" + valueOfUser, kind: fault.Transient, reason: directory.Unavailable, words: []string{"in front of Graph answered 403"}},
	{name: "not JSON, of a gateway", status: 502, body: "<html>" + valueOfUser, kind: fault.Transient, reason: directory.Unavailable, words: []string{"502"}},
	{name: "JSON of something else", status: 404, body: map[string]any{"error": "not_found", "error_description": valueOfUser}, kind: fault.Transient, reason: directory.Unavailable, words: []string{"in front of Graph"}},
}

func TestRefusalsByTheirBodies(t *testing.T) {
	for _, rows := range [][]refused{refusedConflicts, refusedValues, refusedDefects, refusedAccess, refusedForNow} {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				s := &stub{t: t}
				s.answer = func(_ int, r sent) (int, http.Header, string) {
					if strings.Contains(r.url, "/organization") {
						return 200, nil, `{"value":[{"id":"t","displayName":"Contoso","verifiedDomains":[]}]}`
					}
					return 200, nil, reply(t, r, func(item) map[string]any {
						return map[string]any{"status": row.status, "headers": row.header, "body": row.body}
					})
				}
				action := update("e1", "userPrincipalName", valueOfUser)
				row.check(t, s.client().Apply(t.Context(), []plan.Action{action})[0].Err)
			})
		}
	}
}

// check compares the fault with the row.
func (row refused) check(t *testing.T, err error) {
	t.Helper()
	f := fault.Of(err)
	if f == nil {
		t.Fatal("the action succeeded, want a fault")
	}
	if f.Kind != row.kind || f.Reason != row.reason || f.Subject != row.subject || f.RetryAfter != row.wait {
		t.Errorf("%s (%s) about %q, wait %s; want %s (%s) about %q, wait %s", f.Kind, f.Reason, f.Subject, f.RetryAfter, row.kind, row.reason, row.subject, row.wait)
	}
	for _, words := range row.words {
		if !strings.Contains(f.Message, words) {
			t.Errorf("the message %q does not contain %q", f.Message, words)
		}
	}
	if strings.Contains(err.Error(), "ann.private") || strings.Contains(err.Error(), "1b1f2d4e") || len(f.Message) > 600 {
		t.Errorf("the message repeats what it must not, or too much: %q", err)
	}
}

// The same bodies as the answer to a complete batch concern every item.
func TestRefusalOfAWholeBatch(t *testing.T) {
	for _, row := range []struct {
		status int
		header http.Header
		body   string
		kind   fault.Kind
		wait   time.Duration
	}{
		{503, http.Header{"Retry-After": {"40"}}, `{"error":{"code":"serviceNotAvailable","message":""}}`, fault.Transient, 40 * time.Second},
		{503, nil, "", fault.Transient, 0},
		{429, http.Header{"Retry-After": {"90"}}, "", fault.Throttled, 90 * time.Second},
		{401, nil, `{"error":{"code":"InvalidAuthenticationToken","message":"x"}}`, fault.Unauthorized, 0},
		{403, nil, `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}}`, fault.Forbidden, 0},
		{400, nil, `{"error":{"code":"BadRequest","message":"The batch must hold between 1 and 20 requests."}}`, fault.Internal, 0},
		{413, nil, "<html>", fault.Transient, 0},
	} {
		s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) { return row.status, row.header, row.body }}
		for i, result := range s.client().Apply(t.Context(), []plan.Action{update("e1", "city", "A"), update("e2", "city", "B")}) {
			if f := fault.Of(result.Err); f == nil || f.Kind != row.kind || f.RetryAfter != row.wait {
				t.Errorf("%d %s, item %d: %+v, want %s after %s", row.status, row.body, i, f, row.kind, row.wait)
			}
		}
	}
}
