package store_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/store"
)

// asked is a table whose answers to a put are lost once: what was kept is asked for
// again by the client of the cloud.
type asked struct{ store.Table }

func (a asked) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	if _, err := a.Table.Put(ctx, item, cond); err != nil {
		return 0, err
	}
	return a.Table.Put(ctx, item, cond)
}

// Who adds a record is not told that it is there already because the answer was lost.
func TestARecordThatIsAddedAlthoughTheAnswerWasLost(t *testing.T) {
	table, err := bolttable.Open(filepath.Join(t.TempDir(), "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	s := store.New(asked{table})
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
			t.Errorf("%s that another one added: %v", name, err)
		}
	}
}
