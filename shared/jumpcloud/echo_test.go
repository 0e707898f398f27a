package jumpcloud_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// repetitions are the forms in which JumpCloud, or a proxy, may repeat what it was
// sent.
var repetitions = map[string]func(string) string{
	"as it is": func(s string) string { return s },
	"URL":      url.QueryEscape,
	"JSON":     func(s string) string { return fmt.Sprintf("%q", s) },
	"base64":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"cut":      func(s string) string { return s[:len(s)*2/3] },
}

// echoing refuses every request and repeats its headers and its body. For tests of
// webhooks the answer repeats everything, too.
func echoing(status int, repeat func(string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said := "no:"
		for name, values := range r.Header {
			said += " " + name + " " + repeat(strings.Join(values, ","))
		}
		said += " body " + repeat(string(body))
		var sent struct{ Password string }
		_ = json.Unmarshal(body, &sent)
		said += " password " + repeat(sent.Password)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"message": said, "error": said, "statusCode": 401, "responseMessage": said,
			"details": []any{map[string]any{"fieldViolationsList": []any{map[string]any{"field": said, "description": repeat(sent.Password)}}}}})
	})
}

// Whatever JumpCloud answers to a request, no error shows the key, the token or the
// password of the request, in any form.
func TestRepeatedSecretsAreShownNobody(t *testing.T) {
	const password = `canary-P"ss\ w0rd/+&?`
	secrets := []string{apiKey, webhookToken, password}
	calls := map[string]func(*jumpcloud.Client) (any, error){
		"user": func(c *jumpcloud.Client) (any, error) { return c.User(t.Context(), userID) },
		"users": func(c *jumpcloud.Client) (any, error) {
			if found, err := c.ListUsers(t.Context(), []directory.UserID{userID, m365ID}); err != nil {
				return found, err
			}
			return c.User(t.Context(), m365ID) // who is not listed is asked for
		},
		"group":        func(c *jumpcloud.Client) (any, error) { return c.Group(t.Context(), groupID) },
		"organization": func(c *jumpcloud.Client) (any, error) { return c.Organization(t.Context()) },
		"members": func(c *jumpcloud.Client) (any, error) {
			users, _, err := c.GroupMembers(t.Context(), groupID)
			return users, err
		},
		"password": func(c *jumpcloud.Client) (any, error) { return nil, c.SetPassword(t.Context(), userID, password) },
		"webhook":  func(c *jumpcloud.Client) (any, error) { return c.SetUpWebhook(t.Context(), setup) },
		"health":   func(c *jumpcloud.Client) (any, error) { return c.WebhookHealth(t.Context(), "x") },
		"feed": func(c *jumpcloud.Client) (any, error) {
			return c.EventPage(t.Context(), jumpcloud.EventQuery{From: time.Now()}, "")
		},
	}
	for form, repeat := range repetitions {
		for _, status := range []int{302, 400, 401, 402, 403, 404, 409, 422} {
			for name, call := range calls {
				got, err := call(clientOf(echoing(status, repeat)))
				if err == nil {
					t.Fatalf("%s, %d: no error, want one", name, status)
				}
				var shown []string
				for e := err; e != nil; e = errors.Unwrap(e) {
					shown = append(shown, e.Error(), fmt.Sprintf("%+v %#v", e, e))
				}
				encoded, _ := json.Marshal(got)
				for _, text := range append(shown, string(encoded)) {
					hasNoSecret(t, fmt.Sprintf("%s, %d, %s", name, status, form), text, secrets...)
				}
			}
		}
	}
}

// hasNoSecret fails if a text has a secret in one of the forms, or a large part of one.
func hasNoSecret(t *testing.T, what, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(fmt.Sprintf("%q", secret), `"`),
			strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "=")[:12], secret[:8]} {
			if strings.Contains(text, form) {
				t.Errorf("%s: the secret %q is in %s", what, form, text)
				return
			}
		}
	}
}

// JumpCloud's texts about a rule or a test are shown too.
func TestRepeatedTokenIsNotShown(t *testing.T) {
	for form, repeat := range repetitions {
		sim, _ := simulator(t)
		client := clientOf(tampered(sim, func(r *http.Request, sent, answered jumpcloudtest.Fields) {
			said := "so: " + repeat(apiKey) + " and " + repeat(webhookToken)
			if rule, ok := answered["rule"].(map[string]any); ok && r.Method == http.MethodPost {
				answered["warning"] = said
				rule["x"] = said
			}
			if strings.HasSuffix(r.URL.Path, "/test") {
				answered["responseMessage"] = "so: Bearer " + webhookToken + " " + repeat(apiKey)
			}
		}))
		state := setUp(t, client, setup)
		test, err := client.TestWebhook(t.Context(), state.Channel.ID)
		must(t, err)
		encoded, err := json.Marshal([]any{state, test})
		must(t, err)
		hasNoSecret(t, form, string(encoded), apiKey, webhookToken)
		if state.Warning == "" || test.Message == "" {
			t.Errorf("%s: no warning or no message: %s, want both", form, encoded)
		}
	}
}
