// Command lambda is the users function on AWS.
package main

import (
	"entrasync/functions/users"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/aws/signin"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	records, secrets := env.Store(), env.Secrets()
	handler, err := users.New(users.Config{
		Parts:        env.Parts(records, signin.Clients(env, records, secrets)),
		PasswordSeed: secrets.PasswordSeed,
		Postponer:    env.Postponer(lambdaenv.UsersLiveQueue, lambdaenv.UsersBulkQueue),
		MaxReceives:  env.Number(lambdaenv.UsersReceives),
	})
	env.Start(handler.Handle, err)
}
