package durable

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// replacing matches code that replaces a file without this package.
var replacing = regexp.MustCompile(`\bos\.(Rename|WriteFile|Create)\(`)

// Only this package replaces files of the product, so that nobody has to remember to sync.
// Simulators need no durable files.
func TestNobodyElseReplacesFiles(t *testing.T) {
	const root = "../../.."
	checked := 0
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
			checked++
			text, err := os.ReadFile(path)
			if found := replacing.Find(text); found != nil {
				t.Errorf("%s uses %s, want shared/local/durable", strings.TrimPrefix(path, root+"/"), found)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if checked < 100 {
		t.Errorf("checked %d files, want at least 100", checked)
	}
}
