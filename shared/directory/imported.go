package directory

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ImportAttributes are the attributes of accounts that an import with the settings reads,
// apart from the names and addresses, which every account has.
func (s Settings) ImportAttributes() []Attribute {
	var attributes []Attribute
	for _, rule := range s.importRules() {
		attributes = append(attributes, rules[rule].attribute)
	}
	return attributes
}

// importRules are the rules of which the import is on, by name.
func (s Settings) importRules() []Rule {
	on := maps.Clone(s.Import)
	maps.DeleteFunc(on, func(_ Rule, on bool) bool { return !on })
	return slices.Sorted(maps.Keys(on))
}

// Importable reports whether a rule can go the other way: from Entra to JumpCloud, when a
// user is created there by an import.
func (r Rule) Importable() bool { return rules[r].to != nil }

// ImportableRules lists the rules that an import can use, by name.
func ImportableRules() []Rule {
	return slices.DeleteFunc(Rules(), func(r Rule) bool { return !r.Importable() })
}

// Reads says what an import with the rule does, for people.
func (r Rule) Reads() string {
	return fmt.Sprintf("Fills in JumpCloud's %s from %s when the user is created", rules[r].field, rules[r].attribute)
}

// checkImport refuses rules that an import cannot use.
func (s Settings) checkImport() error {
	for _, rule := range slices.Sorted(maps.Keys(s.Import)) {
		switch {
		case !slices.Contains(Rules(), rule):
			return refuse("import."+string(rule), fmt.Sprintf("there is no attribute rule %q: the rules are %s", rule, joined(ImportableRules())))
		case !rule.Importable() && s.Import[rule]:
			return refuse("import."+string(rule), string(rule)+" cannot be imported: who is who in JumpCloud is known only after the import. Set it in JumpCloud")
		}
	}
	return nil
}

// Address is the e-mail address that the user of an account gets in JumpCloud, in lower
// case as JumpCloud keeps it: the account's own or, without one, its UPN.
func (a TenantAccount) Address() string {
	if mail := strings.TrimSpace(a.Mail); mail != "" {
		return strings.ToLower(mail)
	}
	return strings.ToLower(string(a.UPN))
}

// Username is the username that the user of an account gets in JumpCloud; "" if none can be
// made of its alias or its address.
func (a TenantAccount) Username() string { return UsernameFrom(a.Alias, a.Address()) }

// Imported is the user that an import makes of an account: names, username and e-mail
// address, and what the rules say of which the import is on. Empty values stay empty.
func (s Settings) Imported(a TenantAccount) User {
	u := User{Username: a.Username(), Email: a.Address(), FirstName: strings.TrimSpace(a.GivenName), LastName: strings.TrimSpace(a.Surname)}
	for _, rule := range s.importRules() {
		if text := strings.TrimSpace(a.Attributes[rules[rule].attribute].String()); text != "" && rule.Importable() {
			rules[rule].to(&u, text)
		}
	}
	return u
}

// NotImportable says why an account cannot become a user of JumpCloud, whatever JumpCloud
// has, for the person who must act; "" if it can.
func (a TenantAccount) NotImportable() string {
	switch {
	case a.Agent:
		return "It is the account of a program (agent user) and not of a person"
	case a.Guest:
		return "It is a guest of the tenant: import the person from their own tenant"
	case !a.Enabled:
		return "Its sign-in is blocked in Entra: allow it and import it again"
	case a.Username() == "":
		return fmt.Sprintf("Neither its alias %q nor its address %q has a letter that a username in JumpCloud can have: change the alias in Microsoft 365", a.Alias, a.Address())
	default:
		return ""
	}
}
