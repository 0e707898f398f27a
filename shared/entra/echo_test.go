package entra_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/plan"
)

// repetitions are the forms in which Graph, or a proxy, may repeat what it was sent.
var repetitions = map[string]func(string) string{
	"as it is": func(s string) string { return s },
	"URL":      url.QueryEscape,
	"JSON":     func(s string) string { return fmt.Sprintf("%q", s) },
	"base64":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
}

// Whatever Graph answers to a request, no error shows the access token or the password
// of the request.
func TestRepeatedSecretsAreShownNobody(t *testing.T) {
	const password = `canary-P"ss\ w0rd/+&?-long`
	account := plan.Action{ID: "a", Type: plan.Update, EntraID: "e1", Changes: []directory.Change{{Attribute: "jobTitle", To: directory.Value{"Lead"}}}}
	made := plan.Action{ID: "b", Type: plan.Provision, Changes: []directory.Change{{Attribute: "userPrincipalName", To: directory.Value{"a@corp.example"}},
		{Attribute: "displayName", To: directory.Value{"A"}}, {Attribute: "mailNickname", To: directory.Value{"a"}}, {Attribute: "accountEnabled", To: directory.Value{"true"}}}}
	for form, repeat := range repetitions {
		for _, status := range []int{400, 403, 404, 409, 422, 500, 501} {
			var secrets []string
			s := &stub{t: t}
			refuse := func(r sent, body []byte) map[string]any {
				secrets = append(secrets, strings.TrimPrefix(r.header.Get("Authorization"), "Bearer "))
				var sentBody struct {
					PasswordProfile struct{ Password string }
				}
				_ = json.Unmarshal(body, &sentBody)
				if p := sentBody.PasswordProfile.Password; p != "" {
					secrets = append(secrets, p)
				}
				said := "no: got " + repeat(r.header.Get("Authorization")) + " with the body " + repeat(string(body)) + " and " + repeat(sentBody.PasswordProfile.Password) + " in it"
				return map[string]any{"error": map[string]any{"code": "Request_BadRequest", "message": said,
					"details": []any{map[string]any{"code": "x", "target": repeat(sentBody.PasswordProfile.Password), "message": said}}}}
			}
			s.answer = func(_ int, r sent) (int, http.Header, string) {
				if !strings.HasSuffix(r.url, "$batch") {
					body, _ := json.Marshal(refuse(r, r.body))
					return status, nil, string(body)
				}
				return 200, nil, reply(t, r, func(i item) map[string]any {
					body, _ := json.Marshal(i.Body)
					return map[string]any{"status": status, "body": refuse(r, body)}
				})
			}
			client := s.client()
			var failures []error
			failures = append(failures, client.SetPassword(t.Context(), "e1", password))
			for _, result := range client.Apply(t.Context(), []plan.Action{account, made}) {
				failures = append(failures, result.Err)
			}
			_, err := client.Describe(t.Context())
			failures = append(failures, err, client.FindByUPN(t.Context(), []directory.UPN{"a@corp.example"}, nil)[0].Err, client.FindGroups(t.Context(), []string{"g"})[0].Err)
			_, err = membersOf(t, client, "g")
			failures = append(failures, err)
			if len(secrets) < 8 {
				t.Fatalf("%d secrets, want at least 8", len(secrets))
			}
			for _, err := range failures {
				hasNoSecret(t, fmt.Sprintf("%d, %s", status, form), err, secrets...)
			}
		}
	}
}

// hasNoSecret fails if an error shows a secret in one of the forms.
func hasNoSecret(t *testing.T, what string, err error, secrets ...string) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, text := range []string{e.Error(), fmt.Sprintf("%+v %#v", e, e)} {
			for _, secret := range secrets {
				for form, repeat := range repetitions {
					if strings.Contains(text, strings.Trim(repeat(secret), `="`)) {
						t.Errorf("%s: a secret is shown as %s in %s, want no secret", what, form, text)
						return
					}
				}
			}
		}
	}
}

// transport is a transport as a function.
type transport func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// clientOf is a client with a transport.
func clientOf(t *testing.T, carrier http.RoundTripper) *entra.Client {
	t.Helper()
	c, err := entra.New(entra.Config{GraphURL: "https://graph.example/v1.0", LoginURL: "https://login.example", Tenant: "contoso.example",
		ClientID: "app", Proof: secretProof, Transport: carrier})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The refusal of the sign-in repeats the form with the client secret.
func TestRepeatedClientSecretIsShownNobody(t *testing.T) {
	for form, repeat := range repetitions {
		s := &stub{t: t, refuseSignIn: `{"error":"invalid_client","error_codes":[7000215],"error_description":` + fmt.Sprintf("%q", "AADSTS7000215: no, "+repeat("client_secret="+canary)+" is wrong") + `}`}
		_, err := s.client().Describe(t.Context())
		if err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
			t.Errorf("%s: %v, want an error with AADSTS7000215", form, err)
		}
		hasNoSecret(t, form, err, canary)
	}
	// Nor does a transport that fails with the request in its error.
	s := &stub{t: t}
	failing := transport(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil && strings.HasSuffix(r.URL.Path, "/token") {
			body, _ := io.ReadAll(r.Body)
			return nil, fmt.Errorf("cannot send %s", body)
		}
		return s.RoundTrip(r)
	})
	_, err := clientOf(t, failing).Describe(t.Context())
	hasNoSecret(t, "sign-in that fails", err, canary)
	failing = func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "organization") {
			return nil, fmt.Errorf("cannot send %s to %s", r.Header.Get("Authorization"), r.URL)
		}
		return s.RoundTrip(r)
	}
	_, err = clientOf(t, failing).Describe(t.Context())
	hasNoSecret(t, "request that fails", err, "token-1")
}

// Graph's text is shown on one line and shortened.
func TestWordsOfGraphAreBounded(t *testing.T) {
	long := strings.Repeat("x\n", 1000)
	s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) {
		body, _ := json.Marshal(map[string]any{"error": map[string]any{"code": long, "message": long}})
		return 400, nil, string(body)
	}}
	_, err := s.client().Describe(t.Context())
	if text := err.Error(); len(text) > 1200 || strings.Contains(text, "\n") || !regexp.MustCompile(`x x x`).MatchString(text) {
		t.Errorf("%d bytes: %q, want at most 1200 bytes on one line with Graph's text", len(text), text)
	}
}
