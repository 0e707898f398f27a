package webhook

import (
	"context"
	"net/http"
	"strings"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/repeated"
	"entrasync/shared/secret"
)

// Cause is why a webhook was refused. The log has it as the field cause, and the metric
// webhook_refused as its label.
type Cause string

// The closed list of causes. A request that is no webhook, such as one with another
// method or another path, has no cause.
const (
	MissingSecret       Cause = "missing_secret"
	WrongSecret         Cause = "wrong_secret"
	UnknownOrganization Cause = "unknown_organization"
	TooLarge            Cause = "too_large"
	TooManyEvents       Cause = "too_many_events"
	NotJSON             Cause = "not_json"

	// JumpCloud sends the webhook again after these, so nothing is lost yet.
	TooManyUnknown    Cause = "too_many_unknown"
	SecretsUnreadable Cause = "secrets_unreadable"
)

// postponed reports whether JumpCloud sends the webhook again, so that it is not
// refused yet.
func (c Cause) postponed() bool { return c == TooManyUnknown || c == SecretsUnreadable }

// chosenByStrangers reports whether a stranger can choose the id of the organization.
func (c Cause) chosenByStrangers() bool { return c == UnknownOrganization || c.postponed() }

// level is the log level: an error for an outage of ours, a warning for a mistake of
// the caller.
func (c Cause) level() zerolog.Level {
	if c == SecretsUnreadable {
		return zerolog.ErrorLevel
	}
	return zerolog.WarnLevel
}

// advice is what a cause means to the person who must act.
var advice = map[Cause]string{
	MissingSecret:       "a webhook came without a secret: give the notification channel in JumpCloud the organization's webhook token",
	WrongSecret:         "a webhook came with a wrong secret: give the notification channel in JumpCloud the organization's webhook token",
	UnknownOrganization: "a webhook came for an organization that has no webhook token here: compare the URL of the notification channel with the organization's id; if GET /v1/organizations lists it, its token was lost, and PATCH /v1/organizations/{id} gives it a new one",
	TooLarge:            "a webhook over 1 MiB was refused",
	TooManyEvents:       "a webhook with too many events was refused: whoever forwards them has to send them in several requests",
	NotJSON:             "a webhook that is not JSON was refused",
	TooManyUnknown:      "a webhook was put off, because somebody calls with many organizations that are not served here",
	SecretsUnreadable:   "the webhook's secrets cannot be read",
}

// refusal is an answer that is not 202. The message is for the caller. A refusal with
// the cause "" is not logged. err is for the log.
type refusal struct {
	status  int
	cause   Cause
	message string
	err     error
}

// tooLarge refuses a body over MaxBody.
func tooLarge() *refusal {
	return &refusal{status: http.StatusRequestEntityTooLarge, cause: TooLarge, message: "the body is over 1 MiB"}
}

// withoutTokens refuses an organization if its tokens could not be read. If the tokens
// may exist, the status is one after which JumpCloud sends the webhook again (a 5xx,
// 408 or 429). A 5xx also raises the alarm.
func withoutTokens(err error) *refusal {
	f := fault.Of(err)
	switch {
	case f.Kind == fault.NotFound:
		return &refusal{status: http.StatusNotFound, cause: UnknownOrganization, message: "there is no webhook token for an organization of that id: it is not served here, or its token was lost"}
	case f.Reason == secret.TooManyUnknown:
		return &refusal{http.StatusTooManyRequests, TooManyUnknown, "too many organizations are asked for that are not served here: try again", err}
	default:
		return &refusal{http.StatusServiceUnavailable, SecretsUnreadable, "try again", err}
	}
}

// unreadable refuses a body that could not be parsed.
func unreadable(err error) *refusal {
	f := fault.Of(err)
	if f.Reason == directory.TooManyElements {
		return &refusal{status: http.StatusRequestEntityTooLarge, cause: TooManyEvents, message: f.Message}
	}
	return &refusal{status: http.StatusBadRequest, cause: NotJSON, message: f.Message}
}

// presented reports whether the request carries any secret, right or wrong.
func presented(headers map[string]string) bool {
	for name, value := range headers {
		switch {
		case strings.EqualFold(name, secretHeader):
			if value != "" {
				return true
			}
		case strings.EqualFold(name, "authorization"):
			scheme, _, _ := strings.Cut(strings.TrimSpace(value), " ")
			known := strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Basic")
			if scheme != "" && (!known || credential(value) != "") {
				return true
			}
		}
	}
	return false
}

// refusals logs refused webhooks: the first of an organization and cause at once, and
// the number of those that follow once a minute. So a channel with a wrong secret,
// which JumpCloud uses for every change, is logged but does not fill the log. The zero
// value is ready to use.
//
// All organizations that are unknown or could not be looked up count as one, because
// strangers choose their ids.
type refusals struct{ log repeated.Log[refused] }

// refused is the key by which refusals are counted together.
type refused struct {
	organization directory.OrganizationID
	cause        Cause
}

// note logs one refusal, or counts it.
func (r *refusals) note(ctx context.Context, organization directory.OrganizationID, refusal *refusal) {
	log := *zerolog.Ctx(ctx)
	if refusal.err != nil {
		log = log.With().Err(refusal.err).Logger()
	}
	what := refused{organization, refusal.cause}
	if what.cause.chosenByStrangers() {
		what.organization = ""
	}
	say := func(count int) { what.write(log, count) }
	if r == nil {
		say(1)
		return
	}
	r.log.Note(what, say)
}

// write logs one line for n refusals.
func (r refused) write(log zerolog.Logger, n int) {
	log.WithLevel(r.cause.level()).Str("organization", string(r.organization)).Str("cause", string(r.cause)).Int("refused", n).Msg(advice[r.cause])
}
