package durable

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// replacing is how a file is replaced without us.
var replacing = regexp.MustCompile(`\bos\.(Rename|WriteFile|Create)\(`)

// What the product keeps is replaced by this package only, so that nobody has to
// remember to sync. Simulators forget what they like.
func TestNobodyElseReplacesFiles(t *testing.T) {
	const root = "../../.."
	looked := 0
	for _, folder := range []string{"functions", "shared", "scripts/machine", "scripts/local"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() {
				if name := entry.Name(); strings.HasSuffix(name, "test") || name == "durable" || name == "testdata" {
					return fs.SkipDir
				}
				return nil
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			looked++
			text, err := os.ReadFile(path)
			if found := replacing.Find(text); found != nil {
				t.Errorf("%s uses %s", strings.TrimPrefix(path, root+"/"), found)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if looked < 100 {
		t.Errorf("only %d files were looked at", looked)
	}
}
