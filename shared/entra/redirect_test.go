package entra_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// elsewhere is a server that must get no requests; it counts them.
func elsewhere(t *testing.T) (address string, called *atomic.Int64) {
	t.Helper()
	called = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		called.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"token_type":"Bearer","expires_in":3599,"access_token":"stolen","value":[{"id":"t"}],"responses":[]}`)
	}))
	t.Cleanup(s.Close)
	return s.URL, called
}

// redirecting is a server that redirects every request to another one.
func redirecting(t *testing.T, status int, to string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to+r.URL.Path, status) }))
	t.Cleanup(s.Close)
	return s.URL
}

// redirects are the statuses of redirects; with the last two a client sends the body
// again, too.
var redirects = []int{301, 302, 303, 307, 308}

// The application's proof is sent to the configured sign-in service and to no server
// that it names.
func TestTheSignInFollowsNoRedirect(t *testing.T) {
	pemText := certificate(t)
	for name, proof := range map[string]entra.Proof{
		"secret": {ClientSecret: canary}, "certificate": {Certificate: pemText},
		"federated": {Assertion: func(context.Context) (string, error) { return "token-of-aws", nil }},
	} {
		for _, status := range redirects {
			thief, called := elsewhere(t)
			client, err := entra.New(entra.Config{GraphURL: thief + "/v1.0", LoginURL: redirecting(t, status, thief), Tenant: "contoso.example", ClientID: "app",
				Proof: func(context.Context) (entra.Proof, error) { return proof, nil }})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Describe(t.Context())
			f := fault.Of(err)
			if f == nil || f.Kind != fault.Unauthorized || !strings.Contains(f.Message, "redirect to another host ("+strings.TrimPrefix(thief, "http://")+")") || !strings.Contains(f.Message, "ENTRA_LOGIN_URL") {
				t.Errorf("%s, %d: %v, want Unauthorized with the other host and ENTRA_LOGIN_URL in the message", name, status, err)
			}
			if strings.Contains(fmt.Sprint(err), canary) {
				t.Errorf("%s, %d: the error shows the secret", name, status)
			}
			if n := called.Load(); n != 0 {
				t.Errorf("%s, %d: the other host got %d requests, want none", name, status, n)
			}
		}
	}
}

// Our token is sent to Graph and to no server that it names.
func TestGraphFollowsNoRedirect(t *testing.T) {
	for _, status := range redirects {
		thief, called := elsewhere(t)
		login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(w, `{"token_type":"Bearer","expires_in":3599,"access_token":"ours"}`)
		}))
		t.Cleanup(login.Close)
		client, err := entra.New(entra.Config{GraphURL: redirecting(t, status, thief) + "/v1.0", LoginURL: login.URL, Tenant: "contoso.example", ClientID: "app", Proof: secretProof})
		if err != nil {
			t.Fatal(err)
		}
		_, described := client.Describe(t.Context())
		for what, err := range map[string]error{
			"on its own": described, "in a batch": client.Apply(t.Context(), []plan.Action{update("e1", "city", "A")})[0].Err,
			"a password": client.SetPassword(t.Context(), directory.EntraID("e1"), "Correct-Horse-7"),
		} {
			if !fault.Is(err, fault.Transient) || !strings.Contains(err.Error(), fmt.Sprint(status)) && what != "a password" {
				t.Errorf("%d, %s: %v, want a transient fault with the status", status, what, err)
			}
		}
		if n := called.Load(); n != 0 {
			t.Errorf("%d: the other host got %d requests, want none", status, n)
		}
	}
}
