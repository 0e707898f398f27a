package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"entrasync/functions/admin"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/portable"
	"entrasync/shared/store"
)

// restored is the answer to a part of an import.
type restored struct {
	Directory   string `json:"directoryId"`
	Status      directory.Status
	Restoration directory.Restoration
	Job         string `json:"jobId"`
	// where is the field that a problem document names first.
	where string
}

// restore sends a part of an export.
func (f *fixture) restore(query, part string) (status int, r restored) {
	f.t.Helper()
	response := f.raw("POST", "/v1/directories/import"+query, part, portable.ContentType)
	if response.StatusCode == 200 {
		f.must(json.Unmarshal([]byte(response.Body), &r))
		return response.StatusCode, r
	}
	var problem struct{ Errors []struct{ Location string } }
	f.must(json.Unmarshal([]byte(response.Body), &problem))
	if len(problem.Errors) == 1 {
		r.where = problem.Errors[0].Location
	}
	return response.StatusCode, r
}

// restoreAll sends all parts of an export, and returns the last answer.
func (f *fixture) restoreAll(id string, parts []string) (last restored) {
	f.t.Helper()
	for i, part := range parts {
		status, r := f.restore("?directory="+id, part)
		if status != 200 {
			f.t.Fatalf("part %d: %d %+v, want 200", i, status, r)
		}
		last = r
	}
	return last
}

// content is everything in the table, by key, except for jobs and the audit log.
func (f *fixture) content() map[store.Key]string {
	f.t.Helper()
	all := map[store.Key]string{}
	for _, item := range functiontest.Content(f.t, f.table) {
		if !strings.HasPrefix(item.PK, "JB#") && !strings.HasSuffix(item.PK, "#A") {
			all[item.Key] = fmt.Sprintf("%s in %s %s", item.Value, item.IndexPK, item.IndexSK)
		}
	}
	return all
}

// forget deletes everything but the organization and the audit log, as if the directory had been
// deactivated.
func (f *fixture) forget() {
	f.t.Helper()
	for _, item := range functiontest.Content(f.t, f.table) {
		if item.SK != "O" && !strings.HasSuffix(item.PK, "#A") {
			f.must(f.table.Delete(context.Background(), item.Key, store.Any))
		}
	}
}

// What an export has is put back, with all claims; a part that comes again changes nothing, and in the
// end a resync is started.
func TestImportOfADirectory(t *testing.T) {
	f := newFixture(t)
	id := f.directory(`{"manageGroups": false, "domains": [{"name": "contoso.example", "default": true}]}`)
	const users = 1200
	f.populate(directory.ID(id), users)
	parts := f.exported(id)
	before := f.content()
	f.forget()
	var last restored
	for i, part := range parts {
		query := "?directory=" + id
		if i == 0 {
			query = ""
		}
		status, r := f.restore(query, part)
		if status != 200 || r.Directory != id || i < len(parts)-1 && (r.Status != directory.Importing || r.Job != "") {
			t.Fatalf("part %d: %d %+v, want 200 and a directory that is put back", i, status, r)
		}
		if status, shown := f.call("GET", "/v1/directories/"+id, ""); status != 200 || shown["status"] != string(r.Status) || shown["restoration"] == nil {
			t.Errorf("after part %d: %d %v, want the status %s and how far it is", i, status, shown, r.Status)
		}
		if i == 0 {
			if status, got := f.call("PUT", "/v1/directories/"+id+"/connections/users/"+ann, ""); status != 404 || !strings.Contains(fmt.Sprint(got), "put back") {
				t.Errorf("a connection meanwhile: %d %v, want 404 that says why", status, got)
			}
		}
		again, r2 := f.restore("?directory="+id, part)
		if again != 200 || r2.Restoration.Lines != r.Restoration.Lines || r2.Status != r.Status {
			t.Errorf("part %d again: %d %+v, want the same as before: %+v", i, again, r2, r)
		}
		last = r
	}
	if last.Status != directory.Active || last.Job == "" || last.Restoration.EndedAt == nil || last.Restoration.Conflicts != 0 {
		t.Errorf("the last part: %+v, want an active directory, a resync and no conflicts", last)
	}
	if status, job := f.call("GET", "/v1/jobs/"+last.Job, ""); status != 200 || job["kind"] != "resync" {
		t.Errorf("the job: %d %v, want a resync", status, job)
	}
	after := f.content()
	for key, was := range before {
		if is := after[key]; is != was && !isOwn(key) && !strings.HasPrefix(key.SK, "check#") {
			t.Errorf("the record %v is\n%s\nwant\n%s", key, is, was)
		}
	}
	for key := range after {
		if _, was := before[key]; !was {
			t.Errorf("there is a record %v, want none", key)
		}
	}
	if next := f.exported(id); strings.Count(strings.Join(next, ""), "\n") != strings.Count(strings.Join(parts, ""), "\n") {
		t.Error("the next export has another number of lines, want the same")
	}
}

// Nobody is deleted within an hour after a directory was put back: by then all who left have their
// dates, and the guard was asked about all of them together.
func TestNobodyIsDeletedRightAfterAnImport(t *testing.T) {
	for days, paused := range map[string]bool{"7": true, "null": false} {
		f := newFixture(t)
		id := f.directory(`{"leavers": {"deleteAccount": ` + days + `}}`)
		parts := f.exported(id)
		f.forget()
		began := time.Now()
		f.restoreAll(id, parts)
		dir, err := f.records.Directory(t.Context(), directory.ID(id))
		f.must(err)
		if got := dir.DeletesFrom.After(began.Add(59 * time.Minute)); got != paused {
			t.Errorf("with deleteAccount %s accounts are deleted from %v on, want a pause of an hour: %t", days, dir.DeletesFrom, paused)
		}
	}
}

// What is no export of a directory that belongs here is refused, and the field is named.
func TestImportsThatAreRefused(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.populate(directory.ID(id), 3)
	export := f.exported(id)[0]
	lines := strings.SplitAfter(strings.TrimSpace(export), "\n")
	if status, r := f.restore("", export); status != 409 || r.where != "body[0].directory.id" {
		t.Errorf("of a directory that is there: %d %+v, want 409 that names its id", status, r)
	}
	f.forget()
	f.outside.tenants = otherTenants()
	if status, r := f.restore("", strings.Replace(export, `"name":"`, `"name":"`+strings.Repeat("ä", 190), 1)); status != 200 {
		t.Errorf("a name of 190 letters of two bytes each: %d %+v, want 200", status, r)
	}
	f.forget()
	other := strings.ReplaceAll(export, organization, "5f0c1e2d3a4b5c6d7e8f9fff")
	for name, tc := range map[string]struct {
		query, part string
		status      int
		location    string
	}{
		"nothing":                         {"", "\n", 422, "body"},
		"no JSON":                         {"", "{", 422, "body[0]"},
		"another type":                    {"", strings.Replace(export, `"type":"user"`, `"type":"computer"`, 1), 422, "body[1].type"},
		"an unknown field":                {"", strings.Replace(export, `"type":"user",`, `"type":"user","colour":1,`, 1), 422, "body[1].colour"},
		"a field of the wrong type":       {"", strings.Replace(export, `"type":"user",`, `"type":"user","username":1,`, 1), 422, "body[1].username"},
		"a later format":                  {"", strings.Replace(export, `"format":1`, `"format":2`, 1), 422, "body[0].directory.format"},
		"another organization":            {"", other, 422, "body[0].directory.organizationId"},
		"another tenant":                  {"", strings.Replace(export, `"tenantObjectId":"`+tenant, `"tenantObjectId":"11111111-0a4b-4c61-9a58-3d2f6b1e8c90`, 1), 422, "body[0].directory.tenantId"},
		"the id of another tenant":        {"", strings.Replace(export, `"tenantId":"`+tenant, `"tenantId":"apart.example`, 1), 422, "body[0].directory.tenantId"},
		"a tenant that is none":           {"", strings.Replace(export, `"tenantId":"`, `"tenantId":"common#`, 1), 422, "body[0].directory.tenantId"},
		"settings that are none":          {"", strings.Replace(export, `"mappedEmail":"company"`, `"mappedEmail":"private"`, 1), 422, "body[0].directory.settings.mappedEmail"},
		"a user of another directory":     {"", strings.Replace(export, `"link":{"directoryId":"`+id, `"link":{"directoryId":"`+id+`0`, 1), 422, "body[1].link.directoryId"},
		"an id that is none":              {"", strings.Replace(export, `"userId":"64a1b2c3d4e5f60718290000"`, `"userId":"x#y"`, 1), 422, "body[1].link.userId"},
		"a missing line":                  {"", lines[0] + lines[2], 422, "body[1].line"},
		"a status that is none":           {"", strings.Replace(export, `"status":"synced"`, `"status":"well"`, 1), 422, "body[2].link.status"},
		"a second part, of which nobody":  {"", lines[1], 422, "query.directory"},
		"a second part of no directory":   {"?directory=" + id, lines[1], 404, "query.directory"},
		"the directory of another part":   {"?directory=" + id + "0", lines[0], 422, "query.directory"},
		"lines behind the end":            {"", export + strings.Replace(lines[1], `"line":2`, fmt.Sprintf(`"line":%d`, len(lines)+1), 1), 422, fmt.Sprintf("body[%d].line", len(lines))},
		"a directory where there is none": {"", strings.Replace(lines[0], `"line":1`, `"line":2`, 1), 422, "body[0].type"},
	} {
		status, r := f.restore(tc.query, tc.part)
		if status != tc.status || r.where != tc.location {
			t.Errorf("%s: %d %+v, want %d that names %s", name, status, r, tc.status, tc.location)
		}
	}
	if response := f.raw("POST", "/v1/directories/import", export, "application/json"); response.StatusCode != 415 {
		t.Errorf("another content type: %d %s, want 415", response.StatusCode, response.Body)
	}
	if response := f.raw("POST", "/v1/directories/import", strings.Repeat(" ", 1<<20+1), portable.ContentType); response.StatusCode != 413 {
		t.Errorf("more than 1 MiB: %d %s, want 413", response.StatusCode, response.Body)
	}
	if status, _ := f.call("GET", "/v1/directories/"+id, ""); status != 404 {
		t.Errorf("the directory: %d, want none", status)
	}
	if status, r := f.restore("", lines[0]); status != 200 || r.Status != directory.Importing {
		t.Fatalf("the first line: %d %+v, want a directory that is put back", status, r)
	}
	if status, r := f.restore("?directory="+id, lines[2]); status != 409 || r.where != "body[0].line" {
		t.Errorf("a part too early: %d %+v, want 409 that names the line", status, r)
	}
	if status, job := f.call("DELETE", "/v1/directories/"+id+"?name=Contoso", ""); status != 202 || job["jobId"] == nil {
		t.Errorf("the deactivation of half a directory: %d %v, want a job", status, job)
	}
	if status, r := f.restore("?directory="+id, strings.Join(lines[1:], "")); status != 409 {
		t.Errorf("the rest, when it is being deactivated: %d %+v, want 409", status, r)
	}
}

// Accounts that somebody else has by now are named, and their users are parked; all others get
// theirs. A directory whose tenant does not let the application in waits for its authorization.
func TestAnImportWithConflicts(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	id := f.directory(`{"allowSharedDomains": true}`)
	f.populate(directory.ID(id), 4)
	parts := f.exported(id)
	f.forget()
	_, err := f.records.Claim(ctx, tenant, account(2), owner(ann), directory.NewID(organization, "other"))
	f.must(err)
	f.outside.refusal = &fault.Error{Op: "test", Kind: fault.Unauthorized, Reason: directory.PendingConsent, Message: "no consent"}
	r := f.restoreAll(id, parts)
	if r.Status != directory.PendingAuthorization || r.Restoration.Conflicts != 1 || len(r.Restoration.FirstConflicts) != 1 {
		t.Fatalf("the import ended as %+v, want a directory that waits for its authorization, and one conflict", r)
	}
	if c := r.Restoration.FirstConflicts[0]; c.User != userID(2) || c.EntraID != account(2) || c.Line != 4 || !strings.Contains(c.Message, ann) {
		t.Errorf("the conflict is %+v, want that of the third user with who has the account", c)
	}
	if status, got := f.call("GET", "/v1/directories/"+id+"/users/"+string(userID(2)), ""); status != 200 || got["status"] != "parked" || got["reason"] != "upn_conflict" || got["entraId"] != string(account(2)) {
		t.Errorf("the user: %d %v, want parked with the account that it had", status, got)
	}
	for i, want := range map[int]directory.UserID{0: userID(0), 1: userID(1), 2: ann, 3: userID(3)} {
		if owner, err := f.records.Owner(ctx, tenant, account(i)); err != nil || owner.User != want {
			t.Errorf("the account %d belongs to %v (%v), want %s", i, owner, err, want)
		}
	}
}

// A process that puts a part back dies before or after any of its calls of the table. The part is
// sent again, and the end is the same.
func TestAnImportKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a process at each of its calls")
	}
	f := newFixture(t)
	id := f.directory(`{"manageGroups": false}`)
	f.populate(directory.ID(id), 60)
	parts := f.exported(id)
	f.forget()
	f.restoreAll(id, parts)
	want := f.comparable()
	moments := 0
	for n, died := 1, "yes"; died != ""; n++ {
		f.forget()
		m := functiontest.NewMortal(n)
		mortal := f.api
		mortal.Store = store.New(m.Table(f.table))
		mortal.Resyncs.Store = mortal.Store
		handler, err := admin.New(mortal)
		f.must(err)
		alive := f.handler
		f.handler = handler
		for _, part := range parts {
			f.restore("?directory="+id, part)
		}
		f.handler = alive
		died = m.Died()
		f.restoreAll(id, parts)
		if got := f.comparable(); !slices.Equal(got, want) {
			t.Fatalf("killed at moment %d, %q, the records are\n%s\nwant\n%s", n, died, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		moments = n
	}
	if moments < 20 {
		t.Errorf("an import had %d moments to die at, want at least 20", moments)
	}
}

// isOwn reports whether a record is that of a directory, or the time at which an account was
// claimed.
func isOwn(key store.Key) bool { return strings.HasPrefix(key.SK, "D#") || key.SK == "owner" }

// comparable are the keys of all records, with what those have that say no time.
func (f *fixture) comparable() []string {
	f.t.Helper()
	var all []string
	for key, value := range f.content() {
		if isOwn(key) || strings.HasPrefix(key.SK, "check#") {
			value = ""
		}
		all = append(all, fmt.Sprint(key, value))
	}
	slices.Sort(all)
	return all
}
