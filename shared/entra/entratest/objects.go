package entratest

import (
	"maps"
	"slices"
	"strings"
)

// maxCheckedGroups is the highest number of groups for one checkMemberGroups (Microsoft
// Graph documentation, directoryObject: checkMemberGroups).
const maxCheckedGroups = 20

// findObject finds the object of any kind that the path names; below /users the name
// may be a userPrincipalName. The caller holds the lock.
func (c *call) findObject() (*object, *graphError) {
	key := c.params[0]
	switch {
	case strings.HasPrefix(c.op.template, "/users"):
		return c.findUser(key)
	case strings.HasPrefix(c.op.template, "/groups"):
		return c.findGroup(key)
	}
	o := c.tenant.objects[strings.ToLower(key)]
	if o == nil && !isGUID(key) {
		return nil, badRequest("Invalid object identifier '%s'.", key)
	}
	if o == nil {
		return nil, notFound(key)
	}
	return c.found(o, o.Kind, key)
}

// odataType is the type of an object as answers name it.
func (o *object) odataType() string {
	if o.Facts.Agent {
		return agentType
	}
	return "#microsoft.graph." + o.Kind
}

// agentType is the type of an account of an agent, a subtype of user (Microsoft Graph,
// what's new, May 2026).
const agentType = "#microsoft.graph.agentUser"

// getObject shows a directory object with its kind.
func (c *call) getObject() (*answer, *graphError) {
	s, failure := c.selected(kindObject)
	if failure != nil {
		return nil, failure
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	o, failure := c.findObject()
	if failure != nil {
		return nil, failure
	}
	body := c.render(o, s)
	body["@odata.context"], body["@odata.type"] = c.context("directoryObjects", s, true), o.odataType()
	return ok(body), nil
}

// listDirectReports lists the users whose manager a user is.
func (c *call) listDirectReports() (*answer, *graphError) {
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	user, failure := c.findUser(c.params[0])
	if failure != nil {
		return nil, failure
	}
	var reports []related
	for id := range c.tenant.reports[user.ID] {
		if o := c.tenant.live(id, c.now); o != nil {
			reports = append(reports, related{o.ID, o.Ordinal})
		}
	}
	return c.relatedPage(byN(reports))
}

// checkMemberGroups returns those of the given groups that have an object as a member,
// directly or through other groups.
func (c *call) checkMemberGroups() (*answer, *graphError) {
	given, isList := c.body["groupIds"].([]any)
	if !isList {
		return nil, malformed("The parameter 'groupIds' must be a collection of identifiers.")
	}
	if len(given) > maxCheckedGroups {
		return nil, badRequest("The number of values in 'groupIds' must not exceed %d.", maxCheckedGroups)
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	o, failure := c.findObject()
	if failure != nil {
		return nil, failure
	}
	containing := c.groupsWith(o)
	value := []any{}
	for _, each := range given {
		id, isText := each.(string)
		if !isText || !isGUID(id) {
			return nil, badRequest("Invalid object identifier '%v'.", each)
		}
		if group := c.tenant.live(id, c.now); group != nil && slices.Contains(containing, group.ID) {
			value = append(value, group.ID)
		}
	}
	return ok(map[string]any{"@odata.context": c.base + "/$metadata#Collection(Edm.String)", "value": value}), nil
}

// groupsWith are the groups that have an object as a member at any depth. The caller
// holds the lock.
func (c *call) groupsWith(o *object) []string {
	seen := map[string]bool{}
	for todo := []string{o.ID}; len(todo) > 0; todo = todo[1:] {
		for id := range c.tenant.memberOf[todo[0]] {
			if group := c.tenant.live(id, c.now); group != nil && !seen[group.ID] {
				seen[group.ID] = true
				todo = append(todo, group.ID)
			}
		}
	}
	return slices.Collect(maps.Keys(seen))
}
