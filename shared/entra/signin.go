package entra

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/redact"
	"entrasync/shared/retryafter"
)

// explainSignIn turns a failed sign-in into a fault. Entra states the cause as a number
// (AADSTS codes).
func explainSignIn(err error) error {
	var known *fault.Error
	if errors.As(err, &known) { // there is no proof
		return fault.Wrap(err, known.Kind, "entra.sign in")
	}
	var refused *azidentity.AuthenticationFailedError
	if !errors.As(err, &refused) || refused.RawResponse == nil {
		return &fault.Error{Op: "entra.sign in", Kind: fault.Transient, Reason: directory.Unavailable,
			Message: "Entra's sign-in service did not answer: it is tried again", Err: redact.Redactor{}.Error(err)}
	}
	status := refused.RawResponse.StatusCode
	switch {
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		wait, _ := retryafter.Of(refused.RawResponse.Header, time.Now())
		return &fault.Error{Op: "entra.sign in", Kind: fault.Transient, Reason: directory.Unavailable, RetryAfter: wait,
			Message: "Entra's sign-in service is unavailable: it is tried again"}
	case status/100 == 3:
		return &fault.Error{Op: "entra.sign in", Kind: fault.Unauthorized, Reason: directory.Unavailable, Message: redirected(refused.RawResponse)}
	default:
		return whySignInRefused(refused.RawResponse)
	}
}

// redirected describes a redirect of the sign-in.
func redirected(response *http.Response) string {
	where := "an address that it does not name"
	if to, err := response.Location(); err == nil {
		where = "another address of the same host"
		if response.Request == nil || !strings.EqualFold(to.Host, response.Request.URL.Host) {
			where = fmt.Sprintf("another host (%s)", to.Host)
		}
	}
	return "Entra's sign-in answered with a redirect to " + where + ", which was not followed, because the application's credentials would go there: " +
		"check ENTRA_LOGIN_URL, and what stands between entrasync and Entra"
}
