package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// mebibyte is about the largest size of a body.
const mebibyte = 1 << 20

// refusalBytes is the largest size of a refusal. An answer of Lambda has at most 6 MB.
const refusalBytes = 64 << 10

// repeated returns n pieces with commas between them.
func repeated(n int, piece func(int) string) string {
	pieces := make([]string, n)
	for i := range pieces {
		pieces[i] = piece(i)
	}
	return strings.Join(pieces, ",")
}

// The answer to a request with very many mistakes names the first ones and the number
// of the others.
func TestTooManyMistakesAreCounted(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	for mistakes, more := range map[int]string{50: "", 51: "; errors names the first 50, and there are 1 more", 70_000: "; errors names the first 50, and there are 69950 more"} {
		r := event("PATCH", "/v1/directories/"+id)
		r.Body = `{"settings":{` + repeated(mistakes, func(i int) string { return fmt.Sprintf(`"x%05d":1`, i) }) + `}}`
		response := answered(t, f.handler, r)
		var problem struct {
			Detail string
			Errors []struct{ Location, Message string }
		}
		if err := json.Unmarshal([]byte(response.Body), &problem); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != 422 || len(problem.Errors) != 50 || problem.Detail != "validation failed"+more {
			t.Fatalf("%d mistakes: %d %q, %d errors, %d bytes", mistakes, response.StatusCode, problem.Detail, len(problem.Errors), len(response.Body))
		}
		if more == "" {
			continue
		}
		for i, e := range problem.Errors { // the same request gets the same answer
			if name := fmt.Sprintf("x%05d", i); e.Location != "body.settings."+name || e.Message != "there is no setting "+name {
				t.Errorf("error %d: %+v", i, e)
			}
		}
	}
}

// A refusal repeats only a short part of a long request, and still says what to do.
func TestNoRefusalGrowsWithItsRequest(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	path, users := "/v1/directories/"+id, "/v1/directories/"+id+"/users"
	long := strings.Repeat("x", mebibyte-100)
	control := strings.Repeat("\x01", mebibyte/2) // JSON makes six characters of each
	for _, tc := range []struct {
		name, method, path, query, body string
		status                          int
		says                            string
	}{
		{"many unknown fields", "POST", "/v1/organizations", "", "{" + repeated(60_000, func(i int) string { return fmt.Sprintf(`"f%d":1`, i) }) + "}", 422, "there is no field"},
		{"many unknown rules", "PATCH", path, "", `{"settings":{"attributes":{` + repeated(60_000, func(i int) string { return fmt.Sprintf(`"r%d":1`, i) }) + "}}}", 422, "there is no attribute rule"},
		{"many custom attributes", "PATCH", path, "", `{"settings":{"customAttributes":{` + repeated(60_000, func(i int) string { return fmt.Sprintf(`"c%d":1`, i) }) + "}}}", 422, "must be a string"},
		{"many domains", "PATCH", path, "", `{"settings":{"domains":[` + repeated(200_000, func(int) string { return "1" }) + "]}}", 422, "must be an object"},
		{"many tokens", "PATCH", "/v1/organizations/" + organization, "", `{"webhookTokens":[` + repeated(200_000, func(int) string { return "1" }) + "]}", 422, "must be a string"},
		{"a long setting", "PATCH", path, "", `{"settings":{"` + long + `":1}}`, 422, "there is no setting xxx"},
		{"a long rule", "PATCH", path, "", `{"settings":{"attributes":{"` + long + `":true}}}`, 422, "the rules are"},
		{"a long field", "PATCH", path, "", `{"` + long + `":1}`, 422, "there is no field"},
		{"a long choice", "PATCH", path, "", `{"settings":{"mappedEmail":"` + long + `"}}`, 422, "it must be one of company, alternate"},
		{"a long custom attribute", "PATCH", path, "", `{"settings":{"customAttributes":{"` + long + `":"extensionAttribute99"}}}`, 422, "extensionAttribute15"},
		{"two for one extension", "PATCH", path, "", `{"settings":{"customAttributes":{"a":"extensionAttribute1","` + long + `":"extensionAttribute1"}}}`, 422, "extensionAttribute1 is written from"},
		{"a long removal", "PATCH", path, "", `{"` + long + `":null}`, 422, "there is no field"},
		{"many parameters", "GET", users, strings.ReplaceAll(repeated(9_000, func(i int) string { return fmt.Sprintf("p%d=1", i) }), ",", "&"), "", 422, "there is no parameter"},
		{"a long parameter", "GET", users, long + "=1", "", 422, "this operation has cursor, limit, reason, status"},
		{"a long status", "GET", users, "status=" + long, "", 422, "it must be one of pending, synced, parked, held, released"},
		{"a long reason", "GET", users, "reason=" + long, "", 422, "domain_not_listed"},
		{"a long cursor", "GET", users, "cursor=" + long, "", 422, "cursor"},
		{"a long user", "GET", "/v1/events", "user=" + long, "", 422, "its id is 24 hex digits"},
		{"a long moment", "GET", "/v1/events", "since=" + long, "", 422, "it must be a time such as"},
		{"a long id", "GET", "/v1/directories/" + long, "", "", 404, "its id is that of its organization"},
		{"an id of control characters", "GET", "/v1/directories/" + control, "", "", 404, "its id is that of its organization"},
		{"a long path", "GET", "/" + long, "", "", 404, "/openapi.json lists them all"},
		{"a path of control characters", "GET", "/" + control, "", "", 404, "/openapi.json lists them all"},
		{"a long path that is not tidy", "GET", "//" + long, "", "", 404, "/openapi.json lists them all"},
		{"another method of a long path", "PUT", "/v1/directories/" + long, "", "", 405, "only with GET, HEAD, PATCH"},
		{"a long method", long, "/v1/directories", "", "", 405, "only with GET, HEAD, POST"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := event(tc.method, tc.path)
			r.RawQueryString, r.Body = tc.query, tc.body
			response := answered(t, f.handler, r)
			if len(response.Body) > refusalBytes || response.StatusCode != tc.status || !strings.Contains(response.Body, tc.says) {
				t.Errorf("%d, %d bytes: %.600s, want %d and %q", response.StatusCode, len(response.Body), response.Body, tc.status, tc.says)
			}
		})
	}
	r := event("PATCH", path)
	r.Body, r.Headers["content-type"] = "{}", control
	if response := answered(t, f.handler, r); response.StatusCode != 415 || len(response.Body) > refusalBytes || !strings.Contains(response.Body, "send Content-Type: application/json") {
		t.Errorf("a long content type: %d, %d bytes: %.600s, want StatusCode 415, at most %v Body, the text \"send Content-Type: application/json\"", response.StatusCode, len(response.Body), response.Body, refusalBytes)
	}
}
