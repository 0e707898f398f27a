package entra

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// need is the permission that the application needs for a request, or for one property
// in it.
type need struct {
	grant  string   // the permission to grant: one that the README lists
	enough []string // any one of these is enough
}

// What each request needs (Microsoft Graph documentation, permissions of each method
// and of each property of users). Every permission known to be enough is listed, so
// that one is reported missing only where none of them is granted. [refusal] reports
// other causes, such as a role of the account.
var (
	readOrganization = need{"Organization.Read.All", []string{"Organization.Read.All", "Organization.ReadWrite.All", readAll, writeAll}}
	readUsers        = need{writeUsers, []string{"User.Read.All", writeUsers, readAll, writeAll}}
	createUsers      = need{writeUsers, []string{"User.Create", writeUsers, writeAll}}
	updateUsers      = need{writeUsers, []string{"User.ReadUpdate.All", writeUsers, writeAll}}
	enableUsers      = need{"User.EnableDisableAccount.All", []string{"User.EnableDisableAccount.All", writeUsers, writeAll}}
	writePasswords   = need{"User-PasswordProfile.ReadWrite.All", []string{"User-PasswordProfile.ReadWrite.All"}}
	writeManagers    = need{writeUsers, []string{writeUsers, writeAll}}
	assignLicenses   = need{writeUsers, []string{"LicenseAssignment.ReadWrite.All", writeUsers, writeAll}}
	deleteUsers      = need{writeUsers, []string{"User.DeleteRestore.All", writeUsers}} // and to restore them
	revokeSessions   = need{"User.RevokeSessions.All", []string{"User.RevokeSessions.All", writeUsers, writeAll}}
	restoreObjects   = need{writeUsers, []string{"User.DeleteRestore.All", writeUsers, "Group.ReadWrite.All", writeAll}} // the same for users and groups
	readGroups       = need{"Group.ReadWrite.All", []string{"GroupMember.Read.All", "Group.Read.All", "GroupMember.ReadWrite.All", "Group.ReadWrite.All", readAll, writeAll}}
	createGroups     = need{"Group.ReadWrite.All", []string{"Group.Create", "Group.ReadWrite.All", writeAll}}
	writeGroups      = need{"Group.ReadWrite.All", []string{"Group.Create", "Group.ReadWrite.All", writeAll}} // Group.Create is enough for groups that the application owns
	writeMembers     = need{"GroupMember.ReadWrite.All", []string{"GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Group.Create", writeAll}}
)

// The permissions for everything in a directory, and for all of a user.
const readAll, writeAll, writeUsers = "Directory.Read.All", "Directory.ReadWrite.All", "User.ReadWrite.All"

// operations are the requests that we send, by method and path; * is an id or a key.
var operations = []struct {
	method, path string
	need         need
}{
	{http.MethodGet, "organization", readOrganization},
	{http.MethodGet, "users", readUsers},
	{http.MethodGet, "users/*", readUsers},
	{http.MethodPost, "directoryObjects/getByIds", readUsers}, // observed for users (docs-contrib 8798); documented is Directory.Read.All
	{http.MethodGet, "directory/deletedItems/graph.user", readUsers},
	{http.MethodPost, "users", createUsers},
	{http.MethodPut, "users/*/manager/$ref", writeManagers},
	{http.MethodDelete, "users/*/manager/$ref", writeManagers},
	{http.MethodPost, "users/*/assignLicense", assignLicenses},
	{http.MethodDelete, "users/*", deleteUsers},
	{http.MethodPost, "users/*/revokeSignInSessions", revokeSessions},
	{http.MethodPost, "directory/deletedItems/*/restore", restoreObjects},
	{http.MethodGet, "groups", readGroups},
	{http.MethodGet, "groups/*", readGroups},
	{http.MethodGet, "groups/*/members", readGroups},
	{http.MethodGet, "directory/deletedItems/graph.group", readGroups},
	{http.MethodPost, "groups", createGroups},
	{http.MethodDelete, "groups/*", writeGroups},
	{http.MethodPost, "groups/*/members/$ref", writeMembers},
	{http.MethodDelete, "groups/*/members/*/$ref", writeMembers},
}

// ofProperty is the need for changing a property of a user: a permission for this
// property only, or one for all properties.
func ofProperty(name string) need {
	switch permission := directory.Attribute(name).Facts().Permission; {
	case name == string(directory.AccountEnabled):
		return enableUsers
	case name == string(thePassword):
		return writePasswords
	case permission != "":
		return need{writeUsers, []string{permission, writeUsers, writeAll}}
	default:
		return updateUsers
	}
}

// demand is a need of a request, and the property that has it; "" if the complete
// request has it.
type demand struct {
	need
	property string
}

// demands are all needs of a request; none for a request that is not in the table.
func demands(r request) []demand {
	path := pathOf(r.URL)
	switch {
	case r.Method == http.MethodPatch && path == "users/*":
		return ofChanges(r.Body)
	case r.Method == http.MethodPatch && path == "groups/*":
		return []demand{{need: ofGroup(r)}}
	}
	for _, o := range operations {
		if o.method == r.Method && o.path == path {
			return []demand{{need: o.need}}
		}
	}
	return nil
}

// ofChanges are the needs of the properties of a user that are changed, sorted by name.
func ofChanges(body []byte) (all []demand) {
	for _, name := range names(body) {
		all = append(all, demand{ofProperty(name), name})
	}
	return all
}

// ofGroup is the need of a request that changes a group, or may create it.
func ofGroup(r request) need {
	changed := names(r.Body)
	switch {
	case r.createsIfMissing():
		return createGroups
	case len(changed) == 1 && changed[0] == "members@odata.bind":
		return writeMembers
	default:
		return writeGroups
	}
}

// names are the names of the properties in a body, without annotations.
func names(body []byte) (list []string) {
	var properties map[string]json.RawMessage
	if json.Unmarshal(body, &properties) != nil {
		return nil
	}
	for name := range properties {
		if !strings.HasPrefix(name, "@") {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// keyForm matches a segment with the key of an object, "groups(uniqueName='x')".
var keyForm = regexp.MustCompile(`^([a-z]+)\(.*\)$`)

// literals are the segments of paths that are neither an id nor a key.
var literals = map[string]bool{
	"organization": true, "users": true, "groups": true, "members": true, "manager": true, "$ref": true, "revokeSignInSessions": true, "assignLicense": true,
	"directoryObjects": true, "getByIds": true, "directory": true, "deletedItems": true, "graph.user": true, "graph.group": true, "restore": true,
}

// pathOf is the path of a URL below the version, with * for each id or key.
func pathOf(address string) string {
	path, _, _ := strings.Cut(address, "?")
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i, segment := range segments {
		segment = strings.ReplaceAll(segment, "%24", "$")
		switch key := keyForm.FindStringSubmatch(segment); {
		case key != nil:
			segments[i] = key[1] + "/*"
		case !literals[segment]:
			segments[i] = "*"
		default:
			segments[i] = segment
		}
	}
	return strings.Join(segments, "/")
}

// missingPermission is the fault for a request that Graph refused with 403 and whose
// token lacks a permission that it needs; nil if the token has it or if that cannot be
// known. The fault concerns the tenant and not the object: its kind is Unauthorized, so
// that the request is tried again, soon with a new token. Its subject is the property,
// if only one property of the request needs the missing permission.
func missingPermission(r request, status int, body []byte, carried token) error {
	if doubtOf(status, body) != rightMissing || !carried.rights.readable {
		return nil
	}
	all := demands(r)
	for _, d := range all {
		if d.grantedBy(carried.rights.roles) {
			continue
		}
		f := because(fault.Unauthorized, directory.PermissionMissing, "", "the application lacks the permission "+d.grant+
			" in the tenant: grant it in Entra, with admin consent")
		f.Op = "entra.permission"
		if slices.ContainsFunc(all, func(other demand) bool { return other.grantedBy(carried.rights.roles) }) {
			f.Subject = d.property
		}
		return f
	}
	return nil
}

// grantedBy reports whether the permissions are enough.
func (n need) grantedBy(roles []string) bool {
	return slices.ContainsFunc(n.enough, func(permission string) bool { return slices.Contains(roles, permission) })
}
