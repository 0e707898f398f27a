package shared_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// vagueWords had several senses here. Each stands with the words that say which one is
// meant. They are kept out of the comments and the names of product code.
var vagueWords = []struct {
	word    *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?i)\b(looks?|looked|looking) (at|again)\b`), "read, check, process, recheck"},
	{regexp.MustCompile(`(?i)\b(settles?|settled|settling)\b`), "conclude, end, replicate, be idle"},
	{regexp.MustCompile(`(?i)\b(touch|touches|touched|touching)\b`), "write, change, concern"},
	{regexp.MustCompile(`(?i)\b(tells?|told|telling)\b`), "report, log, send, notify, say, distinguish"},
	{regexp.MustCompile(`(?i)\b(meets?|met)\b`), "overlap, clash, find"},
	{regexp.MustCompile(`(?i)\b(holds?|held|holding)( \w+){0,3} against\b`), "compare with"},
}

// saysVaguely returns a sentence for each vague word in the comments and the names that
// one file of Go declares.
func saysVaguely(name string, text []byte) ([]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []string
	check := func(at token.Pos, text string) {
		for _, v := range vagueWords {
			if word := v.word.FindString(text); word != "" {
				found = append(found, fmt.Sprintf("%s: %q is vague, say which is meant: %s", files.Position(at), word, v.instead))
			}
		}
	}
	for _, group := range file.Comments {
		for _, line := range group.List {
			check(line.Pos(), line.Text)
		}
	}
	for _, ident := range declaredIn(file) {
		check(ident.Pos(), wordsOf(ident.Name))
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// declaredIn are the identifiers that a file declares, with the fields, methods and
// parameters of its own.
func declaredIn(file *ast.File) []*ast.Ident {
	var declared []*ast.Ident
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			declared = append(declared, n.Name)
		case *ast.TypeSpec:
			declared = append(declared, n.Name)
		case *ast.ValueSpec:
			declared = append(declared, n.Names...)
		case *ast.Field:
			declared = append(declared, n.Names...)
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if ident, ok := left.(*ast.Ident); ok && n.Tok == token.DEFINE {
					declared = append(declared, ident)
				}
			}
		}
		return true
	})
	return declared
}

// wordsOf are the words of a name in camel case, separated by spaces.
func wordsOf(name string) string {
	var words strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			words.WriteByte(' ')
		}
		words.WriteRune(r)
	}
	return words.String()
}

// product reports whether a file of the module is product code.
func (s source) product() bool {
	return !s.isTest() && below(s.dir(), "functions", "shared")
}

func TestWords(t *testing.T) {
	sources, err := readModule(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		if !s.product() {
			continue
		}
		text, err := os.ReadFile("../" + s.path)
		if err != nil {
			t.Fatal(err)
		}
		found, err := saysVaguely(s.path, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, sentence := range found {
			t.Error(sentence)
		}
	}
}

func TestVagueWordsAreFound(t *testing.T) {
	found, err := saysVaguely("a.go", []byte(`package a

// lookAt has those looked at that it is told of.
func lookAt() { touched := 1; print(touched) }

// reads holds what was read against the link, and looks users up by their name. It is
// meant to be metered.
type reads struct{ Settled bool }
`))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, sentence := range found {
		at, word, _ := strings.Cut(sentence, ": ")
		word, _, _ = strings.Cut(word, " is vague")
		words = append(words, strings.TrimPrefix(at, "a.go:")+" "+word)
	}
	want := []string{`3:1 "looked at"`, `3:1 "told"`, `4:17 "touched"`, `4:6 "look At"`, `6:1 "holds what was read against"`, `8:20 "Settled"`}
	if diff := cmp.Diff(want, words); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}
