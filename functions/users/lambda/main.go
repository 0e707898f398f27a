// Command lambda is the users function on AWS.
package main

import (
	"entrasync/functions/users"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/aws/signin"
	"entrasync/shared/reconcile"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	metrics, records, publisher, secrets := env.Metrics(), env.Store(), env.Publisher(), env.Secrets()
	outside := signin.Systems(env, records, secrets)
	bulk := env.Queue(lambdaenv.UsersBulkQueue)
	handler := users.Handler{
		Users: reconcile.Users{Store: records, Systems: outside, Metrics: metrics, Publisher: publisher,
			Live: env.Queue(lambdaenv.UsersLiveQueue), Later: bulk,
			GroupsLive: env.Queue(lambdaenv.GroupsLiveQueue), GroupsBulk: env.Queue(lambdaenv.GroupsBulkQueue)},
		Passwords:   reconcile.Passwords{Store: records, Systems: outside, Seed: secrets.PasswordSeed, Metrics: metrics, Publisher: publisher},
		Postponer:   env.Postponer(lambdaenv.UsersLiveQueue, lambdaenv.UsersBulkQueue),
		MaxReceives: env.Number(lambdaenv.UsersReceives),
		Again:       bulk,
	}
	env.Start(handler.Handle)
}
