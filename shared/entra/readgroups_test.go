package entra_test

import (
	"net/http"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
)

// Groups are read by their ids, 20 in a request, of whatever kind; one that is gone is no
// fault.
func TestReadGroups(t *testing.T) {
	n := simulated(t)
	var ids []directory.EntraID
	for range 24 {
		g, err := n.dir.AddGroup(entratest.Group{DisplayName: "Crew", Kind: entratest.Security})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, directory.EntraID(g.ID))
	}
	synced, err := n.dir.AddGroup(entratest.Group{DisplayName: "Plant", Kind: entratest.SyncedSecurity})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.dir.DeleteGroup(string(ids[3])); err != nil {
		t.Fatal(err)
	}
	n.sim.ResetCounters()
	found := n.client.ReadGroups(t.Context(), append(ids, directory.EntraID(synced.ID), nobody))
	for i, each := range found[:24] {
		if each.Err != nil || (len(each.Groups) == 0) != (i == 3) || i != 3 && (each.Groups[0].ID != ids[i] || each.Groups[0].Name != "Crew" || each.Groups[0].Unusable() != "") {
			t.Errorf("%d: got %+v, want the group %s, or none if it was deleted", i, each, ids[i])
		}
	}
	if g := found[24].Groups; len(g) != 1 || !g[0].SyncedFromOnPremises {
		t.Errorf("got %+v, want a group that is synchronised", found[24])
	}
	if found[25].Err != nil || len(found[25].Groups) > 0 {
		t.Errorf("nobody: got %+v, want no group and no error", found[25])
	}
	if c := n.sim.Counters(); c.Requests != 2 || c.WriteUnits != 0 {
		t.Errorf("%d requests and %d write units, want 2 and 0", c.Requests, c.WriteUnits)
	}
}

// A group that Graph does not return is no group that is gone.
func TestGroupsThatMayNotBeRead(t *testing.T) {
	n := simulated(t)
	g, err := n.dir.AddGroup(entratest.Group{DisplayName: "Crew", Kind: entratest.Security})
	if err != nil {
		t.Fatal(err)
	}
	for status, kind := range map[int]fault.Kind{http.StatusForbidden: fault.Unauthorized, http.StatusServiceUnavailable: fault.Transient} {
		if err := n.sim.FailNext(entratest.Fault{Path: `/groups/` + g.ID, Status: status}); err != nil {
			t.Fatal(err)
		}
		found := n.client.ReadGroups(t.Context(), []directory.EntraID{directory.EntraID(g.ID)})[0]
		if fault.KindOf(found.Err) != kind || len(found.Groups) > 0 {
			t.Errorf("%d: got %+v, want a fault of kind %s", status, found, kind)
		}
	}
}
