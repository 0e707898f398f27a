// Command lambda is the webhook function on AWS.
package main

import (
	"entrasync/functions/webhook"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
)

func main() {
	env := lambdaenv.Open(patience.Webhook)
	handler := webhook.Handler{
		Secrets: env.WebhookTokens(),
		Changes: env.Queue(lambdaenv.ChangesQueue),
		Metrics: env.Metrics(),
		Refused: &webhook.Refusals{},
	}
	env.Start(handler.Handle, nil)
}
