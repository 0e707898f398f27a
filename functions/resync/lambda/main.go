// Command lambda is the resync function on AWS.
package main

import (
	"entrasync/functions/resync"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/aws/s3results"
	"entrasync/shared/aws/signin"
	"entrasync/shared/reconcile"
	job "entrasync/shared/resync"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	records, metrics := env.Store(), env.Metrics()
	outside := signin.Clients(env, records, env.Secrets())
	users, groups := env.Queue(lambdaenv.UsersBulkQueue), env.Queue(lambdaenv.GroupsBulkQueue)
	handler, err := resync.New(job.Parts{
		Starter: job.Starter{Store: records, Jobs: env.Queue(lambdaenv.ResyncQueue)},
		Clients: outside, Outside: outside, Results: s3results.Open(env.AWS, env.Variable(lambdaenv.ResultsBucket)),
		Drift: reconcile.Drift{Store: records, UserTasks: users, GroupTasks: groups, Metrics: metrics},
		Users: users, Groups: groups, Metrics: metrics,
		Every: env.Duration(lambdaenv.ResyncEvery),
	})
	env.Start(handler.Handle, err)
}
