package dynamotable

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// How often a batch get asks again for keys that DynamoDB left over, and how
// long it waits at first where an answer brought nothing: such an answer means
// throttling, and the wait doubles (BatchGetItem: "use an exponential backoff
// algorithm"). An answer that brought something was cut off at 16 MB, and is
// followed at once.
const (
	batchAttempts = 8
	batchPause    = 50 * time.Millisecond
)

// BatchGet implements store.Table.
func (t *Table) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	const op = "store.batch get"
	if err := store.CheckKeys(op, keys); err != nil || len(keys) == 0 {
		return nil, err
	}
	wanted := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for _, key := range keys {
		wanted.Keys = append(wanted.Keys, keyAttributes(key))
	}
	items := make([]store.Item, 0, len(keys))
	pause := batchPause
	for attempt := 0; attempt < batchAttempts; {
		answer, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{t.name: wanted}})
		if err != nil {
			return nil, refusal(ctx, err, op)
		}
		for _, found := range answer.Responses {
			if items, err = appendLiving(items, found); err != nil {
				return nil, fault.Wrap(err, fault.Internal, op)
			}
		}
		left := 0
		for _, rest := range answer.UnprocessedKeys {
			left, wanted = len(rest.Keys), rest
		}
		if left == 0 {
			return items, nil
		}
		if len(answer.Responses[t.name]) > 0 {
			continue
		}
		if err := sleep(ctx, pause/2+rand.N(pause)); err != nil { //nolint:gosec // jitter, not a secret
			return nil, fault.Wrap(err, fault.Transient, op)
		}
		pause, attempt = 2*pause, attempt+1
	}
	return nil, fault.New(fault.Throttled, op, "DynamoDB leaves keys unread")
}

// appendLiving decodes items and leaves out those that expired.
func appendLiving(items []store.Item, found []map[string]types.AttributeValue) ([]store.Item, error) {
	now := time.Now()
	for _, attributes := range found {
		item, err := decode(attributes)
		if err != nil {
			return nil, err
		}
		if lives(item, now) {
			items = append(items, item)
		}
	}
	return items, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Query implements store.Table. Of the table it is strongly consistent; an index
// cannot be.
func (t *Table) Query(ctx context.Context, q store.Query) (store.Page, error) {
	const op = "store.query"
	if err := store.CheckQuery(op, q); err != nil {
		return store.Page{}, err
	}
	var start map[string]types.AttributeValue
	if _, err := q.Place(op, func(place []byte) (within bool) {
		start, within = startKey(q, place)
		return within
	}); err != nil {
		return store.Page{}, err
	}
	answer, err := t.client.Query(ctx, t.queryInput(q, start))
	if err != nil {
		return store.Page{}, refusal(ctx, err, op)
	}
	items, err := appendLiving(nil, answer.Items)
	if err != nil {
		return store.Page{}, fault.Wrap(err, fault.Internal, op)
	}
	if kept := fitting(items); kept < len(items) {
		place, err := placeOf(q, keysOf(q, items[kept-1]))
		return store.Page{Items: items[:kept], Cursor: q.CursorAt(place)}, fault.Wrap(err, fault.Internal, op)
	}
	if len(answer.LastEvaluatedKey) == 0 {
		return store.Page{Items: items}, nil
	}
	place, err := placeOf(q, answer.LastEvaluatedKey)
	return store.Page{Items: items, Cursor: q.CursorAt(place)}, fault.Wrap(err, fault.Internal, op)
}

// fitting is how many of the items fit a page. DynamoDB may give the one more
// with which it noticed that it had read 1 MB.
func fitting(items []store.Item) int {
	total := 0
	for i, item := range items {
		if total += item.Size(); total > store.MaxPageBytes {
			return i
		}
	}
	return len(items)
}

// keysOf is the place of an item as DynamoDB writes it.
func keysOf(q store.Query, item store.Item) map[string]types.AttributeValue {
	keys := keyAttributes(item.Key)
	if q.Index {
		keys[indexPKAttribute], keys[indexSKAttribute] = text(item.IndexPK), text(item.IndexSK)
	}
	return keys
}

func (t *Table) queryInput(q store.Query, start map[string]types.AttributeValue) *dynamodb.QueryInput {
	pk, sk := pkAttribute, skAttribute
	input := &dynamodb.QueryInput{TableName: &t.name, ConsistentRead: aws.Bool(!q.Index), ScanIndexForward: aws.Bool(!q.Backward), ExclusiveStartKey: start}
	if q.Index {
		pk, sk = indexPKAttribute, indexSKAttribute
		input.IndexName = aws.String(indexName)
	}
	if q.Limit > 0 {
		input.Limit = aws.Int32(int32(min(q.Limit, maxLimit)))
	}
	living := notExpired(time.Now())
	input.FilterExpression, input.ExpressionAttributeNames, input.ExpressionAttributeValues = living.expression, living.names, living.values
	expression := pk + " = :pk"
	input.ExpressionAttributeValues[":pk"] = text(q.PK)
	if q.SKPrefix != "" {
		expression += " AND begins_with(" + sk + ", :prefix)"
		input.ExpressionAttributeValues[":prefix"] = text(q.SKPrefix)
	}
	input.KeyConditionExpression = &expression
	return input
}

// maxLimit is more items than a page can hold, and fits DynamoDB's number.
const maxLimit = store.MaxPageBytes

// placeAttributes are what a place in the table or the index is made of: first
// what it lies under, then what it is sorted by.
func placeAttributes(q store.Query) []string {
	if q.Index {
		return []string{indexPKAttribute, indexSKAttribute, pkAttribute, skAttribute}
	}
	return []string{pkAttribute, skAttribute}
}

// placeOf is the place behind the keys that DynamoDB gave.
func placeOf(q store.Query, last map[string]types.AttributeValue) ([]byte, error) {
	var parts []string
	for _, name := range placeAttributes(q) {
		part, ok := last[name].(*types.AttributeValueMemberS)
		if !ok {
			return nil, errRecord
		}
		parts = append(parts, part.Value)
	}
	return json.Marshal(parts)
}

// startKey is the inverse of placeOf; false if the place is not within the query.
func startKey(q store.Query, place []byte) (map[string]types.AttributeValue, bool) {
	names := placeAttributes(q)
	var parts []string
	if err := json.Unmarshal(place, &parts); err != nil || len(parts) != len(names) ||
		parts[0] != q.PK || !strings.HasPrefix(parts[1], q.SKPrefix) {
		return nil, false
	}
	start := map[string]types.AttributeValue{}
	for i, name := range names {
		start[name] = text(parts[i])
	}
	return start, true
}
