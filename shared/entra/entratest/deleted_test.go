package entratest_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"entrasync/shared/entra/entratest"
)

// twinQuery is how a client finds the deleted accounts that had a userPrincipalName:
// the object id is before the name, so that only its end is known, and other names may
// have the same end.
func twinQuery(upn string) string {
	filter := "endsWith(userPrincipalName,'" + strings.ReplaceAll(upn, "'", "''") + "')"
	return "/directory/deletedItems/graph.user?$count=true&$filter=" + url.QueryEscape(filter) + "&$select=id,userPrincipalName,deletedDateTime,onPremisesImmutableId"
}

func TestDeletedTwinsAreFound(t *testing.T) {
	g := start(t)
	ann := g.create("ann", "onPremisesImmutableId", "jc1")
	joann := g.create("joann")
	g.create("living")
	quoted := g.create("odd", "userPrincipalName", "o'neil#x@contoso.example")
	for _, id := range []string{ann, joann, quoted} {
		g.must(http.StatusNoContent, http.MethodDelete, "/users/"+id, nil)
	}
	for _, row := range []struct {
		name, upn string
		want      []string
	}{
		{"as it was, and names that end alike", "ann@contoso.example", []string{ann, joann}},
		{"case does not count", "ANN@Contoso.Example", []string{ann, joann}},
		{"apostrophe and number sign", "o'neil#x@contoso.example", []string{quoted}},
		{"never deleted", "living@contoso.example", nil},
	} {
		r := g.must(http.StatusOK, http.MethodGet, twinQuery(row.upn), nil, "ConsistencyLevel", "eventual")
		if got := texts(r.body["value"], "id"); !slices.Equal(got, row.want) || at(r.body, "@odata.count") != float64(len(row.want)) {
			t.Errorf("%s: found %v, want %v, count %v", row.name, got, row.want, at(r.body, "@odata.count"))
		}
		if r.header.Get("x-ms-resource-unit") != "1" {
			t.Errorf("%s: it costs %s units, want 1", row.name, r.header.Get("x-ms-resource-unit"))
		}
	}
	r := g.must(http.StatusOK, http.MethodGet, twinQuery("ann@contoso.example"), nil, "ConsistencyLevel", "eventual")
	first, _ := at(r.body, "value", 0).(object)
	if len(first) != 4 || text(first, "userPrincipalName") != strings.ReplaceAll(ann, "-", "")+"ann@contoso.example" ||
		text(first, "onPremisesImmutableId") != "jc1" || text(first, "deletedDateTime") == "" {
		t.Errorf("the selected properties: %v, want the four of the deleted user", first)
	}

	byKey := "/directory/deletedItems/graph.user?$select=id&$filter=" + url.QueryEscape("onPremisesImmutableId eq 'jc1'")
	if r := g.must(http.StatusOK, http.MethodGet, byKey, nil); !slices.Equal(texts(r.body["value"], "id"), []string{ann}) {
		t.Errorf("by onPremisesImmutableId, which is no advanced query: %v, want only ann", r.body)
	}
}

// A filter by the end of a name is an advanced query: without the header and
// $count=true it is refused with 400. In a batch the item needs the header.
func TestDeletedTwinsAreAnAdvancedQuery(t *testing.T) {
	g := start(t)
	ann := g.create("ann")
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+ann, nil)
	query := twinQuery("ann@contoso.example")
	withoutCount := strings.Replace(query, "$count=true&", "", 1)
	wantError(t, g.do(http.MethodGet, query, nil), http.StatusBadRequest, "Request_UnsupportedQuery", "ConsistencyLevel")
	wantError(t, g.do(http.MethodGet, withoutCount, nil, "ConsistencyLevel", "eventual"), http.StatusBadRequest, "Request_UnsupportedQuery", "endsWith")

	with := func(i object) object { i["headers"] = object{"ConsistencyLevel": "eventual"}; return i }
	encoded := strings.NewReplacer("$", "%24").Replace(query) // as the Go SDK spells option names
	answers := g.batch(http.StatusOK,
		with(item("1", "GET", query, nil)), with(item("2", "GET", encoded, nil)), item("3", "GET", query, nil), with(item("4", "GET", withoutCount, nil)))
	if got := statuses(answers); got != "200 200 400 400" {
		t.Fatalf("statuses %s: %v, want 200 200 400 400", got, answers)
	}
	for _, id := range []string{"1", "2"} {
		if text(answers[id], "body", "value", 0, "id") != ann || text(answers[id], "headers", "x-ms-resource-unit") != "1" {
			t.Errorf("item %s: %v, want ann for one resource unit", id, answers[id])
		}
	}
	if r := g.do(http.MethodPost, "/$batch", object{"requests": []object{item("1", "GET", query, nil)}}, "ConsistencyLevel", "eventual"); at(r.body, "responses", 0, "status") != float64(http.StatusBadRequest) {
		t.Errorf("the header of the batch counted for its item: %v, want 400", r.body)
	}
}

func TestRestore(t *testing.T) {
	for _, row := range []struct {
		name          string
		roles, others []string // permissions and directory roles of the app
		target        []string // directory roles of the deleted user
		status        int
	}{
		{"least privilege", []string{"User.DeleteRestore.All"}, nil, nil, 200},
		{"the wider permission", []string{"User.ReadWrite.All"}, nil, nil, 200},
		{"ordinary updates only", []string{"User.ReadUpdate.All", "User.EnableDisableAccount.All", "User.Read.All"}, nil, nil, 403},
		{"administrator", []string{"User.ReadWrite.All"}, []string{entratest.UserAdministrator}, []string{"Global Administrator"}, 403},
		{"administrator by one who may", []string{"User.ReadWrite.All"}, []string{"Global Administrator"}, []string{"Global Administrator"}, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := start(t, withApp(row.roles, row.others))
			id := g.seed(entratest.User{UserPrincipalName: "ann@contoso.example", DirectoryRoles: row.target, Properties: object{"accountEnabled": false}}).ID
			if _, err := g.dir.DeleteUser(id); err != nil {
				t.Fatal(err)
			}
			restore := "/directory/deletedItems/" + id + "/restore"
			r := g.do(http.MethodPost, restore, nil)
			if r.status != row.status {
				t.Fatalf("%d, want %d: %v", r.status, row.status, r.body)
			}
			if r.status == http.StatusForbidden {
				wantError(t, r, http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges")
				return
			}
			if text(r.body, "id") != id || text(r.body, "userPrincipalName") != "ann@contoso.example" || text(r.body, "@odata.type") != "#microsoft.graph.user" {
				t.Errorf("restored: %v, want the user with its id and name", r.body)
			}
			if u, _ := g.dir.User(id); u.AccountEnabled || !u.Deleted.IsZero() {
				t.Errorf("the restored account is %+v, want it disabled as before and not deleted", u)
			}
			g.must(http.StatusNotFound, http.MethodPost, restore, nil) // it is not deleted any more
		})
	}
}

// A restore as an item of a batch needs a body, although the call takes none; and the
// refusals of restores.
func TestRestoreInBatch(t *testing.T) {
	g := start(t)
	var ids []string
	for _, name := range []string{"ann", "bob", "cy"} {
		ids = append(ids, g.create(name))
		g.must(http.StatusNoContent, http.MethodDelete, "/users/"+ids[len(ids)-1], nil)
	}
	taken := g.create("cy") // the name was given away meanwhile
	path := func(id string) string { return "/directory/deletedItems/" + id + "/restore" }
	answers := g.batch(http.StatusOK,
		item("1", "POST", path(ids[0]), object{}), item("2", "POST", path(ids[1]), object{"autoReconcileProxyConflict": true}), item("3", "POST", path(ids[2]), object{}),
		item("4", "POST", path(taken), object{}), item("5", "POST", path("00000000-0000-4000-8000-000000000009"), object{}))
	if got := statuses(answers); got != "200 200 400 404 404" {
		t.Fatalf("statuses %s: %v, want 200 200 400 404 404", got, answers)
	}
	refused := at(answers["3"], "body", "error")
	if text(refused, "code") != "Request_BadRequest" || text(refused, "details", 0, "code") != "ObjectConflict" || text(refused, "details", 0, "target") != "userPrincipalName" ||
		text(refused, "details", 1, "code") != "ConflictingObjects" || text(refused, "details", 1, "target") != taken {
		t.Errorf("the name has another user: %v, want a conflict about userPrincipalName", refused)
	}
	renamed := g.batch(http.StatusOK, item("1", "POST", path(ids[2]), object{"newUserPrincipalName": "cy2@contoso.example"}), item("2", "GET", "/users/cy2@contoso.example?$select=id", nil, "1"))
	if text(renamed["2"], "body", "id") != ids[2] {
		t.Errorf("restored under another name: %v, want the id of the third user", renamed)
	}
}
