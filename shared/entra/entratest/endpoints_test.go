package entratest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/entra/entratest"
)

// filtered is a list with a filter.
func filtered(list, filter string) string { return list + "?$filter=" + url.QueryEscape(filter) }

// A path that ends in /$count answers with a number as text, to advanced queries only.
func TestCounts(t *testing.T) {
	g := start(t)
	ann, bob, cy := g.create("ann", "department", "Sales"), g.create("bob"), g.create("cy")
	inner := g.seedGroup(entratest.Group{DisplayName: "Inner", Members: []string{bob, cy}}).ID
	outer := g.seedGroup(entratest.Group{DisplayName: "Outer", Members: []string{ann, inner}, Owners: []string{ann}}).ID
	for _, report := range []string{bob, cy} {
		g.must(http.StatusNoContent, http.MethodPut, "/users/"+report+"/manager/$ref", reference(ann))
	}
	gone := g.create("dan")
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+gone, nil)
	counts := map[string]string{
		"/users/$count": "3",
		filtered("/users/$count", "department eq 'Sales'"): "1",
		filtered("/users/$count", "department ne 'Sales'"): "2",
		"/groups/$count": "2",
		filtered("/groups/$count", "startswith(displayName,'Out')"):    "1",
		"/groups/" + outer + "/members/$count":                         "2",
		"/groups/" + outer + "/members/graph.user/$count":              "1",
		"/groups/" + outer + "/members/microsoft.graph.group/$count":   "1",
		"/groups/" + outer + "/transitiveMembers/$count":               "4",
		"/groups/" + outer + "/transitiveMembers/graph.user/$count":    "3",
		"/groups/" + outer + "/owners/$count":                          "1",
		"/users/" + bob + "/memberOf/$count":                           "1",
		"/users/" + bob + "/transitiveMemberOf/$count":                 "2",
		"/users/" + ann + "/directReports/$count":                      "2",
		"/directory/deletedItems/microsoft.graph.user/$count":          "1",
		"/directory/deletedItems/microsoft.graph.group/$count":         "0",
		filtered("/users/$count", "userPrincipalName eq 'nobody@x.y'"): "0",
	}
	for path, want := range counts {
		r := g.must(http.StatusOK, http.MethodGet, path, nil, "ConsistencyLevel", "eventual")
		if r.plain != want || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %q as %s, want %q", path, r.plain, r.header.Get("Content-Type"), want)
		}
		wantError(t, g.do(http.MethodGet, path, nil), http.StatusBadRequest, "Request_BadRequest", "$count is not currently supported.")
	}
	eventual := []string{"ConsistencyLevel", "eventual"}
	wantError(t, g.do(http.MethodGet, "/groups/"+gone+"/members/$count", nil, eventual...), http.StatusNotFound, "Request_ResourceNotFound", gone)
	wantError(t, g.do(http.MethodGet, "/users/$count?$top=1", nil, eventual...), http.StatusBadRequest, "BadRequest", "$top")
	wantError(t, g.do(http.MethodPost, "/users/$count", object{}, eventual...), http.StatusMethodNotAllowed, "Request_BadRequest", "")
	wantError(t, g.do(http.MethodGet, "/users/"+ann+"/$count", nil, eventual...), http.StatusBadRequest, "BadRequest", "$count")
}

// In a batch the number is the body of its item.
func TestCountsInBatch(t *testing.T) {
	g := start(t)
	g.people(3)
	withHeader := item("1", "GET", "/users/$count", nil)
	withHeader["headers"] = object{"ConsistencyLevel": "eventual"}
	answers := g.batch(http.StatusOK, withHeader, item("2", "GET", "/users/$count", nil))
	if at(answers["1"], "status") != 200.0 || at(answers["1"], "body") != 3.0 || text(answers["1"], "headers", "Content-Type") != "text/plain" {
		t.Errorf("with the header: %v, want 200 with the number 3 as text", answers["1"])
	}
	if at(answers["2"], "status") != 400.0 || text(answers["2"], "body", "error", "code") != "Request_BadRequest" {
		t.Errorf("without the header: %v, want 400 Request_BadRequest", answers["2"])
	}
}

// Times are compared as times, and only with times.
func TestFilterByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t)
		from := time.Now().UTC()
		g.create("ann")
		g.must(http.StatusCreated, http.MethodPost, "/groups", team("Ann"))
		time.Sleep(time.Hour)
		g.token = g.sim.Token(clientID, tenantID)
		g.create("bob")
		g.must(http.StatusCreated, http.MethodPost, "/groups", team("Bob"))
		text := func(after time.Duration) string { return from.Add(after).Format(time.RFC3339) }
		zone := from.In(time.FixedZone("", 2*60*60)).Format(time.RFC3339)
		cases := []struct {
			filter string
			want   []string
		}{
			{"createdDateTime ge " + text(0), []string{"ann", "bob"}},
			{"createdDateTime ge " + text(time.Second), []string{"bob"}},
			{"createdDateTime le " + text(0), []string{"ann"}},
			{"createdDateTime le " + zone, []string{"ann"}},
			{"createdDateTime le " + text(-time.Second), nil},
			{"createdDateTime eq " + text(time.Hour), []string{"bob"}},
			{"createdDateTime in (" + text(0) + "," + text(time.Minute) + ")", []string{"ann"}},
			{"createdDateTime ge " + text(time.Minute) + " and createdDateTime le " + text(time.Hour), []string{"bob"}},
		}
		for _, c := range cases {
			users := g.must(http.StatusOK, http.MethodGet, filtered("/users", c.filter), nil)
			groups := g.must(http.StatusOK, http.MethodGet, filtered("/groups", c.filter), nil)
			for kind, got := range map[string][]string{
				"users": texts(at(users.body, "value"), "displayName"), "groups": texts(at(groups.body, "value"), "displayName"),
			} {
				for i := range got {
					got[i] = strings.ToLower(strings.TrimSuffix(got[i], " Example"))
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s with %s (-want +got):\n%s", kind, c.filter, diff)
				}
			}
		}
		not := g.must(http.StatusOK, http.MethodGet, filtered("/users", "createdDateTime ne "+text(0))+"&$count=true", nil, "ConsistencyLevel", "eventual")
		if got := texts(at(not.body, "value"), "displayName"); !slices.Equal(got, []string{"Bob Example"}) {
			t.Errorf("ne: %v, want Bob Example", got)
		}
	})
}

// A value of another type is refused; the answer is not an empty list.
func TestFilterTypes(t *testing.T) {
	g := start(t)
	g.create("ann")
	for _, filter := range []string{
		"createdDateTime ge '2024-01-01T00:00:00Z'", "createdDateTime eq 'x'", "createdDateTime eq true", "displayName eq 2024-01-01T00:00:00Z",
		"accountEnabled eq 'true'", "displayName eq true", "displayName eq 5", "displayName in ('a', 5)",
	} {
		wantError(t, g.do(http.MethodGet, filtered("/users", filter), nil), http.StatusBadRequest, "BadRequest", "incompatible types")
	}
	for _, filter := range []string{"displayName le 'b'", "department eq null", "accountEnabled eq true"} {
		r := g.must(http.StatusOK, http.MethodGet, filtered("/users", filter), nil)
		if got := texts(at(r.body, "value"), "displayName"); !slices.Equal(got, []string{"Ann Example"}) {
			t.Errorf("%s: %v, want Ann Example", filter, got)
		}
	}
	g.must(http.StatusBadRequest, http.MethodGet, filtered("/users", "displayName gt 'a'"), nil)
}

// An identity is found by issuer and id together, except the one by the sign-in name.
func TestFilterByIdentity(t *testing.T) {
	g := start(t)
	identity := func(issuer, id string) []any {
		return []any{object{"signInType": "federated", "issuer": issuer, "issuerAssignedId": id}}
	}
	ann := g.create("ann", "identities", identity("facebook.com", "5678"))
	g.create("bob", "identities", identity("google.com", "5678"))
	shown := g.must(http.StatusOK, http.MethodGet, "/users/"+ann+"?$select=identities", nil)
	want := append(identity("facebook.com", "5678"),
		object{"signInType": "userPrincipalName", "issuer": "contoso.onmicrosoft.example", "issuerAssignedId": "ann@contoso.example"})
	if diff := cmp.Diff(want, at(shown.body, "identities")); diff != "" {
		t.Errorf("identities (-want +got):\n%s", diff)
	}
	found := map[string][]string{
		"identities/any(c:c/issuerAssignedId eq '5678' and c/issuer eq 'facebook.com')":                               {"Ann Example"},
		"identities/any(x:x/issuer eq 'google.com' and x/issuerAssignedId eq '5678')":                                 {"Bob Example"},
		"identities/any(c:c/issuerAssignedId eq '1' and c/issuer eq 'facebook.com')":                                  nil,
		"identities/any(c:c/issuerAssignedId eq 'ann@contoso.example' and c/issuer eq 'contoso.onmicrosoft.example')": nil,
	}
	for filter, want := range found {
		r := g.must(http.StatusOK, http.MethodGet, filtered("/users", filter), nil)
		if diff := cmp.Diff(want, texts(at(r.body, "value"), "displayName")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filter, diff)
		}
	}
	for _, filter := range []string{
		"identities/any(c:c/issuerAssignedId eq '5678')", "identities/any(c:c/issuer eq 'facebook.com')",
		"identities/any(c:c/issuer eq 'facebook.com' and c/signInType eq 'federated')", "identities/any(c:c/issuer eq 'a' and d/issuerAssignedId eq 'b')",
	} {
		g.must(http.StatusBadRequest, http.MethodGet, filtered("/users", filter), nil)
	}
	wantError(t, g.do(http.MethodPost, "/users", person("cy", "identities", identity("facebook.com", "5678"))),
		http.StatusBadRequest, "Request_BadRequest", "identities")
	wantError(t, g.do(http.MethodPost, "/users", person("cy", "identities", []any{object{"signInType": "federated", "issuers": "x"}})),
		http.StatusBadRequest, "Request_BadRequest", "issuers")
}

func TestDirectReports(t *testing.T) {
	g := start(t)
	ids := g.people(4)
	boss := ids[0]
	for _, id := range ids[1:] {
		g.must(http.StatusNoContent, http.MethodPut, "/users/"+id+"/manager/$ref", reference(boss))
	}
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+ids[2], nil)
	page := g.must(http.StatusOK, http.MethodGet, "/users/"+boss+"/directReports?$select=id&$top=1", nil)
	got := texts(at(page.body, "value"), "id")
	for next := text(page.body, "@odata.nextLink"); next != ""; next = text(page.body, "@odata.nextLink") {
		page = g.must(http.StatusOK, http.MethodGet, next, nil)
		got = append(got, texts(at(page.body, "value"), "id")...)
	}
	if want := []string{ids[1], ids[3]}; !slices.Equal(got, want) {
		t.Errorf("direct reports %v, want %v", got, want)
	}
	if kind := text(page.body, "value", 0, "@odata.type"); kind != "#microsoft.graph.user" {
		t.Errorf("a direct report is a %s, want #microsoft.graph.user", kind)
	}
	none := g.must(http.StatusOK, http.MethodGet, "/users/"+ids[1]+"/directReports", nil)
	if list, _ := at(none.body, "value").([]any); list == nil || len(list) != 0 {
		t.Errorf("a user without reports: %v, want an empty list", none.body)
	}
	wantError(t, g.do(http.MethodGet, "/users/"+ids[2]+"/directReports", nil), http.StatusNotFound, "Request_ResourceNotFound", ids[2])
}

// Relationships of users are read page by page.
func TestMemberOfPages(t *testing.T) {
	g := start(t)
	ann := g.create("ann")
	var want []string
	for i := range 5 {
		want = append(want, g.seedGroup(entratest.Group{DisplayName: fmt.Sprint("Group ", i), Members: []string{ann}}).ID)
	}
	for _, list := range []string{"memberOf", "transitiveMemberOf"} {
		var got []string
		for next := "/users/" + ann + "/" + list + "?$top=2"; next != ""; {
			page := g.must(http.StatusOK, http.MethodGet, next, nil)
			got = append(got, texts(at(page.body, "value"), "id")...)
			next = text(page.body, "@odata.nextLink")
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", list, diff)
		}
	}
}

func TestCheckMemberGroups(t *testing.T) {
	g := start(t)
	ann := g.create("ann")
	inner := g.seedGroup(entratest.Group{DisplayName: "Inner", Members: []string{ann}}).ID
	outer := g.seedGroup(entratest.Group{DisplayName: "Outer", Members: []string{inner}}).ID
	other := g.seedGroup(entratest.Group{DisplayName: "Other"}).ID
	gone := g.seedGroup(entratest.Group{DisplayName: "Gone", Members: []string{ann}}).ID
	g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+gone, nil)
	unknown := "00000000-0000-4000-8000-000000000009"
	all := []string{other, outer, gone, unknown, inner}
	cases := map[string][]any{
		"/users/" + ann + "/checkMemberGroups":                    {outer, inner},
		"/users/ann@contoso.example/checkMemberGroups":            {outer, inner},
		"/directoryObjects/" + ann + "/checkMemberGroups":         {outer, inner},
		"/groups/" + inner + "/checkMemberGroups":                 {outer},
		"/groups/" + outer + "/microsoft.graph.checkMemberGroups": {},
	}
	for path, want := range cases {
		r := g.must(http.StatusOK, http.MethodPost, path, object{"groupIds": all})
		if diff := cmp.Diff(want, at(r.body, "value")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	path := "/users/" + ann + "/checkMemberGroups"
	many := make([]string, 21)
	for i := range many {
		many[i] = inner
	}
	g.must(http.StatusOK, http.MethodPost, path, object{"groupIds": many[:20]})
	for name, body := range map[string]any{
		"more than 20": object{"groupIds": many}, "no guid": object{"groupIds": []string{"inner"}}, "no list": object{"groupIds": inner},
		"nothing": nil, "an empty object": object{}, "something else": object{"groupIds": all, "ids": all},
	} {
		if r := g.do(http.MethodPost, path, body); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %v, want 400", name, r.status, r.body)
		}
	}
	wantError(t, g.do(http.MethodPost, "/users/"+unknown+"/checkMemberGroups", object{"groupIds": all}), http.StatusNotFound, "Request_ResourceNotFound", unknown)
}

func TestDirectoryObject(t *testing.T) {
	g := start(t)
	ann := g.create("ann")
	group := g.seedGroup(entratest.Group{DisplayName: "Inner"}).ID
	for id, want := range map[string]object{
		ann:   {"@odata.type": "#microsoft.graph.user", "id": ann, "displayName": "Ann Example"},
		group: {"@odata.type": "#microsoft.graph.group", "id": group, "displayName": "Inner"},
	} {
		r := g.must(http.StatusOK, http.MethodGet, "/directoryObjects/"+id+"?$select=id,displayName", nil)
		delete(r.body, "@odata.context")
		if diff := cmp.Diff(want, r.body); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	full := g.must(http.StatusOK, http.MethodGet, "/directoryObjects/"+ann, nil)
	if text(full.body, "userPrincipalName") != "ann@contoso.example" {
		t.Errorf("without $select: %v, want ann@contoso.example", full.body)
	}
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+ann, nil)
	wantError(t, g.do(http.MethodGet, "/directoryObjects/"+ann, nil), http.StatusNotFound, "Request_ResourceNotFound", ann)
	wantError(t, g.do(http.MethodGet, "/directoryObjects/ann", nil), http.StatusBadRequest, "Request_BadRequest", "ann")
	wantError(t, g.do(http.MethodGet, "/directoryObjects/"+group+"?$select=shoeSize", nil), http.StatusBadRequest, "BadRequest", "shoeSize")
}

// A request that Graph supports and the simulator does not is answered with 501 and its
// name.
func TestWhatIsNotSimulatedSaysSo(t *testing.T) {
	g := start(t)
	ann := g.create("ann")
	group := g.seedGroup(entratest.Group{DisplayName: "Inner", Members: []string{ann}}).ID
	rows := []struct{ method, path, named string }{
		{"GET", "/applications", "/applications"},
		{"GET", "/servicePrincipals/" + ann, "/servicePrincipals"},
		{"GET", "/auditLogs/signIns", "/auditLogs"},
		{"POST", "/invitations", "/invitations"},
		{"GET", "/directory/administrativeUnits", "/directory/administrativeUnits"},
		{"GET", "/users/" + ann + "/licenseDetails", "licenseDetails"},
		{"POST", "/users/" + ann + "/reprocessLicenseAssignment", "reprocessLicenseAssignment"},
		{"GET", "/users/" + ann + "/authentication/methods", "authentication"},
		{"POST", "/users/" + ann + "/getMemberGroups", "getMemberGroups"},
		{"GET", "/users/" + ann + "/displayName", "displayName"},
		{"POST", "/groups/" + group + "/checkMemberObjects", "checkMemberObjects"},
		{"GET", "/groups/" + group + "/memberOf", "memberOf"},
		{"PATCH", "/domains/contoso.example", "PATCH /domains"},
		{"DELETE", "/directoryObjects/" + ann, "DELETE /directoryObjects"},
		{"GET", "/users?$search=%22displayName:ann%22", "$search"},
		{"GET", "/users?$expand=memberOf", "$expand=memberOf"},
		{"GET", "/users?$select=id,manager", "$select=manager"},
		{"GET", "/groups/" + group + "?$expand=members", "$expand=members"},
		{"GET", filtered("/groups/"+group+"/members", "displayName eq 'x'"), "$filter on a relationship"},
		{"GET", "/groups/" + group + "/members?$orderby=displayName", "$orderby on a relationship"},
	}
	for _, row := range rows {
		var body any
		if row.method == http.MethodPost || row.method == http.MethodPatch {
			body = object{}
		}
		wantError(t, g.do(row.method, row.path, body), http.StatusNotImplemented, "NotImplemented", "does not simulate ")
		wantError(t, g.do(row.method, row.path, body), http.StatusNotImplemented, "NotImplemented", row.named)
	}
}

// A part of a request without a meaning is refused: nothing that a client sends is
// ignored.
func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	g := start(t)
	ann, bob := g.create("ann"), g.create("bob")
	group := g.seedGroup(entratest.Group{DisplayName: "Inner", Members: []string{ann}}).ID
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+bob, nil)
	reads := []string{
		"/users?select=id", "/users?filter=x", "/users?$selct=id", "/users?$skip=1", "/users?$top=1&$top=2", "/users?$count=yes", "/users?$filter=",
		"/users?$select=", "/users?$select=id,shoeSize", "/users?$select=employeeOrgData/shoeSize", "/users?$expand=friends", "/users?$orderby=shoeSize",
		filtered("/users", "shoeSize eq '5'"), filtered("/users", "employeeOrgData/shoeSize eq '5'"), "/users/" + ann + "?verbose=true",
		"/users/" + ann + "?$filter=id", "/groups?deltatoken=x", "/groups/" + group + "/members?$expand=x", "/organization?$skip=1", "/domains?force=1",
		"/directoryObjects/" + ann + "?x=1", "/friends", "/users/" + ann + "/friends", "/me", "/users/delta()?$friends=1",
	}
	for _, path := range reads {
		if r := g.do(http.MethodGet, path, nil); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %v, want 400", path, r.status, r.body)
		}
	}
	withExtra := reference(ann)
	withExtra["shoeSize"] = "5"
	writes := []struct {
		method, path string
		body         any
	}{
		{"POST", "/users", person("cy", "shoeSize", "5")},
		{"PATCH", "/users/" + ann, object{"shoeSize": "5"}},
		{"PATCH", "/users/" + ann, object{"employeeOrgData": object{"shoeSize": "5"}}},
		{"PATCH", "/users/" + ann, object{"passwordProfile": object{"passwort": "x"}}},
		{"POST", "/groups", team("Ann", "shoeSize", "5")},
		{"PATCH", "/groups/" + group, object{"shoeSize": "5"}},
		{"POST", "/groups/" + group + "/members/$ref", withExtra},
		{"PUT", "/users/" + ann + "/manager/$ref", withExtra},
		{"POST", "/users/" + ann + "/revokeSignInSessions", object{"shoeSize": "5"}},
		{"POST", "/directoryObjects/getByIds", object{"ids": []string{ann}, "shoeSize": "5"}},
		{"POST", "/directory/deletedItems/" + bob + "/restore", object{"shoeSize": "5"}},
	}
	for _, w := range writes {
		r := g.do(w.method, w.path, w.body)
		if name := strings.Contains(text(r.body, "error", "message"), "shoeSize") || strings.Contains(text(r.body, "error", "message"), "passwort"); r.status != http.StatusBadRequest || !name {
			t.Errorf("%s %s: %d %v, want 400 with the name in the message", w.method, w.path, r.status, r.body)
		}
	}
	if u, _ := g.dir.User(bob); u.Deleted.IsZero() {
		t.Error("a refused restore restored the user, want it still deleted")
	}
}
