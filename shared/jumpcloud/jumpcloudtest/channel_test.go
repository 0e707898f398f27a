package jumpcloudtest_test

import (
	"fmt"
	"strings"
	"testing"

	"entrasync/shared/jumpcloud"
	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

func TestChannelAndRuleLifecycle(t *testing.T) {
	bubble(t, func(t *testing.T, b bench, h *hook) {
		path := "/api/v2/notifications/channels"
		channels := b.want(200, "GET", path, nil).fields()["channels"].([]any)
		id := fmt.Sprint(channels[0].(map[string]any)["objectId"])
		if got := b.want(400, "PATCH", path+"/"+id, Fields{"channel": Fields{"enabled": false}}).fields(); got.Text("message") != "channel name is required" {
			t.Errorf("sparse body: %v, want channel name is required", got)
		}
		again := b.must(b.Notify("http://hook/other", token))
		if again != id {
			t.Errorf("Notify created the channel %s, want the first one again", again)
		}
		replacement := Fields{"name": "renamed", "type": "CHANNEL_TYPE_WEBHOOK", "enabled": true,
			"config": Fields{"webhook": Fields{"url": "http://hook/third", "authType": "WEBHOOK_AUTH_TYPE_BEARER"}}}
		b.want(200, "PATCH", path+"/"+id, Fields{"channel": replacement})
		b.user("one", nil)
		waitIdle()
		if len(h.path) != 1 || h.path[0] != "http://hook/third" || h.header[0].Get("Authorization") != "Bearer "+token {
			t.Errorf("%v %v, want one request to the third address with the token", h.path, h.header)
		}
		replacement["enabled"] = false
		b.want(200, "PATCH", path+"/"+id, Fields{"channel": replacement})
		b.user("two", nil)
		waitIdle()
		replacement["enabled"] = true
		b.want(200, "PATCH", path+"/"+id, Fields{"channel": replacement})
		rules := b.want(200, "GET", "/api/v2/healthmonitoring/rules", nil).fields()["rules"].([]any)
		rule := fmt.Sprint(rules[0].(map[string]any)["objectId"])
		b.want(200, "PATCH", "/api/v2/healthmonitoring/rules/"+rule+"/status", Fields{"status": "RULE_STATUS_DISABLED"})
		b.user("three", nil)
		waitIdle()
		if len(h.path) != 1 {
			t.Errorf("a disabled channel or rule notified: %v, want only the first request", h.path)
		}
		b.want(204, "DELETE", path+"/"+id, nil)
		b.want(404, "GET", path+"/"+id, nil)
		b.want(200, "DELETE", "/api/v2/healthmonitoring/rules/"+rule, nil)
		for _, bad := range []Fields{{"type": "CHANNEL_TYPE_WEBHOOK"}, {"name": strings.Repeat("x", 101)}, {"name": "x", "type": "CHANNEL_TYPE_FAX"},
			{"name": "x", "type": "CHANNEL_TYPE_WEBHOOK"}, {"name": "x", "type": "CHANNEL_TYPE_WEBHOOK", "config": Fields{"webhook": Fields{"url": "ftp://x"}}}} {
			b.want(400, "POST", path, Fields{"channel": bad})
		}
		b.want(400, "POST", "/api/v2/healthmonitoring/rules", Fields{"rule": Fields{"name": "x", "ruleType": "RULE_TYPE_EVENT_FILTER_BASED",
			"eventFilters": []any{Fields{"eventTypes": []any{"user_create"}, "violationCondition": "true"}}}})
	})
}

func TestExcludedSuspendedUsers(t *testing.T) {
	bubble(t, func(t *testing.T, b bench, h *hook) {
		rules := b.want(200, "GET", "/api/v2/healthmonitoring/rules", nil).fields()["rules"].([]any)
		rule := rules[0].(map[string]any)
		rule["excludeSuspendedUsers"] = true
		b.want(200, "PATCH", fmt.Sprintf("/api/v2/healthmonitoring/rules/%v", rule["objectId"]), Fields{"rule": rule})
		id := b.user("mira", nil)
		b.ok(b.SuspendUser(id))
		waitIdle()
		if len(h.bodies) != 1 {
			t.Errorf("%d notifications, want only the creation", len(h.bodies))
		}
	})
}

func TestTestButton(t *testing.T) {
	bubble(t, func(t *testing.T, b bench, h *hook) {
		id := b.must(b.Notify("http://hook/x", token))
		got := b.want(200, "POST", "/api/v2/notifications/webhook/test", Fields{"organizationObjectId": DefaultOrganizationID, "postSave": Fields{"objectId": id}}).fields()
		if got["statusCode"] != 202.0 || h.header[0].Get("Authorization") != "Bearer "+token {
			t.Errorf("%v %v, want 202 with the token", got, h.header)
		}
		parsed, err := jumpcloud.ParseBody([]byte(h.bodies[0]))
		if err != nil || parsed.Count(jumpcloud.Test) != 1 {
			t.Errorf("%s: %v, want the test notification", h.bodies[0], err)
		}
		b.want(200, "POST", "/api/v2/notifications/webhook/test", Fields{"preSave": Fields{"url": "http://hook/y", "authType": "WEBHOOK_AUTH_TYPE_BEARER", "authToken": "new"}})
		if h.header[1].Get("Authorization") != "Bearer new" {
			t.Errorf("%v, want Bearer new", h.header[1])
		}
		b.want(404, "POST", "/api/v2/notifications/webhook/test", Fields{"postSave": Fields{"objectId": DefaultOrganizationID}})
		b.want(400, "POST", "/api/v2/notifications/webhook/test", Fields{})
	})
}
