package resync_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// A deleted account whose name another account has taken cannot be restored: the user is
// parked with that reason, and nothing is written until that changes.
func TestADeletedAccountWhoseNameIsTaken(t *testing.T) {
	for name, repair := range map[string]bool{"repaired": true, "only reported": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, func(s *directory.Settings) { s.RestoreDeleted, s.RepairDrift = true, repair })
				ann := f.hire("ann")[0]
				time.Sleep(time.Hour)
				f.resync()
				old, err := f.Tenant.DeleteUser("ann@" + functiontest.Domain)
				f.Must(err)
				other, err := f.Tenant.AddUser(entratest.User{UserPrincipalName: "ann@" + functiontest.Domain, AccountEnabled: true})
				f.Must(err)
				f.Must(f.JumpCloud.UpdateUser(string(ann), jumpcloudtest.Fields{"lastname": "Moss"}))
				for day := range 3 {
					time.Sleep(24 * time.Hour)
					writes := f.writes()
					f.resync()
					if link := f.link(ann); f.writes() != writes || link.Status != directory.Parked || link.Reason != directory.UPNConflict {
						t.Errorf("day %d: %d writes, and the link is %s (%s: %s), want none, and it parked for %s",
							day, f.writes()-writes, link.Status, link.Reason, link.Message, directory.UPNConflict)
					}
				}
				_, err = f.Tenant.UpdateUser(other.ID, map[string]any{"userPrincipalName": "other@" + functiontest.Domain})
				f.Must(err)
				time.Sleep(24 * time.Hour)
				f.resync()
				if link, account := f.link(ann), f.account("ann"); link.Status != directory.Synced || account.ID != old.ID || account.Text("surname") != "Moss" {
					t.Errorf("with the name free: the link is %s (%s: %s), and ann has the account %s, want it synced and %s", link.Status, link.Reason, link.Message, account.ID, old.ID)
				}
			})
		})
	}
}
