package planning

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// The kinds of what is kept of a tenant: each has a partition.
const (
	accountsPart = "account"
	namesPart    = "name"
	groupsPart   = "group"
	titlesPart   = "title"
	membersPart  = "member"
)

// pk is the partition key of a kind.
func (t tenant) pk(parts ...string) string {
	return strings.Join(append([]string{"planned", string(t.id)}, parts...), "#")
}

// notes are records that are to be stored together.
type notes struct {
	table  store.Table
	writes map[store.Key]store.Write // the last one of each key
	err    error
}

// notes begins with none.
func (t tenant) notes() *notes { return &notes{table: t.table, writes: map[store.Key]store.Write{}} }

// add adds a record.
func (n *notes) add(pk, sk string, record any) {
	value, err := json.Marshal(record)
	if err != nil && n.err == nil {
		n.err = fault.Wrap(err, fault.Internal, "planning.keep")
	}
	key := store.Key{PK: pk, SK: sk}
	n.writes[key] = store.Write{If: store.Any, Item: store.Item{Key: key, Value: value}}
}

// keep stores the records.
func (n *notes) keep(ctx context.Context) error {
	for some := range slices.Chunk(slices.Collect(maps.Values(n.writes)), store.MaxTransactItems) {
		if n.err == nil {
			n.err = n.table.Transact(ctx, some)
		}
	}
	return n.err
}

// recordsOf reads records by their sort keys; those that do not exist are missing.
func recordsOf[T any](ctx context.Context, t tenant, pk string, sks []string) (map[string]T, error) {
	found := map[string]T{}
	sks = slices.Clone(sks)
	slices.Sort(sks)
	sks = slices.DeleteFunc(slices.Compact(sks), func(sk string) bool { return sk == "" })
	for chunk := range slices.Chunk(sks, store.MaxBatchGet) {
		keys := make([]store.Key, len(chunk))
		for i, sk := range chunk {
			keys[i] = store.Key{PK: pk, SK: sk}
		}
		items, err := t.table.BatchGet(ctx, keys)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			var record T
			if err := json.Unmarshal(item.Value, &record); err != nil {
				return nil, store.DamagedRecord("planning.read", item.Key, err)
			}
			found[item.SK] = record
		}
	}
	return found, nil
}

// folded is how names and ids are compared.
func folded[T ~string](name T) string { return strings.ToLower(string(name)) }

// each calls do with every record of a partition.
func each[T any](ctx context.Context, t tenant, pk string, do func(T)) error {
	for q := (store.Query{PK: pk}); ; {
		page, err := t.table.Query(ctx, q)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			var record T
			if err := json.Unmarshal(item.Value, &record); err != nil {
				return store.DamagedRecord("planning.read", item.Key, err)
			}
			do(record)
		}
		if q.Cursor = page.Cursor; q.Cursor == "" {
			return nil
		}
	}
}

// asked are the answers of Entra about those of some objects that it is to be asked about, at their
// places. Those of the others are empty.
func asked[T any](ids []directory.EntraID, is func(directory.EntraID) bool, ask func([]directory.EntraID) []T) []T {
	answers := make([]T, len(ids))
	var real []directory.EntraID
	var at []int
	for i, id := range ids {
		if is(id) {
			real, at = append(real, id), append(at, i)
		}
	}
	if len(real) == 0 {
		return answers
	}
	for n, answer := range ask(real) {
		answers[at[n]] = answer
	}
	return answers
}
