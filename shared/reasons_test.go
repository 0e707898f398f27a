package shared_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"entrasync/shared/directory"
)

// reasonsFile holds the names and the one list of all reasons.
const reasonsFile = "shared/directory/reasons.go"

// Every reason that the source names is in the one list, nothing but that list names
// one, and something else in the product uses each: a value that nothing produces would
// be a promise that nobody keeps.
func TestReasonsAreProduced(t *testing.T) {
	root := os.DirFS("..")
	text, err := fs.ReadFile(root, reasonsFile)
	if err != nil {
		t.Fatal(err)
	}
	names := reasonsNamed(t, reasonsFile, text)
	for _, word := range names {
		if directory.Sentence(word) == "" {
			t.Errorf("the reason %s is not in the list of %s", word, reasonsFile)
		}
	}
	if got, want := len(directory.Reasons()), len(names); got != want {
		t.Errorf("the list has %d reasons, want the %d that are named", got, want)
	}
	used := map[string]bool{}
	for _, name := range reasonsUsed(t, reasonsFile, text) {
		used[name] = true
	}
	for _, file := range productFiles(t, root) {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			t.Fatal(err)
		}
		for name, word := range reasonsNamed(t, file, text) {
			t.Errorf("%s names the reason %s (%s), want that in %s", file, name, word, reasonsFile)
		}
		for _, name := range reasonsUsed(t, file, text) {
			used[name] = true
		}
	}
	for name, word := range names {
		if !used[name] {
			t.Errorf("nothing produces the reason %s (%s)", name, word)
		}
	}
}

// productFiles are the files of the product, apart from that of the reasons, tests, and
// the simulators, which know nothing of ours.
func productFiles(t *testing.T, root fs.FS) (files []string) {
	t.Helper()
	sources, err := readModule(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		if !s.isTest() && !strings.HasSuffix(s.pkg, "test") && below(s.dir(), "shared", "functions") && s.path != reasonsFile {
			files = append(files, s.path)
		}
	}
	return files
}

// reasonsNamed are the constants of a file that are reasons, by name.
func reasonsNamed(t *testing.T, name string, text []byte) map[string]directory.Reason {
	t.Helper()
	found := map[string]directory.Reason{}
	ast.Inspect(parsed(t, name, text), func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is || len(spec.Values) != 1 || !slices.Contains([]string{"Reason", "directory.Reason", "fault.Reason"}, spelled(spec.Type)) {
			return true
		}
		if literal, is := spec.Values[0].(*ast.BasicLit); is {
			word, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[spec.Names[0].Name] = directory.Reason(word)
		}
		return true
	})
	return found
}

// reasonsUsed are the names that a file takes from package directory; in the package
// itself all names, but not where reasons are only named and listed.
func reasonsUsed(t *testing.T, name string, text []byte) (names []string) {
	t.Helper()
	inside := path.Dir(name) == path.Dir(reasonsFile)
	ast.Inspect(parsed(t, name, text), func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			return spelled(n.Type) != "Reason" && n.Names[0].Name != "reasons"
		case *ast.SelectorExpr:
			if of, qualified := strings.CutPrefix(spelled(n), "directory."); qualified {
				names = append(names, of)
			}
			return true
		case *ast.Ident:
			if inside {
				names = append(names, n.Name)
			}
		}
		return true
	})
	return names
}

// parsed is a file that is known to be Go.
func parsed(t *testing.T, name string, text []byte) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// spelled is a name, or one of a package, as it is written; "" for anything else.
func spelled(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if of := spelled(e.X); of != "" {
			return of + "." + e.Sel.Name
		}
	}
	return ""
}
