package jumpcloud_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

func TestMissingScopeIsNamed(t *testing.T) {
	const channels, rules = "notifications.channels", "healthmonitoring.rules"
	for name, test := range map[string]struct {
		method, path string
		scope        string
		call         func(*jumpcloud.Client, jumpcloud.WebhookState) error
	}{
		"listing channels": {"GET", channelsPath, channels, nil},
		"making a channel": {"POST", channelsPath, channels, nil},
		"listing rules":    {"GET", rulesPath, rules, nil},
		"making a rule":    {"POST", rulesPath, rules, nil},
		"changing a channel": {"PATCH", channelsPath, channels, func(c *jumpcloud.Client, _ jumpcloud.WebhookState) error {
			_, err := c.SetUpWebhook(t.Context(), jumpcloud.WebhookSetup{URL: webhookURL, Token: webhookToken, RotateToken: true})
			return err
		}},
		"the test": {"POST", "/webhook/test", channels, func(c *jumpcloud.Client, state jumpcloud.WebhookState) error {
			_, err := c.TestWebhook(t.Context(), state.Channel.ID)
			return err
		}},
		"the health": {"GET", "/webhook/channels", channels, func(c *jumpcloud.Client, state jumpcloud.WebhookState) error {
			_, err := c.WebhookHealth(t.Context(), state.Channel.ID)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			sim, client := simulator(t)
			call := func(c *jumpcloud.Client, _ jumpcloud.WebhookState) error {
				_, err := c.SetUpWebhook(t.Context(), setup)
				return err
			}
			var state jumpcloud.WebhookState
			if test.call != nil {
				call, state = test.call, setUp(t, client, setup)
			}
			sim.FailNext(jumpcloudtest.Fault{Method: test.method, PathContains: test.path, Status: http.StatusForbidden, Times: 9})
			if err := call(client, state); !fault.Is(err, fault.Forbidden) || !strings.Contains(fault.Of(err).Message, "scope "+test.scope) {
				t.Errorf("%v, want %s", err, test.scope)
			}
		})
	}
}

func TestOtherRefusalsNameNoScope(t *testing.T) {
	for status, kind := range map[int]fault.Kind{401: fault.Unauthorized, 402: fault.Forbidden, 404: fault.NotFound, 400: fault.Invalid} {
		sim, client := simulator(t)
		sim.FailNext(jumpcloudtest.Fault{PathContains: channelsPath, Status: status, Times: 9})
		if _, err := client.SetUpWebhook(t.Context(), setup); !fault.Is(err, kind) || strings.Contains(err.Error(), "scope") {
			t.Errorf("%d: %v, want the kind of the row without a scope", status, err)
		}
	}
}

func TestRoutesThatRefuseTheOrganizationHeader(t *testing.T) {
	sim, client := simulator(t)
	sim.Set(func(b *jumpcloudtest.Behaviour) { b.RefuseUnsupportedOrgID = true })
	setUp(t, client, setup)
	state := setUp(t, client, setup)
	if !state.Delivers() || state.Channel.Created {
		t.Errorf("state %+v, want it to deliver with the existing channel", state)
	}
	if _, err := client.WebhookHealth(t.Context(), state.Channel.ID); err != nil {
		t.Error(err)
	}
	if _, err := client.TestWebhook(t.Context(), state.Channel.ID); err != nil {
		t.Error(err)
	}
}

// A key for several organizations must not change another one than ours.
func TestOrganizationHeaderIsKeptForAKeyOfSeveral(t *testing.T) {
	for name, organizations := range map[string]string{
		"several":   `{"results":[{"_id":"5f0c1e2d3a4b5c6d7e8f9012"},{"_id":"5f0c1e2d3a4b5c6d7e8f9013"}]}`,
		"another":   `{"results":[{"_id":"5f0c1e2d3a4b5c6d7e8f9013"}]}`,
		"not known": `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/api/organizations":
					fmt.Fprint(w, organizations)
				case r.Header.Get("x-org-id") == "":
					t.Errorf("%s %s without x-org-id, want it", r.Method, r.URL)
				default:
					w.WriteHeader(http.StatusForbidden)
				}
			}))
			if _, err := client.SetUpWebhook(t.Context(), setup); !fault.Is(err, fault.Forbidden) {
				t.Error(err)
			}
		})
	}
}

// A creation is never sent twice; the next call corrects the effects of a lost answer.
func TestLostAnswer(t *testing.T) {
	for _, path := range []string{channelsPath, rulesPath} {
		for name, mishap := range map[string]jumpcloudtest.Fault{
			"gateway": {Status: http.StatusBadGateway}, "connection": {Drop: true}, "throttled": {Status: http.StatusTooManyRequests, RetryAfter: "3"},
		} {
			t.Run(path+" "+name, func(t *testing.T) {
				sim, client := simulator(t)
				mishap.Method, mishap.PathContains, mishap.AfterChange, mishap.Times = http.MethodPost, path, true, 1
				sim.FailNext(mishap)
				state, err := client.SetUpWebhook(t.Context(), setup)
				if problem := fault.Of(err); problem == nil || problem.Kind.Decide() != fault.Retry || state.TokenWritten != (path == rulesPath) {
					t.Fatalf("%+v, %v, want a fault to retry, and the token written only before the rules", state, err)
				}
				again := setup
				again.RotateToken = true
				if state = setUp(t, client, again); !state.Delivers() || state.Channel.Created || !state.TokenWritten {
					t.Errorf("state %+v, want it to deliver with the existing channel and the token written", state)
				}
				for list, path := range map[string]string{"channels": channelsPath, "rules": rulesPath} {
					if found := request(t, sim, "GET", path, nil)[list].([]any); len(found) != 1 {
						t.Errorf("%d %s, want one", len(found), list)
					}
				}
			})
		}
	}
}

func TestReadsAndReplacementsAreSentAgain(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPatch} {
		synctest.Test(t, func(t *testing.T) {
			sim, client := simulator(t)
			setUp(t, client, setup)
			sim.FailNext(jumpcloudtest.Fault{Method: method, PathContains: channelsPath, Status: http.StatusServiceUnavailable, Times: 2})
			again := setup
			again.RotateToken = true
			if state := setUp(t, client, again); !state.TokenWritten || sim.Counters().FaultsInjected != 2 {
				t.Errorf("%s: %+v, want the token written after two faults", method, state)
			}
			sim.Close()
		})
	}
}

func TestWrongAnswerIsNoSetUp(t *testing.T) {
	answers := func(method, path, body string) http.Handler {
		sim, _ := simulator(t)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == method && strings.HasSuffix(r.URL.Path, path) {
				fmt.Fprint(w, body)
				return
			}
			sim.ServeHTTP(w, r)
		})
	}
	for name, handler := range map[string]http.Handler{
		"a page":                         answers("GET", "/channels", "<html>"),
		"null":                           answers("GET", "/channels", "null"),
		"an array":                       answers("GET", "/channels", "[]"),
		"no list but a count":            answers("GET", "/channels", `{"count":"3"}`),
		"not a list":                     answers("GET", "/rules", `{"rules":"none"}`),
		"nothing after creation":         answers("POST", "/channels", `{}`),
		"a channel without id":           answers("POST", "/channels", `{"channel":{"name":"entrasync"}}`),
		"a rule that is not one":         answers("POST", "/rules", `{"rule":[]}`),
		"not JSON after making the rule": answers("POST", "/rules", `done`),
	} {
		t.Run(name, func(t *testing.T) {
			if state, err := clientOf(handler).SetUpWebhook(t.Context(), setup); !fault.Is(err, fault.Transient) {
				t.Errorf("%+v, %v; want a transient fault", state, err)
			}
		})
	}
}

func TestAnotherChannelIsNotTheOneReplaced(t *testing.T) {
	sim, client := simulator(t)
	setUp(t, client, setup)
	client = clientOf(tampered(sim, func(r *http.Request, _, answered jumpcloudtest.Fields) {
		if r.Method == http.MethodPatch {
			answered["channel"].(map[string]any)["objectId"] = "64a1b2c3d4e5f60718293a4b"
		}
	}))
	again := setup
	again.RotateToken = true
	if state, err := client.SetUpWebhook(t.Context(), again); !fault.Is(err, fault.Transient) || state.TokenWritten {
		t.Errorf("%+v, %v, want a transient fault and no token written", state, err)
	}
}

// A service that ignores skip returns the same page forever. One that also ignores
// limit returns everything at once.
func TestPagingEnds(t *testing.T) {
	requests, count := 0, 1000
	var rows []string
	for i := range 100 {
		rows = append(rows, fmt.Sprintf(`{"objectId":"%024x","name":"n%d"}`, i, i))
	}
	client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		fmt.Fprintf(w, `{"channels":[%s],"count":"%d"}`, strings.Join(rows, ","), count)
	}))
	if _, err := client.WebhookHealth(t.Context(), "none"); !fault.Is(err, fault.Transient) || requests != 2 {
		t.Errorf("%v after %d requests, want a transient fault after 2", err, requests)
	}
	rows = append(rows, `{"objectId":"last","name":"last","totalRequests":"7"}`)
	requests, count = 0, len(rows)
	if health, err := client.WebhookHealth(t.Context(), "last"); err != nil || health.TotalRequests != 7 || requests != 1 {
		t.Errorf("%+v, %v after %d requests, want the 7 requests of the last channel in one", health, err, requests)
	}
}

func TestEventsThatJumpCloudLeavesOutAreReported(t *testing.T) {
	sim, _ := simulator(t)
	client := clientOf(tampered(sim, func(r *http.Request, _, answered jumpcloudtest.Fields) {
		rule, ok := answered["rule"].(map[string]any)
		if !ok {
			return
		}
		filter := rule["eventFilters"].([]any)[0].(map[string]any)
		filter["eventTypes"] = slices.DeleteFunc(filter["eventTypes"].([]any), func(each any) bool { return each == "user_lockout" })
		answered["warning"] = "not every type can be chosen, says " + webhookToken
	}))
	state := setUp(t, client, setup)
	if !slices.Equal(state.MissingEvents, []string{"user_lockout"}) || state.Warning != "not every type can be chosen, says [redacted]" {
		t.Errorf("state %+v, want user_lockout missing and the warning without the secret", state)
	}
}

func TestWebhookSetupIsChecked(t *testing.T) {
	for name, test := range map[string]struct {
		url, token, name string
		subject          string // of the refusal; "" if it is accepted
	}{
		"https":               {url: "https://hook.example/x?y=1", token: webhookToken},
		"loopback":            {url: "http://127.1.2.3:8080/x", token: webhookToken},
		"loopback of IPv6":    {url: "http://[::1]/x", token: webhookToken},
		"loopback by name":    {url: "http://LocalHost/x", token: webhookToken},
		"every token sign":    {url: webhookURL, token: "AZaz09-._~+/0000=="},
		"longest name":        {url: webhookURL, token: webhookToken, name: " " + strings.Repeat("ö", 100) + " "},
		"name too long":       {url: webhookURL, token: webhookToken, name: strings.Repeat("ö", 101), subject: "name"},
		"http elsewhere":      {url: "http://hook.example/x", token: webhookToken, subject: "url"},
		"looks like loopback": {url: "http://127.0.0.1.example/x", token: webhookToken, subject: "url"},
		"no host":             {url: "https:///x", token: webhookToken, subject: "url"},
		"no scheme":           {url: "hook.example/x", token: webhookToken, subject: "url"},
		"another scheme":      {url: "ftp://127.0.0.1/x", token: webhookToken, subject: "url"},
		"with a user":         {url: "https://a:" + webhookToken + "@hook.example/x", token: webhookToken, subject: "url"},
		"with a fragment":     {url: "https://hook.example/#x", token: webhookToken, subject: "url"},
		"not a URL":           {url: "https://hook.example/%zz" + webhookToken, token: webhookToken, subject: "url"},
		"empty URL":           {token: webhookToken, subject: "url"},
		"no token":            {url: webhookURL, subject: "token"},
		"short token":         {url: webhookURL, token: webhookToken[:15], subject: "token"},
		"long token":          {url: webhookURL, token: strings.Repeat("x", 1025), subject: "token"},
		"a line in the token": {url: webhookURL, token: webhookToken + "\r\nX-Evil: 1", subject: "token"},
		"only padding":        {url: webhookURL, token: strings.Repeat("=", 20), subject: "token"},
	} {
		t.Run(name, func(t *testing.T) {
			sim, client := simulator(t)
			_, err := client.SetUpWebhook(t.Context(), jumpcloud.WebhookSetup{URL: test.url, Token: test.token, Name: test.name})
			if test.subject == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !fault.Is(err, fault.Invalid) || fault.Of(err).Subject != test.subject || strings.Contains(err.Error(), webhookToken[:15]) || sim.Counters().Requests != 0 {
				t.Errorf("%v, want Invalid about the subject of the row, without the token and requests", err)
			}
		})
	}
}

// babbler is a transport that fails with all of the request in its error.
type babbler struct{ sim http.RoundTripper }

func (b babbler) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		return b.sim.RoundTrip(r)
	}
	body, _ := io.ReadAll(r.Body)
	return nil, fmt.Errorf("cannot send %s to %s with %s", body, r.URL, r.Header)
}

func TestTokenIsInNoError(t *testing.T) {
	quoting := func(status, cut int) http.RoundTripper {
		sim, _ := simulator(t)
		return jumpcloudtest.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				sim.ServeHTTP(w, r)
				return
			}
			body, _ := io.ReadAll(r.Body)
			at := strings.Index(string(body), webhookToken)
			message := strings.Repeat("x", max(0, 300-cut)) + string(body[max(0, at):])
			encoded, _ := json.Marshal(map[string]string{"message": message})
			w.WriteHeader(status)
			_, _ = w.Write(encoded)
		}))
	}
	sim, _ := simulator(t)
	carriers := map[string]http.RoundTripper{"transport": babbler{jumpcloudtest.Transport(sim)}}
	for _, status := range []int{302, 400, 401, 403, 404, 409, 412, 422, 429, 500, 503} {
		carriers[fmt.Sprint("status ", status)] = quoting(status, 300)
	}
	for cut := 5; cut <= len(webhookToken); cut += 3 {
		carriers[fmt.Sprint("cut after ", cut)] = quoting(400, cut)
	}
	for name, carrier := range carriers {
		t.Run(name, func(t *testing.T) {
			client := jumpcloud.NewClient(jumpcloud.Config{APIURL: "http://sim/api", APIKey: apiKey, HTTP: &http.Client{Transport: carrier}})
			_, err := client.SetUpWebhook(t.Context(), setup)
			if err == nil {
				t.Fatal("no error, want one")
			}
			for inner := err; inner != nil; inner = errors.Unwrap(inner) {
				if text := fmt.Sprintf("%v %+v", inner, inner); strings.Contains(text, webhookToken[:5]) || strings.Contains(text, apiKey) {
					t.Errorf("the token is in %q, want it nowhere", text)
				}
			}
		})
	}
	encoded, err := json.Marshal(setup)
	if shown := fmt.Sprintf("%v %+v %#v %s %v %s", setup, setup, setup, setup, &setup, encoded); err != nil || strings.Contains(shown, webhookToken) {
		t.Errorf("the token is in %q, want it nowhere", shown)
	}
}
