package machine_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Requests for the counters need the API's token, unless they come from this machine
// itself. Those that a proxy on this machine passes on need it too.
func TestWhoSeesTheCounters(t *testing.T) {
	loopback := start(t)
	public := startOn(t, "0.0.0.0:0")
	const host = "entrasync.contoso.example"
	for _, tc := range []struct {
		name    string
		of      *product
		headers map[string]string
		want    int
	}{
		{"this machine", loopback, nil, 200},
		{"this machine by a name", loopback, map[string]string{"Host": "localhost"}, 200},
		{"a proxy that keeps the name", loopback, map[string]string{"Host": host}, 401},
		{"a proxy that says for whom it asks", loopback, map[string]string{"X-Forwarded-For": "192.0.2.1"}, 401},
		{"a proxy with the token", loopback, map[string]string{"Host": host, "X-Forwarded-For": "192.0.2.1", "Authorization": "Bearer " + adminToken}, 200},
		{"anybody, where all may call", public, nil, 401},
		{"a wrong token", public, map[string]string{"Authorization": "Bearer " + adminToken + "x"}, 401},
		{"the token", public, map[string]string{"Authorization": "Bearer " + adminToken}, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, port, err := net.SplitHostPort(tc.of.machine.Config.Addr)
			if err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/metrics", nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range tc.headers {
				r.Header.Set(name, value)
			}
			r.Host = tc.headers["Host"]
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != tc.want || strings.Contains(string(text), "entrasync_queue_messages") != (tc.want == 200) {
				t.Errorf("%d %s, want %d", response.StatusCode, text, tc.want)
			}
		})
	}
}

// The API reads no body of a request without the token; the answer is that of a request
// without a body.
func TestTheAPIReadsNoBodyOfStrangers(t *testing.T) {
	p := start(t)
	large := bytes.Repeat([]byte("x"), 2<<20)
	for _, tc := range []struct {
		name, method, path, authorization string
		body                              []byte
		want                              int
	}{
		{"a stranger", "POST", "/v1/directories", "", large, 401},
		{"a wrong token", "PATCH", "/v1/directories/x", "Bearer wrong", large, 401},
		{"an operation for everybody", "GET", "/healthz", "", large, 200},
		{"the token, and too much", "POST", "/v1/directories", "Bearer " + adminToken, large, 413},
		{"the token", "POST", "/v1/directories", "Bearer " + adminToken, []byte(`{}`), 422},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, answer := p.send(tc.method, p.machine.URL()+tc.path, tc.authorization, tc.body); got != tc.want {
				t.Errorf("%d %s, want %d", got, answer, tc.want)
			}
		})
	}
}

// A path stays unchanged: the ServeMux of net/http would answer these with a redirect.
func TestNoPathIsRedirected(t *testing.T) {
	p := start(t)
	for path, want := range map[string]int{"/webhooks//jumpcloud/x": 404, "/webhooks/jumpcloud/../x": 404, "/webhooks/jumpcloud/%2e%2e/x": 404} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.machine.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque = "//" + p.machine.Config.Addr + path
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, response.StatusCode, want)
		}
	}
}
