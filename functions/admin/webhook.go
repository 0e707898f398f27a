package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/loopback"
	"entrasync/shared/redact"
	"entrasync/shared/secret"
)

// Channels sets up and tests the webhook of one organization in JumpCloud.
type Channels interface {
	SetUpWebhook(ctx context.Context, setup jumpcloud.WebhookSetup) (jumpcloud.WebhookState, error)
	TestWebhook(ctx context.Context, channelID string) (jumpcloud.TestResult, error)
	WebhookHealth(ctx context.Context, channelID string) (jumpcloud.WebhookHealth, error)
}

// webhookRequest is the body that sets a webhook up.
type webhookRequest struct {
	URL         string `json:"url,omitempty" doc:"What JumpCloud calls; missing: the webhook beside this API"`
	RotateToken bool   `json:"rotateToken,omitempty" doc:"Give JumpCloud the first of the organization's webhook tokens anew, for instance after it was replaced or after the webhook answered 401"`
	Repair      bool   `json:"repair,omitempty" doc:"Switch on what an administrator switched off in JumpCloud, and the alerts of the rule off, behind which events do not arrive"`
}

// webhookAnswer is the state of the webhook.
type webhookAnswer struct {
	URL string `json:"url"`
	jumpcloud.WebhookState
	Test   jumpcloud.TestResult    `json:"test" doc:"What came of JumpCloud's test notification"`
	Health jumpcloud.WebhookHealth `json:"health" doc:"What JumpCloud says of its deliveries"`
	Advice []string                `json:"advice,omitempty" doc:"What is wrong and what to do about it, a sentence each; missing: nothing is wrong"`
}

// webhooks registers the operation that sets a webhook up.
func (a API) webhooks(on huma.API) {
	huma.Register(on, api.Operation("setUpWebhook", http.MethodPost, "/v1/organizations/{id}/webhook",
		"Find or create the notification channel and the rule in JumpCloud, test them, show how deliveries go, and say what to do where they do not; repeating it is harmless",
		http.StatusOK, http.StatusNotFound, http.StatusConflict, http.StatusBadGateway), a.setUpWebhook)
}

// setUpWebhook sets up JumpCloud to send us every type of event that we act on.
func (a API) setUpWebhook(ctx context.Context, in *struct {
	OrganizationPath
	Body *webhookRequest `required:"false"`
}) (*api.Answer[webhookAnswer], error) {
	o, err := a.organization(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var wish webhookRequest
	if in.Body != nil {
		wish = *in.Body
	}
	tokens, err := a.Secrets.WebhookTokens(secret.Fresh(ctx), o.ID)
	if fault.Is(err, fault.NotFound) {
		return nil, api.Refuse(fault.New(fault.Conflict, "admin.webhook", "the organization has no webhook token: PATCH webhookTokens first"), "path.id", in.ID)
	}
	if err != nil {
		return nil, api.Refuse(err, "path.id", in.ID)
	}
	channels, err := a.Clients.Of(ctx, o.ID)
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	address := wish.URL
	if address == "" {
		address = besideAPI(ctx, o.ID)
	}
	state, err := channels.SetUpWebhook(ctx, jumpcloud.WebhookSetup{URL: address, Token: tokens[0], RotateToken: wish.RotateToken, Repair: wish.Repair})
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	body := webhookAnswer{URL: address, WebhookState: state}
	if body.Test, err = channels.TestWebhook(ctx, state.Channel.ID); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	if body.Health, err = channels.WebhookHealth(ctx, state.Channel.ID); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	body.Test.Message = redact.New(tokens...).Text(body.Test.Message) // may quote what JumpCloud sent
	body.Advice = body.advice()
	return &api.Answer[webhookAnswer]{Body: body}, nil
}

// besideAPI returns the URL of the webhook on the host at which this API was called.
func besideAPI(ctx context.Context, id directory.OrganizationID) string {
	request, _ := core.GetAPIGatewayV2ContextFromContext(ctx)
	address := url.URL{Scheme: "https", Host: request.DomainName, Path: "/webhooks/jumpcloud/" + string(id)}
	if loopback.Is(address.Hostname()) {
		address.Scheme = "http"
	}
	return address.String()
}
