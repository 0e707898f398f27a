package store_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/store"
)

// repeating is a table that loses the first answer to a put: like the client of a
// cloud, it then repeats the put.
type repeating struct{ store.Table }

func (a repeating) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	if _, err := a.Table.Put(ctx, item, cond); err != nil {
		return 0, err
	}
	return a.Table.Put(ctx, item, cond)
}

// When the answer to an add is lost, the repeated add does not report its own record as
// a conflict.
func TestARecordThatIsAddedAlthoughTheAnswerWasLost(t *testing.T) {
	table, err := bolttable.Open(filepath.Join(localtest.Folder(t), "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	s := store.New(repeating{table})
	until := time.Now().UTC().Add(time.Hour)
	for name, add := range map[string]func() error{
		"an organization": func() error {
			return s.CreateOrganization(t.Context(), directory.Organization{ID: organization, Name: "Contoso", CreatedAt: time.Now().UTC()})
		},
		"a turn": func() error { return s.TakePasswordTurn(t.Context(), organization, "ann", until) },
	} {
		if err := add(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := add(); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s that another one added: %v, want a fault of kind %s", name, err, fault.Conflict)
		}
	}
}
