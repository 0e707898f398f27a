package jumpcloudtest_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

// An unknown field is refused in every parameter and body that names fields, in the
// form of its service: an empty answer would hide a typing error of the client.
func TestFieldsThatNobodyKnowsAreRefused(t *testing.T) {
	b := start(t, nil)
	user, group, m365 := b.user("mira", nil), b.must(b.CreateGroup("Sales")), b.must(b.CreateDirectory("M365"))
	b.ok(b.AddMember(group, user))
	b.ok(b.Associate(group, m365))
	const search = "/api/search/systemusers"
	feed := func(name string, value any) Fields {
		return Fields{"service": []any{"directory"}, "start_time": "2020-01-01T00:00:00Z", name: value}
	}
	for _, test := range []struct {
		method, path string
		body         any
		words        string
	}{
		{"GET", "/api/systemusers?filter=foo:$eq:1", nil, "foo"},
		{"GET", "/api/systemusers?filter[or][0]=username:$eq:mira&filter[or][1]=foo:$eq:1", nil, "foo"},
		{"GET", "/api/systemusers?filter=foo:$ne:1", nil, "foo"},
		{"GET", "/api/systemusers?filter=addresses.foo:$eq:1", nil, "addresses.foo"},
		{"GET", "/api/systemusers?filter=username.foo:$eq:1", nil, "username.foo"},
		{"GET", "/api/systemusers?sort=-foo", nil, "foo"},
		{"GET", "/api/systemusers?fields=username+foo", nil, "foo"},
		{"GET", "/api/systemusers?fields=addresses.country", nil, "addresses.country"},
		{"GET", "/api/systemusers/" + user + "?fields=foo", nil, "foo"},
		{"GET", "/api/organizations?filter=foo:$eq:1", nil, "foo"},
		{"GET", "/api/organizations?sort=foo", nil, "foo"},
		{"GET", "/api/applications?fields=foo", nil, "foo"},
		{"GET", "/api/v2/usergroups?filter=foo:eq:x", nil, "foo"},
		{"GET", "/api/v2/usergroups?filter=name:eq:x,foo:eq:x", nil, "foo"},
		{"GET", "/api/v2/usergroups?filter=object_id:eq:" + group, nil, "object_id"},
		{"GET", "/api/v2/usergroups?sort=name,foo", nil, "foo"},
		{"GET", "/api/v2/usergroups?fields=name,foo", nil, "foo"},
		{"GET", "/api/v2/groups?filter=foo:eq:x", nil, "foo"},
		{"GET", "/api/v2/groups?sort=foo", nil, "foo"},
		{"GET", "/api/v2/groups?fields=foo", nil, "foo"},
		{"GET", "/api/v2/users/" + user + "/memberof?filter=foo:eq:x", nil, "foo"},
		{"GET", "/api/v2/users/" + user + "/memberof?sort=foo", nil, "foo"},
		{"GET", "/api/v2/usergroups/" + group + "/membership?filter=foo:eq:x", nil, "foo"},
		{"GET", "/api/v2/usergroups/" + group + "/memberof?filter=foo:eq:x", nil, "foo"},
		{"GET", "/api/v2/office365s/" + m365 + "/users?filter=foo:eq:x", nil, "foo"},
		{"GET", "/api/v2/office365s/" + m365 + "/translationrules?filter=foo:eq:x", nil, "foo"},
		{"GET", "/api/v2/directories?filter=foo:eq:x", nil, "foo"},
		{"GET", "/api/v2/bulk/userstates?filter=foo:eq:x", nil, "foo"},
		{"GET", "/api/v2/notifications/channels?filter=foo:eq:x", nil, "foo"},
		{"GET", "/api/v2/notifications/webhook/channels?sort=foo", nil, "foo"},
		{"GET", "/api/v2/healthmonitoring/rules?fields=foo", nil, "foo"},
		{"POST", search, Fields{"filter": Fields{"and": []any{Fields{"foo": "x"}}}}, "foo"},
		{"POST", search, Fields{"filter": Fields{"or": []any{Fields{"username": "mira", "foo": "x"}}}}, "foo"},
		{"POST", search, Fields{"filter": Fields{"and": []any{Fields{"username": Fields{"$eq": "mira"}}}}}, "username"},
		{"POST", search, Fields{"filter": Fields{"and": []any{"username"}}}, "search filter"},
		{"POST", search, Fields{"searchFilter": Fields{"searchTerm": "mira", "fields": []any{"foo"}}}, "foo"},
		{"POST", search, Fields{"searchFilter": Fields{"searchTerm": "mira", "field": []any{"username"}}}, "field"},
		{"POST", search, Fields{"fields": "foo"}, "foo"},
		{"POST", search, Fields{"sort": "foo"}, "foo"},
		{"POST", "/insights/directory/v1/events", feed("fields", []any{"id", "foo"}), "foo"},
		{"POST", "/insights/directory/v1/events", feed("search_term", Fields{"and": []any{Fields{"foo": "x"}}}), "foo"},
		{"POST", "/insights/directory/v1/events/distinct", feed("field", "foo"), "foo"},
	} {
		t.Run(test.method+" "+test.path+fmt.Sprint(test.body), func(t *testing.T) {
			got := b.call(test.method, test.path, test.body)
			if got.status != 400 || !strings.Contains(got.fields().Text("message"), test.words) {
				t.Errorf("%d %s, want 400 with the words of the row", got.status, got.raw)
			}
			if inForm := got.fields().Text("status") == "INVALID_ARGUMENT"; inForm != strings.HasPrefix(test.path, "/api/v2/") {
				t.Errorf("the form of another service: %s, want the form of its own service", got.raw)
			}
		})
	}
}

// Fields in the description of an answer can be used in filters, sorts and selections,
// even if an object does not have them.
func TestDescribedFieldsAreUnderstood(t *testing.T) {
	b := start(t, nil)
	mira := b.user("mira", Fields{"addresses": []any{Fields{"type": "work", "country": "DE"}}, "attributes": []any{Fields{"name": "badge", "value": "7"}}})
	otto := b.user("otto", nil)
	one, two := b.must(b.CreateGroup("One")), b.must(b.CreateGroup("Two"))
	for _, group := range []string{one, two} {
		b.ok(b.AddMember(group, mira))
	}
	for query, want := range map[string]string{
		"filter=addresses.country:$eq:DE":    mira,
		"filter=attributes.value:$eq:7":      mira,
		"filter=costCenter:$eq:1":            "",
		"filter=id:$eq:" + otto:              otto,
		"sort=-_id":                          otto + " " + mira,
		"sort=username&fields=costCenter+id": mira + " " + otto,
	} {
		if got := idsIn(b.want(200, "GET", "/api/systemusers?"+query, nil).results()); got != want {
			t.Errorf("users by %s: %s, want %s", query, got, want)
		}
	}
	memberOf := "/api/v2/users/" + mira + "/memberof?"
	for path, want := range map[string]string{
		"/api/v2/usergroups?filter=id:eq:" + two:                     two,
		"/api/v2/usergroups?filter=membershipMethod:eq:STATIC":       one + " " + two,
		"/api/v2/usergroups?sort=-id":                                two + " " + one,
		"/api/v2/groups?sort=-_id":                                   two + " " + one,
		memberOf + "filter=type:eq:user_group,object_id:eq:" + two:   two,
		memberOf + "filter=" + url.QueryEscape("id:in:"+one+"|"+two): one + " " + two,
		memberOf + "sort=-_id":                                       two + " " + one,
		memberOf + "sort=_id":                                        one + " " + two,
	} {
		if got := idsIn(b.want(200, "GET", path, nil).list()); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, body := range []Fields{
		{"filter": Fields{"and": []any{Fields{"suspended": false}, Fields{"username": "mira"}}}},
		{"searchFilter": Fields{"searchTerm": "MIR", "fields": []any{"username", "email"}}},
	} {
		if got := idsIn(b.want(200, "POST", "/api/search/systemusers", body).results()); got != mira {
			t.Errorf("%v: %s, want mira", body, got)
		}
	}
}

// idsIn are the ids of a list, in its order.
func idsIn(list []Fields) string {
	var ids []string
	for _, each := range list {
		ids = append(ids, each.Text("id"))
	}
	return strings.Join(ids, " ")
}
