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
	"entrasync/shared/local/localtest"
	"entrasync/shared/store"
)

// damagedTable has two damaged records in every page: one that the table cannot read,
// and one with a value that cannot be decoded.
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

// A list for people goes on without damaged records and logs them; a decision fails.
func TestADamagedRecordStopsNoListAndNoDecisionIsMadeWithoutIt(t *testing.T) {
	table, err := bolttable.Open(filepath.Join(localtest.Folder(t), "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = table.Close() }()
	intact := store.New(table)
	id := directory.NewID(organization, "contoso")
	for _, user := range []directory.UserID{"u1", "u2"} {
		if err := intact.Connect(t.Context(), id, user, directory.Direct, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	ctx := zerolog.New(&log).WithContext(t.Context())
	s := store.New(damagedTable{table})
	links, err := s.Links(ctx, id, 0, "")
	if err != nil || len(links.Items) != 2 {
		t.Errorf("%d links, %v, want 2 Items", len(links.Items), err)
	}
	connections, err := s.Connections(ctx, id, 0, "")
	if err != nil || len(connections.Items) != 2 {
		t.Errorf("%d connections, %v, want 2 Items", len(connections.Items), err)
	}
	for _, key := range []store.Key{bad, odd} {
		if !strings.Contains(log.String(), `"pk":"`+key.PK+`","sk":"`+key.SK+`"`) {
			t.Errorf("the log does not name %v: %s", key, log.String())
		}
	}
	if user, err := s.User(ctx, organization, "u1"); !fault.Is(err, fault.Internal) {
		t.Errorf("a user of whom a part cannot be read: %+v, %v, want a fault of kind %s", user, err, fault.Internal)
	}
}
