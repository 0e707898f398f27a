// Package shared_test keeps the rules of the house, so that nobody has to
// remember them: who may import what, what is pure, how packages are named and
// that each of them says what it is for. The rules are data over a list of
// files ([violations]); one test feeds them the module as it is, the others
// show that every rule can be broken.
package shared_test

import (
	"fmt"
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
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// module is the path of this module, and so the prefix of its own imports.
const module = "entrasync"

func TestHouse(t *testing.T) {
	sources, err := readModule(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) == 0 {
		t.Fatal("found no Go file: the test looks in the wrong place")
	}
	for _, v := range violations(sources) {
		t.Error(v)
	}
}

// source is what the rules look at in one Go file.
type source struct {
	path    string   // from the root of the module, with slashes: shared/plan/user.go
	pkg     string   // the name in the package clause
	doc     bool     // whether a comment stands above the package clause
	imports []string // import paths
	clock   []string // what it uses of the clock: time.Now
	follows []string // the HTTP clients in it that follow redirects: http.Get
}

func (s source) dir() string  { return path.Dir(s.path) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// pure tells whether the file is product code of a pure package.
func (s source) pure() bool { return !s.isTest() && slices.Contains(purePackages, s.dir()) }

// purePackages hold the rules of the product: no I/O, and time comes in as an
// argument. [pureImports] is what they may use of this module.
var (
	purePackages = []string{"shared/directory", "shared/plan"}
	pureImports  = []string{"shared/directory", "shared/plan", "shared/fault"}
)

// doingIO are the standard packages, each with those below it, that reach out
// of the process or wait for something that does.
var doingIO = []string{"context", "database", "io/fs", "io/ioutil", "log", "net", "os", "syscall"}

// clockFunctions are the functions of package time that read the clock or wait for it.
var clockFunctions = []string{
	"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until",
}

// followingFunctions are what package net/http has ready for requests. It follows
// redirects.
var followingFunctions = []string{"DefaultClient", "Get", "Head", "Post", "PostForm"}

// emptyNames say nothing about what a package holds.
var emptyNames = []string{
	"common", "constants", "helper", "helpers", "interfaces", "misc", "models", "util", "utils",
}

// importRules are the rules about a single import; breaks tells whether file s
// may not import imp, and why is the sentence for whoever did it.
var importRules = []struct {
	why    string
	breaks func(s source, imp string) bool
}{
	{
		"directory and plan are pure: no I/O",
		func(s source, imp string) bool { return s.pure() && below(imp, doingIO...) },
	},
	{
		"directory and plan are pure: of this module they use only each other and fault",
		func(s source, imp string) bool {
			own, ok := strings.CutPrefix(imp, module+"/")
			return s.pure() && ok && !slices.Contains(pureImports, own)
		},
	},
	{
		"only shared/entra uses what Microsoft publishes",
		func(s source, imp string) bool {
			return below(imp, "github.com/microsoftgraph", "github.com/microsoft", "github.com/Azure", "github.com/AzureAD") &&
				!below(s.dir(), "shared/entra")
		},
	},
	{
		"only shared/aws knows AWS services, and the end-to-end test that sets them up",
		func(s source, imp string) bool {
			return below(imp, "github.com/aws/aws-sdk-go-v2") && !below(s.dir(), "shared/aws", "scripts/lambda")
		},
	},
	{
		"GraphServiceClient links all of Graph: import the packages of the request builders",
		func(_ source, imp string) bool { return imp == "github.com/microsoftgraph/msgraph-sdk-go" },
	},
	{
		"a function never imports another function",
		func(s source, imp string) bool {
			return below(imp, module+"/functions") && below(s.dir(), "functions") && !below(imp, module+"/"+firstTwo(s.path))
		},
	},
	{
		"nothing but scripts imports scripts",
		func(s source, imp string) bool {
			return below(imp, module+"/scripts") && !below(s.dir(), "scripts")
		},
	},
	{
		"one machine does without the demo and its day",
		func(s source, imp string) bool {
			return below(imp, module+"/scripts/play", module+"/scripts/demo") && below(s.dir(), "scripts/local", "scripts/machine", "scripts/wiring")
		},
	},
	{
		"one machine and its wiring know no simulator: whoever starts them plugs it in",
		func(s source, imp string) bool {
			isSimulator := below(imp, module) && strings.HasSuffix(imp, "test") || below(imp, module+"/scripts/simulated")
			return isSimulator && !s.isTest() && below(s.dir(), "scripts/machine", "scripts/wiring")
		},
	},
	{
		"simulators and conformance suites are for tests, shared/local and scripts",
		func(s source, imp string) bool {
			return below(imp, module) && strings.HasSuffix(imp, "test") &&
				!s.isTest() && !strings.HasSuffix(s.pkg, "test") && !below(s.dir(), "shared/local", "scripts")
		},
	},
}

// violations returns one sentence for each rule that each file or package
// breaks, in the order of the files.
func violations(sources []source) []string {
	var found []string
	documented := map[string]bool{}
	for _, s := range sources {
		documented[s.dir()] = documented[s.dir()] || s.doc && !s.isTest()
	}
	seen := map[string]bool{}
	for _, s := range sources {
		for _, imp := range s.imports {
			for _, rule := range importRules {
				if rule.breaks(s, imp) {
					found = append(found, fmt.Sprintf("%s imports %s: %s", s.path, imp, rule.why))
				}
			}
		}
		for _, use := range s.clock {
			if s.pure() {
				found = append(found, fmt.Sprintf("%s uses %s: directory and plan are pure, time comes in as an argument", s.path, use))
			}
		}
		for _, use := range s.follows {
			if !s.isTest() && !strings.HasSuffix(s.pkg, "test") {
				found = append(found, fmt.Sprintf("%s uses %s, which follows redirects with whatever credentials a request carries: set CheckRedirect", s.path, use))
			}
		}
		if s.isTest() || seen[s.dir()] {
			continue
		}
		seen[s.dir()] = true
		if !documented[s.dir()] {
			found = append(found, s.dir()+" has no package comment")
		}
		for _, name := range slices.Compact([]string{s.pkg, path.Base(s.dir())}) {
			if slices.Contains(emptyNames, name) {
				found = append(found, fmt.Sprintf("%s is called %s, which says nothing about what it holds", s.dir(), name))
			}
		}
	}
	return found
}

// below tells whether p is one of roots or lies below one of them.
func below(p string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return p == root || strings.HasPrefix(p, root+"/")
	})
}

// firstTwo returns the first two elements of a path: functions/users of functions/users/main.go.
func firstTwo(p string) string {
	parts := strings.SplitN(p, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// readModule reads every Go file of the module whose root is fsys. It leaves
// out what the go command leaves out (testdata, folders that start with a dot
// or an underscore, modules inside the module) and what npm installs.
func readModule(fsys fs.FS) ([]source, error) {
	var sources []source
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && leftOut(fsys, name) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		s, err := parse(name, text)
		if err != nil {
			return err
		}
		sources = append(sources, s)
		return nil
	})
	return sources, err
}

func leftOut(fsys fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return err == nil
}

// parse reads what the rules need out of one file.
func parse(name string, text []byte) (source, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	s := source{path: name, pkg: file.Name.Name, doc: file.Doc.Text() != ""}
	timeName, httpName := "", ""
	for _, spec := range file.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, fmt.Errorf("%s: %w", name, err)
		}
		s.imports = append(s.imports, imp)
		switch imp {
		case "time":
			timeName = nameOf(spec, "time")
		case "net/http":
			httpName = nameOf(spec, "http")
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if name := selected(n, timeName); slices.Contains(clockFunctions, name) {
			s.clock = append(s.clock, "time."+name)
		}
		if name := selected(n, httpName); slices.Contains(followingFunctions, name) {
			s.follows = append(s.follows, "http."+name)
		}
		if made, ok := n.(*ast.CompositeLit); ok && selected(made.Type, httpName) == "Client" && !sets(made, "CheckRedirect") {
			s.follows = append(s.follows, "http.Client")
		}
		return true
	})
	return s, nil
}

// nameOf is the name by which a file calls a package that it imports.
func nameOf(spec *ast.ImportSpec, usual string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return usual
}

// selected is what a node selects of a package; "" if it does not.
func selected(n ast.Node, pkg string) string {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if x, ok := sel.X.(*ast.Ident); ok && pkg != "" && x.Name == pkg {
		return sel.Sel.Name
	}
	return ""
}

// sets tells whether a literal sets a field.
func sets(made *ast.CompositeLit, field string) bool {
	return slices.ContainsFunc(made.Elts, func(e ast.Expr) bool {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return false
		}
		key, ok := pair.Key.(*ast.Ident)
		return ok && key.Name == field
	})
}

func TestViolations(t *testing.T) {
	// file makes a documented file of the package that its folder is named after.
	file := func(name string, imports ...string) source {
		return source{path: name, pkg: path.Base(path.Dir(name)), doc: true, imports: imports}
	}
	tests := []struct {
		name   string
		source source
		want   string // a part of the only violation; "" for none
	}{
		{"pure package with pure imports", file("shared/plan/a.go", "time", "entrasync/shared/directory", "entrasync/shared/fault"), ""},
		{"pure package with context", file("shared/plan/a.go", "context"), "shared/plan/a.go imports context: directory and plan are pure"},
		{"pure package with http", file("shared/directory/a.go", "net/http"), "imports net/http: directory and plan are pure"},
		{"pure package with files", file("shared/directory/a.go", "os"), "imports os: directory and plan are pure"},
		{"pure package with a file system", file("shared/directory/a.go", "io/fs"), "imports io/fs: directory and plan are pure"},
		{"pure package with the store", file("shared/plan/a.go", "entrasync/shared/store"), "imports entrasync/shared/store: directory and plan are pure"},
		{"test of a pure package", file("shared/plan/a_test.go", "context", "os"), ""},
		{"another package with context", file("shared/reconcile/a.go", "context", "net/http"), ""},
		{"a name that starts alike", file("shared/planning/a.go", "context"), ""},

		{"Graph in entra", file("shared/entra/a.go", "github.com/microsoftgraph/msgraph-sdk-go/models"), ""},
		{"Graph in a test below entra", file("shared/entra/entratest/a_test.go", "github.com/microsoftgraph/msgraph-sdk-go/models"), ""},
		{"Graph elsewhere", file("shared/reconcile/a.go", "github.com/microsoftgraph/msgraph-sdk-go/models"), "only shared/entra"},
		{"Graph in a test elsewhere", file("shared/reconcile/a_test.go", "github.com/microsoftgraph/msgraph-sdk-go-core"), "only shared/entra"},
		{"kiota in a function", file("functions/users/main.go", "github.com/microsoft/kiota-abstractions-go"), "only shared/entra"},
		{"the day in the demo", file("scripts/demo/main.go", "entrasync/scripts/play"), ""},
		{"the day on one machine", file("scripts/machine/a.go", "entrasync/scripts/play"), "one machine does without the demo"},
		{"the demo on one machine", file("scripts/local/main.go", "entrasync/scripts/demo"), "one machine does without the demo"},
		{"the simulator of Entra on one machine", file("scripts/machine/a.go", "entrasync/shared/entra/entratest"), "know no simulator"},
		{"the simulator of JumpCloud on one machine", file("scripts/machine/a.go", "entrasync/shared/jumpcloud/jumpcloudtest"), "know no simulator"},
		{"the plug of the simulators on one machine", file("scripts/machine/a.go", "entrasync/scripts/simulated/onemachine"), "know no simulator"},
		{"an administrator on one machine", file("scripts/machine/a.go", "entrasync/scripts/simulated"), "know no simulator"},
		{"a simulator in a test of one machine", file("scripts/machine/a_test.go", "entrasync/shared/entra/entratest", "entrasync/scripts/simulated/onemachine"), ""},
		{"a simulator in the wiring", file("scripts/wiring/a.go", "entrasync/shared/entra/entratest"), "know no simulator"},
		{"an administrator in the wiring", file("scripts/wiring/a.go", "entrasync/scripts/simulated"), "know no simulator"},
		{"a simulator in the program of one machine", file("scripts/local/main.go", "entrasync/scripts/simulated/onemachine"), ""},
		{"azidentity in a script", file("scripts/local/main.go", "github.com/Azure/azure-sdk-for-go/sdk/azidentity"), "only shared/entra"},

		{"AWS in its adapter", file("shared/aws/dynamodb/a.go", "github.com/aws/aws-sdk-go-v2/service/dynamodb"), ""},
		{"AWS in a main", file("functions/users/lambda/main.go", "github.com/aws/aws-sdk-go-v2/config"), "only shared/aws"},
		{"AWS in a handler", file("functions/users/handler.go", "github.com/aws/aws-sdk-go-v2/service/sqs"), "only shared/aws"},
		{"AWS in the store", file("shared/store/a.go", "github.com/aws/aws-sdk-go-v2/service/dynamodb"), "only shared/aws"},
		{"Lambda events in a handler", file("functions/users/handler.go", "github.com/aws/aws-lambda-go/events"), ""},

		{"a function and its own folder", file("functions/admin/main.go", "entrasync/functions/admin/console"), ""},
		{"a function and another", file("functions/admin/main.go", "entrasync/functions/users"), "never imports another function"},
		{"a function and one that starts alike", file("functions/import/main.go", "entrasync/functions/imports"), "never imports another function"},
		{"all of Graph", file("shared/entra/a.go", "github.com/microsoftgraph/msgraph-sdk-go"), "GraphServiceClient links all of Graph"},
		{"a part of Graph", file("shared/entra/a.go", "github.com/microsoftgraph/msgraph-sdk-go/users"), ""},
		{"a script and a function", file("scripts/local/main.go", "entrasync/functions/users"), ""},

		{"a script and its own folder", file("scripts/local/main.go", "entrasync/scripts/local/page"), ""},
		{"a script and another", file("scripts/demo/main.go", "entrasync/scripts/machine"), ""},
		{"the product and a script", file("shared/local/a.go", "entrasync/scripts/local"), "nothing but scripts imports scripts"},

		{"a simulator in the product", file("shared/reconcile/a.go", "entrasync/shared/entra/entratest"), "are for tests"},
		{"a simulator in a function", file("functions/users/main.go", "entrasync/shared/jumpcloud/jumpcloudtest"), "are for tests"},
		{"a conformance suite in the product", file("shared/store/a.go", "entrasync/shared/store/storetest"), "are for tests"},
		{"a simulator in a test", file("shared/reconcile/a_test.go", "entrasync/shared/entra/entratest"), ""},
		{"a simulator in a test package", file("shared/functiontest/a.go", "entrasync/shared/entra/entratest"), ""},
		{"a simulator on one machine", file("shared/local/host/a.go", "entrasync/shared/entra/entratest"), ""},
		{"a simulator in a script", file("scripts/demo/main.go", "entrasync/shared/entra/entratest"), ""},
		{"a library that ends in test", file("shared/reconcile/a.go", "net/http/httptest"), ""},

		{"clock in a pure package", source{path: "shared/plan/a.go", pkg: "plan", doc: true, clock: []string{"time.Now"}}, "shared/plan/a.go uses time.Now"},
		{"clock elsewhere", source{path: "shared/queue/a.go", pkg: "queue", doc: true, clock: []string{"time.Now"}}, ""},

		{"a client that follows redirects", source{path: "shared/entra/a.go", pkg: "entra", doc: true, follows: []string{"http.Client"}}, "shared/entra/a.go uses http.Client, which follows redirects"},
		{"such a client in a test", source{path: "shared/entra/a_test.go", pkg: "entra", doc: true, follows: []string{"http.Get"}}, ""},
		{"such a client in a simulator", source{path: "shared/entra/entratest/a.go", pkg: "entratest", doc: true, follows: []string{"http.Client"}}, ""},

		{"no package comment", source{path: "shared/queue/a.go", pkg: "queue"}, "shared/queue has no package comment"},
		{"a folder of tests only", source{path: "shared/a_test.go", pkg: "shared_test"}, ""},
		{"an empty name", file("shared/utils/a.go"), "shared/utils is called utils"},
		{"an empty package name", source{path: "shared/queue/a.go", pkg: "helpers", doc: true}, "shared/queue is called helpers"},
		{"an empty folder name", source{path: "scripts/common/a.go", pkg: "main", doc: true}, "scripts/common is called common"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := violations([]source{tt.source})
			switch {
			case tt.want == "" && len(got) != 0:
				t.Errorf("violations = %q, want none", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("violations = %q, want one that holds %q", got, tt.want)
			}
		})
	}
}

func TestViolationsPackageComment(t *testing.T) {
	tests := []struct {
		name    string
		sources []source
		want    []string
	}{
		{"one file of two has it", []source{{path: "a/x.go", pkg: "a"}, {path: "a/y.go", pkg: "a", doc: true}}, nil},
		{"said once a package", []source{{path: "a/x.go", pkg: "a"}, {path: "a/y.go", pkg: "a"}}, []string{"a has no package comment"}},
		{"a test cannot give it", []source{{path: "a/x.go", pkg: "a"}, {path: "a/x_test.go", pkg: "a_test", doc: true}}, []string{"a has no package comment"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, violations(tt.sources)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadModule(t *testing.T) {
	fsys := fstest.MapFS{
		"go.mod":                    {Data: []byte("module entrasync")},
		"README.md":                 {Data: []byte("not Go")},
		"shared/plan/plan.go":       {Data: []byte("// Package plan decides.\npackage plan\n\nimport (\n\t\"context\"\n\tclock \"time\"\n)\n\nvar now = clock.Now\n\nfunc wait(c context.Context) { clock.Sleep(clock.Second) }\n")},
		"shared/plan/other.go":      {Data: []byte("package plan\n\nvar time struct{ Now int }\n\nvar _ = time.Now\n")},
		"shared/calls/calls.go":     {Data: []byte("// Package calls calls.\npackage calls\n\nimport web \"net/http\"\n\nvar (\n\ta = web.Client{Timeout: 1}\n\tb = &web.Client{CheckRedirect: nil}\n\tc = web.DefaultClient\n\td = web.Get\n\te = web.NewRequest\n)\n")},
		"shared/plan/testdata/x.go": {Data: []byte("not Go at all")},
		"scripts/tools/go.mod":      {Data: []byte("module entrasync/scripts/tools")},
		"scripts/tools/tools.go":    {Data: []byte("not Go at all")},
		".git/x.go":                 {Data: []byte("not Go at all")},
		"_old/x.go":                 {Data: []byte("not Go at all")},
		"node_modules/x/x.go":       {Data: []byte("not Go at all")},
	}
	got, err := readModule(fsys)
	if err != nil {
		t.Fatal(err)
	}
	want := []source{
		{path: "shared/calls/calls.go", pkg: "calls", doc: true, imports: []string{"net/http"}, follows: []string{"http.Client", "http.DefaultClient", "http.Get"}},
		{path: "shared/plan/other.go", pkg: "plan"},
		{path: "shared/plan/plan.go", pkg: "plan", doc: true, imports: []string{"context", "time"}, clock: []string{"time.Now", "time.Sleep"}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(source{})); diff != "" {
		t.Errorf("readModule (-want +got):\n%s", diff)
	}

	fsys["shared/plan/broken.go"] = &fstest.MapFile{Data: []byte("package")}
	if _, err := readModule(fsys); err == nil {
		t.Error("readModule passes over a file that is not Go")
	}
}
