package directory

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// Every reason that the source names is among those that a link can have, so that
// lists of links can be asked for it.
func TestLinkReasonsAreComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "desired.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is || len(spec.Values) != 1 {
			return true
		}
		if kind, named := spec.Type.(*ast.Ident); !named || kind.Name != "Reason" {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		count++
		if !slices.Contains(LinkReasons, Reason(text)) {
			t.Errorf("%s (%s) is not among LinkReasons", spec.Names[0].Name, text)
		}
		return true
	})
	if count != len(LinkReasons) {
		t.Errorf("%d reasons in the source, %d among LinkReasons", count, len(LinkReasons))
	}
}
