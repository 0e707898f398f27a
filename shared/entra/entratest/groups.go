package entratest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// requiredOfGroup are the properties that every create must have.
var requiredOfGroup = []string{"displayName", "mailEnabled", "mailNickname", "securityEnabled"}

// findGroup finds the group that the path names by id or by uniqueName.
func (c *call) findGroup(key string) (*object, *graphError) {
	if strings.Contains(c.op.template, "uniqueName") {
		return c.found(c.tenant.objects[strings.ToLower(c.tenant.byUniqueName[strings.ToLower(key)])], kindGroup, key)
	}
	o := c.tenant.objects[strings.ToLower(key)]
	if o == nil && !isGUID(key) {
		return nil, badRequest("Invalid object identifier '%s'.", key)
	}
	return c.found(o, kindGroup, key)
}

func (c *call) createGroup() (*answer, *graphError) {
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	return c.makeGroup(c.body)
}

// makeGroup makes a group from a body. The caller holds the lock.
func (c *call) makeGroup(body map[string]any) (*answer, *graphError) {
	t := c.tenant
	for _, name := range requiredOfGroup {
		if body[name] == nil {
			return nil, required(name, "Group")
		}
	}
	set, failure := newGroupValues(t, body)
	if failure != nil {
		return nil, failure
	}
	if set["isAssignableToRole"] == true && !c.mayAny(assignRoles...) {
		return nil, forbidden()
	}
	if failure := t.groupConflicts("", set, c.behaviour, c.now); failure != nil {
		return nil, failure
	}
	members, owners, failure := c.bound(nil, body)
	if failure != nil {
		return nil, failure
	}
	name, _ := body["displayName"].(string)
	nickname, _ := body["mailNickname"].(string)
	id := c.sim.random.objectID(t, kindGroup, name+"\x00"+nickname)
	o, failure := c.sim.commit(t, change{
		Kind: kindGroup, ID: id, Create: true, Set: set, Add: members, Owners: owners, hidden: c.hiddenUntil(id),
	}, c.now)
	if failure != nil {
		return nil, failure
	}
	return c.created(o, "groups"), nil
}

// newGroupValues checks a new group and completes its properties. Graph creates
// security groups and Microsoft 365 groups; only Exchange creates mail-enabled security
// groups and distribution lists.
func newGroupValues(t *tenant, body map[string]any) (map[string]any, *graphError) {
	set := groupValues(body)
	if failure := checkGroupValues(set); failure != nil {
		return nil, failure
	}
	types := textsOf(set["groupTypes"])
	unified, dynamic := slices.Contains(types, "Unified"), slices.Contains(types, "DynamicMembership")
	mail, security := set["mailEnabled"] == true, set["securityEnabled"] == true
	nickname, _ := set["mailNickname"].(string)
	switch {
	case unified != mail || !mail && !security:
		return nil, badRequest("The service does not currently support writes of mail-enabled groups. Please ensure that the mail-enablement property is unset and the security-enablement property is set.")
	case dynamic && set["membershipRule"] == nil:
		return nil, required("membershipRule", "Group")
	case set["isAssignableToRole"] == true && (!security || dynamic):
		return nil, badValue("isAssignableToRole", "Group")
	}
	if unified {
		address := nickname + "@" + t.defaultDomain()
		set["mail"], set["proxyAddresses"] = address, []any{"SMTP:" + address}
	}
	if set["visibility"] == nil && !unified {
		set["visibility"] = "Private"
	}
	if set["groupTypes"] == nil {
		set["groupTypes"] = []any{}
	}
	return set, nil
}

// groupValues are the properties in a body, without annotations and bindings.
func groupValues(body map[string]any) map[string]any {
	set := map[string]any{}
	for name, value := range body {
		if !strings.Contains(name, "@") {
			set[name] = withoutAnnotations(value)
		}
	}
	return set
}

func checkGroupValues(set map[string]any) *graphError {
	if nickname, has := set["mailNickname"].(string); has && !goodGroupMailNickname(nickname) {
		return badValue("mailNickname", "Group")
	}
	if description, has := set["description"].(string); has && length(description) > maxDescription {
		return badValue("description", "Group")
	}
	for _, kind := range textsOf(set["groupTypes"]) {
		if kind != "Unified" && kind != "DynamicMembership" {
			return badValue("groupTypes", "Group")
		}
	}
	return nil
}

func textsOf(value any) []string {
	var out []string
	items, _ := value.([]any)
	for _, item := range items {
		if s, isText := item.(string); isText {
			out = append(out, s)
		}
	}
	return out
}

// groupConflicts refuses a uniqueName, or a mailNickname among Microsoft 365 groups,
// that another group has. Display names need not be unique. A deleted group keeps its
// uniqueName as long as it can be restored (assumed; a switch of [Behaviour] changes
// it).
func (t *tenant) groupConflicts(self string, set map[string]any, how Behaviour, now time.Time) *graphError {
	if name, has := set["uniqueName"].(string); has {
		name = strings.ToLower(name)
		if other := holder(t.byUniqueName, name, self); other != "" {
			return conflict("uniqueName", other)
		}
		other := holder(t.deletedUniqueName, name, self)
		if deleted := t.objects[strings.ToLower(other)]; deleted != nil && !how.FreeDeletedName && now.Sub(deleted.Deleted) < softDeletedLife {
			return conflict("uniqueName", other)
		}
	}
	if !slices.Contains(textsOf(set["groupTypes"]), "Unified") {
		return nil
	}
	nickname, _ := set["mailNickname"].(string)
	if other := holder(t.byMailName, strings.ToLower(nickname), self); other != "" {
		return conflict("mailNickname", other)
	}
	if mail, has := set["mail"].(string); has {
		for _, index := range []map[string]string{t.byAddress, t.byUPN} {
			if other := holder(index, strings.ToLower(mail), self); other != "" {
				return conflict("proxyAddresses", other)
			}
		}
	}
	return nil
}

func (c *call) getGroup() (*answer, *graphError) {
	s, failure := c.selected(kindGroup)
	if failure != nil {
		return nil, failure
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	o, failure := c.findGroup(c.params[0])
	if failure != nil {
		return nil, failure
	}
	body := c.render(o, s)
	body["@odata.context"] = c.context("groups", s, true)
	return ok(body), nil
}

func (c *call) listGroups() (*answer, *graphError) { return c.list(kindGroup, "groups", false) }

func (c *call) patchGroup() (*answer, *graphError) {
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	o, failure := c.findGroup(c.params[0])
	if failure != nil {
		return nil, failure
	}
	return c.updateGroup(o)
}

// upsertGroup updates the group with that uniqueName, and with "Prefer:
// create-if-missing" creates it if there is none.
func (c *call) upsertGroup() (*answer, *graphError) {
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	o, failure := c.findGroup(c.params[0])
	if failure == nil {
		return c.updateGroup(o)
	}
	if !c.prefers("create-if-missing") || c.item && c.behaviour.World.UpsertAlone {
		return nil, failure
	}
	if !c.mayAny(createGroups...) {
		return nil, forbidden()
	}
	body := map[string]any{}
	for name, value := range c.body {
		body[name] = value
	}
	if given, has := body["uniqueName"].(string); has && given != c.params[0] {
		return nil, badValue("uniqueName", "Group")
	}
	body["uniqueName"] = c.params[0]
	return c.makeGroup(body)
}

// immutableOfGroup are the properties that cannot be changed after create.
var immutableOfGroup = []string{"isAssignableToRole", "uniqueName", "mailEnabled"}

// updateGroup writes properties and binds members, all or nothing. The caller holds the
// lock.
func (c *call) updateGroup(o *object) (*answer, *graphError) {
	set := groupValues(c.body)
	if failure := c.checkGroupWrite(o, set); failure != nil {
		return nil, failure
	}
	if c.body["members@odata.bind"] != nil && !c.mayAny(writeMembers...) {
		return nil, forbidden()
	}
	members, owners, failure := c.bound(o, c.body)
	if failure != nil {
		return nil, failure
	}
	if failure := checkGroupValues(set); failure != nil {
		return nil, failure
	}
	if renamed, has := set["mailNickname"].(string); has && o.isM365() {
		if other := holder(c.tenant.byMailName, strings.ToLower(renamed), o.ID); other != "" {
			return nil, conflict("mailNickname", other)
		}
	}
	_, failure = c.sim.commit(c.tenant, change{Kind: kindGroup, ID: o.ID, Set: set, Add: members, Owners: owners}, c.now)
	return noContent(), failure
}

// checkGroupWrite checks a PATCH against the permissions and the kind of the group.
// Members have rules of their own.
func (c *call) checkGroupWrite(o *object, set map[string]any) *graphError {
	if o.is("isManagementRestricted") {
		return forbidden()
	}
	if len(set) > 0 || c.body["owners@odata.bind"] != nil {
		switch {
		case !c.mayAny(writeGroups...):
			return forbidden()
		case o.is("onPremisesSyncEnabled"):
			return masteredOnPremises()
		case o.is("isAssignableToRole") && !c.mayAny(assignRoles...):
			return forbidden()
		case o.is("mailEnabled") && !o.isM365():
			return forbidden()
		}
	}
	for _, name := range immutableOfGroup {
		if value, has := set[name]; has && value != o.Props[name].Value {
			return badRequest("Property '%s' is read-only and cannot be set.", name)
		}
	}
	for _, name := range requiredOfGroup {
		if value, has := set[name]; has && value == nil {
			return badValue(name, "Group")
		}
	}
	return nil
}

// keptWhenDeleted reports whether a group stays in deletedItems for a while after it was
// deleted. Those mastered on premises do not, and in national clouds no security group does.
func keptWhenDeleted(o *object, how Behaviour) bool {
	return o.isM365() || !how.HardDeleteGroups && !o.is("onPremisesSyncEnabled")
}

// deleteGroup moves a group to deletedItems (Microsoft Graph documentation, delete
// group; since 2026 security groups stay there, too, in the public cloud).
func (c *call) deleteGroup() (*answer, *graphError) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	o, failure := c.findGroup(c.params[0])
	if failure != nil {
		return nil, failure
	}
	switch {
	case o.is("isManagementRestricted") || o.is("isAssignableToRole") && !c.mayAny(assignRoles...):
		return nil, forbidden()
	case o.is("onPremisesSyncEnabled"):
		return nil, masteredOnPremises()
	case o.is("mailEnabled") && !o.isM365():
		return nil, forbidden()
	}
	soft := keptWhenDeleted(o, c.behaviour)
	_, failure = c.sim.commit(t, change{Kind: kindGroup, ID: o.ID, Delete: soft, Purge: !soft}, c.now)
	if failure != nil {
		return nil, failure
	}
	return &answer{status: http.StatusNoContent}, nil
}
