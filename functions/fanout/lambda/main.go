// Command lambda is the fanout function on AWS.
package main

import (
	"entrasync/functions/fanout"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	handler, err := fanout.New(fanout.Config{
		Store: env.Store(), Lanes: env.Lanes(), Metrics: env.Metrics(), Postponer: env.Postponer(lambdaenv.ChangesQueue),
	})
	env.Start(handler.Handle, err)
}
