package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/localtest"
	"entrasync/shared/local/secretfile"
	"entrasync/shared/secret"
)

// The secrets of a webhook, and its address. The secrets are canaries.
const (
	hookToken   = "canary-webhook-token-1"
	formerToken = "canary-webhook-token-0"
	hookKey     = "canary-webhook-key"
	hookURL     = "https://entrasync.example/webhooks/jumpcloud/" + organization
)

// hook is the API with a JumpCloud. The channels of JumpCloud call a webhook with one
// valid token.
type hook struct {
	*fixture
	jumpcloud *jumpcloudtest.Simulator
	status    int // the answer of the webhook; 0: it depends on the token
	unreached bool
	arrived   map[string]int // requests by path
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{fixture: newFixture(t), arrived: map[string]int{}}
	var counting sync.Mutex
	receiver := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counting.Lock()
		h.arrived[r.URL.Path]++
		counting.Unlock()
		switch {
		case h.unreached:
			panic(http.ErrAbortHandler)
		case h.status != 0:
			w.WriteHeader(h.status)
		case r.Header.Get("Authorization") != "Bearer "+hookToken:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
	var err error
	h.jumpcloud, err = jumpcloudtest.New(jumpcloudtest.Config{APIKey: hookKey, Seed: 1, Client: &http.Client{Transport: jumpcloudtest.Transport(receiver)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.jumpcloud.Close() })
	h.secrets, err = secretfile.Open(filepath.Join(localtest.Folder(t), "hook.json"), secretfile.Environment{AdminToken: token,
		Organizations: map[directory.OrganizationID]secret.Organization{organization: {APIKey: hookKey, WebhookTokens: []string{hookToken, formerToken}}}})
	if err != nil {
		t.Fatal(err)
	}
	client := jumpcloud.NewClient(jumpcloud.Config{APIURL: "https://jumpcloud.example/api", APIKey: hookKey, Organization: organization,
		HTTP: &http.Client{Transport: jumpcloudtest.Transport(h.jumpcloud)}})
	changed := h.api
	changed.Auth, changed.Secrets = api.TokenAuth(h.secrets.AdminToken), h.secrets
	changed.Clients = parts{Clients: h.outside, Tenants: h.outside, Organizations: h.outside, of: client}
	h.serve(changed)
	return h
}

// setUp sets up the webhook and returns the advice.
func (h *hook) setUp(body string) (answer map[string]any, advice string) {
	h.t.Helper()
	status, answer := h.call("POST", "/v1/organizations/"+organization+"/webhook", body)
	if status != 200 {
		h.t.Fatalf("%d %v, want 200", status, answer)
	}
	list, _ := answer["advice"].([]any)
	var all []string
	for _, each := range list {
		all = append(all, fmt.Sprint(each))
	}
	return answer, strings.Join(all, "\n")
}

// channel adds a webhook channel, as an administrator would.
func (h *hook) channel(name, url, token string) string {
	h.t.Helper()
	id, err := h.jumpcloud.AddChannel(jumpcloudtest.Fields{"name": name, "type": "CHANNEL_TYPE_WEBHOOK", "enabled": true, "config": jumpcloudtest.Fields{
		"webhook": jumpcloudtest.Fields{"url": url, "authType": "WEBHOOK_AUTH_TYPE_BEARER", "authToken": token, "sslVerification": true}}})
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

func TestWebhookThatWorksNeedsNoAdvice(t *testing.T) {
	h := newHook(t)
	for range 2 {
		answer, advice := h.setUp(`{"url":"` + hookURL + `"}`)
		if advice != "" || answer["advice"] != nil {
			t.Errorf("%s: %v, want advice \"\", no advice", advice, answer)
		}
	}
	if channels := h.jumpcloud.State().Channels; len(channels) != 1 {
		t.Errorf("%d channels, want 1 channels", len(channels))
	}
}

// A channel that an administrator made is found by its address. The test notification
// shows that its token is wrong, and the answer says what to do, which works.
func TestTokenThatNobodyKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t)
		id := h.channel("M365 sync", hookURL, "typed by hand wrongly")
		answer, advice := h.setUp(`{"url":"` + hookURL + `"}`)
		channel, _ := answer["channel"].(map[string]any)
		if channel["id"] != id || channel["name"] != "M365 sync" || len(h.jumpcloud.State().Channels) != 1 {
			t.Errorf("channel %v of %d, want id %v, name \"M365 sync\", 1 Channels", channel, len(h.jumpcloud.State().Channels), id)
		}
		if !strings.Contains(advice, "401") || !strings.Contains(advice, `{"rotateToken": true}`) || strings.Contains(advice, "\n") {
			t.Errorf("advice %q", advice)
		}
		if _, err := h.jumpcloud.CreateUser(jumpcloudtest.Fields{"username": "mira", "email": "mira@example.com"}); err != nil { // its event is refused
			t.Fatal(err)
		}
		synctest.Wait()
		answer, advice = h.setUp(`{"url":"` + hookURL + `","rotateToken":true}`)
		if test, _ := answer["test"].(map[string]any); test["statusCode"] != 202.0 || !strings.Contains(advice, "refused with 401 until now") || strings.Contains(advice, "rotateToken") {
			t.Errorf("rotated: %v, advice %q", test, advice)
		}
		if err := h.jumpcloud.ActivateUser(h.jumpcloud.Users()[0].Text("_id")); err != nil { // its event arrives
			t.Fatal(err)
		}
		synctest.Wait()
		if _, advice = h.setUp(`{"url":"` + hookURL + `"}`); advice != "" {
			t.Errorf("afterwards: %q, want \"\"", advice)
		}
		h.status = 401
		if _, advice = h.setUp(`{"url":"` + hookURL + `","rotateToken":true}`); !strings.Contains(advice, "given just now") {
			t.Errorf("still refused: %q", advice)
		}
		h.jumpcloud.Close()
	})
}

// The advice names two channels with one address, and two rules; they are not changed.
func TestWebhookThatIsThereTwice(t *testing.T) {
	h := newHook(t)
	one, two := h.channel("Olga's sync", hookURL, hookToken), h.channel("Otto's sync", hookURL, hookToken)
	for name, channel := range map[string]string{"Olga's rule": one, "Otto's rule": two} {
		if _, err := h.jumpcloud.AddRule(jumpcloudtest.Fields{"name": name, "ruleType": "RULE_TYPE_EVENT_FILTER_BASED", "status": "RULE_STATUS_ENABLED",
			"notifyOnViolation": true, "notificationChannelObjectIds": []any{channel}, "eventFilters": []any{jumpcloudtest.Fields{"eventTypes": []any{"user_update"}}}}); err != nil {
			t.Fatal(err)
		}
	}
	answer, advice := h.setUp(`{"url":"` + hookURL + `"}`)
	for _, name := range []string{`"Olga's sync" and "Otto's sync"`, `"Olga's rule" and "Otto's rule"`} {
		if !strings.Contains(advice, name) {
			t.Errorf("advice %q lacks %s", advice, name)
		}
	}
	if state := h.jumpcloud.State(); len(state.Channels) != 2 || len(state.Rules) != 2 {
		t.Errorf("%d channels and %d rules, want 2 Channels, 2 Rules", len(state.Channels), len(state.Rules))
	}
	same, _ := answer["sameAddress"].([]any)
	if len(same) != 1 || same[0].(map[string]any)["id"] != two {
		t.Errorf("sameAddress %v, want 1 same, id %v", same, two)
	}
}

// The advice names a rule that JumpCloud may not apply to everybody.
func TestARuleWithATypeOfScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t)
		channel, other := h.channel("M365 sync", hookURL, hookToken), h.channel("another", "https://another.example/hook", hookToken)
		if _, err := h.jumpcloud.AddRule(jumpcloudtest.Fields{"name": "theirs", "ruleType": "RULE_TYPE_EVENT_FILTER_BASED", "status": "RULE_STATUS_ENABLED", "scopeType": "some",
			"notifyOnViolation": true, "notificationChannelObjectIds": []any{channel, other}, "eventFilters": []any{jumpcloudtest.Fields{"eventTypes": []any{"user_create"}}}}); err != nil {
			t.Fatal(err)
		}
		if _, advice := h.setUp(`{"url":"` + hookURL + `"}`); !strings.Contains(advice, `the rule "theirs" has a type of scope`) {
			t.Errorf("advice %q, want that the rule has a type of scope", advice)
		}
	})
}

// The advice names an administrator's rule that makes alerts, because events that come
// while an alert is open do not arrive. A repair works.
func TestARuleThatMakesAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t)
		h.jumpcloud.Set(func(b *jumpcloudtest.Behaviour) { b.OnePerOpenAlert = true })
		channel := h.channel("M365 sync", hookURL, hookToken)
		if _, err := h.jumpcloud.AddRule(jumpcloudtest.Fields{"name": "M365 sync", "ruleType": "RULE_TYPE_EVENT_FILTER_BASED", "status": "RULE_STATUS_ENABLED", "alertsEnabled": true,
			"notifyOnViolation": true, "notificationChannelObjectIds": []any{channel}, "eventFilters": []any{jumpcloudtest.Fields{"eventTypes": []any{"user_create", "user_update"}}}}); err != nil {
			t.Fatal(err)
		}
		answer, advice := h.setUp(`{"url":"` + hookURL + `"}`)
		if !strings.Contains(advice, `the rule "M365 sync" makes alerts`) || !strings.Contains(advice, `{"repair": true}`) || len(answer["alertingRules"].([]any)) != 1 {
			t.Errorf("advice %q, %v", advice, answer)
		}
		if _, advice = h.setUp(`{"url":"` + hookURL + `","repair":true}`); advice != "" {
			t.Errorf("repaired: %q, want \"\"", advice)
		}
		synctest.Wait()
		before := h.arrived["/webhooks/jumpcloud/"+organization]
		for _, name := range []string{"mira", "sean", "hedy"} {
			if _, err := h.jumpcloud.CreateUser(jumpcloudtest.Fields{"username": name, "email": name + "@example.com"}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := h.arrived["/webhooks/jumpcloud/"+organization] - before; got < 3 {
			t.Errorf("%d notifications of three events arrived, want at least 3", got)
		}
		h.jumpcloud.Close()
	})
}

// A channel with one slash too many in its address is ours, and is corrected.
func TestASlashTooMany(t *testing.T) {
	h := newHook(t)
	id := h.channel("M365 sync", hookURL+"/", hookToken)
	answer, advice := h.setUp(`{"url":"` + hookURL + `","rotateToken":true}`)
	channel, _ := answer["channel"].(map[string]any)
	if channel["id"] != id || advice != "" || len(h.jumpcloud.State().Channels) != 1 {
		t.Errorf("channel %v, advice %q, %d channels, want id %v, advice \"\", 1 Channels", channel, advice, len(h.jumpcloud.State().Channels), id)
	}
}

// After a typing error in the address, a request with the right address finds the
// earlier channel. Events come once, also if an older version pointed our rule to the
// wrong channel too, and the advice names our channels and rules that are left over.
func TestAfterATypingErrorEventsComeOnce(t *testing.T) {
	for name, pointed := range map[string]bool{"now": false, "as an older version left it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHook(t)
				defer h.jumpcloud.Close()
				const path = "/webhooks/jumpcloud/" + organization
				channel, err := h.jumpcloud.Notify(hookURL, hookToken)
				h.must(err)
				answer, _ := h.setUp(`{"url":"` + strings.Replace(hookURL, "webhooks", "webhook", 1) + `"}`)
				if made, _ := answer["channel"].(map[string]any); made["created"] != true || made["name"] != "entrasync" {
					t.Fatalf("%v, want created %v, name \"entrasync\"", answer, true)
				}
				if pointed {
					h.alsoNotifies(channel)
				}
				answer, advice := h.setUp(`{"url":"` + hookURL + `"}`)
				found, _ := answer["channel"].(map[string]any)
				rule, _ := answer["rule"].(map[string]any)
				if found["id"] != channel || rule["name"] != "M365 sync" || answer["sameEvents"] != nil || answer["sameAddress"] != nil {
					t.Errorf("%v, want id %v, name \"M365 sync\", no sameEvents, no sameAddress", answer, channel)
				}
				for _, says := range []string{`the channel "entrasync" calls another address`, `the rule "entrasync" is not needed, as "M365 sync" sends the events`, "delete"} {
					if !strings.Contains(advice, says) {
						t.Errorf("advice %q lacks %q", advice, says)
					}
				}
				synctest.Wait()
				clear(h.arrived)
				_, err = h.jumpcloud.CreateUser(jumpcloudtest.Fields{"username": "mira", "email": "mira@example.com"})
				h.must(err)
				synctest.Wait()
				if h.arrived[path] != 1 {
					t.Errorf("an event comes %d times: %v, want 1", h.arrived[path], h.arrived)
				}
			})
		})
	}
}

// alsoNotifies makes our rule notify another channel too.
func (h *hook) alsoNotifies(channel string) {
	h.t.Helper()
	for _, rule := range h.jumpcloud.State().Rules {
		if rule.Text("name") == "entrasync" {
			rule["notificationChannelObjectIds"] = append(rule["notificationChannelObjectIds"].([]any), channel)
			body, err := json.Marshal(map[string]any{"rule": rule})
			h.must(err)
			h.must(h.patchJumpCloud("/healthmonitoring/rules/"+rule.Text("objectId"), string(body)))
		}
	}
}

func (h *hook) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestAdviceAfterTheTest(t *testing.T) {
	for _, tc := range []struct {
		status int // 0: no answer
		says   string
	}{
		{0, "must be reachable from the internet by https"}, {301, "redirects (301)"}, {404, "/webhooks/jumpcloud/"}, {500, "answers 500"}, {403, "answers 403"},
	} {
		h := newHook(t)
		h.status, h.unreached = tc.status, tc.status == 0
		if _, advice := h.setUp(`{"url":"` + hookURL + `"}`); !strings.Contains(advice, tc.says) || strings.Contains(advice, "\n") {
			t.Errorf("%d: %q", tc.status, advice)
		}
	}
	h := newHook(t)
	h.setUp(`{"url":"` + hookURL + `"}`)
	for _, channel := range h.jumpcloud.State().Channels {
		request := fmt.Sprintf(`{"url":"%s"}`, hookURL)
		id := channel.Text("objectId")
		channel["enabled"] = false
		if err := h.off(id, channel); err != nil {
			t.Fatal(err)
		}
		if _, advice := h.setUp(request); !strings.Contains(advice, `the channel "entrasync" is switched off`) || !strings.Contains(advice, `{"repair": true}`) {
			t.Errorf("switched off: %q", advice)
		}
	}
}

// off switches off a channel in JumpCloud.
func (h *hook) off(id string, channel jumpcloudtest.Fields) error {
	return h.patchJumpCloud("/notifications/channels/"+id, fmt.Sprintf(`{"channel":{"name":%q,"type":%q,"enabled":false,"description":%q,"config":{"webhook":{"url":%q,"authType":"WEBHOOK_AUTH_TYPE_BEARER","sslVerification":true}}}}`,
		channel.Text("name"), channel.Text("type"), channel.Text("description"), hookURL))
}

// patchJumpCloud replaces fields of an object in JumpCloud.
func (h *hook) patchJumpCloud(path, body string) error {
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPatch, "https://jumpcloud.example/api/v2"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("x-api-key", hookKey)
	response, err := jumpcloudtest.Transport(h.jumpcloud).RoundTrip(r)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return err
}
