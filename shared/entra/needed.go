package entra

import (
	"net/url"
	"slices"
	"strings"

	"entrasync/shared/directory"
)

// Permission is an application permission that a directory needs in its tenant.
type Permission struct {
	Name string // the least privileged one
	// Instead are other permissions, any one of which is enough instead.
	Instead []string
	For     []string // what it is needed for, for people
	// Optional says that only the password gateway needs it.
	Optional bool

	needs []need
}

// GrantedBy reports whether the permissions that were granted are enough.
func (p Permission) GrantedBy(granted []string) bool {
	return !slices.ContainsFunc(p.needs, func(n need) bool { return !n.grantedBy(granted) })
}

// purpose is a need, and what has it.
type purpose struct {
	need
	of       string
	optional bool
}

// What only some settings need.
var (
	manageGroups = need{"Group.ReadWrite.All", []string{"Group.ReadWrite.All", writeAll}}
)

// purposes are what the settings of a directory need permissions for.
func purposes(s directory.Settings) []purpose {
	all := []purpose{
		{need: readOrganization, of: "to read the tenant and its domains"},
		{need: readUsers, of: "to find and compare accounts"},
		{need: createUsers, of: "to create accounts"},
		{need: updateUsers, of: "to change accounts"},
		{need: enableUsers, of: "to enable and disable accounts"},
		{need: revokeSessions, of: "to end sessions"},
	}
	for _, attribute := range s.OptionalAttributes() {
		if permission := attribute.Facts().Permission; permission != "" {
			all = append(all, purpose{need: ofProperty(string(attribute)), of: "to write " + string(attribute)})
		}
	}
	if s.ExportsManager() {
		all = append(all, purpose{need: writeManagers, of: "to set managers"})
	}
	if s.RestoreDeleted {
		all = append(all, purpose{need: deleteUsers, of: "to restore deleted accounts"})
	}
	all = append(all, purposesOfLeavers(s.Leavers)...)
	if s.ManageGroups {
		all = append(all, purpose{need: manageGroups, of: "to manage groups and their members"})
	}
	return append(all, purpose{need: writePasswords, of: "to set passwords by the gateway", optional: true})
}

// purposesOfLeavers are what the steps for leavers, and their undoing, need permissions for.
// Members of groups need none of their own: groups that are managed have one.
func purposesOfLeavers(l directory.Leavers) (all []purpose) {
	for _, p := range []struct {
		step directory.LeaverStep
		purpose
	}{
		{directory.RemoveLicenses, purpose{need: assignLicenses, of: "to take licenses off the accounts of leavers, and to give them back"}},
		{directory.HideFromAddressLists, purpose{need: updateUsers, of: "to hide leavers from the address lists"}},
		{directory.ClearManager, purpose{need: writeManagers, of: "to take the managers off the accounts of leavers"}},
		{directory.DeleteAccount, purpose{need: deleteUsers, of: "to delete the accounts of leavers"}},
		{directory.DeleteAccount, purpose{need: deleteUsers, of: "to restore the accounts of leavers who come back"}},
	} {
		if l.Days(p.step) != nil {
			all = append(all, p.purpose)
		}
	}
	return all
}

// Needed are the least privileged permissions for the settings of a directory. Where one
// permission is needed in any case, what it includes is not needed beside it.
func Needed(s directory.Settings) []Permission {
	all := purposes(s)
	// A purpose with few choices decides what those with more choices need no other for.
	slices.SortStableFunc(all, func(a, b purpose) int { return len(a.enough) - len(b.enough) })
	var needed []Permission
	for _, p := range all {
		at := slices.IndexFunc(needed, func(n Permission) bool { return slices.Contains(p.enough, n.Name) })
		if at < 0 {
			at = len(needed)
			needed = append(needed, Permission{Name: p.enough[0], Optional: p.optional})
		}
		n := &needed[at]
		n.needs, n.For, n.Optional = append(n.needs, p.need), append(n.For, p.of), n.Optional && p.optional
	}
	for i := range needed {
		needed[i].Instead = needed[i].instead()
	}
	slices.SortFunc(needed, func(a, b Permission) int { return strings.Compare(a.Name, b.Name) })
	return needed
}

// instead are the permissions that are enough for all needs, but the named one.
func (p Permission) instead() []string {
	common := slices.Clone(p.needs[0].enough)
	return slices.DeleteFunc(common, func(permission string) bool {
		return permission == p.Name || slices.ContainsFunc(p.needs, func(n need) bool { return !slices.Contains(n.enough, permission) })
	})
}

// The directory role that the application needs to write passwords (Graph, passwordProfile),
// the id of its template, and those of the roles that include it (Microsoft Entra built-in
// roles).
const (
	PasswordRole         = "User Administrator"
	passwordRoleTemplate = "fe930be7-5e62-47db-91af-98c3a49a38b1"
)

var passwordRoleTemplates = []string{
	passwordRoleTemplate,
	"7be44c8a-adaf-4e2a-84d6-ab2649e08a13", // Privileged Authentication Administrator
	"62e90394-69f5-4237-9190-012177145e10", // Global Administrator
}

// HasPasswordRole reports whether the application has the directory role that it needs to
// write passwords; known is false if its token says nothing of directory roles.
func HasPasswordRole(g directory.Granted) (has, known bool) {
	return slices.ContainsFunc(g.DirectoryRoles, func(id string) bool { return slices.Contains(passwordRoleTemplates, id) }), len(g.DirectoryRoles) > 0
}

// ConsentURL is where an administrator of the tenant gives consent to all permissions that
// the application's registration lists, and whence the browser is sent back to an address
// that must be registered too, with a state (Microsoft identity platform, admin consent).
func (c *Client) ConsentURL(back, state string) string {
	query := url.Values{"client_id": {c.tokens.signIn.cfg.ClientID}, "scope": {c.tokens.signIn.scope}, "redirect_uri": {back}, "state": {state}}
	return strings.TrimSuffix(c.tokens.signIn.cfg.LoginURL, "/") + "/" + url.PathEscape(string(c.tenant)) + "/v2.0/adminconsent?" + query.Encode()
}
