package machine_test

import (
	"net/http"
	"testing"
)

// A path goes to the function as it is, as the gateway hands it on: what is none is
// refused there, and nobody is redirected to what it might mean.
func TestPathsAreNotTidiedUp(t *testing.T) {
	p := start(t)
	for path, want := range map[string]int{
		"//v1/directories": 404, "/v1/../v1/directories": 404, "/%25": 404, "/v1/directories/a%20b": 401, "/v1/directories/": 404,
		"/metrics/": 404, "/v1/directories": 401, "/healthz": 200,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.machine.URL()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		kind := response.Header.Get("Content-Type")
		if refused := response.StatusCode >= 300; response.StatusCode != want || refused && kind != "application/problem+json" {
			t.Errorf("%s: %d %s, want %d", path, response.StatusCode, kind, want)
		}
	}
}
