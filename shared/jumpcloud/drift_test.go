package jumpcloud_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

func TestDriftedChannelIsRepaired(t *testing.T) {
	webhook := func(url, auth string, ssl bool) jumpcloudtest.Fields {
		return jumpcloudtest.Fields{"config": jumpcloudtest.Fields{"webhook": jumpcloudtest.Fields{"url": url, "authType": auth, "sslVerification": ssl,
			"customHeaders": []any{map[string]any{"key": "X-Team", "value": "it"}}}}}
	}
	const bearer = "WEBHOOK_AUTH_TYPE_BEARER"
	for name, test := range map[string]struct {
		drift   jumpcloudtest.Fields
		changed string
	}{
		"another address":            {webhook("http://127.0.0.1:1/old", bearer, true), "config.webhook.url"},
		"certificate not checked":    {webhook(webhookURL, bearer, false), "config.webhook.sslVerification"},
		"no authentication":          {webhook(webhookURL, "WEBHOOK_AUTH_TYPE_UNSPECIFIED", true), "config.webhook.authType"},
		"all of it":                  {webhook("http://127.0.0.1:1/old", "WEBHOOK_AUTH_TYPE_BASIC", false), "config.webhook.url config.webhook.sslVerification config.webhook.authType"},
		"a header is nobody's drift": {webhook(webhookURL, bearer, true), ""},
	} {
		t.Run(name, func(t *testing.T) {
			sim, client := simulator(t)
			first := setUp(t, client, setup)
			change(t, sim, channelsPath, first.Channel.ID, "channel", test.drift)
			before := writes(sim)
			state := setUp(t, client, setup)
			want := len(strings.Fields(test.changed))
			if strings.Join(state.Channel.Changed, " ") != test.changed || state.Channel.ID != first.Channel.ID || state.Rule.Changed != nil ||
				state.TokenWritten != (want > 0) || writes(sim)-before != min(want, 1) {
				t.Errorf("state %+v, %d writes, want the changes %q", state, writes(sim)-before, test.changed)
			}
			config := channelOf(t, sim, state)["config"].(map[string]any)["webhook"].(map[string]any)
			headers, _ := config["customHeaders"].([]any)
			if config["url"] != webhookURL || config["authType"] != bearer || config["sslVerification"] != true || len(headers) != 1 {
				t.Errorf("config %v, want our address, bearer, the certificate check and the added header", config)
			}
			if setUp(t, client, setup); writes(sim)-before != min(want, 1) {
				t.Error("a second set-up wrote again, want no write")
			}
		})
	}
}

// It is not published that JumpCloud keeps a token that a replacement leaves out.
func TestReplacedChannelIsGivenTheToken(t *testing.T) {
	sim, client := simulator(t)
	setUp(t, client, setup)
	var written jumpcloudtest.Fields
	client = clientOf(tampered(sim, func(r *http.Request, sent, _ jumpcloudtest.Fields) {
		if r.Method == http.MethodPatch {
			written = sent
		}
	}))
	moved := setup
	moved.URL += "/moved"
	setUp(t, client, moved)
	channel, _ := written["channel"].(map[string]any)
	config, _ := channel["config"].(map[string]any)
	webhook, _ := config["webhook"].(map[string]any)
	if webhook["authToken"] != webhookToken || webhook["url"] != moved.URL || channel["name"] != "entrasync" || channel["objectId"] != nil {
		t.Errorf("written %v, want a complete channel with the token, the new address and no id", written)
	}
}

func TestOtherChannelsOfTheRuleAreKept(t *testing.T) {
	sim, client := simulator(t)
	first := setUp(t, client, setup)
	mails, err := sim.AddChannel(jumpcloudtest.Fields{"name": "mails", "type": "CHANNEL_TYPE_EMAIL"})
	if err != nil {
		t.Fatal(err)
	}
	change(t, sim, rulesPath, first.Rule.ID, "rule", jumpcloudtest.Fields{"notificationChannelObjectIds": []any{mails}})
	notified := fmt.Sprint(ruleOf(t, sim, setUp(t, client, setup))["notificationChannelObjectIds"])
	if !strings.Contains(notified, mails) || !strings.Contains(notified, first.Channel.ID) {
		t.Errorf("notifies %s, want the added channel and ours", notified)
	}
}

func TestDriftedRuleIsRepaired(t *testing.T) {
	filter := func(types ...string) []any {
		return []any{map[string]any{"filterSource": "FILTER_SOURCE_UI_BUILDER", "eventTypes": types}}
	}
	all := jumpcloud.EventTypes()
	for name, test := range map[string]struct {
		drift   jumpcloudtest.Fields
		changed string
		kept    string // an event type of the administrator's
	}{
		"an event type is missing":    {jumpcloudtest.Fields{"eventFilters": filter(all[1:]...)}, "eventFilters", all[1]},
		"one too, and one added":      {jumpcloudtest.Fields{"eventFilters": filter(append([]string{"admin_update"}, all[1:]...)...)}, "eventFilters", "admin_update"},
		"one added is nobody's drift": {jumpcloudtest.Fields{"eventFilters": filter(append([]string{"admin_update"}, all...)...)}, "", "admin_update"},
		"two filters hold them all":   {jumpcloudtest.Fields{"eventFilters": append(filter(all[:5]...), filter(all[5:]...)...)}, "", all[0]},
		"suspended users excluded":    {jumpcloudtest.Fields{"excludeSuspendedUsers": true}, "excludeSuspendedUsers", all[0]},
		"only some groups":            {jumpcloudtest.Fields{"groupObjectIds": []any{"64a1b2c3d4e5f60718293b00"}}, "groupObjectIds", all[0]},
		"alerts collect events":       {jumpcloudtest.Fields{"alertsEnabled": true}, "alertsEnabled", all[0]},
		"our channel was taken out":   {jumpcloudtest.Fields{"notificationChannelObjectIds": []any{}}, "notificationChannelObjectIds", all[0]},
	} {
		t.Run(name, func(t *testing.T) {
			sim, client := simulator(t)
			first := setUp(t, client, setup)
			test.drift["severity"] = "RULE_SEVERITY_HIGH"
			change(t, sim, rulesPath, first.Rule.ID, "rule", test.drift)
			before := writes(sim)
			state := setUp(t, client, setup)
			want := len(strings.Fields(test.changed))
			if strings.Join(state.Rule.Changed, " ") != test.changed || state.Rule.ID != first.Rule.ID || state.Channel.Changed != nil ||
				state.TokenWritten || len(state.MissingEvents) > 0 || writes(sim)-before != want {
				t.Errorf("state %+v, %d writes, want the changes %q", state, writes(sim)-before, test.changed)
			}
			rule := ruleOf(t, sim, state)
			encoded := fmt.Sprint(rule["eventFilters"])
			for _, eventType := range append(all, test.kept) {
				if !strings.Contains(encoded, eventType) {
					t.Errorf("%s is missing, want every event type", eventType)
				}
			}
			groups, _ := rule["groupObjectIds"].([]any)
			if rule.Text("severity") != "RULE_SEVERITY_HIGH" || rule.Flag("excludeSuspendedUsers") || len(groups) != 0 ||
				fmt.Sprint(rule["notificationChannelObjectIds"]) != "["+first.Channel.ID+"]" {
				t.Errorf("rule %v, want the administrator's severity, no exclusion, no groups and our channel", rule)
			}
			if setUp(t, client, setup); writes(sim)-before != want {
				t.Error("a second set-up wrote again, want no write")
			}
		})
	}
}

// The simulator does not support conditions and thresholds, so a proxy shows them to
// the client, and the test checks what the client writes about them.
func TestRuleThatHoldsEventsBackIsRepaired(t *testing.T) {
	for changed, drift := range map[string]func(rule map[string]any){
		"alertFrequencySettings": func(rule map[string]any) {
			rule["alertFrequencySettings"] = map[string]any{"eventThresholdCount": 5}
		},
		"selectedScopeValues": func(rule map[string]any) { rule["selectedScopeValues"] = []any{"64a1b2c3d4e5f60718293b00"} },
		"eventFilters": func(rule map[string]any) {
			rule["eventFilters"].([]any)[0].(map[string]any)["violationCondition"] = `username == "mira"`
		},
	} {
		t.Run(changed, func(t *testing.T) {
			sim, client := simulator(t)
			setUp(t, client, setup)
			var written map[string]any
			state := setUp(t, clientOf(tampered(sim, func(r *http.Request, sent, answered jumpcloudtest.Fields) {
				if r.Method == http.MethodPatch {
					written, _ = sent["rule"].(map[string]any)
				} else if rules, _ := answered["rules"].([]any); rules != nil {
					drift(rules[0].(map[string]any))
				}
			})), setup)
			settings, _ := written["alertFrequencySettings"].(map[string]any)
			threshold, _ := settings["eventThresholdCount"].(float64)
			if !slices.Equal(state.Rule.Changed, []string{changed}) || threshold > 1 || strings.Contains(fmt.Sprint(written), "mira") {
				t.Errorf("state %+v, written %v, want the one change and no condition", state, written)
			}
		})
	}
}

// It is not published which scopeType means that a rule has no scope: the field is left out
// of what is written, and a rule that has it all the same is named.
func TestTheTypeOfAScopeIsClearedOrNamed(t *testing.T) {
	for name, stays := range map[string]bool{"cleared": false, "kept by JumpCloud": true} {
		t.Run(name, func(t *testing.T) {
			sim, _ := simulator(t)
			first := setUp(t, clientOf(sim), setup)
			change(t, sim, rulesPath, first.Rule.ID, "rule", jumpcloudtest.Fields{"scopeType": "some"})
			client := clientOf(tampered(sim, func(r *http.Request, _, answered jumpcloudtest.Fields) {
				if saved, _ := answered["rule"].(map[string]any); stays && r.Method == http.MethodPatch {
					saved["scopeType"] = "some"
				}
			}))
			state := setUp(t, client, setup)
			if !slices.Equal(state.Rule.Changed, []string{"scopeType"}) || state.Rule.ID != first.Rule.ID {
				t.Errorf("state %+v, want the change scopeType of the rule %s", state, first.Rule.ID)
			}
			if _, there := ruleOf(t, sim, state)["scopeType"]; there {
				t.Errorf("rule %v, want no scopeType", ruleOf(t, sim, state))
			}
			if named := len(state.ScopedRules) == 1 && state.ScopedRules[0].ID == first.Rule.ID; named != stays || len(state.ScopedRules) > 1 {
				t.Errorf("the rules %+v are named, want ours: %t", state.ScopedRules, stays)
			}
		})
	}
}

// A rule of somebody else that has a type of scope is named, and left as it is.
func TestAnotherRuleWithATypeOfScopeIsNamed(t *testing.T) {
	sim, client := simulator(t)
	first := setUp(t, client, setup)
	mails, err := sim.AddChannel(jumpcloudtest.Fields{"name": "mails", "type": "CHANNEL_TYPE_EMAIL"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.AddRule(jumpcloudtest.Fields{"name": "theirs", "ruleType": "RULE_TYPE_EVENT_FILTER_BASED", "status": "RULE_STATUS_ENABLED", "notifyOnViolation": true, "scopeType": "some",
		"notificationChannelObjectIds": []any{first.Channel.ID, mails}, "eventFilters": []any{map[string]any{"eventTypes": []any{"user_create"}}}}); err != nil {
		t.Fatal(err)
	}
	before := writes(sim)
	if state := setUp(t, client, setup); len(state.ScopedRules) != 1 || state.ScopedRules[0].Name != "theirs" || writes(sim) != before {
		t.Errorf("state %+v and %d writes, want the one rule named and none", state, writes(sim)-before)
	}
}

func TestDisabledIsReportedAndRepairedWhenAsked(t *testing.T) {
	type fields = jumpcloudtest.Fields
	for name, test := range map[string]struct {
		channel, rule fields
		repaired      [2]string
	}{
		"channel":             {fields{"enabled": false}, nil, [2]string{"enabled", ""}},
		"rule":                {nil, fields{"status": "RULE_STATUS_DISABLED"}, [2]string{"", "status"}},
		"notifications":       {nil, fields{"notifyOnViolation": false}, [2]string{"", "notifyOnViolation"}},
		"everything, drifted": {fields{"enabled": false}, fields{"status": "RULE_STATUS_DISABLED", "notifyOnViolation": false, "excludeSuspendedUsers": true}, [2]string{"enabled", "notifyOnViolation status"}},
	} {
		t.Run(name, func(t *testing.T) {
			sim, client := simulator(t)
			url, got := receiver(t, http.StatusAccepted)
			setup := jumpcloud.WebhookSetup{URL: url, Token: webhookToken}
			first := setUp(t, client, setup)
			if test.channel != nil {
				change(t, sim, channelsPath, first.Channel.ID, "channel", test.channel)
			}
			if test.rule != nil {
				change(t, sim, rulesPath, first.Rule.ID, "rule", test.rule)
			}
			setUp(t, client, setup) // what else drifted is repaired, and does not switch anything on
			before := writes(sim)
			state := setUp(t, client, setup)
			if state.Channel.Disabled != (test.channel != nil) || state.Rule.Disabled != (test.rule != nil) || state.Delivers() || writes(sim) != before {
				t.Errorf("without Repair: %+v, want it left disabled and no write", state)
			}
			addUser(t, sim, "unheard", nil)
			setup.Repair = true
			state = setUp(t, client, setup)
			if state.Channel.Disabled || state.Rule.Disabled || !state.Delivers() ||
				[2]string{strings.Join(state.Channel.Changed, " "), strings.Join(state.Rule.Changed, " ")} != test.repaired {
				t.Errorf("with Repair: %+v, want it enabled and the changes of the row", state)
			}
			id := addUser(t, sim, "heard", nil)
			if body := next(t, got).body; !bytes.Contains(body, []byte(id)) {
				t.Errorf("%s, want the event of the user", body)
			}
			before = writes(sim)
			if state = setUp(t, client, setup); !state.Delivers() || writes(sim) != before {
				t.Errorf("a second repair: %+v, want no write", state)
			}
		})
	}
}

func TestDeletedChannelIsMadeAgain(t *testing.T) {
	sim, client := simulator(t)
	first := setUp(t, client, setup)
	mails, err := sim.AddChannel(jumpcloudtest.Fields{"name": "mails", "type": "CHANNEL_TYPE_EMAIL"})
	if err != nil {
		t.Fatal(err)
	}
	change(t, sim, rulesPath, first.Rule.ID, "rule", jumpcloudtest.Fields{"notificationChannelObjectIds": []any{first.Channel.ID, mails}})
	request(t, sim, "DELETE", channelsPath+"/"+first.Channel.ID, nil)
	state := setUp(t, client, setup)
	if !state.Channel.Created || state.Rule.ID != first.Rule.ID || !slices.Equal(state.Rule.Changed, []string{"notificationChannelObjectIds"}) {
		t.Errorf("state %+v, want a new channel and the same rule with that channel", state)
	}
	notified := fmt.Sprint(ruleOf(t, sim, state)["notificationChannelObjectIds"])
	if !strings.Contains(notified, state.Channel.ID) || !strings.Contains(notified, mails) || strings.Contains(notified, first.Channel.ID) {
		t.Errorf("notifies %s, want the new channel and the added one, without the old", notified)
	}
}
