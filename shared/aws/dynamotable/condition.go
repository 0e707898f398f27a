package dynamotable

import (
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"entrasync/shared/store"
)

// condition is a condition expression with its names and values. The zero condition is
// always true.
type condition struct {
	expression *string
	names      map[string]string
	values     map[string]types.AttributeValue
}

// The expressions. #ttl stands for ttl, a reserved word of DynamoDB.
const (
	neverOrLater = "(attribute_not_exists(#ttl) OR #ttl > :now)"
	over         = "#ttl <= :now" // false where there is no ttl
	ttlName      = "#ttl"
	nowValue     = ":now"
)

func newCondition(expression string, now time.Time) condition {
	return condition{
		expression: &expression,
		names:      map[string]string{ttlName: ttlAttribute},
		values:     map[string]types.AttributeValue{nowValue: decimal(now.Unix())},
	}
}

// notExpired is also true if there is no item.
func notExpired(now time.Time) condition { return newCondition(neverOrLater, now) }

// expired is true for an item that is stored and has expired.
func expired(now time.Time) condition { return newCondition(over, now) }

// versionIs is the condition of the port as an expression.
func versionIs(cond store.IfVersion, now time.Time) condition {
	switch cond {
	case store.Any:
		return condition{}
	case store.Absent:
		return newCondition("attribute_not_exists("+pkAttribute+") OR "+over, now)
	default:
		c := newCondition(versionAttribute+" = :version AND "+neverOrLater, now)
		c.values[":version"] = decimal(int64(cond))
		return c
	}
}

func putInput(table string, item store.Item, c condition) *dynamodb.PutItemInput {
	return &dynamodb.PutItemInput{TableName: &table, Item: encode(item),
		ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values}
}

// update is the expression that creates an item, or replaces it and increments its
// version. c is the condition that there is no expired item.
func update(item store.Item, now time.Time) (expression string, c condition) {
	c = notExpired(now)
	c.names = maps.Clone(c.names)
	c.values[":none"], c.values[":one"], c.values[":value"] = decimal(0), decimal(1), bytesOf(item.Value)
	set := []string{versionAttribute + " = if_not_exists(" + versionAttribute + ", :none) + :one", valueAttribute + " = :value"}
	var remove []string
	present := optional(item)
	for _, name := range []string{indexPKAttribute, indexSKAttribute, ttlAttribute} {
		c.names["#"+name] = name
		if value, ok := present[name]; ok {
			set = append(set, "#"+name+" = :"+name)
			c.values[":"+name] = value
		} else {
			remove = append(remove, "#"+name)
		}
	}
	expression = "SET " + strings.Join(set, ", ")
	if len(remove) > 0 {
		expression += " REMOVE " + strings.Join(remove, ", ")
	}
	return expression, c
}

func updateInput(table string, item store.Item, now time.Time) *dynamodb.UpdateItemInput {
	expression, c := update(item, now)
	return &dynamodb.UpdateItemInput{TableName: &table, Key: keyAttributes(item.Key), UpdateExpression: aws.String(expression),
		ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
		ReturnValues: types.ReturnValueUpdatedNew}
}
