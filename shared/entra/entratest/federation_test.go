package entratest_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"entrasync/shared/entra/entratest"
)

// The changes allowed for an account whose name is, or will be, in a federated domain.
func TestFederatedDomains(t *testing.T) {
	const anchor, domain, secret = "FederatedUser.SourceAnchor", "The domain portion of the userPrincipalName property is invalid.", "The password of a user in a federated domain"
	name := func(upn string) object { return object{"userPrincipalName": upn} }
	with := func(body object, id any) object { body["onPremisesImmutableId"] = id; return body }
	for i, row := range []struct {
		upn     string
		id      any
		patch   object
		refused string // "": it goes through
	}{
		{"ann@fed.example", nil, object{"onPremisesImmutableId": "jc1"}, anchor},
		{"ann@fed.example", "old", object{"onPremisesImmutableId": "jc1"}, anchor},
		{"ann@fed.example", "old", object{"onPremisesImmutableId": nil}, anchor},
		{"ann@fed.example", "jc1", object{"onPremisesImmutableId": "jc1"}, ""},
		{"ann@fed.example", nil, object{"onPremisesImmutableId": nil}, ""},
		{"ann@fed.example", nil, object{"jobTitle": "Lead"}, ""},
		{"ann@fed.example", nil, name("ann.lee@fed.example"), ""},
		{"ann@fed.example", nil, with(name("ann.lee@fed.example"), "jc1"), anchor},
		{"ann@fed.example", nil, name("ann@contoso.onmicrosoft.example"), ""},
		{"ann@fed.example", nil, with(name("ann@contoso.onmicrosoft.example"), "jc1"), anchor},
		{"ann@fed.example", "jc1", with(name("ann@two.example"), "jc1"), ""},
		{"ann@fed.example", "jc1", name("ann@two.example"), domain},
		{"ann@contoso.example", nil, object{"onPremisesImmutableId": "jc1"}, ""},
		{"ann@contoso.example", nil, name("ann@fed.example"), domain},
		{"ann@contoso.example", "jc1", name("ann@fed.example"), domain},
		{"ann@contoso.example", "old", with(name("ann@fed.example"), nil), domain},
		{"ann@contoso.example", nil, with(name("ann@fed.example"), "jc1"), ""},
		{"ann@contoso.example", "old", with(name("ann@fed.example"), "jc1"), ""},
		{"ann@fed.example", "jc1", object{"passwordProfile": object{"password": password}}, secret},
		{"ann@fed.example", "jc1", object{"passwordProfile": object{"forceChangePasswordNextSignIn": true}}, secret},
		{"ann@contoso.example", "jc1", object{"userPrincipalName": "ann@fed.example", "onPremisesImmutableId": "jc1", "passwordProfile": object{"password": password}}, secret},
		{"ann@contoso.example", nil, object{"passwordProfile": object{"password": password}}, ""},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			g := start(t, func(c *entratest.Config) {
				tenant := entratest.DefaultTenant()
				tenant.Domains = append(tenant.Domains, entratest.Domain{Name: "two.example", Federated: true})
				c.Tenants = []entratest.Tenant{tenant}
			})
			before := g.seed(entratest.User{UserPrincipalName: row.upn, Properties: object{"onPremisesImmutableId": row.id}})
			r := g.do(http.MethodPatch, "/users/"+before.ID, row.patch)
			after, _ := g.dir.User(before.ID)
			if row.refused != "" {
				wantError(t, r, http.StatusBadRequest, "Request_BadRequest", row.refused)
				if after.UserPrincipalName != row.upn || after.Properties["onPremisesImmutableId"] != row.id || after.PasswordChanges != 0 {
					t.Errorf("a part of a refused change was stored: %+v, want nothing stored", after)
				}
			} else if r.status != http.StatusNoContent {
				t.Errorf("%d %v, want 204", r.status, r.body)
			}
		})
	}
}

// A domain may become federated or managed; /domains and /organization show it, and its
// rules change at once.
func TestADomainBecomesFederated(t *testing.T) {
	g := start(t)
	id := g.create("ann")
	kind := func() (kinds string) {
		domain := g.must(http.StatusOK, http.MethodGet, "/domains/contoso.example", nil)
		organization := g.must(http.StatusOK, http.MethodGet, "/organization?$select=verifiedDomains", nil)
		return text(domain.body, "authenticationType") + text(organization.body, "value", 0, "verifiedDomains", 0, "type")
	}
	change := object{"onPremisesImmutableId": "jc1"}
	for _, federated := range []bool{true, false} {
		if err := g.dir.SetFederated("Contoso.example", federated); err != nil {
			t.Fatal(err)
		}
		want, status := "ManagedManaged", http.StatusNoContent
		if federated {
			want, status = "FederatedFederated", http.StatusBadRequest
		}
		if got := kind(); got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
		g.must(status, http.MethodPatch, "/users/"+id, change)
	}
	if err := g.dir.SetFederated("nothing.example", true); err == nil {
		t.Error("an unknown domain became federated, want an error")
	}
}

// A domain may be verified, or go; /organization shows it, and accounts may have a name in it
// as long as it is verified.
func TestADomainIsVerified(t *testing.T) {
	g := start(t)
	id := g.create("ann")
	rename := func(status int) {
		t.Helper()
		g.must(status, http.MethodPatch, "/users/"+id, object{"userPrincipalName": "ann@new.example"})
	}
	shown := func(want bool) {
		t.Helper()
		r := g.must(http.StatusOK, http.MethodGet, "/organization?$select=verifiedDomains", nil)
		if names := texts(at(r.body, "value", 0, "verifiedDomains"), "name"); slices.Contains(names, "new.example") != want {
			t.Errorf("the verified domains are %v, want that new.example is one: %t", names, want)
		}
	}
	rename(http.StatusBadRequest)
	shown(false)
	if err := g.dir.SetVerified("new.example", true); err != nil {
		t.Fatal(err)
	}
	rename(http.StatusNoContent)
	shown(true)
	if err := g.dir.SetVerified("NEW.example", false); err == nil {
		t.Error("a domain that an account uses has gone, want an error")
	}
	g.must(http.StatusNoContent, http.MethodPatch, "/users/"+id, object{"userPrincipalName": "ann@contoso.example"})
	if err := g.dir.SetVerified("NEW.example", false); err != nil {
		t.Error(err)
	}
	rename(http.StatusBadRequest)
	shown(false)
}
