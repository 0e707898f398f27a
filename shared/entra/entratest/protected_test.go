package entratest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"entrasync/shared/entra/entratest"
)

// withApp gives the app permissions and directory roles.
func withApp(roles, directoryRoles []string) func(*entratest.Config) {
	return func(c *entratest.Config) { c.Apps[0].Roles, c.Apps[0].DirectoryRoles = roles, directoryRoles }
}

func TestPermissions(t *testing.T) {
	admin := []string{entratest.UserAdministrator}
	rows := []struct {
		name   string
		roles  []string
		extra  []string // directory roles
		method string
		path   string // USER and GROUP stand for ids
		body   any
		status int
	}{
		{"nothing granted", nil, nil, "GET", "/users", nil, 403},
		{"read", []string{"User.Read.All"}, nil, "GET", "/users", nil, 200},
		{"read does not write", []string{"User.Read.All"}, nil, "PATCH", "/users/USER", object{"jobTitle": "x"}, 403},
		{"create only", []string{"User.Create"}, nil, "POST", "/users", person("new"), 201},
		{"create does not read", []string{"User.Create"}, nil, "GET", "/users/USER", nil, 403},
		{"update", []string{"User.ReadUpdate.All"}, nil, "PATCH", "/users/USER", object{"jobTitle": "x"}, 204},
		{"update does not disable", []string{"User.ReadUpdate.All"}, nil, "PATCH", "/users/USER", object{"accountEnabled": false}, 403},
		{"disable needs to read", []string{"User.EnableDisableAccount.All"}, nil, "PATCH", "/users/USER", object{"accountEnabled": false}, 403},
		{"disable", []string{"User.EnableDisableAccount.All", "User.Read.All"}, nil, "PATCH", "/users/USER", object{"accountEnabled": false}, 204},
		{"disable and more", []string{"User.EnableDisableAccount.All", "User.Read.All"}, nil, "PATCH", "/users/USER", object{"accountEnabled": false, "jobTitle": "x"}, 403},
		{"password without permission", []string{"User.ReadWrite.All"}, admin, "PATCH", "/users/USER", object{"passwordProfile": object{"password": password}}, 403},
		{"password without role", []string{"User-PasswordProfile.ReadWrite.All"}, nil, "PATCH", "/users/USER", object{"passwordProfile": object{"password": password}}, 403},
		{"password", []string{"User-PasswordProfile.ReadWrite.All"}, admin, "PATCH", "/users/USER", object{"passwordProfile": object{"password": password}}, 204},
		{"phone", []string{"User-Phone.ReadWrite.All"}, nil, "PATCH", "/users/USER", object{"mobilePhone": "1"}, 204},
		{"other mails", []string{"User-Mail.ReadWrite.All"}, nil, "PATCH", "/users/USER", object{"otherMails": []string{"a@b.example"}}, 204},
		{"revoke", []string{"User.RevokeSessions.All"}, nil, "POST", "/users/USER/revokeSignInSessions", nil, 200},
		{"revoke without", []string{"User.ReadUpdate.All"}, nil, "POST", "/users/USER/revokeSignInSessions", nil, 403},
		{"delete", []string{"User.DeleteRestore.All"}, nil, "DELETE", "/users/USER", nil, 204},
		{"delete without", []string{"User.ReadUpdate.All"}, nil, "DELETE", "/users/USER", nil, 403},
		{"licenses", []string{"LicenseAssignment.ReadWrite.All"}, nil, "POST", "/users/USER/assignLicense", object{"addLicenses": []any{}, "removeLicenses": []any{}}, 200},
		{"licenses with the wider permission", []string{"User.ReadWrite.All"}, nil, "POST", "/users/USER/assignLicense", object{"addLicenses": []any{}, "removeLicenses": []any{}}, 200},
		{"licenses without", []string{"User.ReadUpdate.All"}, nil, "POST", "/users/USER/assignLicense", object{"addLicenses": []any{}, "removeLicenses": []any{}}, 403},
		{"address lists", []string{"User.ReadUpdate.All"}, nil, "PATCH", "/users/USER", object{"showInAddressList": false}, 204},
		{"manager", []string{"User.ReadUpdate.All"}, nil, "PUT", "/users/USER/manager/$ref", reference("x"), 403},
		{"members", []string{"GroupMember.ReadWrite.All"}, nil, "PATCH", "/groups/GROUP", object{"members@odata.bind": references("USER")}, 204},
		{"members do not rename", []string{"GroupMember.ReadWrite.All"}, nil, "PATCH", "/groups/GROUP", object{"displayName": "x"}, 403},
		{"group create only", []string{"Group.Create"}, nil, "POST", "/groups", team("New"), 201},
		{"group create does not change", []string{"Group.Create"}, nil, "PATCH", "/groups/GROUP", object{"displayName": "x"}, 403},
		{"group delete", []string{"GroupMember.ReadWrite.All"}, nil, "DELETE", "/groups/GROUP", nil, 403},
		{"organization", []string{"Organization.Read.All"}, nil, "GET", "/organization?$select=id,verifiedDomains", nil, 200},
		{"domains with organization", []string{"Organization.Read.All"}, nil, "GET", "/domains", nil, 403},
		{"domains", []string{"Domain.Read.All"}, nil, "GET", "/domains", nil, 200},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			g := start(t, withApp(row.roles, row.extra))
			user := g.seed(entratest.User{ID: "10000000-0000-4000-8000-000000000001", UserPrincipalName: "u@contoso.example"})
			group := g.seedGroup(entratest.Group{ID: "10000000-0000-4000-8000-000000000002", DisplayName: "Eng"})
			path := strings.NewReplacer("USER", user.ID, "GROUP", group.ID).Replace(row.path)
			body := row.body
			if bind, has := at(body, "members@odata.bind").([]string); has && len(bind) == 1 {
				body = object{"members@odata.bind": references(user.ID)}
			}
			r := g.do(row.method, path, body)
			if r.status != row.status {
				t.Fatalf("%d, want %d: %v", r.status, row.status, r.body)
			}
			if row.status == http.StatusForbidden {
				wantError(t, r, http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
			}
		})
	}
}

func TestGrantedLater(t *testing.T) {
	g := start(t, withApp(nil, nil))
	g.must(http.StatusForbidden, http.MethodGet, "/users", nil)
	if err := g.sim.SetApp(clientID, func(a *entratest.App) { a.Roles = []string{"User.Read.All"} }); err != nil {
		t.Fatal(err)
	}
	g.must(http.StatusForbidden, http.MethodGet, "/users", nil) // the token keeps what it had
	g.token = g.sim.Token(clientID, tenantID)
	g.must(http.StatusOK, http.MethodGet, "/users", nil)
}

func TestProtectedUsers(t *testing.T) {
	const top = "Privileged Authentication Administrator"
	none := []string(nil)
	rows := []struct {
		target  string // directory role of the user, "group" for a member and "owner" for an owner of a role-assignable group
		roles   []string
		disable int
		reset   int
	}{
		{"", none, 204, 403}, {"", []string{entratest.UserAdministrator}, 204, 204},
		{"Directory Readers", none, 204, 403}, {"Guest Inviter", []string{entratest.UserAdministrator}, 204, 204},
		{"User Administrator", none, 403, 403}, {"User Administrator", []string{entratest.UserAdministrator}, 204, 204},
		{"Groups Administrator", []string{entratest.UserAdministrator}, 204, 204}, {"Helpdesk Administrator", []string{entratest.UserAdministrator}, 204, 204},
		{"Authentication Administrator", []string{entratest.UserAdministrator}, 403, 403}, {"Authentication Administrator", []string{top}, 204, 204},
		{"Global Administrator", []string{entratest.UserAdministrator}, 403, 403}, {"Global Administrator", []string{top}, 204, 204},
		{"Some New Role", []string{entratest.UserAdministrator}, 403, 403},
		{"group", []string{entratest.UserAdministrator}, 403, 403}, {"group", []string{top}, 204, 204}, {"owner", []string{entratest.UserAdministrator}, 403, 403},
	}
	for _, row := range rows {
		t.Run(row.target+"/"+first(row.roles), func(t *testing.T) {
			g := start(t, withApp(entratest.RecommendedRoles, row.roles))
			u := entratest.User{UserPrincipalName: "u@contoso.example"}
			if row.target != "" && row.target != "group" && row.target != "owner" {
				u.DirectoryRoles = []string{row.target}
			}
			u = g.seed(u)
			switch row.target {
			case "group":
				g.seedGroup(entratest.Group{DisplayName: "Admins", Kind: entratest.RoleAssignable, Members: []string{u.ID}})
			case "owner":
				g.seedGroup(entratest.Group{DisplayName: "Admins", Kind: entratest.RoleAssignable, Owners: []string{u.ID}})
			}
			path := "/users/" + u.ID
			g.must(http.StatusNoContent, http.MethodPatch, path, object{"jobTitle": "x", "displayName": "y"}) // not sensitive
			for name, value := range map[string]any{
				"accountEnabled": false, "mobilePhone": "1", "businessPhones": []string{"1"}, "otherMails": []string{"a@b.example"},
				"onPremisesImmutableId": "abc", "userPrincipalName": "u@contoso.example",
			} {
				r := g.do(http.MethodPatch, path, object{name: value, "surname": "z"})
				if r.status != row.disable {
					t.Errorf("%s: %d, want %d", name, r.status, row.disable)
				}
			}
			if r := g.do(http.MethodPatch, path, object{"passwordProfile": object{"password": password}}); r.status != row.reset {
				t.Errorf("password: %d, want %d", r.status, row.reset)
			}
			r := g.do(http.MethodDelete, path, nil)
			if r.status != row.disable {
				t.Errorf("delete: %d, want %d", r.status, row.disable)
			}
			if r.status == http.StatusForbidden {
				wantError(t, r, http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
			}
		})
	}
}

func TestSyncedUsers(t *testing.T) {
	g := start(t)
	const mastered = "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration."
	synced := "/users/" + g.seed(entratest.User{UserPrincipalName: "synced@contoso.example", Properties: object{"onPremisesSyncEnabled": true}}).ID
	for _, body := range []object{{"jobTitle": "x"}, {"accountEnabled": false}, {"passwordProfile": object{"password": password}}, {"jobTitle": "x", "usageLocation": "US"}} {
		wantError(t, g.do(http.MethodPatch, synced, body), http.StatusBadRequest, "Request_BadRequest", mastered)
	}
	wantError(t, g.do(http.MethodDelete, synced, nil), http.StatusBadRequest, "Request_BadRequest", mastered)
	g.must(http.StatusNoContent, http.MethodPatch, synced, object{"usageLocation": "US"})
	g.must(http.StatusOK, http.MethodPost, synced+"/revokeSignInSessions", nil)
	if r := g.must(http.StatusOK, http.MethodGet, synced+"?$select=onPremisesSyncEnabled", nil); at(r.body, "onPremisesSyncEnabled") != true {
		t.Errorf("%v, want true", r.body)
	}

	once := "/users/" + g.seed(entratest.User{UserPrincipalName: "once@contoso.example", EverSynced: true}).ID
	g.must(http.StatusNoContent, http.MethodPatch, once, object{"jobTitle": "x"})
	wantError(t, g.do(http.MethodPatch, once, object{"onPremisesExtensionAttributes": object{"extensionAttribute1": "x"}}), http.StatusBadRequest,
		"Request_BadRequest", "Unable to update the specified properties for objects that have originated within an external service.")

	restricted := "/users/" + g.seed(entratest.User{UserPrincipalName: "r@contoso.example", Properties: object{"isManagementRestricted": true}}).ID
	wantError(t, g.do(http.MethodPatch, restricted, object{"jobTitle": "x"}), http.StatusForbidden, "Authorization_RequestDenied", "")
	g.must(http.StatusForbidden, http.MethodDelete, restricted, nil)
}

func TestDomains(t *testing.T) {
	g := start(t, func(c *entratest.Config) {
		c.Tenants = []entratest.Tenant{{ID: tenantID, Name: "Contoso", Domains: []entratest.Domain{
			{Name: "contoso.example", Default: true}, {Name: "fed.example", Federated: true}, {Name: "new.example", Unverified: true},
		}}}
	})
	r := g.must(http.StatusOK, http.MethodGet, "/domains?$select=id,authenticationType,isVerified,isDefault", nil)
	if got := texts(r.body["value"], "id"); !slices.Equal(got, []string{"contoso.example", "fed.example", "new.example"}) ||
		text(r.body, "value", 1, "authenticationType") != "Federated" || at(r.body, "value", 2, "isVerified") != false || at(r.body, "value", 0, "isDefault") != true {
		t.Errorf("domains: %v, want three domains, one federated and one not verified", r.body)
	}
	g.must(http.StatusOK, http.MethodGet, "/domains/fed.example", nil)
	g.must(http.StatusNotFound, http.MethodGet, "/domains/other.example", nil)
	r = g.must(http.StatusOK, http.MethodGet, "/organization?$select=id,verifiedDomains", nil)
	if got := texts(at(r.body, "value", 0, "verifiedDomains"), "name"); text(r.body, "value", 0, "id") != tenantID || !slices.Equal(got, []string{"contoso.example", "fed.example"}) {
		t.Errorf("organization: %v, want the tenant with its two verified domains", r.body)
	}
	wantError(t, g.do(http.MethodPost, "/users", person("ann", "userPrincipalName", "ann@new.example")), http.StatusBadRequest, "Request_BadRequest", "The domain portion")
}

func first(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return list[0]
}
