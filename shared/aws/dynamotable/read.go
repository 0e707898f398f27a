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

// The number of attempts of a batch get for keys that DynamoDB left unprocessed, and the
// first pause. A response without items means throttling: the next request is sent after
// a pause, which doubles each time (BatchGetItem: "use an exponential backoff
// algorithm"). A response with items was cut off at 16 MB: the next request is sent at
// once, and does not count.
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

// appendLiving decodes items and leaves out the expired ones.
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

// Query implements store.Table. A query of the table is strongly consistent; a query of
// an index cannot be.
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

// fitting is how many of the items fit on a page. DynamoDB may return one item more: the
// one with which it reached 1 MB.
func fitting(items []store.Item) int {
	total := 0
	for i, item := range items {
		if total += item.Size(); total > store.MaxPageBytes {
			return i
		}
	}
	return len(items)
}

// keysOf is the place of an item in the form of DynamoDB.
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

// maxLimit is more items than a page can have, and fits into DynamoDB's int32.
const maxLimit = store.MaxPageBytes

// placeAttributes are the attributes of a place in the table or the index: first the
// partition key, then the sort key; in the index also the key of the item.
func placeAttributes(q store.Query) []string {
	if q.Index {
		return []string{indexPKAttribute, indexSKAttribute, pkAttribute, skAttribute}
	}
	return []string{pkAttribute, skAttribute}
}

// placeOf encodes the keys that DynamoDB returned as a place.
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

// startKey is the inverse of placeOf. It returns false if the place is not within the
// query.
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
