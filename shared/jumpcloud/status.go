package jumpcloud

import (
	"net/http"

	"entrasync/shared/fault"
)

// meaning is how we treat an HTTP status of JumpCloud.
type meaning struct {
	kind    fault.Kind
	retry   bool   // another attempt at once may succeed
	message string // for the person who must act
}

// statuses is the only table of HTTP statuses. The codes are in JumpCloud's API best
// practices; JumpCloud's own command line retries the same ones.
var statuses = map[int]meaning{
	http.StatusBadRequest:           {kind: fault.Invalid, message: "JumpCloud refused the request as invalid"},
	http.StatusUnauthorized:         {kind: fault.Unauthorized, message: "JumpCloud does not accept the API key; make a new key and store it"},
	http.StatusPaymentRequired:      {kind: fault.Forbidden, message: "the JumpCloud plan does not include this; Directory Insights may be missing"},
	http.StatusForbidden:            {kind: fault.Forbidden, message: "JumpCloud refuses this key: its administrator's role lacks the right, or our address is blocked"},
	http.StatusNotFound:             {kind: fault.NotFound, message: "JumpCloud does not have it"},
	http.StatusRequestTimeout:       {kind: fault.Transient, message: "JumpCloud timed out"},
	http.StatusConflict:             {kind: fault.Conflict, message: "JumpCloud reports a conflict"},
	http.StatusGone:                 {kind: fault.NotFound, message: "JumpCloud no longer has it"},
	http.StatusPreconditionFailed:   {kind: fault.Changed, message: "it changed in JumpCloud meanwhile"},
	http.StatusUnprocessableEntity:  {kind: fault.Invalid, message: "JumpCloud refused the request as invalid"},
	http.StatusPreconditionRequired: {kind: fault.Invalid, message: "JumpCloud wants a condition on this request"},
	http.StatusTooManyRequests:      {kind: fault.Throttled, retry: true, message: "JumpCloud asks us to slow down"},
	http.StatusInternalServerError:  {kind: fault.Transient, retry: true, message: "JumpCloud failed"},
	http.StatusBadGateway:           {kind: fault.Transient, retry: true, message: "JumpCloud cannot be reached behind its gateway"},
	http.StatusServiceUnavailable:   {kind: fault.Transient, retry: true, message: "JumpCloud is not available"},
	http.StatusGatewayTimeout:       {kind: fault.Transient, retry: true, message: "JumpCloud timed out behind its gateway"},
}

// The meanings of refusals that depend on the credential.
const (
	refusedToken = "JumpCloud does not accept the access token of the service account"
	refusedRight = "JumpCloud refuses this service account: its role lacks the right, this part of JumpCloud takes no service account with a client secret, or our address is blocked; a key of the service account (jcs_…) or of an administrator instead may help"
)

// meaning is the message of a refusal: that of the status, or one that says more of the
// credential.
func (c *Client) meaning(status int, message string) string {
	switch {
	case status == http.StatusForbidden && c.tokens != nil:
		return refusedRight
	case status != http.StatusUnauthorized:
		return message
	case c.tokens != nil:
		return refusedToken + c.sinceEnd() + "; make a new secret in JumpCloud and store it with the client id"
	case c.sinceEnd() != "":
		return "JumpCloud does not accept the API key" + c.sinceEnd() + "; make a new key and store it"
	default:
		return message
	}
}

// meaningOf finds the meaning of a status; an unknown one is treated by its class.
func meaningOf(status int) meaning {
	if known, ok := statuses[status]; ok {
		return known
	}
	switch {
	case status >= 500:
		return meaning{kind: fault.Transient, message: "JumpCloud failed"}
	case status >= 400:
		return meaning{kind: fault.Invalid, message: "JumpCloud refused the request"}
	default:
		return meaning{kind: fault.Invalid, message: "JumpCloud answered with a redirect or another unexpected status; check the address and region"}
	}
}
