package directory

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Exclude names the people whose accounts entrasync never writes in a directory:
// break-glass and service accounts. Nothing of theirs is created, taken over, changed,
// enabled, disabled or put into a group, whatever happens in JumpCloud.
type Exclude struct {
	Users []UserID `json:"users"` // of JumpCloud
	UPNs  []UPN    `json:"upns"`  // sign-in names of accounts in Entra, whoever has them
	Group GroupID  `json:"group"` // of JumpCloud, whose members are excluded; "": none
}

// MaxExcluded is how many users, and how many sign-in names, may be listed. More are better
// kept in a group.
const MaxExcluded = 1000

// MarshalJSON writes lists that are missing, as in records that are older than the setting,
// as empty ones.
func (e Exclude) MarshalJSON() ([]byte, error) {
	type plain Exclude
	p := plain(e)
	if p.Users == nil {
		p.Users = []UserID{}
	}
	if p.UPNs == nil {
		p.UPNs = []UPN{}
	}
	return json.Marshal(p)
}

// Any reports whether anybody may be excluded.
func (e Exclude) Any() bool { return len(e.Users)+len(e.UPNs) > 0 || e.Group != "" }

// Equal reports whether two settings name the same people.
func (e Exclude) Equal(other Exclude) bool {
	return slices.Equal(e.Users, other.Users) && slices.Equal(e.UPNs, other.UPNs) && e.Group == other.Group
}

// HasUPN reports whether a sign-in name is listed.
func (e Exclude) HasUPN(name UPN) bool { return slices.ContainsFunc(e.UPNs, name.Same) }

// Why says which rule excludes a user; nil if none does. member says whether the user is in
// the group, and names are the sign-in names that the user's account has or may have.
func (e Exclude) Why(user UserID, member bool, names ...UPN) *Obstacle {
	if slices.Contains(e.Users, user) {
		return &Obstacle{Excluded, "the user is listed in exclude.users of this directory, so nothing is written to the user's account: take the user off the list to have the account synced again"}
	}
	if member && e.Group != "" {
		return &Obstacle{Excluded, fmt.Sprintf("the user is in the JumpCloud group %s, which is exclude.group of this directory, so nothing is written to the user's account: take the user out of the group to have the account synced again", e.Group)}
	}
	for _, name := range names {
		if e.HasUPN(name) {
			return e.named(name)
		}
	}
	return nil
}

// WhyAccount is why an account is excluded that has, as Entra shows, a listed sign-in name.
func (e Exclude) WhyAccount() *Obstacle {
	return &Obstacle{Excluded, "the account has a sign-in name in Entra that is listed in exclude.upns of this directory, so nothing is written to it: take the name off the list to have the account synced again"}
}

// named is why an account is excluded that has a listed sign-in name, or would get it.
func (e Exclude) named(name UPN) *Obstacle {
	return &Obstacle{Excluded, fmt.Sprintf("the sign-in name %s is listed in exclude.upns of this directory, so no account of that name is written: take it off the list, or give the user another e-mail", name)}
}

// WhyNamedAs is why nobody else gets an account that has, or would have, the sign-in name of
// an excluded user whose account is not known.
func (e Exclude) WhyNamedAs(name UPN, user UserID) *Obstacle {
	return &Obstacle{UPNConflict, fmt.Sprintf("the sign-in name %s is, or would be, that of the JumpCloud user %s, whom the setting exclude of this directory names and whose account is not known, so no account of that name is written for anybody else: give this user another e-mail, or take the other one off the setting", name, user)}
}

// Names are the sign-in names that an account of a user may have: the one that the directory
// would give it, and the e-mail as it is.
func (s Settings) Names(u User) []UPN {
	s.Exclude = Exclude{}
	var names []UPN
	if name, obstacle := s.UserPrincipalName(u); obstacle == nil {
		names = append(names, name)
	}
	s.Domains = nil
	if mail, obstacle := s.UserPrincipalName(u); obstacle == nil && !slices.ContainsFunc(names, mail.Same) {
		names = append(names, mail)
	}
	return names
}

// WhyUnread is why nothing is written while it is not known who is in the group.
func (e Exclude) WhyUnread() *Obstacle {
	return &Obstacle{ExclusionUnread, fmt.Sprintf("the members of the JumpCloud group %s, which is exclude.group of this directory, were not read yet: until then nothing is written, because anybody may be excluded", e.Group)}
}

// WhyGroup is why the group itself is not synced.
func (e Exclude) WhyGroup() *Obstacle {
	return &Obstacle{Excluded, "the group is exclude.group of this directory: it names whom entrasync does not touch, so it gives no access and is no security group. To have this one synced, set another group there"}
}

// check returns a fault for lists that are too long and for entries that are no ids or names.
func (e Exclude) check() error {
	if err := checkListed("exclude.users", e.Users, func(id UserID) string { return string(id) }, func(id UserID) string {
		if IsJumpCloudID(string(id)) {
			return ""
		}
		return "is not the id of a JumpCloud user, which has " + JumpCloudIDSays
	}); err != nil {
		return err
	}
	if err := checkListed("exclude.upns", e.UPNs, func(name UPN) string { return strings.ToLower(string(name)) }, func(name UPN) string {
		local, domain, one := strings.Cut(string(name), "@")
		if one && local != "" && domainName.MatchString(domain) && len(name) <= longestExcluded && !strings.ContainsFunc(local, isSpace) {
			return ""
		}
		return "is not a sign-in name of an account"
	}); err != nil {
		return err
	}
	if e.Group != "" && !IsJumpCloudID(string(e.Group)) {
		return refuse("exclude.group", fmt.Sprintf("%q is not the id of a JumpCloud group, which has %s", e.Group, JumpCloudIDSays))
	}
	return nil
}

// longestExcluded is how long a listed sign-in name may be: an account that entrasync did
// not make may have a longer name than one that it makes.
const longestExcluded = 1024

// isSpace reports whether a character is a space or a control character.
func isSpace(r rune) bool { return r <= ' ' }

// checkListed returns a fault for the first entry of a list that is wrong or there twice.
func checkListed[T ~string](path string, list []T, same func(T) string, wrong func(T) string) error {
	if len(list) > MaxExcluded {
		return refuse(path, fmt.Sprintf("%d are listed, and %d may be: put the others into a group of JumpCloud and name it as exclude.group", len(list), MaxExcluded))
	}
	seen := map[string]bool{}
	for i, each := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if says := wrong(each); says != "" {
			return refuse(at, fmt.Sprintf("%q %s", each, says))
		}
		if seen[same(each)] {
			return refuse(at, fmt.Sprintf("%q is listed twice", each))
		}
		seen[same(each)] = true
	}
	return nil
}
