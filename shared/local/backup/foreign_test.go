package backup_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/local/backup"
	"entrasync/shared/local/bolttable"
)

// copiesOf makes copies of a new table of an identity, one a day, in a data folder.
func copiesOf(t *testing.T, data, identity string, first time.Time, days int) {
	t.Helper()
	table, err := bolttable.Open(filepath.Join(t.TempDir(), "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	if err := table.SetIdentity(t.Context(), identity); err != nil {
		t.Fatal(err)
	}
	for day := range days {
		if _, made, err := (backup.Keeper{Data: data, Source: table}).Copy(t.Context(), first.AddDate(0, 0, day)); err != nil || !made {
			t.Fatal(made, err)
		}
	}
}

// Copies of another table are not counted and not removed, because there may be no other
// copy of that table. A copy that cannot be read may be one of them.
func TestCopiesOfAnotherTableStay(t *testing.T) {
	data := t.TempDir()
	copiesOf(t, data, "theirs", time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC), backup.Kept)
	if err := os.WriteFile(filepath.Join(data, backup.Folder, "table-2026-10-31.db"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := days(t, data)
	copiesOf(t, data, "ours", time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), backup.Kept+2)
	var ours []string
	for day := range backup.Kept {
		ours = append(ours, time.Date(2026, 11, 3+day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	slices.Reverse(ours)
	if diff := cmp.Diff(append(ours, before...), days(t, data)); diff != "" {
		t.Error(diff)
	}
}
