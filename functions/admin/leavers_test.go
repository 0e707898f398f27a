package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"entrasync/shared/directory"
)

// The setting leavers is checked, null is never, and a change of the deletion lets nobody be
// deleted for an hour.
func TestTheStepsForLeaversAreSet(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	path := "/v1/directories/" + id
	for body, field := range map[string]string{
		`{"settings": {"leavers": {"deleteAccount": 0}}}`:      "body.settings.leavers.deleteAccount",
		`{"settings": {"leavers": {"deleteAccount": 366}}}`:    "body.settings.leavers.deleteAccount",
		`{"settings": {"leavers": {"removeLicenses": -1}}}`:    "body.settings.leavers.removeLicenses",
		`{"settings": {"leavers": {"clearManager": 1.5}}}`:     "body.settings.leavers.clearManager",
		`{"settings": {"leavers": {"fire": 1}}}`:               "body.settings.leavers",
		`{"settings": {"leavers": {"removeFromGroups": "1"}}}`: "body.settings.leavers.removeFromGroups",
	} {
		if body := f.answered(http.StatusUnprocessableEntity, http.MethodPatch, path, body, nil); !strings.Contains(body, field) {
			t.Errorf("the answer %s does not name %s", body, field)
		}
	}
	stored := func() directory.Directory {
		dir, err := f.records.Directory(t.Context(), directory.ID(id))
		f.must(err)
		return dir
	}
	f.answered(http.StatusOK, http.MethodPatch, path, `{"settings": {"leavers": {"removeLicenses": 0, "clearManager": 3}}}`, nil)
	if dir := stored(); *dir.Settings.Leavers.RemoveLicenses != 0 || *dir.Settings.Leavers.ClearManager != 3 || dir.Settings.Leavers.DeleteAccount != nil || !dir.DeletesFrom.IsZero() {
		t.Errorf("stored is %+v with deletions from %v, want two steps and no deletion", dir.Settings.Leavers, dir.DeletesFrom)
	}
	body := f.answered(http.StatusOK, http.MethodPatch, path, `{"settings": {"leavers": {"deleteAccount": 30, "clearManager": null}}}`, nil)
	if dir := stored(); *dir.Settings.Leavers.RemoveLicenses != 0 || dir.Settings.Leavers.ClearManager != nil || *dir.Settings.Leavers.DeleteAccount != 30 || time.Until(dir.DeletesFrom) < 50*time.Minute {
		t.Errorf("stored is %+v with deletions from %v, want a deletion in an hour at the earliest", dir.Settings.Leavers, dir.DeletesFrom)
	}
	if strings.Contains(body, "deletesFrom") || !strings.Contains(body, `"deleteAccount":30`) {
		t.Errorf("the answer is %s, want the setting and nothing else", body)
	}
	before := stored().DeletesFrom
	f.answered(http.StatusOK, http.MethodPatch, path, `{"settings": {"leavers": {"removeLicenses": 5}}}`, nil)
	if now := stored().DeletesFrom; !now.Equal(before) {
		t.Errorf("deletions are from %v on after another step was changed, want %v as before", now, before)
	}
	f.answered(http.StatusOK, http.MethodPatch, path, `{"settings": {"leavers": null}}`, nil)
	if dir := stored(); dir.Settings.Leavers.Any() {
		t.Errorf("stored is %+v, want no step", dir.Settings.Leavers)
	}
}
