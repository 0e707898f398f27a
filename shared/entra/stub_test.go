package entra_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"entrasync/shared/entra"
)

// canary is a client secret that must never be shown.
const canary = "canary-secret-7f3a"

// sent is one request as it was sent.
type sent struct {
	method, url string
	header      http.Header
	body        []byte
}

// stub is a Graph with the answers of a test; it keeps the requests. It accepts every
// sign-in. The simulator has the rules of the real Graph; the stub is for answers that
// no rule would make.
type stub struct {
	t      *testing.T
	answer func(n int, r sent) (status int, header http.Header, body string)

	refuseSignIn string // the body of a refused sign-in; "" signs in

	mu       sync.Mutex
	requests []sent // to Graph
	tokens   int
	form     string // of the last sign-in
}

// RoundTrip implements http.RoundTripper in the caller's goroutine, so that it
// works inside a synctest bubble.
func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration") {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"issuer":"https://login.example/contoso.example/v2.0","authorization_endpoint":"https://login.example/contoso.example/oauth2/v2.0/authorize","token_endpoint":"https://login.example/contoso.example/oauth2/v2.0/token"}`)
		return finish(w, r), nil
	}
	if strings.HasSuffix(r.URL.Path, "/token") {
		form, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.form = string(form)
		s.mu.Unlock()
		s.mu.Lock()
		s.tokens++
		n := s.tokens
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if s.refuseSignIn != "" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, s.refuseSignIn)
			return finish(w, r), nil
		}
		_, _ = fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3599,"access_token":"token-%d"}`, n)
		return finish(w, r), nil
	}
	got := sent{method: r.Method, url: r.URL.String(), header: r.Header.Clone()}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		got.body = body
	}
	s.mu.Lock()
	s.requests = append(s.requests, got)
	n := len(s.requests)
	s.mu.Unlock()
	status, header, body := s.answer(n, got)
	for name, values := range header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
	return finish(w, r), nil
}

// finish is the recorded answer to a request.
func finish(w *httptest.ResponseRecorder, r *http.Request) *http.Response {
	response := w.Result()
	response.Request = r
	return response
}

// secretProof proves the application with the canary.
func secretProof(context.Context) (entra.Proof, error) { return entra.Proof{ClientSecret: canary}, nil }

// client is a client of the stub.
func (s *stub) client() *entra.Client {
	s.t.Helper()
	c, err := entra.New(entra.Config{
		GraphURL: "https://graph.example/v1.0", LoginURL: "https://login.example", Tenant: "contoso.example",
		ClientID: "app", Proof: secretProof, Transport: s,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// item is one request in a $batch, decoded.
type item struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    map[string]any    `json:"body"`
}

// items decodes the $batch in a request.
func (r sent) items(t *testing.T) []item {
	t.Helper()
	var batch struct {
		Requests []item `json:"requests"`
	}
	if err := json.Unmarshal(r.body, &batch); err != nil {
		t.Fatalf("the body on the wire is not JSON: %v\n%q", err, r.body)
	}
	return batch.Requests
}

// reply makes the answer to a batch: answer returns the answer of each item.
func reply(t *testing.T, r sent, answer func(item) map[string]any) string {
	t.Helper()
	var responses []map[string]any
	for _, i := range r.items(t) {
		a := answer(i)
		if a == nil {
			continue
		}
		a["id"] = i.ID
		responses = append([]map[string]any{a}, responses...) // Graph answers in any order
	}
	encoded, err := json.Marshal(map[string]any{"responses": responses})
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
