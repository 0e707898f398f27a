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
	"entrasync/shared/fault"
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
	// of kind NotFound.
	WebhookTokens(ctx context.Context, organization directory.OrganizationID) ([]string, error)
}

// Handler answers JumpCloud.
type Handler struct {
	Secrets Secrets
	Changes queue.Sender
	Metrics metric.Counter
}

// Handle takes one request.
func (h Handler) Handle(ctx context.Context, r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	status, message := h.receive(ctx, r)
	h.Metrics.Count("webhook_requests", 1, "status", http.StatusText(status))
	if message == "" {
		return events.APIGatewayV2HTTPResponse{StatusCode: status}, nil
	}
	return problem(status, message), nil
}

// receive does the work; the message says what was wrong.
func (h Handler) receive(ctx context.Context, r events.APIGatewayV2HTTPRequest) (status int, message string) {
	organization, found := strings.CutPrefix(r.RawPath, pathPrefix)
	if !found || organization == "" || strings.Contains(organization, "/") {
		return http.StatusNotFound, "there is nothing here: the webhook of an organization is " + pathPrefix + "{organizationId}"
	}
	if r.RequestContext.HTTP.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, "the webhook takes POST only"
	}
	id := directory.OrganizationID(organization)
	tokens, err := h.Secrets.WebhookTokens(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return http.StatusNotFound, "no organization of that id is served here"
	}
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("the webhook's secrets cannot be read")
		return http.StatusServiceUnavailable, "try again"
	}
	if !authorized(r.Headers, tokens) {
		// A token may have been replaced since the secrets were read.
		tokens, err = h.Secrets.WebhookTokens(secret.Fresh(ctx), id)
	}
	if err != nil || !authorized(r.Headers, tokens) {
		return http.StatusUnauthorized, "the secret is missing or wrong: it is the one the notification channel was set up with"
	}
	body, status, message := bodyOf(r)
	if status != 0 {
		return status, message
	}
	return h.accept(ctx, id, body)
}

// bodyOf is the body as it was sent, or the status that refuses it.
func bodyOf(r events.APIGatewayV2HTTPRequest) (body []byte, status int, message string) {
	body = []byte(r.Body)
	if r.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(r.Body)
		if err != nil {
			return nil, http.StatusBadRequest, "the body cannot be decoded"
		}
		body = decoded
	}
	if len(body) > MaxBody {
		return nil, http.StatusRequestEntityTooLarge, "the body is over 1 MiB"
	}
	return body, 0, ""
}

// accept puts the events of a body into the queue. Whatever is JSON is accepted:
// a channel that always fails teaches its owner to switch it off.
func (h Handler) accept(ctx context.Context, organization directory.OrganizationID, body []byte) (status int, message string) {
	parsed, err := jumpcloud.ParseBody(body)
	if err != nil {
		return http.StatusBadRequest, fault.Of(err).Message
	}
	var messages []queue.Message
	for _, element := range parsed.Elements {
		h.Metrics.Count("webhook_events", 1, "shape", string(element.Shape))
		if element.Shape == jumpcloud.Unrecognized {
			zerolog.Ctx(ctx).Warn().Str("organization", string(organization)).Strs("fields", element.Fields).Int("bytes", len(body)).
				Msg("a webhook body of a form nobody knows was accepted and dropped")
		}
	}
	for _, event := range parsed.Events() {
		m, err := jumpcloud.Change{Organization: organization, Event: event}.Message()
		if err != nil {
			return http.StatusServiceUnavailable, "try again"
		}
		messages = append(messages, m)
		zerolog.Ctx(ctx).Info().Str("organization", string(organization)).Str("event", event.ID).Str("type", event.Type).Msg("event received")
	}
	for chunk := range slices.Chunk(messages, queue.MaxBatch) {
		if err := h.Changes.Send(ctx, chunk...); err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Msg("events cannot be queued")
			return http.StatusServiceUnavailable, "the event could not be kept: try again"
		}
	}
	return http.StatusAccepted, ""
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
