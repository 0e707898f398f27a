// Package dynamotable implements store.Table with one DynamoDB table.
//
// An item has its key in pk and sk, its version in v, its value in d, its place in the
// index in ipk and isk, and its expiry in ttl. Attributes that an item does not need are
// absent, so that the index is sparse. DynamoDB removes an expired item only within
// days, so every condition and every read here treats an expired item as absent.
//
// A put on any version is an update that increments the version. Every other write is a
// put, delete or check with a condition. So each call of the port is one request, unless
// there is an expired item under the key.
package dynamotable

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// Table is a table, safe for concurrent use.
type Table struct {
	client *dynamodb.Client
	name   string
}

var _ store.Table = (*Table)(nil)

// New makes a Table of the DynamoDB table with that name or ARN. The client's own retries
// do no harm: DynamoDB recognises a repeated transaction by its token, and refuses a
// repeated conditional write as Changed. Then the caller reads and tries again, as after
// a write of another process.
func New(client *dynamodb.Client, name string) *Table { return &Table{client: client, name: name} }

// Get implements store.Table.
func (t *Table) Get(ctx context.Context, key store.Key) (store.Item, error) {
	const op = "store.get"
	if err := store.CheckKey(op, key); err != nil {
		return store.Item{}, err
	}
	answer, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: keyAttributes(key), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return store.Item{}, refusal(ctx, err, op)
	}
	item, err := decode(answer.Item)
	if err == nil && !lives(item, time.Now()) {
		return store.Item{}, &fault.Error{Op: op, Kind: fault.NotFound, Subject: key.PK + " " + key.SK}
	}
	return item, fault.Wrap(err, fault.Internal, op)
}

// Put implements store.Table.
func (t *Table) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	const op = "store.put"
	if err := store.CheckWrites(op, []store.Write{{Item: item, If: cond}}); err != nil {
		return 0, err
	}
	if cond == store.Any {
		return t.putAny(ctx, op, item)
	}
	item.Version = int64(cond) + 1
	_, err := t.client.PutItem(ctx, putInput(t.name, item, versionIs(cond, time.Now())))
	if err != nil {
		return 0, refusal(ctx, err, op)
	}
	return item.Version, nil
}

// putAttempts is how often a put on any version checks for an expired item. A further
// attempt is only needed if another writer put or removed an expired item in between.
const putAttempts = 4

// putAny increments the version of an item that has not expired, or replaces one that
// has.
func (t *Table) putAny(ctx context.Context, op string, item store.Item) (int64, error) {
	var err error
	for range putAttempts {
		var answer *dynamodb.UpdateItemOutput
		answer, err = t.client.UpdateItem(ctx, updateInput(t.name, item, time.Now()))
		if err == nil {
			version, err := number(answer.Attributes, versionAttribute)
			return version, fault.Wrap(err, fault.Internal, op)
		}
		if !conditionFailed(err) {
			break
		}
		item.Version = 1
		if _, err = t.client.PutItem(ctx, putInput(t.name, item, expired(time.Now()))); !conditionFailed(err) {
			break
		}
	}
	if err != nil {
		return 0, refusal(ctx, err, op)
	}
	return item.Version, nil
}

// Delete implements store.Table.
func (t *Table) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	const op = "store.delete"
	if err := store.CheckWrites(op, []store.Write{{Item: store.Item{Key: key}, If: cond, Delete: true}}); err != nil {
		return err
	}
	c := versionIs(cond, time.Now())
	_, err := t.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &t.name, Key: keyAttributes(key),
		ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values})
	return refusal(ctx, err, op)
}

// conditionFailed reports whether the condition of a single write did not hold.
func conditionFailed(err error) bool {
	var failed *types.ConditionalCheckFailedException
	return errors.As(err, &failed)
}

// refusal makes the fault for an error of DynamoDB; nil stays nil.
func refusal(ctx context.Context, err error, op string) error {
	if err == nil {
		return nil
	}
	var cancelled *types.TransactionCanceledException
	switch {
	case conditionFailed(err), awsfault.Is(err, "TransactionConflictException", "TransactionInProgressException"):
		return fault.Wrap(err, fault.Changed, op)
	case errors.As(err, &cancelled):
		return fault.Wrap(err, cancellation(cancelled.CancellationReasons), op)
	default:
		return awsfault.Of(ctx, err, op)
	}
}

// number reads an attribute of type N.
func number(attributes map[string]types.AttributeValue, name string) (int64, error) {
	n, ok := attributes[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, errRecord
	}
	return strconv.ParseInt(n.Value, 10, 64)
}
