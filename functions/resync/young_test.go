package resync_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
)

// What somebody deletes in Entra soon after it was written is found by a list of all,
// because the changes that are read later begin after the deletion.
func TestDeletedSoonAfterTheLastWrite(t *testing.T) {
	for _, age := range []time.Duration{0, 5 * time.Minute, 20 * time.Minute} {
		t.Run(age.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				ids := f.hire("ann", "bob")
				sales := f.connectGroup("Sales", ids[1])
				time.Sleep(age)
				_, err := f.Tenant.DeleteUser("ann@" + functiontest.Domain)
				f.Must(err)
				_, err = f.Tenant.DeleteGroup(f.Tenant.GroupsNamed("Sales")[0].ID)
				f.Must(err)
				f.resync()
				if got := f.link(ids[0]); got.Status != directory.Parked || got.Reason != directory.AccountMissing {
					t.Errorf("the link of the deleted account is %s (%s), want it parked: %s", got.Status, got.Reason, directory.AccountMissing)
				}
				records, err := f.Store.ReadGroups(t.Context(), f.directory.ID, []directory.GroupID{sales})
				f.Must(err)
				if got, _ := records.Groups[sales].Link(f.directory.ID); got.Status != directory.Parked || got.Reason != directory.GroupDeletedInEntra {
					t.Errorf("the link of the deleted group is %s (%s), want it parked: %s", got.Status, got.Reason, directory.GroupDeletedInEntra)
				}
			})
		})
	}
}

// An account that was made so shortly before that a list of all does not show it yet is
// only looked at again.
func TestMadeTooLateForTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.Entra.Set(func(b *entratest.Behaviour) { b.Lag = entratest.Lag{Min: time.Minute, Max: time.Minute} })
		id := f.hire("ann")[0]
		writes := f.writes()
		f.resync()
		if got := f.link(id); got.Status != directory.Synced || len(got.Drift) > 0 || f.writes() != writes {
			t.Errorf("the link is %s (%s) with the findings %v, after %d writes; want it synced without any", got.Status, got.Reason, got.Drift, f.writes()-writes)
		}
	})
}
