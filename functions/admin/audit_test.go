package admin_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"entrasync/shared/api"
)

// logged handles requests and returns what was logged.
func logged(t *testing.T, handler api.Handler, requests ...events.APIGatewayV2HTTPRequest) []map[string]any {
	t.Helper()
	log := &safeBuffer{}
	for _, r := range requests {
		if _, err := handler.Handle(zerolog.New(log).WithContext(t.Context()), r); err != nil {
			t.Fatal(err)
		}
	}
	return log.lines(t)
}

// safeBuffer is a log that timers write too.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// lines takes the lines out of the log.
func (s *safeBuffer) lines(t *testing.T) []map[string]any {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []map[string]any
	for line := range strings.Lines(s.b.String()) {
		if strings.Contains(line, "canary") || strings.Contains(line, token) {
			t.Errorf("the log shows a secret: %s", line)
		}
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, entry)
	}
	s.b.Reset()
	return lines
}

// changes handles requests and returns what was logged about changes.
func changes(t *testing.T, handler api.Handler, requests ...events.APIGatewayV2HTTPRequest) []map[string]any {
	t.Helper()
	return slices.DeleteFunc(logged(t, handler, requests...), func(line map[string]any) bool { return line["message"] != "change requested" })
}

// stranger is a request without the right token.
func stranger(method, path string) events.APIGatewayV2HTTPRequest {
	r := event(method, path)
	r.Headers["authorization"] = "Bearer canary-of-a-stranger"
	return r
}

// Every request for a change is logged with its caller, whether it was done or refused.
// Reads are not logged, and neither are requests for unknown operations or of
// strangers.
func TestChangesAreLoggedWithTheirCaller(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	with := func(r events.APIGatewayV2HTTPRequest, body string) events.APIGatewayV2HTTPRequest {
		r.Body = body
		return r
	}
	lines := changes(t, f.handler,
		event("GET", "/v1/directories"), event("HEAD", "/v1/directories"),
		event("PUT", "/v1/directories/"+id+"/connections/users/"+ann),
		event("POST", "/v1/directories/"+id+"/groups/"+engineering+"/sync"),
		with(event("PATCH", "/v1/organizations/"+organization), `{"apiKey":"canary-key"}`),
		with(event("POST", "/v1/organizations"), `{"id":"5f0c1e2d3a4b5c6d7e8f0009","apiKey":"`+goodKey+`"}`),
		event("POST", "/v1/directories/"+id+"/users/"+strings.Repeat("x", 1000)+"/sync"),
		stranger("DELETE", "/v1/directories/"+id+"/connections/users/"+ann),
		event("DELETE", "/v1/directories"), event("PUT", "/v1/directories"), event("OPTIONS", "/v1/directories"), event("TRACE", "/v1/directories"), event("FOO", "/v1/directories"),
		event("POST", "/%"+strings.Repeat("x", 1000)), event("P/T", "/v1/directories"),
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
		line("warn", "syncUser", "POST", ("/v1/directories/" + id + "/users/" + strings.Repeat("x", 300))[:300]+"…", 404, "admin token", and("user", strings.Repeat("x", 300)+"…")),
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

// The log names a created directory, and the caller by the claims of the token that the
// gateway has checked.
func TestTheClaimsOfATokenAreLogged(t *testing.T) {
	f := newFixture(t)
	byJWT := f.api
	byJWT.Auth = api.GatewayAuth
	f.serve(byJWT)
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
