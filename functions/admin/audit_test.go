package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"entrasync/functions/admin"
)

// logged handles requests and returns what was logged.
func logged(t *testing.T, handler admin.Handler, requests ...events.APIGatewayV2HTTPRequest) []map[string]any {
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
func changes(t *testing.T, handler admin.Handler, requests ...events.APIGatewayV2HTTPRequest) []map[string]any {
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
	api := f.api
	api.Auth = admin.GatewayAuth
	f.serve(api)
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

// Requests of strangers are logged once for each cause and then counted: with a line
// for each request, anybody could fill the log.
func TestStrangersDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.directory("{}")
		log := &safeBuffer{}
		send := func(requests ...events.APIGatewayV2HTTPRequest) {
			for _, r := range requests {
				if _, err := f.handler.Handle(zerolog.New(log).WithContext(context.Background()), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		noBase64 := event("POST", "/v1/directories")
		noBase64.Body, noBase64.IsBase64Encoded = "!", true
		for i := range 100 {
			send(stranger("DELETE", "/v1/directories/"+id+"/connections/users/"+ann), stranger("GET", "/v1/directories"), stranger("PATCH", fmt.Sprint("/v1/directories/", i)),
				event("PUT", "/v1/directories"), event("OPTIONS", "/v1/events"), stranger("FOO", "/healthz"),
				event("POST", fmt.Sprint("/", i)), stranger("GET", "/%zz"), stranger("GET", "//v1"),
				event("G T", "/v1/directories"), noBase64, event("", "/"))
		}
		send(event("GET", "/healthz"), event("GET", "/openapi.json"), event("GET", "/v1/directories"), event("GET", "/v1/directories/x"))
		line := func(level, cause, method, path string, status, refused float64, message string) map[string]any {
			return map[string]any{"level": level, "cause": cause, "method": method, "path": path, "status": status, "refused": refused, "sourceIp": "203.0.113.7", "message": message}
		}
		const (
			unauthorized = "the API was asked without the right token"
			noOperation  = "the API was asked for a path that it does not have"
			otherMethod  = "the API was asked with a method that the path does not have"
			unreadable   = "the API was sent what is no HTTP request"
		)
		want := []map[string]any{
			line("warn", "unauthorized", "DELETE", "/v1/directories/"+id+"/connections/users/"+ann, 401, 1, unauthorized),
			line("info", "other_method", "PUT", "/v1/directories", 405, 1, otherMethod),
			line("info", "no_operation", "POST", "/0", 404, 1, noOperation),
			line("info", "unreadable", "G T", "/v1/directories", 400, 1, unreadable),
		}
		if diff := cmp.Diff(want, log.lines(t)); diff != "" {
			t.Fatal(diff)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		later := log.lines(t)
		slices.SortFunc(later, func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a["cause"]), fmt.Sprint(b["cause"])) })
		want = []map[string]any{
			line("info", "no_operation", "GET", "//v1", 404, 299, noOperation),
			line("info", "other_method", "FOO", "/healthz", 405, 299, otherMethod),
			line("warn", "unauthorized", "PATCH", "/v1/directories/99", 401, 299, unauthorized),
			line("info", "unreadable", "", "/", 400, 299, unreadable),
		}
		if diff := cmp.Diff(want, later); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if more := log.lines(t); len(more) > 0 {
			t.Errorf("more than there was: %v, want 0 more", more)
		}
		send(stranger("POST", "/v1/"+strings.Repeat("x", 1000)))
		if said := log.lines(t); len(said) != 1 || said[0]["path"] != "/v1/"+strings.Repeat("x", 296)+"…" || said[0]["cause"] != "no_operation" {
			t.Errorf("after an hour of quiet: %v", said)
		}
	})
}
