package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// folderLike is a data folder with the files of another one.
func folderLike(t *testing.T, used string) (folder string, variables map[string]string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "data")
	check(t, os.CopyFS(folder, os.DirFS(used)))
	return folder, map[string]string{"ENTRASYNC_DATA": folder, "ENTRASYNC_ADMIN_TOKEN": token}
}

// mustBeRefused fails unless the start is refused in one sentence with all the words.
func mustBeRefused(t *testing.T, variables map[string]string, words ...string) {
	t.Helper()
	code, out, errs := ended(t, variables)
	for _, word := range words {
		if code != 1 || !strings.Contains(out, word) || strings.Count(out, "\n") != 1 {
			t.Fatalf("code %d, %q; want 1, and one line with %q", code, out, word)
		}
	}
	mustBeJSON(t, errs)
}

// mustRestore fails unless a copy, or a file, is put back.
func mustRestore(t *testing.T, variables map[string]string, arguments ...string) {
	t.Helper()
	if code, out, errs := ended(t, variables, append([]string{"restore"}, arguments...)...); code != 0 || !strings.Contains(out, "The table is the copy ") {
		t.Fatalf("restore: code %d, %q, %q; want 0 and the copy", code, out, errs)
	}
}

// mustServe fails unless the product starts and has the directory Contoso, or none.
func mustServe(t *testing.T, variables map[string]string, directories int) *process {
	t.Helper()
	p := startWith(t, variables)
	if got := p.directories(); len(got) != directories || (directories == 1 && got[0] != "Contoso") {
		t.Fatalf("the directories are %v, want %d", got, directories)
	}
	return p
}

// With copies of the table, but without table and queues, the product does not begin anew
// by itself.
func TestTableAndQueuesThatAreGone(t *testing.T) {
	used := inUse(t)
	for name, spoil := range map[string]func(path string) error{
		"missing": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			folder, variables := folderLike(t, used)
			table, queues, copies := filepath.Join(folder, "table.db"), filepath.Join(folder, "queues.db"), filepath.Join(folder, "backup")
			check(t, spoil(table))
			check(t, spoil(queues))
			mustBeRefused(t, variables, table, queues, "`bin/local restore`", copies+"/table-", "move "+copies+" away")
			mustRestore(t, variables)
			mustServe(t, variables, 1)
		})
	}
	t.Run("begun anew", func(t *testing.T) {
		folder, variables := folderLike(t, used)
		for _, name := range []string{"table.db", "queues.db"} {
			check(t, os.Remove(filepath.Join(folder, name)))
		}
		check(t, os.Rename(filepath.Join(folder, "backup"), filepath.Join(folder, "before")))
		p := mustServe(t, variables, 0)
		p.kill()
		if log := p.log.String(); !strings.Contains(log, "begins anew") || !strings.Contains(log, filepath.Join(folder, "secrets.json")) {
			t.Errorf("the log is %s, want that the product begins anew, and the file with the secrets", log)
		}
	})
}

// A copy of another table is refused with the way to use it nevertheless, and the newest
// copy of this table is taken.
func TestCopiesOfAnotherTable(t *testing.T) {
	folder, variables := folderLike(t, inUse(t))
	table, queues, copies := filepath.Join(folder, "table.db"), filepath.Join(folder, "queues.db"), filepath.Join(folder, "backup")
	other, err := filepath.Glob(filepath.Join(inUse(t), "backup", "table-*.db"))
	check(t, err)
	foreign := filepath.Join(copies, "table-2999-12-31.db")
	check(t, copyFile(other[0], foreign))

	code, _, errs := ended(t, variables, "restore", foreign)
	if code != 1 || !strings.Contains(errs, "of another table") || !strings.Contains(errs, "move "+queues+" away") || strings.Count(errs, "\n") != 1 {
		t.Errorf("code %d, %q; want 1, and one line with another table and the way", code, errs)
	}
	if code, out, errs := ended(t, variables, "restore"); code != 0 || strings.Contains(out, foreign) {
		t.Errorf("code %d, %q, %q; want 0, and not %s", code, out, errs, foreign)
	}
	own, err := filepath.Glob(filepath.Join(copies, "table-2*.db"))
	check(t, err)
	for _, path := range own {
		if path != foreign {
			check(t, os.Remove(path))
		}
	}
	if code, _, errs := ended(t, variables, "restore"); code != 1 || !strings.Contains(errs, "of another table") || !strings.Contains(errs, "move "+queues+" away") {
		t.Errorf("code %d, %q; want 1, another table and the way", code, errs)
	}
	check(t, os.Remove(queues))
	mustRestore(t, variables, foreign)
	mustServe(t, variables, 1)
	if _, err := os.Stat(table); err != nil {
		t.Error(err)
	}
}

// An older table of this folder is refused with the way back, whoever put it there: what
// was done since is not in it.
func TestAnOlderTableIsRefused(t *testing.T) {
	used := inUse(t)
	for name, putBack := range map[string]func(t *testing.T, folder string, variables map[string]string){
		"a copy": func(t *testing.T, folder string, _ map[string]string) {
			copies, err := filepath.Glob(filepath.Join(folder, "backup", "table-*.db"))
			check(t, err)
			check(t, copyFile(copies[0], filepath.Join(folder, "table.db")))
		},
		"a snapshot from before the last start": func(t *testing.T, folder string, variables map[string]string) {
			table := filepath.Join(folder, "table.db")
			check(t, copyFile(table, table+".snapshot"))
			startWith(t, variables).kill()
			check(t, os.Rename(table+".snapshot", table))
		},
		"a snapshot from before the end": func(t *testing.T, folder string, variables map[string]string) {
			table := filepath.Join(folder, "table.db")
			p := startWith(t, variables)
			check(t, copyFile(table, table+".snapshot"))
			check(t, p.command.Process.Signal(os.Interrupt))
			check(t, p.command.Wait())
			check(t, os.Rename(table+".snapshot", table))
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder, variables := folderLike(t, used)
			table, queues := filepath.Join(folder, "table.db"), filepath.Join(folder, "queues.db")
			putBack(t, folder, variables)
			mustBeRefused(t, variables, table, queues, "older", "`bin/local restore`", "`bin/local restore "+table+"`")
			kept := filepath.Join(t.TempDir(), "kept")
			check(t, os.CopyFS(kept, os.DirFS(folder)))
			for _, way := range [][]string{nil, {filepath.Join(kept, "table.db")}} {
				mustRestore(t, map[string]string{"ENTRASYNC_DATA": kept}, way...)
				p := mustServe(t, map[string]string{"ENTRASYNC_DATA": kept, "ENTRASYNC_ADMIN_TOKEN": token}, 1)
				p.kill()
				if !strings.Contains(p.log.String(), "the table is an older copy") {
					t.Errorf("the log is %s, want that the table is an older copy", p.log.String())
				}
				mustServe(t, map[string]string{"ENTRASYNC_DATA": kept, "ENTRASYNC_ADMIN_TOKEN": token}, 1).kill()
				check(t, os.RemoveAll(kept))
				check(t, os.CopyFS(kept, os.DirFS(folder)))
			}
		})
	}
}

// ahead makes the table of a folder so many generations newer than its queues.
func ahead(t *testing.T, folder string, generations int) {
	t.Helper()
	read := func(name string) (n int) {
		db, err := bbolt.Open(filepath.Join(folder, name), 0o600, nil)
		check(t, err)
		check(t, db.View(func(tx *bbolt.Tx) error {
			n, err = strconv.Atoi(string(tx.Bucket([]byte("boltfile")).Get([]byte("generation"))))
			return err
		}))
		check(t, db.Close())
		return n
	}
	table := read("queues.db") + generations
	db, err := bbolt.Open(filepath.Join(folder, "table.db"), 0o600, nil)
	check(t, err)
	check(t, db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("boltfile")).Put([]byte("generation"), []byte(fmt.Sprint(table)))
	}))
	check(t, db.Close())
}

// After a crash between the writes of the two files the product starts. Queues that are
// older than that are logged: what waited in the newer ones is not known.
func TestATableAheadOfItsQueues(t *testing.T) {
	folder, variables := folderLike(t, inUse(t))
	for generations, said := range map[int]bool{1: false, 5: true} {
		ahead(t, folder, generations)
		p := mustServe(t, variables, 1)
		p.kill()
		if strings.Contains(p.log.String(), "the queues are older than the table") != said {
			t.Errorf("%d generations ahead: the log is %s, want that the queues are older: %t", generations, p.log.String(), said)
		}
	}
}

// The record of the organization that the variables name is needed at once: the
// refusal names the file and the way back.
func TestADamagedOrganizationIsRefusedWithTheWay(t *testing.T) {
	folder, variables := folderLike(t, inUse(t))
	table := filepath.Join(folder, "table.db")
	const pk, sk = "O#5f0c1e2d3a4b5c6d7e8f9012", "O"
	db, err := bbolt.Open(table, 0o600, nil)
	check(t, err)
	check(t, db.Update(func(tx *bbolt.Tx) error {
		items, key := tx.Bucket([]byte("items")), append([]byte{0, byte(len(pk))}, pk+sk...)
		record := append([]byte(nil), items.Get(key)...)
		record[len(record)-2] ^= 1
		return items.Put(key, record)
	}))
	check(t, db.Close())
	mustBeRefused(t, variables, table, pk+" "+sk, "`bin/local restore`", filepath.Join(folder, "backup", "table-"))
	mustRestore(t, variables)
	mustServe(t, variables, 1)
}
