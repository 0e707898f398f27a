// Package webhook is the function that JumpCloud calls.
//
// It checks the shared secret, parses the body, puts each event into the changes queue
// and answers. It calls nothing else, because JumpCloud waits for the answer and tries
// again only three times. The content of an event is never applied: the event only says
// that something changed.
package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/secret"
)

// MaxBody is the largest body that is read, in bytes.
const MaxBody = 1 << 20

// pathPrefix is the part of the path before the id of the organization.
const pathPrefix = "/webhooks/jumpcloud/"

// Secrets reads the shared secrets of the channels.
type Secrets interface {
	// WebhookTokens returns the valid secrets of an organization: two while one is
	// being replaced. For an organization that is not served here it returns a fault of
	// kind NotFound. If strangers request too many unknown organizations, it returns a
	// fault with the reason secret.TooManyUnknown.
	WebhookTokens(ctx context.Context, organization directory.OrganizationID) ([]string, error)
}

// Config is what the handler needs.
type Config struct {
	Secrets Secrets
	Changes queue.Sender
	Metrics metric.Counter
}

// Handler answers JumpCloud.
type Handler struct {
	Config
	refused *refusals
}

// New returns a fault that names the first part that is missing.
func New(c Config) (Handler, error) {
	return Handler{c, &refusals{}}, fault.Missing("webhook.new", fault.Part{Name: "Secrets", There: c.Secrets != nil},
		fault.Part{Name: "Changes", There: c.Changes != nil}, fault.Part{Name: "Metrics", There: c.Metrics != nil})
}

// Handle takes one request.
func (h Handler) Handle(ctx context.Context, r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	organization, refusal := h.admit(ctx, r)
	if refusal == nil {
		refusal = h.accept(ctx, organization, r)
	}
	return h.answer(ctx, organization, refusal), nil
}

// Admit checks a request before its body is read. size is the length of the body in
// bytes, -1 if it is not known yet. Admit reports true if the body may be read;
// otherwise it returns the answer, because the caller may not send a body or the body
// is too large. A server that reads bodies itself calls Admit first, so that strangers
// cannot fill its memory. [Handler.Handle] makes the same checks again.
func (h Handler) Admit(ctx context.Context, r events.APIGatewayV2HTTPRequest, size int64) (events.APIGatewayV2HTTPResponse, bool) {
	organization, refusal := h.admit(ctx, r)
	if refusal == nil && size > MaxBody {
		refusal = tooLarge()
	}
	if refusal == nil {
		return events.APIGatewayV2HTTPResponse{}, true
	}
	return h.answer(ctx, organization, refusal), false
}

// answer returns the response to a request: 202 unless there is a refusal. It counts
// the request and logs the refusal.
func (h Handler) answer(ctx context.Context, organization directory.OrganizationID, refusal *refusal) events.APIGatewayV2HTTPResponse {
	status := http.StatusAccepted
	if refusal != nil {
		status = refusal.status
	}
	h.Metrics.Count("webhook_requests", 1, "status", http.StatusText(status))
	if refusal == nil {
		return events.APIGatewayV2HTTPResponse{StatusCode: status}
	}
	if refusal.cause != "" {
		h.refused.note(ctx, organization, refusal)
	}
	if refusal.cause != "" && !refusal.cause.postponed() {
		h.Metrics.Count("webhook_refused", 1, "cause", string(refusal.cause))
	}
	return problem(status, refusal.message)
}

// admit checks path, method and secret, but not the body. It returns the organization
// that the path names.
func (h Handler) admit(ctx context.Context, r events.APIGatewayV2HTTPRequest) (directory.OrganizationID, *refusal) {
	organization, found := strings.CutPrefix(r.RawPath, pathPrefix)
	if !found || organization == "" || strings.Contains(organization, "/") {
		return "", &refusal{status: http.StatusNotFound, message: "there is nothing here: the webhook of an organization is " + pathPrefix + "{organizationId}"}
	}
	id := directory.OrganizationID(organization)
	if r.RequestContext.HTTP.Method != http.MethodPost {
		return id, &refusal{status: http.StatusMethodNotAllowed, message: "the webhook takes POST only"}
	}
	tokens, err := h.Secrets.WebhookTokens(ctx, id)
	if err != nil {
		return id, withoutTokens(err)
	}
	if authorized(r.Headers, tokens) {
		return id, nil
	}
	// A token may have been replaced since the secrets were read.
	if tokens, err = h.Secrets.WebhookTokens(secret.Fresh(ctx), id); err == nil && authorized(r.Headers, tokens) {
		return id, nil
	}
	cause := WrongSecret
	if !presented(r.Headers) {
		cause = MissingSecret
	}
	return id, &refusal{status: http.StatusUnauthorized, cause: cause, message: "the secret is missing or wrong: it is the one the notification channel was set up with"}
}

// bodyOf returns the body as it was sent, or a refusal.
func bodyOf(r events.APIGatewayV2HTTPRequest) ([]byte, *refusal) {
	body := []byte(r.Body)
	if r.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(r.Body)
		if err != nil {
			return nil, &refusal{status: http.StatusBadRequest, cause: NotJSON, message: "the body cannot be decoded"}
		}
		body = decoded
	}
	if len(body) > MaxBody {
		return nil, tooLarge()
	}
	return body, nil
}

// accept puts the events of a body into the queue. It accepts any JSON, because an
// administrator switches off a channel that always fails.
func (h Handler) accept(ctx context.Context, organization directory.OrganizationID, r events.APIGatewayV2HTTPRequest) *refusal {
	body, refused := bodyOf(r)
	if refused != nil {
		return refused
	}
	parsed, err := jumpcloud.ParseBody(body)
	if err != nil {
		return unreadable(err)
	}
	received := parsed.Events()
	var messages []queue.Message
	for _, event := range received {
		m, err := jumpcloud.Change{Organization: organization, Event: event}.Message()
		if err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Msg("an event cannot be made a message")
			return &refusal{status: http.StatusServiceUnavailable, message: "try again"}
		}
		messages = append(messages, m)
	}
	for chunk := range slices.Chunk(messages, queue.MaxBatch) {
		if err := h.Changes.Send(ctx, chunk...); err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Str("organization", string(organization)).Int("events", len(messages)).Msg("events cannot be queued")
			return &refusal{status: http.StatusServiceUnavailable, message: "the event could not be kept: try again"}
		}
	}
	for shape, n := range shapes(parsed) {
		h.Metrics.Count("webhook_events", n, "shape", string(shape))
	}
	logReceived(ctx, organization, parsed, received)
	return nil
}

// problem returns a problem document (RFC 9457).
func problem(status int, detail string) events.APIGatewayV2HTTPResponse {
	body, err := json.Marshal(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
	if err != nil {
		body = nil
	}
	headers := map[string]string{"Content-Type": "application/problem+json"}
	switch status {
	case http.StatusMethodNotAllowed:
		headers["Allow"] = http.MethodPost
	case http.StatusUnauthorized:
		headers["WWW-Authenticate"] = `Bearer realm="entrasync webhook"`
	}
	return events.APIGatewayV2HTTPResponse{StatusCode: status, Headers: headers, Body: string(body)}
}
