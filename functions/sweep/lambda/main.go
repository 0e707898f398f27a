// Command lambda is the sweep function on AWS.
package main

import (
	"entrasync/functions/sweep"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/reconcile"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	handler, err := sweep.New(reconcile.Sweep{
		Store: env.Store(), Users: env.Queue(lambdaenv.UsersBulkQueue), Groups: env.Queue(lambdaenv.GroupsBulkQueue),
		Metrics: env.Metrics(), Publisher: env.Publisher(),
	})
	env.Start(handler.Handle, err)
}
