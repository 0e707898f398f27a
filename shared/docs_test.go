package shared_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the docs name exists: paths, links, tests, commands of make and variables.
func TestTheDocsNameWhatExists(t *testing.T) {
	module := readRepository(t, "..")
	if len(module.docs) < 8 {
		t.Fatalf("found %d documents: the test looks in the wrong place", len(module.docs))
	}
	for name, text := range module.docs {
		for _, wrong := range module.untrue(name, text) {
			t.Errorf("%s names %s, which does not exist", name, wrong)
		}
	}
}

// repository is what the docs may name.
type repository struct {
	docs    map[string]string
	files   []string
	tests   map[string]bool // names of test functions
	targets map[string]bool // of make
	source  string          // all code and configuration
}

var (
	testFunction = regexp.MustCompile(`(?m)^func (Test\w+|Fuzz\w+|Benchmark\w+)\(`)
	makeTarget   = regexp.MustCompile(`(?m)^([a-z-]+):`)
	codeBlock    = regexp.MustCompile("(?s)```.*?```")
	listedFolder = regexp.MustCompile(`(?m)^ *([a-z]\w*)/ `)
	folderName   = regexp.MustCompile(`^(functions|shared|infra|events|scripts|findings)(/[\w-]+)+/?$`)
	codeSpan     = regexp.MustCompile("`([^`\n]+)`")
	link         = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	testName     = regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z]\w*$`)
	makeCommand  = regexp.MustCompile(`^make ([a-z-]+)`)
	variable     = regexp.MustCompile(`^(ENTRASYNC|JUMPCLOUD|ENTRA|GRAPH)_[A-Z_]+$`)
	fileName     = regexp.MustCompile(`^[\w.*/-]+\.(go|md|yaml|yml|json|sh|py|mk|toml|mjs|db)$`)
)

// notOurs are folders that tools make.
var notOurs = []string{".git", "node_modules", ".venv", ".aws-sam", "bin", ".local"}

// readRepository reads the repository in a folder.
func readRepository(t *testing.T, root string) repository {
	t.Helper()
	r := repository{docs: map[string]string{}, tests: map[string]bool{}, targets: map[string]bool{}}
	var source strings.Builder
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains(notOurs, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		r.files = append(r.files, relative)
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		text := string(content)
		switch {
		case entry.Name() == "SOURCES.md": // names what stands elsewhere
		case strings.HasSuffix(name, ".md"):
			r.docs[relative] = text
		case strings.HasSuffix(name, "_test.go"):
			for _, found := range testFunction.FindAllStringSubmatch(text, -1) {
				r.tests[found[1]] = true
			}
		case entry.Name() == "Makefile":
			for _, found := range makeTarget.FindAllStringSubmatch(text, -1) {
				r.targets[found[1]] = true
			}
		default:
			source.WriteString(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.source = source.String()
	return r
}

// untrue are the things that a document names and that do not exist.
func (r repository) untrue(name, text string) []string {
	var wrong []string
	for _, found := range link.FindAllStringSubmatch(text, -1) {
		if target := found[1]; !strings.Contains(target, "://") && !r.exists(path.Join(path.Dir(name), target)) {
			wrong = append(wrong, target)
		}
	}
	for _, block := range codeBlock.FindAllString(text, -1) {
		for _, found := range listedFolder.FindAllStringSubmatch(block, -1) {
			if !r.hasFolder(found[1]) {
				wrong = append(wrong, found[1]+"/")
			}
		}
	}
	for _, found := range codeSpan.FindAllStringSubmatch(text, -1) {
		span := found[1]
		command := makeCommand.FindStringSubmatch(span)
		switch {
		case command != nil && !r.targets[command[1]],
			testName.MatchString(span) && !r.tests[span],
			variable.MatchString(span) && !strings.Contains(r.source, span),
			fileName.MatchString(span) && !r.named(path.Dir(name), span),
			folderName.MatchString(span) && !r.hasFolder(strings.TrimSuffix(span, "/")):
			wrong = append(wrong, span)
		}
	}
	return wrong
}

// exists reports whether there is a file or a folder of a path.
func (r repository) exists(name string) bool {
	return slices.ContainsFunc(r.files, func(f string) bool { return f == name || strings.HasPrefix(f, name+"/") || name == "." })
}

// hasFolder reports whether there is a folder whose path is a name or ends with it.
func (r repository) hasFolder(name string) bool {
	return slices.ContainsFunc(r.files, func(f string) bool { return strings.Contains("/"+f, "/"+name+"/") })
}

// named reports whether a document in a folder may call a file so: by its path, from
// there or from the root, or by the end of it. A name without a folder may also be that of
// a file that a program makes: then the code has it.
func (r repository) named(folder, name string) bool {
	pattern := regexp.MustCompile(`(^|/)` + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimPrefix(name, "./")), `\*`, `[\w-]*`) + `$`)
	return r.exists(path.Join(folder, name)) || slices.ContainsFunc(r.files, pattern.MatchString) || !strings.Contains(name[1:], "/") && strings.Contains(r.source, name)
}

// The test finds what it looks for.
func TestUntrueDocsAreFound(t *testing.T) {
	r := repository{files: []string{"shared/plan/user.go"}, tests: map[string]bool{"TestA": true}, targets: map[string]bool{"run": true}, source: "ENTRASYNC_ADDR"}
	got := r.untrue("functions/README.md", "```\nshared/ a\n  plan/ b\n  gone/ c\n```\n`shared/plan` `shared/lost/` `gone/user.go` `plan/user.go` `plan/gone.go` `TestA` `TestB` `make run` `make fun` `ENTRASYNC_ADDR` `ENTRASYNC_GONE` [a](../shared/plan) [b](../gone)")
	if want := []string{"../gone", "gone/", "shared/lost/", "gone/user.go", "plan/gone.go", "TestB", "make fun", "ENTRASYNC_GONE"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// As many federated credentials are to be made in Entra as the stack has outputs that are the
// subject of one: whoever follows the guide makes neither one too few nor one for nothing.
func TestFederatedCredentialsAreCounted(t *testing.T) {
	words := []string{"none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(text)), " ")
	}
	template, guide := read("../template.yaml"), read("../infra/README.md")
	want := words[strings.Count(template, "Description: Subject of the ")]
	for where, phrase := range map[string]string{"add them": "add " + want + " credentials of type", "their subjects": "the " + want + " role ARNs among the outputs"} {
		if !strings.Contains(guide, phrase) {
			t.Errorf("infra/README.md, %s: got no %q, want it", where, phrase)
		}
	}
	if phrase := "Audience of all " + want + " federated credentials"; !strings.Contains(template, phrase) {
		t.Errorf("template.yaml: got no %q, want it", phrase)
	}
}
