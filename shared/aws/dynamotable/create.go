package dynamotable

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"entrasync/shared/aws/awsfault"
)

// createPatience is the time limit for a new table to become active.
const createPatience = 2 * time.Minute

// CreateTable creates the table as the template of the stack describes it, on demand and
// with expiry, and waits until it can be used. It is for tests and experiments: it leaves
// out recovery and deletion protection, which the template adds for production.
func CreateTable(ctx context.Context, client *dynamodb.Client, name string) error {
	const op = "dynamotable.create"
	input := &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		KeySchema:   keySchema(pkAttribute, skAttribute),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName:  aws.String(indexName),
			KeySchema:  keySchema(indexPKAttribute, indexSKAttribute),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	}
	for _, key := range []string{pkAttribute, skAttribute, indexPKAttribute, indexSKAttribute} {
		input.AttributeDefinitions = append(input.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: aws.String(key), AttributeType: types.ScalarAttributeTypeS})
	}
	if _, err := client.CreateTable(ctx, input); err != nil {
		return awsfault.Of(ctx, err, op)
	}
	active := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = time.Second })
	if err := active.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, createPatience); err != nil {
		return awsfault.Of(ctx, err, op)
	}
	_, err := client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: &name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(ttlAttribute), Enabled: aws.Bool(true)}})
	return awsfault.Of(ctx, err, op)
}

func keySchema(pk, sk string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: aws.String(pk), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(sk), KeyType: types.KeyTypeRange},
	}
}
