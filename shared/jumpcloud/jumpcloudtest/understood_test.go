package jumpcloudtest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

// JumpCloud's own client libraries send every parameter of a list, empty where the
// caller gave none.
func TestEmptyParametersAskForNothing(t *testing.T) {
	b := start(t, nil)
	user, group, m365 := b.user("mira", nil), b.must(b.CreateGroup("Sales")), b.must(b.CreateDirectory("M365"))
	b.ok(b.AddMember(group, user))
	b.ok(b.Associate(group, m365))
	b.must(b.Notify("http://receiver/", "token"))
	for _, path := range []string{"/api/systemusers", "/api/organizations", "/api/applications", "/api/v2/usergroups", "/api/v2/groups",
		"/api/v2/directories", "/api/v2/usergroups/" + group + "/members", "/api/v2/usergroups/" + group + "/membership",
		"/api/v2/usergroups/" + group + "/associations?targets=office_365", "/api/v2/users/" + user + "/memberof",
		"/api/v2/office365s/" + m365 + "/users", "/api/v2/office365s/" + m365 + "/translationrules", "/api/v2/office365s/" + m365 + "/domains",
		"/api/v2/notifications/channels", "/api/v2/healthmonitoring/rules"} {
		plain := b.want(200, "GET", path, nil)
		sign := map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")]
		full := b.want(200, "GET", path+sign+"filter=&sort=&fields=&limit=&skip=&search=", nil)
		if string(full.raw) != string(plain.raw) || full.header.Get("x-total-count") != plain.header.Get("x-total-count") {
			t.Errorf("%s: %s, without parameters %s, want the same", path, full.raw, plain.raw)
		}
	}
}

// Clients that were generated from older descriptions change groups with PATCH.
func TestGroupsArePatched(t *testing.T) {
	b := start(t, nil)
	group := b.want(201, "POST", "/api/v2/usergroups", Fields{"name": "Sales", "description": "who sell"}).fields().Text("id")
	got := b.want(200, "PATCH", "/api/v2/usergroups/"+group, Fields{"name": "Sales EU"}).fields()
	if got.Text("name") != "Sales EU" || got.Text("description") != "who sell" || b.types(len(b.Events())-1) != "group_update" {
		t.Errorf("%v, events %s, want the group changed with group_update", got, b.types(0))
	}
	b.want(404, "PATCH", "/api/v2/usergroups/64a1b2c3d4e5f60718293fff", Fields{"name": "x"})
	b.want(400, "PATCH", "/api/v2/usergroups/"+group, Fields{"name": ""})
}

// A group has parents only where groups can be in groups.
func TestParentsOfAGroup(t *testing.T) {
	b := start(t, nil)
	outer, middle, inner := b.must(b.CreateGroup("outer")), b.must(b.CreateGroup("middle")), b.must(b.CreateGroup("inner"))
	if got := b.want(200, "GET", "/api/v2/usergroups/"+inner+"/memberof", nil); string(got.raw) != "[]" || got.header.Get("x-total-count") != "0" {
		t.Errorf("%s, want an empty list", got.raw)
	}
	b.want(404, "GET", "/api/v2/usergroups/64a1b2c3d4e5f60718293fff/memberof", nil)
	b.Set(func(behaviour *Behaviour) { behaviour.NestedGroups = ResolveNestedGroups })
	b.ok(b.AddMember(outer, middle))
	b.ok(b.AddMember(middle, inner))
	b.ok(b.AddMember(inner, outer)) // a circle
	got := b.want(200, "GET", "/api/v2/usergroups/"+inner+"/memberof?sort=_id&limit=100", nil).list()
	if len(got) != 2 || got[0].Text("id") != outer || got[1].Text("id") != middle || got[1].Text("type") != "user_group" || got[1]["paths"] == nil {
		t.Errorf("parents of the inner group: %v, want the outer and the middle group with their paths", got)
	}
}

// A request that the simulator does not support gets a 501 with its name, one that
// JumpCloud does not describe a 400, and one without a route a 404 or 405: nothing is
// ignored.
func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	b := start(t, nil)
	user, group, m365 := b.user("mira", nil), b.must(b.CreateGroup("Sales")), b.must(b.CreateDirectory("M365"))
	events := Fields{"service": []any{"directory"}, "start_time": "2020-01-01T00:00:00Z"}
	with := func(name string, value any) Fields {
		more := Fields{name: value}
		for field, each := range events {
			more[field] = each
		}
		return more
	}
	for _, test := range []struct {
		status       int
		method, path string
		body         any
		words        string
	}{
		{501, "GET", "/api/v2/office365s/" + m365 + "/users?syncStatus=true", nil, "syncStatus"},
		{501, "GET", "/api/systemusers/" + user + "?filter=state:$eq:STAGED", nil, "filter"},
		{501, "GET", "/api/organizations?search=x", nil, "search"},
		{501, "GET", "/api/v2/office365s/" + m365 + "/import/users?orderby=x", nil, "orderby"},
		{501, "GET", "/api/v2/healthmonitoring/rules?labels=RULE_LABEL_ADMIN", nil, "labels"},
		{501, "GET", "/api/v2/passwordpolicies/64a1b2c3d4e5f60718293fff", nil, "GET /api/v2/passwordpolicies/{objectId}"},
		{501, "POST", "/api/applications", Fields{"name": "x"}, "POST /api/applications"},
		{501, "GET", "/api/systems", nil, "systems"},
		{501, "GET", "/api/v2/systemgroups/64a1b2c3d4e5f60718293fff/members", nil, "systemgroups"},
		{501, "GET", "/api/v2/ldapservers", nil, "ldapservers"},
		{501, "GET", "/api/v2/usergroups/" + group + "/radiusservers", nil, "radiusservers"},
		{501, "POST", "/insights/directory/v1/events/interval", events, "/events/interval"},
		{501, "POST", "/insights/directory/v1/events", with("exclude_provider_activity", true), "exclude_provider_activity"},
		{501, "POST", "/insights/directory/v1/events", with("exact_match", "x"), "exact_match"},
		{501, "POST", "/api/v2/usergroups", Fields{"name": "x", "memberQuery": Fields{"queryType": "FilterQuery", "filters": []any{}}}, "memberQuery"},

		{400, "GET", "/api/systemusers?limt=5", nil, "limt"},
		{400, "GET", "/api/v2/usergroups?expand=members", nil, "expand"},
		{400, "GET", "/api/v2/usergroups/" + group + "/associations?targets=office_365&sort=_id", nil, "sort"},
		{400, "GET", "/api/v2/usergroups/" + group + "?fields=name", nil, "fields"},
		{400, "GET", "/api/systemusers?filter[x][0]=state:$eq:STAGED", nil, "filter[x][0]"},
		{400, "PUT", "/api/systemusers/" + user, Fields{"departement": "Sales"}, "departement"},
		{400, "POST", "/api/v2/usergroups", Fields{"name": "x", "members": []any{}}, "members"},
		{400, "POST", "/api/v2/notifications/channels", Fields{"chanel": Fields{}}, "chanel"},
		{400, "POST", "/insights/directory/v1/events", with("startTime", "x"), "startTime"},
		{400, "POST", "/insights/directory/v1/events?limit=1", events, "limit"},

		{405, "PATCH", "/api/systemusers/" + user, Fields{}, "PATCH"},
		{405, "DELETE", "/api/v2/users/" + user + "/memberof", nil, "DELETE"},
		{404, "GET", "/api/nothing", nil, "no such route"},
		{404, "GET", "/api/v2/nothing/here", nil, "no such route"},
		{401, "GET", "/api/systems", "wrong key", "Unauthorized"},
	} {
		t.Run(fmt.Sprintf("%d %s %s", test.status, test.method, test.path), func(t *testing.T) {
			before := len(b.Events())
			var headers []string
			if test.body == "wrong key" {
				test.body, headers = nil, []string{"x-api-key", "wrong"}
			}
			got := b.call(test.method, test.path, test.body, headers...)
			if got.status != test.status || !strings.Contains(got.fields().Text("message"), test.words) || len(b.Events()) != before {
				t.Errorf("%d %s, want the status and words of the row and no event", got.status, got.raw)
			}
			if allowed := got.header.Get("Allow"); (test.status == http.StatusMethodNotAllowed) != (allowed != "") || strings.Contains(allowed, test.method) {
				t.Errorf("Allow: %q, want other methods only with a 405", allowed)
			}
		})
	}
	// And parameters without an effect are accepted.
	b.want(200, "POST", "/insights/directory/v1/events", with("exclude_provider_activity", false))
	b.want(200, "GET", "/api/v2/office365s/"+m365+"/users?syncStatus=false", nil)
	b.want(201, "POST", "/api/v2/usergroups", Fields{"name": "x", "memberQuery": nil})
	b.want(201, "POST", "/api/v2/bulk/users?suppressEmail=true", []any{Fields{"username": "otto", "email": "otto@example.com"}})
}

// Lists of the newer services are filtered and sorted like others.
func TestListsOfNewerServicesAreFiltered(t *testing.T) {
	b := start(t, nil)
	for _, name := range []string{"b", "a", "c"} {
		b.must(b.AddChannel(Fields{"name": name, "type": "CHANNEL_TYPE_EMAIL"}))
	}
	got := b.want(200, "GET", "/api/v2/notifications/channels?filter=name:in:a%7Cb&sort=name&fields=name&limit=5", nil).fields()
	list := elementsOf(got["channels"])
	if len(list) != 2 || got["count"] != 2.0 || list[0].(map[string]any)["name"] != "a" || list[0].(map[string]any)["type"] != nil || list[0].(map[string]any)["objectId"] == nil {
		t.Errorf("%v, want two names without the other fields", got)
	}
}
