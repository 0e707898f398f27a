package host_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"entrasync/shared/fault"
	"entrasync/shared/local/host"
)

// named answers with its name in a header.
type named string

func (n named) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Function", string(n))
}

func TestTheMostSpecificRouteCounts(t *testing.T) {
	handlers := map[string]http.Handler{}
	for _, key := range []string{
		"ANY /webhooks/{proxy+}", "GET /healthz", "HEAD /healthz",
		"ANY /v1/directories/{id}/imports", "GET /v1/directories/{id}/importable-users", "ANY /v1/imports/{proxy+}",
		"GET /v1/imports/{jobId}", "ANY /v1/imports/{jobId}", "GET /v1/imports/new", "GET /{a}/{b}/{c}/{d}", host.Otherwise,
	} {
		handlers[key] = named(key)
	}
	routes, err := host.NewRoutes(handlers)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ method, path, want string }{
		{"POST", "/webhooks/jumpcloud/x", "ANY /webhooks/{proxy+}"},
		{"POST", "/webhooks/", "ANY /webhooks/{proxy+}"},
		{"POST", "/webhooks", host.Otherwise},
		{"POST", "//webhooks/jumpcloud/x", host.Otherwise},
		{"POST", "/webhooks//jumpcloud/x", "ANY /webhooks/{proxy+}"},
		{"POST", "/webhooks/jumpcloud/../x", "ANY /webhooks/{proxy+}"},
		{"POST", "/webhooks%2Fjumpcloud%2Fx", "ANY /webhooks/{proxy+}"}, // API Gateway decodes it before
		{"GET", "/healthz", "GET /healthz"},
		{"HEAD", "/healthz", "HEAD /healthz"},
		{"POST", "/healthz", host.Otherwise},
		{"GET", "/healthz/", host.Otherwise},
		{"POST", "/v1/directories/d/imports", "ANY /v1/directories/{id}/imports"},
		{"GET", "/v1/directories/d/importable-users", "GET /v1/directories/{id}/importable-users"},
		{"PUT", "/v1/directories/d/importable-users", host.Otherwise},
		{"GET", "/v1/directories//imports", host.Otherwise},
		{"GET", "/v1/directories/d/imports/", host.Otherwise},
		{"GET", "/v1/directories/d", host.Otherwise},
		{"GET", "/v1/imports/j", "GET /v1/imports/{jobId}"},
		{"DELETE", "/v1/imports/j", "ANY /v1/imports/{jobId}"},
		{"GET", "/v1/imports/new", "GET /v1/imports/new"},
		{"DELETE", "/v1/imports/new", "ANY /v1/imports/{jobId}"},
		{"GET", "/v1/imports/j/results", "GET /{a}/{b}/{c}/{d}"}, // fits completely
		{"POST", "/v1/imports/j/results", "ANY /v1/imports/{proxy+}"},
		{"GET", "/", host.Otherwise},
		{"GET", "*", host.Otherwise},
	} {
		r := httptest.NewRequestWithContext(t.Context(), tc.method, "/", nil)
		r.URL = &url.URL{Path: tc.path}
		if unescaped, err := url.PathUnescape(tc.path); err == nil {
			r.URL.Path = unescaped
		}
		answer := httptest.NewRecorder()
		routes.ServeHTTP(answer, r)
		if got := answer.Header().Get("Function"); got != tc.want {
			t.Errorf("%s %s goes to %q, want %q", tc.method, tc.path, got, tc.want)
		}
	}
}

func TestRouteKeysThatAreNone(t *testing.T) {
	for _, key := range []string{"", "/healthz", "GET", "GET healthz", " /healthz", "ANY /v1/{proxy+}/x"} {
		if _, err := host.NewRoutes(map[string]http.Handler{host.Otherwise: named("x"), key: named("y")}); !fault.Is(err, fault.Invalid) {
			t.Errorf("the route key %q: %v, want a fault of kind %s", key, err, fault.Invalid)
		}
	}
}

func TestNoRouteFits(t *testing.T) {
	routes, err := host.NewRoutes(map[string]http.Handler{"GET /healthz": named("x")})
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]int{"/healthz": http.StatusOK, "/v1": http.StatusNotFound} {
		answer := httptest.NewRecorder()
		routes.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
		if answer.Code != want {
			t.Errorf("%s: %d, want %d", target, answer.Code, want)
		}
	}
}
