// Command lambda is the groups function on AWS.
package main

import (
	"entrasync/functions/groups"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/aws/signin"
	"entrasync/shared/reconcile"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	records := env.Store()
	bulk := env.Queue(lambdaenv.GroupsBulkQueue)
	handler := groups.Handler{
		Groups: reconcile.Groups{
			Store: records, Systems: signin.Systems(env, records, env.Secrets()), Metrics: env.Metrics(), Publisher: env.Publisher(),
			Live: env.Queue(lambdaenv.UsersLiveQueue), Bulk: env.Queue(lambdaenv.UsersBulkQueue), Soon: env.Queue(lambdaenv.GroupsLiveQueue), Later: bulk,
		},
		Postponer:   env.Postponer(lambdaenv.GroupsLiveQueue, lambdaenv.GroupsBulkQueue),
		MaxReceives: env.Number(lambdaenv.GroupsReceives),
		Again:       bulk,
	}
	env.Start(handler.Handle)
}
