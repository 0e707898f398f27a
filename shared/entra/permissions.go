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

// need is what the application must have been granted for a request, or for one
// property in it.
type need struct {
	ask    string   // what to grant: a permission that the README lists
	enough []string // the permissions of which any one is enough
}

// What each thing needs (Microsoft Graph documentation, permissions of each method
// and of each property of users). Whatever is known to be enough stands here, so that
// a permission is called missing only where none is there; what else may be in the
// way then, such as a role of the account, is for [refusal].
var (
	readOrganization = need{"Organization.Read.All", []string{"Organization.Read.All", "Organization.ReadWrite.All", readAll, writeAll}}
	readUsers        = need{writeUsers, []string{"User.Read.All", writeUsers, readAll, writeAll}}
	createUsers      = need{writeUsers, []string{"User.Create", writeUsers, writeAll}}
	updateUsers      = need{writeUsers, []string{"User.ReadUpdate.All", writeUsers, writeAll}}
	enableUsers      = need{"User.EnableDisableAccount.All", []string{"User.EnableDisableAccount.All", writeUsers, writeAll}}
	writePasswords   = need{"User-PasswordProfile.ReadWrite.All", []string{"User-PasswordProfile.ReadWrite.All"}}
	writeManagers    = need{writeUsers, []string{writeUsers, writeAll}}
	revokeSessions   = need{"User.RevokeSessions.All", []string{"User.RevokeSessions.All", writeUsers, writeAll}}
	restoreObjects   = need{writeUsers, []string{"User.DeleteRestore.All", writeUsers, "Group.ReadWrite.All", writeAll}} // users and groups alike
	readGroups       = need{"Group.ReadWrite.All", []string{"GroupMember.Read.All", "Group.Read.All", "GroupMember.ReadWrite.All", "Group.ReadWrite.All", readAll, writeAll}}
	createGroups     = need{"Group.ReadWrite.All", []string{"Group.Create", "Group.ReadWrite.All", writeAll}}
	writeGroups      = need{"Group.ReadWrite.All", []string{"Group.Create", "Group.ReadWrite.All", writeAll}} // Group.Create is enough for groups that the application owns
	writeMembers     = need{"GroupMember.ReadWrite.All", []string{"GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Group.Create", writeAll}}
)

// The permissions that hold for everything in a directory, and for all of a user.
const readAll, writeAll, writeUsers = "Directory.Read.All", "Directory.ReadWrite.All", "User.ReadWrite.All"

// operations are the requests that we make, by method and path; * stands for an id or
// a key.
var operations = []struct {
	method, path string
	need         need
}{
	{http.MethodGet, "organization", readOrganization},
	{http.MethodGet, "users/*", readUsers},
	{http.MethodGet, "directory/deletedItems/graph.user", readUsers},
	{http.MethodPost, "users", createUsers},
	{http.MethodPut, "users/*/manager/$ref", writeManagers},
	{http.MethodDelete, "users/*/manager/$ref", writeManagers},
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

// ofProperty is the need of a property of a user to be changed: one of its own, or that
// of all properties with what is enough for it besides.
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

// demand is a need of a request, and the property that has it; "" if that is the
// request as a whole.
type demand struct {
	need
	property string
}

// demands are what a request needs, all of it; nothing for one that we do not know.
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

// ofChanges are the needs of the properties of a user that are changed, in the order
// of their names.
func ofChanges(body []byte) (all []demand) {
	for _, name := range names(body) {
		all = append(all, demand{ofProperty(name), name})
	}
	return all
}

// ofGroup is the need of a change to a group, which may be one that makes it.
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

// names are the names of the properties in a body, without what only describes it.
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

// keyForm is a segment with the key of an object, "groups(uniqueName='x')".
var keyForm = regexp.MustCompile(`^([a-z]+)\(.*\)$`)

// literals are the segments of paths that are no id and no key.
var literals = map[string]bool{
	"organization": true, "users": true, "groups": true, "members": true, "manager": true, "$ref": true, "revokeSignInSessions": true,
	"directory": true, "deletedItems": true, "graph.user": true, "graph.group": true, "restore": true,
}

// pathOf is the path of an address below the version, with a star for each id or key.
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

// missingPermission is the fault for a request that Graph refused with 403 when the
// token lacks what the request needs; nil if it does not or if that cannot be known.
// It concerns the tenant and not the object: Unauthorized, so that it is tried again,
// and with a new token soon. Its subject is the property, if one property needs what
// is missing and others in the request do not.
func missingPermission(r request, status int, body []byte, carried token) error {
	if doubtOf(status, body) != rightMissing || !carried.rights.readable {
		return nil
	}
	all := demands(r)
	for _, d := range all {
		if d.metBy(carried.rights.roles) {
			continue
		}
		f := because(fault.Unauthorized, directory.PermissionMissing, "", "the application lacks the permission "+d.ask+
			" in the tenant: grant it in Entra, with admin consent")
		f.Op = "entra.permission"
		if slices.ContainsFunc(all, func(other demand) bool { return other.metBy(carried.rights.roles) }) {
			f.Subject = d.property
		}
		return f
	}
	return nil
}

// metBy reports whether permissions are enough.
func (n need) metBy(roles []string) bool {
	return slices.ContainsFunc(n.enough, func(permission string) bool { return slices.Contains(roles, permission) })
}
