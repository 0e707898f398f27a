package entra_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// The steps for leavers, as actions on an account.
func takes(id string, licenses ...directory.License) plan.Action {
	return plan.Action{Type: plan.RemoveLicenses, EntraID: directory.EntraID(id), Changes: []directory.Change{{Attribute: directory.AssignedLicenses, From: directory.LicenseValue(licenses)}}}
}

func gives(id string, licenses ...directory.License) plan.Action {
	return plan.Action{Type: plan.AssignLicenses, EntraID: directory.EntraID(id), Changes: []directory.Change{{Attribute: directory.AssignedLicenses, To: directory.LicenseValue(licenses)}}}
}

func lists(kind plan.Type, id string, to directory.Value) plan.Action {
	return plan.Action{Type: kind, EntraID: directory.EntraID(id), Changes: []directory.Change{{Attribute: directory.ShowInAddressList, To: to}}}
}

func unmanages(id, manager string) plan.Action {
	return plan.Action{Type: plan.ClearManager, EntraID: directory.EntraID(id), Changes: []directory.Change{{Attribute: directory.Manager, From: directory.Text(manager)}}}
}

func deletes(id string) plan.Action {
	return plan.Action{Type: plan.DeleteAccount, EntraID: directory.EntraID(id)}
}

var (
	office   = directory.License{SKU: entratest.SKUOffice, DisabledPlans: []string{entratest.PlanTeams}}
	defender = directory.License{SKU: entratest.SKUDefender}
	visio    = directory.License{SKU: entratest.SKUVisio}
)

// leaver is a user with licenses, of its own and by a group, and a manager.
func (n tenant) leaver(t *testing.T, name string) (id, boss, group string) {
	t.Helper()
	boss = n.person(t, entratest.User{UserPrincipalName: name + ".boss@contoso.example"})
	id = n.person(t, entratest.User{UserPrincipalName: name + "@contoso.example", Manager: boss, Properties: map[string]any{"usageLocation": "DE"}, Licenses: []entratest.License{
		{SKU: entratest.SKUOffice, DisabledPlans: []string{entratest.PlanTeams}}, {SKU: entratest.SKUDefender},
	}})
	g, err := n.dir.AddGroup(entratest.Group{DisplayName: name, Members: []string{id}})
	if err == nil {
		_, err = n.dir.SetGroupLicenses(g.ID, entratest.License{SKU: entratest.SKUVisio})
	}
	if err != nil {
		t.Fatal(err)
	}
	return id, boss, g.ID
}

// steps are the attributes that are read for the steps.
var steps = []directory.Attribute{directory.AssignedLicenses, directory.ShowInAddressList, directory.Manager}

// account reads an account with what the steps change.
func (n tenant) account(t *testing.T, id string) *directory.Account {
	t.Helper()
	found := n.client.Read(t.Context(), []directory.EntraID{directory.EntraID(id)}, steps)[0]
	if found.Err != nil {
		t.Fatal(found.Err)
	}
	return found.Account
}

// apply sends actions that must succeed.
func (n tenant) apply(t *testing.T, actions ...plan.Action) {
	t.Helper()
	for i, result := range n.client.Apply(t.Context(), actions) {
		if result.Err != nil {
			t.Fatalf("%s: %v, want no error", actions[i].Type, result.Err)
		}
	}
}

// Every step is one write, several accounts are in one HTTP request, and each step can be
// undone.
func TestTheStepsForLeaversAndTheirUndoing(t *testing.T) {
	n := simulated(t)
	ids := map[string]string{}
	var boss, group string
	for _, name := range []string{"licensed", "listed", "managed", "deleted"} {
		ids[name], boss, group = n.leaver(t, name)
	}
	before := n.account(t, ids["deleted"])
	want := &directory.Account{
		ID: directory.EntraID(ids["deleted"]), UPN: "deleted@contoso.example", Enabled: true,
		Licenses: []directory.License{defender, office}, GroupLicenses: []directory.GroupLicense{{SKU: entratest.SKUVisio, Group: directory.EntraID(group)}},
		Attributes: directory.Attributes{
			directory.AssignedLicenses: {office.Text(), defender.Text()}, directory.ShowInAddressList: nil, directory.Manager: {boss},
		},
	}
	slices.SortFunc(before.Licenses, func(a, b directory.License) int { return strings.Compare(b.SKU, a.SKU) })
	slices.SortFunc(want.Licenses, func(a, b directory.License) int { return strings.Compare(b.SKU, a.SKU) })
	if diff := cmp.Diff(want, before); diff != "" {
		t.Fatalf("the account as it is read (-want +got):\n%s", diff)
	}

	n.sim.ResetCounters()
	n.apply(t, takes(ids["licensed"], office, defender), lists(plan.HideFromAddressLists, ids["listed"], directory.Bool(false)), unmanages(ids["managed"], boss), deletes(ids["deleted"]))
	if c := n.sim.Counters(); c.WriteUnits != 4 || c.Requests != 1 {
		t.Errorf("%d write units in %d requests, want 4 in 1: %v", c.WriteUnits, c.Requests, c.ByRoute)
	}
	licensed, listed, managed := n.account(t, ids["licensed"]), n.account(t, ids["listed"]), n.account(t, ids["managed"])
	if licensed.Licenses == nil || len(licensed.Licenses) != 0 || len(licensed.GroupLicenses) != 1 {
		t.Errorf("%+v and %+v, want no license but the one of the group", licensed.Licenses, licensed.GroupLicenses)
	}
	if got := listed.Attributes[directory.ShowInAddressList]; !got.Equal(directory.Bool(false)) {
		t.Errorf("in the address lists: %v, want false", got)
	}
	if got := managed.Attributes[directory.Manager]; got != nil {
		t.Errorf("the manager is %v, want none", got)
	}
	if got := n.account(t, ids["deleted"]); got != nil {
		t.Errorf("%+v, want it deleted", got)
	}
	if found := n.client.FindDeleted(t.Context(), []directory.EntraID{directory.EntraID(ids["deleted"])})[0]; found.Deleted == nil {
		t.Errorf("%+v, want it restorable", found)
	}

	n.apply(t, gives(ids["licensed"], office, defender), lists(plan.ShowInAddressLists, ids["listed"], nil),
		plan.Action{Type: plan.Restore, EntraID: directory.EntraID(ids["deleted"])})
	if got := n.account(t, ids["licensed"]); !got.Attributes[directory.AssignedLicenses].Equal(want.Attributes[directory.AssignedLicenses]) {
		t.Errorf("the licenses are %v, want them as they were, with the part that was off", got.Attributes[directory.AssignedLicenses])
	}
	if got := n.account(t, ids["listed"]).Attributes[directory.ShowInAddressList]; got != nil {
		t.Errorf("in the address lists: %v, want no value as before", got)
	}
	if got := n.account(t, ids["deleted"]); got == nil || len(got.Licenses) != 2 || len(got.GroupLicenses) != 1 {
		t.Errorf("the restored account is %+v, want it with its licenses and its group", got)
	}
}

// What is not there any more was done: an account that is deleted, a manager that is gone.
func TestAStepThatSomebodyElseDid(t *testing.T) {
	n := simulated(t)
	ann, boss, _ := n.leaver(t, "ann")
	if _, err := n.dir.SetManager(ann, ""); err != nil {
		t.Fatal(err)
	}
	n.apply(t, unmanages(ann, boss))
	n.apply(t, deletes(ann))
	n.apply(t, deletes(ann))
	n.apply(t, deletes("00000000-0000-4000-8000-000000000009"))
	n.sim.ResetCounters()
	n.apply(t, takes(boss), gives(boss))
	if c := n.sim.Counters(); c.Operations != 0 {
		t.Errorf("%v for no licenses, want nothing sent", c.ByRoute)
	}
}

// A replica that does not know an account which Graph shows does not make it a deleted one.
func TestAnAccountThatAReplicaDoesNotKnowIsNotDeleted(t *testing.T) {
	n := simulated(t)
	ann, _, _ := n.leaver(t, "ann")
	missing := entratest.Fault{Method: http.MethodDelete, Path: "/users/", Status: http.StatusNotFound}
	if err := n.sim.FailNext(missing); err != nil {
		t.Fatal(err)
	}
	if err := n.client.Apply(t.Context(), []plan.Action{deletes(ann)})[0].Err; !fault.Is(err, fault.Transient) {
		t.Errorf("%v, want a transient fault", err)
	}
	if n.account(t, ann) == nil {
		t.Error("the account is gone, want it there")
	}
}

// Every refusal of a license says what to do, and an account that lost a license meanwhile is
// read again. Nothing is given or taken halfway.
func TestRefusedLicenses(t *testing.T) {
	const unknown = "00000000-0000-4000-8000-000000000009"
	for _, tc := range []struct {
		name    string
		action  func(id string) plan.Action
		kind    fault.Kind
		subject directory.Attribute
		says    string
	}{
		{"not there any more", func(id string) plan.Action {
			return takes(id, office, defender, directory.License{SKU: entratest.SKUVisio})
		}, fault.Invalid, directory.AssignedLicenses, "member of a group"},
		{"nowhere any more", func(id string) plan.Action {
			return takes(id, office, defender, directory.License{SKU: "cdd28e44-67e3-425e-be4c-737fab2899d3"})
		}, fault.Transient, directory.AssignedLicenses, "read again"},
		{"needed by another", func(id string) plan.Action { return takes(id, office) }, fault.Invalid, directory.AssignedLicenses, "needs another license"},
		{"unknown product", func(id string) plan.Action { return gives(id, directory.License{SKU: unknown}) }, fault.Invalid, directory.AssignedLicenses, "no subscription"},
		{"none left", func(id string) plan.Action {
			return gives(id, directory.License{SKU: "cdd28e44-67e3-425e-be4c-737fab2899d3"})
		}, fault.Invalid, directory.AssignedLicenses, "buy one"},
		{"no usage location", func(id string) plan.Action { return gives(id, visio) }, fault.Invalid, directory.UsageLocation, "usage location"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := simulated(t, func(c *entratest.Config) {
				c.Tenants[0].SKUs = append(c.Tenants[0].SKUs, entratest.SKU{ID: "cdd28e44-67e3-425e-be4c-737fab2899d3", Name: "O365_BUSINESS"})
			})
			ann, _, _ := n.leaver(t, "ann")
			if tc.subject == directory.UsageLocation {
				if _, err := n.dir.UpdateUser(ann, map[string]any{"usageLocation": nil}); err != nil {
					t.Fatal(err)
				}
			}
			before := n.account(t, ann)
			f := fault.Of(n.client.Apply(t.Context(), []plan.Action{tc.action(ann)})[0].Err)
			if f == nil || f.Kind != tc.kind || f.Reason != directory.LicenseRefused || f.Subject != string(tc.subject) || !strings.Contains(f.Message, tc.says) {
				t.Errorf("%+v, want %s about %s that says %q", f, tc.kind, tc.subject, tc.says)
			}
			if diff := cmp.Diff(before, n.account(t, ann)); diff != "" {
				t.Errorf("after the refusal (-before +after):\n%s", diff)
			}
		})
	}
}

// Where Exchange owns what the address lists show, the message says where to change it.
func TestAddressListsThatExchangeOwns(t *testing.T) {
	n := simulated(t)
	ann, _, _ := n.leaver(t, "ann")
	for _, text := range []string{
		"Unable to update the specified properties for objects that have originated within an external service.", "Property 'showInAddressList' is read-only and cannot be set.",
	} {
		refused := entratest.Fault{Method: http.MethodPatch, Path: "/users/", Status: http.StatusBadRequest, Body: refusalBody("Request_BadRequest", text)}
		if err := n.sim.FailNext(refused); err != nil {
			t.Fatal(err)
		}
		f := fault.Of(n.client.Apply(t.Context(), []plan.Action{lists(plan.HideFromAddressLists, ann, directory.Bool(false))})[0].Err)
		if f == nil || f.Kind != fault.Invalid || !strings.Contains(f.Message, "Microsoft 365 admin center") {
			t.Errorf("%q: %+v, want the place to change it", text, f)
		}
	}
}

// Whom nobody may delete: an administrator, who is not in a role that may, and accounts that
// are somebody else's.
func TestProtectedAccountsAreNotDeleted(t *testing.T) {
	for name, tc := range map[string]struct {
		user   entratest.User
		kind   fault.Kind
		reason directory.Reason
	}{
		"an administrator":      {entratest.User{DirectoryRoles: []string{"Global Administrator"}}, fault.Forbidden, directory.ProtectedAccount},
		"restricted management": {entratest.User{Properties: map[string]any{"isManagementRestricted": true}}, fault.Forbidden, directory.ProtectedAccount},
		"from on-premises":      {entratest.User{Properties: map[string]any{"onPremisesSyncEnabled": true}}, fault.Forbidden, directory.SyncedFromOnPremises},
	} {
		t.Run(name, func(t *testing.T) {
			n := simulated(t)
			tc.user.UserPrincipalName = "ann@contoso.example"
			ann := n.person(t, tc.user)
			f := fault.Of(n.client.Apply(t.Context(), []plan.Action{deletes(ann)})[0].Err)
			if f == nil || f.Kind != tc.kind || f.Reason != tc.reason {
				t.Errorf("%+v, want %s (%s)", f, tc.kind, tc.reason)
			}
			if n.account(t, ann) == nil {
				t.Error("the account is deleted, want it there")
			}
		})
	}
}

// Each step needs the least permission for it and no more, and a missing one is named.
func TestPermissionsOfTheSteps(t *testing.T) {
	for _, tc := range []struct {
		name   string
		action func(id, boss string) plan.Action
		enough []string
		named  string
	}{
		{"licenses", func(id, _ string) plan.Action { return takes(id, office, defender) }, []string{"LicenseAssignment.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"}, "User.ReadWrite.All"},
		{"address lists", func(id, _ string) plan.Action { return lists(plan.HideFromAddressLists, id, directory.Bool(false)) }, []string{"User.ReadUpdate.All", "User.ReadWrite.All", "Directory.ReadWrite.All"}, "User.ReadWrite.All"},
		{"manager", func(id, boss string) plan.Action { return unmanages(id, boss) }, []string{"User.ReadWrite.All", "Directory.ReadWrite.All"}, "User.ReadWrite.All"},
		{"deletion", func(id, _ string) plan.Action { return deletes(id) }, []string{"User.DeleteRestore.All", "User.ReadWrite.All"}, "User.ReadWrite.All"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, permission := range tc.enough {
				n := simulated(t, func(c *entratest.Config) {
					c.Apps[0].Roles = []string{permission, "User.Read.All", "Organization.Read.All"}
				})
				ann, boss, _ := n.leaver(t, "ann")
				if err := n.client.Apply(t.Context(), []plan.Action{tc.action(ann, boss)})[0].Err; err != nil {
					t.Errorf("%s: %v, want it to be enough", permission, err)
				}
			}
			n := simulated(t, func(c *entratest.Config) {
				c.Apps[0].Roles = []string{"User.Read.All", "User.EnableDisableAccount.All", "Organization.Read.All"}
			})
			ann, boss, _ := n.leaver(t, "ann")
			lacks(t, n.client.Apply(t.Context(), []plan.Action{tc.action(ann, boss)})[0].Err, tc.named)
		})
	}
}

// An answer that does not say which licenses an account has is an error, and not an account
// without any.
func TestAnAnswerWithoutLicenses(t *testing.T) {
	for name, states := range map[string]any{"none": nil, "null in the list": []any{nil}, "no product": []any{map[string]any{"state": "Active"}}} {
		t.Run(name, func(t *testing.T) {
			s := &stub{t: t}
			s.answer = func(_ int, r sent) (int, http.Header, string) {
				return 200, nil, reply(t, r, func(item) map[string]any {
					return map[string]any{"status": 200, "body": map[string]any{"id": "e1", "licenseAssignmentStates": states}}
				})
			}
			found := s.client().Read(t.Context(), []directory.EntraID{"e1"}, []directory.Attribute{directory.AssignedLicenses})[0]
			if !fault.Is(found.Err, fault.Transient) {
				t.Errorf("%+v, want a transient fault", found)
			}
			if url := s.requests[0].items(t)[0].URL; !strings.Contains(url, "licenseAssignmentStates") || strings.Contains(url, "assignedLicenses") {
				t.Errorf("%s, want licenseAssignmentStates selected", url)
			}
		})
	}
}
