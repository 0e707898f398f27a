// Command lambda is the catchup function on AWS.
package main

import (
	"entrasync/functions/catchup"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	usecase "entrasync/shared/catchup"
	"entrasync/shared/clients"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	records := env.Store()
	feeds, err := clients.ForJumpCloud(clients.Config{
		JumpCloudAPI: env.Variable(lambdaenv.JumpCloudAPI), JumpCloudInsights: env.Variable(lambdaenv.JumpCloudInsight), Keys: env.Secrets(), Regions: records,
	})
	env.Refuse(err)
	handler, err := catchup.New(usecase.Parts{Store: records, Feeds: feeds, Changes: env.Queue(lambdaenv.ChangesQueue), Metrics: env.Metrics()})
	env.Start(handler.Handle, err)
}
