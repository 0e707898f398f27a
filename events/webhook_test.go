package events_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/webhook"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
)

// tokens has the token of the one organization of the samples.
type tokens struct{}

func (tokens) WebhookTokens(_ context.Context, id directory.OrganizationID) ([]string, error) {
	if id != organization {
		return nil, fault.New(fault.NotFound, "test", "no such organization")
	}
	return []string{"example-webhook-token"}, nil
}

func TestWebhook(t *testing.T) {
	type want struct{ status, queued int }
	table := map[string]want{
		"event.json":                {202, 1},
		"rule.json":                 {202, 1},
		"list.json":                 {202, 2},
		"base64.json":               {202, 1},
		"duplicate.json":            {202, 1},
		"test.json":                 {202, 0},
		"unknown-form.json":         {202, 0},
		"wrong-token.json":          {401, 0},
		"not-json.json":             {400, 0},
		"unknown-organization.json": {404, 0},
		"get.json":                  {405, 0},
	}
	covers(t, "webhook", table)
	for file, want := range table {
		t.Run(file, func(t *testing.T) {
			changes := newQueue(t)
			handler, err := webhook.New(webhook.Config{Secrets: tokens{}, Changes: changes, Metrics: &metric.Memory{}})
			if err != nil {
				t.Fatal(err)
			}
			request := read[events.APIGatewayV2HTTPRequest](t, filepath.Join("webhook", file))
			for range 2 { // JumpCloud may send anything again
				response, err := handler.Handle(t.Context(), request)
				if err != nil || response.StatusCode != want.status {
					t.Errorf("status %d, want %d; %v", response.StatusCode, want.status, err)
				}
			}
			if got := queued(t, changes); got != want.queued {
				t.Errorf("%d events queued, want %d", got, want.queued)
			}
		})
	}
}
