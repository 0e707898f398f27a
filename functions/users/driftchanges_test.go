package users_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// What somebody else changes comes with Graph's list of changes and is repaired; the repair
// comes with the next one and is no drift. A list of all accounts shows nothing then.
func TestDriftComesWithTheListOfChanges(t *testing.T) {
	attributes := []directory.Attribute{directory.UserPrincipalName, directory.MailNickname, directory.AccountEnabled, directory.GivenName, directory.Surname,
		directory.DisplayName, directory.JobTitle, directory.BusinessPhones, directory.Manager}
	byHand := func(properties map[string]any) func(*fixture, directory.EntraID) {
		return func(f *fixture, account directory.EntraID) { f.byHand(account, properties) }
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.Attributes["user_manager"] = true })
		bob, boss := f.longAgo("bob")
		ann, account := f.longAgo("ann")
		f.update(ann, jumpcloudtest.Fields{"manager": string(bob)})
		f.run(ann)
		time.Sleep(time.Hour)
		port, err := f.clients.Entra(t.Context(), f.directory.Tenant)
		f.must(err)
		client, _ := port.(*entra.Client)
		link, err := client.LatestAccounts(t.Context(), attributes)
		f.must(err)
		recorded := 0
		for _, step := range []struct {
			what  string
			do    func(*fixture, directory.EntraID)
			finds int
		}{
			{"the title is cleared", byHand(map[string]any{"jobTitle": nil}), 1},
			{"the account is disabled", byHand(map[string]any{"accountEnabled": false}), 1},
			{"a department is set", byHand(map[string]any{"department": "Sales"}), 0},
			{"there is no manager", func(f *fixture, account directory.EntraID) {
				_, err := f.accounts.SetManager(string(account), "")
				f.must(err)
			}, 1},
			{"the immutable id is cleared", byHand(map[string]any{"onPremisesImmutableId": nil}), 1},
			{"the account is deleted", func(f *fixture, account directory.EntraID) {
				_, err := f.accounts.DeleteUser(string(account))
				f.must(err)
			}, 1},
			{"the account is restored", func(f *fixture, account directory.EntraID) {
				_, err := f.accounts.RestoreUser(string(account))
				f.must(err)
			}, 0},
		} {
			step.do(f, account)
			recorded += step.finds
			for range 3 { // the change, the repair, nothing
				page, err := client.AccountChanges(t.Context(), link, attributes)
				f.must(err)
				_, err = f.drift().Accounts(t.Context(), f.directory, page.Items, false)
				f.must(err)
				f.drain()
				if got := len(f.drifts()); got != recorded {
					t.Errorf("%s: %d findings are recorded, want %d", step.what, got, recorded)
				}
				link = page.Link
				time.Sleep(20 * time.Minute)
			}
		}
		want := values{Enabled: true, UPN: "ann@contoso.example", Title: "Lead", ID: string(ann), Has: "Sales"}
		if got, manager := f.values(account), f.account(string(account)).Manager; got != want || manager != string(boss) {
			t.Errorf("in the end the account has %+v and the manager %s, want %+v and %s", got, manager, want, boss)
		}
		if status := f.link(ann).Status; status != directory.Synced || len(f.link(ann).Drift) > 0 {
			t.Errorf("link %+v, want it synced without a finding", f.link(ann))
		}
		whole, err := client.AccountPage(t.Context(), "", attributes)
		f.must(err)
		if found, err := f.drift().Accounts(t.Context(), f.directory, whole.Items, true); err != nil || len(found.Users) > 0 || len(whole.Items) != 2 {
			t.Errorf("the list of all %d accounts sends tasks for %v, %v; want 2 accounts and none", len(whole.Items), found.Users, err)
		}
	})
}
