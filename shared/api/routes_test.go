package api_test

import (
	"strings"
	"testing"
)

// Every request gets an answer, also one for no operation: a failed function would
// raise an alarm.
func TestWhatIsNoOperationIsAnswered(t *testing.T) {
	handler := serve(t, byToken())
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
		{"GET", "/schemas/View.json", 404},
		{"GET", "v1/directories", 200}, // the missing slash is added
		{"GET", "/v1/directories/" + id, 200},
		{"GE T", "/v1/directories", 400},
		{"", "/v1/directories", 400},
		{"GET\n", "/v1/directories", 400},
	} {
		if response := answered(t, handler, event(tc.method, tc.path)); response.StatusCode != tc.want {
			t.Errorf("%s %q: %d %s, want %d", tc.method, tc.path, response.StatusCode, response.Body, tc.want)
		}
	}
	r := event("POST", "/v1/directories")
	r.Body, r.IsBase64Encoded = "!", true
	if response := answered(t, handler, r); response.StatusCode != 400 {
		t.Errorf("a body that is not base64: %d", response.StatusCode)
	}
	r = event("GET", "/v1/directories")
	r.RawQueryString = "limit=1\x01#x"
	if response := answered(t, handler, r); response.StatusCode != 422 {
		t.Errorf("a query with a control character: %d %s, want 422", response.StatusCode, response.Body)
	}
}

// A path that exists says which methods it has.
func TestAnotherMethodIsNotAllowed(t *testing.T) {
	handler := serve(t, byToken())
	for _, tc := range []struct{ method, path, allow string }{
		{"PUT", "/v1/directories", "GET, HEAD, POST"},
		{"DELETE", "/v1/directories/" + id, "GET, HEAD, PATCH"},
		{"GET", "/v1/directories/" + id + "/connections/users/" + ann, "PUT, DELETE"},
		{"GET", "/v1/directories/" + id + "/users/" + ann + "/sync", "POST"},
		{"OPTIONS", "/v1/organizations/" + organization, "PATCH"},
		{"TRACE", "/healthz", "GET, HEAD"},
		{"POST", "/openapi.json", "GET, HEAD"},
	} {
		response := answered(t, handler, event(tc.method, tc.path))
		if response.StatusCode != 405 || response.Headers["Allow"] != tc.allow || !strings.Contains(response.Body, tc.allow) {
			t.Errorf("%s %s: %d %q %s, want StatusCode 405, Allow %v, the text %q", tc.method, tc.path, response.StatusCode, response.Headers["Allow"], response.Body, tc.allow, tc.allow)
		}
	}
	if response := answered(t, handler, event("HEAD", "/v1/directories")); response.StatusCode != 200 || response.Body != "" {
		t.Errorf("HEAD: %d %q, want StatusCode 200, Body \"\"", response.StatusCode, response.Body)
	}
}
