package entra_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// deleted creates a group in the tenant and deletes it.
func (n tenant) deleted(t *testing.T, g entratest.Group) directory.EntraID {
	t.Helper()
	id := n.group(t, g)
	if _, err := n.dir.DeleteGroup(string(id)); err != nil {
		t.Fatal(err)
	}
	return id
}

// If a deleted group keeps a unique name, the fault names that group, even if it is on
// the last page of the deleted groups, and only the action with that name gets it.
func TestCreateUnderTheNameOfADeletedGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		for i := range 1000 {
			n.deleted(t, entratest.Group{DisplayName: fmt.Sprintf("old %d", i), Properties: map[string]any{"uniqueName": fmt.Sprintf("jc.old.%d", i)}})
		}
		kept := n.deleted(t, entratest.Group{DisplayName: "Sales", Properties: map[string]any{"uniqueName": "JC.1"}})
		n.sim.ResetCounters()
		results := n.client.ApplyToGroups(t.Context(), []plan.Action{creating("Field sales", "jc.1"), creating("Ops", "jc.2")})
		failed(t, results[0], fault.Conflict, directory.GroupDeletedInEntra)
		want := directory.DeletedGroup{ID: kept, Name: "Sales", At: time.Now().UTC()}
		if d := results[0].Deleted; d == nil || d.ID != want.ID || d.Name != want.Name || !d.At.Equal(want.At) || results[0].ID != "" {
			t.Errorf("%+v, want %+v", results[0], want)
		}
		if f := fault.Of(results[0].Err); f.Subject != string(directory.UniqueName) || !strings.Contains(f.Message, "set restoreDeleted") {
			t.Errorf("%+v, want a fault about uniqueName that names restoreDeleted", f)
		}
		wentThrough(t, results[1])
		// Both creations, and two pages of deleted groups.
		if c := n.sim.Counters(); c.Operations != 4 || c.Requests != 3 || c.WriteUnits != 2 {
			t.Errorf("%d operations, %d requests, %d write units; want 4, 3 and 2", c.Operations, c.Requests, c.WriteUnits)
		}
	})
}

// Where deleted groups do not keep their names, the creation succeeds.
func TestCreateWhereDeletedGroupsGiveTheirNamesFree(t *testing.T) {
	n := simulated(t, func(c *entratest.Config) { c.Behaviour.FreeDeletedName = true })
	n.deleted(t, entratest.Group{DisplayName: "Sales", Properties: map[string]any{"uniqueName": "jc.1"}})
	n.sim.ResetCounters()
	wentThrough(t, n.write(t, creating("Sales", "jc.1")))
	if c := n.sim.Counters(); c.Operations != 1 {
		t.Errorf("%d operations, want 1", c.Operations)
	}
}

// If the list of deleted groups cannot be read, that does not mean that the group is
// not in it.
func TestDeletedGroupsThatCannotBeRead(t *testing.T) {
	for _, row := range []struct {
		refused
		fault entratest.Fault
	}{
		{refused{name: "trouble", kind: fault.Transient, reason: directory.Unavailable, words: []string{"503"}}, entratest.Fault{Status: 503}},
		{refused{name: "throttled", kind: fault.Throttled, reason: directory.ThrottledReason, wait: 90 * time.Second, words: []string{"slow down"}}, entratest.Fault{Status: 429, Times: 2, Header: map[string]string{"Retry-After": "90"}}},
		{refused{name: "not allowed", kind: fault.Unauthorized, reason: directory.PermissionMissing, words: []string{"read groups"}}, entratest.Fault{Status: 403}},
		{refused{name: "not there", kind: fault.Transient, reason: directory.Unavailable, words: []string{"deleted groups"}}, entratest.Fault{Status: 404}},
		{refused{name: "no list", kind: fault.Transient, words: []string{"cannot be read"}}, entratest.Fault{Status: 200, Body: `{"value":"x"}`}},
		{refused{name: "an empty list", kind: fault.Transient, reason: directory.Unavailable, subject: "uniqueName", words: []string{"does not show it yet"}}, entratest.Fault{Status: 200, Body: `{"value":[]}`}},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := simulated(t)
			n.deleted(t, entratest.Group{DisplayName: "Sales", Properties: map[string]any{"uniqueName": "jc.1"}})
			row.fault.Path = "deletedItems"
			n.fails(t, row.fault)
			result := n.write(t, creating("Sales", "jc.1"))
			row.check(t, result.Err)
			if result.Deleted != nil || result.ID != "" {
				t.Errorf("%+v, want no deleted group and no id", result)
			}
		})
	}
}

func TestRestoreGroup(t *testing.T) {
	n := simulated(t)
	people := n.people(t, 2)
	id := n.deleted(t, entratest.Group{DisplayName: "Sales", Members: texts(people), Properties: map[string]any{"uniqueName": "jc.1"}})
	result := n.write(t, plan.Action{Type: plan.RestoreGroup, EntraID: id})
	wentThrough(t, result)
	if g, found := n.dir.Group(string(id)); result.ID != id || !found || !g.Deleted.IsZero() || !slices.Equal(g.Members, texts(people)) {
		t.Errorf("%+v, %+v, want the group restored with its members", result, g)
	}
	failed(t, n.write(t, plan.Action{Type: plan.RestoreGroup, EntraID: id}), fault.NotFound, directory.GroupMissing)
	if r := n.write(t, plan.Action{Type: plan.RestoreGroup}); !fault.Is(r.Err, fault.Internal) {
		t.Errorf("an action without a group: %+v, want a fault of kind Internal", r)
	}
}
