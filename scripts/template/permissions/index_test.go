package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWhatQueriesTheIndexIsFound(t *testing.T) {
	folder := t.TempDir()
	source := `package store
func (s *Store) Links() { list(Query{PK: "links", Index: true}) }
func (q Filter) query() Query { return Query{Index: true, Backward: true} }
func all() { each(Query{Index: true}) }
func (s *Store) Actions() { list(Query{PK: "actions", Index: false}) }`
	for name, text := range map[string]string{"links.go": source, "links_test.go": "package store\nfunc test() { list(Query{Index: true}) }"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"entrasync/shared/store.(*Store).Links", "entrasync/shared/store.Filter.query", "entrasync/shared/store.all"}
	if got, err := indexQueries(folder); err != nil || !slices.Equal(got, want) {
		t.Errorf("found %q (%v), want %q", got, err, want)
	}
	if got, err := indexQueries(t.TempDir()); err == nil {
		t.Errorf("found %q in a folder with nothing, want an error", got)
	}
	if got, err := indexQueries("../../../" + storeFolder); err != nil || !slices.Contains(got, "entrasync/shared/store.(*Store).LinkedUsers") {
		t.Errorf("found %q (%v) in the store, want LinkedUsers among them", got, err)
	}
}

func TestTheIndexIsAllowedToWhoQueriesIt(t *testing.T) {
	index := allow("dynamodb:Query", resource("dynamodb", "table/table/index/index"))
	for name, c := range map[string]struct {
		queries []string
		allowed bool
		want    string // "" for none
	}{
		"neither":          {nil, false, ""},
		"both":             {[]string{"Links"}, true, ""},
		"a query not let":  {[]string{"Links", "Jobs"}, false, "needed for Links, Jobs, but not allowed"},
		"a right too many": {nil, true, "allowed on the table's index, but nothing needs it"},
	} {
		f := example()
		if c.allowed {
			f.Statements = append(f.Statements, index)
		}
		got := onIndex(f, c.queries)
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s: problems %q, want %q", name, got, c.want)
		}
	}
}
