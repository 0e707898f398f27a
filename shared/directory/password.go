package directory

import (
	"fmt"
	"strings"
)

// The rules for the passwords of cloud accounts (Microsoft Entra documentation,
// password policies). Entra also keeps a list of banned words, which it does not
// publish.
const (
	minPassword     = 8
	maxPassword     = 256
	passwordClasses = 3 // of lower case, upper case, digits, symbols and blanks
	// minNamePart is how long the part of the sign-in name before the @ must be
	// for Entra to refuse passwords that contain it (assumed).
	minNamePart = 4
)

// CheckPassword checks a password with the rules that Entra publishes for cloud accounts,
// and returns those that it breaks, each as a sentence; none if Entra may take it. name is
// the sign-in name of the account.
func CheckPassword(password string, name UPN) []string {
	var broken []string
	if n := len([]rune(password)); n < minPassword || n > maxPassword {
		broken = append(broken, fmt.Sprintf("it must have %d to %d characters", minPassword, maxPassword))
	}
	if strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r > '~' }) {
		broken = append(broken, "it may hold only the letters A to Z, digits, blanks and the symbols of ASCII")
	}
	if classesOf(password) < passwordClasses {
		broken = append(broken, fmt.Sprintf("it must hold %d of these 4: lower-case letters, upper-case letters, digits, symbols", passwordClasses))
	}
	if local := name.LocalPart(); len(local) >= minNamePart && strings.Contains(strings.ToLower(password), strings.ToLower(local)) {
		broken = append(broken, "it must not contain the sign-in name")
	}
	return broken
}

// PasswordIn is why the account of a link gets no password in a tenant: it belongs to
// somebody else, or it is in a federated domain, whose users sign in with another service
// (Graph, passwordProfile). It is nil if the account may get one. now is the account as
// Entra shows it; with nil the link decides. An account that is moved aside counts as one
// in its own domain.
func (l Link) PasswordIn(t Tenant, now *Account) *Obstacle {
	name := l.UPN
	if l.Aside != nil {
		name = l.Aside.Home
	}
	if now != nil {
		if why := now.Untouchable(); why != nil {
			return why
		}
		if l.Aside == nil || !now.UPN.Same(l.Aside.UPN) {
			name = now.UPN
		}
	}
	if !t.Federates(name) {
		return nil
	}
	return &Obstacle{DomainFederated, fmt.Sprintf(
		"%s is a federated domain: %s signs in with JumpCloud and has no password of its own in Entra. Set the password in JumpCloud", name.Domain(), name)}
}

// classesOf counts the character classes in a password.
func classesOf(password string) int {
	var seen [4]bool
	for _, r := range password {
		switch {
		case 'a' <= r && r <= 'z':
			seen[0] = true
		case 'A' <= r && r <= 'Z':
			seen[1] = true
		case '0' <= r && r <= '9':
			seen[2] = true
		default:
			seen[3] = true
		}
	}
	count := 0
	for _, has := range seen {
		if has {
			count++
		}
	}
	return count
}
