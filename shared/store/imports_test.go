package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// importOf is a new import of a directory.
func importOf(id string, of directory.ID) store.Import {
	return store.Import{ID: id, Directory: of, By: "ann", Notify: []string{"ann@contoso.example"}, Choice: store.ImportChoice{All: true, Search: "a"},
		Status: store.ImportQueued, CreatedAt: time.Now().UTC(), Total: 2, Chunks: 1}
}

func TestImports(t *testing.T) {
	s := open(t)
	contoso, fabrikam := directory.NewID(organization, "contoso"), directory.NewID(organization, "fabrikam")
	for _, job := range []store.Import{importOf("01", contoso), importOf("03", contoso), importOf("02", contoso), importOf("04", fabrikam)} {
		if err := s.CreateImport(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CreateImport(t.Context(), importOf("01", contoso)); !fault.Is(err, fault.Changed) && !fault.Is(err, fault.Conflict) {
		t.Errorf("an import whose id is taken: %v, want a refusal", err)
	}
	want := importOf("01", contoso)
	got, err := s.Import(t.Context(), "01")
	want.CreatedAt, want.Version = got.CreatedAt, got.Version
	if diff := cmp.Diff(want, got); diff != "" || err != nil || got.Version == 0 {
		t.Errorf("the import is not as it was created (%v):\n%s", err, diff)
	}
	if _, err := s.Import(t.Context(), "00"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown import: %v, want not found", err)
	}

	// The list of a directory, the newest ones first.
	var ids []string
	for cursor := "-"; cursor != ""; {
		page, err := s.Imports(t.Context(), contoso, 2, strings.TrimPrefix(cursor, "-"))
		if err != nil || len(page.Items) > 2 {
			t.Fatalf("%d imports on a page, %v, want at most 2", len(page.Items), err)
		}
		for _, job := range page.Items {
			ids = append(ids, job.ID)
		}
		cursor = page.Cursor
	}
	if want := []string{"03", "02", "01"}; !slices.Equal(ids, want) {
		t.Errorf("the list of the directory has %q, want %q", ids, want)
	}

	// Open ones, the oldest ones first.
	if open, err := s.OpenImports(t.Context(), 3); err != nil || !slices.Equal(open, []string{"01", "02", "03"}) {
		t.Errorf("open: %q, %v, want the three oldest", open, err)
	}
	for range 2 { // also when it is closed already
		if err := s.CloseImport(t.Context(), "02"); err != nil {
			t.Fatal(err)
		}
	}
	if open, err := s.OpenImports(t.Context(), 9); err != nil || !slices.Equal(open, []string{"01", "03", "04"}) {
		t.Errorf("open: %q, %v, want all but the closed one", open, err)
	}
}

// Of two writers who read the same version, one is refused.
func TestVersionsOfAnImport(t *testing.T) {
	s := open(t)
	if err := s.CreateImport(t.Context(), importOf("01", directory.NewID(organization, "contoso"))); err != nil {
		t.Fatal(err)
	}
	job, err := s.Import(t.Context(), "01")
	if err != nil {
		t.Fatal(err)
	}
	job.Status = store.ImportRunning
	after, err := s.PutImport(t.Context(), job)
	if err != nil || after.Version == job.Version {
		t.Fatalf("version %d after %d, %v, want another one", after.Version, job.Version, err)
	}
	if _, err := s.PutImport(t.Context(), job); !fault.Is(err, fault.Changed) {
		t.Errorf("an import that somebody changed: %v, want changed", err)
	}
	after.Status = store.ImportFinished
	if _, err := s.PutImport(t.Context(), after); err != nil {
		t.Errorf("the next version: %v, want none", err)
	}
}

// An import is stopped once: the first request counts.
func TestAnImportIsStoppedOnce(t *testing.T) {
	s := open(t)
	job := importOf("01", directory.NewID(organization, "contoso"))
	if _, err := s.ImportStop(t.Context(), job.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("nobody stopped it: %v, want not found", err)
	}
	for _, by := range []string{"ann", "bob"} {
		if err := s.StopImport(t.Context(), job, store.Stop{By: by, At: job.CreatedAt}); err != nil {
			t.Fatal(err)
		}
	}
	if stop, err := s.ImportStop(t.Context(), job.ID); err != nil || stop.By != "ann" {
		t.Errorf("stopped by %q, %v, want ann", stop.By, err)
	}
}

// A new chunk replaces one of its number, and one that was read is written only if nobody
// changed it. The walk has them in their order.
func TestChunksOfAnImport(t *testing.T) {
	s := open(t)
	chunk := func(number int, upn directory.UPN) store.ImportChunk {
		return store.ImportChunk{Import: "01", Number: number, Lines: []store.ImportLine{{UPN: upn, Status: store.LineWaiting}}}
	}
	put := func(c store.ImportChunk) store.ImportChunk {
		t.Helper()
		after, err := s.PutImportChunk(t.Context(), c, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return after
	}
	for number := range 12 {
		put(chunk(number, directory.UPN(fmt.Sprintf("old%d@contoso.example", number))))
	}
	put(chunk(3, "new@contoso.example"))
	read, err := s.ImportChunk(t.Context(), "01", 3)
	if err != nil || len(read.Lines) != 1 || read.Lines[0].UPN != "new@contoso.example" {
		t.Errorf("%+v, %v, want the new one", read, err)
	}
	read.Lines[0].Imported("user", "")
	after := put(read)
	if _, err := s.PutImportChunk(t.Context(), read, time.Now()); !fault.Is(err, fault.Changed) || after.Version == read.Version {
		t.Errorf("a chunk that somebody changed: %v and version %d after %d, want changed and another version", err, after.Version, read.Version)
	}
	if _, err := s.ImportChunk(t.Context(), "01", 12); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown chunk: %v, want not found", err)
	}
	var numbers []int
	end := errors.New("that is enough")
	err = s.EachImportChunk(t.Context(), "01", func(c store.ImportChunk) error {
		if numbers = append(numbers, c.Number); c.Version == 0 {
			t.Errorf("chunk %d has no version", c.Number)
		}
		if c.Number == 10 {
			return end
		}
		return nil
	})
	if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}; !errors.Is(err, end) || !slices.Equal(numbers, want) {
		t.Errorf("the walk: %v, %v, want %v and that it ended", numbers, err, want)
	}
}

// After thirty days nothing is left of an import but that it is open, which whoever works on
// it ends.
func TestImportsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		job := importOf("01", directory.NewID(organization, "contoso"))
		chunk := store.ImportChunk{Import: job.ID}
		put := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.PutImportChunk(t.Context(), chunk, job.CreatedAt)
		put(err)
		put(s.CreateImport(t.Context(), job))
		put(s.StopImport(t.Context(), job, store.Stop{By: "ann"}))
		time.Sleep(29 * 24 * time.Hour)
		read, err := s.Import(t.Context(), job.ID)
		put(err)
		_, err = s.PutImport(t.Context(), read) // which does not make it live longer
		put(err)
		c, err := s.ImportChunk(t.Context(), job.ID, 0)
		put(err)
		_, err = s.PutImportChunk(t.Context(), c, job.CreatedAt)
		put(err)
		time.Sleep(2 * 24 * time.Hour)
		_, gone := s.Import(t.Context(), job.ID)
		_, chunkGone := s.ImportChunk(t.Context(), job.ID, 0)
		_, stopGone := s.ImportStop(t.Context(), job.ID)
		list, err := s.Imports(context.Background(), job.Directory, 10, "")
		if !fault.Is(gone, fault.NotFound) || !fault.Is(chunkGone, fault.NotFound) || !fault.Is(stopGone, fault.NotFound) || len(list.Items) != 0 || err != nil {
			t.Errorf("after 31 days: %v, %v, %v and a list of %d (%v), want nothing", gone, chunkGone, stopGone, len(list.Items), err)
		}
		if open, err := s.OpenImports(t.Context(), 9); err != nil || len(open) != 1 {
			t.Errorf("open: %q, %v, want one that is to be closed", open, err)
		}
	})
}
