package api_test

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
)

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
		if strings.Contains(line, "canary") {
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

// stranger is a request without the right token.
func stranger(method, target string) events.APIGatewayV2HTTPRequest {
	r := event(method, target)
	r.Headers["authorization"] = "Bearer canary-of-a-stranger"
	return r
}

// A request for a change is one line, with its caller and what the path and the operation
// say that it concerns; a read is none.
func TestAChangeIsOneLine(t *testing.T) {
	handler, log := serve(t, byToken()), &safeBuffer{}
	created := event("POST", "/v1/directories")
	created.Body = `{"name":"A","organizationId":"` + organization + `"}`
	for _, r := range []events.APIGatewayV2HTTPRequest{event("GET", "/v1/directories/"+id), created, event("PUT", "/v1/directories/"+id+"/connections/users/"+ann)} {
		if _, err := handler.Handle(zerolog.New(log).WithContext(t.Context()), r); err != nil {
			t.Fatal(err)
		}
	}
	want := []map[string]any{
		{"level": "info", "operation": "create", "method": "POST", "path": "/v1/directories", "status": 201.0, "organization": organization, "directory": organization + "-new"},
		{"level": "warn", "operation": "connect", "method": "PUT", "path": "/v1/directories/" + id + "/connections/users/" + ann, "status": 409.0, "organization": organization, "directory": id, "user": ann},
	}
	for _, line := range want {
		line["who"], line["sourceIp"], line["message"] = "admin token", "203.0.113.7", "change requested"
	}
	if diff := cmp.Diff(want, log.lines(t)); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

// Requests of strangers are logged once for each cause and then counted: with a line
// for each request, anybody could fill the log.
func TestStrangersDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := serve(t, byToken())
		log := &safeBuffer{}
		send := func(requests ...events.APIGatewayV2HTTPRequest) {
			for _, r := range requests {
				if _, err := handler.Handle(zerolog.New(log).WithContext(context.Background()), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		noBase64 := event("POST", "/v1/directories")
		noBase64.Body, noBase64.IsBase64Encoded = "!", true
		for i := range 100 {
			send(stranger("DELETE", "/v1/directories/"+id+"/connections/users/"+ann), stranger("GET", "/v1/directories"), stranger("PATCH", fmt.Sprint("/v1/directories/", i)),
				event("PUT", "/v1/directories"), event("OPTIONS", "/v1/directories/"+id), stranger("FOO", "/healthz"),
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
