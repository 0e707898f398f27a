package admin_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/admin"
)

// event is a request with the token as the HTTP API passes it, with a decoded path.
func event(method, path string) events.APIGatewayV2HTTPRequest {
	r := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: path,
		Headers: map[string]string{"authorization": "Bearer " + token, "host": "api.example", "content-type": "application/json"}}
	r.RequestContext.DomainName = "api.example"
	r.RequestContext.HTTP.Method, r.RequestContext.HTTP.Path, r.RequestContext.HTTP.SourceIP = method, path, "203.0.113.7"
	return r
}

// answered handles a request and fails unless the answer is JSON and, for a refusal, a
// problem document with the status.
func answered(t *testing.T, handler admin.Handler, r events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	what := fmt.Sprintf("%q %q?%q", r.RequestContext.HTTP.Method, r.RawPath, r.RawQueryString)
	response, err := handler.Handle(t.Context(), r)
	if err != nil {
		t.Fatalf("%s: the function failed: %v", what, err)
	}
	if r.RequestContext.HTTP.Method == http.MethodHead {
		return response
	}
	var problem struct{ Status any }
	if !strings.Contains(r.RawPath, ".yaml") && json.Unmarshal([]byte(response.Body), &problem) != nil {
		t.Errorf("%s: %d %s", what, response.StatusCode, response.Body)
	}
	if refused := response.StatusCode >= 300; refused && (response.Headers["Content-Type"] != "application/problem+json" || problem.Status != float64(response.StatusCode)) {
		t.Errorf("%s: %d %s %s", what, response.StatusCode, response.Headers["Content-Type"], response.Body)
	}
	if response.StatusCode == http.StatusInternalServerError {
		t.Errorf("%s: %s, want StatusCode not %v", what, response.Body, http.StatusInternalServerError)
	}
	return response
}

// Every request gets an answer, also one for no operation: a failed function would
// raise an alarm.
func TestWhatIsNoOperationIsAnswered(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/%", 404},
		{"GET", "/%zz", 404},
		{"GET", "/v1/directories/%", 404},
		{"GET", "/v1/directories/" + id + "%", 404},
		{"GET", "/v1/directories/a b", 404},
		{"GET", "/v1/directories/a\x01\x7f\n", 404},
		{"GET", "/v1/directories/\xff\xfe", 404},
		{"GET", "/v1/directories/ü", 404},
		{"GET", "/v1/directories?limit=1", 404}, // the question mark is part of the path
		{"GET", "/v1/directories/" + id + "?x", 404},
		{"GET", "/v1/directories#top", 404},
		{"GET", "//v1/directories", 404},
		{"GET", "/v1//directories", 404},
		{"GET", "/v1/directories/", 404},
		{"GET", "/v1/directories/" + id + "/", 404},
		{"GET", "/v1/./directories", 404},
		{"GET", "/v1/directories/../organizations", 404},
		{"GET", "/v1/directories/..", 404},
		{"GET", "/..", 404},
		{"GET", "", 404},
		{"GET", "/", 404},
		{"GET", "*", 404},
		{"POST", "//v1/directories", 404},
		{"GET", "/" + strings.Repeat("a/", 5000), 404},
		{"GET", "/schemas/Directory.json", 404},
		{"GET", "v1/directories", 200}, // the missing slash is added
		{"GET", "/v1/directories/" + id, 200},
		{"GE T", "/v1/directories", 400},
		{"", "/v1/directories", 400},
		{"GET\n", "/v1/directories", 400},
	} {
		if response := answered(t, f.handler, event(tc.method, tc.path)); response.StatusCode != tc.want {
			t.Errorf("%s %q: %d %s, want %d", tc.method, tc.path, response.StatusCode, response.Body, tc.want)
		}
	}
	r := event("POST", "/v1/directories")
	r.Body, r.IsBase64Encoded = "!", true
	if response := answered(t, f.handler, r); response.StatusCode != 400 {
		t.Errorf("a body that is not base64: %d", response.StatusCode)
	}
	r = event("GET", "/v1/directories")
	r.RawQueryString = "limit=1\x01#x"
	if response := answered(t, f.handler, r); response.StatusCode != 422 {
		t.Errorf("a query with a control character: %d %s, want 422", response.StatusCode, response.Body)
	}
}

// A path that exists says which methods it has.
func TestAnotherMethodIsNotAllowed(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	for _, tc := range []struct{ method, path, allow string }{
		{"PUT", "/v1/directories", "GET, HEAD, POST"},
		{"DELETE", "/v1/directories/" + id, "GET, HEAD, PATCH"},
		{"GET", "/v1/directories/" + id + "/connections/users/" + ann, "PUT, DELETE"},
		{"GET", "/v1/directories/" + id + "/users/" + ann + "/sync", "POST"},
		{"PATCH", "/v1/organizations/" + organization + "/users/" + ann + "/password", "PUT"},
		{"OPTIONS", "/v1/events", "GET, HEAD"},
		{"TRACE", "/healthz", "GET, HEAD"},
		{"POST", "/openapi.json", "GET, HEAD"},
	} {
		response := answered(t, f.handler, event(tc.method, tc.path))
		if response.StatusCode != 405 || response.Headers["Allow"] != tc.allow || !strings.Contains(response.Body, tc.allow) {
			t.Errorf("%s %s: %d %q %s, want StatusCode 405, Allow %v, the text %q", tc.method, tc.path, response.StatusCode, response.Headers["Allow"], response.Body, tc.allow, tc.allow)
		}
	}
	if response := answered(t, f.handler, event("HEAD", "/v1/directories")); response.StatusCode != 200 || response.Body != "" {
		t.Errorf("HEAD: %d %q, want StatusCode 200, Body \"\"", response.StatusCode, response.Body)
	}
}

// FuzzRequests sends random requests.
func FuzzRequests(f *testing.F) {
	for _, seed := range [][5]string{
		{"GET", "/%", "", "", ""},
		{"GET", "/v1/directories/a\x01b", "limit=%zz", "text/plain", ""},
		{"POST", "/v1/directories", "a;b", "application/json", `{"name":"A","organizationId":"` + organization + `","tenantId":"contoso.example","settings":{"domains":[{"name":"x"}]}}`},
		{"PATCH", "/v1/organizations/" + organization, "=&=", "application/merge-patch+json; charset=utf-8", `{"name":null}`},
		{"PUT", "/v1/organizations/" + organization + "/users/" + ann + "/password", "", "application/json", `{"password":"\ud800"}`},
		{"GET", "/v1/events", "since=2026-02-30&until=0000-01-01&type=", "", ""},
		{"GET", "/v1/directories/" + organization + "-abc/users", "status=parked&status=synced", ";", "\xff"},
		{"TRACE", "//v1/../healthz", "?#", "a/b", "{"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], []byte(seed[4]))
	}
	handler := newFixture(f).handler
	f.Fuzz(func(t *testing.T, method, path, query, contentType string, body []byte) {
		r := event(method, path)
		r.RawQueryString, r.Headers["content-type"] = query, contentType
		r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
		answered(t, handler, r)
	})
}
