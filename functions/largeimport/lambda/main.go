// Command lambda is the largeimport function on AWS.
package main

import (
	"entrasync/functions/largeimport"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/aws/s3results"
	"entrasync/shared/aws/sesmail"
	"entrasync/shared/aws/signin"
	"entrasync/shared/importing"
	"entrasync/shared/mail"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	records := env.Store()
	handler, err := largeimport.New(
		importing.Parts{
			Store: records, Clients: signin.Clients(env, records, env.Secrets()), Jobs: env.Queue(lambdaenv.ImportsQueue), Users: env.Queue(lambdaenv.UsersBulkQueue),
		},
		importing.Delivery{
			Results: s3results.Open(env.AWS, env.Variable(lambdaenv.ResultsBucket)),
			Mail:    sender(env),
			Address: env.Variable(lambdaenv.APIURL),
		},
	)
	env.Start(handler.Handle, err)
}

// sender sends mail and counts what was not sent. A stack that has no address to send from
// is no trouble to count.
func sender(env *lambdaenv.Environment) mail.Sender {
	from := env.Optional(lambdaenv.MailFrom)
	if from == "" {
		return sesmail.Off{}
	}
	sender, err := sesmail.Open(env.AWS, from)
	env.Refuse(err)
	return mail.Counted{Sender: sender, Metrics: env.Metrics()}
}
