// Command lambda is the imports function on AWS.
package main

import (
	"entrasync/functions/imports"
	"entrasync/shared/api"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/aws/s3results"
	"entrasync/shared/aws/signin"
	"entrasync/shared/importapi"
	"entrasync/shared/importing"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	records, secrets := env.Store(), env.Secrets()
	auth := api.TokenAuth(secrets.AdminToken)
	if env.Variable(lambdaenv.APIAuth) == lambdaenv.GatewayAuth {
		auth = api.GatewayAuth
	}
	handler, err := imports.New(importapi.API{
		Parts: importing.Parts{
			Store: records, Clients: signin.Clients(env, records, secrets), Jobs: env.Queue(lambdaenv.ImportsQueue), Users: env.Queue(lambdaenv.UsersBulkQueue),
		},
		Results: s3results.OpenLinks(env.AWS, env.Variable(lambdaenv.ResultsBucket)),
		Auth:    auth,
	})
	env.Start(handler.Handle, err)
}
