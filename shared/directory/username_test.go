package directory_test

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"entrasync/shared/directory"
)

// Usernames come from the alias, and from the address only without a usable one.
func TestUsernameFrom(t *testing.T) {
	for _, tc := range []struct{ alias, address, want string }{
		{"ann.example", "a.example@contoso.example", "ann.example"},
		{"", "ann@contoso.example", "ann"},
		{"  ", "ann@contoso.example", "ann"},
		{"Ann.Example", "", "Ann.Example"},
		{"o'neil", "", "oneil"},
		{"josé.muñoz", "", "jose.munoz"},
		{"straße", "", "strasse"},
		{"Łukasz_Øre", "", "Lukasz_Ore"},
		{"ann smith", "", "annsmith"},
		{"2ann", "", "ann"},
		{"_.ann-", "", "ann"},
		{"ann@contoso", "", "anncontoso"},
		{"ｆｕｌｌ", "", "full"},
		{"0123", "9@contoso.example", ""},
		{"דוד", "", ""},
		{"דוד", "david@contoso.example", "david"},
		{"", "", ""},
		{"abcdefghijklmnopqrstuvwxyz0123456789", "", "abcdefghijklmnopqrstuvwxyz0123"},
		{"abcdefghijklmnopqrstuvwxyz012.456", "", "abcdefghijklmnopqrstuvwxyz012"},
	} {
		if got := directory.UsernameFrom(tc.alias, tc.address); got != tc.want {
			t.Errorf("UsernameFrom(%q, %q) = %q, want %q", tc.alias, tc.address, got, tc.want)
		}
	}
}

// Whatever the alias is, the username is one that JumpCloud takes, and making it valid once
// more changes nothing.
func TestUsernamesAreValid(t *testing.T) {
	valid := regexp.MustCompile(`^([A-Za-z]([A-Za-z0-9._-]{0,28}[A-Za-z0-9])?)?$`)
	rapid.Check(t, func(t *rapid.T) {
		alias, address := rapid.String().Draw(t, "alias"), rapid.String().Draw(t, "address")
		got := directory.UsernameFrom(alias, address)
		if !valid.MatchString(got) {
			t.Errorf("UsernameFrom(%q, %q) = %q, want a valid username", alias, address, got)
		}
		if again := directory.UsernameFrom(got, ""); again != got {
			t.Errorf("UsernameFrom(%q) = %q, want it unchanged", got, again)
		}
	})
}
