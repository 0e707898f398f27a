package entratest

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
)

// checkPassword checks the policy for cloud users: 8 to 256 characters of ASCII, 3 of 4
// classes unless DisableStrongPassword, not the user name, not banned (Microsoft Entra
// documentation, password policies). A user in a federated domain needs a password at
// create, which is never used and not checked.
func checkPassword(password, upn, policies string, d Domain) *graphError {
	if d.Federated {
		return nil
	}
	local, _, _ := strings.Cut(upn, "@")
	lower := strings.ToLower(password)
	bare := strings.TrimFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) })
	weak := len(password) < 8 || len(password) > 256 || !ascii(password) ||
		len(local) >= 4 && strings.Contains(lower, strings.ToLower(local)) ||
		slices.Contains(bannedPasswords, bare) || slices.Contains(bannedPasswords, lower) ||
		classes(password) < 3 && !strings.Contains(policies, "DisableStrongPassword")
	if !weak {
		return nil
	}
	e := badRequest("The specified password does not comply with password complexity requirements. Please provide a different password.")
	e.status = http.StatusBadRequest
	return e.withDetail(codePassword, "password")
}

// classes counts which of lower, upper, digit and symbol occur.
func classes(password string) int {
	count := 0
	for _, class := range []func(rune) bool{
		unicode.IsLower, unicode.IsUpper, unicode.IsDigit,
		func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) },
	} {
		if strings.ContainsFunc(password, class) {
			count++
		}
	}
	return count
}

// withPassword are the facts of a user after a passwordProfile was written. An equal
// password counts as a change, too.
func (s *Simulator) withPassword(old facts, id string, profile map[string]any, now time.Time) facts {
	if must, has := profile["forceChangePasswordNextSignIn"].(bool); has {
		old.MustChange = must
	}
	if password, has := profile["password"].(string); has {
		old.PasswordHash = s.passwordHash(id, password)
		old.PasswordAt = now
		old.PasswordChanges++
	}
	return old
}

func (s *Simulator) passwordHash(id, password string) string {
	hash := s.random.hash("password", id, password)
	return hex.EncodeToString(hash[:])
}
