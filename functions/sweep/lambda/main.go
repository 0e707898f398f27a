// Command lambda is the sweep function on AWS.
package main

import (
	"entrasync/functions/sweep"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/credentials"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
	"entrasync/shared/stranded"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	records, metrics := env.Store(), env.Metrics()
	watch := credentials.Watch{Store: records, Metrics: metrics}
	if env.Variable(lambdaenv.SignIn) != lambdaenv.Federated {
		watch.Entra = credentials.OfEntra(env.Secrets())
	}
	handler, err := sweep.New(reconcile.Sweep{
		Store: records, Users: env.Queue(lambdaenv.UsersBulkQueue), Groups: env.Queue(lambdaenv.GroupsBulkQueue),
		Metrics: metrics, Publisher: env.Publisher(),
	}, stranded.Queues{
		store.Changes:    env.Queue(lambdaenv.ChangesDead),
		store.UsersLive:  env.Queue(lambdaenv.UsersLiveDead),
		store.UsersBulk:  env.Queue(lambdaenv.UsersBulkDead),
		store.GroupsLive: env.Queue(lambdaenv.GroupsLiveDead),
		store.GroupsBulk: env.Queue(lambdaenv.GroupsBulkDead),
	}, watch.Run)
	env.Start(handler.Handle, err)
}
