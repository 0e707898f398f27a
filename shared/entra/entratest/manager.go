package entratest

import "strings"

// managerOf is the manager of the user that the path names; 404 if the user has none or
// the manager cannot be read.
func (c *call) managerOf() (*object, *graphError) {
	user, failure := c.findUser(c.params[0])
	if failure != nil {
		return nil, failure
	}
	if manager := c.tenant.live(user.Manager, c.now); user.Manager != "" && manager != nil {
		return manager, nil
	}
	return nil, notFound("manager")
}

func (c *call) getManager() (*answer, *graphError) {
	s, failure := c.selected(kindUser)
	if failure != nil {
		return nil, failure
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	manager, failure := c.managerOf()
	if failure != nil {
		return nil, failure
	}
	body := c.render(manager, s)
	body["@odata.context"] = c.context("directoryObjects", s, true)
	body["@odata.type"] = manager.odataType()
	return ok(body), nil
}

func (c *call) getManagerRef() (*answer, *graphError) {
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	manager, failure := c.managerOf()
	if failure != nil {
		return nil, failure
	}
	return ok(map[string]any{
		"@odata.context": c.base + "/$metadata#$ref", "@odata.id": c.base + "/directoryObjects/" + manager.ID,
	}), nil
}

func (c *call) putManager() (*answer, *graphError) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	user, failure := c.findUser(c.params[0])
	if failure != nil {
		return nil, failure
	}
	manager, failure := c.referenced(c.body["@odata.id"])
	switch {
	case failure != nil:
		return nil, failure
	case manager.Kind != kindUser:
		return nil, badRequest("The object is not of a type that can be a manager.")
	}
	return c.writeManager(user, manager.ID)
}

func (c *call) deleteManager() (*answer, *graphError) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	user, failure := c.findUser(c.params[0])
	if failure != nil {
		return nil, failure
	}
	if user.Manager == "" {
		return nil, notFound("manager")
	}
	return c.writeManager(user, "")
}

func (c *call) writeManager(user *object, id string) (*answer, *graphError) {
	switch {
	case user.is("isManagementRestricted"):
		return nil, forbidden()
	case user.is("onPremisesSyncEnabled"):
		return nil, masteredOnPremises()
	}
	_, failure := c.sim.commit(c.tenant, change{Kind: kindUser, ID: user.ID, Manager: &id}, c.now)
	return noContent(), failure
}

func (c *call) listMemberOf() (*answer, *graphError) { return c.groupsOfUser(false) }

func (c *call) listTransitiveMemberOf() (*answer, *graphError) { return c.groupsOfUser(true) }

func (c *call) groupsOfUser(transitive bool) (*answer, *graphError) {
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	user, failure := c.findUser(c.params[0])
	if failure != nil {
		return nil, failure
	}
	seen := map[string]bool{}
	var out []related
	for todo := []string{user.ID}; len(todo) > 0; todo = todo[1:] {
		for id := range c.tenant.memberOf[todo[0]] {
			group := c.tenant.live(id, c.now)
			if group == nil || seen[strings.ToLower(group.ID)] {
				continue
			}
			seen[strings.ToLower(group.ID)] = true
			out = append(out, related{group.ID, group.Ordinal})
			if transitive {
				todo = append(todo, group.ID)
			}
		}
	}
	return c.relatedPage(byN(out))
}
