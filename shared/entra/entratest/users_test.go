package entratest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/entra/entratest"
)

func TestCreateUser(t *testing.T) {
	g := start(t)
	r := g.must(http.StatusCreated, http.MethodPost, "/users", person("ann", "givenName", "Ann", "@odata.type", "#microsoft.graph.user"))
	id := text(r.body, "id")
	want := object{
		"@odata.context": "http://graph.test/v1.0/$metadata#users/$entity", "id": id, "businessPhones": []any{}, "displayName": "Ann Example",
		"givenName": "Ann", "jobTitle": nil, "mail": nil, "mobilePhone": nil, "officeLocation": nil, "preferredLanguage": nil,
		"surname": nil, "userPrincipalName": "ann@contoso.example",
	}
	if diff := cmp.Diff(want, r.body); diff != "" {
		t.Errorf("201 (-want +got):\n%s", diff)
	}
	got := g.must(http.StatusOK, http.MethodGet, "/users/"+id, nil)
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Errorf("GET without $select (-want +got):\n%s", diff)
	}
	if u, found := g.dir.User("ANN@contoso.example"); !found || !u.AccountEnabled || !u.HasPassword(password) || u.HasPassword("other") {
		t.Errorf("stored user: %+v, want ann enabled with her password", u)
	}
	for _, header := range []string{"request-id", "client-request-id", "Date", "x-ms-resource-unit", "x-ms-ags-diagnostic"} {
		if r.header.Get(header) == "" {
			t.Errorf("the answer has no header %s, want one", header)
		}
	}
	if minimal := g.must(http.StatusNoContent, http.MethodPost, "/users", person("bob"), "Prefer", "return=minimal"); minimal.body != nil {
		t.Errorf("return=minimal: the body %v, want none", minimal.body)
	}
}

func TestRefusedUserValues(t *testing.T) {
	g := start(t)
	g.create("taken", "mail", "post@contoso.example", "onPremisesImmutableId", "immutable1")
	const bad, unverified = "Invalid value specified for property", "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization."
	rows := []struct {
		name    string
		body    object
		message string
		detail  string // details[0].code
	}{
		{"no password", person("ann", "passwordProfile", object{"forceChangePasswordNextSignIn": true}), "A value is required for property 'password' of resource 'User'.", ""},
		{"no passwordProfile", person("ann", "passwordProfile", absent), "A value is required for property 'passwordProfile'", ""},
		{"no accountEnabled", person("ann", "accountEnabled", absent), "A value is required for property 'accountEnabled'", ""},
		{"no displayName", person("ann", "displayName", absent), "A value is required for property 'displayName'", ""},
		{"no mailNickname", person("ann", "mailNickname", absent), "A value is required for property 'mailNickname'", ""},
		{"no upn", person("ann", "userPrincipalName", absent), "A value is required for property 'userPrincipalName'", ""},
		{"empty text", person("ann", "givenName", ""), bad + " 'givenName' of resource 'User'.", "InvalidValue"},
		{"null displayName", person("ann", "displayName", nil), bad, "InvalidValue"},
		{"null mail", person("ann", "mail", nil), bad, "InvalidValue"},
		{"null usageLocation", person("ann", "usageLocation", nil), bad, "InvalidValue"},
		{"null collection", person("ann", "businessPhones", nil), "A null value was found for the property named 'businessPhones'", ""},
		{"unknown property", person("ann", "shoeSize", "44"), "Invalid property 'shoeSize'.", ""},
		{"unknown part", person("ann", "employeeOrgData", object{"team": "x"}), "Invalid property 'team'.", ""},
		{"relationship", person("ann", "manager", object{"id": "x"}), "Invalid property 'manager'.", ""},
		{"read-only", person("ann", "onPremisesSyncEnabled", true), "read-only", ""},
		{"wrong type", person("ann", "accountEnabled", "yes"), bad, "InvalidValue"},
		{"phone not a list", person("ann", "businessPhones", "1"), bad, "InvalidValue"},
		{"two phones", person("ann", "businessPhones", []string{"1", "2"}), bad, "InvalidValue"},
		{"employeeId 17", person("ann", "employeeId", strings.Repeat("1", 17)), bad, "InvalidValue"},
		{"givenName 65", person("ann", "givenName", strings.Repeat("g", 65)), bad, "InvalidValue"},
		{"jobTitle 129", person("ann", "jobTitle", strings.Repeat("g", 129)), bad, "InvalidValue"},
		{"postalCode 41", person("ann", "postalCode", strings.Repeat("g", 41)), bad, "InvalidValue"},
		{"extension 1025", person("ann", "onPremisesExtensionAttributes", object{"extensionAttribute1": strings.Repeat("x", 1025)}), bad, "InvalidValue"},
		{"extension 16", person("ann", "onPremisesExtensionAttributes", object{"extensionAttribute16": "x"}), "Invalid property 'extensionAttribute16'.", ""},
		{"mailNickname at", person("ann", "mailNickname", "a@b"), bad, "InvalidValue"},
		{"mailNickname dot", person("ann", "mailNickname", "ann."), bad, "InvalidValue"},
		{"mailNickname space", person("ann", "mailNickname", "a b"), bad, "InvalidValue"},
		{"immutable $", person("ann", "onPremisesImmutableId", "a$b"), bad, "InvalidValue"},
		{"immutable _", person("ann", "onPremisesImmutableId", "a_b"), bad, "InvalidValue"},
		{"usageLocation long", person("ann", "usageLocation", "USA"), bad, "InvalidValue"},
		{"otherMails accent", person("ann", "otherMails", []string{"é@x.example"}), bad, "InvalidValue"},
		{"upn accent", person("ann", "userPrincipalName", "änn@contoso.example"), "Property userPrincipalName is invalid.", "InvalidValue"},
		{"upn space", person("ann", "userPrincipalName", "a n@contoso.example"), "Property userPrincipalName is invalid.", "InvalidValue"},
		{"upn dot before at", person("ann", "userPrincipalName", "ann.@contoso.example"), "Property userPrincipalName is invalid.", "InvalidValue"},
		{"upn two at", person("ann", "userPrincipalName", "a@n@contoso.example"), "Property userPrincipalName is invalid.", "InvalidValue"},
		{"upn local 65", person("ann", "userPrincipalName", strings.Repeat("a", 65)+"@contoso.example"), "Property userPrincipalName is invalid.", "InvalidValue"},
		{"unverified domain", person("ann", "userPrincipalName", "ann@other.example"), unverified, "InvalidValue"},
		{"federated without immutable id", person("ann", "userPrincipalName", "ann@fed.example"), "A value is required for property 'onPremisesImmutableId'", ""},
		{"upn taken", person("ann", "userPrincipalName", "Taken@contoso.example"), "Another object with the same value for property userPrincipalName already exists.", "ObjectConflict"},
		{"upn is a proxy address", person("ann", "userPrincipalName", "post@contoso.example"), "Another object with the same value for property userPrincipalName already exists.", "ObjectConflict"},
		{"mail taken", person("ann", "mail", "post@contoso.example"), "Another object with the same value for property proxyAddresses", "ObjectConflict"},
		{"immutable id taken", person("ann", "onPremisesImmutableId", "immutable1"), "Another object with the same value for property onPremisesImmutableId", "ObjectConflict"},
		{"manager bind", person("ann", "manager@odata.bind", "x"), "Invalid property 'manager@odata.bind'.", ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := g.do(http.MethodPost, "/users", row.body)
			wantError(t, r, http.StatusBadRequest, "Request_BadRequest", row.message)
			if got := text(r.body, "error", "details", 0, "code"); got != row.detail {
				t.Errorf("details[0].code is %q, want %q", got, row.detail)
			}
		})
	}
	if n := len(g.dir.Users()); n != 1 {
		t.Errorf("%d users exist, want 1 without the refused ones", n)
	}
}

func TestPasswordPolicy(t *testing.T) {
	g := start(t)
	rows := []struct {
		password, policies string
		ok                 bool
	}{
		{"Sim-pleton42!", "", true}, {"Ab1!xyz", "", false}, {strings.Repeat("Aa1!", 64), "", true}, {strings.Repeat("Aa1!", 64) + "x", "", false},
		{"alllowercase", "", false}, {"lowerUPPERonly", "", false}, {"lowerUPPER1x", "", true}, {"with blank 1", "", true}, {"Ünicode-42!x", "", false},
		{"xAnnabel-42!", "", false}, {"Password1!", "", false}, {"alllowercase", "DisableStrongPassword", true},
		{"alllowercase", "DisablePasswordExpiration, DisableStrongPassword", true}, {"short", "DisableStrongPassword", false},
	}
	for i, row := range rows {
		body := person("annabel", "userPrincipalName", "annabel@contoso.example", "passwordProfile", object{"password": row.password})
		if row.policies != "" {
			body["passwordPolicies"] = row.policies
		}
		r := g.do(http.MethodPost, "/users", body)
		if row.ok != (r.status == http.StatusCreated) {
			t.Errorf("row %d: %q answered %d %v, want 201 only for a good password", i, row.password, r.status, r.body)
		}
		if !row.ok {
			wantError(t, r, http.StatusBadRequest, "Request_BadRequest", "The specified password does not comply with password complexity requirements.")
		} else if err := g.dir.PurgeUser("annabel@contoso.example"); err != nil {
			t.Fatal(err)
		}
	}
	// the password of a federated account is not checked
	g.must(http.StatusCreated, http.MethodPost, "/users", person("fred", "userPrincipalName", "fred@fed.example",
		"onPremisesImmutableId", "abc", "passwordProfile", object{"password": "x"}))
}

func TestReadUser(t *testing.T) {
	g := start(t)
	id := g.create("ann", "userPrincipalName", "o'neil#x@contoso.example", "department", "Ops")
	other := g.create("dollar")
	if _, err := g.dir.UpdateUser(other, object{"userPrincipalName": "$x@contoso.example"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/users/" + id, "/users/" + strings.ToUpper(id), "/users('" + id + "')", "/users/o%27neil%23x%40contoso.example",
		"/users/O'NEIL%23x@contoso.example", "/users('o''neil%23x@contoso.example')", "/users(userPrincipalName='o''neil%23x%40contoso.example')",
	} {
		r := g.must(http.StatusOK, http.MethodGet, path+"?$select=id,accountEnabled,department,passwordProfile,onPremisesExtensionAttributes,otherMails", nil)
		if text(r.body, "id") != id || at(r.body, "accountEnabled") != true || text(r.body, "department") != "Ops" || at(r.body, "passwordProfile") != nil {
			t.Errorf("%s: %v, want the selected values of the user", path, r.body)
		}
		if extensions, _ := at(r.body, "onPremisesExtensionAttributes").(object); len(extensions) != 15 {
			t.Errorf("extension attributes: %v, want 15", extensions)
		}
	}
	if r := g.must(http.StatusOK, http.MethodGet, "/users('$x@contoso.example')", nil); text(r.body, "id") != other {
		t.Errorf("a UPN that begins with a dollar: %v, want that user", r.body)
	}
	wantError(t, g.do(http.MethodGet, "/users/nobody@contoso.example", nil), http.StatusNotFound, "Request_ResourceNotFound",
		"Resource 'nobody@contoso.example' does not exist or one of its queried reference-property objects are not present.")
	wantError(t, g.do(http.MethodGet, "/users/"+id+"?$select=shoeSize", nil), http.StatusBadRequest, "BadRequest", "Could not find a property named 'shoeSize'")
	wantError(t, g.do(http.MethodGet, "/users/"+id+"?$top=1", nil), http.StatusBadRequest, "BadRequest", "not supported")
	wantError(t, g.do(http.MethodGet, "/nothing/here", nil), http.StatusBadRequest, "BadRequest", "Resource not found for the segment 'here'.")
	wantError(t, g.do(http.MethodPut, "/users/"+id, object{}), http.StatusMethodNotAllowed, "Request_BadRequest", "method")
}

func TestPatchUser(t *testing.T) {
	g := start(t)
	id := g.create("ann", "jobTitle", "Clerk", "employeeOrgData", object{"costCenter": "7", "division": "East"},
		"onPremisesExtensionAttributes", object{"extensionAttribute1": "one"}, "mail", "ann@contoso.example")
	g.create("bob")
	r := g.must(http.StatusNoContent, http.MethodPatch, "/users/"+id, object{
		"@odata.type": "#microsoft.graph.user", "jobTitle": nil, "businessPhones": []string{"1"}, "employeeOrgData": object{"costCenter": "8"},
		"onPremisesExtensionAttributes": object{"extensionAttribute2": "two"}, "accountEnabled": false, "mail": "ann.example@contoso.example",
	})
	if r.body != nil {
		t.Errorf("a 204 with the body %v, want none", r.body)
	}
	u, _ := g.dir.User(id)
	want := object{
		"jobTitle": nil, "businessPhones": []any{"1"}, "employeeOrgData": object{"costCenter": "8"}, "accountEnabled": false,
		"onPremisesExtensionAttributes": object{"extensionAttribute1": "one", "extensionAttribute2": "two"},
		"proxyAddresses":                []any{"SMTP:ann.example@contoso.example", "smtp:ann@contoso.example"},
	}
	for name, value := range want {
		if diff := cmp.Diff(value, u.Properties[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	g.must(http.StatusNoContent, http.MethodPatch, "/users/ann@contoso.example", object{"userPrincipalName": "ann.new@contoso.example"})
	g.must(http.StatusNotFound, http.MethodGet, "/users/ann@contoso.example", nil)
	g.must(http.StatusNoContent, http.MethodPatch, "/users/"+id, object{"userPrincipalName": "ANN.new@contoso.example"})
	wantError(t, g.do(http.MethodPatch, "/users/"+id, object{"userPrincipalName": "bob@contoso.example"}), http.StatusBadRequest, "Request_BadRequest", "Another object")
	wantError(t, g.do(http.MethodPatch, "/users/"+id, object{"surname": ""}), http.StatusBadRequest, "Request_BadRequest", "Invalid value")
	g.must(http.StatusNotFound, http.MethodPatch, "/users/nobody@contoso.example", object{"surname": "x"})

	g.must(http.StatusNoContent, http.MethodPatch, "/users/"+id, object{"passwordProfile": object{"password": "Another-1-word"}})
	u, _ = g.dir.User(id)
	if !u.HasPassword("Another-1-word") || u.PasswordChanges != 2 || u.Text("signInSessionsValidFromDateTime") == "" {
		t.Errorf("password change: %+v, want the new password and ended sessions", u)
	}
	wantError(t, g.do(http.MethodPatch, "/users/"+id, object{"passwordProfile": object{"password": "weak"}}), http.StatusBadRequest, "Request_BadRequest", "password complexity")
	revoked := g.must(http.StatusOK, http.MethodPost, "/users/"+id+"/revokeSignInSessions", nil)
	if at(revoked.body, "value") != true {
		t.Errorf("revokeSignInSessions: %v, want true", revoked.body)
	}
	g.must(http.StatusOK, http.MethodPost, "/users/"+id+"/microsoft.graph.revokeSignInSessions", nil)
}

func TestListUsers(t *testing.T) {
	g := start(t)
	for _, name := range []string{"ann", "bob", "cy", "dee", "eve"} {
		g.create(name, "department", map[bool]string{true: "Ops", false: "Law"}[name < "c"], "otherMails", []string{name + "@x.example"})
	}
	var seen []string
	pages := 0
	for link := "/users?$select=displayName&$top=2"; link != ""; pages++ {
		r := g.must(http.StatusOK, http.MethodGet, link, nil)
		seen = append(seen, texts(r.body["value"], "displayName")...)
		link = text(r.body, "@odata.nextLink")
	}
	if want := []string{"Ann Example", "Bob Example", "Cy Example", "Dee Example", "Eve Example"}; pages != 3 || !slices.Equal(seen, want) {
		t.Errorf("%d pages: %v, want 3 with %v", pages, seen, want)
	}
	eventual := []string{"ConsistencyLevel", "eventual"}
	rows := []struct {
		query   string
		headers []string
		want    string // initials
	}{
		{"$filter=userPrincipalName eq 'ANN@contoso.example'", nil, "A"},
		{"$filter=userPrincipalName in ('ann@contoso.example','eve@contoso.example','x@y')", nil, "AE"},
		{"$filter=startsWith(displayName,'b')", nil, "B"},
		{"$filter=department eq 'Ops' and accountEnabled eq true", nil, "AB"},
		{"$filter=(department eq 'Law') and not (startsWith(displayName,'d'))&$count=true", eventual, "CE"},
		{"$filter=jobTitle eq null", nil, "ABCDE"},
		{"$filter=otherMails/any(m:m eq 'cy@x.example')", nil, "C"},
		{"$filter=department ne 'Ops'&$count=true", eventual, "CDE"},
		{"$filter=endsWith(userPrincipalName,'ee@contoso.example')&$count=true", eventual, "D"},
		{"$filter=displayName eq 'Ann Example' or displayName eq 'Eve Example'", nil, "AE"},
		{"$orderby=displayName desc", nil, "EDCBA"},
		{"$filter=employeeId eq 'o''x'", nil, ""},
	}
	for _, row := range rows {
		query := strings.ReplaceAll(row.query, " ", "%20")
		r := g.must(http.StatusOK, http.MethodGet, "/users?"+query, nil, row.headers...)
		got := ""
		for _, name := range texts(r.body["value"], "displayName") {
			got += name[:1]
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.query, got, row.want)
		}
		if row.headers != nil && at(r.body, "@odata.count") != float64(len(row.want)) {
			t.Errorf("%s: count %v, want %d", row.query, at(r.body, "@odata.count"), len(row.want))
		}
	}
	many := "userPrincipalName in ('" + strings.Repeat("a','", 15) + "a')"
	for filter, code := range map[string]string{
		"department ne 'Ops'": "Request_UnsupportedQuery", "startsWith(department,'O')": "Request_UnsupportedQuery",
		"shoeSize eq '1'": "BadRequest", "displayName eq 'x": "BadRequest", "displayName eq": "BadRequest",
		"endsWith(mail,'x')": "Request_UnsupportedQuery", many: "Request_UnsupportedQuery", "displayName has 'x'": "Request_UnsupportedQuery",
		"onPremisesExtensionAttributes/extensionAttribute1 eq 'x'": "Request_UnsupportedQuery",
	} {
		wantError(t, g.do(http.MethodGet, "/users?$filter="+url.QueryEscape(filter), nil), http.StatusBadRequest, code, "")
	}
	wantError(t, g.do(http.MethodGet, "/users?$top=1000", nil), http.StatusBadRequest, "Request_BadRequest", "between 1 and 999")
	g.sim.Set(func(b *entratest.Behaviour) { b.ClampLargeTop = true })
	g.must(http.StatusOK, http.MethodGet, "/users?$top=1000", nil)
	for _, bad := range []string{"$top=x", "$top=0", "$skiptoken=garbage", "$levels=2", "$orderby=department", "$expand=friends"} {
		if r := g.do(http.MethodGet, "/users?"+bad, nil); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", bad, r.status)
		}
	}
}

func TestManager(t *testing.T) {
	g := start(t)
	ann, bob := g.create("ann"), g.create("bob")
	group := g.seedGroup(entratest.Group{DisplayName: "Eng"})
	path := "/users/" + ann + "/manager"
	g.must(http.StatusNotFound, http.MethodGet, path, nil)
	g.must(http.StatusNotFound, http.MethodDelete, path+"/$ref", nil)
	g.must(http.StatusNoContent, http.MethodPut, path+"/$ref", object{"@odata.id": "https://graph.microsoft.com/v1.0/users/" + bob})
	r := g.must(http.StatusOK, http.MethodGet, path+"?$select=id,displayName", nil)
	if text(r.body, "id") != bob || text(r.body, "@odata.type") != "#microsoft.graph.user" || text(r.body, "displayName") != "Bob Example" {
		t.Errorf("manager: %v, want the user Bob Example", r.body)
	}
	if r := g.must(http.StatusOK, http.MethodGet, path+"/$ref", nil); !strings.HasSuffix(text(r.body, "@odata.id"), "/directoryObjects/"+bob) {
		t.Errorf("$ref: %v, want the URL of Bob", r.body)
	}
	list := g.must(http.StatusOK, http.MethodGet, "/users?$select=id&$expand=manager($select=id)", nil)
	if text(list.body, "value", 0, "manager", "id") != bob || at(list.body, "value", 1, "manager") != nil {
		t.Errorf("$expand: %v, want Bob for the first and none for the second", list.body)
	}
	g.must(http.StatusNotFound, http.MethodPut, path+"/$ref", reference("00000000-0000-4000-8000-000000000009"))
	for _, bad := range []object{reference(group.ID), {"@odata.id": "nonsense"}, {}, reference("no-guid")} {
		g.must(http.StatusBadRequest, http.MethodPut, path+"/$ref", bad)
	}
	wantError(t, g.do(http.MethodPut, path, reference(bob)), http.StatusBadRequest, "BadRequest", "Write requests are only supported on contained entities")
	g.must(http.StatusNoContent, http.MethodDelete, path+"/$ref", nil)
	g.must(http.StatusNotFound, http.MethodGet, path, nil)
}

func TestDeletedItems(t *testing.T) {
	g := start(t)
	first := g.create("ann", "mail", "ann@contoso.example")
	group := g.seedGroup(entratest.Group{DisplayName: "Eng", Members: []string{first}})
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+first, nil)
	g.must(http.StatusNotFound, http.MethodGet, "/users/"+first, nil)
	g.must(http.StatusNotFound, http.MethodDelete, "/users/"+first, nil)
	if members := g.must(http.StatusOK, http.MethodGet, "/groups/"+group.ID+"/members", nil); len(texts(members.body["value"], "id")) != 0 {
		t.Errorf("a deleted member is listed: %v, want no members", members.body)
	}
	second := g.create("ann", "mail", "ann@contoso.example") // the twin does not block its name
	for _, path := range []string{"/directory/deletedItems/microsoft.graph.user", "/directory/deletedItems/graph.user"} {
		r := g.must(http.StatusOK, http.MethodGet, path+"?$select=id,userPrincipalName,deletedDateTime", nil)
		if got := text(r.body, "value", 0, "userPrincipalName"); text(r.body, "value", 0, "id") != first ||
			got != strings.ReplaceAll(first, "-", "")+"ann@contoso.example" || text(r.body, "value", 0, "deletedDateTime") == "" {
			t.Errorf("%s: %v, want the deleted user with its id before the name", path, r.body)
		}
	}
	wantError(t, g.do(http.MethodGet, "/directory/deletedItems", nil), http.StatusBadRequest, "Request_UnsupportedQuery", "Searches against this resource are not supported.")
	restore := "/directory/deletedItems/" + first + "/restore"
	wantError(t, g.do(http.MethodPost, restore, nil), http.StatusBadRequest, "Request_BadRequest", "userPrincipalName already exists")
	wantError(t, g.do(http.MethodPost, restore, object{"newUserPrincipalName": "ann2@contoso.example"}), http.StatusBadRequest, "Request_BadRequest", "proxyAddresses already exists")
	r := g.must(http.StatusOK, http.MethodPost, restore, object{"newUserPrincipalName": "ann2@contoso.example", "autoReconcileProxyConflict": true})
	if text(r.body, "userPrincipalName") != "ann2@contoso.example" || text(r.body, "id") != first {
		t.Errorf("restored: %v, want the same user as ann2", r.body)
	}
	if u, _ := g.dir.User(first); !slices.Equal(u.Groups, []string{group.ID}) {
		t.Errorf("the restored memberships are %v, want the group", u.Groups)
	}
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+second, nil)
	g.must(http.StatusOK, http.MethodGet, "/directory/deletedItems/"+second, nil)
	g.must(http.StatusNoContent, http.MethodDelete, "/directory/deletedItems/"+second, nil)
	g.must(http.StatusNotFound, http.MethodGet, "/directory/deletedItems/"+second, nil)
	g.must(http.StatusNotFound, http.MethodPost, "/directory/deletedItems/"+second+"/restore", nil)
}

func TestDeletedForGood(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := start(t, func(c *entratest.Config) { c.Behaviour.TokenLife = 60 * 24 * time.Hour })
		id := g.create("ann")
		g.must(http.StatusNoContent, http.MethodDelete, "/users/"+id, nil)
		time.Sleep(30*24*time.Hour - time.Second)
		list := "/directory/deletedItems/graph.user?$select=id"
		if r := g.must(http.StatusOK, http.MethodGet, list, nil); len(texts(r.body["value"], "id")) != 1 {
			t.Errorf("before 30 days: %v, want the user listed", r.body)
		}
		time.Sleep(time.Second)
		g.must(http.StatusNotFound, http.MethodPost, "/directory/deletedItems/"+id+"/restore", nil)
		if r := g.must(http.StatusOK, http.MethodGet, list, nil); len(texts(r.body["value"], "id")) != 0 || len(g.dir.Users()) != 0 {
			t.Errorf("after 30 days: %v, want no user", r.body)
		}
	})
}

// TestParallel is for the race detector, and shows that parallel clients lose
// nothing.
func TestParallel(t *testing.T) {
	g := start(t, withJournal(filepath.Join(t.TempDir(), "journal.jsonl")))
	group := g.seedGroup(entratest.Group{DisplayName: "Eng"}).ID
	var done sync.WaitGroup
	for worker := range 8 {
		done.Go(func() {
			for i := range 20 {
				id := g.create(fmt.Sprintf("w%di%d", worker, i))
				g.must(http.StatusNoContent, http.MethodPost, "/groups/"+group+"/members/$ref", reference(id))
				g.must(http.StatusNoContent, http.MethodPatch, "/users/"+id, object{"jobTitle": "x"})
				g.must(http.StatusOK, http.MethodGet, "/users?$select=id,jobTitle", nil)
				g.must(http.StatusOK, http.MethodGet, "/groups/delta", nil)
				g.sim.Set(func(b *entratest.Behaviour) { b.Lag.Min = 0 })
				if n := len(g.sim.State().Tenants); n != 1 {
					t.Errorf("%d tenants, want 1", n)
				}
			}
		})
	}
	done.Wait()
	if stored, _ := g.dir.Group(group); len(stored.Members) != 160 || len(g.dir.Users()) != 160 {
		t.Errorf("%d members, %d users, want 160 of each", len(stored.Members), len(g.dir.Users()))
	}
}
