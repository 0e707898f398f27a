package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/webhook"
	"entrasync/shared/directory"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/metric"
)

// webhookCalls is how often the webhook is called.
const webhookCalls = 3000

// oneToken is a secret store with one token.
type oneToken string

// WebhookTokens implements webhook.Secrets.
func (t oneToken) WebhookTokens(context.Context, directory.OrganizationID) ([]string, error) {
	return []string{string(t)}, nil
}

// webhookLatency times the handler itself, with a real queue on disk behind it.
func webhookLatency(ctx context.Context) (result string, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	folder, err := os.MkdirTemp("", "entrasync-bench-")
	if err != nil {
		return "", err
	}
	defer func() { err = firstOf(err, os.RemoveAll(folder)) }()
	files, err := boltqueue.Open(filepath.Join(folder, "queues.db"))
	if err != nil {
		return "", err
	}
	defer func() { err = firstOf(err, files.Close()) }()
	changes, err := files.Queue(boltqueue.Config{Name: "changes.fifo"})
	if err != nil {
		return "", err
	}
	handler, err := webhook.New(webhook.Config{Secrets: oneToken("bench"), Changes: changes, Metrics: &metric.Memory{}})
	if err != nil {
		return "", err
	}
	var took []time.Duration
	for i := range webhookCalls {
		r := events.APIGatewayV2HTTPRequest{
			RawPath: "/webhooks/jumpcloud/5f0c1e2d3a4b5c6d7e8f9012", Headers: map[string]string{"authorization": "Bearer bench"},
			Body: fmt.Sprintf(`{"alert_id":"a","rule_id":"r","di_event":{"id":"%024x","@version":"1","service":"directory","event_type":"user_update","timestamp":"2026-03-02T09:14:07.498Z","organization":"5f0c1e2d3a4b5c6d7e8f9012","resource":{"id":"%024x","type":"user","username":"mira.okafor"},"changes":[{"field":"department","from":"Sales","to":"Partner Sales"}]}}`, i, i%500),
		}
		r.RequestContext.HTTP.Method = "POST"
		start := time.Now()
		response, err := handler.Handle(ctx, r)
		if err != nil {
			return "", err
		}
		if response.StatusCode != 202 {
			return "", fmt.Errorf("the webhook answered %d, want 202", response.StatusCode)
		}
		took = append(took, time.Since(start))
	}
	return spread(took)
}

// firstOf is the first error that is one.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
