package admin_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/plan"
)

// typesOfActions are the types that the source of package plan names.
func typesOfActions(t *testing.T) (types []string) {
	t.Helper()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "../../shared/plan/action.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is {
			return true
		}
		if kind, named := spec.Type.(*ast.Ident); !named || kind.Name != "Type" {
			return true
		}
		for _, value := range spec.Values {
			literal, is := value.(*ast.BasicLit)
			if !is {
				t.Fatalf("%v is no literal, want one", spec.Names)
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			types = append(types, text)
		}
		return true
	})
	return types
}

// The description of a plan lists every type of action that a plan may have: passwords are not
// planned, and what was only recorded is no action to do.
func TestPlansDescribeEveryTypeOfAction(t *testing.T) {
	never := []string{string(plan.SetPassword), string(plan.Drift), string(plan.ConfirmTakeOver)}
	want := slices.DeleteFunc(typesOfActions(t), func(kind string) bool { return slices.Contains(never, kind) })
	f := newFixture(t)
	_, document := f.callWith(nil, "GET", "/openapi.json", "")
	var from any = document
	for _, name := range []string{"components", "schemas", "PlanEntry", "properties", "type", "enum"} {
		object, _ := from.(map[string]any)
		from = object[name]
	}
	list, _ := from.([]any)
	got := make([]string, len(list))
	for i, each := range list {
		got[i], _ = each.(string)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the types of actions in the description (-want +got):\n%s", diff)
	}
}
