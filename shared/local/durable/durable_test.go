package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// observed records what the name was on disk at each sync.
func observed(t *testing.T, path string, fail func(what string) error) *[]string {
	t.Helper()
	var steps []string
	before := sync
	sync = func(f *os.File) error {
		what := "file"
		if info, err := f.Stat(); err == nil && info.IsDir() {
			what = "folder"
		}
		content, _ := os.ReadFile(path)
		steps = append(steps, what+" while the name stands for "+string(content))
		if err := fail(what); err != nil {
			return err
		}
		return before(f)
	}
	t.Cleanup(func() { sync = before })
	return &steps
}

func TestTheFileIsSyncedBeforeItsNameAndTheNameAfter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.json")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	steps := observed(t, path, func(string) error { return nil })
	if err := Write(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if want := []string{"file while the name stands for old", "folder while the name stands for new"}; !slices.Equal(*steps, want) {
		t.Errorf("got %q, want %q", *steps, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
	}
}

func TestAFailureLeavesTheOldFileAlone(t *testing.T) {
	broken := errors.New("no space left on device")
	folder := t.TempDir()
	path := filepath.Join(folder, "secrets.json")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	observed(t, path, func(what string) error {
		if what == "file" {
			return broken
		}
		return nil
	})
	if err := Write(path, []byte("new"), 0o600); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	content, err := os.ReadFile(path)
	entries, listed := os.ReadDir(folder)
	if string(content) != "old" || err != nil || listed != nil || len(entries) != 1 {
		t.Errorf("got content %q, %v and files %v, want old and one file", content, err, entries)
	}
}

func TestWhatTheCheckRefusesIsNotThere(t *testing.T) {
	refused := errors.New("refused")
	folder := t.TempDir()
	path := filepath.Join(folder, "copy")
	err := WriteFrom(path, 0o600, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }, func(fresh string) error {
		if content, err := os.ReadFile(fresh); err != nil || string(content) != "new" {
			t.Errorf("checked %q, %v, want new", content, err)
		}
		return refused
	})
	entries, listed := os.ReadDir(folder)
	if !errors.Is(err, refused) || listed != nil || len(entries) != 0 {
		t.Errorf("got %v and files %v, want %v and none", err, entries, refused)
	}
}

func TestAFolderThatCannotBeSyncedIsSaid(t *testing.T) {
	broken := errors.New("input/output error")
	path := filepath.Join(t.TempDir(), "secrets.json")
	observed(t, path, func(what string) error {
		if what == "folder" {
			return broken
		}
		return nil
	})
	if err := Write(path, []byte("new"), 0o600); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}
