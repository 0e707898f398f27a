// Package ports gives programs outside shared/aws tables, queues and secrets of
// AWS by the ports of the product, so that they need not know the AWS SDK.
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

// Table is the table of that name.
func Table(c aws.Config, name string) store.Table {
	return dynamotable.New(dynamodb.NewFromConfig(c), name)
}

// Queue is the queue with that URL.
func Queue(c aws.Config, url string) queue.Queue {
	return sqsqueue.New(sqs.NewFromConfig(c), url)
}

// Secrets are the secrets of a stack, whose names begin with prefix and a slash.
// records knows all organizations.
func Secrets(c aws.Config, prefix string, records *store.Store) secret.Store {
	return secrets.NewKeeper(secretsmanager.NewFromConfig(c), prefix, records)
}
