package entratest

import (
	"net/http"
	"strings"
	"time"
)

// defaultUserProperties are the properties in an answer without $select (Microsoft
// Graph documentation, user resource); accountEnabled is not among them.
var defaultUserProperties = []string{
	"businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
	"preferredLanguage", "surname", "userPrincipalName", "id",
}

// requiredOfUser are the properties that every create must have.
var requiredOfUser = []string{"accountEnabled", "displayName", "mailNickname", "userPrincipalName", "passwordProfile"}

// commit numbers a change, writes it to the journal and makes it. The caller holds the
// lock of the tenant.
func (s *Simulator) commit(t *tenant, c change, now time.Time) (*object, *graphError) {
	c.Seq, c.At = t.seq+1, now.UTC()
	if err := s.journal.append(t.ID, c); err != nil {
		return nil, internalError(err)
	}
	return t.apply(c), nil
}

// hiddenUntil is the time from which an object created now can be read.
func (c *call) hiddenUntil(id string) time.Time {
	if c.behaviour.Lag.Max <= 0 && c.behaviour.Lag.Min <= 0 {
		return time.Time{}
	}
	return c.now.Add(c.sim.random.lag(c.behaviour.Lag, id))
}

// findUser finds the user that the path names by id or by userPrincipalName.
func (c *call) findUser(key string) (*object, *graphError) {
	o := c.tenant.objects[strings.ToLower(key)]
	if o == nil || o.Kind != kindUser {
		o = c.tenant.objects[strings.ToLower(c.tenant.byUPN[strings.ToLower(key)])]
	}
	return c.found(o, kindUser, key)
}

// found refuses an object that is gone, deleted, of another kind or not replicated yet.
func (c *call) found(o *object, kind, key string) (*object, *graphError) {
	if o == nil || o.Kind != kind || o.Purged || !o.Deleted.IsZero() {
		return nil, notFound(key)
	}
	if o.hidden.After(c.now) && (!c.op.write || c.op.reference || c.behaviour.Lag.Writes) {
		return nil, notFound(key)
	}
	return o, nil
}

func (c *call) createUser() (*answer, *graphError) {
	upn, profile, failure := checkNewUser(c.body)
	if failure != nil {
		return nil, failure
	}
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	domain, failure := t.checkUPN(upn)
	if failure != nil {
		return nil, failure
	}
	if id, _ := c.body["onPremisesImmutableId"].(string); domain.Federated && id == "" {
		return nil, required("onPremisesImmutableId", "User")
	}
	policies, _ := c.body["passwordPolicies"].(string)
	password, _ := profile["password"].(string)
	if failure := checkPassword(password, upn, policies, domain); failure != nil {
		return nil, failure
	}
	if failure := t.conflicts("", c.body); failure != nil {
		return nil, failure
	}
	id := c.sim.random.objectID(t, kindUser, upn)
	known := c.sim.withPassword(facts{}, id, profile, c.now)
	set := userValues(nil, c.body)
	if set["userType"] == nil {
		set["userType"] = "Member"
	}
	o, failure := c.sim.commit(t, change{Kind: kindUser, ID: id, Create: true, Set: set, Facts: &known, hidden: c.hiddenUntil(id)}, c.now)
	if failure != nil {
		return nil, failure
	}
	return c.created(o, "users"), nil
}

// checkNewUser checks everything about a new user that does not depend on other
// objects.
func checkNewUser(body map[string]any) (upn string, profile map[string]any, failure *graphError) {
	for _, name := range requiredOfUser {
		if body[name] == nil {
			return "", nil, required(name, "User")
		}
	}
	profile, _ = body["passwordProfile"].(map[string]any)
	if password, _ := profile["password"].(string); password == "" {
		return "", nil, required("password", "User")
	}
	upn, _ = body["userPrincipalName"].(string)
	return upn, profile, checkUserValues(body)
}

// created is the answer to a create: 201 with the default properties, or 204
// when the client prefers less.
func (c *call) created(o *object, set string) *answer {
	location := c.base + "/directoryObjects/" + o.ID
	if c.prefers("return=minimal") {
		return noContent().set("Location", location).set("Preference-Applied", "return=minimal")
	}
	body := c.render(o, selection{})
	body["@odata.context"] = c.context(set, selection{}, true)
	return (&answer{status: http.StatusCreated, body: body}).set("Location", location)
}

func (c *call) prefers(what string) bool {
	for _, value := range c.header.Values("Prefer") {
		for _, part := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ';' }) {
			if strings.EqualFold(strings.TrimSpace(part), what) {
				return true
			}
		}
	}
	return false
}

// userValues turns a body into the properties to store. The old object is nil at
// create. mail also becomes the primary proxy address; employeeOrgData is replaced
// completely, so that a part that is not sent becomes null; extension attributes are
// kept one by one.
func userValues(old *object, body map[string]any) map[string]any {
	set := map[string]any{}
	for name, value := range body {
		switch {
		case strings.Contains(name, "@") || name == "passwordProfile":
		case name == "onPremisesExtensionAttributes":
			set[name] = mergedParts(old, name, value)
		default:
			set[name] = withoutAnnotations(value)
		}
	}
	if mail, has := set["mail"].(string); has {
		proxies := []any{"SMTP:" + mail}
		if old != nil {
			for _, proxy := range old.texts("proxyAddresses") {
				if _, address, _ := strings.Cut(proxy, ":"); !strings.EqualFold(address, mail) {
					proxies = append(proxies, "smtp:"+address)
				}
			}
		}
		set["proxyAddresses"] = proxies
	}
	return set
}

func mergedParts(old *object, name string, value any) any {
	parts, isObject := value.(map[string]any)
	if !isObject {
		return nil
	}
	merged := map[string]any{}
	if old != nil {
		before, _ := old.Props[name].Value.(map[string]any)
		for part, v := range before {
			merged[part] = v
		}
	}
	for part, v := range parts {
		if !strings.Contains(part, "@") {
			merged[part] = v
		}
	}
	return merged
}

func withoutAnnotations(value any) any {
	parts, isObject := value.(map[string]any)
	if !isObject {
		return value
	}
	out := map[string]any{}
	for part, v := range parts {
		if !strings.Contains(part, "@") {
			out[part] = v
		}
	}
	return out
}

func (c *call) patchUser() (*answer, *graphError) {
	if failure := checkUserValues(c.body); failure != nil {
		return nil, failure
	}
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	o, failure := c.findUser(c.params[0])
	if failure != nil {
		return nil, failure
	}
	if failure := c.checkUserWrite(o, c.body); failure != nil {
		return nil, failure
	}
	upn := o.text("userPrincipalName")
	if renamed, has := c.body["userPrincipalName"].(string); has {
		upn = renamed
		if _, failure := t.checkUPN(upn); failure != nil {
			return nil, failure
		}
	}
	if failure := c.checkFederation(o, c.body); failure != nil {
		return nil, failure
	}
	if failure := t.conflicts(o.ID, c.body); failure != nil {
		return nil, failure
	}
	update := change{Kind: kindUser, ID: o.ID, Set: userValues(o, c.body)}
	if profile, has := c.body["passwordProfile"].(map[string]any); has {
		if failure := c.changePassword(o, upn, profile, &update); failure != nil {
			return nil, failure
		}
	}
	_, failure = c.sim.commit(t, update, c.now)
	return noContent(), failure
}

// changePassword adds a password to an update. It ends the sessions.
func (c *call) changePassword(o *object, upn string, profile map[string]any, update *change) *graphError {
	if password, has := profile["password"].(string); has {
		_, domainName, _ := strings.Cut(upn, "@")
		domain, _ := c.tenant.domain(domainName)
		policies := o.text("passwordPolicies")
		if changed, has := c.body["passwordPolicies"].(string); has {
			policies = changed
		}
		if failure := checkPassword(password, upn, policies, domain); failure != nil {
			return failure
		}
		update.Set["signInSessionsValidFromDateTime"] = stamp(c.now)
	}
	known := c.sim.withPassword(o.Facts, o.ID, profile, c.now.UTC())
	update.Facts = &known
	return nil
}

func (c *call) getUser() (*answer, *graphError) {
	s, failure := c.selected(kindUser)
	if failure != nil {
		return nil, failure
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	o, failure := c.findUser(c.params[0])
	if failure != nil {
		return nil, failure
	}
	body := c.render(o, s)
	body["@odata.context"] = c.context("users", s, true)
	return ok(body), nil
}

func (c *call) listUsers() (*answer, *graphError) { return c.list(kindUser, "users", false) }

func (c *call) deleteUser() (*answer, *graphError) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	o, failure := c.findUser(c.params[0])
	if failure != nil {
		return nil, failure
	}
	return c.softDelete(o)
}

// softDelete moves a user to deletedItems, from where it can be restored.
func (c *call) softDelete(o *object) (*answer, *graphError) {
	switch {
	case o.is("isManagementRestricted") || !c.mayActOn(o, false):
		return nil, forbidden()
	case o.is("onPremisesSyncEnabled"):
		return nil, masteredOnPremises()
	}
	_, failure := c.sim.commit(c.tenant, softDeletion(o, c.behaviour), c.now)
	return noContent(), failure
}

// revokeSessions answers 200 {"value":true}, a known issue beside the documented
// 204 (Microsoft Graph documentation, known issues).
func (c *call) revokeSessions() (*answer, *graphError) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	o, failure := c.findUser(c.params[0])
	if failure != nil {
		return nil, failure
	}
	set := map[string]any{"signInSessionsValidFromDateTime": stamp(c.now)}
	if _, failure := c.sim.commit(t, change{Kind: kindUser, ID: o.ID, Set: set}, c.now); failure != nil {
		return nil, failure
	}
	if c.behaviour.Revoke204 {
		return noContent(), nil
	}
	return ok(map[string]any{"@odata.context": c.base + "/$metadata#Edm.Boolean", "value": true}), nil
}
