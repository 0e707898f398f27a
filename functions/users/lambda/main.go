// Command lambda is the users function on AWS.
package main

import (
	"entrasync/functions/users"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/signin"
	"entrasync/shared/reconcile"
)

func main() {
	env := lambdaenv.Open()
	metrics, records := env.Metrics(), env.Store()
	bulk := env.Queue(lambdaenv.UsersBulkQueue)
	handler := users.Handler{
		Users: reconcile.Users{
			Store: records, Metrics: metrics, Later: bulk, Publisher: env.Publisher(),
			Systems: signin.Systems(env, records, env.Secrets()),
		},
		Postponer:   env.Postponer(lambdaenv.UsersLiveQueue, lambdaenv.UsersBulkQueue),
		MaxReceives: env.Number(lambdaenv.UsersReceives),
		Again:       bulk,
	}
	env.Start(handler.Handle)
}
