package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/redact"
)

// graphError is the body of a refusal (Graph's ODataError).
type graphError struct {
	Code    string        `json:"code"`
	Message string        `json:"message"`
	Details []errorDetail `json:"details"`
}

// errorDetail describes a refusal in more detail.
type errorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target"` // a property, or the ids of objects
}

// refusal is the fault for an answer of Graph that is not a success: by status, then by
// code, then by the details. The text counts only for causes that Graph states in no
// other way ([phrases]).
//
// Its subject is the property of the account that caused the refusal, by its name in
// Graph; "" where the answer does not name one. Its message is for the administrator
// and repeats no value of a user.
func refusal(op string, status int, header http.Header, body []byte) *fault.Error {
	f := classify(status, errorOf(body))
	f.Op = op
	// Graph sends Retry-After with a 429, a 503 and some 409.
	switch {
	case f.Kind == fault.Throttled:
		f.RetryAfter = retryAfter(header, time.Now())
	case f.Kind == fault.Transient && header.Get("Retry-After") != "":
		f.RetryAfter = retryAfter(header, time.Now())
	}
	return f
}

// errorOf reads the body of a refusal. A body that is not JSON comes from a proxy in
// front of Graph: the result is empty, and the status alone decides.
func errorOf(body []byte) graphError {
	var parsed struct {
		Error graphError `json:"error"`
	}
	_ = json.Unmarshal(body, &parsed)
	return parsed.Error
}

// classify is the one table over Graph's answers.
func classify(status int, e graphError) *fault.Error {
	switch {
	case status == http.StatusTooManyRequests || throttleCodes[e.Code]:
		return because(fault.Throttled, directory.ThrottledReason, "", "Graph asks to slow down: it is tried again by itself")
	case status == http.StatusUnauthorized:
		return because(fault.Unauthorized, directory.ConsentLost, "", "Graph refuses our token: check the application's credentials and the tenant's consent")
	case status >= http.StatusInternalServerError && status != http.StatusNotImplemented:
		return because(fault.Transient, directory.Unavailable, "", fmt.Sprintf("Graph has trouble of its own (%s): it is tried again by itself", said(status, e)))
	case e.Code == "" && status != http.StatusNotImplemented:
		return because(fault.Transient, directory.Unavailable, "", fmt.Sprintf("something in front of Graph answered %d: it is tried again by itself", status))
	case stateLost(status, e):
		return changesForgotten()
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity, status == http.StatusConflict && e.Code != concurrencyCode:
		return whyRefused(status, e)
	case status == http.StatusForbidden:
		return whyForbidden(e)
	case status == http.StatusNotFound:
		return whyNotFound(e)
	case transientStatuses[status]:
		return because(fault.Transient, directory.Unavailable, "", fmt.Sprintf("Graph could not do it just now (%s): it is tried again by itself", said(status, e)))
	default: // 405, 415, 501 and their like: Graph does not know what we asked for
		return defect(status, e)
	}
}

// concurrencyCode is the code of a write that clashed with another one.
const concurrencyCode = "Directory_ConcurrencyViolation"

// throttleCodes are the codes, new and old, of a throttled request.
var throttleCodes = map[string]bool{"TooManyRequests": true, "activityLimitReached": true, "Request_ThrottledTemporarily": true}

// transientStatuses are the statuses that pass by themselves beside the 5xx: a timeout,
// a write that clashed with another one, a lock, an item whose parent in the batch
// failed.
var transientStatuses = map[int]bool{
	http.StatusRequestTimeout: true, http.StatusConflict: true, http.StatusLocked: true, http.StatusFailedDependency: true, http.StatusTooEarly: true,
}

// because makes a fault.
func because(kind fault.Kind, reason directory.Reason, subject, message string) *fault.Error {
	return &fault.Error{Kind: kind, Reason: reason, Subject: subject, Message: message}
}

// defect is the fault for a request that Graph does not understand.
func defect(status int, e graphError) *fault.Error {
	return because(fault.Internal, directory.InternalReason, "", fmt.Sprintf("Graph does not understand what entrasync asked for (%s): this is a defect of entrasync, please report it", said(status, e)))
}

// stateLost reports whether the token of a delta query is expired: 410, or another 4xx
// with one of two codes (Microsoft Graph documentation, delta query).
func stateLost(status int, e graphError) bool {
	return status == http.StatusGone || e.Code == "syncStateNotFound" || e.Code == "resyncRequired"
}

// whyForbidden finds the cause of a 403. Graph answers the same for a missing
// permission and for a protected account; the caller may know which one it is.
func whyForbidden(e graphError) *fault.Error {
	switch {
	case e.Code == "Directory_QuotaExceeded" && strings.Contains(e.Message, "forward-link"):
		return because(fault.Forbidden, directory.QuotaExceeded, "", "the object in Entra can hold no more links of this sort: remove some of them"+inBrackets(e.Message))
	case e.Code == "Directory_QuotaExceeded":
		return because(fault.Forbidden, directory.QuotaExceeded, "", "the tenant has reached its limit of objects: delete some for good or ask Microsoft to raise it"+inBrackets(e.Message))
	case strings.Contains(e.Message, "Required roles claim values"):
		return because(fault.Unauthorized, directory.PermissionMissing, "", "the application has no permission in the tenant, or got it a moment ago: give it the permissions that the README lists, with admin consent")
	default:
		return because(fault.Forbidden, directory.ProtectedAccount, "", "Entra does not allow entrasync to change this account: it holds an administrator role or is in a role-assignable group (then manage it by hand, or give the application a role that may), or the application lacks a permission")
	}
}

// whyNotFound is a 404. Soon after an object was created it may only mean that a
// replica lags; the caller knows when the object was created.
func whyNotFound(e graphError) *fault.Error {
	if f := phraseFault(e); f != nil {
		return f
	}
	return because(fault.NotFound, "", "", "Entra does not have the object, or an object that it was to refer to: it was deleted, or is so new that it is not known everywhere yet")
}

// conflictCodes are the codes of details that report another object with the same
// value.
var conflictCodes = map[string]bool{"ObjectConflict": true, "PropertyConflict": true}

// phrases are causes that Graph states only in its text (observed by users of the
// Terraform provider, of the PowerShell SDK and of midPoint). They are in one place,
// because Microsoft may change them.
var phrases = append([]phrase{
	{"verified domain names in your organization", fault.Invalid, directory.DomainNotVerified, directory.UserPrincipalName, "the domain of the user's sign-in name is not a verified domain of the tenant: verify it in Entra or change the user's e-mail"},
	{"on-premises mastered", fault.Forbidden, directory.SyncedFromOnPremises, "", "the account is synchronised from an on-premises Active Directory, which owns its attributes: manage it there, or end that synchronisation first"},
	// For an account that was once synchronised it is about the extension attributes,
	// for one that Exchange created about the employee id: the text is the same for
	// both, and names neither.
	{"originated within an external service", fault.Invalid, directory.MasteredElsewhere, "", "another service owns it, because the account has its origin in an on-premises Active Directory or in Exchange: change it there, or take it off the attributes of the directory"},
	{"password complexity requirements", fault.Invalid, directory.InvalidValue, thePassword, "Entra refuses the password as too weak: choose one of 8 to 256 characters with three of lower case, upper case, digits and symbols, without the user's name and not a common one"},
	{"Property netId is invalid", fault.Conflict, directory.UPNConflict, directory.UserPrincipalName, "Entra cannot use the user's sign-in name, because a Microsoft account outside the tenant goes by it or it is not a valid one: change the user's e-mail"},
}, licensePhrases...)

// phrase is a part of a text of Graph, and what it means.
type phrase struct {
	text    string
	kind    fault.Kind
	reason  directory.Reason
	subject directory.Attribute
	message string
}

// thePassword is a property that a fault names although it is not an attribute.
const thePassword directory.Attribute = "passwordProfile"

// phraseFault is the fault for a text that contains one of the phrases; nil for any
// other text.
func phraseFault(e graphError) *fault.Error {
	for _, p := range phrases {
		if strings.Contains(e.Message, p.text) {
			return because(p.kind, p.reason, string(p.subject), p.message)
		}
	}
	return nil
}

// whyRefused finds the cause of a 400, and of a 409 or 422 with a cause that a 400 may
// have, too.
func whyRefused(status int, e graphError) *fault.Error {
	if f := phraseFault(e); f != nil {
		return f
	}
	if e.Code == "Request_UnsupportedQuery" { // it may name a property, but is not about its value
		return defect(status, e)
	}
	if f := whyConflict(status, e); f != nil {
		return f
	}
	if property := e.property(); property != "" {
		return because(fault.Invalid, directory.InvalidValue, property, refusedValue(property, e))
	}
	switch {
	case e.Code == "BadRequest", strings.Contains(e.Message, "Invalid object identifier"), strings.Contains(e.Message, "@odata.id"), strings.Contains(e.Message, "contained entities"):
		return defect(status, e)
	case e.Message == "":
		return because(fault.Invalid, directory.RefusedReason, "", "Entra refuses the change ("+said(status, e)+") and does not say why: try again, and report it if that does not help")
	default:
		return because(fault.Invalid, directory.RefusedReason, "", refusesChange+spoken(e.Message)+correctIt)
	}
}

// What stands before and after Graph's own text in the message of a refusal.
const (
	refusesChange = "Entra refuses the change: "
	correctIt     = " (correct that in JumpCloud or in Entra, and try again)"
)

// ownText is Graph's own text in the message of a refusal.
func ownText(message string) string {
	return strings.TrimSuffix(strings.TrimPrefix(message, refusesChange), correctIt)
}

// whyConflict is the fault for a value that another object has; nil if that is not the
// cause. Graph answers it with 400, not 409 (said by Microsoft engineers).
func whyConflict(status int, e graphError) *fault.Error {
	found := status == http.StatusConflict || e.Code == "Request_MultipleObjectsWithSameKeyValue" ||
		strings.Contains(e.Message, "already exists") || strings.Contains(e.Message, "conflicting object")
	others := ""
	for _, d := range e.Details {
		found = found || conflictCodes[d.Code]
		if ids := idForm.FindAllString(d.Target, 20); d.Code == "ConflictingObjects" && len(ids) > 0 {
			others = " (in Entra: " + strings.Join(ids, ", ") + ")"
		}
	}
	if !found {
		return nil
	}
	property := e.property()
	message := "another object in Entra has the same " + property
	switch property {
	case "":
		message = "another object in Entra has one of the values that the account is to have"
	case string(directory.UserPrincipalName):
		message = "the sign-in name (userPrincipalName) is taken in Entra by another object, perhaps as one of its addresses"
	case "proxyAddresses":
		message = "one of the account's e-mail addresses (proxyAddresses) is taken in Entra by another object"
	}
	return because(fault.Conflict, directory.UPNConflict, property, message+others+": change that object or the user in JumpCloud")
}

// refusedValue says what the administrator can do about a property that Graph refuses.
func refusedValue(property string, e graphError) string {
	switch {
	case strings.Contains(e.Message, "A null value was found"), strings.Contains(e.Message, "A value is required"):
		return fmt.Sprintf("Entra does not let %s be empty: give the user a value for it in JumpCloud, or turn its rule off", property)
	case strings.Contains(e.Message, "Invalid property"):
		return fmt.Sprintf("Entra has no property %s: turn its rule off", property)
	case strings.Contains(e.Message, "read-only"):
		return fmt.Sprintf("Entra does not let %s be written: turn its rule off", property)
	default:
		return fmt.Sprintf("Entra refuses the value of %s, as too long or for its characters: change it in JumpCloud", property)
	}
}

// The forms in which Graph names the property that caused a refusal.
var (
	propertyForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./]*$`)
	namingForm   = regexp.MustCompile(`[Pp]roperty (?:named )?'([A-Za-z][A-Za-z0-9_./]*)'|^Property ([A-Za-z][A-Za-z0-9_./]*) is |for property ([A-Za-z][A-Za-z0-9_./]*) already exists`)
	idForm       = regexp.MustCompile(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)
)

// property is the property that caused the refusal, "" if the answer names none: the
// target of a detail, or a name in a text.
func (e graphError) property() string {
	texts := []string{e.Message}
	for _, d := range e.Details {
		if d.Code != "ConflictingObjects" && propertyForm.MatchString(d.Target) {
			return d.Target
		}
		texts = append(texts, d.Message)
	}
	for _, text := range texts {
		if match := namingForm.FindStringSubmatch(text); match != nil {
			return match[1] + match[2] + match[3] // one of them matched
		}
	}
	return ""
}

// Parts of Graph's texts that may repeat a value, and quoted parts that do not.
var (
	addressForm  = regexp.MustCompile(`[^\s'"(]+@[^\s'")]+`)
	quotedForm   = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	harmlessForm = regexp.MustCompile(`^'([0-9]+|[0-9a-fA-F-]{36}|User|Group|members|owners|manager)'$`)
)

// spoken is a text of Graph that may be shown: without addresses and quoted parts,
// which may be values of a user. The secrets of the request were removed when the
// answer came.
func spoken(message string) string {
	message = addressForm.ReplaceAllString(message, "…")
	message = quotedForm.ReplaceAllStringFunc(message, func(s string) string {
		if harmlessForm.MatchString(s) {
			return s
		}
		return "'…'"
	})
	return redact.Text(message)
}

// inBrackets is a text of Graph at the end of a sentence of ours.
func inBrackets(message string) string {
	if message == "" {
		return ""
	}
	return " (" + spoken(message) + ")"
}

// said is what Graph answered, for a sentence.
func said(status int, e graphError) string {
	return strings.TrimRight(fmt.Sprintf("%d %s: %s", status, redact.Text(e.Code), spoken(e.Message)), ": ")
}
