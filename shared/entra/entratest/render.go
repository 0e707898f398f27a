package entratest

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// render is an object as an answer shows it. The caller holds the lock; the values may
// be read after the lock is released.
func (c *call) render(o *object, s selection) map[string]any {
	names := s.names
	if names == nil {
		names = defaultNames(o.Kind)
	}
	out := map[string]any{}
	d, err := described()
	if err != nil {
		return out
	}
	for _, name := range names {
		if p, known := d.properties[o.Kind][name]; known && !p.link {
			out[name] = c.value(o, name, p)
		}
	}
	if o.Facts.Agent { // OData names the type of an object where it is not the one of the list
		out["@odata.type"] = agentType
	}
	if s.manager {
		c.expandManager(o, s, out)
	}
	return out
}

func (c *call) expandManager(o *object, s selection, out map[string]any) {
	manager := c.tenant.live(o.Manager, c.now)
	if o.Manager == "" || manager == nil {
		return // without a manager the property is left out
	}
	inner := c.render(manager, selection{names: s.ofExpand})
	inner["@odata.type"] = manager.odataType()
	inner["id"] = manager.ID
	out["manager"] = inner
}

// defaultNames are the properties of an answer without $select.
func defaultNames(kind string) []string {
	if kind == kindUser {
		return defaultUserProperties
	}
	d, err := described()
	if err != nil {
		return nil
	}
	names := []string{"deletedDateTime", "uniqueName"}
	for name, p := range d.properties[kind] {
		if p.byDefault {
			names = append(names, name)
		}
	}
	return names
}

// value is one property: null, or an empty collection, if it was never set; a password
// is never shown.
func (c *call) value(o *object, name string, p property) any {
	switch name {
	case "id":
		return o.ID
	case "createdDateTime":
		return stamp(o.Created)
	case "deletedDateTime":
		if o.Deleted.IsZero() {
			return nil
		}
		return stamp(o.Deleted)
	case "passwordProfile":
		return nil
	case "lastPasswordChangeDateTime":
		if o.Facts.PasswordAt.IsZero() {
			return nil
		}
		return stamp(o.Facts.PasswordAt)
	case "onPremisesExtensionAttributes":
		return extensionAttributes(o)
	case "employeeOrgData":
		return orgData(o)
	case "identities":
		return c.identities(o)
	case "licenseAssignmentStates":
		return c.tenant.assignmentStates(o)
	case assignedLicenses:
		if o.Kind == kindUser {
			return c.tenant.assignedTo(o)
		}
	}
	value := o.Props[name].Value
	if value == nil && p.isCollection() {
		return []any{}
	}
	return value
}

// extensionAttributes always returns all fifteen.
func extensionAttributes(o *object) map[string]any {
	stored, _ := o.Props["onPremisesExtensionAttributes"].Value.(map[string]any)
	out := map[string]any{}
	for i := 1; i <= 15; i++ {
		name := fmt.Sprintf("extensionAttribute%d", i)
		out[name] = stored[name]
	}
	return out
}

// orgData always returns both parts; a part that was not sent is null.
func orgData(o *object) any {
	stored, isSet := o.Props["employeeOrgData"].Value.(map[string]any)
	if !isSet {
		return nil
	}
	return map[string]any{"costCenter": stored["costCenter"], "division": stored["division"]}
}

// upnSignIn is the type of the identity that every user has because of its name.
const upnSignIn = "userPrincipalName"

// identities are the written ones and the one of the sign-in name, whose issuer is the
// tenant.
func (c *call) identities(o *object) []any {
	list, _ := o.Props["identities"].Value.([]any)
	others := slices.DeleteFunc(slices.Clone(list), func(each any) bool {
		i, _ := each.(map[string]any)
		return i["signInType"] == upnSignIn
	})
	return append(others, map[string]any{"signInType": upnSignIn, "issuer": c.tenant.issuer(), "issuerAssignedId": o.text("userPrincipalName")})
}

// list answers a page of users or groups, live or deleted.
func (c *call) list(kind, set string, deleted bool) (*answer, *graphError) {
	s, failure := c.selected(kind)
	if failure != nil {
		return nil, failure
	}
	f, failure := c.parseFilter(kind)
	if failure != nil {
		return nil, failure
	}
	size, failure := c.pageSize()
	if failure != nil {
		return nil, failure
	}
	if most := c.behaviour.ExpandTop; s.manager && most > 0 && size > most {
		if c.behaviour.ExpandTopRefused && c.query.Has("$top") {
			return nil, badRequest("Invalid page size specified: '%d'. Must be between 1 and %d inclusive.", size, most)
		}
		size = most
	}
	after, failure := c.after()
	if failure != nil {
		return nil, failure
	}
	if deleted {
		f.exact = "" // the index of names holds living users only
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	wanted := func(o *object) bool {
		return o.Kind == kind && !o.Purged && o.Deleted.IsZero() != deleted && !o.hidden.After(c.now) && f.match(o)
	}
	if c.query.Has("$orderby") {
		return c.ordered(kind, set, s, wanted, size, int(after))
	}
	body := map[string]any{"@odata.context": c.context(set, s, false)}
	if c.advanced() {
		body["@odata.count"] = c.countOf(wanted)
	}
	value := []any{}
	for _, o := range c.candidates(f, after) {
		if !wanted(o) {
			continue
		}
		if len(value) == size {
			body["@odata.nextLink"] = c.nextLink(after)
			break
		}
		value = append(value, c.render(o, s))
		after = o.Ordinal
	}
	body["value"] = value
	return ok(body), nil
}

func (c *call) countOf(wanted func(*object) bool) int {
	count := 0
	for _, o := range c.tenant.order {
		if wanted(o) {
			count++
		}
	}
	return count
}

// candidates are the objects after an ordinal that may match. A filter by name needs no
// search through all objects.
func (c *call) candidates(f *filter, after int64) []*object {
	t := c.tenant
	if f.exact == "" {
		at := sort.Search(len(t.order), func(i int) bool { return t.order[i].Ordinal > after })
		return t.order[at:]
	}
	var out []*object
	for _, name := range f.names {
		id := name
		if f.exact == "userPrincipalName" {
			id = t.byUPN[strings.ToLower(name)]
		}
		if o := t.objects[strings.ToLower(id)]; o != nil && o.Ordinal > after && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	sort.Slice(out, func(i, k int) bool { return out[i].Ordinal < out[k].Ordinal })
	return out
}

// ordered answers a page in the order of displayName or userPrincipalName.
// Together with a filter that is an advanced query.
func (c *call) ordered(kind, set string, s selection, wanted func(*object) bool, size, after int) (*answer, *graphError) {
	d, err := described()
	if err != nil {
		return nil, internalError(err)
	}
	name, direction, _ := strings.Cut(c.query.Get("$orderby"), " ")
	if p := d.properties[kind][name]; !p.orderBy || direction != "" && direction != "asc" && direction != "desc" {
		return nil, unsupportedQuery("Unsupported order by clause '%s'.", c.query.Get("$orderby"))
	}
	if c.query.Has("$filter") && !c.advanced() {
		return nil, unsupportedQuery("Sorting not supported for current query.")
	}
	var all []*object
	for _, o := range c.tenant.order {
		if wanted(o) {
			all = append(all, o)
		}
	}
	slices.SortStableFunc(all, func(a, b *object) int {
		order := strings.Compare(strings.ToLower(a.text(name)), strings.ToLower(b.text(name)))
		if direction == "desc" {
			return -order
		}
		return order
	})
	body := map[string]any{"@odata.context": c.context(set, s, false)}
	if c.advanced() {
		body["@odata.count"] = len(all)
	}
	value := []any{}
	for _, o := range all[min(after, len(all)):] {
		if len(value) == size {
			body["@odata.nextLink"] = c.nextLink(int64(after + size))
			break
		}
		value = append(value, c.render(o, s))
	}
	body["value"] = value
	return ok(body), nil
}
