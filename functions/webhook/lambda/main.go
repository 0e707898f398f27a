// Command lambda is the webhook function on AWS.
package main

import (
	"entrasync/functions/webhook"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/secret"
)

func main() {
	env := lambdaenv.Open()
	handler := webhook.Handler{
		Secrets: secret.Organizations{Store: env.Secrets()},
		Changes: env.Queue(lambdaenv.ChangesQueue),
		Metrics: env.Metrics(),
		Refused: &webhook.Refusals{},
	}
	env.Start(handler.Handle)
}
