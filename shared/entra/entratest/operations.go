package entratest

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// operation is what the simulator does for one method of one path, its cost and the
// permissions that it needs.
type operation struct {
	template string
	method   string
	handle   func(*call) (*answer, *graphError)
	roles    []all

	units        int // resource units; 0 means 1
	selectSaves  int // units that $select saves, if not 1
	write        bool
	reference    bool   // writes a $ref, a replica that lags does not find its object either
	free         bool   // costs nothing itself: $batch
	object       string // kind of object in the body: checked property by property
	bodyOptional bool
	query        []string // options that the service knows and the description lacks
	body         []string // properties of a body that the description lacks
	counted      bool     // the list has a /$count
}

// key is the key of the operation in the description.
func (o *operation) key() string { return o.method + " " + o.template }

// Endings of a list that is cast to one type.
const castUser, castGroup = "/graph.user", "/graph.group"

var (
	routeOnce  sync.Once
	routeTable []*route
)

// routes are all paths, sorted so that literals come before parameters. The table is
// made at first use, because the handler of batches uses it.
func routes() []*route {
	routeOnce.Do(func() { routeTable = makeRoutes() })
	return routeTable
}

func makeRoutes() []*route {
	byTemplate := map[string]*route{}
	var all []*route
	add := func(op *operation) {
		r := byTemplate[op.template]
		if r == nil {
			r = newRoute(op.template)
			byTemplate[op.template] = r
			all = append(all, r)
		}
		r.methods[op.method] = op
	}
	for _, table := range [][]*operation{userOperations(), groupOperations(), directoryOperations()} {
		for _, op := range table {
			add(op)
			if op.counted {
				add(countOf(op))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *route) int { return strings.Compare(order(b), order(a)) })
	return all
}

// order is a sort key that is greater for paths with literals further left.
func order(r *route) string {
	key := ""
	for _, segment := range r.pattern {
		if segment == "" {
			key += "0"
		} else {
			key += "1"
		}
	}
	return key
}

func userOperations() []*operation {
	const user, byName = "/users/{user-id}", "/users(userPrincipalName='{userPrincipalName}')"
	ops := []*operation{
		{template: "/users", method: http.MethodGet, handle: (*call).listUsers, roles: readUsers, units: 2, counted: true},
		{template: "/users", method: http.MethodPost, handle: (*call).createUser, roles: createUsers, write: true, object: kindUser},
		{template: "/users/delta()", method: http.MethodGet, handle: (*call).deltaUsers, roles: readUsers},
		{template: user + "/manager", method: http.MethodGet, handle: (*call).getManager, roles: readUsers},
		{template: user + "/manager", method: http.MethodPut, handle: (*call).onlyContained, write: true, bodyOptional: true},
		{template: user + "/manager", method: http.MethodPatch, handle: (*call).onlyContained, write: true, bodyOptional: true},
		{template: user + "/manager/$ref", method: http.MethodGet, handle: (*call).getManagerRef, roles: readUsers},
		{template: user + "/manager/$ref", method: http.MethodPut, handle: (*call).putManager, roles: writeManagers, write: true, reference: true},
		{template: user + "/manager/$ref", method: http.MethodDelete, handle: (*call).deleteManager, roles: writeManagers, write: true, reference: true},
		{template: user + "/directReports", method: http.MethodGet, handle: (*call).listDirectReports, roles: readUsers, query: listOptions, counted: true},
		{template: user + "/checkMemberGroups", method: http.MethodPost, handle: (*call).checkMemberGroups, roles: readAnything, units: 4, body: []string{"groupIds"}},
		{template: user + "/memberOf", method: http.MethodGet, handle: (*call).listMemberOf, roles: readAnything, units: 2, query: listOptions, counted: true},
		{template: user + "/transitiveMemberOf", method: http.MethodGet, handle: (*call).listTransitiveMemberOf, roles: readAnything, units: 2, query: listOptions, counted: true},
		{template: user + "/assignLicense", method: http.MethodPost, handle: (*call).assignLicense, roles: assignLicenses, write: true},
		{template: user + "/revokeSignInSessions", method: http.MethodPost, handle: (*call).revokeSessions, roles: revokeSessions, write: true},
	}
	for _, template := range []string{user, byName} {
		ops = append(ops,
			&operation{template: template, method: http.MethodGet, handle: (*call).getUser, roles: readUsers},
			&operation{template: template, method: http.MethodPatch, handle: (*call).patchUser, write: true, object: kindUser},
			&operation{template: template, method: http.MethodDelete, handle: (*call).deleteUser, roles: deleteUsers, write: true},
		)
	}
	return ops
}

func groupOperations() []*operation {
	const group, byName = "/groups/{group-id}", "/groups(uniqueName='{uniqueName}')"
	ops := []*operation{
		{template: "/groups", method: http.MethodGet, handle: (*call).listGroups, roles: readGroups, counted: true},
		{template: "/groups", method: http.MethodPost, handle: (*call).createGroup, roles: createGroups, write: true, object: kindGroup},
		{template: "/groups/delta()", method: http.MethodGet, handle: (*call).deltaGroups, roles: readGroups},
		{template: group + "/members", method: http.MethodPost, handle: (*call).onlyContained, write: true, bodyOptional: true},
		{template: group + "/members", method: http.MethodPatch, handle: (*call).onlyContained, write: true, bodyOptional: true},
		{template: group + "/checkMemberGroups", method: http.MethodPost, handle: (*call).checkMemberGroups, roles: readAnything, units: 4, body: []string{"groupIds"}},
		{template: group + "/owners", method: http.MethodGet, handle: (*call).listOwners, roles: readGroups, counted: true},
		{template: group + "/members/$ref", method: http.MethodGet, handle: (*call).listMemberRefs, roles: readGroups, units: 3},
		{template: group + "/members/$ref", method: http.MethodPost, handle: (*call).addMember, roles: writeMembers, write: true, reference: true},
		{template: group + "/members/$ref", method: http.MethodDelete, handle: (*call).removeMember, roles: writeMembers, write: true, reference: true},
		{template: group + "/members/{directoryObject-id}/$ref", method: http.MethodDelete, handle: (*call).removeMember, roles: writeMembers, write: true, reference: true},
		{template: group + "/members/{directoryObject-id}", method: http.MethodDelete, handle: (*call).deleteMemberObject, write: true},
		{template: byName, method: http.MethodGet, handle: (*call).getGroup, roles: readGroups},
		{template: byName, method: http.MethodPatch, handle: (*call).upsertGroup, roles: upsertGroups, write: true, object: kindGroup},
		{template: byName, method: http.MethodDelete, handle: (*call).deleteGroup, roles: writeGroups, write: true},
		{template: group, method: http.MethodGet, handle: (*call).getGroup, roles: readGroups},
		{template: group, method: http.MethodPatch, handle: (*call).patchGroup, roles: writeMembers, write: true, object: kindGroup},
		{template: group, method: http.MethodDelete, handle: (*call).deleteGroup, roles: writeGroups, write: true},
	}
	for _, cast := range []string{"", castUser, castGroup} {
		ops = append(ops,
			&operation{template: group + "/members" + cast, method: http.MethodGet, handle: (*call).listMembers, roles: readGroups, units: 3, query: listOptions, counted: true},
			&operation{template: group + "/transitiveMembers" + cast, method: http.MethodGet, handle: (*call).listTransitiveMembers, roles: readGroups, units: 5, query: listOptions, counted: true},
		)
	}
	return ops
}

func directoryOperations() []*operation {
	const deleted = "/directory/deletedItems"
	return []*operation{
		{template: "/$batch", method: http.MethodPost, handle: (*call).batch, free: true},
		{template: "/domains", method: http.MethodGet, handle: (*call).listDomains, roles: readDomains},
		{template: "/domains/{domain-id}", method: http.MethodGet, handle: (*call).getDomain, roles: readDomains},
		{template: "/organization", method: http.MethodGet, handle: (*call).listOrganization, roles: readOrg},
		{template: "/directoryObjects/{directoryObject-id}", method: http.MethodGet, handle: (*call).getObject, roles: readAnything, query: []string{"$select"}},
		{template: "/directoryObjects/{directoryObject-id}/checkMemberGroups", method: http.MethodPost, handle: (*call).checkMemberGroups, roles: readAnything, units: 4, body: []string{"groupIds"}},
		{template: "/directoryObjects/getByIds", method: http.MethodPost, handle: (*call).getByIDs, roles: readAnything, units: 5, selectSaves: 3, query: []string{"$select"}},
		{template: deleted, method: http.MethodGet, handle: (*call).listDeletedUncast, query: []string{"$select", "$filter", "$top"}},
		{template: deleted + castUser, method: http.MethodGet, handle: (*call).listDeletedUsers, roles: readUsers, query: []string{"$skiptoken"}, counted: true},
		{template: deleted + castGroup, method: http.MethodGet, handle: (*call).listDeletedGroups, roles: readGroups, query: []string{"$skiptoken"}, counted: true},
		{template: deleted + "/{directoryObject-id}", method: http.MethodGet, handle: (*call).getDeleted, roles: readAnything},
		{template: deleted + "/{directoryObject-id}", method: http.MethodDelete, handle: (*call).purgeDeleted, write: true},
		{template: deleted + "/{directoryObject-id}/restore", method: http.MethodPost, handle: (*call).restoreDeleted, write: true, bodyOptional: true},
	}
}

// listOptions are the options of a list of related objects.
var listOptions = []string{"$select", "$filter", "$top", "$count", "$search", "$orderby", "$skiptoken"}

// onlyContained answers writes to a relationship without /$ref (Graph error
// observed by integrators).
func (c *call) onlyContained() (*answer, *graphError) {
	return nil, malformed("Write requests are only supported on contained entities")
}
