package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// inUse is a data folder that a product used, with a directory in its table, and a
// copy of that; the product was killed.
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

// A table that cannot be used beside queues that were is refused in a sentence that
// names the file and the way back; the way back works.
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
				t.Errorf("code %d, %q", code, out)
			}
			mustBeJSON(t, errs)
			if strings.Contains(out+errs, "goroutine ") {
				t.Errorf("a stack trace: %s", errs)
			}

			code, out, errs = ended(t, variables, "restore")
			if code != 0 || !strings.Contains(out, "The table is the copy "+filepath.Join(folder, "backup", "table-")) || !strings.Contains(out, "is connected again") {
				t.Fatalf("restore: code %d, %q, %q", code, out, errs)
			}
			if got := startWith(t, variables).directories(); len(got) != 1 || got[0] != "Contoso" {
				t.Errorf("after the restore the directories are %v", got)
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

// Without a copy the sentence says what else can be done.
func TestATableWithoutACopy(t *testing.T) {
	folder := inUse(t)
	check(t, os.RemoveAll(filepath.Join(folder, "backup")))
	check(t, os.Remove(filepath.Join(folder, "table.db")))
	variables := map[string]string{"ENTRASYNC_DATA": folder}
	if code, out, _ := ended(t, variables); code != 1 || !strings.Contains(out, "there is no copy in "+filepath.Join(folder, "backup")) || !strings.Contains(out, "restore FILE") {
		t.Errorf("code %d, %q", code, out)
	}
	if code, _, errs := ended(t, variables, "restore"); code != 1 || !strings.Contains(errs, "there is no copy") {
		t.Errorf("restore: code %d, %q", code, errs)
	}
}

// Nothing is put back while the product runs.
func TestRestoreIsRefusedWhileTheProductRuns(t *testing.T) {
	folder := inUse(t)
	p := startProcess(t, folder)
	code, out, errs := ended(t, map[string]string{"ENTRASYNC_DATA": folder}, "restore")
	if code != 1 || !strings.Contains(errs, folder+" is in use by another entrasync process") {
		t.Errorf("code %d, %q, %q", code, out, errs)
	}
	if got := p.directories(); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// Damaged queues are said too; without them the product starts and says what that
// means.
func TestQueuesThatCannotBeUsed(t *testing.T) {
	folder := inUse(t)
	queues := filepath.Join(folder, "queues.db")
	check(t, os.Truncate(queues, 12_288))
	variables := map[string]string{"ENTRASYNC_DATA": folder, "ENTRASYNC_ADMIN_TOKEN": token}
	if code, out, errs := ended(t, variables); code != 1 || !strings.Contains(out, queues) || !strings.Contains(out, "move it away") || strings.Contains(errs, "goroutine ") {
		t.Errorf("code %d, %q, %q", code, out, errs)
	}
	check(t, os.Remove(queues))
	p := startWith(t, variables)
	if got := p.directories(); len(got) != 1 {
		t.Errorf("%v", got)
	}
	p.kill()
	if !strings.Contains(p.log.String(), "the queues are missing") {
		t.Errorf("nothing is said: %s", p.log.String())
	}
	if code, out, _ := ended(t, variables, "restore"); code != 0 { // the new queues are those of the table
		t.Errorf("restore: code %d, %q", code, out)
	}
}

// A folder of before there were identities goes on, and has them from then on.
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
		t.Errorf("%v", got)
	}
	p.kill()
	check(t, copyFile(filepath.Join(inUse(t), "table.db"), filepath.Join(folder, "table.db")))
	if code, out, _ := ended(t, map[string]string{"ENTRASYNC_DATA": folder}); code != 1 || !strings.Contains(out, "is not the table that") {
		t.Errorf("code %d, %q", code, out)
	}
}

// A first start that was killed while it made the table is no table that was lost.
func TestAFreshFolderIsNotRefused(t *testing.T) {
	folder := t.TempDir()
	check(t, os.WriteFile(filepath.Join(folder, "table.db"), nil, 0o600))
	p := startProcess(t, folder)
	p.kill()
	if got := startProcess(t, folder).directories(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
