package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/store"
)

// tableRequests counts the requests to a table.
type tableRequests struct {
	store.Table
	gets, keys, writes int
}

// BatchGet implements store.Table.
func (c *tableRequests) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	c.gets, c.keys = c.gets+1, c.keys+len(keys)
	return c.Table.BatchGet(ctx, keys)
}

// Transact implements store.Table.
func (c *tableRequests) Transact(ctx context.Context, writes []store.Write) error {
	c.writes++
	return c.Table.Transact(ctx, writes)
}

// openCounting opens a store whose requests are counted.
func openCounting(t *testing.T) (*store.Store, *tableRequests) {
	t.Helper()
	table, err := bolttable.Open(filepath.Join(localtest.Folder(t), "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &tableRequests{Table: table}
	return store.New(c), c
}

// from is the record that a user was imported from an account.
func from(tenant directory.TenantID, user directory.UserID, account directory.EntraID) store.Imported {
	return store.Imported{Tenant: tenant, Organization: organization, User: user, Account: account, At: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)}
}

func TestAUserKnowsTheAccountOfTheImport(t *testing.T) {
	s := open(t)
	for _, imported := range [][]store.Imported{
		{from("Contoso", "ann", "first"), from("fabrikam", "ann", "other"), from("Contoso", "bob", "bobs")},
		{from("Contoso", "ann", "twice"), from("contoso", "ann", "last")},
		{},
	} {
		if err := s.PutImported(t.Context(), imported...); err != nil {
			t.Fatal(err)
		}
	}
	ann, err := s.User(t.Context(), organization, "ann")
	if err != nil || len(ann.Imported) != 2 || ann.ImportedFrom("CONTOSO") != "last" || ann.ImportedFrom("fabrikam") != "other" || ann.ImportedFrom("nobodys") != "" {
		t.Errorf("got %+v, %v; want last in contoso and other in fabrikam", ann.Imported, err)
	}
	if diff := cmp.Diff(from("fabrikam", "ann", "other"), ann.Imported[slices.IndexFunc(ann.Imported, func(i store.Imported) bool { return i.Tenant == "fabrikam" })]); diff != "" {
		t.Errorf("the record is not as it was put (-want +got):\n%s", diff)
	}
	if again, err := s.User(t.Context(), organization, "a new ann"); err != nil || again.ImportedFrom("contoso") != "" {
		t.Errorf("a user with another id: got %+v, %v; want no record", again, err)
	}
	if err := s.RemoveImported(t.Context(), "Contoso", organization, "ann"); err != nil {
		t.Fatal(err)
	}
	if ann, err = s.User(t.Context(), organization, "ann"); err != nil || ann.ImportedFrom("contoso") != "" || ann.ImportedFrom("fabrikam") != "other" {
		t.Errorf("after the removal: got %+v, %v; want only the record of fabrikam", ann.Imported, err)
	}
}

func TestManyImportedUsersShareRequests(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 1, 99: 1, 100: 1, 101: 2, 1000: 10} {
		s, table := openCounting(t)
		var imported []store.Imported
		for i := range n {
			imported = append(imported, from("contoso", directory.UserID(fmt.Sprint("user", i)), directory.EntraID(fmt.Sprint("account", i))))
		}
		if err := s.PutImported(t.Context(), imported...); err != nil {
			t.Fatal(err)
		}
		if table.writes != want {
			t.Errorf("%d records: %d requests, want %d", n, table.writes, want)
		}
	}
}

// The record is read only of users who have no account in the directory.
func TestWhoHasAnAccountIsReadWithoutTheImport(t *testing.T) {
	s, table := openCounting(t)
	dir := directory.Directory{ID: directory.NewID(organization, "main"), Organization: organization, Name: "main", Tenant: "contoso.example", TenantObject: "Contoso", Status: directory.Active}
	if _, err := s.PutDirectory(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := s.PutImported(t.Context(), from("contoso", "ann", "anns"), from("contoso", "bob", "bobs"), from("fabrikam", "cat", "cats")); err != nil {
		t.Fatal(err)
	}
	for _, user := range []directory.UserID{"ann", "bob", "cat"} {
		if err := s.Connect(t.Context(), dir.ID, user, directory.Direct, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ChangeLink(t.Context(), dir.ID, "ann", func(l directory.Link) directory.Link { l.EntraID = "anns"; return l }); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		users      []directory.UserID
		gets, keys int
		from       []directory.EntraID
	}{
		{[]directory.UserID{"ann"}, 1, 3, []directory.EntraID{""}},
		{[]directory.UserID{"ann", "bob", "cat"}, 2, 9, []directory.EntraID{"", "bobs", ""}},
	} {
		table.gets, table.keys = 0, 0
		records, err := s.ReadUsers(t.Context(), dir.ID, tc.users)
		if err != nil {
			t.Fatal(err)
		}
		if table.gets != tc.gets || table.keys != tc.keys {
			t.Errorf("%v: %d requests for %d keys, want %d for %d", tc.users, table.gets, table.keys, tc.gets, tc.keys)
		}
		for i, user := range tc.users {
			known := records.Users[user]
			if account := known.ImportedFrom(dir.TenantObject); account != tc.from[i] {
				t.Errorf("%s was imported from %q, want %q", user, account, tc.from[i])
			}
			if link, found := known.Link(dir.ID); !found || link.User != user || len(known.Paths(dir.ID)) != 1 {
				t.Errorf("%s: got %+v, want the link and one path", user, known)
			}
		}
	}
}
