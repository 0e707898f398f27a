package admin_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
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
	status, seen := f.call("DELETE", path+"?name=Contoso&dryRun=true", "")
	if status != 200 || seen["users"] != 2.0 || seen["groups"] != 1.0 || seen["complete"] != true || len(seen["named"].([]any)) != 3 || seen["immutableIds"] != nil {
		t.Errorf("dryRun: %d %v, want 200 with two users and a group, all named, and nothing in Entra", status, seen)
	}
	if status, seen := f.call("DELETE", path+"?name=contoso&dryRun=true", ""); status != 422 {
		t.Errorf("dryRun with another name: %d %v, want 422", status, seen)
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
	status, refused := f.call("DELETE", path+"?name=Contoso&clearImmutableId=true", "")
	mustSay(t, status, refused, 409, "query.clearImmutableId", "by the job "+job["jobId"].(string)+" without clearImmutableId")
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
	next := `{"name":"Next","organizationId":"` + organization + `","tenantId":"` + tenant + `"`
	status, refused = f.call("POST", "/v1/directories", next+"}")
	mustSay(t, status, refused, 409, "body.tenantId", "is being deactivated: try it again when that has ended")
	if status, got := f.call("POST", "/v1/directories", next+`,"settings":{"allowSharedDomains":true}}`); status != 201 {
		t.Errorf("another directory that shares the tenant: %d %v, want 201", status, got)
	}
}

// deactivated deactivates a directory to the end.
func (f *fixture) deactivated(id string) {
	f.t.Helper()
	ctx := f.t.Context()
	status, begun := f.call("DELETE", "/v1/directories/"+id+"?name=Contoso", "")
	if status != 202 {
		f.t.Fatalf("DELETE: %d %v, want 202", status, begun)
	}
	job, err := f.records.Job(ctx, begun["jobId"].(string))
	f.must(err)
	dir, err := f.records.AnyDirectory(ctx, directory.ID(id))
	f.must(err)
	job.Status, job.EndedAt = store.JobFinished, time.Now()
	_, err = f.records.EndDeactivation(ctx, dir, job)
	f.must(err)
}

// The events and the jobs of a directory can be read after it was deactivated, also if there are none.
func TestWhatADeactivatedDirectoryDidStays(t *testing.T) {
	f := newFixture(t)
	quiet := f.directory("{}")
	f.deactivated(quiet)
	busy := f.directory("{}")
	f.did(1, busy, plan.Update, ann, plan.Succeeded)
	f.deactivated(busy)
	for query, want := range map[string]int{busy: 1, busy + "&user=" + bob: 0, quiet: 0} {
		status, events := f.call("GET", "/v1/events?directory="+query, "")
		if items, _ := events["items"].([]any); status != 200 || len(items) != want {
			t.Errorf("directory=%s: %d %v, want 200 and %d events", query, status, events, want)
		}
	}
	status, jobs := f.call("GET", "/v1/directories/"+quiet+"/jobs", "")
	if items, _ := jobs["items"].([]any); status != 200 || len(items) != 1 {
		t.Errorf("the jobs: %d %v, want the deactivation", status, jobs)
	}
	if status, _ := f.call("GET", "/v1/directories/"+quiet, ""); status != 404 {
		t.Errorf("the directory: %d, want 404", status)
	}
}

// A deactivation that clears immutable ids is not turned into one that does not.
func TestADeactivationKeepsItsOptions(t *testing.T) {
	f := newFixture(t)
	path := "/v1/directories/" + f.directory("{}") + "?name=Contoso"
	status, job := f.call("DELETE", path+"&clearImmutableId=true", "")
	if status != 202 {
		t.Fatalf("DELETE: %d %v, want 202", status, job)
	}
	status, refused := f.call("DELETE", path, "")
	mustSay(t, status, refused, 409, "query.clearImmutableId", "which clears immutable ids")
	if status, again := f.call("DELETE", path+"&clearImmutableId=true", ""); status != 202 || again["jobId"] != job["jobId"] {
		t.Errorf("the same again: %d %v, want the job %v", status, again, job["jobId"])
	}
}

// An organization is deactivated by whoever gives its name, and only without directories. Its secrets
// are gone at once, nothing new can be made in it, and the same request again answers the same job.
func TestDeactivateAnOrganization(t *testing.T) {
	f := newFixture(t)
	const other = "5f0c1e2d3a4b5c6d7e8f9999"
	path := "/v1/organizations/" + other
	if status, got := f.call("POST", "/v1/organizations", `{"id":"`+other+`","name":"Fabrikam","apiKey":"`+goodKey+`","webhookTokens":["canary-token-of-fabrikam"]}`); status != 201 {
		t.Fatalf("create: %d %v, want 201", status, got)
	}
	for query, says := range map[string]string{"": "query.name", "?name=fabrikam": "Fabrikam"} {
		if response := f.raw("DELETE", path+query, "", ""); response.StatusCode != 422 || !strings.Contains(response.Body, says) || !strings.Contains(response.Body, "query.name") {
			t.Errorf("DELETE %s: %d %s, want 422 that names the field and %s", query, response.StatusCode, response.Body, says)
		}
	}
	f.directory("{}")
	if response := f.raw("DELETE", "/v1/organizations/"+organization+"?name=Example", "", ""); response.StatusCode != 409 || !strings.Contains(response.Body, "Contoso") || !strings.Contains(response.Body, "path.id") {
		t.Errorf("with a directory: %d %s, want 409 that names it", response.StatusCode, response.Body)
	}
	if _, err := f.secrets.JumpCloud(t.Context(), other); err != nil {
		t.Errorf("the key before: %v, want it there", err)
	}
	f.must(f.records.PutImported(t.Context(), store.Imported{Tenant: tenant, Organization: other, User: ann, Account: account(1)}))
	before := f.content()
	status, seen := f.call("DELETE", path+"?name=Fabrikam&dryRun=true", "")
	if status != 200 || fmt.Sprint(seen["secrets"]) != "[credential webhook_tokens]" || seen["importedUsers"] != 1.0 || seen["deadLetters"] != 0.0 || !maps.Equal(before, f.content()) {
		t.Errorf("dryRun: %d %v, want 200 with both secrets and one imported user, and nothing changed", status, seen)
	}
	status, job := f.call("DELETE", path+"?name=Fabrikam", "")
	if status != 202 || job["jobId"] == nil {
		t.Fatalf("DELETE: %d %v, want 202 and a job", status, job)
	}
	if status, again := f.call("DELETE", path+"?name=Fabrikam", ""); status != 202 || again["jobId"] != job["jobId"] {
		t.Errorf("DELETE again: %d %v, want the same job %v", status, again, job["jobId"])
	}
	for what, read := range map[string]func() error{
		"key":    func() error { _, err := f.secrets.JumpCloud(t.Context(), other); return err },
		"tokens": func() error { _, err := f.secrets.WebhookTokens(t.Context(), other); return err },
	} {
		if err := read(); !fault.Is(err, fault.NotFound) {
			t.Errorf("the %s after that: %v, want none", what, err)
		}
	}
	if status, got := f.call("GET", "/v1/jobs/"+job["jobId"].(string), ""); status != 200 || got["kind"] != "deactivation" || got["organizationId"] != other {
		t.Errorf("the job: %d %v, want a deactivation of the organization", status, got)
	}
	if status, got := f.call("GET", path, ""); status != 200 || got["deactivatingJobId"] != job["jobId"] {
		t.Errorf("GET: %d %v, want the job that deactivates it", status, got)
	}
	for name, request := range map[string][3]string{
		"a directory": {"POST", "/v1/directories", `{"name":"Next","organizationId":"` + other + `","tenantId":"` + tenant + `"}`},
		"a key":       {"PATCH", path, `{"apiKey":"` + goodKey + `"}`},
		"the same":    {"POST", "/v1/organizations", `{"id":"` + other + `","apiKey":"` + goodKey + `"}`},
	} {
		if status, got := f.call(request[0], request[1], request[2]); status != 409 {
			t.Errorf("%s: %d %v, want 409", name, status, got)
		}
	}
}
