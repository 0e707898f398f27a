package readonly_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"entrasync/shared/fault"
	"entrasync/shared/readonly"
)

// sink answers every request and keeps what it was sent.
type sink struct{ bodies []string }

func (s *sink) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	s.bodies = append(s.bodies, string(body))
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, err
}

// What reads is sent as it is, and what writes never is. Without the mark everything is sent.
func TestTransport(t *testing.T) {
	for _, tc := range []struct {
		method, path, body string
		reads              bool
	}{
		{http.MethodGet, "/v1.0/users", "", true},
		{http.MethodHead, "/v1.0/users", "", true},
		{http.MethodPost, "/v1.0/users", "{}", false},
		{http.MethodPatch, "/v1.0/users/1", "{}", false},
		{http.MethodPut, "/api/systemusers/1", "{}", false},
		{http.MethodDelete, "/v1.0/groups/1", "", false},
		{http.MethodPost, "/tenant/oauth2/v2.0/token", "grant_type=x", true},
		{http.MethodPost, "/oauth2/token", "grant_type=x", true},
		{http.MethodPost, "/api/search/systemusers", "{}", true},
		{http.MethodPost, "/api/v2/bulk/users", "[]", false},
		{http.MethodPost, "/v1.0/$batch", `{"requests": [{"id": "1", "method": "GET", "url": "/users"}]}`, true},
		{http.MethodPost, "/v1.0/$batch", `{"requests": [{"id": "1", "method": "GET"}, {"id": "2", "method": "PATCH"}]}`, false},
		{http.MethodPost, "/v1.0/$batch", `{"requests": []}`, false},
		{http.MethodPost, "/v1.0/$batch", `not JSON`, false},
	} {
		for _, marked := range []bool{true, false} {
			ctx := context.Background()
			if marked {
				ctx = readonly.Only(ctx)
			}
			to := &sink{}
			request, err := http.NewRequestWithContext(ctx, tc.method, "https://graph.microsoft.com"+tc.path, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			response, err := readonly.Transport(to).RoundTrip(request)
			if err == nil {
				err = response.Body.Close()
			}
			if want := tc.reads || !marked; (err == nil) != want || want && (len(to.bodies) != 1 || to.bodies[0] != tc.body) || !want && len(to.bodies) > 0 {
				t.Errorf("%s %s %s, marked %t: got %v and sent %q, want it sent: %t", tc.method, tc.path, tc.body, marked, err, to.bodies, want)
			}
			if err != nil && (!fault.Is(err, fault.Internal) || readonly.Refusal(err) == nil) {
				t.Errorf("%s %s: got %v, want kind %s", tc.method, tc.path, err, fault.Internal)
			}
		}
	}
}
