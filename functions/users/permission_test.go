package users_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// grant gives the application permissions, which the tokens that it has do not know of.
func (f *fixture) grant(roles ...string) {
	f.t.Helper()
	f.must(f.entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.Roles = roles }))
}

// roles gives the application permissions and takes all others away at once, with the
// tokens that it has.
func (f *fixture) roles(roles ...string) {
	f.t.Helper()
	f.grant(roles...)
	f.entra.RevokeTokens()
}

// A permission that one attribute needs keeps back nothing but that attribute, for as
// long as it is missing.
func TestAMissingPermissionOfOneAttribute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.roles("User.EnableDisableAccount.All", "User.Read.All", "User.ReadUpdate.All", "User.Create", "Organization.Read.All")
		f.settings(func(s *directory.Settings) { s.Attributes["user_mobile_phone"] = true })
		ann := f.person("ann")
		f.run(ann)
		f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead", "phoneNumbers": []any{map[string]any{"type": "mobile", "number": "1"}, map[string]any{"type": "work", "number": "2"}}, "state": "SUSPENDED"})
		for range 3 {
			if again := f.run(ann); again != 1 {
				t.Errorf("%d come again", again)
			}
			time.Sleep(time.Minute)
		}
		link, account := f.link(ann), f.account("ann@contoso.example")
		if account.Text("jobTitle") != "Lead" || account.Text("mobilePhone") != "" || account.AccountEnabled {
			t.Errorf("written: %+v", account)
		}
		if link.Status != directory.Pending || link.Reason != directory.PermissionMissing || len(link.Problems) > 0 {
			t.Errorf("link: %+v", link)
		}
		f.grant(entratest.RecommendedRoles...)
		if again := f.run(ann); again != 0 {
			t.Errorf("%d come again", again)
		}
		if link, account := f.link(ann), f.account("ann@contoso.example"); account.Text("mobilePhone") != "1" || link.Reason != directory.SuspendedReason {
			t.Errorf("once it may: %+v, %+v", link, account)
		}
	})
}
