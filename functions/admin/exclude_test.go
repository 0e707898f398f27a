package admin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

func TestTheSettingExclude(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	none := map[string]any{"users": []any{}, "upns": []any{}, "group": ""}
	for _, step := range []struct {
		patch string
		want  map[string]any
	}{
		{`{}`, none},
		{`{"exclude":{"users":["` + ann + `"],"upns":["Glass@contoso.example"]}}`, map[string]any{"users": []any{ann}, "upns": []any{"Glass@contoso.example"}, "group": ""}},
		{`{"exclude":{"group":"` + engineering + `"}}`, map[string]any{"users": []any{ann}, "upns": []any{"Glass@contoso.example"}, "group": engineering}},
		{`{"exclude":{"users":null}}`, map[string]any{"users": []any{}, "upns": []any{"Glass@contoso.example"}, "group": engineering}},
		{`{"exclude":{"upns":[],"group":null}}`, none},
		{`{"exclude":{"upns":["svc_1@contoso.onmicrosoft.example","a.guest_gmail.com#EXT#@contoso.example"]}}`,
			map[string]any{"users": []any{}, "upns": []any{"svc_1@contoso.onmicrosoft.example", "a.guest_gmail.com#EXT#@contoso.example"}, "group": ""}},
		{`{"exclude":null}`, none},
	} {
		status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+step.patch+`}`)
		settings, _ := got["settings"].(map[string]any)
		if diff := cmp.Diff(any(step.want), settings["exclude"]); status != 200 || diff != "" {
			t.Errorf("%s: %d %v (-want +got):\n%s", step.patch, status, got, diff)
		}
	}
	many := make([]string, directory.MaxExcluded+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"u%d@contoso.example"`, i)
	}
	for _, tc := range []struct{ patch, field, says string }{
		{`{"exclude":[]}`, "body.settings.exclude", "must be an object"},
		{`{"exclude":{"groups":[]}}`, "body.settings.exclude.groups", "no field groups"},
		{`{"exclude":{"users":["` + ann + `","x"]}}`, "body.settings.exclude.users[1]", "24 hex digits"},
		{`{"exclude":{"users":["` + ann + `","` + ann + `"]}}`, "body.settings.exclude.users[1]", "listed twice"},
		{`{"exclude":{"users":[null]}}`, "body.settings.exclude.users[0]", "must be a string"},
		{`{"exclude":{"upns":["a@b.example","c@b.example","d@b.example","no name"]}}`, "body.settings.exclude.upns[3]", `"no name" is not a sign-in name`},
		{`{"exclude":{"upns":["a@b.example","A@B.example"]}}`, "body.settings.exclude.upns[1]", "listed twice"},
		{`{"exclude":{"upns":["a b@b.example"]}}`, "body.settings.exclude.upns[0]", "is not a sign-in name"},
		{`{"exclude":{"upns":[` + strings.Join(many, ",") + `]}}`, "body.settings.exclude.upns", "1000"},
		{`{"exclude":{"group":"x"}}`, "body.settings.exclude.group", "24 hex digits"},
		{`{"exclude":{"group":"` + sales + `"}}`, "body.settings.exclude.group", "JumpCloud has no group " + sales},
	} {
		status, problem := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+tc.patch+`}`)
		mustSay(t, status, problem, 422, tc.field, tc.says)
	}
	if status, problem := f.create("Two", organization, "apart.example", `{"exclude":{"group":"`+sales+`"}}`); status != 422 {
		t.Errorf("%d %v, want 422: there is no such group", status, problem)
	}
}

// What exclude lists and nobody has is stored, and the answer says so; also what could not be
// checked. Other requests check nothing.
func TestWhatProtectsNobodyIsSaid(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	const listed = `{"exclude":{"users":["` + ann + `","` + sales + `"],"upns":["Glass@contoso.example","gone@contoso.example","typo@contoso.example"]}}`
	mustWarn := func(when string, status, want int, got map[string]any, warnings ...string) {
		t.Helper()
		var shown []string
		list, _ := got["warnings"].([]any)
		for _, each := range list {
			w, _ := each.(map[string]any)
			shown = append(shown, fmt.Sprintf("%v %v: %v", w["setting"], w["value"], w["message"]))
		}
		settings, _ := got["settings"].(map[string]any)
		exclude, _ := settings["exclude"].(map[string]any)
		if users, _ := exclude["users"].([]any); status != want || len(users) != 2 {
			t.Errorf("%s: %d %v, want %d and both users stored", when, status, got, want)
		}
		if len(shown) != len(warnings) {
			t.Fatalf("%s: %q, want %q", when, shown, warnings)
		}
		for i, begins := range warnings {
			if !strings.HasPrefix(shown[i], begins) {
				t.Errorf("%s: %q, want %q", when, shown[i], begins)
			}
		}
	}
	user, name := "exclude.users[1] "+sales+": JumpCloud has no user of this id", "exclude.upns[2] typo@contoso.example: Entra has no account of this sign-in name"
	status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":`+listed+`}`)
	mustWarn("set", status, 200, got, user, name)
	status, got = f.call("PATCH", "/v1/directories/"+id, `{"settings":{"suspendOnLockout":true}}`)
	mustWarn("another setting", status, 200, got)
	f.outside.unread = fault.New(fault.Transient, "test", "Graph is away")
	status, got = f.call("PATCH", "/v1/directories/"+id, `{"settings":`+listed+`}`)
	mustWarn("Graph is away", status, 200, got, user, "exclude.upns <nil>: it could not be checked whether all of these sign-in names exist in Entra: Graph is away.")
	f.outside.unread, f.outside.jumpCloud = nil, fault.New(fault.Transient, "test", "JumpCloud is away")
	status, got = f.call("PATCH", "/v1/directories/"+id, `{"settings":`+listed+`}`)
	mustWarn("JumpCloud is away", status, 200, got, "exclude.users <nil>: it could not be checked whether all of these users exist in JumpCloud: JumpCloud is away.", name)
	f.outside.jumpCloud = nil
	status, got = f.create("Two", organization, "apart.example", `{"allowSharedDomains":true,`+listed[1:])
	mustWarn("created", status, 201, got, user, name)
}

// The group is read as soon as the setting is stored, and once more a minute later; the
// directory says that its members are not known until then, and later that it is gone.
func TestTheExcludedGroupIsReadAtOnce(t *testing.T) {
	f := newFixture(t)
	mustRead := func(when string, want int) {
		t.Helper()
		tasks := f.groupTasks(f.groupsBulk)
		for _, task := range tasks {
			if task.Group != engineering || !task.AllMembers || task.Cause.Type != reconcile.SettingsCause {
				t.Errorf("%s: %+v, want all members of %s", when, task, engineering)
			}
		}
		if len(tasks) != want || f.later != want {
			t.Errorf("%s: %d tasks and %d a minute later, want %d", when, len(tasks), f.later, want)
		}
		f.later = 0
	}
	id := f.directory(`{"exclude":{"group":"` + engineering + `"}}`)
	mustRead("created", 1)
	says := func(when, want string) {
		t.Helper()
		_, got := f.call("GET", "/v1/directories/"+id, "")
		shown, _ := got["exclusion"].(map[string]any)
		message, _ := shown["message"].(string)
		if !strings.Contains(message, want) || want == "" && (message != "" || shown["listedAt"] == nil) {
			t.Errorf("%s: %v, want a message with %q", when, got["exclusion"], want)
		}
	}
	says("created", "are being read")
	known, err := f.records.Exclusion(t.Context(), directory.ID(id), engineering)
	if err != nil || known.Version == 0 {
		t.Fatalf("%+v, %v, want that the group is recorded with the settings", known, err)
	}
	known.ListedAt = time.Now().UTC()
	if err := f.records.PutExclusion(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	says("read", "")
	if status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":{"suspendOnLockout":true}}`); status != 200 {
		t.Errorf("%d %v, want 200", status, got)
	}
	mustRead("another setting", 1)
	says("another setting", "")
	known, _ = f.records.Exclusion(t.Context(), directory.ID(id), engineering)
	known.GoneAt = time.Now().UTC()
	if err := f.records.PutExclusion(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	says("gone", "JumpCloud has no such group since")
	for _, group := range []string{"", engineering} {
		if status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":{"exclude":{"group":"`+group+`"}}}`); status != 200 {
			t.Errorf("%d %v, want 200", status, got)
		}
	}
	says("named again", "are being read")
}

func TestTheExcludedAreListed(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	if err := f.records.Connect(t.Context(), directory.ID(id), ann, directory.Direct, noon); err != nil {
		t.Fatal(err)
	}
	f.link(id, ann, func(l *directory.Link) { l.Status, l.Reason = directory.Parked, directory.Excluded })
	if got := f.listed("/v1/directories/"+id+"/users?status=parked&reason=excluded", "userId"); !cmp.Equal(got, []string{ann}) {
		t.Errorf("%v, want %s", got, ann)
	}
}

// The gateway sets no password of who is excluded: it says why, and nothing is written to
// JumpCloud either.
func TestAPasswordOfTheExcluded(t *testing.T) {
	for name, tc := range map[string]struct {
		exclude directory.Exclude
		says    string
	}{
		"by id":                     {directory.Exclude{Users: []directory.UserID{"ann"}}, "(excluded): the user is listed in exclude.users"},
		"by name":                   {directory.Exclude{UPNs: []directory.UPN{"ANN.Lee@contoso.example"}}, "(excluded): the sign-in name"},
		"by the real name":          {directory.Exclude{UPNs: []directory.UPN{"glass@contoso.example"}}, "(excluded): the sign-in name"},
		"by group":                  {directory.Exclude{Group: engineering}, "(excluded): the user is in the JumpCloud group"},
		"the group is not read yet": {directory.Exclude{Group: sales}, "(exclusion_unread): the members"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			id := g.connected("one", tenant, "ann.lee@contoso.example", func(s *directory.Settings) {
				s.Exclude = tc.exclude
				for i := range s.Exclude.Users {
					s.Exclude.Users[i] = g.ann
				}
			})
			g.must(g.worker.PublishKey(t.Context()))
			if tc.exclude.Group == engineering {
				g.must(g.records.PutExclusion(t.Context(), store.Exclusion{Directory: id, Group: engineering, ListedAt: noon}))
				g.must(g.records.PutExcluded(t.Context(), id, engineering, g.ann))
			}
			if name == "by the real name" {
				_, err := g.entra.Tenant(tenant).UpdateUser("ann.lee@contoso.example", map[string]any{"userPrincipalName": "glass@contoso.example"})
				g.must(err)
			}
			status, answer := g.set(goodPassword)
			if status != 422 || !strings.Contains(details(answer), tc.says) {
				t.Errorf("%d %v, want 422 with %q", status, answer, tc.says)
			}
			if has := g.has(goodPassword); len(has) > 0 {
				t.Errorf("%v have the password, want nobody", has)
			}
		})
	}
}
