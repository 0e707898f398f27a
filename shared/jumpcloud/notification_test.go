package jumpcloud_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

const (
	webhookToken = "canary-token-0123456789"
	webhookURL   = "http://127.0.0.1:1/webhooks/jumpcloud/1"

	channelsPath = "/api/v2/notifications/channels"
	rulesPath    = "/api/v2/healthmonitoring/rules"
)

var setup = jumpcloud.WebhookSetup{URL: webhookURL, Token: webhookToken}

// setUp sets the webhook up and must succeed.
func setUp(t *testing.T, client *jumpcloud.Client, setup jumpcloud.WebhookSetup) jumpcloud.WebhookState {
	t.Helper()
	state, err := client.SetUpWebhook(t.Context(), setup)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// request sends a request to a handler as an administrator would.
func request(t *testing.T, handler http.Handler, method, path string, body any) jumpcloudtest.Fields {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, bytes.NewReader(encoded))
	if body == nil {
		r = httptest.NewRequest(method, path, nil)
	}
	r.Header.Set("x-api-key", apiKey)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	var fields jumpcloudtest.Fields
	_ = json.Unmarshal(answer.Body.Bytes(), &fields) // a deletion answers nothing
	if answer.Code/100 != 2 {
		t.Fatalf("%s %s: %d %s, want 2", method, path, answer.Code, answer.Body)
	}
	return fields
}

// one reads a channel or rule: path and field name it.
func one(t *testing.T, sim http.Handler, path, id, field string) jumpcloudtest.Fields {
	t.Helper()
	object, _ := request(t, sim, "GET", path+"/"+id, nil)[field].(map[string]any)
	return object
}

func channelOf(t *testing.T, sim http.Handler, state jumpcloud.WebhookState) jumpcloudtest.Fields {
	t.Helper()
	return one(t, sim, channelsPath, state.Channel.ID, "channel")
}

func ruleOf(t *testing.T, sim http.Handler, state jumpcloud.WebhookState) jumpcloudtest.Fields {
	t.Helper()
	return one(t, sim, rulesPath, state.Rule.ID, "rule")
}

// change changes fields of a channel or rule as an administrator would.
func change(t *testing.T, sim http.Handler, path, id, field string, changes jumpcloudtest.Fields) {
	t.Helper()
	object := one(t, sim, path, id, field)
	for name, value := range changes {
		object[name] = value
	}
	request(t, sim, "PATCH", path+"/"+id, jumpcloudtest.Fields{field: object})
}

// writes counts the requests that may have changed a channel or rule.
func writes(sim *jumpcloudtest.Simulator) (count int) {
	for route, times := range sim.Counters().ByRoute {
		if !strings.HasPrefix(route, "GET ") && (strings.Contains(route, channelsPath) || strings.Contains(route, rulesPath)) {
			count += times
		}
	}
	return count
}

// tampered passes requests on, after change saw and changed their bodies or the answers
// to them.
func tampered(handler http.Handler, change func(r *http.Request, sent, answered jumpcloudtest.Fields)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent, answered jumpcloudtest.Fields
		raw, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(raw, &sent)
		r.Body = io.NopCloser(bytes.NewReader(raw))
		recorded := httptest.NewRecorder()
		handler.ServeHTTP(recorded, r)
		_ = json.Unmarshal(recorded.Body.Bytes(), &answered)
		change(r, sent, answered)
		w.WriteHeader(recorded.Code)
		_ = json.NewEncoder(w).Encode(answered)
	})
}

// received is a request that a receiver got.
type received struct {
	authorization string
	body          []byte
}

// receiver is a webhook on this machine that answers with the given status.
func receiver(t *testing.T, status int) (url string, got chan received) {
	t.Helper()
	got = make(chan received, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- received{r.Header.Get("Authorization"), body}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/webhooks/jumpcloud/" + jumpcloudtest.DefaultOrganizationID, got
}

// next is the next request that a receiver gets.
func next(t *testing.T, got chan received) received {
	t.Helper()
	select {
	case r := <-got:
		return r
	case <-time.After(10 * time.Second):
		t.Fatal("no request arrives within 10s, want one")
		return received{}
	}
}

func TestAfterSetUpChangesArrive(t *testing.T) {
	sim, client := simulator(t)
	url, got := receiver(t, http.StatusAccepted)
	state := setUp(t, client, jumpcloud.WebhookSetup{URL: url, Token: webhookToken})
	if !state.Channel.Created || !state.Rule.Created || !state.TokenWritten || !state.Delivers() || len(state.MissingEvents) > 0 {
		t.Errorf("state %+v, want both created and everything delivered", state)
	}
	id := addUser(t, sim, "mira", nil)
	arrived := next(t, got)
	parsed, err := jumpcloud.ParseBody(arrived.body)
	if err != nil || arrived.authorization != "Bearer "+webhookToken {
		t.Fatalf("%q, %v, want the token", arrived.authorization, err)
	}
	if events := parsed.Events(); len(events) != 1 || events[0].Type != "user_create" || !slices.Contains(events[0].Users(), id) {
		t.Errorf("events %+v, want user_create of the user", events)
	}
	channel := channelOf(t, sim, state)
	if channel.Text("name") != jumpcloud.DefaultWebhookName || ruleOf(t, sim, state).Text("name") != jumpcloud.DefaultWebhookName {
		t.Errorf("channel %v, want the default name", channel)
	}
}

// Every event type arrives, those of suspended users too.
func TestEveryEventTypeArrives(t *testing.T) {
	sim, client := simulator(t)
	url, got := receiver(t, http.StatusAccepted)
	setUp(t, client, jumpcloud.WebhookSetup{URL: url, Token: webhookToken})
	for _, eventType := range jumpcloud.EventTypes() {
		if err := sim.Emit(eventType, nil); err != nil {
			t.Fatal(err)
		}
		parsed, err := jumpcloud.ParseBody(next(t, got).body)
		if err != nil || len(parsed.Events()) != 1 || parsed.Events()[0].Type != eventType {
			t.Errorf("%s: %+v, %v, want one event of the type", eventType, parsed, err)
		}
	}
	id := addUser(t, sim, "mira", nil)
	next(t, got)
	sim.Set(func(b *jumpcloudtest.Behaviour) { b.StateEvents = jumpcloudtest.DedicatedOnly })
	if err := sim.SuspendUser(string(id)); err != nil {
		t.Fatal(err)
	}
	if parsed, err := jumpcloud.ParseBody(next(t, got).body); err != nil || parsed.Events()[0].Type != "user_suspended" {
		t.Errorf("%+v, %v, want user_suspended", parsed, err)
	}
}

func TestSetUpAgainWritesNothing(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"as it is": func(h http.Handler) http.Handler { return h },
		"numbers as texts, empty fields left out": func(h http.Handler) http.Handler {
			return tampered(h, func(_ *http.Request, _, answered jumpcloudtest.Fields) {
				if count, ok := answered["count"].(float64); ok {
					answered["count"] = fmt.Sprint(count)
				}
				for _, list := range []string{"channels", "rules"} {
					objects, _ := answered[list].([]any)
					if len(objects) == 0 {
						delete(answered, list)
					}
					for _, each := range objects {
						for field, value := range each.(map[string]any) {
							if value == false || value == "" {
								delete(each.(map[string]any), field)
							}
						}
					}
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			sim, _ := simulator(t)
			client := clientOf(wrap(sim))
			first := setUp(t, client, setup)
			if writes(sim) != 2 {
				t.Fatalf("%d writes for a channel and a rule, want 2", writes(sim))
			}
			before := [2]jumpcloudtest.Fields{channelOf(t, sim, first), ruleOf(t, sim, first)}
			want := jumpcloud.WebhookState{Channel: jumpcloud.WebhookPart{ID: first.Channel.ID, Name: "entrasync"}, Rule: jumpcloud.WebhookPart{ID: first.Rule.ID, Name: "entrasync"}}
			for _, repair := range []bool{false, true, false} {
				again := setup
				again.Repair = repair
				if diff := cmp.Diff(want, setUp(t, client, again)); diff != "" {
					t.Errorf("state (-want +got):\n%s", diff)
				}
			}
			if diff := cmp.Diff(before, [2]jumpcloudtest.Fields{channelOf(t, sim, first), ruleOf(t, sim, first)}); diff != "" || writes(sim) != 2 {
				t.Errorf("%d writes, changed:\n%s", writes(sim), diff)
			}
		})
	}
}

func TestRotateToken(t *testing.T) {
	sim, client := simulator(t)
	url, got := receiver(t, http.StatusAccepted)
	setup := jumpcloud.WebhookSetup{URL: url, Token: webhookToken}
	setUp(t, client, setup)
	setup.Token = "another-token-0123456789"
	if state := setUp(t, client, setup); state.TokenWritten || writes(sim) != 2 {
		t.Errorf("without RotateToken: %+v, want no write", state)
	}
	setup.RotateToken = true
	state := setUp(t, client, setup)
	if !state.TokenWritten || state.Channel.Created || !slices.Equal(state.Channel.Changed, []string{"config.webhook.authToken"}) || writes(sim) != 3 {
		t.Errorf("with RotateToken: %+v, %d writes; want only the token written", state, writes(sim))
	}
	addUser(t, sim, "mira", nil)
	if arrived := next(t, got); arrived.authorization != "Bearer another-token-0123456789" {
		t.Errorf("%q, want Bearer another-token-0123456789", arrived.authorization)
	}
}

func TestSetUpByHandIsTakenOver(t *testing.T) {
	sim, client := simulator(t)
	channel, err := sim.AddChannel(webhookChannel("entrasync", webhookURL))
	if err != nil {
		t.Fatal(err)
	}
	rule, err := sim.AddRule(eventRule("entrasync", channel))
	if err != nil {
		t.Fatal(err)
	}
	state := setUp(t, client, setup)
	if state.Channel.ID != channel || state.Rule.ID != rule || state.Channel.Created || state.Rule.Created || state.Channel.Changed != nil ||
		!slices.Equal(state.Rule.Changed, []string{"eventFilters"}) {
		t.Errorf("state %+v, want the existing channel and rule with only the event types changed", state)
	}
}

func TestOfNamesakesTheRuleOfOurChannelIsOurs(t *testing.T) {
	sim, client := simulator(t)
	older := eventRule("entrasync")
	older["description"] = "Managed by entrasync"
	if _, err := sim.AddRule(older); err != nil {
		t.Fatal(err)
	}
	channel, err := sim.AddChannel(webhookChannel("entrasync", webhookURL))
	if err != nil {
		t.Fatal(err)
	}
	rule, err := sim.AddRule(eventRule("entrasync", channel))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.AddRule(older); err != nil {
		t.Fatal(err)
	}
	if state := setUp(t, client, setup); state.Rule.ID != rule {
		t.Errorf("state %+v, want rule %s", state, rule)
	}
}

func webhookChannel(name, url string) jumpcloudtest.Fields {
	return jumpcloudtest.Fields{"name": name, "type": "CHANNEL_TYPE_WEBHOOK", "enabled": true, "config": jumpcloudtest.Fields{
		"webhook": jumpcloudtest.Fields{"url": url, "authType": "WEBHOOK_AUTH_TYPE_BEARER", "authToken": "by-hand", "sslVerification": true}}}
}

func eventRule(name string, channels ...any) jumpcloudtest.Fields {
	return jumpcloudtest.Fields{"name": name, "ruleType": "RULE_TYPE_EVENT_FILTER_BASED", "status": "RULE_STATUS_ENABLED", "alertsEnabled": true,
		"notifyOnViolation": true, "notificationChannelObjectIds": channels,
		"eventFilters": []any{jumpcloudtest.Fields{"eventTypes": []any{"user_create"}}}}
}

func TestNameOfAStrangerIsAConflict(t *testing.T) {
	for name, test := range map[string]struct {
		channel, rule jumpcloudtest.Fields
	}{
		"a channel for mail":           {jumpcloudtest.Fields{"name": "entrasync", "type": "CHANNEL_TYPE_EMAIL"}, nil},
		"one that was described alike": {jumpcloudtest.Fields{"name": "entrasync", "type": "CHANNEL_TYPE_EMAIL", "description": "Managed by entrasync"}, nil},
		"a webhook of something else":  {webhookChannel("entrasync", "https://siem.example/hook"), nil},
		"a rule of something else":     {nil, eventRule("entrasync")},
	} {
		t.Run(name, func(t *testing.T) {
			sim, client := simulator(t)
			for add, object := range map[*jumpcloudtest.Fields]func(jumpcloudtest.Fields) (string, error){&test.channel: sim.AddChannel, &test.rule: sim.AddRule} {
				if *add != nil {
					if _, err := object(*add); err != nil {
						t.Fatal(err)
					}
				}
			}
			_, err := client.SetUpWebhook(t.Context(), setup)
			if problem := fault.Of(err); problem == nil || problem.Kind != fault.Conflict || problem.Subject != "entrasync" || problem.Message == "" || writes(sim) != 0 {
				t.Errorf("%v, %d writes, want a Conflict about entrasync and no write", err, writes(sim))
			}
			other := setup
			other.Name = "entrasync (prod)"
			if state := setUp(t, client, other); !state.Delivers() {
				t.Errorf("with another name: %+v, want it to deliver", state)
			}
		})
	}
}

// A name may be free in the list and taken when the channel is created.
func TestConflictOnCreation(t *testing.T) {
	for _, path := range []string{channelsPath, rulesPath} {
		sim, client := simulator(t)
		sim.FailNext(jumpcloudtest.Fault{Method: http.MethodPost, PathContains: path, Status: http.StatusConflict})
		if _, err := client.SetUpWebhook(t.Context(), setup); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "of this name") {
			t.Errorf("%s: %v, want a Conflict about the name", path, err)
		}
	}
}

func TestOthersAreLeftAlone(t *testing.T) {
	sim, client := simulator(t)
	for i := range 205 { // more than two pages
		channel, err := sim.AddChannel(webhookChannel(fmt.Sprintf("channel %d", i), fmt.Sprint(webhookURL, "/", i)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sim.AddRule(eventRule(fmt.Sprintf("rule %d", i), channel)); err != nil {
			t.Fatal(err)
		}
	}
	all := func() (list []any) {
		for _, path := range []string{channelsPath, rulesPath} {
			for _, skip := range []string{"0", "100", "200"} {
				page := request(t, sim, "GET", path+"?limit=100&skip="+skip, nil)
				list = append(list, page["channels"], page["rules"])
			}
		}
		return list
	}
	before := all()
	state := setUp(t, client, setup) // sorts behind all others
	setUp(t, client, setup)
	if writes(sim) != 2 {
		t.Errorf("%d writes, want 2, because our channel is on the third page", writes(sim))
	}
	request(t, sim, "DELETE", rulesPath+"/"+state.Rule.ID, nil)
	request(t, sim, "DELETE", channelsPath+"/"+state.Channel.ID, nil)
	if diff := cmp.Diff(before, all()); diff != "" {
		t.Errorf("others changed:\n%s", diff)
	}
}
