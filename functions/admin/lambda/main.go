// Command lambda is the admin function on AWS.
package main

import (
	"entrasync/functions/admin"
	"entrasync/shared/api"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/aws/s3results"
	"entrasync/shared/aws/signin"
	"entrasync/shared/credentials"
	"entrasync/shared/resync"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	records := env.Store()
	secrets := env.KeptSecrets(records)
	outside := signin.Clients(env, records, secrets)
	auth := api.TokenAuth(secrets.AdminToken)
	if env.Variable(lambdaenv.APIAuth) == lambdaenv.GatewayAuth {
		auth = api.GatewayAuth
	}
	var entra credentials.Source
	if env.Variable(lambdaenv.SignIn) != lambdaenv.Federated {
		entra = credentials.OfEntra(secrets)
	}
	handler, err := admin.New(admin.API{Store: records, Clients: admin.Through(outside), Lanes: env.Lanes(), Changes: env.Queue(lambdaenv.ChangesQueue),
		Resyncs: resync.Starter{Store: records, Jobs: env.Queue(lambdaenv.ResyncQueue)}, ResyncEvery: env.Duration(lambdaenv.ResyncEvery), CatchUpEvery: env.Rate(lambdaenv.CatchUpEvery),
		Results: s3results.OpenLinks(env.AWS, env.Variable(lambdaenv.ResultsBucket)), Metrics: env.Metrics(), Auth: auth, Secrets: secrets, Entra: entra,
		Address: env.Variable(lambdaenv.APIURL)})
	env.Start(handler.Handle, err)
}
