package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// graphError is the body of a refusal (Graph's ODataError).
type graphError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details []struct {
		Code   string `json:"code"`
		Target string `json:"target"`
	} `json:"details"`
}

// detail finds the detail of a code and says whether there is one.
func (e graphError) detail(code string) (target string, found bool) {
	for _, d := range e.Details {
		if d.Code == code {
			return d.Target, true
		}
	}
	return "", false
}

// refusal is the fault for an answer of Graph that is not a success: by status,
// then by code, then by the code of a detail. Where Graph gives no code for a
// cause that matters to us, [phrases] has the text to look for.
func refusal(op string, status int, header http.Header, body []byte) *fault.Error {
	var parsed struct {
		Error graphError `json:"error"`
	}
	// A body that is not JSON comes from something in front of Graph; the
	// status alone then decides.
	_ = json.Unmarshal(body, &parsed)
	return classify(op, status, header, parsed.Error)
}

// classify is the one table over Graph's answers.
func classify(op string, status int, header http.Header, e graphError) *fault.Error {
	f := &fault.Error{Op: op, Kind: fault.Transient, Message: fmt.Sprintf("Graph answered %d %s: %s", status, e.Code, e.Message)}
	switch {
	case e.Code == "" && status < http.StatusInternalServerError && status != http.StatusUnauthorized && status != http.StatusTooManyRequests:
		f.Message = fmt.Sprintf("something in front of Graph answered %d: it is tried again", status)
	case status == http.StatusBadRequest:
		return badRequest(f, e)
	case status == http.StatusUnauthorized:
		f.Kind, f.Reason = fault.Unauthorized, string(directory.ConsentLost)
		f.Message = "Graph refuses our token: check the application's credentials and the tenant's consent"
	case status == http.StatusForbidden && e.Code == "Directory_QuotaExceeded":
		f.Kind, f.Reason = fault.Forbidden, string(directory.QuotaExceeded)
		f.Message = "the tenant has reached its limit of objects: delete some for good or ask Microsoft to raise it (" + e.Message + ")"
	case status == http.StatusForbidden:
		f.Kind, f.Reason = fault.Forbidden, string(directory.ProtectedAccount)
		f.Message = "Entra does not allow entrasync to change this account: it holds an administrator role or is in a role-assignable group (then manage it by hand, or give the application a role that may), or the application lacks a permission"
	case status == http.StatusNotFound:
		f.Kind = fault.NotFound
	case status == http.StatusConflict && e.Code != "Directory_ConcurrencyViolation":
		f.Kind = fault.Conflict
	case status == http.StatusTooManyRequests:
		f.Kind, f.Reason = fault.Throttled, string(directory.ThrottledReason)
		f.RetryAfter = retryAfter(header, time.Now())
		f.Message = "Graph asks to slow down: it is tried again by itself"
	case status == http.StatusNotImplemented, status == http.StatusMethodNotAllowed:
		f.Kind = fault.Internal
	}
	return f
}

// phrases are causes that Graph tells only by its text (as observed by users of
// the Terraform provider and of the PowerShell SDK). They stand in one place,
// because Microsoft may change them.
var phrases = []struct {
	text    string
	kind    fault.Kind
	reason  directory.Reason
	message string
}{
	{"verified domain names in your organization", fault.Invalid, directory.DomainNotVerified, ""},
	{"on-premises mastered", fault.Forbidden, directory.SyncedFromOnPremises, "the account is synchronised from an on-premises Active Directory, which owns its attributes: manage it there, or end that synchronisation first"},
	{"already exists", fault.Conflict, directory.UPNConflict, "the sign-in name is taken in Entra by another object, perhaps as one of its addresses: change that object or the user's e-mail"},
}

// badRequest narrows a 400 down.
func badRequest(f *fault.Error, e graphError) *fault.Error {
	f.Kind, f.Reason = fault.Invalid, string(directory.RefusedReason)
	f.Message = "Entra refuses the change: " + e.Message
	if target, found := e.detail("ObjectConflict"); found {
		f.Kind, f.Reason, f.Subject = fault.Conflict, string(directory.UPNConflict), target
		f.Message = fmt.Sprintf("another object in Entra has the same %s: change that object or the user in JumpCloud", orWord(target, "name"))
		return f
	}
	for _, p := range phrases {
		if strings.Contains(e.Message, p.text) {
			f.Kind, f.Reason = p.kind, string(p.reason)
			if p.message != "" {
				f.Message = p.message
			}
			return f
		}
	}
	if target, found := e.detail("InvalidValue"); found {
		f.Reason, f.Subject = string(directory.InvalidValue), target
		f.Message = fmt.Sprintf("Entra refuses the value of %s: change it in JumpCloud (%s)", target, e.Message)
	}
	return f
}

// orWord is s, or the word if s is empty.
func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}
