package dynamotable

import (
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"entrasync/shared/store"
)

// The attributes of an item and the name of the index. Names are short because
// DynamoDB counts them in every item.
const (
	pkAttribute      = "pk"  // S
	skAttribute      = "sk"  // S
	versionAttribute = "v"   // N
	valueAttribute   = "d"   // B
	indexPKAttribute = "ipk" // S, absent if the item is not in the index
	indexSKAttribute = "isk" // S, likewise
	ttlAttribute     = "ttl" // N, Unix seconds; absent: never

	indexName = "index"
)

var errRecord = errors.New("a stored item has not the attributes of an item: the table holds something else or was written by another version")

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func decimal(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// bytesOf never returns a nil value, because the SDK does not send one.
func bytesOf(b []byte) types.AttributeValue {
	return &types.AttributeValueMemberB{Value: append([]byte{}, b...)}
}

// keyAttributes are the attributes of an item's key.
func keyAttributes(key store.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{pkAttribute: text(key.PK), skAttribute: text(key.SK)}
}

// optional are the attributes of an item that not every item has.
func optional(item store.Item) map[string]types.AttributeValue {
	found := map[string]types.AttributeValue{}
	if item.IndexPK != "" {
		found[indexPKAttribute], found[indexSKAttribute] = text(item.IndexPK), text(item.IndexSK)
	}
	if item.Expires != 0 {
		found[ttlAttribute] = decimal(item.Expires)
	}
	return found
}

// encode returns all attributes of an item.
func encode(item store.Item) map[string]types.AttributeValue {
	attributes := optional(item)
	attributes[pkAttribute], attributes[skAttribute] = text(item.PK), text(item.SK)
	attributes[versionAttribute], attributes[valueAttribute] = decimal(item.Version), bytesOf(item.Value)
	return attributes
}

// decode is the inverse of encode. Without attributes it returns the zero item, which
// means that there is none.
func decode(attributes map[string]types.AttributeValue) (store.Item, error) {
	var item store.Item
	for name, value := range attributes {
		var err error
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			err = setText(&item, name, v.Value)
		case *types.AttributeValueMemberB:
			item.Value = v.Value
		case *types.AttributeValueMemberN:
			err = setNumber(&item, name, v.Value)
		default:
			err = errRecord
		}
		if err != nil {
			return store.Item{}, err
		}
	}
	if len(attributes) > 0 && item.Version < 1 {
		return store.Item{}, errRecord
	}
	return item, nil
}

func setText(item *store.Item, name, value string) error {
	switch name {
	case pkAttribute:
		item.PK = value
	case skAttribute:
		item.SK = value
	case indexPKAttribute:
		item.IndexPK = value
	case indexSKAttribute:
		item.IndexSK = value
	default:
		return errRecord
	}
	return nil
}

func setNumber(item *store.Item, name, value string) (err error) {
	switch name {
	case versionAttribute:
		item.Version, err = strconv.ParseInt(value, 10, 64)
	case ttlAttribute:
		item.Expires, err = strconv.ParseInt(value, 10, 64)
	default:
		err = errRecord
	}
	return err
}

// lives reports whether there is an item and it has not expired.
func lives(item store.Item, now time.Time) bool {
	return item.Version != 0 && (item.Expires == 0 || item.Expires > now.Unix())
}
