package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// A resync is started once, and shown with its progress; the newest job comes first.
func TestResyncsAndTheirProgress(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	id := f.directory("{}")
	path := "/v1/directories/" + id
	var first, second struct{ JobID string }
	f.answered(http.StatusAccepted, http.MethodPost, path+"/resync", "{}", &first)
	f.answered(http.StatusAccepted, http.MethodPost, path+"/resync", "", &second)
	if first.JobID == "" || first != second {
		t.Fatalf("two requests started the jobs %q and %q, want one", first.JobID, second.JobID)
	}
	if depth, err := f.resyncs.Depth(ctx); err != nil || depth.Visible != 2 {
		t.Errorf("the queue has %d messages, %v; want one for each request", depth.Visible, err)
	}

	job, err := f.records.Job(ctx, first.JobID)
	if err != nil {
		t.Fatal(err)
	}
	job.Status, job.Phase, job.StartedAt, job.PhaseAt = store.JobRunning, "users", time.Now().Add(-time.Hour), time.Now().Add(-100*time.Second)
	job.Done, job.Total, job.Found = 1000, 3000, 7
	if job, err = f.records.PutJob(ctx, job); err != nil {
		t.Fatal(err)
	}
	var shown struct {
		JobID, DirectoryID, Kind, Status, Phase, By, Message string
		Done, Total, Found, Repaired, RemainingSeconds       int
		Rate                                                 float64
		EndedAt                                              *time.Time
	}
	f.answered(http.StatusOK, http.MethodGet, "/v1/jobs/"+first.JobID, "", &shown)
	if shown.Kind != "resync" || shown.Status != "running" || shown.Phase != "users" || shown.DirectoryID != id || shown.Done != 1000 || shown.Total != 3000 || shown.Found != 7 ||
		shown.Rate < 9 || shown.Rate > 11 || shown.RemainingSeconds < 190 || shown.RemainingSeconds > 210 || shown.EndedAt != nil {
		t.Errorf("got %+v, want the progress of the users, ten a second, and 200 seconds to go", shown)
	}

	job.Status, job.EndedAt, job.Message = store.JobFinished, time.Now(), "nothing differed"
	if _, err := f.records.EndJob(ctx, job); err != nil {
		t.Fatal(err)
	}
	f.answered(http.StatusAccepted, http.MethodPost, path+"/resync", "{}", &second)
	var list struct {
		Items []struct{ JobID, Status string }
	}
	f.answered(http.StatusOK, http.MethodGet, path+"/jobs", "", &list)
	if len(list.Items) != 2 || list.Items[0].JobID != second.JobID || list.Items[1].JobID != first.JobID || list.Items[1].Status != "finished" {
		t.Errorf("got the jobs %+v, want the new one and then %s, which is finished", list.Items, first.JobID)
	}
}

// What cannot be resynced is refused with the reason, and so is what is not known.
func TestResyncsThatAreRefused(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	path := "/v1/directories/" + id
	if body := f.answered(http.StatusUnprocessableEntity, http.MethodPost, path+"/resync", `{"dryrun": true}`, nil); !strings.Contains(body, "dryrun") {
		t.Errorf("got %s, want that dryrun is named", body)
	}
	if body := f.answered(http.StatusUnprocessableEntity, http.MethodPost, path+"/resync", `{"dryRun": null}`, nil); !strings.Contains(body, "dryRun") {
		t.Errorf("got %s, want that dryRun is named: a resync is more than a plan", body)
	}
	f.answered(http.StatusNotFound, http.MethodPost, path+"0/resync", "{}", nil)
	f.answered(http.StatusNotFound, http.MethodGet, path+"0/jobs", "", nil)
	if body := f.answered(http.StatusNotFound, http.MethodGet, "/v1/jobs/00000000-0000-7000-8000-000000000000", "", nil); !strings.Contains(body, "no job") {
		t.Errorf("got %s, want that there is no such job", body)
	}
	d, err := f.records.Directory(context.Background(), directory.ID(id))
	if err != nil {
		t.Fatal(err)
	}
	d.Status, d.Reason, d.Message = directory.PendingAuthorization, directory.PendingConsent, "give consent first"
	if _, err := f.records.PutDirectory(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	if body := f.answered(http.StatusConflict, http.MethodPost, path+"/resync", "{}", nil); !strings.Contains(body, "give consent first") {
		t.Errorf("got %s, want why the directory cannot be compared", body)
	}
}

// A plan that is not finished can be stopped, so that a resync can begin; no other job can be.
func TestAPlanIsStopped(t *testing.T) {
	f := newFixture(t)
	path := "/v1/directories/" + f.directory("{}")
	var plan, again, resync struct{ JobID, Status, Message string }
	f.answered(http.StatusAccepted, http.MethodPost, path+"/resync", `{"dryRun": true}`, &plan)
	stop := "/v1/jobs/" + plan.JobID + "/stop"
	if body := f.answered(http.StatusConflict, http.MethodPost, path+"/resync", "{}", nil); !strings.Contains(body, stop) {
		t.Errorf("got %s, want how to stop the plan", body)
	}
	f.answered(http.StatusOK, http.MethodPost, stop, "", &again)
	if again.JobID != plan.JobID || again.Status != "failed" || !strings.HasPrefix(again.Message, "stopped by ") {
		t.Errorf("got %+v, want the plan, which was stopped", again)
	}
	f.answered(http.StatusConflict, http.MethodPost, stop, "", nil)
	f.answered(http.StatusAccepted, http.MethodPost, path+"/resync", "{}", &resync)
	f.answered(http.StatusConflict, http.MethodPost, "/v1/jobs/"+resync.JobID+"/stop", "", nil)
	f.answered(http.StatusNotFound, http.MethodPost, "/v1/jobs/00000000-0000-7000-8000-000000000000/stop", "", nil)
}

// answered sends a request, fails the test unless the answer has the status, and decodes the
// answer. It returns the answer as text.
func (f *fixture) answered(status int, method, path, body string, into any) string {
	f.t.Helper()
	got, answer := f.call(method, path, body)
	text, err := json.Marshal(answer)
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	if got != status || err != nil {
		f.t.Fatalf("%s %s: %d %s, %v; want %d", method, path, got, text, err, status)
	}
	return string(text)
}
