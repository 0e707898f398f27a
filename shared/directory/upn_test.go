package directory_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"entrasync/shared/directory"
)

// withDomains are settings with domains; the one with a star is the default.
func withDomains(names ...string) directory.Settings {
	s := directory.DefaultSettings()
	for _, name := range names {
		plain, isDefault := strings.CutPrefix(name, "*")
		s.Domains = append(s.Domains, directory.Domain{Name: plain, Default: isDefault})
	}
	return s
}

func TestUserPrincipalName(t *testing.T) {
	alternate := directory.DefaultSettings()
	alternate.MappedEmail = directory.AlternateEmail
	user := func(email string) directory.User {
		return directory.User{Username: "ann", Email: email, AlternateEmail: "ann@home.example"}
	}
	for _, tc := range []struct {
		name     string
		settings directory.Settings
		user     directory.User
		want     directory.UPN
		reason   directory.Reason
	}{
		{"no domains: as it is", withDomains(), user("Ann@Corp.Example"), "Ann@Corp.Example", ""},
		{"spaces around do not count", withDomains(), user(" ann@corp.example "), "ann@corp.example", ""},
		{"alternate e-mail", alternate, user("ann@corp.example"), "ann@home.example", ""},
		{"no e-mail", withDomains(), user(""), "", directory.EmailMissing},
		{"no domain in the e-mail", withDomains(), user("ann@"), "", directory.EmailMissing},
		{"no local part in the e-mail", withDomains("*corp.example"), user("@corp.example"), "", directory.EmailMissing},
		{"listed", withDomains("other.example", "corp.example"), user("ann@corp.example"), "ann@corp.example", ""},
		{"listed in another case", withDomains("CORP.example"), user("ann@corp.EXAMPLE"), "ann@corp.EXAMPLE", ""},
		{"not listed, no default", withDomains("other.example"), user("ann@corp.example"), "", directory.DomainNotListed},
		{"not listed, default", withDomains("*other.example"), user("ann@corp.example"), "ann@other.example", ""},
		{"listed beside a default", withDomains("*other.example", "corp.example"), user("ann@corp.example"), "ann@corp.example", ""},
		{"listed after the default", withDomains("corp.example", "*other.example"), user("ann@corp.example"), "ann@corp.example", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, obstacle := tc.settings.UserPrincipalName(tc.user)
			if got != tc.want {
				t.Errorf("got UPN %q, want %q", got, tc.want)
			}
			switch {
			case tc.reason == "" && obstacle != nil:
				t.Errorf("got obstacle %+v, want none", obstacle)
			case tc.reason != "" && (obstacle == nil || obstacle.Reason != tc.reason || obstacle.Message == ""):
				t.Errorf("got obstacle %+v, want reason %q with a message", obstacle, tc.reason)
			}
		})
	}
}

func TestNicknameIsAlwaysAcceptable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := directory.User{Username: "u", FirstName: "A", State: directory.Activated, Email: rapid.String().Draw(t, "local") + "@corp.example"}
		desired := directory.Desire(&user, here, directory.DefaultSettings())
		if desired.Obstacle != nil {
			return
		}
		nickname := desired.Attributes[directory.MailNickname].String()
		if nickname == "" || len(nickname) > 64 || strings.HasSuffix(nickname, ".") || strings.ContainsAny(nickname, `@()\/[]';:<>," `) {
			t.Fatalf("got mailNickname %q of %q, want one that Entra takes", nickname, desired.UPN)
		}
	})
}
