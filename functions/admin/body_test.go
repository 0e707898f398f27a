package admin_test

import (
	"strings"
	"testing"
)

func TestContentTypes(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	const create = "POST /v1/organizations"
	for _, tc := range []struct {
		operation, given string
		want             int
		says             string
	}{
		{"PATCH /v1/directories/" + id, "application/json", 200, ""},
		{"PATCH /v1/directories/" + id, "application/JSON", 200, ""},
		{"PATCH /v1/directories/" + id, "Application/Json ; Charset=UTF-8", 200, ""},
		{"PATCH /v1/directories/" + id, "application/merge-patch+json", 200, ""},
		{"PATCH /v1/organizations/" + organization, "application/Merge-Patch+JSON;charset=utf-8", 200, ""},
		{"PATCH /v1/directories/" + id, "", 415, "the body has no content type: send Content-Type: application/json or application/merge-patch+json"},
		{"PATCH /v1/directories/" + id, "text/plain", 415, `"text/plain" is not taken: send Content-Type: application/json or application/merge-patch+json`},
		{"PATCH /v1/directories/" + id, "application/octet-stream", 415, "send Content-Type: application/json"},
		{create, "application/x-www-form-urlencoded", 415, "send Content-Type: application/json"},
		{create, "application/merge-patch+json", 415, "send Content-Type: application/json"},
		{create, "application/x+json", 415, "send Content-Type: application/json"},
		{create, "application/json, application/json", 415, "send Content-Type: application/json"},
		{create, ";", 415, "send Content-Type: application/json"},
	} {
		method, path, _ := strings.Cut(tc.operation, " ")
		status, problem := f.callWith(map[string]string{"authorization": "Bearer " + token, "content-type": tc.given}, method, path, "{}")
		if status != tc.want {
			t.Errorf("%s, %q: %d %v, want %d", tc.operation, tc.given, status, problem, tc.want)
		} else if tc.want != 200 {
			mustSay(t, status, problem, tc.want, "header.Content-Type", tc.says)
		}
	}
	if status, _ := f.callWith(map[string]string{"authorization": "Bearer " + token, "content-type": ""}, "POST", "/v1/directories/"+id+"/users/"+ann+"/sync", ""); status != 404 {
		t.Errorf("nothing needs no content type: %d", status)
	}
}

// A body that is not JSON is refused with the place of the error, and no text of it is
// repeated.
func TestWhatIsNotJSONIsFound(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	for _, tc := range []struct{ body, says string }{
		{`{"name": "A",}`, "line 1, character 14"},
		{"{\n  \"name\": 'A'\n}", "line 2, character 11"},
		{"{\n\n  \"name\": \"Ä\" \"x\"}", "line 3, character 15"},
		{`{`, "line 1, character 1"},
		{`{"name": "A"} {}`, "line 1, character 15"},
		{"{\"name\": \"\xff\"}", "not UTF-8"},
		{`{"name": 1e999}`, "a number that cannot be read"},
	} {
		status, problem := f.call("PATCH", "/v1/directories/"+id, tc.body)
		mustSay(t, status, problem, 400, "body", tc.says)
	}
	for _, tc := range []struct{ body, field, says string }{
		{`{"naam": "A"}`, "body.naam", "there is no field naam here"},
		{`{"name": 5}`, "body.name", "it is a number and must be a string"},
		{`{"name": ""}`, "body.name", "name is too short: it has at least this many characters: 1"},
		{`{"name": "` + strings.Repeat("x", 201) + `"}`, "body.name", "name is too long: it has at most this many characters: 200"},
		{`[]`, "body", "it is an array and must be an object"},
		{`"x"`, "body", "it is a string and must be an object"},
		{`{"settings": []}`, "body.settings", "it is an array and must be an object"},
	} {
		status, problem := f.call("PATCH", "/v1/directories/"+id, tc.body)
		mustSay(t, status, problem, 422, tc.field, tc.says)
	}
	status, problem := f.call("POST", "/v1/directories", `{"name":"A"}`)
	details, _ := problem["errors"].([]any)
	if status != 422 || len(details) != 2 {
		t.Errorf("%d %v, want 422, 2 details", status, problem)
	}
	mustSay(t, status, problem, 422, "body", "the field organizationId is missing")
}
