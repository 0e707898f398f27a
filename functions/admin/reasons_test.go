package admin_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
)

// The API's description and the table of README.md have exactly the reasons of the one
// list, with their sentences and advice.
func TestReasonsAreOneList(t *testing.T) {
	var words, all []any
	meanings, rows := map[string]any{}, []string{}
	for _, r := range directory.Reasons() {
		if r.Of == directory.OfLink || r.Of == directory.OfMember || r.Of == directory.OfAction {
			all = append(all, string(r.Reason))
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", r.Reason, r.Of, r.Sentence, r.Advice))
		if r.Of == directory.OfLink {
			words = append(words, string(r.Reason))
			meanings[string(r.Reason)] = r.Sentence + ". To do: " + r.Advice
		}
	}
	f := newFixture(t)
	for _, list := range []string{"users", "groups"} {
		parameters, _ := dig(f.document(), "paths", "/v1/directories/{id}/"+list, "get", "parameters").([]any)
		at := slices.IndexFunc(parameters, func(p any) bool { return dig(p, "name") == "reason" })
		if diff := cmp.Diff(any(words), dig(parameters[at], "schema", "enum")); diff != "" {
			t.Errorf("the enumeration of %s (-want +got):\n%s", list, diff)
		}
		if diff := cmp.Diff(any(meanings), dig(parameters[at], "schema", "x-enumDescriptions")); diff != "" {
			t.Errorf("the meanings of %s (-want +got):\n%s", list, diff)
		}
	}
	for _, field := range []string{"LinkView", "GroupView", "MemberTrouble", "PasswordAccount", "Problem"} {
		if diff := cmp.Diff(any(all), dig(f.document(), "components", "schemas", field, "properties", "reason", "enum")); diff != "" {
			t.Errorf("the enumeration of the reason of %s (-want +got):\n%s", field, diff)
		}
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(readme), "\n| reason | of | what it means | what to do |\n|---|---|---|---|\n")
	table, _, ended := strings.Cut(after, "\n\n")
	if !found || !ended {
		t.Fatal("README.md has no table of reasons")
	}
	if diff := cmp.Diff(rows, strings.Split(table, "\n")); diff != "" {
		t.Errorf("the table of README.md (-want +got):\n%s", diff)
	}
}
