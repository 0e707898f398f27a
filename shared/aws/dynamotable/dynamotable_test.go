package dynamotable_test

import (
	"context"
	"flag"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/dynamotable"
	"entrasync/shared/fault"
	"entrasync/shared/store"
	"entrasync/shared/store/storetest"
)

var bg = context.Background()

// TestMain sets fewer checks for the model than the usual hundred, because each step is a
// request here. The flag -rapid.checks overrides it.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// open creates a table for one test.
func open(t *testing.T) *dynamotable.Table {
	t.Helper()
	client, name := awstest.DynamoDB(t), awstest.Name("table")
	if err := dynamotable.CreateTable(bg, client, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(bg, &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Error(err)
		}
	})
	return dynamotable.New(client, name)
}

func TestConformance(t *testing.T) {
	storetest.TestTable(t, func(t *testing.T) store.Table { return open(t) })
}

func TestNoSuchTable(t *testing.T) {
	table := dynamotable.New(awstest.DynamoDB(t), awstest.Name("none"))
	if _, err := table.Get(bg, store.Key{PK: "p", SK: "s"}); !fault.Is(err, fault.Internal) {
		t.Errorf("got %v, want a fault of kind internal", err)
	}
}

// counting counts the requests that go to a server.
type counting struct {
	next aws.HTTPClient
	mu   sync.Mutex
	n    int
}

// Do implements aws.HTTPClient.
func (c *counting) Do(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.next.Do(r)
}

// The number of requests decides what a change costs on AWS.
func TestRequests(t *testing.T) {
	client, name := awstest.DynamoDB(t), awstest.Name("table")
	if err := dynamotable.CreateTable(bg, client, name); err != nil {
		t.Fatal(err)
	}
	requests := &counting{next: client.Options().HTTPClient}
	table := dynamotable.New(dynamodb.New(client.Options(), func(o *dynamodb.Options) { o.HTTPClient = requests }), name)
	key := store.Key{PK: "p", SK: "s"}
	past := time.Now().Add(-time.Hour).Unix()
	put := func(item store.Item, cond store.IfVersion) func() error {
		return func() error { _, err := table.Put(bg, item, cond); return err }
	}
	for _, step := range []struct {
		name string
		do   func() error
		want int
	}{
		{"put if absent", put(store.Item{Key: key}, store.Absent), 1},
		{"put if version", put(store.Item{Key: key}, 1), 1},
		{"put", put(store.Item{Key: key, Expires: past}, store.Any), 1},
		{"put over an expired item", put(store.Item{Key: key, Expires: past}, store.Any), 2},
		{"transaction over an expired item", func() error { return table.Transact(bg, []store.Write{{Item: store.Item{Key: key}, If: store.Any}}) }, 2},
		{"transaction", func() error {
			return table.Transact(bg, []store.Write{{Item: store.Item{Key: key}, If: store.Any}, {Item: store.Item{Key: store.Key{PK: "p", SK: "t"}}, If: store.Absent}})
		}, 1},
		{"get", func() error { _, err := table.Get(bg, key); return err }, 1},
		{"batch get", func() error { _, err := table.BatchGet(bg, []store.Key{key}); return err }, 1},
		{"query", func() error { _, err := table.Query(bg, store.Query{PK: "p"}); return err }, 1},
		{"delete", func() error { return table.Delete(bg, key, 2) }, 1},
	} {
		requests.n = 0
		if err := step.do(); err != nil || requests.n != step.want {
			t.Errorf("%s: %d requests, %v; want %d", step.name, requests.n, err, step.want)
		}
	}
}

// The attributes are part of the stack: the template declares keys, index and
// expiry by these names.
func TestAttributes(t *testing.T) {
	client, name := awstest.DynamoDB(t), awstest.Name("table")
	if err := dynamotable.CreateTable(bg, client, name); err != nil {
		t.Fatal(err)
	}
	table := dynamotable.New(client, name)
	full := store.Item{Key: store.Key{PK: "p", SK: "full"}, Value: []byte("v"), IndexPK: "ip", IndexSK: "is", Expires: time.Now().Add(time.Hour).Unix()}
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	number := func(n int64) types.AttributeValue {
		return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
	}
	for _, test := range []struct {
		item store.Item
		want map[string]types.AttributeValue
	}{
		{full, map[string]types.AttributeValue{"pk": text("p"), "sk": text("full"), "v": number(1), "d": &types.AttributeValueMemberB{Value: []byte("v")},
			"ipk": text("ip"), "isk": text("is"), "ttl": number(full.Expires)}},
		{store.Item{Key: store.Key{PK: "p", SK: "bare"}, Value: []byte("v")}, map[string]types.AttributeValue{"pk": text("p"), "sk": text("bare"), "v": number(1),
			"d": &types.AttributeValueMemberB{Value: []byte("v")}}},
	} {
		for _, cond := range []store.IfVersion{store.Absent, store.Any} {
			if err := table.Delete(bg, test.item.Key, store.Any); err != nil {
				t.Fatal(err)
			}
			if _, err := table.Put(bg, test.item, cond); err != nil {
				t.Fatal(err)
			}
			got, err := client.GetItem(bg, &dynamodb.GetItemInput{TableName: &name, ConsistentRead: aws.Bool(true),
				Key: map[string]types.AttributeValue{"pk": text(test.item.PK), "sk": text(test.item.SK)}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Item, cmpopts.IgnoreUnexported(types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{})); diff != "" {
				t.Errorf("%s if %d (-want +got):\n%s", test.item.SK, cond, diff)
			}
		}
	}
}
