package admin_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/queue"
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
		{`{"domains":[{"name":5}]}`, "body.settings.domains[0].name", "it is a number and must be a string"},
		{`{"domains":{}}`, "body.settings.domains", "it is an object and must be a list"},
		{`{"restoreDeleted":1}`, "body.settings.restoreDeleted", "it is a number and must be a boolean"},
		{`{"revokeSessionsOnPasswordChange":"on"}`, "body.settings.revokeSessionsOnPasswordChange", "must be a boolean"},
		{`{"allowSharedDomains":[]}`, "body.settings.allowSharedDomains", "it is an array and must be a boolean"},
	} {
		status, problem := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+tc.patch+`}`)
		mustSay(t, status, problem, 422, tc.field, tc.says)
	}
}

// A null removes a field, and a required field cannot be removed.
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
			t.Errorf("%d %v, want 200, name not \"\"", status, got)
		}
	}
	status, problem := f.call("POST", "/v1/directories", `{"name":"A","organizationId":"`+organization+`","tenantId":"apart.example","settings":null}`)
	mustSay(t, status, problem, 422, "body.settings", "settings cannot be removed")
	if _, got := f.call("GET", "/v1/directories/"+id, ""); got["name"] != "Contoso" || got["settings"].(map[string]any)["suspendOnLockout"] != true {
		t.Errorf("%v, want name \"Contoso\", suspendOnLockout %v", got, true)
	}
}

func TestSettingsOfGroups(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	none, application := map[string]any{"type": "none"}, map[string]any{"type": "application", "id": source}
	for _, step := range []struct {
		patch                  string
		manage, exact, deletes bool
		source                 map[string]any
	}{
		{`{}`, true, false, false, none},
		{`{"manageGroups":false,"exactMembership":true,"deleteGroups":true}`, false, true, true, none},
		{`{"manageGroups":null,"exactMembership":null,"deleteGroups":null}`, true, false, false, none},
		{`{"connectionSource":{"type":"application","id":"` + source + `"}}`, true, false, false, application},
		{`{"connectionSource":{"type":"office_365"}}`, true, false, false, map[string]any{"type": "office_365", "id": source}},
		{`{"connectionSource":{"type":"none","id":null}}`, true, false, false, none},
		{`{"connectionSource":{"type":"application","id":"` + source + `"}}`, true, false, false, application},
		{`{"connectionSource":{"type":"none"}}`, true, false, false, none},
		{`{"connectionSource":{"type":"application","id":"` + source + `"}}`, true, false, false, application},
		{`{"connectionSource":{"type":null}}`, true, false, false, none},
		{`{"connectionSource":{"type":"application","id":"` + source + `"}}`, true, false, false, application},
		{`{"connectionSource":null}`, true, false, false, none},
	} {
		status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+step.patch+`}`)
		settings, _ := got["settings"].(map[string]any)
		if status != 200 || settings["manageGroups"] != step.manage || settings["exactMembership"] != step.exact || settings["deleteGroups"] != step.deletes ||
			!cmp.Equal(settings["connectionSource"], any(step.source)) {
			t.Errorf("%s: %d %v", step.patch, status, got)
		}
	}
	for _, tc := range []struct{ patch, field, says string }{
		{`{"manageGroups":"yes"}`, "body.settings.manageGroups", "it is a string and must be a boolean"},
		{`{"connectionSource":{"type":"ldap"}}`, "body.settings.connectionSource.type", `is "ldap": it must be one of none, application, office_365`},
		{`{"connectionSource":{"type":7}}`, "body.settings.connectionSource.type", "it is a number and must be a string"},
		{`{"connectionSource":{"type":"application"}}`, "body.settings.connectionSource.id", "24 hex digits"},
		{`{"connectionSource":{"type":"application","id":"x"}}`, "body.settings.connectionSource.id", "24 hex digits"},
		{`{"connectionSource":{"id":"` + source + `"}}`, "body.settings.connectionSource.id", "needs its type"},
		{`{"connectionSource":"application"}`, "body.settings.connectionSource", "must be an object"},
		{`{"connectionSource":{"name":"x"}}`, "body.settings.connectionSource.name", "no field name"},
	} {
		status, problem := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+tc.patch+`}`)
		mustSay(t, status, problem, 422, tc.field, tc.says)
	}
}

// Associations that exist in JumpCloud are read when a directory gets its connection
// source, and again in every patch that has the setting.
func TestAConnectionSourceIsReadAtOnce(t *testing.T) {
	f := newFixture(t)
	mustRead := func(when string, want int) {
		t.Helper()
		tasks := f.groupTasks(f.groupsBulk)
		for _, task := range tasks {
			if task.Group != "" || !task.Source || task.AllMembers || task.Cause.Type != "connection_source" {
				t.Errorf("%s: %+v, want Group \"\", Source true, AllMembers false, Type \"connection_source\"", when, task)
			}
		}
		if len(tasks) != want || f.later != want {
			t.Errorf("%s: %d tasks and %d a minute later, want %d", when, len(tasks), f.later, want)
		}
		f.later = 0
	}
	const own = `{"connectionSource":{"type":"application","id":"` + source + `"}}`
	id := f.directory(own)
	mustRead("created with a source", 1)
	for _, step := range []struct {
		when, patch string
		want        int
	}{
		{"another setting", `{"suspendOnLockout":true}`, 0},
		{"the same source again", own, 1},
		{"another source", `{"connectionSource":{"id":"6520000000000000000000b2"}}`, 1},
		{"no source", `{"connectionSource":null}`, 1},
	} {
		if status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+step.patch+`}`); status != 200 {
			t.Errorf("%s: %d %v, want 200", step.when, status, got)
		}
		mustRead(step.when, step.want)
	}
	f = newFixture(t)
	f.directory("{}")
	mustRead("created without one", 0)
}

// downQueue accepts no message.
type downQueue struct{}

func (downQueue) Send(context.Context, ...queue.Message) error {
	return fault.New(fault.Transient, "test", "the queue is down")
}

func TestADirectoryWhoseSourceCouldNotBeReadSaysSo(t *testing.T) {
	f := newFixture(t)
	api := f.api
	api.Lanes.GroupsLive, api.Lanes.GroupsBulk = downQueue{}, downQueue{}
	f.serve(api)
	status, problem := f.call("POST", "/v1/directories", `{"name":"Contoso","organizationId":"`+organization+`","tenantId":"`+tenant+`","settings":{"connectionSource":{"type":"application","id":"`+source+`"}}}`)
	detail, _ := problem["detail"].(string)
	all, err := f.records.DirectoriesOf(t.Context(), organization)
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v, want 1 all", all, err)
	}
	want := "the directory " + string(all[0].ID) + " is kept; its connection source is read within some minutes"
	if status != 503 || detail != want {
		t.Errorf("%d %q, want %q", status, detail, want)
	}
	if tasks := f.sweep(); len(tasks) == 0 || !strings.Contains(tasks[0], "source true") {
		t.Errorf("the sweep sends %q, want the tasks that read the source", tasks)
	}
}

func TestASettingConcernsUsersAndGroups(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.connectGroups(id, engineering, sales)
	if err := f.records.Connect(t.Context(), directory.ID(id), ann, directory.Direct, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	f.call("PATCH", "/v1/directories/"+id, `{"settings":{"manageGroups":false}}`)
	var groups []directory.GroupID
	for _, task := range f.groupTasks(f.groupsBulk) {
		if !task.AllMembers || task.Cause.Type != "settings_changed" {
			t.Errorf("%+v, want AllMembers true, Type \"settings_changed\"", task)
		}
		groups = append(groups, task.Group)
	}
	slices.Sort(groups)
	if !slices.Equal(groups, []directory.GroupID{engineering, sales}) {
		t.Errorf("groups: %v", groups)
	}
	if users := f.tasks(f.bulk); len(users) != 1 || users[0].User != ann {
		t.Errorf("users: %+v, want 1 users, User %v", users, ann)
	}
}
