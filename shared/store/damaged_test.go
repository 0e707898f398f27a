package store_test

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/store"
)

// damagedTable has a record in every page that cannot be read, and one whose value
// is no record.
type damagedTable struct{ store.Table }

// bad and odd are their keys.
var (
	bad = store.Key{PK: "a damaged", SK: "record"}
	odd = store.Key{PK: "no", SK: "record"}
)

// Query implements store.Table.
func (d damagedTable) Query(ctx context.Context, q store.Query) (store.Page, error) {
	page, err := d.Table.Query(ctx, q)
	page.Items = append(page.Items, store.Item{Key: odd, Value: []byte("{")})
	page.Damaged = append(page.Damaged, bad)
	return page, err
}

// A list that a person reads goes on without what cannot be read and says so; what
// decides about a person does not.
func TestADamagedRecordStopsNoListAndNoDecisionIsMadeWithoutIt(t *testing.T) {
	table, err := bolttable.Open(filepath.Join(t.TempDir(), "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = table.Close() }()
	whole := store.New(table)
	id := directory.NewID(organization, "contoso")
	for _, user := range []directory.UserID{"u1", "u2"} {
		if err := whole.Connect(t.Context(), id, user, directory.Direct, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	ctx := zerolog.New(&log).WithContext(t.Context())
	s := store.New(damagedTable{table})
	links, err := s.Links(ctx, id, 0, "")
	if err != nil || len(links.Items) != 2 {
		t.Errorf("%d links, %v", len(links.Items), err)
	}
	connections, err := s.Connections(ctx, id, 0, "")
	if err != nil || len(connections.Items) != 2 {
		t.Errorf("%d connections, %v", len(connections.Items), err)
	}
	for _, key := range []store.Key{bad, odd} {
		if !strings.Contains(log.String(), `"pk":"`+key.PK+`","sk":"`+key.SK+`"`) {
			t.Errorf("the log does not name %v: %s", key, log.String())
		}
	}
	if user, err := s.User(ctx, organization, "u1"); !fault.Is(err, fault.Internal) {
		t.Errorf("a user of whom a part cannot be read: %+v, %v", user, err)
	}
}
