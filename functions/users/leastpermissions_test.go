package users_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// The permissions that are said to be the least for some settings are enough for whatever a
// directory with these settings writes to accounts.
func TestTheLeastPermissionsAreEnough(t *testing.T) {
	all := func(s *directory.Settings) {
		for _, rule := range directory.Rules() {
			s.Attributes[rule] = true
		}
		s.RestoreDeleted, s.Federated, s.RevokeSessionsOnPasswordChange = true, true, true
	}
	for name, set := range map[string]func(*directory.Settings){
		"the defaults":   func(*directory.Settings) {},
		"without groups": func(s *directory.Settings) { s.ManageGroups = false },
		"phones and addresses": func(s *directory.Settings) {
			s.Attributes["user_mobile_phone"], s.Attributes["user_alternate_email"] = true, true
		},
		"managers":          func(s *directory.Settings) { s.Attributes["user_manager"] = true },
		"restored accounts": func(s *directory.Settings) { s.RestoreDeleted = true },
		"everything":        all,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.settings(set)
				var least []string
				for _, p := range entra.Needed(f.record().Settings) {
					if !p.Optional {
						least = append(least, p.Name)
					}
				}
				f.roles(least...)
				boss, ann := f.person("boss"), f.person("ann")
				f.run(boss, ann)
				for _, fields := range []jumpcloudtest.Fields{
					{"lastname": "Moss", "jobTitle": "Lead", "alternateEmail": "ann@home.example", "manager": string(boss), "phoneNumbers": []any{map[string]any{"type": "mobile", "number": "1"}, map[string]any{"type": "work", "number": "2"}}},
					{"state": "SUSPENDED"}, {"state": "ACTIVATED"}, {"email": "ann.moss@contoso.example"},
				} {
					f.update(ann, fields)
					f.run(ann)
					f.drain()
				}
				account := f.account("ann.moss@contoso.example")
				if f.record().Settings.RestoreDeleted {
					_, err := f.accounts.DeleteUser(account.ID)
					f.must(err)
					time.Sleep(10 * time.Minute)
					f.update(ann, jumpcloudtest.Fields{"lastname": "Lee"})
					f.run(ann)
					f.drain()
				}
				link := f.link(ann)
				if link.Status != directory.Synced || len(link.Problems) > 0 || len(f.record().PartlySuspended) > 0 || f.record().IsSuspended() {
					t.Errorf("with %v: %s (%s: %s), problems %v, suspended %+v; want it synced", least, link.Status, link.Reason, link.Message, link.Problems, f.record().PartlySuspended)
				}
				if account := f.account("ann.moss@contoso.example"); !account.AccountEnabled {
					t.Error("the account is disabled, want it enabled")
				}
			})
		})
	}
}

// With the permissions that the steps for leavers need and no others, each is done on its day,
// and whoever comes back gets back what was taken.
func TestTheLeastPermissionsForLeavers(t *testing.T) {
	for name, days := range map[string]map[directory.LeaverStep]int{
		"licenses":      {directory.RemoveLicenses: 1},
		"address lists": {directory.HideFromAddressLists: 1},
		"manager":       {directory.ClearManager: 1},
		"deletion":      {directory.DeleteAccount: 1},
		"every step":    {directory.RemoveLicenses: 1, directory.HideFromAddressLists: 1, directory.ClearManager: 1, directory.DeleteAccount: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.leaving(days)
				var least []string
				for _, p := range entra.Needed(f.record().Settings) {
					if !p.Optional {
						least = append(least, p.Name)
					}
				}
				f.roles(least...)
				ann, account := f.licensed("ann")
				f.disconnect(ann)
				f.run(ann)
				f.days(2)
				if got := f.stepsDone(ann); len(got) != len(days) {
					t.Errorf("with %v the steps %v were done, want %d", least, got, len(days))
				}
				f.connect(ann)
				f.run(ann)
				f.drain()
				link, user := f.link(ann), f.account("ann@contoso.example")
				if link.Status != directory.Synced || len(f.record().PartlySuspended) > 0 || f.record().IsSuspended() {
					t.Errorf("with %v: %s (%s: %s), suspended %+v; want it synced", least, link.Status, link.Reason, link.Message, f.record().PartlySuspended)
				}
				if !user.AccountEnabled || len(f.own(account)) != 2 || user.Manager == "" || user.Hidden() {
					t.Errorf("with %v the account is %+v, want it as it was", least, user)
				}
			})
		})
	}
}
