package admin_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettingsAreMergedKeyByKey(t *testing.T) {
	f := newFixture(t)
	id := f.directory(`{"customAttributes":{"costCentre":"extensionAttribute1"},"revokeSessionsOnPasswordChange":true}`)
	for _, step := range []struct {
		patch            string
		custom           map[string]any
		revokes, restore bool
	}{
		{`{}`, map[string]any{"costCentre": "extensionAttribute1"}, true, false},
		{`{"customAttributes":{"badge":"extensionAttribute15"},"restoreDeleted":true}`, map[string]any{"costCentre": "extensionAttribute1", "badge": "extensionAttribute15"}, true, true},
		{`{"customAttributes":{"costCentre":"extensionAttribute2"},"revokeSessionsOnPasswordChange":null}`, map[string]any{"costCentre": "extensionAttribute2", "badge": "extensionAttribute15"}, false, true},
		{`{"customAttributes":{"costCentre":null,"nobody":null},"restoreDeleted":false}`, map[string]any{"badge": "extensionAttribute15"}, false, false},
		{`{"customAttributes":null}`, map[string]any{}, false, false},
	} {
		status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+step.patch+`}`)
		settings, _ := got["settings"].(map[string]any)
		if status != 200 || !cmp.Equal(settings["customAttributes"], any(step.custom)) || settings["revokeSessionsOnPasswordChange"] != step.revokes || settings["restoreDeleted"] != step.restore {
			t.Errorf("%s: %d %v", step.patch, status, settings)
		}
	}
}

func TestRefusedSettingsAreNamed(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	for _, tc := range []struct{ patch, field, says string }{
		{`{"customAttributes":"x"}`, "body.settings.customAttributes", "it is a string and must be an object"},
		{`{"customAttributes":{"a":"extensionAttribute1","badge":15}}`, "body.settings.customAttributes.badge", "it is a number and must be a string"},
		{`{"customAttributes":{"badge":{"to":"extensionAttribute1"}}}`, "body.settings.customAttributes.badge", "it is an object and must be a string"},
		{`{"customAttributes":{"badge":"extensionAttribute16"}}`, "body.settings.customAttributes.badge", "extensionAttribute1 to extensionAttribute15"},
		{`{"customAttributes":{"badge":"extensionAttribute1","costCentre":"extensionAttribute1"}}`, "body.settings.customAttributes.costCentre", `written from "badge" already`},
		{`{"attributes":{"user_city":"yes"}}`, "body.settings.attributes.user_city", "it is a string and must be a boolean"},
		{`{"domains":[{"name":5}]}`, "body.settings.domains.name", "it is a number and must be a string"},
		{`{"domains":{}}`, "body.settings.domains", "it is an object and must be a list"},
		{`{"restoreDeleted":1}`, "body.settings.restoreDeleted", "it is a number and must be a boolean"},
		{`{"revokeSessionsOnPasswordChange":"on"}`, "body.settings.revokeSessionsOnPasswordChange", "must be a boolean"},
		{`{"allowSharedDomains":[]}`, "body.settings.allowSharedDomains", "it is an array and must be a boolean"},
	} {
		status, problem := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+tc.patch+`}`)
		mustSay(t, status, problem, 422, tc.field, tc.says)
	}
}

// A null removes, and what cannot be missing cannot be removed.
func TestNothingNeededIsRemoved(t *testing.T) {
	f := newFixture(t)
	id := f.directory(`{"suspendOnLockout":true}`)
	for path, fields := range map[string][]string{
		"/v1/directories/" + id:             {"name", "settings"},
		"/v1/organizations/" + organization: {"name", "apiKey", "webhookTokens"},
	} {
		for _, field := range fields {
			status, problem := f.call("PATCH", path, `{"`+field+`": null }`)
			mustSay(t, status, problem, 422, "body."+field, field+" cannot be removed")
		}
		if status, got := f.call("PATCH", path, `{}`); status != 200 || got["name"] == "" {
			t.Errorf("%d %v", status, got)
		}
	}
	if _, got := f.call("GET", "/v1/directories/"+id, ""); got["name"] != "Contoso" || got["settings"].(map[string]any)["suspendOnLockout"] != true {
		t.Errorf("%v", got)
	}
}
