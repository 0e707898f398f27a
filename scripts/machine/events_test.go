package machine_test

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// event is what the tests compare of an event.
type event struct {
	kind, user, correlation, reason, answer string
	success                                 bool
	fields                                  []string
}

// events are all events that a query of the API gives, newest first.
func (p *product) events(query string) []event {
	p.t.Helper()
	var found []event
	for cursor := ""; ; {
		page := p.call("GET", "/v1/events?limit=3&"+query+cursor, nil, 200)
		items, _ := page["items"].([]any)
		for _, item := range items {
			found = append(found, p.event(item))
		}
		next, more := page["cursor"].(string)
		if !more {
			return found
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
}

// event reads one event and fails on an envelope that is not complete.
func (p *product) event(item any) event {
	p.t.Helper()
	got, _ := item.(map[string]any)
	part := func(name, field string) string {
		inner, _ := got[name].(map[string]any)
		text, _ := inner[field].(string)
		return text
	}
	application := part("application", "id")
	if got["@version"] != "1" || got["service"] != "directory" || application == "" || part("application", "name") == "" ||
		part("resource", "type") != "user" || part("resource", "username") == "" || part("correlation", "id") == "" {
		p.t.Errorf("got %v, want the complete envelope of an event", got)
	}
	if at, err := time.Parse(time.RFC3339, fmt.Sprint(got["timestamp"])); err != nil || time.Since(at) > time.Hour {
		p.t.Errorf("timestamp %v (%v), want one of the last hour", got["timestamp"], err)
	}
	e := event{user: part("resource", "id"), correlation: part("correlation", "type"), answer: part("message_chain", "response_code")}
	e.kind, _ = got["event_type"].(string)
	e.reason, _ = got["reason"].(string)
	e.success, _ = got["success"].(bool)
	changes, _ := got["changes"].([]any)
	for _, each := range changes {
		change, _ := each.(map[string]any)
		e.fields = append(e.fields, fmt.Sprint(change["field"]))
	}
	return e
}

// The events show a user's life: created, changed, a refused change, suspended.
func TestEventsShowAUsersLife(t *testing.T) {
	p := start(t)
	jc := p.machine.JumpCloud
	ada, alan := jc.Users()[0].Text("_id"), jc.Users()[1].Text("_id")
	live := func(change func() error) {
		t.Helper()
		if err := change(); err != nil {
			t.Fatal(err)
		}
		p.settle()
	}
	p.connect(ada)
	p.connect(alan)
	p.settle()
	live(func() error { return jc.UpdateUser(ada, jumpcloudtest.Fields{"location": "Stockholm"}) })
	if err := p.machine.Entra.FailNext(entratest.Fault{Method: "PATCH", Path: `/users/`, Status: 403}); err != nil {
		t.Fatal(err)
	}
	live(func() error { return jc.UpdateUser(ada, jumpcloudtest.Fields{"company": "Analytical Engines"}) })
	live(func() error { return jc.SuspendUser(ada) })

	created := p.events("type=user_create_provision&user=" + ada)
	if len(created) != 1 || !created[0].success || created[0].answer != "201" || created[0].correlation != "connected" || !slices.Contains(created[0].fields, "userPrincipalName") {
		t.Errorf("created: %+v, want one event with 201, caused by connected", created)
	}
	updates := p.events("type=user_update_provision&user=" + ada)
	if len(updates) < 3 {
		t.Fatalf("updates: %+v, want at least 3", updates)
	}
	oldest, refused := updates[len(updates)-1], updates[len(updates)-2]
	if !oldest.success || oldest.correlation != "user_update" || !slices.Equal(oldest.fields, []string{"officeLocation"}) {
		t.Errorf("changed: %+v, want success with officeLocation, caused by user_update", oldest)
	}
	if refused.success || refused.answer != "forbidden" || !slices.Equal(refused.fields, []string{"companyName"}) {
		t.Errorf("refused: %+v, want forbidden for companyName", refused)
	}
	if !slices.ContainsFunc(updates, func(e event) bool {
		return slices.Equal(e.fields, []string{"signInSessionsValidFromDateTime"})
	}) {
		t.Errorf("updates: %+v, want one that ends the sessions", updates)
	}
	suspended := p.events("type=user_deprovision")
	if len(suspended) != 1 || suspended[0].user != ada || suspended[0].reason != "suspended" || !suspended[0].success || !slices.Equal(suspended[0].fields, []string{"accountEnabled"}) {
		t.Errorf("suspended: %+v, want one success for %s with accountEnabled", suspended, ada)
	}

	all := p.events("")
	if own := p.events("user=" + ada); len(own)+1 != len(all) || len(own) != len(created)+len(updates)+len(suspended) {
		t.Errorf("%d events of Ada's and %d in all, want %d and one more", len(own), len(all), len(created)+len(updates)+len(suspended))
	}
	for query, want := range map[string]int{
		"directory=" + p.directory: len(all), "organization=" + string(p.machine.Config.Organization): len(all),
		"user=" + alan: 1, "since=2999-01-01T00:00:00Z": 0, "since=2000-01-01T00:00:00Z": len(all), "type=user_password_update_provision": 0,
	} {
		if got := p.events(query); len(got) != want {
			t.Errorf("%s: %d events, want %d", query, len(got), want)
		}
	}
}
