package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/store"
)

// counted counts the queries of a table and the items that they read.
type counted struct {
	store.Table
	queries, items int
}

// Query implements store.Table.
func (c *counted) Query(ctx context.Context, q store.Query) (store.Page, error) {
	page, err := c.Table.Query(ctx, q)
	c.queries++
	c.items += len(page.Items)
	return page, err
}

// A filtered list shows each match once, in pages that are never longer than the limit.
// A page that finds nothing reads only a limited part of the table.
func TestAFilteredListIsBoundedAndComplete(t *testing.T) {
	bolt, err := bolttable.Open(filepath.Join(localtest.Folder(t), "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bolt.Close() })
	table := &counted{Table: bolt}
	s := store.New(table)
	id := directory.NewID(organization, "one")
	const all, every = 3000, 13
	var recordings []store.Recording
	var parked []directory.UserID
	for i := range all {
		link := directory.Link{Standing: directory.Standing{Directory: id, Status: directory.Synced}, User: directory.UserID(fmt.Sprintf("u%05d", i))}
		if i%every == 0 || i > all-30 {
			link.Status, link.Reason = directory.Parked, directory.UPNConflict
			parked = append(parked, link.User)
		}
		recordings = append(recordings, store.Recording{Link: link})
	}
	for _, err := range s.Record(t.Context(), recordings...) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{1, 2, 7, 50, 100} {
		var got []directory.UserID
		for cursor, pages := "", 0; ; pages++ {
			table.queries, table.items = 0, 0
			page, err := s.LinksThat(t.Context(), id, directory.Parked, directory.UPNConflict, limit, cursor)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Items) > limit || table.queries > 10 || table.items > 2500 || pages > all {
				t.Fatalf("limit %d: %d links of %d read by %d queries, want at most %v Items, queries at most 10, items at most 2500, pages at most %v", limit, len(page.Items), table.items, table.queries, limit, all)
			}
			for _, link := range page.Items {
				got = append(got, link.User)
			}
			if cursor = page.Cursor; cursor == "" {
				break
			}
		}
		if !slices.Equal(got, parked) {
			t.Errorf("limit %d: %d links, want %d", limit, len(got), len(parked))
		}
	}
	empty, err := s.LinksThat(t.Context(), id, directory.Released, "", 100, "")
	if err != nil || len(empty.Items) != 0 || empty.Cursor == "" {
		t.Errorf("nothing fits: %d links, cursor %q, %v, want 0 Items, Cursor not \"\"", len(empty.Items), empty.Cursor, err)
	}
	if _, err := s.LinksThat(t.Context(), id, directory.Parked, "", 100, empty.Cursor); !fault.Is(err, fault.Invalid) {
		t.Errorf("the cursor of another filter: %v, want a fault of kind %s", err, fault.Invalid)
	}
}
