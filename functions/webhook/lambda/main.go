// Command lambda is the webhook function on AWS.
package main

import (
	"entrasync/functions/webhook"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
)

func main() {
	env := lambdaenv.Open(patience.Webhook)
	handler, err := webhook.New(webhook.Config{Secrets: env.WebhookTokens(), Changes: env.Queue(lambdaenv.ChangesQueue), Metrics: env.Metrics()})
	env.Start(handler.Handle, err)
}
