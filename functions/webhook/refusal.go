package webhook

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
)

// Cause is why a webhook was refused. It is the word that the log says and the
// label that the metric webhook_refused has.
type Cause string

// The closed list of causes. What is no webhook at all, such as another method or
// another path, has none, and neither has an outage of ours.
const (
	MissingSecret       Cause = "missing_secret"
	WrongSecret         Cause = "wrong_secret"
	UnknownOrganization Cause = "unknown_organization"
	TooLarge            Cause = "too_large"
	TooManyEvents       Cause = "too_many_events"
	NotJSON             Cause = "not_json"
)

// advice is what a cause means to the person who must act.
var advice = map[Cause]string{
	MissingSecret:       "a webhook came without a secret: give the notification channel in JumpCloud the organization's webhook token",
	WrongSecret:         "a webhook came with a wrong secret: give the notification channel in JumpCloud the organization's webhook token",
	UnknownOrganization: "a webhook came for an organization that has no webhook token here: compare the URL of the notification channel with the organization's id; if GET /v1/organizations lists it, its token was lost, and PATCH /v1/organizations/{id} gives it a new one",
	TooLarge:            "a webhook over 1 MiB was refused",
	TooManyEvents:       "a webhook with too many events was refused: whoever forwards them has to send them in several requests",
	NotJSON:             "a webhook that is not JSON was refused",
}

// refusal is an answer that is not 202. The message says to the caller what was
// wrong; the cause is "" for what is not worth a line each minute.
type refusal struct {
	status  int
	cause   Cause
	message string
}

// tooLarge refuses a body over MaxBody.
func tooLarge() *refusal {
	return &refusal{http.StatusRequestEntityTooLarge, TooLarge, "the body is over 1 MiB"}
}

// unreadable refuses what could not be parsed.
func unreadable(err error) *refusal {
	f := fault.Of(err)
	if f.Reason == jumpcloud.TooManyElements {
		return &refusal{http.StatusRequestEntityTooLarge, TooManyEvents, f.Message}
	}
	return &refusal{http.StatusBadRequest, NotJSON, f.Message}
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

// sayEvery is how often the log says how many webhooks were refused since.
const sayEvery = time.Minute

// Refusals tells the log which webhooks were refused: the first of an organization
// and cause at once, those that follow with their number once a minute, until a
// minute is quiet. So a channel with a wrong secret, which JumpCloud keeps using
// for every change, is heard of and fills no log. The zero value is ready to use.
//
// Organizations that nobody knows are one, because strangers choose their names.
// On Lambda each process says its own, and a frozen one when it runs again.
type Refusals struct {
	mu   sync.Mutex
	open map[refused]*minute
}

// refused is what is said together.
type refused struct {
	organization directory.OrganizationID
	cause        Cause
}

// minute is what is not said yet.
type minute struct {
	log   zerolog.Logger // of the last request
	count int
}

// note tells of one refusal, or counts it.
func (r *Refusals) note(ctx context.Context, organization directory.OrganizationID, cause Cause) {
	log := *zerolog.Ctx(ctx)
	what := refused{organization, cause}
	if cause == UnknownOrganization {
		what.organization = ""
	}
	if r == nil || r.first(what, log) {
		log.Warn().Str("organization", string(what.organization)).Str("cause", string(cause)).Int("refused", 1).Msg(advice[cause])
	}
}

// first reports whether a refusal is the first of its sort for a minute; if not, it
// is counted.
func (r *Refusals) first(what refused, log zerolog.Logger) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.open[what]; m != nil {
		m.log = log
		m.count++
		return false
	}
	if r.open == nil {
		r.open = map[refused]*minute{}
	}
	r.open[what] = &minute{}
	time.AfterFunc(sayEvery, func() { r.say(what) })
	return true
}

// say tells how many there were in the last minute, and again a minute later;
// after a quiet minute the next one counts as the first.
func (r *Refusals) say(what refused) {
	r.mu.Lock()
	m := *r.open[what]
	if m.count == 0 {
		delete(r.open, what)
	} else {
		r.open[what] = &minute{}
		time.AfterFunc(sayEvery, func() { r.say(what) })
	}
	r.mu.Unlock()
	if m.count > 0 {
		m.log.Warn().Str("organization", string(what.organization)).Str("cause", string(what.cause)).Int("refused", m.count).Msg(advice[what.cause])
	}
}
