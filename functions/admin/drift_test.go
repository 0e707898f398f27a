package admin_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// repairDrift is on by default, also in directories that are older than the setting.
func TestRepairDriftIsASetting(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	for _, step := range []struct {
		patch string
		want  bool
	}{{`{}`, true}, {`{"repairDrift":false}`, false}, {`{"exactMembership":true}`, false}, {`{"repairDrift":null}`, true}} {
		status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+step.patch+`}`)
		settings, _ := got["settings"].(map[string]any)
		if status != 200 || settings["repairDrift"] != step.want {
			t.Errorf("%s: %d, repairDrift %v, want 200 and %t", step.patch, status, settings["repairDrift"], step.want)
		}
	}
	status, problem := f.call("PATCH", "/v1/directories/"+id, `{"settings":{"repairDrift":"no"}}`)
	mustSay(t, status, problem, 422, "body.settings.repairDrift", "it is a string and must be a boolean")
}

// The views of a user and of a group show what somebody else changed.
func TestDriftIsShown(t *testing.T) {
	f := newFixture(t)
	id := directory.ID(f.directory("{}"))
	at := time.Date(2026, 11, 30, 2, 0, 0, 0, time.UTC)
	link := directory.NewLink(id, ann)
	link.Drift = directory.Findings{
		{Attribute: directory.JobTitle, Expected: directory.Text("Lead"), At: at},
		{Attribute: directory.AccountEnabled, Expected: directory.Bool(true), Found: directory.Bool(false), At: at},
	}
	group := directory.NewGroupLink(id, engineering)
	group.Drift = directory.Findings{{Attribute: directory.Members, Expected: directory.Value{"e1", "e2"}, More: 3, At: at}}
	for _, err := range f.records.Record(t.Context(), store.Recording{Link: link}, store.Recording{Group: &group}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	const found = "2026-11-30T02:00:00Z"
	for path, want := range map[string][]any{
		"/users/" + ann: {
			map[string]any{"attribute": "jobTitle", "expected": "Lead", "found": nil, "at": found},
			map[string]any{"attribute": "accountEnabled", "expected": true, "found": false, "at": found},
		},
		"/groups/" + engineering: {map[string]any{"attribute": "members", "expected": []any{"e1", "e2"}, "found": nil, "more": 3.0, "at": found}},
	} {
		status, view := f.call("GET", "/v1/directories/"+string(id)+path, "")
		if diff := cmp.Diff(any(want), view["drift"]); status != 200 || diff != "" {
			t.Errorf("%s: %d, drift (-want +got):\n%s", path, status, diff)
		}
	}
}
