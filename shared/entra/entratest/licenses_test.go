package entratest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/entra/entratest"
)

// swap is the body of an assignLicense.
func swap(add, remove []any) object {
	return object{"addLicenses": append([]any{}, add...), "removeLicenses": append([]any{}, remove...)}
}

// sku is a license in such a body.
func sku(id string, without ...string) object {
	return object{"skuId": id, "disabledPlans": append([]string{}, without...)}
}

// states are the licenses of a user as "product" or "product by group", sorted.
func (g *graph) states(id string) []string {
	g.t.Helper()
	r := g.must(http.StatusOK, http.MethodGet, "/users/"+id+"?$select=id,licenseAssignmentStates", nil)
	list, _ := at(r.body, "licenseAssignmentStates").([]any)
	var out []string
	for _, each := range list {
		text := text(each, "skuId")
		if by, has := at(each, "assignedByGroup").(string); has {
			text += " by " + by
		}
		if at(each, "state") != "Active" {
			g.t.Errorf("%v, want it active", each)
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// licensed is a user who may have licenses.
func (g *graph) licensed(name string) string { return g.create(name, "usageLocation", "DE") }

func TestLicensesAreGivenAndTaken(t *testing.T) {
	g := start(t)
	ann := g.licensed("ann")
	assign := "/users/" + ann + "/assignLicense"
	g.must(http.StatusOK, http.MethodPost, assign, swap([]any{sku(entratest.SKUOffice, entratest.PlanTeams), sku(entratest.SKUVisio)}, nil))
	if want := []string{entratest.SKUOffice, entratest.SKUVisio}; !slices.Equal(g.states(ann), want) {
		t.Errorf("the licenses are %v, want %v", g.states(ann), want)
	}
	shown := g.must(http.StatusOK, http.MethodGet, "/users/"+ann+"?$select=assignedLicenses", nil)
	want := []any{
		object{"skuId": entratest.SKUOffice, "disabledPlans": []any{entratest.PlanTeams}}, object{"skuId": entratest.SKUVisio, "disabledPlans": []any{}},
	}
	if diff := cmp.Diff(want, at(shown.body, "assignedLicenses")); diff != "" {
		t.Errorf("assignedLicenses (-want +got):\n%s", diff)
	}
	before := g.sim.Counters()
	r := g.must(http.StatusOK, http.MethodPost, assign, swap([]any{sku(entratest.SKUDefender)}, []any{entratest.SKUVisio}))
	if text(r.body, "id") != ann || g.sim.Counters().WriteUnits != before.WriteUnits+1 {
		t.Errorf("%v for %d write units, want the user for one", r.body, g.sim.Counters().WriteUnits-before.WriteUnits)
	}
	if want := []string{entratest.SKUOffice, entratest.SKUDefender}; !slices.Equal(g.states(ann), want) {
		t.Errorf("the licenses are %v, want %v", g.states(ann), want)
	}
	if u, _ := g.dir.User(ann); len(u.Licenses) != 2 || u.Licenses[0].Name != "SPE_E3" {
		t.Errorf("the page shows %+v, want both with their names", u.Licenses)
	}
}

// What a group gives is told apart from what was assigned directly, follows the membership,
// and cannot be taken from the user. A group in a group gives nothing.
func TestLicensesOfGroups(t *testing.T) {
	g := start(t)
	ann, bob := g.licensed("ann"), g.licensed("bob")
	inner := g.seedGroup(entratest.Group{DisplayName: "Inner", Members: []string{bob}}).ID
	team := g.seedGroup(entratest.Group{DisplayName: "Team", Members: []string{ann, inner}}).ID
	if _, err := g.dir.SetGroupLicenses(team, entratest.License{SKU: entratest.SKUOffice}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.dir.SetLicenses(ann, entratest.License{SKU: entratest.SKUOffice}); err != nil {
		t.Fatal(err)
	}
	byGroup := entratest.SKUOffice + " by " + team
	if want := []string{entratest.SKUOffice, byGroup}; !slices.Equal(g.states(ann), want) || g.states(bob) != nil {
		t.Errorf("%v and %v, want ann's twice and none for bob", g.states(ann), g.states(bob))
	}
	shown := g.must(http.StatusOK, http.MethodGet, "/users/"+ann+"?$select=assignedLicenses", nil)
	if list, _ := at(shown.body, "assignedLicenses").([]any); len(list) != 1 {
		t.Errorf("assignedLicenses has %v, want the product once", list)
	}
	assign := "/users/" + ann + "/assignLicense"
	g.must(http.StatusOK, http.MethodPost, assign, swap(nil, []any{entratest.SKUOffice}))
	if !slices.Equal(g.states(ann), []string{byGroup}) {
		t.Errorf("%v, want the license of the group alone", g.states(ann))
	}
	wantError(t, g.do(http.MethodPost, assign, swap(nil, []any{entratest.SKUOffice})), http.StatusBadRequest, "Request_BadRequest", "inherited from a group membership")
	g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+team+"/members/"+ann+"/$ref", nil)
	if g.states(ann) != nil {
		t.Errorf("%v after the membership ended, want none", g.states(ann))
	}
}

func TestRefusedLicenses(t *testing.T) {
	const unknown = "00000000-0000-4000-8000-000000000009"
	for _, row := range []struct {
		name string
		user entratest.User
		body object
		code string
		text string
	}{
		{"no list of those to remove", entratest.User{}, object{"addLicenses": []any{}}, "Request_BadRequest", "missing parameters are: removeLicenses"},
		{"no list of those to add", entratest.User{}, object{"removeLicenses": []any{}}, "Request_BadRequest", "missing parameters are: addLicenses"},
		{"not there", entratest.User{}, swap(nil, []any{entratest.SKUVisio}), "Request_BadRequest", "does not have a corresponding license"},
		{"one of two not there", entratest.User{Licenses: []entratest.License{{SKU: entratest.SKUOffice}}}, swap(nil, []any{entratest.SKUOffice, entratest.SKUVisio}), "Request_BadRequest", "corresponding license"},
		{"unknown to the tenant", entratest.User{}, swap([]any{sku(unknown)}, nil), "Request_BadRequest", "valid company License"},
		{"no id", entratest.User{}, swap([]any{sku("office")}, nil), "Request_BadRequest", "valid company License"},
		{"no usage location", entratest.User{Properties: object{"usageLocation": nil}}, swap([]any{sku(entratest.SKUVisio)}, nil), "Request_BadRequest", "invalid usage location"},
		{"a part of another product", entratest.User{}, swap([]any{sku(entratest.SKUOffice, unknown)}, nil), "Request_BadRequest", unknown},
		{"none left", entratest.User{}, swap([]any{sku(entratest.SKUVisio)}, nil), "Request_BadRequest", "available licenses"},
		{"needs another", entratest.User{}, swap([]any{sku(entratest.SKUDefender)}, nil), "Request_BadRequest", "depends on the service plan(s)"},
		{"is needed", entratest.User{Licenses: []entratest.License{{SKU: entratest.SKUOffice}, {SKU: entratest.SKUDefender}}}, swap(nil, []any{entratest.SKUOffice}), "Request_BadRequest", "depends on"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := start(t, func(c *entratest.Config) {
				tenant := entratest.DefaultTenant()
				tenant.SKUs[2].Units = 1
				c.Tenants = []entratest.Tenant{tenant}
			})
			g.seed(entratest.User{UserPrincipalName: "last@contoso.example", Licenses: []entratest.License{{SKU: entratest.SKUVisio}}})
			row.user.UserPrincipalName = "ann@contoso.example"
			if row.user.Properties == nil {
				row.user.Properties = object{"usageLocation": "DE"}
			}
			user := g.seed(row.user)
			before := g.states(user.ID)
			wantError(t, g.do(http.MethodPost, "/users/"+user.ID+"/assignLicense", row.body), http.StatusBadRequest, row.code, row.text)
			if !slices.Equal(g.states(user.ID), before) {
				t.Errorf("the licenses are %v after a refusal, want %v", g.states(user.ID), before)
			}
		})
	}
}

// No PATCH writes licenses.
func TestLicensesAreNoPropertyToWrite(t *testing.T) {
	g := start(t)
	ann := g.licensed("ann")
	for _, name := range []string{"assignedLicenses", "licenseAssignmentStates"} {
		wantError(t, g.do(http.MethodPatch, "/users/"+ann, object{name: []any{}}), http.StatusBadRequest, "Request_BadRequest", "read-only")
	}
}

// A deleted user keeps its licenses: they come back with it, and are free once it is deleted for
// good.
func TestLicensesOfADeletedUser(t *testing.T) {
	g := start(t, func(c *entratest.Config) {
		tenant := entratest.DefaultTenant()
		tenant.SKUs[2].Units = 1
		c.Tenants = []entratest.Tenant{tenant}
	})
	ann, bob := g.licensed("ann"), g.licensed("bob")
	give := swap([]any{sku(entratest.SKUVisio)}, nil)
	g.must(http.StatusOK, http.MethodPost, "/users/"+ann+"/assignLicense", give)
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+ann, nil)
	g.must(http.StatusBadRequest, http.MethodPost, "/users/"+bob+"/assignLicense", give)
	g.must(http.StatusOK, http.MethodPost, "/directory/deletedItems/"+ann+"/restore", nil)
	if want := []string{entratest.SKUVisio}; !slices.Equal(g.states(ann), want) {
		t.Errorf("the licenses are %v after the restore, want %v", g.states(ann), want)
	}
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+ann, nil)
	g.must(http.StatusNoContent, http.MethodDelete, "/directory/deletedItems/"+ann, nil)
	g.must(http.StatusOK, http.MethodPost, "/users/"+bob+"/assignLicense", give)
}

// A deleted user keeps the memberships, and has them again when it is restored.
func TestADeletedUserKeepsItsMemberships(t *testing.T) {
	g := start(t)
	ann := g.create("ann")
	team := g.seedGroup(entratest.Group{DisplayName: "Team", Members: []string{ann}}).ID
	members := func() int {
		list, _ := at(g.must(http.StatusOK, http.MethodGet, "/groups/"+team+"/members?$select=id", nil).body, "value").([]any)
		return len(list)
	}
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+ann, nil)
	if members() != 0 {
		t.Errorf("%d members while the user is deleted, want none", members())
	}
	g.must(http.StatusOK, http.MethodPost, "/directory/deletedItems/"+ann+"/restore", nil)
	if members() != 1 {
		t.Errorf("%d members after the restore, want the user", members())
	}
}

// The page and the control interface show and set licenses.
func TestThePageShowsLicenses(t *testing.T) {
	g := start(t)
	ann := g.licensed("ann")
	team := g.seedGroup(entratest.Group{DisplayName: "Team", Members: []string{ann}}).ID
	for path, product := range map[string]string{"/users/" + ann: entratest.SKUVisio, "/groups/" + team: entratest.SKUOffice} {
		if status, got := g.visit(http.MethodPut, "/_sim"+path+"/licenses", "application/json", `[{"skuId":"`+product+`"}]`); status != http.StatusOK {
			t.Fatalf("%s: %d %s, want 200", path, status, got)
		}
	}
	g.must(http.StatusNoContent, http.MethodPatch, "/users/"+ann, object{"showInAddressList": false})
	_, page := g.visit(http.MethodGet, "/", "", "")
	for _, want := range []string{"VISIOCLIENT", "SPE_E3</span> (group)", "<td>hidden</td>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q, want it there:\n%s", want, page)
		}
	}
}
