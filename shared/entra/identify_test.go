package entra_test

import (
	"fmt"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
)

func TestReadWithAttributes(t *testing.T) {
	n := simulated(t)
	boss := n.person(t, entratest.User{UserPrincipalName: "boss@contoso.example"})
	ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example", Properties: map[string]any{"jobTitle": "Lead"}})
	if _, err := n.dir.SetManager(ann, boss); err != nil {
		t.Fatal(err)
	}
	found := n.client.Read(t.Context(), []directory.EntraID{directory.EntraID(ann), nobody}, []directory.Attribute{directory.JobTitle, directory.Manager})
	if a := found[0].Account; found[0].Err != nil || a == nil || a.Attributes[directory.JobTitle].String() != "Lead" || a.Attributes[directory.Manager].String() != boss {
		t.Errorf("got %+v, want the title Lead and the manager %s", found[0], boss)
	}
	if found[1].Err != nil || found[1].Account != nil {
		t.Errorf("nobody: got %+v, want no account and no error", found[1])
	}
}

func TestFindDeleted(t *testing.T) {
	for name, plain := range map[string]bool{"the id before the name": false, "the name alone": true} {
		t.Run(name, func(t *testing.T) {
			n := simulated(t, func(c *entratest.Config) { c.Behaviour.PlainDeletedUPN = plain })
			var ids []directory.EntraID
			for i := range 25 {
				id := n.person(t, entratest.User{UserPrincipalName: fmt.Sprintf("p%d@contoso.example", i), Properties: map[string]any{"onPremisesImmutableId": fmt.Sprint("id", i), "userType": "Guest", "onPremisesSyncEnabled": true}})
				if _, err := n.dir.DeleteUser(id); err != nil {
					t.Fatal(err)
				}
				ids = append(ids, directory.EntraID(id))
			}
			if err := n.dir.PurgeUser(string(ids[3])); err != nil {
				t.Fatal(err)
			}
			living := directory.EntraID(n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"}))
			n.sim.ResetCounters()
			for i, found := range n.client.FindDeleted(t.Context(), append(ids, living, nobody)) {
				gone := found.Deleted
				if found.Err != nil || found.Unsearched != nil || (gone == nil) != (i == 3 || i >= len(ids)) {
					t.Errorf("%d: got %+v, want a deleted account unless it is purged, lives or never was", i, found)
				}
				if gone != nil && (gone.ID != ids[i] || gone.UPN != directory.UPN(fmt.Sprintf("p%d@contoso.example", i)) || gone.ImmutableID != fmt.Sprint("id", i) || !gone.Guest || !gone.SyncedFromOnPremises || gone.At.IsZero()) {
					t.Errorf("%d: got %+v, want %s with the name and the id that it had", i, gone, ids[i])
				}
			}
			if c := n.sim.Counters(); c.Requests != 2 || c.Operations != 27 || c.WriteUnits != 0 {
				t.Errorf("%d requests of %d operations and %d write units, want 2, 27 and 0", c.Requests, c.Operations, c.WriteUnits)
			}
		})
	}
}

func TestFindDeletedWithoutAnAnswer(t *testing.T) {
	n := simulated(t)
	for _, tc := range []struct {
		fault      entratest.Fault
		unsearched bool
	}{
		{entratest.Fault{Status: 503}, false},
		{entratest.Fault{Status: 200, Body: `{}`}, false},
		{entratest.Fault{Status: 200, Body: `{"value":[],"@odata.nextLink":"https://graph.microsoft.com/v1.0/directory/deletedItems/graph.user?$skiptoken=x"}`}, false},
		{entratest.Fault{Status: 400}, true},
	} {
		tc.fault.Path = `^/v1\.0/directory/deletedItems/graph\.user$`
		n.fails(t, tc.fault)
		found := n.client.FindDeleted(t.Context(), []directory.EntraID{nobody})[0]
		if found.Deleted != nil || (found.Unsearched != nil) != tc.unsearched || (found.Err != nil) == tc.unsearched || found.Err != nil && fault.KindOf(found.Err) != fault.Transient {
			t.Errorf("%+v: got %+v, want Unsearched %v or else a fault of kind Transient", tc.fault, found, tc.unsearched)
		}
	}
	n.fails(t, entratest.Fault{Path: `^/v1\.0/directory/deletedItems/graph\.user$`, Status: 200, Body: `{"value":[{"id":"another","userPrincipalName":"anotherann@contoso.example"}]}`})
	if found := n.client.FindDeleted(t.Context(), []directory.EntraID{nobody})[0]; found.Deleted != nil {
		t.Errorf("the filter is ignored: got %+v, want no account", found.Deleted)
	}
}
