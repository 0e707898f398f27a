package users_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// grant gives the application permissions, which its present tokens do not have.
func (f *fixture) grant(roles ...string) {
	f.t.Helper()
	f.must(f.entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.Roles = roles }))
}

// roles gives the application permissions and removes all others and its present tokens
// at once.
func (f *fixture) roles(roles ...string) {
	f.t.Helper()
	f.grant(roles...)
	f.entra.RevokeTokens()
}

// A missing permission for one attribute stops only that attribute, as long as it is
// missing.
func TestAMissingPermissionOfOneAttribute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.roles("User.EnableDisableAccount.All", "User.Read.All", "User.ReadUpdate.All", "User.Create", "Organization.Read.All")
		f.settings(func(s *directory.Settings) { s.Attributes["user_mobile_phone"] = true })
		ann := f.person("ann")
		f.run(ann)
		f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead", "phoneNumbers": []any{map[string]any{"type": "mobile", "number": "1"}, map[string]any{"type": "work", "number": "2"}}, "state": "SUSPENDED"})
		for range 3 {
			if again := f.run(ann); again != 0 {
				t.Errorf("%d come again, want 0: what is left waits", again)
			}
			time.Sleep(time.Minute)
		}
		link, account := f.link(ann), f.account("ann@contoso.example")
		if account.Text("jobTitle") != "Lead" || account.Text("mobilePhone") != "" || account.AccountEnabled {
			t.Errorf("written: %+v, want jobTitle \"Lead\", mobilePhone \"\", AccountEnabled false", account)
		}
		if link.Status != directory.Pending || link.Reason != directory.PermissionMissing || len(link.Problems) > 0 {
			t.Errorf("link: %+v, want Status %v, Reason %v, 0 Problems", link, directory.Pending, directory.PermissionMissing)
		}
		if s := f.record().Of(directory.OfPart); s == nil || s.Reason != directory.PermissionMissing || len(f.waitingTasks()) != 1 {
			t.Errorf("suspended in part: %+v, %d tasks wait; want %q, 1", s, len(f.waitingTasks()), directory.PermissionMissing)
		}
		f.grant(entratest.RecommendedRoles...)
		f.drain()
		if link, account := f.link(ann), f.account("ann@contoso.example"); account.Text("mobilePhone") != "1" || link.Reason != directory.SuspendedReason {
			t.Errorf("once it may: %+v, %+v, want mobilePhone \"1\", Reason %v", link, account, directory.SuspendedReason)
		}
	})
}

// What the tenant granted is known as it is from the first refusal on, and not as it was when
// somebody last looked: a permission that was taken away, and a consent that was.
func TestWhatTheTenantGrantedIsKnownOnceItIsRefused(t *testing.T) {
	const taken = "User.ReadUpdate.All"
	rest := []string{"User.EnableDisableAccount.All", "User.Read.All", "User.Create", "Organization.Read.All"}
	for name, tc := range map[string]struct {
		loses func(*fixture)
		left  []string
	}{
		"a permission": {func(f *fixture) { f.roles(rest...) }, rest},
		"the consent":  {func(f *fixture) { f.consent(false) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				dir := f.record()
				dir.Granted = &directory.Granted{At: time.Now().UTC(), Permissions: append([]string{taken}, rest...)}
				_, err := f.store.PutDirectory(t.Context(), dir)
				f.must(err)
				time.Sleep(time.Second)
				ann := f.person("ann")
				f.run(ann)
				tc.loses(f)
				f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead"})
				f.run(ann)
				granted := f.record().Granted
				slices.Sort(granted.Permissions)
				want := slices.Sorted(slices.Values(tc.left))
				if !slices.Equal(granted.Permissions, want) {
					t.Errorf("granted is %v, want %v", granted.Permissions, want)
				}
			})
		})
	}
}
