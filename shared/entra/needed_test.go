package entra_test

import (
	"net/url"
	"slices"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
)

// Each setting needs its permissions and no others, and what one permission includes is
// needed no second time.
func TestNeededPermissions(t *testing.T) {
	base := []string{"Organization.Read.All", "User.Create", "User.EnableDisableAccount.All", "User.Read.All", "User.ReadUpdate.All", "User.RevokeSessions.All"}
	for name, tc := range map[string]struct {
		set  func(*directory.Settings)
		want []string
	}{
		"no groups":                     {func(*directory.Settings) {}, base},
		"groups":                        {func(s *directory.Settings) { s.ManageGroups = true }, append([]string{"Group.ReadWrite.All"}, base...)},
		"mobile phones":                 {func(s *directory.Settings) { s.Attributes["user_mobile_phone"] = true }, append([]string{"User-Phone.ReadWrite.All"}, base...)},
		"a rule that is off":            {func(s *directory.Settings) { s.Attributes["user_mobile_phone"] = false }, base},
		"a rule without its permission": {func(s *directory.Settings) { s.Attributes["user_job_title"] = true }, base},
		"restored accounts":             {func(s *directory.Settings) { s.RestoreDeleted = true }, append([]string{"User.DeleteRestore.All"}, base...)},
		"leavers out of groups":         {leave(func(l *directory.Leavers, days *int) { l.RemoveFromGroups = days }), base},
		"leavers without licenses":      {leave(func(l *directory.Leavers, days *int) { l.RemoveLicenses = days }), append([]string{"LicenseAssignment.ReadWrite.All"}, base...)},
		"leavers hidden":                {leave(func(l *directory.Leavers, days *int) { l.HideFromAddressLists = days }), base},
		"leavers deleted":               {leave(func(l *directory.Leavers, days *int) { l.DeleteAccount = days }), append([]string{"User.DeleteRestore.All"}, base...)},
		"leavers without a manager":     {leave(func(l *directory.Leavers, days *int) { l.ClearManager = days }), []string{"Organization.Read.All", "User.ReadWrite.All"}},
		"every step for leavers": {leave(func(l *directory.Leavers, days *int) {
			*l = directory.Leavers{RemoveFromGroups: days, RemoveLicenses: days, HideFromAddressLists: days, ClearManager: days, DeleteAccount: days}
		}), []string{"Organization.Read.All", "User.ReadWrite.All"}},
		"managers, phones, restored": {func(s *directory.Settings) {
			s.Attributes["user_manager"], s.Attributes["user_mobile_phone"], s.RestoreDeleted = true, true, true
		}, []string{"Organization.Read.All", "User.ReadWrite.All"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := directory.DefaultSettings()
			s.ManageGroups = false
			tc.set(&s)
			var got, optional []string
			for _, p := range entra.Needed(s) {
				if p.Optional {
					optional = append(optional, p.Name)
					continue
				}
				got = append(got, p.Name)
				if len(p.For) == 0 || slices.Contains(p.Instead, p.Name) || !p.GrantedBy([]string{p.Name}) || p.GrantedBy(nil) {
					t.Errorf("%+v, want what it is for, and that it is enough for itself", p)
				}
				for _, other := range p.Instead {
					if !p.GrantedBy([]string{other}) {
						t.Errorf("%s: %s is not enough, want it to be", p.Name, other)
					}
				}
				if !p.GrantedBy(entratest.RecommendedRoles) {
					t.Errorf("%s is not granted with what the README lists, want it to be", p.Name)
				}
			}
			slices.Sort(tc.want)
			if !slices.Equal(got, tc.want) || !slices.Equal(optional, []string{"User-PasswordProfile.ReadWrite.All"}) {
				t.Errorf("%v and %v, want %v and the permission for passwords", got, optional, tc.want)
			}
		})
	}
}

// leave is an edit of settings that turns steps for leavers on.
func leave(set func(*directory.Leavers, *int)) func(*directory.Settings) {
	days := 0
	return func(s *directory.Settings) { set(&s.Leavers, &days) }
}

// The role for passwords is found by its template, and where a token has no roles at all it
// is not known.
func TestTheRoleForPasswords(t *testing.T) {
	for role, want := range map[string]struct{ has, known bool }{
		"fe930be7-5e62-47db-91af-98c3a49a38b1": {true, true},
		"62e90394-69f5-4237-9190-012177145e10": {true, true},
		"0997a1d0-0d1d-4acb-b408-d5ca73121e90": {false, true},
		"":                                     {false, false},
	} {
		var g directory.Granted
		if role != "" {
			g.DirectoryRoles = []string{role}
		}
		if has, known := entra.HasPasswordRole(g); has != want.has || known != want.known {
			t.Errorf("%q: %v, %v; want %+v", role, has, known, want)
		}
	}
}

// The consent page is that of the tenant, at the configured sign-in.
func TestTheConsentPage(t *testing.T) {
	client, err := entra.New(entra.Config{GraphURL: "https://graph.microsoft.us/v1.0", LoginURL: "https://login.microsoftonline.us/", Tenant: "contoso.example", ClientID: "app"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := url.Parse(client.ConsentURL("https://entrasync.example/back?x=1&y=2", "a b&c"))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"client_id": {"app"}, "scope": {"https://graph.microsoft.us/.default"}, "redirect_uri": {"https://entrasync.example/back?x=1&y=2"}, "state": {"a b&c"}}
	if got.Host != "login.microsoftonline.us" || got.Path != "/contoso.example/v2.0/adminconsent" || got.Query().Encode() != want.Encode() {
		t.Errorf("%s, want the page of the tenant with %s", got, want.Encode())
	}
}
