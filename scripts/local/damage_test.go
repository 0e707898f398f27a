package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// inUse is the data folder of a killed product, with a directory in the table and a copy of
// the table.
func inUse(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	p := startProcess(t, folder)
	p.must("POST", p.api+"/directories", `{"name":"Contoso","organizationId":"5f0c1e2d3a4b5c6d7e8f9012","tenantId":"`+p.tenant+`"}`, nil)
	p.kill()
	again := startProcess(t, folder) // which makes the copy of the day
	again.waitFor("the copy of the day", func() bool {
		copies, err := filepath.Glob(filepath.Join(folder, "backup", "table-*.db"))
		return err == nil && len(copies) == 1
	})
	again.kill()
	return folder
}

// directories are the names of the directories of a running product.
func (p *process) directories() (names []string) {
	p.t.Helper()
	var list struct {
		Items []struct{ Name string } `json:"items"`
	}
	p.must("GET", p.api+"/directories", "", &list)
	for _, d := range list.Items {
		names = append(names, d.Name)
	}
	return names
}

// Beside used queues, a table that cannot be used is refused in one sentence with the file
// and the way back; the way back works.
func TestATableThatCannotBeUsedIsRefused(t *testing.T) {
	used, other := inUse(t), inUse(t)
	for name, spoil := range map[string]func(t *testing.T, table string){
		"missing":          func(t *testing.T, table string) { check(t, os.Remove(table)) },
		"empty":            func(t *testing.T, table string) { check(t, os.Truncate(table, 0)) },
		"cut":              func(t *testing.T, table string) { check(t, os.Truncate(table, 12_288)) },
		"a beginning only": func(t *testing.T, table string) { check(t, os.Truncate(table, 100)) },
		"damaged": func(t *testing.T, table string) {
			content, err := os.ReadFile(table)
			check(t, err)
			for i := 2 * 4096; i < len(content); i++ {
				content[i] ^= 0xA5
			}
			check(t, os.WriteFile(table, content, 0o600))
		},
		"another kind of file": func(t *testing.T, table string) {
			check(t, os.WriteFile(table, []byte(strings.Repeat("hello ", 10_000)), 0o600))
		},
		"another product's": func(t *testing.T, table string) { check(t, copyFile(filepath.Join(other, "table.db"), table)) },
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "data")
			check(t, os.CopyFS(folder, os.DirFS(used)))
			table := filepath.Join(folder, "table.db")
			spoil(t, table)
			variables := map[string]string{"ENTRASYNC_DATA": folder, "ENTRASYNC_ADMIN_TOKEN": token}

			code, out, errs := ended(t, variables)
			if code != 1 || !strings.Contains(out, table) || !strings.Contains(out, "`bin/local restore`") || !strings.Contains(out, filepath.Join(folder, "backup", "table-")) || strings.Count(out, "\n") != 1 {
				t.Errorf("code %d, %q; want 1, and one line with %s and the way back", code, out, table)
			}
			mustBeJSON(t, errs)
			if strings.Contains(out+errs, "goroutine ") {
				t.Errorf("the log is %s, want no stack trace", errs)
			}

			code, out, errs = ended(t, variables, "restore")
			if code != 0 || !strings.Contains(out, "The table is the copy "+filepath.Join(folder, "backup", "table-")) || !strings.Contains(out, "is connected again") {
				t.Fatalf("restore: code %d, %q, %q; want 0 and the copy", code, out, errs)
			}
			if got := startWith(t, variables).directories(); len(got) != 1 || got[0] != "Contoso" {
				t.Errorf("after the restore the directories are %v, want Contoso", got)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// Without a copy, the error names what else can be done.
func TestATableWithoutACopy(t *testing.T) {
	folder := inUse(t)
	check(t, os.RemoveAll(filepath.Join(folder, "backup")))
	check(t, os.Remove(filepath.Join(folder, "table.db")))
	variables := map[string]string{"ENTRASYNC_DATA": folder}
	if code, out, _ := ended(t, variables); code != 1 || !strings.Contains(out, "there is no copy in "+filepath.Join(folder, "backup")) || !strings.Contains(out, "restore FILE") {
		t.Errorf("code %d, %q; want 1, no copy, restore FILE", code, out)
	}
	if code, _, errs := ended(t, variables, "restore"); code != 1 || !strings.Contains(errs, "there is no copy") {
		t.Errorf("restore: code %d, %q; want 1, no copy", code, errs)
	}
}

// Nothing is put back while the product runs.
func TestRestoreIsRefusedWhileTheProductRuns(t *testing.T) {
	folder := inUse(t)
	p := startProcess(t, folder)
	code, out, errs := ended(t, map[string]string{"ENTRASYNC_DATA": folder}, "restore")
	if code != 1 || !strings.Contains(errs, folder+" is in use by another entrasync process") {
		t.Errorf("code %d, %q, %q; want 1, in use", code, out, errs)
	}
	if got := p.directories(); len(got) != 1 {
		t.Errorf("the directories are %v, want 1", got)
	}
}

// Damaged queues are refused too; without them the product starts and logs that they are
// missing.
func TestQueuesThatCannotBeUsed(t *testing.T) {
	folder := inUse(t)
	queues := filepath.Join(folder, "queues.db")
	check(t, os.Truncate(queues, 12_288))
	variables := map[string]string{"ENTRASYNC_DATA": folder, "ENTRASYNC_ADMIN_TOKEN": token}
	if code, out, errs := ended(t, variables); code != 1 || !strings.Contains(out, queues) || !strings.Contains(out, "move it away") || strings.Contains(errs, "goroutine ") {
		t.Errorf("code %d, %q, %q; want 1, and that %s is moved away", code, out, errs, queues)
	}
	check(t, os.Remove(queues))
	p := startWith(t, variables)
	if got := p.directories(); len(got) != 1 {
		t.Errorf("the directories are %v, want 1", got)
	}
	p.kill()
	if !strings.Contains(p.log.String(), "the queues are missing") {
		t.Errorf("the log is %s, want that the queues are missing", p.log.String())
	}
	if code, out, _ := ended(t, variables, "restore"); code != 0 { // the new queues are those of the table
		t.Errorf("restore: code %d, %q; want 0", code, out)
	}
}

// A folder without identities, as former versions made it, starts, and has them from then
// on.
func TestAFolderOfBeforeIdentitiesGoesOn(t *testing.T) {
	folder := inUse(t)
	for _, name := range []string{"table.db", "queues.db"} {
		db, err := bbolt.Open(filepath.Join(folder, name), 0o600, nil)
		check(t, err)
		check(t, db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("boltfile")) }))
		check(t, db.Close())
	}
	p := startProcess(t, folder)
	if got := p.directories(); len(got) != 1 {
		t.Errorf("the directories are %v, want 1", got)
	}
	p.kill()
	check(t, copyFile(filepath.Join(inUse(t), "table.db"), filepath.Join(folder, "table.db")))
	if code, out, _ := ended(t, map[string]string{"ENTRASYNC_DATA": folder}); code != 1 || !strings.Contains(out, "is not the table that") {
		t.Errorf("code %d, %q; want 1, and that it is not the table of the queues", code, out)
	}
}

// After a first start that was killed while it made the table, the next start is not
// refused.
func TestAFreshFolderIsNotRefused(t *testing.T) {
	folder := t.TempDir()
	check(t, os.WriteFile(filepath.Join(folder, "table.db"), nil, 0o600))
	p := startProcess(t, folder)
	p.kill()
	if got := startProcess(t, folder).directories(); len(got) != 0 {
		t.Errorf("the directories are %v, want none", got)
	}
}
