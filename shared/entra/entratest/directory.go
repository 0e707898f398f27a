package entratest

import (
	"slices"
	"strings"
)

// domainValues is a domain as /domains shows it.
func (t *tenant) domainValues(d Domain) map[string]any {
	kind := "Managed"
	if d.Federated {
		kind = "Federated"
	}
	return map[string]any{
		"id": d.Name, "authenticationType": kind, "isVerified": !d.Unverified, "isDefault": d.Name == t.defaultDomain(),
		"isInitial": d.Initial, "isRoot": true, "isAdminManaged": true, "supportedServices": []any{"Email", "OfficeCommunicationsOnline"},
		"availabilityStatus": nil, "manufacturer": nil, "model": nil, "passwordNotificationWindowInDays": 14,
		"passwordValidityPeriodInDays": 2147483647, "state": nil,
	}
}

func (c *call) listDomains() (*answer, *graphError) {
	s, failure := c.selected(kindDomain)
	if failure != nil {
		return nil, failure
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	value := []any{}
	for _, d := range c.tenant.Domains {
		value = append(value, narrowed(c.tenant.domainValues(d), s))
	}
	return ok(map[string]any{"@odata.context": c.context("domains", s, false), "value": value}), nil
}

func (c *call) getDomain() (*answer, *graphError) {
	s, failure := c.selected(kindDomain)
	if failure != nil {
		return nil, failure
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	d, known := c.tenant.domain(c.params[0])
	if !known {
		return nil, notFound(c.params[0])
	}
	body := narrowed(c.tenant.domainValues(d), s)
	body["@odata.context"] = c.context("domains", s, true)
	return ok(body), nil
}

// narrowed keeps the selected values.
func narrowed(values map[string]any, s selection) map[string]any {
	if s.names == nil {
		return values
	}
	out := map[string]any{}
	for _, name := range s.names {
		out[name] = values[name]
	}
	return out
}

// listOrganization returns the tenant with its verified domains. So an app can read
// them without Domain.Read.All.
func (c *call) listOrganization() (*answer, *graphError) {
	s, failure := c.selected(kindOrganization)
	if failure != nil {
		return nil, failure
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	domains := []any{}
	for _, d := range c.tenant.Domains {
		if !d.Unverified {
			kind := "Managed"
			if d.Federated {
				kind = "Federated"
			}
			domains = append(domains, map[string]any{
				"name": d.Name, "type": kind, "isDefault": d.Name == c.tenant.defaultDomain(), "isInitial": d.Initial,
				"capabilities": "Email, OfficeCommunicationsOnline",
			})
		}
	}
	values := map[string]any{
		"id": c.tenant.ID, "displayName": c.tenant.Name, "tenantType": "AAD", "verifiedDomains": domains,
		"onPremisesSyncEnabled": nil, "businessPhones": []any{}, "countryLetterCode": nil, "deletedDateTime": nil,
	}
	return ok(map[string]any{"@odata.context": c.context("organization", s, false), "value": []any{narrowed(values, s)}}), nil
}

// getByIDs returns the objects with up to 1,000 ids and leaves out those that do not
// exist. An agentUser counts as a user among the types, because it is a subtype
// (assumed).
func (c *call) getByIDs() (*answer, *graphError) {
	s, failure := c.selected(kindObject)
	if failure != nil {
		return nil, failure
	}
	types := textsOf(c.body["types"])
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	value := []any{}
	seen := map[string]bool{}
	for _, id := range textsOf(c.body["ids"]) {
		o := c.tenant.live(id, c.now)
		if o == nil && !isGUID(id) {
			return nil, badRequest("Invalid object identifier '%s'.", id)
		}
		if o == nil || seen[o.ID] || len(types) > 0 && !slices.Contains(types, o.Kind) && !slices.Contains(types, kindObject) {
			continue
		}
		seen[o.ID] = true
		shown := c.limited(o, c.render(o, s))
		shown["@odata.type"] = o.odataType()
		shown["id"] = o.ID
		if c.behaviour.World.SparseByIDs {
			delete(shown, "accountEnabled")
		}
		value = append(value, shown)
	}
	return ok(map[string]any{"@odata.context": c.context("directoryObjects", s, false), "value": value}), nil
}

// limited sets the properties of an object to null if the app may not read objects of
// its kind (Microsoft Graph documentation, limited information
// returned for inaccessible member objects).
func (c *call) limited(o *object, shown map[string]any) map[string]any {
	readers := map[string][]all{kindUser: readUsers, kindGroup: readGroups}
	if c.mayAny(readers[o.Kind]...) {
		return shown
	}
	for name := range shown {
		shown[name] = nil
	}
	return shown
}

// listDeletedUncast refuses a list of all kinds (Graph error observed by users).
func (c *call) listDeletedUncast() (*answer, *graphError) {
	return nil, unsupportedQuery("Searches against this resource are not supported. Only specific instances can be queried.")
}

func (c *call) listDeletedUsers() (*answer, *graphError) {
	if c.behaviour.World.NoDeletedSearch && c.query.Has("$filter") {
		return nil, unsupportedQuery("Unsupported Query.")
	}
	if failure := c.expire(); failure != nil {
		return nil, failure
	}
	return c.list(kindUser, "users", true)
}

func (c *call) listDeletedGroups() (*answer, *graphError) {
	if failure := c.expire(); failure != nil {
		return nil, failure
	}
	return c.list(kindGroup, "groups", true)
}

// expire purges the objects that were deleted 30 days ago or earlier.
func (c *call) expire() *graphError {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range slices.Clone(t.order) {
		if o.Deleted.IsZero() || c.now.Sub(o.Deleted) < softDeletedLife {
			continue
		}
		if _, failure := c.sim.commit(t, change{Kind: o.Kind, ID: o.ID, Purge: true}, c.now); failure != nil {
			return failure
		}
	}
	return nil
}

// deletedItem is the deleted object that the path names. The caller holds the
// lock.
func (c *call) deletedItem() (*object, *graphError) {
	o := c.tenant.objects[strings.ToLower(c.params[0])]
	if o == nil || o.Purged || o.Deleted.IsZero() || c.now.Sub(o.Deleted) >= softDeletedLife {
		return nil, notFound(c.params[0])
	}
	return o, nil
}

func (c *call) getDeleted() (*answer, *graphError) {
	s, failure := c.selected(kindObject)
	if failure != nil {
		return nil, failure
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	o, failure := c.deletedItem()
	if failure != nil {
		return nil, failure
	}
	body := c.render(o, s)
	body["@odata.context"], body["@odata.type"] = c.context("directoryObjects", s, true), o.odataType()
	return ok(body), nil
}

// mayChangeDeleted reports whether the app may purge or restore a deleted object.
func (c *call) mayChangeDeleted(o *object) bool {
	if o.Kind == kindGroup {
		return c.mayAny(writeGroups...)
	}
	return c.mayAny(deleteUsers...) && c.mayActOn(o, false)
}

func (c *call) purgeDeleted() (*answer, *graphError) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	o, failure := c.deletedItem()
	if failure != nil {
		return nil, failure
	}
	if !c.mayChangeDeleted(o) {
		return nil, forbidden()
	}
	_, failure = c.sim.commit(t, change{Kind: o.Kind, ID: o.ID, Purge: true}, c.now)
	return noContent(), failure
}

// softDeletion moves an object to deletedItems. It puts the id of a user, without
// hyphens, before its UPN, so that others may use the name (observed by users of
// deletedItems); a restore removes the id.
func softDeletion(o *object, how Behaviour) change {
	deletion := change{Kind: o.Kind, ID: o.ID, Delete: true}
	if o.Kind == kindUser && !how.PlainDeletedUPN {
		deletion.Set = map[string]any{"userPrincipalName": deletedPrefix(o) + o.text("userPrincipalName")}
	}
	return deletion
}

func deletedPrefix(o *object) string { return strings.ReplaceAll(o.ID, "-", "") }

// restoreDeleted restores an object with its id and memberships. If another object has
// its name meanwhile, that is a conflict unless newUserPrincipalName resolves it; with
// autoReconcileProxyConflict, conflicting addresses are dropped.
func (c *call) restoreDeleted() (*answer, *graphError) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	o, failure := c.deletedItem()
	if failure != nil {
		return nil, failure
	}
	if !c.mayChangeDeleted(o) {
		return nil, forbidden()
	}
	restore := change{Kind: o.Kind, ID: o.ID, Restore: true, Set: map[string]any{}}
	if failure := c.restoredNames(o, restore.Set); failure != nil {
		return nil, failure
	}
	if o, failure = c.sim.commit(t, restore, c.now); failure != nil {
		return nil, failure
	}
	body := c.render(o, selection{})
	body["@odata.context"], body["@odata.type"] = c.context("directoryObjects", selection{}, true), o.odataType()
	return ok(body), nil
}

// restoredNames finds the names of the object after its restore.
func (c *call) restoredNames(o *object, set map[string]any) *graphError {
	t := c.tenant
	names := map[string]any{}
	for _, name := range []string{"mail", "onPremisesImmutableId", "uniqueName", "mailNickname", "groupTypes"} {
		if value := o.Props[name].Value; value != nil {
			names[name] = value
		}
	}
	if o.Kind == kindGroup {
		return t.groupConflicts(o.ID, names, c.behaviour, c.now)
	}
	upn := strings.TrimPrefix(o.text("userPrincipalName"), deletedPrefix(o))
	if renamed, has := c.body["newUserPrincipalName"].(string); has && renamed != "" {
		if _, failure := t.checkUPN(renamed); failure != nil {
			return failure
		}
		upn = renamed
	}
	set["userPrincipalName"], names["userPrincipalName"] = upn, upn
	if reconcile, _ := c.body["autoReconcileProxyConflict"].(bool); reconcile && t.conflicts(o.ID, map[string]any{"mail": names["mail"]}) != nil {
		set["mail"], set["proxyAddresses"] = nil, []any{}
		delete(names, "mail")
	}
	return t.conflicts(o.ID, names)
}
