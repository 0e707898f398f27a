package admin_test

import (
	"strings"
	"testing"

	"entrasync/shared/directory"
)

// A directory is deactivated by whoever gives its name: the answer is a job, the same one for
// the same request again, and from then on nothing can be changed in the directory.
func TestDeactivate(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	path := "/v1/directories/" + id
	f.populate(directory.ID(id), 2)
	for query, says := range map[string]string{"": "name", "?name=contoso": "Contoso", "?name=Contoso&clearImmutableId=perhaps": "query.clearImmutableId", "?name=Contoso&force=true": "query.force"} {
		if response := f.raw("DELETE", path+query, "", ""); response.StatusCode != 422 || !strings.Contains(response.Body, says) || !strings.Contains(response.Body, "query.") {
			t.Errorf("DELETE %s: %d %s, want 422 that names the field and %s", query, response.StatusCode, response.Body, says)
		}
	}
	if status, _ := f.call("DELETE", path+"0?name=Contoso", ""); status != 404 {
		t.Errorf("another directory: %d, want 404", status)
	}
	if status, got := f.call("GET", path, ""); status != 200 || got["status"] != "active" {
		t.Errorf("before: %d %v, want an active directory", status, got)
	}
	status, job := f.call("DELETE", path+"?name=Contoso", "")
	if status != 202 || job["jobId"] == nil {
		t.Fatalf("DELETE: %d %v, want 202 and a job", status, job)
	}
	if status, again := f.call("DELETE", path+"?name=Contoso", ""); status != 202 || again["jobId"] != job["jobId"] {
		t.Errorf("DELETE again: %d %v, want the same job %v", status, again, job["jobId"])
	}
	if status, got := f.call("GET", path, ""); status != 200 || got["status"] != "deactivating" || got["health"] != nil {
		t.Errorf("GET: %d %v, want a directory that is being deactivated", status, got)
	}
	for method, path := range map[string]string{"PUT": path + "/connections/users/" + ann, "POST": path + "/users/" + string(userID(1)) + "/sync", "GET": path + "/export", "PATCH": path} {
		if response := f.raw(method, path, map[string]string{"PATCH": "{}"}[method], "application/json"); response.StatusCode != 404 || !strings.Contains(response.Body, "is being deactivated") {
			t.Errorf("%s %s: %d %s, want 404 that says why", method, path, response.StatusCode, response.Body)
		}
	}
	if status, got := f.call("GET", "/v1/jobs/"+job["jobId"].(string), ""); status != 200 || got["kind"] != "deactivation" || got["status"] != "queued" {
		t.Errorf("the job: %d %v, want a queued deactivation", status, got)
	}
	if status, list := f.call("GET", path+"/jobs", ""); status != 200 || len(list["items"].([]any)) != 1 {
		t.Errorf("the jobs: %d %v, want the one", status, list)
	}
	if status, got := f.call("POST", "/v1/directories", `{"name":"Next","organizationId":"`+organization+`","tenantId":"`+tenant+`"}`); status != 409 {
		t.Errorf("another directory on the tenant: %d %v, want 409 until the job has ended", status, got)
	}
}
