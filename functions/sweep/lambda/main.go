// Command lambda is the sweep function on AWS.
package main

import (
	"entrasync/functions/sweep"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
	"entrasync/shared/stranded"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	handler, err := sweep.New(reconcile.Sweep{
		Store: env.Store(), Users: env.Queue(lambdaenv.UsersBulkQueue), Groups: env.Queue(lambdaenv.GroupsBulkQueue),
		Metrics: env.Metrics(), Publisher: env.Publisher(),
	}, stranded.Queues{
		store.Changes:    env.Queue(lambdaenv.ChangesDead),
		store.UsersLive:  env.Queue(lambdaenv.UsersLiveDead),
		store.UsersBulk:  env.Queue(lambdaenv.UsersBulkDead),
		store.GroupsLive: env.Queue(lambdaenv.GroupsLiveDead),
		store.GroupsBulk: env.Queue(lambdaenv.GroupsBulkDead),
	})
	env.Start(handler.Handle, err)
}
