package dynamotable

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// The codes of cancellation reasons (TransactWriteItems, errors).
const (
	reasonNone      = "None"
	reasonCondition = "ConditionalCheckFailed"
	reasonConflict  = "TransactionConflict" // another transaction uses the item
)

// Transact implements store.Table.
func (t *Table) Transact(ctx context.Context, writes []store.Write) error {
	const op = "store.transact"
	if err := store.CheckWrites(op, writes); err != nil || len(writes) == 0 {
		return err
	}
	over := make([]bool, len(writes)) // puts on any version that replace an expired item
	var err error
	for range putAttempts {
		now := time.Now()
		items := make([]types.TransactWriteItem, len(writes))
		for i, w := range writes {
			items[i] = t.transactItem(w, over[i], now)
		}
		_, err = t.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
		if !onlyExpired(err, writes, over) {
			break
		}
	}
	return refusal(ctx, err, op)
}

// onlyExpired reports whether a transaction failed only because puts on any version
// assumed wrongly that there is or is no expired item, and corrects over for these puts.
func onlyExpired(err error, writes []store.Write, over []bool) bool {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) || len(cancelled.CancellationReasons) != len(writes) {
		return false
	}
	var turn []int
	for i, reason := range cancelled.CancellationReasons {
		switch code := aws.ToString(reason.Code); {
		case code == reasonCondition && writes[i].If == store.Any:
			turn = append(turn, i)
		case code != reasonNone:
			return false
		}
	}
	for _, i := range turn {
		over[i] = !over[i]
	}
	return len(turn) > 0
}

// transactItem returns one write of a transaction. over says that a put on any version
// replaces an expired item.
func (t *Table) transactItem(w store.Write, over bool, now time.Time) types.TransactWriteItem {
	c := versionIs(w.If, now)
	switch {
	case w.Check:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &t.name, Key: keyAttributes(w.Item.Key),
			ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values}}
	case w.Delete:
		return types.TransactWriteItem{Delete: &types.Delete{TableName: &t.name, Key: keyAttributes(w.Item.Key),
			ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values}}
	case w.If == store.Any && !over:
		expression, c := update(w.Item, now)
		return types.TransactWriteItem{Update: &types.Update{TableName: &t.name, Key: keyAttributes(w.Item.Key), UpdateExpression: &expression,
			ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values}}
	}
	item := w.Item
	item.Version = int64(w.If) + 1
	if w.If == store.Any {
		item.Version, c = 1, expired(now)
	}
	return types.TransactWriteItem{Put: &types.Put{TableName: &t.name, Item: encode(item),
		ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values}}
}

// cancellation is the kind of fault of a cancelled transaction: Changed if a condition
// did not hold or another writer was active at the same moment, otherwise the kind of the
// first reason.
func cancellation(reasons []types.CancellationReason) fault.Kind {
	lost := func(r types.CancellationReason) bool {
		return slices.Contains([]string{reasonCondition, reasonConflict}, aws.ToString(r.Code))
	}
	if slices.ContainsFunc(reasons, lost) {
		return fault.Changed
	}
	for _, r := range reasons {
		switch code := aws.ToString(r.Code); code {
		case reasonNone, "":
		case "ProvisionedThroughputExceeded":
			return fault.Throttled
		default: // ThrottlingError, or a defect: ValidationError, ItemCollectionSizeLimitExceeded, DuplicateItem
			return awsfault.Kind(code, true)
		}
	}
	return fault.Transient
}
