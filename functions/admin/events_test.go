package admin_test

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// noon is the time of the first action of these tests; one follows every ten minutes.
var noon = time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)

// bob is a second user of JumpCloud.
const bob = "64a1b2c3d4e5f60718293b00"

// did stores an action; number gives its time and its id.
func (f *fixture) did(number int, id string, kind plan.Type, user string, status plan.Status) {
	f.t.Helper()
	at := noon.Add(time.Duration(number) * 10 * time.Minute)
	action := plan.Action{
		ID: fmt.Sprintf("a%03d", number), Type: kind, Directory: directory.ID(id), Subject: plan.Subject{Kind: "user", ID: user, Name: "name"},
		Changes: []directory.Change{{Attribute: directory.City, To: directory.Value{"Berlin"}}},
		Cause:   plan.Cause{Type: "user_update", ID: "e1"}, Status: status, At: at, CompletedAt: at.Add(time.Second),
	}
	if status == plan.Failed {
		action.Error = &plan.Failure{Kind: "conflict", Reason: directory.UPNConflict, Message: "give one of the two another e-mail"}
	}
	if err := f.records.RecordActions(f.t.Context(), action); err != nil {
		f.t.Fatal(err)
	}
}

// events reads events in pages of two and returns all ids.
func (f *fixture) events(query string) []string {
	f.t.Helper()
	var ids []string
	for cursor := ""; ; {
		status, answer := f.call("GET", "/v1/events?limit=2"+query+cursor, "")
		items, _ := answer["items"].([]any)
		if status != 200 || len(items) > 2 {
			f.t.Fatalf("%s: %d %v, want 200, at most 2 items", query, status, answer)
		}
		for _, item := range items {
			event, _ := item.(map[string]any)
			ids = append(ids, fmt.Sprint(event["id"]))
		}
		next, more := answer["cursor"].(string)
		if !more {
			return ids
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
}

func TestEvents(t *testing.T) {
	f := newFixture(t)
	f.beside()
	f.outside.tenants = otherTenants()
	one := f.directory("{}")
	_, created := f.create("Apart", organization, "apart.example", "{}")
	two := idOf(created)
	_, created = f.create("Mainland", otherOrganization, "mainland.example", "{}")
	three := idOf(created)
	f.did(1, one, plan.Provision, ann, plan.Failed)
	f.did(2, one, plan.Provision, ann, plan.Succeeded)
	f.did(3, three, plan.Provision, ann, plan.Succeeded)
	f.did(4, two, plan.TakeOver, bob, plan.Succeeded)
	f.did(5, one, plan.Update, ann, plan.Started)
	f.did(6, one, plan.SetPassword, ann, plan.Succeeded)
	f.did(7, three, plan.EndSessions, bob, plan.Failed)
	f.did(8, one, plan.Deprovision, ann, plan.Succeeded)
	f.did(9, one, plan.SetPassword, ann, plan.Queued)
	f.did(10, two, plan.Drift, bob, plan.Succeeded)
	at := func(number int) string {
		return url.QueryEscape(noon.Add(time.Duration(number)*10*time.Minute + time.Second).In(time.FixedZone("", 3600)).Format(time.RFC3339))
	}
	for _, tc := range []struct {
		query string
		want  []string
	}{
		{"", []string{"a007", "a003", "a010", "a008", "a006", "a004", "a002", "a001"}}, // the organizations follow one another
		{"&organization=" + organization, []string{"a010", "a008", "a006", "a004", "a002", "a001"}},
		{"&organization=" + otherOrganization, []string{"a007", "a003"}},
		{"&directory=" + two, []string{"a010", "a004"}},
		{"&directory=" + one + "&organization=" + organization, []string{"a008", "a006", "a002", "a001"}},
		{"&user=" + bob, []string{"a007", "a010", "a004"}},
		{"&user=" + ann + "&organization=" + organization, []string{"a008", "a006", "a002", "a001"}},
		{"&user=64a1b2c3d4e5f60718293fff", nil},
		{"&type=user_create_provision", []string{"a003", "a002", "a001"}},
		{"&type=user_update_provision", []string{"a007", "a004"}},
		{"&type=user_password_update_provision", []string{"a006"}},
		{"&type=user_drift", []string{"a010"}},
		{"&type=user_deprovision&user=" + ann, []string{"a008"}},
		{"&since=" + at(4), []string{"a007", "a010", "a008", "a006", "a004"}},
		{"&since=" + at(2) + "&until=" + at(6) + "&directory=" + one, []string{"a006", "a002"}},
		{"&until=" + at(1), []string{"a001"}},
		{"&until=2026-03-06", nil},
		{"&since=2026-03-06&until=2026-03-07", []string{"a007", "a003", "a010", "a008", "a006", "a004", "a002", "a001"}},
		{"&since=2026-03-07", nil},
	} {
		if got := f.events(tc.query); !cmp.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.query, got, tc.want)
		}
	}
}

// An event has the form of a Directory Insights event, with our reason if it failed.
func TestEventAsShown(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.did(1, id, plan.Update, ann, plan.Failed)
	f.did(2, organization+"-gone", plan.Update, ann, plan.Succeeded)
	_, answer := f.call("GET", "/v1/events?organization="+organization, "")
	items, _ := answer["items"].([]any)
	if len(items) != 2 {
		t.Fatalf("%v, want 2 items", answer)
	}
	want := map[string]any{
		"id": "a001", "@version": "1", "service": "directory", "event_type": "user_update_provision", "timestamp": "2026-03-06T12:10:01Z",
		"organization": organization, "resource": map[string]any{"id": ann, "type": "user", "username": "name"},
		"application": map[string]any{"id": id, "name": "Contoso"},
		"changes":     []any{map[string]any{"field": "city", "to": "Berlin"}},
		"correlation": map[string]any{"id": "e1", "type": "user_update"},
		"message_chain": map[string]any{"response_code": "conflict", "response_message": "give one of the two another e-mail",
			"message_details": "upn_conflict"},
		"success": false, "error_message": "give one of the two another e-mail",
	}
	if diff := cmp.Diff(want, items[1]); diff != "" {
		t.Error(diff)
	}
	gone, _ := items[0].(map[string]any)
	if !cmp.Equal(gone["application"], any(map[string]any{"id": organization + "-gone"})) || gone["success"] != true {
		t.Errorf("in a directory that is gone: %v", gone)
	}
}

func TestRefusedEventQueries(t *testing.T) {
	f := newFixture(t)
	f.beside()
	id := f.directory("{}")
	for number := range 6 {
		f.did(number, id, plan.Update, ann, plan.Succeeded)
	}
	_, page := f.call("GET", "/v1/events?limit=2&organization="+organization, "")
	cursor, _ := page["cursor"].(string)
	if cursor == "" {
		t.Fatalf("%v, want cursor not \"\"", page)
	}
	for _, tc := range []struct{ query, field, says string }{
		{"type=user_delete", "query.type", "user_create_provision, user_update_provision, user_password_update_provision, user_deprovision, user_drift, group_drift"},
		{"organization=nope", "query.organization", "24 hex digits"},
		{"organization=5f0c1e2d3a4b5c6d7e8fffff", "query.organization", "no organization 5f0c1e2d3a4b5c6d7e8fffff"},
		{"directory=nope", "query.directory", "there is no directory nope: its id is that of its organization"},
		{"user=nobody", "query.user", "24 hex digits"},
		{"directory=" + organization + "-nope", "query.directory", "no directory " + organization + "-nope"},
		{"directory=" + id + "&organization=" + otherOrganization, "query.directory", "belongs to the organization " + organization},
		{"since=yesterday", "query.since", "a date such as 2026-03-06, which is its midnight UTC"},
		{"since=2026-11-31", "query.since", "a time such as 2026-03-06T12:00:00Z"},
		{"until=2026-03-06T12:00:00", "query.until", "a time such as 2026-03-06T12:00:00Z"},
		{"limit=0", "query.limit", ""},
		{"limit=101", "query.limit", ""},
		{"cursor=x", "query.cursor", "start again"},
		{"cursor=" + cursor, "query.cursor", "start again"},
		{"cursor=" + cursor + "&directory=" + id, "query.cursor", "start again"},
		{"cursor=" + cursor + "&organization=" + organization + "&user=" + ann, "query.cursor", "start again"},
	} {
		status, problem := f.call("GET", "/v1/events?"+tc.query, "")
		mustSay(t, status, problem, 422, tc.field, tc.says)
	}
	if status, _ := f.callWith(nil, "GET", "/v1/events", ""); status != 401 {
		t.Errorf("without a token: %d, want 401", status)
	}
	if status, again := f.call("GET", "/v1/events?limit=4&organization="+organization+"&cursor="+cursor, ""); status != 200 || len(again["items"].([]any)) != 4 {
		t.Errorf("the same query, another limit: %d %v, want 200, 4 items", status, again)
	}
}

// The description lists exactly the types of events.
func TestEventTypesAreDescribed(t *testing.T) {
	f := newFixture(t)
	_, document := f.callWith(nil, "GET", "/openapi.json", "")
	dig := func(from any, path ...string) any {
		for _, name := range path {
			object, _ := from.(map[string]any)
			from = object[name]
		}
		return from
	}
	var want []any
	for _, kind := range plan.EventTypes {
		want = append(want, string(kind))
	}
	if got := dig(document, "components", "schemas", "Event", "properties", "event_type", "enum"); !cmp.Equal(got, any(want)) {
		t.Errorf("event_type is one of %v", got)
	}
	parameters, _ := dig(document, "paths", "/v1/events", "get", "parameters").([]any)
	at := slices.IndexFunc(parameters, func(p any) bool { return dig(p, "name") == "type" })
	if at < 0 || !cmp.Equal(dig(parameters[at], "schema", "enum"), any(want)) {
		t.Errorf("parameters: %v", parameters)
	}
}
