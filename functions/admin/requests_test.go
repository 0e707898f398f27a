package admin_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/api"
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
func answered(t *testing.T, handler api.Handler, r events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
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
