package admin_test

import (
	"net/http"
	"strings"
	"testing"
)

// A plan of a resync is a job of its own kind; nothing can be read of one that is no plan, and
// no other plan of the directory begins before its end.
func TestPlansAreJobs(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	path := "/v1/directories/" + id
	if body := f.answered(http.StatusNotFound, http.MethodGet, path+"/plan", "", nil); !strings.Contains(body, "nothing was planned yet") {
		t.Errorf("got %s, want that nothing was planned yet", body)
	}
	var begun, again struct{ JobID string }
	f.answered(http.StatusAccepted, http.MethodPost, path+"/resync", `{"dryRun": true}`, &begun)
	f.answered(http.StatusAccepted, http.MethodPost, path+"/resync", `{"dryRun": true}`, &again)
	var job struct{ Kind, Status string }
	f.answered(http.StatusOK, http.MethodGet, "/v1/jobs/"+begun.JobID, "", &job)
	if begun.JobID == "" || begun != again || job.Kind != "plan" || job.Status != "queued" {
		t.Errorf("got the jobs %q and %q, of kind %s and %s, want one plan that is queued", begun.JobID, again.JobID, job.Kind, job.Status)
	}
	if body := f.answered(http.StatusConflict, http.MethodPost, path+"/resync", "{}", nil); !strings.Contains(body, "plan") {
		t.Errorf("got %s, want that a plan is at work", body)
	}
	var shown struct {
		JobID, Status string
		Counts        map[string]int
		Actions       []any
		FileURL       string
	}
	f.answered(http.StatusOK, http.MethodGet, "/v1/jobs/"+begun.JobID+"/plan", "", &shown)
	if shown.JobID != begun.JobID || shown.Status != "queued" || shown.Counts == nil || shown.Actions == nil || shown.FileURL != "" {
		t.Errorf("got %+v, want a plan without actions that is queued", shown)
	}
	f.answered(http.StatusConflict, http.MethodGet, "/v1/jobs/"+begun.JobID+"/plan/file", "", nil)
	f.answered(http.StatusNotFound, http.MethodGet, "/v1/jobs/00000000-0000-7000-8000-000000000000/plan", "", nil)
	f.answered(http.StatusUnprocessableEntity, http.MethodGet, "/v1/jobs/"+begun.JobID+"/plan?cursor=x", "", nil)
}

// A change that would be refused is refused when it is planned, too, with the same field; and
// nothing is kept of what was planned.
func TestPlansAreRefusedLikeChanges(t *testing.T) {
	f := newFixture(t)
	path := "/v1/directories/" + f.directory("{}")
	for _, tc := range []struct{ method, path, body string }{
		{http.MethodPut, "/connections/users/64a1b2c3d4e5f60718290000", ""},
		{http.MethodDelete, "/connections/users/" + ann, ""},
		{http.MethodPut, "/connections/groups/64a1b2c3d4e5f60718290000", ""},
		{http.MethodDelete, "/connections/groups/" + engineering, ""},
		{http.MethodPatch, "", `{"settings": {"nonsense": true}}`},
		{http.MethodPatch, "", `{"settings": {"exclude": {"group": "64a1b2c3d4e5f60718290000"}}}`},
	} {
		status, want := f.call(tc.method, path+tc.path, tc.body)
		planned, got := f.call(tc.method, path+tc.path+"?dryRun=true", tc.body)
		if planned != status || status < http.StatusBadRequest || got["detail"] != want["detail"] {
			t.Errorf("%s %s %s: got %d %v, want %d %v", tc.method, tc.path, tc.body, planned, got, status, want)
		}
	}
	if status, _ := f.call(http.MethodPatch, path+"?dryRun=true", `{"name": "Planned"}`); status != http.StatusOK {
		t.Errorf("a new name: got %d, want %d", status, http.StatusOK)
	}
	if status, dir := f.call(http.MethodGet, path, ""); status != http.StatusOK || dir["name"] != "Contoso" {
		t.Errorf("the directory is called %v, want Contoso as before", dir["name"])
	}
	if tasks := append(f.tasks(f.live), f.tasks(f.bulk)...); len(tasks) > 0 {
		t.Errorf("%d tasks were sent, want none", len(tasks))
	}
}
