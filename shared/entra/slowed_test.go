package entra_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
)

// A transport that lets the sign-in through and answers everything else 429: in the parts of
// a $batch, or as a whole.
func slowGraph(inParts bool) transport {
	answer := func(r *http.Request, status int, body string) *http.Response {
		return &http.Response{StatusCode: status, Request: r, Header: http.Header{"Content-Type": {"application/json"}, "Retry-After": {"20"}}, Body: io.NopCloser(strings.NewReader(body))}
	}
	return func(r *http.Request) (*http.Response, error) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			return answer(r, http.StatusOK, `{"token_endpoint":"https://login.example/t/oauth2/v2.0/token","authorization_endpoint":"https://login.example/t/oauth2/v2.0/authorize","issuer":"https://login.example/t/v2.0"}`), nil
		case strings.HasSuffix(r.URL.Path, "/token"):
			return answer(r, http.StatusOK, `{"access_token":"a","expires_in":3600,"token_type":"Bearer"}`), nil
		case inParts:
			return answer(r, http.StatusOK, `{"responses":[{"id":"0","status":429,"headers":{"Retry-After":"20"},"body":{}}]}`), nil
		default:
			return answer(r, http.StatusTooManyRequests, `{}`), nil
		}
	}
}

// That Graph asks to slow down is passed on with the time until when, once a minute.
func TestSlowdownsArePassedOn(t *testing.T) {
	for name, inParts := range map[string]bool{"parts of a batch": true, "the batch": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at, until []time.Time
				client, err := entra.New(entra.Config{GraphURL: "https://graph.example/v1.0", LoginURL: "https://login.example", Tenant: "contoso.example",
					ClientID: "app", Proof: secretProof, Transport: slowGraph(inParts),
					Slowed: func(_ context.Context, end time.Time) { at, until = append(at, time.Now()), append(until, end) }})
				if err != nil {
					t.Fatal(err)
				}
				for range 20 {
					time.Sleep(10 * time.Second)
					client.Read(t.Context(), []directory.EntraID{"5f0c1e2d-0000-4000-8000-000000000001"}, nil)
				}
				if len(until) < 2 || len(until) > 6 || until[0].Sub(at[0]) != 20*time.Second {
					t.Errorf("passed on at %s until %s, want about once a minute and 20 s each", at, until)
				}
				for i := 1; i < len(at); i++ {
					if at[i].Sub(at[i-1]) < time.Minute {
						t.Errorf("passed on at %s and again at %s, want a minute in between", at[i-1], at[i])
					}
				}
			})
		})
	}
}
