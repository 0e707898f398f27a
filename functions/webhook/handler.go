// Package webhook is the function that JumpCloud calls.
//
// It checks the shared secret, recognises what the body carries and puts each
// event into the changes queue; then it answers. It reads nothing and calls
// nothing else, because JumpCloud waits for it and tries again only three times.
// What the event says is never applied: it is a hint that something changed.
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
	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/secret"
)

// MaxBody is the largest body that is read, in bytes.
const MaxBody = 1 << 20

// pathPrefix is what stands before the id of the organization.
const pathPrefix = "/webhooks/jumpcloud/"

// Secrets knows the shared secrets of the channels.
type Secrets interface {
	// WebhookTokens are the secrets that are valid for an organization; two
	// while one is being replaced. An organization we do not serve is a fault
	// of kind NotFound. One that cannot be looked up because strangers ask for
	// many is a fault with the reason secret.TooManyUnknown.
	WebhookTokens(ctx context.Context, organization directory.OrganizationID) ([]string, error)
}

// Handler answers JumpCloud.
type Handler struct {
	Secrets Secrets
	Changes queue.Sender
	Metrics metric.Counter
	// Refused tells the log what was refused, and how often; nil tells of each
	// refusal.
	Refused *Refusals
}

// Handle takes one request.
func (h Handler) Handle(ctx context.Context, r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	organization, refusal := h.admit(ctx, r)
	if refusal == nil {
		refusal = h.accept(ctx, organization, r)
	}
	return h.answer(ctx, organization, refusal), nil
}

// Admit answers what can be answered without the body, which has size bytes, -1 if
// that is not known yet: whoever may not send one, and one that is too large. It
// reports true, and no answer, if the body may be read and the request handled.
// Where bodies are read by us it keeps strangers from filling the memory; [Handler.Handle]
// decides again by itself.
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

// answer is the response to a request, which was accepted unless there is a
// refusal. It counts and tells the log.
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
		h.Refused.note(ctx, organization, refusal)
	}
	if refusal.cause != "" && !refusal.cause.postponed() {
		h.Metrics.Count("webhook_refused", 1, "cause", string(refusal.cause))
	}
	return problem(status, refusal.message)
}

// admit looks at who calls, before the body. The organization is that of the path.
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

// bodyOf is the body as it was sent, or the refusal of it.
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

// accept puts the events of a body into the queue. Whatever is JSON is accepted:
// a channel that always fails teaches its owner to switch it off.
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
	tell(ctx, organization, parsed, received)
	return nil
}

// problem is an answer that says what was wrong (RFC 9457).
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
