// Command lambda is the groups function on AWS.
package main

import (
	"entrasync/functions/groups"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/aws/signin"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	records := env.Store()
	handler, err := groups.New(groups.Config{
		Parts:       env.Parts(records, signin.Clients(env, records, env.Secrets())),
		Postponer:   env.Postponer(lambdaenv.GroupsLiveQueue, lambdaenv.GroupsBulkQueue),
		MaxReceives: env.Number(lambdaenv.GroupsReceives),
	})
	env.Start(handler.Handle, err)
}
