package directory

import (
	"fmt"
	"strings"
)

// UserPrincipalName computes the sign-in name of a user from the mapped e-mail
// M and the domains of the directory (JumpCloud, "User Principal Name" in its
// Microsoft 365 sync article):
//
//   - no domains: M as it is;
//   - domains without a default: M if its domain is listed, else the user is not synced;
//   - domains with a default: M if its domain is listed, else the local part of M at the default.
//
// Domains are compared without regard to case. A name that is excluded is nobody's. The obstacle says why there is no name that
// Entra would take; it is nil when there is one.
func (s Settings) UserPrincipalName(u User) (UPN, *Obstacle) {
	mail := strings.TrimSpace(s.mappedEmail(u))
	upn := UPN(mail)
	if upn.LocalPart() == "" || upn.Domain() == "" {
		return "", &Obstacle{Reason: EmailMissing, Message: fmt.Sprintf(
			"%s has no usable %s e-mail in JumpCloud (it is %q): set one, it becomes the sign-in name in Entra", u.Username, s.MappedEmail, mail)}
	}
	upn, obstacle := s.inDomains(upn)
	if obstacle != nil {
		return "", obstacle
	}
	if refused := upn.refused(); refused != "" {
		return "", &Obstacle{Reason: UPNInvalid, Message: fmt.Sprintf("the sign-in name %s %s: change the user's %s e-mail", upn, refused, s.MappedEmail)}
	}
	if s.Exclude.HasUPN(upn) {
		return "", s.Exclude.named(upn)
	}
	return upn, nil
}

// inDomains applies the domains of the directory to a name.
func (s Settings) inDomains(upn UPN) (UPN, *Obstacle) {
	if len(s.Domains) == 0 {
		return upn, nil
	}
	fallback := ""
	for _, d := range s.Domains {
		if strings.EqualFold(d.Name, upn.Domain()) {
			return upn, nil
		}
		if d.Default {
			fallback = d.Name
		}
	}
	if fallback == "" {
		return "", &Obstacle{Reason: DomainNotListed, Message: fmt.Sprintf(
			"%s is not one of the domains of this directory and none of them is the default: add it to the directory's domains or change the user's %s e-mail", upn.Domain(), s.MappedEmail)}
	}
	local := string(upn)[:strings.LastIndexByte(string(upn), '@')]
	return UPN(local + "@" + fallback), nil
}

// mappedEmail is the address that becomes the UPN.
func (s Settings) mappedEmail(u User) string {
	if s.MappedEmail == AlternateEmail {
		return u.AlternateEmail
	}
	return u.Email
}

// maxNickname is how many characters a mailNickname may have (Graph user resource).
const maxNickname = 64

// mailNickname is the mail alias that Entra requires for every account: the local part of
// the UPN without the characters that Entra refuses there, and without periods at the end
// (Graph user and group resources). The local part is our choice: JumpCloud publishes no
// rule for the alias.
func mailNickname(upn UPN) string {
	nickname := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(`@()\/[]';:<>,"`, r) {
			return -1
		}
		return r
	}, upn.LocalPart())
	if len(nickname) > maxNickname {
		nickname = nickname[:maxNickname]
	}
	nickname = strings.TrimRight(nickname, ".")
	if nickname == "" {
		return "user"
	}
	return nickname
}
