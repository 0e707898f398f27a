package admin_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"entrasync/shared/entra/entratest"
)

// repetitions are the forms in which an outside system may repeat a text of the
// request.
var repetitions = map[string]func(string) string{
	"as it is": func(s string) string { return s },
	"URL":      url.QueryEscape,
	"JSON":     func(s string) string { return fmt.Sprintf("%q", s) },
	"base64":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
}

// repeating refuses a request and repeats its headers and its body, in the forms of
// JumpCloud's and of Graph's refusals. It stores the secrets of the request.
func repeating(r *http.Request, status int, repeat func(string) string, secrets *[]string) *http.Response {
	body, _ := io.ReadAll(r.Body)
	said := "no:"
	for name, values := range r.Header {
		said += " " + name + " " + repeat(strings.Join(values, ","))
	}
	said += " body " + repeat(string(body)) + " the end"
	*secrets = append(*secrets, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	answer, _ := json.Marshal(map[string]any{"message": said, "error": map[string]any{"code": "Request_BadRequest", "message": said},
		"details": []any{map[string]any{"fieldViolationsList": []any{map[string]any{"field": "password", "description": said}}}}})
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(answer))), Request: r}
}

// shown returns everything that an administrator can see after a password was set: the
// answer, the log, the user's links and the events.
func (g *gateway) shown(answer map[string]any, id string) string {
	g.t.Helper()
	_, users := g.call("GET", "/v1/directories/"+id+"/users", "")
	_, events := g.call("GET", "/v1/events", "")
	encoded, err := json.Marshal([]any{answer, users, events})
	g.must(err)
	return string(encoded) + g.log.String()
}

// If an outside system refuses a password and repeats the request, nobody sees the API
// key, the access token, the client secret or the password.
func TestWhatIsRepeatedIsShownNobody(t *testing.T) {
	const password = "Secret-Passw0rd/+&?-9"
	for _, side := range []struct {
		name, host, path string
		statuses         []int
	}{
		{"JumpCloud", "jumpcloud.example", "/api/systemusers/", []int{400, 401, 403, 404, 409, 422, 429, 500}},
		{"Graph", "graph.microsoft.com", "/v1.0/users/", []int{400, 403, 404, 409, 422, 429, 501}},
		{"sign-in", "login.microsoftonline.com", "/token", []int{400, 401, 403, 429}},
	} {
		for form, repeat := range repetitions {
			for _, status := range side.statuses {
				t.Run(fmt.Sprintf("%s %d %s", side.name, status, form), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						g := newGateway(t)
						id := g.connected("one", tenant, "ann.lee@contoso.example", nil)
						secrets := []string{password, "jumpcloud-key", entratest.DefaultApp().ClientSecret}
						refused := 0
						g.instead = func(r *http.Request) *http.Response {
							if r.URL.Host != side.host || !strings.Contains(r.URL.Path, side.path) || r.Method == http.MethodGet {
								return nil
							}
							refused++
							return repeating(r, status, repeat, &secrets)
						}
						code, answer := g.set(password)
						if refused == 0 || code < 202 {
							t.Fatalf("%d refusals, answer %d, want refused not 0, code at least 202", refused, code)
						}
						text := g.shown(answer, string(id))
						for _, secret := range secrets {
							for kind, other := range repetitions {
								if shown := strings.Trim(other(secret), `="`); shown != "" && strings.Contains(text, shown) {
									t.Fatalf("a secret shows as %s: %s", kind, text)
								}
							}
						}
					})
				})
			}
		}
	}
}
