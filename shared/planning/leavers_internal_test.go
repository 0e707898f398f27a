package planning

import (
	"context"
	"path/filepath"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/plan"
)

// leaver is an account with two licenses, and its tenant as it is planned.
func leaver(t *testing.T) (simulator *entratest.Simulator, ann entratest.User, planned tenant) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	simulator, err := entratest.New(entratest.Config{})
	must(err)
	id, app := entratest.DefaultTenant().ID, entratest.DefaultApp()
	client, err := entra.New(entra.Config{
		GraphURL: "https://graph.microsoft.com/v1.0", LoginURL: "https://login.microsoftonline.com", Tenant: directory.TenantID(id), ClientID: app.ClientID,
		Proof:     func(context.Context) (entra.Proof, error) { return entra.Proof{ClientSecret: app.ClientSecret}, nil },
		Transport: entratest.Transport(simulator),
	})
	must(err)
	table, err := bolttable.Open(filepath.Join(t.TempDir(), "table.db"))
	must(err)
	t.Cleanup(func() { must(table.Close()) })
	ann, err = simulator.Tenant(id).AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", Licenses: []entratest.License{{SKU: entratest.SKUOffice}, {SKU: entratest.SKUVisio}}})
	must(err)
	return simulator, ann, tenant{Entra: client, table: table, id: directory.TenantID(id), replaced: &replaced{}}
}

// The steps for leavers are seen by what is planned after them, and nothing is written: licenses
// that were taken are gone, a deleted account is among the deleted ones, and a restored one is back.
func TestStepsForLeaversThatArePlanned(t *testing.T) {
	simulator, ann, entra := leaver(t)
	ctx, id := Context(t.Context()), directory.EntraID(ann.ID)
	read := func() *directory.Account {
		t.Helper()
		found := entra.Read(ctx, []directory.EntraID{id}, []directory.Attribute{directory.AssignedLicenses, directory.ShowInAddressList})[0]
		if found.Err != nil {
			t.Fatal(found.Err)
		}
		return found.Account
	}
	apply := func(kind plan.Type, changes ...directory.Change) {
		t.Helper()
		if err := entra.Apply(ctx, []plan.Action{{Type: kind, EntraID: id, Changes: changes}})[0].Err; err != nil {
			t.Fatal(err)
		}
	}
	licensed := func(want ...directory.License) {
		t.Helper()
		got := read()
		if value := directory.LicenseValue(want); !got.Attributes[directory.AssignedLicenses].Equal(value) || !directory.LicenseValue(got.Licenses).Equal(value) {
			t.Errorf("the licenses are %v and %v, want %v", got.Attributes[directory.AssignedLicenses], got.Licenses, value)
		}
	}
	office, visio := directory.License{SKU: entratest.SKUOffice}, directory.License{SKU: entratest.SKUVisio}
	licensed(office, visio)
	apply(plan.RemoveLicenses, directory.Change{Attribute: directory.AssignedLicenses, From: directory.LicenseValue([]directory.License{visio})})
	licensed(office)
	apply(plan.RemoveLicenses, directory.Change{Attribute: directory.AssignedLicenses, From: directory.LicenseValue([]directory.License{office})})
	licensed()
	apply(plan.AssignLicenses, directory.Change{Attribute: directory.AssignedLicenses, To: directory.LicenseValue([]directory.License{office})})
	licensed(office)
	apply(plan.HideFromAddressLists, directory.Change{Attribute: directory.ShowInAddressList, To: directory.Bool(false)})
	if got := read().Attributes[directory.ShowInAddressList]; !got.Equal(directory.Bool(false)) {
		t.Errorf("in the address lists: %v, want false", got)
	}
	apply(plan.DeleteAccount)
	if got := read(); got != nil {
		t.Errorf("%+v, want it deleted", got)
	}
	named := entra.FindByUPN(ctx, []directory.UPN{directory.UPN(ann.UserPrincipalName)}, nil)[0]
	if named.Account != nil || named.Deleted == nil || named.Deleted.ID != id {
		t.Errorf("%+v, want the deleted account alone", named)
	}
	apply(plan.Restore)
	if got := read(); got == nil {
		t.Error("no account after the restore, want it")
	}
	if units := simulator.Counters().WriteUnits; units > 0 {
		t.Errorf("%d units were written, want none", units)
	}
}
