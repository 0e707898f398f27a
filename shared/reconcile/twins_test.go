package reconcile

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// twinLines is how many equal lines in two kinds of work are an error.
const twinLines = 6

// kindWords are the words in which the code of two kinds differs if it does the same.
var kindWords = regexp.MustCompile(`\b(users?|groups?|passwords?|userBatch|groupBatch|passwordWork|[ugpo]|User|Group|Password|UserID|GroupID|Task|GroupTask|UsersLive|GroupsLive|UsersBulk|GroupsBulk)\b`)

// declarations are the lines of code of each declaration of a file, without comments,
// blanks and imports, with the words of the kinds made equal.
func declarations(source string) [][]string {
	_, source, _ = strings.Cut(source, "\n)\n")
	all := [][]string{nil}
	for line := range strings.Lines(source) {
		ends := strings.HasPrefix(line, "}")
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "//") {
			continue
		}
		line, _, _ = strings.Cut(line, " // ")
		last := len(all) - 1
		if all[last] = append(all[last], kindWords.ReplaceAllString(line, "x")); ends {
			all = append(all, nil)
		}
	}
	return all
}

// twins are the runs of lines that occur in files of two kinds.
func twins(kinds map[string][][]string) []string {
	seen := map[string]string{} // the kind that has a run first
	var found []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		for _, lines := range kinds[kind] {
			for i := 0; i+twinLines <= len(lines); i++ {
				run := strings.Join(lines[i:i+twinLines], "\n")
				switch first, known := seen[run]; {
				case !known:
					seen[run] = kind
				case first != kind:
					found = append(found, fmt.Sprintf("%s and %s have in common:\n%s", first, kind, run))
				}
			}
		}
	}
	return found
}

// What two kinds of work have in common is in the engine, once.
func TestNothingStandsInTwoKinds(t *testing.T) {
	kinds := map[string][][]string{}
	for _, kind := range []string{"user", "group", "password"} {
		files, err := filepath.Glob(kind + "*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("no files of %s: %v", kind, err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			kinds[kind] = append(kinds[kind], declarations(string(source))...)
		}
	}
	for _, twin := range twins(kinds) {
		t.Error(twin)
	}
}

// The search finds equal lines.
func TestTwinsAreFound(t *testing.T) {
	body := func(name, letter string) [][]string {
		return declarations(strings.NewReplacer("NAME", name, "L", letter).Replace("import (\n)\nfunc (b *NAMEBatch) end(L *NAME) {\n\t// why\n\tL.a()\n\tL.b()\n\tL.c()\n\tL.d()\n}\n"))
	}
	if found := twins(map[string][][]string{"user": body("user", "u"), "group": body("group", "g")}); len(found) != 1 {
		t.Errorf("got %q, want one", found)
	}
}
