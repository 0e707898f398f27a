package admin_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"entrasync/functions/admin"
)

// changes hands requests over and gives what was logged of changes.
func changes(t *testing.T, handler admin.Handler, requests ...events.APIGatewayV2HTTPRequest) []map[string]any {
	t.Helper()
	var log bytes.Buffer
	for _, r := range requests {
		if _, err := handler.Handle(zerolog.New(&log).WithContext(t.Context()), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, canary := range []string{"canary", token} {
		if strings.Contains(log.String(), canary) {
			t.Errorf("the log shows a secret: %s", log.String())
		}
	}
	var lines []map[string]any
	for line := range strings.Lines(log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry["message"] == "change requested" {
			lines = append(lines, entry)
		}
	}
	return lines
}

// Every request for a change is logged with who asked, whether it was done or
// refused; who only reads is not.
func TestChangesAreLoggedWithWhoAsked(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	with := func(r events.APIGatewayV2HTTPRequest, body string) events.APIGatewayV2HTTPRequest {
		r.Body = body
		return r
	}
	stranger := event("DELETE", "/v1/directories/"+id+"/connections/users/"+ann)
	stranger.Headers = map[string]string{"authorization": "Bearer canary-of-a-stranger"}
	lines := changes(t, f.handler,
		event("GET", "/v1/directories"), event("HEAD", "/v1/directories"),
		event("PUT", "/v1/directories/"+id+"/connections/users/"+ann),
		event("POST", "/v1/directories/"+id+"/groups/"+engineering+"/sync"),
		with(event("PATCH", "/v1/organizations/"+organization), `{"apiKey":"canary-key"}`),
		with(event("POST", "/v1/organizations"), `{"id":"5f0c1e2d3a4b5c6d7e8f0009","apiKey":"`+goodKey+`"}`),
		stranger,
		event("DELETE", "/v1/directories"),
		event("POST", "/%"+strings.Repeat("x", 1000)),
	)
	line := func(level, operation, method, path string, status float64, who string, more map[string]any) map[string]any {
		want := map[string]any{"level": level, "operation": operation, "method": method, "path": path, "status": status, "who": who, "sourceIp": "203.0.113.7", "message": "change requested"}
		for name, value := range more {
			want[name] = value
		}
		return want
	}
	of := map[string]any{"organization": organization, "directory": id}
	and := func(name, value string) map[string]any {
		return map[string]any{"organization": of["organization"], "directory": of["directory"], name: value}
	}
	want := []map[string]any{
		line("info", "connectUser", "PUT", "/v1/directories/"+id+"/connections/users/"+ann, 202, "admin token", and("user", ann)),
		line("warn", "syncGroup", "POST", "/v1/directories/"+id+"/groups/"+engineering+"/sync", 404, "admin token", and("group", engineering)),
		line("warn", "updateOrganization", "PATCH", "/v1/organizations/"+organization, 422, "admin token", map[string]any{"organization": organization}),
		line("info", "createOrganization", "POST", "/v1/organizations", 201, "admin token", map[string]any{"organization": "5f0c1e2d3a4b5c6d7e8f0009"}),
		line("warn", "disconnectUser", "DELETE", "/v1/directories/"+id+"/connections/users/"+ann, 401, "nobody known", and("user", ann)),
		line("warn", "", "DELETE", "/v1/directories", 405, "nobody known", nil),
		line("warn", "", "POST", "/%25"+strings.Repeat("x", 296)+"…", 404, "nobody known", nil),
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

// A directory that was created is named, and the claims of the token that the
// gateway has checked say who asked.
func TestTheClaimsOfATokenAreLogged(t *testing.T) {
	f := newFixture(t)
	f.handler = admin.NewHandler(admin.API{Auth: admin.GatewayAuth, Store: f.records, Tenants: f.outside, Systems: f.outside})
	for _, tc := range []struct {
		claims map[string]string
		who    string
	}{
		{map[string]string{"sub": "u-1", "email": "ann@contoso.example", "client_id": "cli"}, "ann@contoso.example"},
		{map[string]string{"sub": "u-1", "client_id": "cli"}, "u-1"},
		{map[string]string{"client_id": "cli", "scope": "canary"}, "cli"},
		{map[string]string{"scope": "canary"}, "nobody known"},
	} {
		r := event("POST", "/v1/directories")
		r.Body = `{"name":"` + tc.who + `","organizationId":"` + organization + `","tenantId":"contoso.example","settings":{"allowSharedDomains":true}}`
		r.Headers["authorization"] = "Bearer canary"
		r.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: tc.claims}}
		lines := changes(t, f.handler, r)
		if len(lines) != 1 || lines[0]["who"] != tc.who || lines[0]["status"] != 201.0 || lines[0]["organization"] != organization {
			t.Fatalf("%v: %v", tc.claims, lines)
		}
		for _, claim := range []string{"sub", "email", "client_id"} {
			if got, _ := lines[0][claim].(string); got != tc.claims[claim] {
				t.Errorf("%s: %v, want %v", claim, lines[0][claim], tc.claims[claim])
			}
		}
		if id, _ := lines[0]["directory"].(string); !strings.HasPrefix(id, organization+"-") {
			t.Errorf("the directory is %q", id)
		}
	}
}
