package resync_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

// However many users are parked because an account of their name must not be taken over, a
// night in which nothing changed costs no more requests than one without them. The account in
// the way is checked again as soon as Entra shows something else of it, or the user is to
// have another name.
func TestParkedBehindAnAccountCostsNothing(t *testing.T) {
	for name, forget := range map[string]bool{"by changes": false, "by a list of all": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				var names []string
				for n := range 60 {
					names = append(names, fmt.Sprintf("user%02d", n))
					properties := map[string]any{"onPremisesSyncEnabled": true}
					if n%3 == 0 {
						properties = map[string]any{"userType": "Guest"}
					}
					_, err := f.Tenant.AddUser(entratest.User{UserPrincipalName: names[n] + "@" + functiontest.Domain, AccountEnabled: true, Properties: properties})
					f.Must(err)
				}
				ids := f.hire(names...)
				f.resync()
				night := func(what string, found, requests int) {
					t.Helper()
					time.Sleep(24 * time.Hour)
					if forget {
						f.Must(f.Store.ForgetChangesLink(context.Background(), f.directory.ID, store.TrackedAccounts))
						requests += 5 // for the list
					}
					f.requests(functiontest.GraphHost)
					job, _ := f.resync()
					if asked := f.requests(functiontest.GraphHost); job.Found != found || job.Rechecked > 0 || asked > requests {
						t.Errorf("%s: %d found, %d checked again and %d requests to Graph (%s), want %d, none and at most %d", what, job.Found, job.Rechecked, asked, job.Message, found, requests)
					}
				}
				night("nothing changed", 0, 5)
				f.byHand(names[1], map[string]any{"onPremisesSyncEnabled": nil})
				f.byHand(names[2], map[string]any{"userPrincipalName": "other@" + functiontest.Domain})
				f.byHand(names[3], map[string]any{"userType": "Member"})
				f.Must(f.JumpCloud.UpdateUser(string(ids[4]), jumpcloudtest.Fields{"email": "new@" + functiontest.Domain}))
				night("four changed", 4, 30)
				for _, n := range []int{1, 2, 3, 4} {
					if link := f.link(ids[n]); link.Status != directory.Synced || link.EntraID == "" {
						t.Errorf("%s is %s (%s), want %s", names[n], link.Status, link.Reason, directory.Synced)
					}
				}
				night("nothing changed since", 0, 5)
			})
		})
	}
}
