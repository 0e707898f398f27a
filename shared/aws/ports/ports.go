// Package ports makes tables, queues and secrets on AWS for programs outside shared/aws,
// as the ports of the product, so that these programs do not depend on the AWS SDK.
package ports

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"entrasync/shared/aws/dynamotable"
	"entrasync/shared/aws/secrets"
	"entrasync/shared/aws/sqsqueue"
	"entrasync/shared/queue"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// Table returns the table of that name.
func Table(c aws.Config, name string) store.Table {
	return dynamotable.New(dynamodb.NewFromConfig(c), name)
}

// Queue returns the queue with that URL.
func Queue(c aws.Config, url string) queue.Queue {
	return sqsqueue.New(sqs.NewFromConfig(c), url)
}

// Secrets returns the secrets of a stack: their names begin with prefix and a slash.
// records lists all organizations.
func Secrets(c aws.Config, prefix string, records *store.Store) secret.Store {
	return secrets.NewKeeper(secretsmanager.NewFromConfig(c), prefix, records)
}
