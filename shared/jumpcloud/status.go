package jumpcloud

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"entrasync/shared/fault"
)

// meaning is what an HTTP status of JumpCloud means to us.
type meaning struct {
	kind    fault.Kind
	retry   bool   // may be answered differently if asked again at once
	message string // for the person who must act
}

// statuses is the one table over HTTP statuses. The codes that occur are in
// JumpCloud's API best practices; which of them are retried is what JumpCloud's
// own command line does.
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

// meaningOf looks a status up; what is not in the table goes by its class.
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

// retryAfter reads a Retry-After header in any of its forms: whole or decimal
// seconds, or a date; of several, that something in between joined with commas, the
// longest. It is 0 when the header is missing, unreadable or past, and a day at
// most.
func retryAfter(header string, now time.Time) time.Duration {
	const longest = 24 * time.Hour
	header = strings.TrimSpace(header)
	if first, rest, several := strings.Cut(header, ","); several && !strings.Contains(header, ":") { // a date has commas and colons
		return max(retryAfter(first, now), retryAfter(rest, now))
	}
	if seconds, err := strconv.ParseFloat(header, 64); err == nil {
		if !(seconds > 0) { // also when it is not a number
			return 0
		}
		return time.Duration(min(seconds, longest.Seconds()) * float64(time.Second))
	}
	if date, err := http.ParseTime(header); err == nil {
		return min(max(0, date.Sub(now)), longest)
	}
	return 0
}
