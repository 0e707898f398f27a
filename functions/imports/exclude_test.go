package imports_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"entrasync/shared/directory"
)

// An account whose sign-in name the directory excludes is listed as blocked, and is not
// imported.
func TestAnExcludedAccountIsNotImported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.account("ann", nil)
		glass := f.account("glass", nil)
		f.directory.Settings.Exclude.UPNs = []directory.UPN{"Glass@contoso.example"}
		_, err := f.Store.PutDirectory(t.Context(), f.directory)
		f.Must(err)
		const says = "exclude.upns of this directory"
		if got := f.listed(""); !strings.HasPrefix(got["glass"], "blocked ") || !strings.Contains(got["glass"], says) || got["ann"] != "new" {
			t.Errorf("the list: %q, want glass blocked with %q and ann new", got, says)
		}
		lines := f.create(map[string]any{"userIds": []string{glass}}).objects("results")
		if len(lines) != 1 || lines[0]["status"] != "failed" || !strings.Contains(lines[0]["message"].(string), says) {
			t.Errorf("the import: %v, want its line failed with %q", lines, says)
		}
	})
}
