package admin_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
)

// The setting import takes the rules that can go from Entra to JumpCloud, rule by rule.
func TestTheSettingImport(t *testing.T) {
	f := newFixture(t)
	id := f.directory(`{"import":{"user_job_title":true}}`)
	for _, step := range []struct {
		patch string
		want  map[string]any
	}{
		{`{}`, map[string]any{"user_job_title": true}},
		{`{"import":{"user_department":true}}`, map[string]any{"user_job_title": true, "user_department": true}},
		{`{"import":{"user_job_title":false}}`, map[string]any{"user_job_title": false, "user_department": true}},
		{`{"import":{"user_job_title":null}}`, map[string]any{"user_department": true}},
		{`{"import":null}`, map[string]any{}},
	} {
		status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+step.patch+`}`)
		settings, _ := got["settings"].(map[string]any)
		if status != 200 || !cmp.Equal(settings["import"], any(step.want)) {
			t.Errorf("%s: %d, import is %v, want %v", step.patch, status, settings["import"], step.want)
		}
	}
	for _, tc := range []struct{ patch, field, says string }{
		{`{"import":{"user_manager":true}}`, "body.settings.import.user_manager", ""},
		{`{"import":{"nobody":true}}`, "body.settings.import.nobody", ""},
		{`{"import":{"user_job_title":"yes"}}`, "body.settings.import.user_job_title", "must be a boolean"},
		{`{"import":[]}`, "body.settings.import", "must be an object"},
	} {
		status, problem := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+tc.patch+`}`)
		mustSay(t, status, problem, 422, tc.field, tc.says)
	}
	var rules []string
	for _, rule := range directory.ImportableRules() {
		rules = append(rules, string(rule))
	}
	if got := keysOf(dig(f.document(), "components", "schemas", "Settings", "properties", "import", "properties")); !cmp.Equal(got, rules) {
		t.Errorf("the document describes %v, want %v", got, rules)
	}
}

// An organization has the addresses that hear of imports. An empty list clears them, and one
// that is no address is refused before anything is changed.
func TestWhoHearsOfImports(t *testing.T) {
	f := newFixture(t)
	path := "/v1/organizations/" + organization
	for _, step := range []struct {
		patch string
		want  any
	}{
		{`{"notify":["it@contoso.example","HR <hr@contoso.example>"]}`, []any{"it@contoso.example", "HR <hr@contoso.example>"}},
		{`{"name":"Other"}`, []any{"it@contoso.example", "HR <hr@contoso.example>"}},
		{`{"notify":[]}`, nil},
		{`{"notify":["it@contoso.example"]}`, []any{"it@contoso.example"}},
	} {
		status, got := f.call("PATCH", path, step.patch)
		_, read := f.call("GET", path, "")
		if status != 200 || !cmp.Equal(got["notify"], step.want) || !cmp.Equal(read["notify"], step.want) {
			t.Errorf("%s: %d, notify is %v and then %v, want %v", step.patch, status, got["notify"], read["notify"], step.want)
		}
	}
	for _, tc := range []struct{ patch, field, says string }{
		{`{"notify":["it@contoso.example","nobody"]}`, "body.notify[1]", "not an e-mail address"},
		{`{"notify":["ann@bücher.example"]}`, "body.notify[0]", "xn--"},
		{`{"notify":"it@contoso.example"}`, "body.notify", "must be a list"},
		{`{"notify":["a@b.example","a@b.example","a@b.example","a@b.example","a@b.example","a@b.example","a@b.example","a@b.example","a@b.example","a@b.example","a@b.example"]}`, "body.notify", "at most 10"},
		{`{"notify":null}`, "body.notify", "cannot be removed"},
		{`{"webhookTokens":["canary-another-token"],"notify":["nobody"]}`, "body.notify[0]", "not an e-mail address"},
	} {
		status, problem := f.call("PATCH", path, tc.patch)
		mustSay(t, status, problem, 422, tc.field, tc.says)
	}
	if _, read := f.call("GET", path, ""); !cmp.Equal(read["notify"], any([]any{"it@contoso.example"})) {
		t.Errorf("after refusals notify is %v, want it as before", read["notify"])
	}
	if tokens, err := f.secrets.WebhookTokens(t.Context(), organization); err == nil && len(tokens) > 0 {
		t.Errorf("a request that was refused changed the webhook tokens: %d of them", len(tokens))
	}
}
