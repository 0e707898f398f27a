package entratest_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/entra/entratest"
)

// The published lengths of a user's properties: a value of that length is accepted, a
// longer one is refused, with a body that names the property.
func TestLengths(t *testing.T) {
	g := start(t)
	path := "/users/" + g.create("ann")
	for property, most := range map[string]int{
		"displayName": 256, "mailNickname": 64, "givenName": 64, "surname": 64, "jobTitle": 128, "department": 64, "companyName": 64, "employeeId": 16,
		"officeLocation": 128, "streetAddress": 1024, "city": 128, "state": 128, "postalCode": 40, "country": 128, "mobilePhone": 64,
	} {
		longest := strings.Repeat("1", most-1) + "é" // characters count, not bytes
		g.must(http.StatusNoContent, http.MethodPatch, path, object{property: longest})
		r := g.do(http.MethodPatch, path, object{property: longest + "1"})
		wantError(t, r, http.StatusBadRequest, "Request_BadRequest", "Invalid value specified for property '"+property+"' of resource 'User'.")
		wantDetail(t, r, "InvalidValue", property)
		if u, _ := g.dir.User(path[len("/users/"):]); u.Text(property) != longest {
			t.Errorf("%s: a refused value was stored, want the longest one", property)
		}
	}
	upn := func(local, domain int) string {
		return strings.Repeat("a", local) + "@" + strings.Repeat("b", domain-len(".example")) + ".example"
	}
	long := start(t, func(c *entratest.Config) {
		c.Tenants = []entratest.Tenant{{ID: tenantID, Name: "Contoso", Domains: []entratest.Domain{
			{Name: "contoso.example", Default: true}, {Name: upn(0, 48)[1:]}, {Name: upn(0, 49)[1:]},
		}}}
	})
	path = "/users/" + long.create("ann")
	long.must(http.StatusNoContent, http.MethodPatch, path, object{"userPrincipalName": upn(64, 48)}) // 113 in all
	for _, name := range []string{upn(65, 48), upn(64, 49)} {
		r := long.do(http.MethodPatch, path, object{"userPrincipalName": name})
		wantError(t, r, http.StatusBadRequest, "Request_BadRequest", "Property userPrincipalName is invalid.")
		wantDetail(t, r, "InvalidValue", "userPrincipalName")
	}
}

// wantDetail checks the first entry of error.details.
func wantDetail(t *testing.T, r reply, code, target string) {
	t.Helper()
	if got := at(r.body, "error", "details", 0); text(got, "code") != code || text(got, "target") != target {
		t.Errorf("details[0] is %v, want %s about %s", got, code, target)
	}
}

// Forms and characters, and which properties may be null.
func TestGoodAndBadValues(t *testing.T) {
	many := func(n int, s string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = s
		}
		return out
	}
	g := start(t)
	path := "/users/" + g.create("ann")
	for property, values := range map[string]struct{ good, bad []any }{
		"userPrincipalName":     {[]any{"o'n.e-i_l!#^~9@contoso.example", "x@CONTOSO.example"}, []any{"ann", "@contoso.example", "a b@contoso.example", "a+b@contoso.example", "é@contoso.example", "ann.@contoso.example", "a@b@contoso.example", `a"@contoso.example`}},
		"mailNickname":          {[]any{"ann.example", "a+b"}, []any{"a@b", "a b", "ann.", "", nil}},
		"displayName":           {[]any{"Änn O'Neil"}, []any{"", nil}},
		"usageLocation":         {[]any{"US", "DE"}, []any{"USA", "U", "1A", "", nil}},
		"preferredLanguage":     {[]any{"en-US", "de", "zh-Hans-CN", nil}, []any{"english (US)", "e", ""}},
		"businessPhones":        {[]any{[]string{"+1 555 0100"}, []string{}}, []any{[]string{"1", "2"}, []string{""}, []string{strings.Repeat("1", 65)}, "1", nil}},
		"mobilePhone":           {[]any{"+1 555 0100", nil}, []any{"", []string{"1"}}},
		"otherMails":            {[]any{[]string{}, []string{"a@b.example", "c@d.example"}, many(250, "a@b.example"), []string{strings.Repeat("a", 240) + "@b.example"}}, []any{many(251, "a@b.example"), []string{strings.Repeat("a", 241) + "@b.example"}, []string{"é@b.example"}, []string{""}, nil}},
		"onPremisesImmutableId": {[]any{"64f0c0ffee64f0c0ffee0001", "a+b/c==", nil}, []any{"a$b", "a_b", ""}},
		"accountEnabled":        {[]any{true, false}, []any{"true", nil}},
		"employeeOrgData":       {[]any{object{"costCenter": "1", "division": nil}, nil}, []any{object{"costCenter": ""}, object{"team": "x"}, "x"}},
		"onPremisesExtensionAttributes": {[]any{object{"extensionAttribute15": strings.Repeat("x", 1024)}, object{"extensionAttribute15": nil}},
			[]any{object{"extensionAttribute1": strings.Repeat("x", 1025)}, object{"extensionAttribute1": ""}, object{"extensionAttribute16": "x"}}},
	} {
		for _, value := range values.good {
			if r := g.do(http.MethodPatch, path, object{property: value}); r.status != http.StatusNoContent {
				t.Errorf("%s %v: %d %v, want 204", property, value, r.status, r.body)
			}
		}
		for _, value := range values.bad {
			r := g.do(http.MethodPatch, path, object{property: value, "jobTitle": "refused"})
			if r.status != http.StatusBadRequest || text(r.body, "error", "code") != "Request_BadRequest" {
				t.Errorf("%s %v: %d %v, want 400 Request_BadRequest", property, value, r.status, r.body)
			}
			if detail := at(r.body, "error", "details", 0); detail != nil && text(detail, "target") != property {
				t.Errorf("%s %v: the detail names %v, want the property", property, value, detail)
			}
		}
	}
	if u, _ := g.dir.User(path[len("/users/"):]); u.Text("jobTitle") != "" {
		t.Error("a part of a refused PATCH was stored, want nothing stored")
	}
}

// employeeOrgData is replaced completely, extension attributes one by one.
func TestComplexProperties(t *testing.T) {
	g := start(t)
	path := "/users/" + g.create("ann")
	read := func() (orgData any, extensions object) {
		r := g.must(http.StatusOK, http.MethodGet, path+"?$select=employeeOrgData,onPremisesExtensionAttributes", nil)
		extensions, _ = at(r.body, "onPremisesExtensionAttributes").(object)
		if len(extensions) != 15 {
			t.Errorf("%d extension attributes are shown, want 15", len(extensions))
		}
		for name, value := range extensions {
			if value == nil {
				delete(extensions, name)
			}
		}
		return at(r.body, "employeeOrgData"), extensions
	}
	if orgData, extensions := read(); orgData != nil || len(extensions) != 0 {
		t.Errorf("a new user has %v and %v, want none of them", orgData, extensions)
	}
	for _, row := range []struct {
		send, orgData any
	}{
		{object{"costCenter": "7", "division": "East"}, object{"costCenter": "7", "division": "East"}},
		{object{"costCenter": "8"}, object{"costCenter": "8", "division": nil}},
		{object{"division": "West"}, object{"costCenter": nil, "division": "West"}},
		{nil, nil},
	} {
		g.must(http.StatusNoContent, http.MethodPatch, path, object{"employeeOrgData": row.send})
		if got, _ := read(); !cmp.Equal(got, row.orgData) {
			t.Errorf("after %v it is %v, want %v", row.send, got, row.orgData)
		}
	}
	for _, row := range []struct{ send, want object }{
		{object{"extensionAttribute1": "one", "extensionAttribute2": "two"}, object{"extensionAttribute1": "one", "extensionAttribute2": "two"}},
		{object{"extensionAttribute2": "deux"}, object{"extensionAttribute1": "one", "extensionAttribute2": "deux"}},
		{object{"extensionAttribute1": nil}, object{"extensionAttribute2": "deux"}},
	} {
		g.must(http.StatusNoContent, http.MethodPatch, path, object{"onPremisesExtensionAttributes": row.send})
		if _, got := read(); !cmp.Equal(got, row.want) {
			t.Errorf("after %v they are %v, want %v", row.send, got, row.want)
		}
	}
}

// Extension attributes of an account that is or once was mastered on premises
// cannot be written, not even cleared, and nothing else of the same PATCH is.
func TestExtensionAttributesOfSyncedUsers(t *testing.T) {
	for name, row := range map[string]struct {
		user    entratest.User
		message string
	}{
		"synchronised":       {entratest.User{Properties: object{"onPremisesSyncEnabled": true}, EverSynced: true}, "on-premises mastered Directory Sync objects"},
		"synchronised once":  {entratest.User{Properties: object{"onPremisesSyncEnabled": false}, EverSynced: true}, "originated within an external service"},
		"a cloud user again": {entratest.User{EverSynced: true}, "originated within an external service"},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			row.user.UserPrincipalName = "ann@contoso.example"
			id := g.seed(row.user).ID
			for _, value := range []any{object{"extensionAttribute1": "x"}, object{"extensionAttribute1": nil}, nil} {
				r := g.do(http.MethodPatch, "/users/"+id, object{"onPremisesExtensionAttributes": value, "jobTitle": "refused"})
				wantError(t, r, http.StatusBadRequest, "Request_BadRequest", row.message)
			}
			if u, _ := g.dir.User(id); u.Text("jobTitle") != "" {
				t.Error("a part of a refused PATCH was stored, want nothing stored")
			}
		})
	}
}

// A write to a property that another service controls is refused with one text for all
// such properties, and nothing else of the same PATCH is written.
func TestPropertiesThatAnotherServiceOwns(t *testing.T) {
	extensions, employeeID := object{"onPremisesExtensionAttributes": object{"extensionAttribute1": "x"}}, object{"employeeId": "E1"}
	for name, row := range map[string]struct {
		user          entratest.User
		owned, others []object
	}{
		"made by Exchange":              {entratest.User{MadeByExchange: true}, []object{employeeID, {"employeeId": nil}}, []object{extensions, {"jobTitle": "x"}}},
		"synchronised once":             {entratest.User{EverSynced: true}, []object{extensions}, []object{employeeID, {"jobTitle": "x"}}},
		"synchronised once and made so": {entratest.User{EverSynced: true, MadeByExchange: true}, []object{extensions, employeeID}, []object{{"jobTitle": "x"}}},
		"neither":                       {entratest.User{}, nil, []object{extensions, employeeID}},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			row.user.UserPrincipalName = "ann@contoso.example"
			id := g.seed(row.user).ID
			for _, body := range row.owned {
				body := maps.Clone(body)
				body["department"] = "refused"
				r := g.do(http.MethodPatch, "/users/"+id, body)
				wantError(t, r, http.StatusBadRequest, "Request_BadRequest", "Unable to update the specified properties for objects that have originated within an external service.")
				if at(r.body, "error", "details") != nil {
					t.Errorf("the refusal names the property: %v, want no details", r.body)
				}
			}
			for _, body := range row.others {
				g.must(http.StatusNoContent, http.MethodPatch, "/users/"+id, body)
			}
			if u, _ := g.dir.User(id); u.Text("department") != "" {
				t.Error("a part of a refused PATCH was stored, want nothing stored")
			}
		})
	}
}

// A PATCH of a plain and a sensitive property of an administrator fails completely, and
// the refusal does not name the property.
func TestMixedPatchOfAnAdministrator(t *testing.T) {
	g := start(t)
	id := g.seed(entratest.User{UserPrincipalName: "admin@contoso.example", DirectoryRoles: []string{"Global Administrator"}}).ID
	answers := g.batch(http.StatusOK,
		item("1", "PATCH", "/users/"+id, object{"jobTitle": "Chief", "mobilePhone": "1"}),
		item("2", "PATCH", "/users/"+id, object{"department": "Board", "employeeId": "1", "displayName": "The Chief"}),
		item("3", "PATCH", "/users/"+id, object{"passwordProfile": object{"password": password}}))
	if got := statuses(answers); got != "403 204 403" {
		t.Fatalf("statuses %s: %v, want 403 204 403", got, answers)
	}
	refused := at(answers["1"], "body", "error")
	if text(refused, "code") != "Authorization_RequestDenied" || at(refused, "details") != nil || strings.Contains(text(refused, "message"), "mobilePhone") {
		t.Errorf("refused with %v, want Authorization_RequestDenied without the property", refused)
	}
	u, _ := g.dir.User(id)
	if u.Text("jobTitle") != "" || u.Text("department") != "Board" || u.PasswordChanges != 0 {
		t.Errorf("stored: %+v, want only the department stored", u)
	}
}
