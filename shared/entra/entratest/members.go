package entratest

import (
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"

	"github.com/google/uuid"
)

func isGUID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil
}

// referenced finds the object that an @odata.id names: the URL of a user, a group or a
// directory object, with any host.
func (c *call) referenced(reference any) (*object, *graphError) {
	text, _ := reference.(string)
	u, err := url.Parse(text)
	if err != nil || text == "" {
		return nil, badRequest("Invalid URL format specified in @odata.id.")
	}
	_, below, versioned := strings.Cut(u.EscapedPath(), "/v1.0/")
	if !versioned {
		below = u.EscapedPath()
	}
	segments, valid := pathSegments(below)
	if !valid || len(segments) != 2 {
		return nil, badRequest("Invalid URL format specified in @odata.id.")
	}
	collection, key := segments[0], segments[1]
	var o *object
	switch collection {
	case "directoryObjects":
		o = c.tenant.objects[strings.ToLower(key)]
	case "users":
		if o = c.tenant.objects[strings.ToLower(key)]; o == nil {
			o = c.tenant.objects[strings.ToLower(c.tenant.byUPN[strings.ToLower(key)])]
		}
	case "groups":
		o = c.tenant.objects[strings.ToLower(key)]
	default:
		return nil, badRequest("Invalid URL format specified in @odata.id.")
	}
	if o == nil && !isGUID(key) && collection != "users" {
		return nil, badRequest("Invalid object identifier '%s'.", key)
	}
	if o == nil || o.Purged || !o.Deleted.IsZero() || o.hidden.After(c.now) {
		return nil, notFound(key)
	}
	return o, nil
}

// bound reads members@odata.bind and owners@odata.bind: at most 20 together, and all of
// them must be valid or nothing is written. group is nil at create.
func (c *call) bound(group *object, body map[string]any) (members, owners []string, failure *graphError) {
	given := map[string][]any{}
	for _, name := range []string{"members@odata.bind", "owners@odata.bind"} {
		value, has := body[name]
		references, isList := value.([]any)
		if has && !isList {
			return nil, nil, malformed("The '%s' annotation must be a collection.", name)
		}
		given[name] = references
	}
	if len(given["members@odata.bind"])+len(given["owners@odata.bind"]) > maxRelationships {
		return nil, nil, badRequest("The request contains more than %d relationships.", maxRelationships)
	}
	if group != nil && len(given["members@odata.bind"]) > 0 {
		if failure := c.membersWritable(group); failure != nil {
			return nil, nil, failure
		}
	}
	if group == nil && len(given["members@odata.bind"]) > 0 && slices.Contains(textsOf(body["groupTypes"]), "DynamicMembership") {
		return nil, nil, badRequest("Members cannot be set on a group with dynamic membership.")
	}
	if members, failure = c.newMembers(group, given["members@odata.bind"]); failure != nil {
		return nil, nil, failure
	}
	owners, failure = c.newOwners(group, given["owners@odata.bind"])
	return members, owners, failure
}

// newMembers are the ids to add. An unknown object is a 404; one that is a member
// already, or named twice, is a 400.
func (c *call) newMembers(group *object, references []any) ([]string, *graphError) {
	var ids []string
	for _, reference := range references {
		o, failure := c.referenced(reference)
		if failure != nil {
			return nil, failure
		}
		if failure := mayBeMember(group, o); failure != nil {
			return nil, failure
		}
		if group != nil && group.members[o.ID] || slices.Contains(ids, o.ID) {
			return nil, alreadyThere("members")
		}
		ids = append(ids, o.ID)
	}
	return ids, nil
}

func alreadyThere(relationship string) *graphError {
	return badRequest("One or more added object references already exist for the following modified properties: '%s'.", relationship)
}

// mayBeMember refuses groups in Microsoft 365 groups and a group in itself.
func mayBeMember(group, o *object) *graphError {
	if o.Kind == kindGroup && group != nil && (group.isM365() || group == o || o.isM365() || group.is("isAssignableToRole")) {
		return badRequest("The object is not of a type that can be a member of this group.")
	}
	return nil
}

// newOwners checks the limit of 100 before it searches for duplicates, as the service
// does.
func (c *call) newOwners(group *object, references []any) ([]string, *graphError) {
	var before []string
	if group != nil {
		before = group.Owners
	}
	if len(references) > 0 && len(before)+len(references) > maxOwners {
		return nil, refuse(http.StatusForbidden, "Directory_QuotaExceeded",
			"Unable to perform operation as '%d' would exceed the maximum quota count '%d' for forward-link 'owners'.", len(before)+len(references), maxOwners)
	}
	var ids []string
	for _, reference := range references {
		o, failure := c.referenced(reference)
		switch {
		case failure != nil:
			return nil, failure
		case o.Kind != kindUser:
			return nil, badRequest("The object is not of a type that can be an owner of this group.")
		case slices.Contains(before, o.ID) || slices.Contains(ids, o.ID):
			return nil, alreadyThere("owners")
		}
		ids = append(ids, o.ID)
	}
	return ids, nil
}

// membersWritable refuses the kinds of groups whose members Graph cannot write
// (Microsoft Graph documentation, groups overview).
func (c *call) membersWritable(group *object) *graphError {
	switch {
	case group.is("isManagementRestricted"):
		return forbidden()
	case group.is("onPremisesSyncEnabled"):
		return masteredOnPremises()
	case group.is("mailEnabled") && !group.isM365():
		return forbidden()
	case slices.Contains(group.texts("groupTypes"), "DynamicMembership"):
		return forbidden()
	case group.is("isAssignableToRole") && !c.mayAny(assignRoles...):
		return forbidden()
	}
	return nil
}

func (c *call) addMember() (*answer, *graphError) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	group, failure := c.findGroup(c.params[0])
	if failure != nil {
		return nil, failure
	}
	if failure := c.membersWritable(group); failure != nil {
		return nil, failure
	}
	ids, failure := c.newMembers(group, []any{c.body["@odata.id"]})
	if failure != nil {
		return nil, failure
	}
	_, failure = c.sim.commit(t, change{Kind: kindGroup, ID: group.ID, Add: ids}, c.now)
	return noContent(), failure
}

// removeMember serves members/{id}/$ref and members/$ref?@id=. A missing group, a
// missing user and a missing membership all answer 404.
func (c *call) removeMember() (*answer, *graphError) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	group, failure := c.findGroup(c.params[0])
	if failure != nil {
		return nil, failure
	}
	key := ""
	if len(c.params) > 1 {
		key = c.params[1]
	} else {
		reference := c.query.Get("@id")
		key = reference[strings.LastIndexByte(reference, '/')+1:]
	}
	o := t.objects[strings.ToLower(key)]
	if o == nil && !isGUID(key) {
		return nil, badRequest("Invalid object identifier '%s'.", key)
	}
	if failure := c.membersWritable(group); failure != nil {
		return nil, failure
	}
	if o == nil || !group.members[o.ID] {
		if c.behaviour.RemoveAbsent400 {
			return nil, badRequest("One or more removed object references do not exist for the following modified properties: 'members'.")
		}
		return nil, notFound(key)
	}
	_, failure = c.sim.commit(t, change{Kind: kindGroup, ID: group.ID, Remove: []string{o.ID}}, c.now)
	return noContent(), failure
}

// deleteMemberObject is a DELETE without /$ref: it addresses the member itself and,
// with enough rights, deletes it.
func (c *call) deleteMemberObject() (*answer, *graphError) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	group, failure := c.findGroup(c.params[0])
	if failure != nil {
		return nil, failure
	}
	o := t.live(c.params[1], c.now)
	if o == nil || !group.members[o.ID] || o.Kind != kindUser {
		return nil, notFound(c.params[1])
	}
	if !c.mayAny(deleteUsers...) {
		return nil, forbidden()
	}
	return c.softDelete(o)
}

func (c *call) listMembers() (*answer, *graphError) {
	return c.relatedToGroup(func(group *object) []related { return direct(group.Members) })
}

func (c *call) listTransitiveMembers() (*answer, *graphError) {
	return c.relatedToGroup(func(group *object) []related { return c.transitive(group) })
}

func (c *call) listOwners() (*answer, *graphError) {
	return c.relatedToGroup(func(group *object) []related {
		var out []related
		for i, id := range group.Owners {
			out = append(out, related{id, int64(i + 1)})
		}
		return out
	})
}

func (c *call) listMemberRefs() (*answer, *graphError) {
	a, failure := c.listMembers()
	if failure != nil {
		return nil, failure
	}
	body, _ := a.body.(map[string]any)
	references := []any{}
	items, _ := body["value"].([]any)
	for _, item := range items {
		shown, _ := item.(map[string]any)
		id, _ := shown["id"].(string)
		references = append(references, map[string]any{"@odata.id": c.base + "/directoryObjects/" + id})
	}
	body["@odata.context"] = c.base + "/$metadata#Collection($ref)"
	body["value"] = references
	return a, nil
}

// related is one object of a relationship; n orders the pages.
type related struct {
	id string
	n  int64
}

func direct(members []member) []related {
	out := make([]related, len(members))
	for i, m := range members {
		out[i] = related{m.ID, m.N}
	}
	return out
}

// transitive are the members of a group and of the groups in it, each once, by age.
func (c *call) transitive(group *object) []related {
	seen := map[string]bool{group.ID: true}
	var out []related
	for todo := []*object{group}; len(todo) > 0; todo = todo[1:] {
		for _, m := range todo[0].Members {
			o := c.tenant.live(m.ID, c.now)
			if o == nil || seen[o.ID] {
				continue
			}
			seen[o.ID] = true
			out = append(out, related{o.ID, o.Ordinal})
			todo = append(todo, o)
		}
	}
	return byN(out)
}

func byN(out []related) []related {
	sort.Slice(out, func(i, k int) bool { return out[i].n < out[k].n })
	return out
}

func (c *call) relatedToGroup(of func(*object) []related) (*answer, *graphError) {
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	group, failure := c.findGroup(c.params[0])
	if failure != nil {
		return nil, failure
	}
	return c.relatedPage(of(group))
}

// relatedPage is a page of a relationship. A cast to one type is an advanced
// query. The caller holds the lock.
func (c *call) relatedPage(all []related) (*answer, *graphError) {
	_, cast, isCast := strings.Cut(strings.TrimSuffix(c.op.template, countSegment), "/graph.")
	if isCast && !c.advanced() {
		return nil, badRequest("The specified query requires the 'ConsistencyLevel:eventual' header and the '$count=true' parameter.")
	}
	kind := kindObject
	if cast != "" {
		kind = cast
	}
	s, failure := c.selected(kind)
	if failure != nil {
		return nil, failure
	}
	for _, name := range []string{"$filter", "$orderby"} {
		if c.query.Has(name) {
			return nil, notSimulated(name + " on a relationship")
		}
	}
	size, failure := c.pageSize()
	if failure != nil {
		return nil, failure
	}
	after, failure := c.after()
	if failure != nil {
		return nil, failure
	}
	wanted := func(r related) *object {
		if o := c.tenant.live(r.id, c.now); o != nil && (cast == "" || o.Kind == cast) {
			return o
		}
		return nil
	}
	body := map[string]any{"@odata.context": c.context("directoryObjects", s, false)}
	if c.advanced() {
		body["@odata.count"] = len(slices.DeleteFunc(slices.Clone(all), func(r related) bool { return wanted(r) == nil }))
	}
	value := []any{}
	from := sort.Search(len(all), func(i int) bool { return all[i].n > after })
	for _, r := range all[from:] {
		o := wanted(r)
		if o == nil {
			continue
		}
		if len(value) == size {
			body["@odata.nextLink"] = c.nextLink(after)
			break
		}
		shown := c.render(o, s)
		shown["@odata.type"] = o.odataType()
		shown["id"] = o.ID
		value = append(value, shown)
		after = r.n
	}
	body["value"] = value
	return ok(body), nil
}
