package api_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

func TestContentTypes(t *testing.T) {
	handler := serve(t, byToken())
	const create = "POST /v1/directories"
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
		method, target, _ := strings.Cut(tc.operation, " ")
		r := event(method, target)
		r.Headers["content-type"], r.Body = tc.given, "{}"
		response := answered(t, handler, r)
		if response.StatusCode != tc.want {
			t.Errorf("%s, %q: %d %s, want %d", tc.operation, tc.given, response.StatusCode, response.Body, tc.want)
		} else if tc.want != 200 {
			mustSay(t, response, tc.want, "header.Content-Type", tc.says)
		}
	}
	r := event("POST", "/v1/directories/"+id+"/users/"+ann+"/sync")
	r.Headers["content-type"] = ""
	if response := answered(t, handler, r); response.StatusCode != 404 {
		t.Errorf("no body needs no content type: %d, want 404", response.StatusCode)
	}
}

// A body that is not JSON is refused with the place of the error, and no text of it is
// repeated.
func TestWhatIsNotJSONIsFound(t *testing.T) {
	handler := serve(t, byToken())
	send := func(method, target, body string) events.APIGatewayV2HTTPResponse {
		t.Helper()
		r := event(method, target)
		r.Body = body
		return answered(t, handler, r)
	}
	for _, tc := range []struct{ body, says string }{
		{`{"name": "A",}`, "line 1, character 14"},
		{"{\n  \"name\": 'A'\n}", "line 2, character 11"},
		{"{\n\n  \"name\": \"Ä\" \"x\"}", "line 3, character 15"},
		{`{`, "line 1, character 1"},
		{`{"name": "A"} {}`, "line 1, character 15"},
		{"{\"name\": \"\xff\"}", "not UTF-8"},
		{`{"name": 1e999}`, "a number that cannot be read"},
	} {
		mustSay(t, send("PATCH", "/v1/directories/"+id, tc.body), 400, "body", tc.says)
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
		mustSay(t, send("PATCH", "/v1/directories/"+id, tc.body), 422, tc.field, tc.says)
	}
	two := send("POST", "/v1/directories", `{"kind":"small"}`)
	for _, field := range []string{"name", "organizationId"} {
		mustSay(t, two, 422, "body."+field, "the field "+field+" is missing")
	}
	mustSay(t, send("POST", "/v1/directories", `{"name":"A","organizationId":"x","kind":"canary"}`), 422, "body.kind", "kind is something else: it must be one of small, large")
	mustSay(t, send("PATCH", "/v1/directories/"+id, `{"name":null}`), 422, "body.name", "name cannot be removed")
}
