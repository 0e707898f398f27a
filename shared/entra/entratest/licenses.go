package entratest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// SKU is a product of which a tenant has licenses.
type SKU struct {
	ID    string // skuId, a GUID
	Name  string // skuPartNumber
	Units int    // how many licenses there are
	Plans []ServicePlan
}

// ServicePlan is a part of a product, which can be turned off.
type ServicePlan struct {
	ID    string // a GUID
	Name  string
	Needs string // the id of the plan without which this one cannot be; "": none
}

// License is a license of a user or of a group.
type License struct {
	SKU           string   `json:"skuId"`
	DisabledPlans []string `json:"disabledPlans,omitempty"`
	Group         string   `json:"assignedByGroup,omitempty"` // the id of the group by which a user has it; "": assigned directly
	Name          string   `json:"name,omitempty"`            // skuPartNumber, set when it is shown
}

// assignedLicenses is the property that holds the licenses which an object has by itself.
const assignedLicenses = "assignedLicenses"

// The products that the default tenant has. Their ids and names are Microsoft's (product
// names and service plan identifiers for licensing); each has only some of its plans here.
const (
	SKUOffice   = "05e9a617-0261-4cee-bb44-138d3ef5d965" // SPE_E3
	SKUDefender = "4ef96642-f096-40de-a3e9-d83fb2f90211" // ATP_ENTERPRISE
	SKUVisio    = "c5928f49-12ba-48f7-ada3-0d743a3601d5" // VISIOCLIENT

	PlanExchange = "efb87545-963c-4e0d-99df-69c6916d9eb0"
	PlanTeams    = "57ff2da0-773e-42df-b2af-ffb7a2317929"
	planDefender = "f20fedf3-f3c3-43c3-8267-2bfdd51c0939"
	planVisio    = "663a804f-1c30-4ff0-9915-9db84f0d1cea"
)

// defaultSKUs are the products of the default tenant.
func defaultSKUs() []SKU {
	return []SKU{
		{ID: SKUOffice, Name: "SPE_E3", Units: 1000, Plans: []ServicePlan{{ID: PlanExchange, Name: "EXCHANGE_S_ENTERPRISE"}, {ID: PlanTeams, Name: "TEAMS1"}}},
		{ID: SKUDefender, Name: "ATP_ENTERPRISE", Units: 1000, Plans: []ServicePlan{{ID: planDefender, Name: "ATP_ENTERPRISE", Needs: PlanExchange}}},
		{ID: SKUVisio, Name: "VISIOCLIENT", Units: 1000, Plans: []ServicePlan{{ID: planVisio, Name: "VISIO_CLIENT_SUBSCRIPTION"}}},
	}
}

// sku finds a product of the tenant.
func (t *tenant) sku(id string) (SKU, bool) {
	at := slices.IndexFunc(t.SKUs, func(s SKU) bool { return strings.EqualFold(s.ID, id) })
	if at < 0 {
		return SKU{}, false
	}
	return t.SKUs[at], true
}

// ownLicenses are the licenses that a user or a group has by itself.
func (o *object) ownLicenses() []License {
	list, _ := o.Props[assignedLicenses].Value.([]any)
	var out []License
	for _, each := range list {
		known, _ := each.(map[string]any)
		sku, _ := known["skuId"].(string)
		out = append(out, License{SKU: sku, DisabledPlans: textsOf(known["disabledPlans"])})
	}
	return out
}

// licenseValues are licenses in the form of the property.
func licenseValues(licenses []License) []any {
	values := []any{}
	for _, l := range licenses {
		disabled := []any{}
		for _, plan := range l.DisabledPlans {
			disabled = append(disabled, plan)
		}
		values = append(values, map[string]any{"skuId": l.SKU, "disabledPlans": disabled})
	}
	return values
}

// licensesOf are all licenses of a user: its own, and those of the groups of which it is a
// member itself. A group in a group gives none (Microsoft Entra documentation, group-based
// licensing). That a license comes and goes at once with the membership is assumed; the
// service takes minutes. The caller holds the lock.
func (t *tenant) licensesOf(user *object) []License {
	licenses := user.ownLicenses()
	for id := range t.memberOf[user.ID] {
		group := t.objects[id]
		if group == nil || group.Purged || !group.Deleted.IsZero() {
			continue
		}
		for _, l := range group.ownLicenses() {
			l.Group = group.ID
			licenses = append(licenses, l)
		}
	}
	slices.SortFunc(licenses, func(a, b License) int { return cmp.Or(cmp.Compare(a.SKU, b.SKU), cmp.Compare(a.Group, b.Group)) })
	return licenses
}

// assignedTo is the property assignedLicenses of a user, which does not say where a license
// comes from. A plan is turned off only if it is in all of them (assumed).
func (t *tenant) assignedTo(user *object) []any {
	var merged []License
	for _, l := range t.licensesOf(user) {
		at := slices.IndexFunc(merged, func(m License) bool { return m.SKU == l.SKU })
		if at < 0 {
			merged = append(merged, l)
			continue
		}
		merged[at].DisabledPlans = slices.DeleteFunc(slices.Clone(merged[at].DisabledPlans), func(plan string) bool { return !slices.Contains(l.DisabledPlans, plan) })
	}
	return licenseValues(merged)
}

// assignmentStates is the property licenseAssignmentStates of a user (Microsoft Graph
// documentation, licenseAssignmentState): each license with the group that it comes from, or
// null. All are active; no assignment fails later here. That the error of none is the text "None"
// was observed, where the documentation has null.
func (t *tenant) assignmentStates(user *object) []any {
	states := []any{}
	for _, l := range t.licensesOf(user) {
		state, _ := licenseValues([]License{l})[0].(map[string]any)
		state["assignedByGroup"], state["state"], state["error"], state["lastUpdatedDateTime"] = nil, "Active", "None", stamp(user.At)
		if l.Group != "" {
			state["assignedByGroup"] = l.Group
		}
		states = append(states, state)
	}
	return states
}

// taken is how many users have a license of a product, each once. A deleted user keeps its
// licenses as long as it can be restored (Microsoft Graph documentation, delete user).
func (t *tenant) taken(sku string) int {
	n := 0
	for _, o := range t.order {
		if o.Kind == kindUser && holdsSKU(t.licensesOf(o), sku) {
			n++
		}
	}
	return n
}

func holdsSKU(licenses []License, sku string) bool {
	return slices.ContainsFunc(licenses, func(l License) bool { return strings.EqualFold(l.SKU, sku) })
}

// assignLicense gives and takes licenses, all or none of them. It is not among the sensitive
// actions, and the license of a user that is mastered on premises is written in the cloud. The
// texts of the refusals were observed by users (msgraph-sdk-powershell 3361, CIPP 4090 and
// scripts that compare them).
func (c *call) assignLicense() (*answer, *graphError) {
	for _, name := range []string{"addLicenses", "removeLicenses"} {
		if c.body[name] == nil {
			return nil, badRequest("One or more parameters of the operation 'assignLicense' are missing from the request payload. The missing parameters are: %s.", name)
		}
	}
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	o, failure := c.findUser(c.params[0])
	switch {
	case failure != nil:
		return nil, failure
	case o.is("isManagementRestricted"): // assumed
		return nil, forbidden()
	}
	own, failure := t.withoutLicenses(o, textsOf(c.body["removeLicenses"]))
	if failure == nil {
		own, failure = t.withLicenses(o, own, c.body["addLicenses"])
	}
	if failure == nil {
		failure = t.checkPlans(o, own)
	}
	if failure != nil {
		return nil, failure
	}
	if o, failure = c.sim.commit(t, change{Kind: kindUser, ID: o.ID, Set: map[string]any{assignedLicenses: licenseValues(own)}}, c.now); failure != nil {
		return nil, failure
	}
	body := c.render(o, selection{})
	body["@odata.context"] = c.context("users", selection{}, true)
	return &answer{status: http.StatusOK, body: body}, nil
}

// withoutLicenses are a user's own licenses without some.
func (t *tenant) withoutLicenses(o *object, skus []string) ([]License, *graphError) {
	own := o.ownLicenses()
	for _, id := range skus {
		at := slices.IndexFunc(own, func(l License) bool { return strings.EqualFold(l.SKU, id) })
		_, known := t.sku(id)
		switch {
		case !known:
			return nil, unknownSKU(id)
		case at < 0 && holdsSKU(t.licensesOf(o), id):
			return nil, badRequest("User license is inherited from a group membership and it cannot be removed directly from the user.")
		case at < 0:
			return nil, badRequest("User does not have a corresponding license.")
		}
		own = slices.Delete(own, at, at+1)
	}
	return own, nil
}

// withLicenses are licenses of a user's own with more; one that is there already gets the new
// parts.
func (t *tenant) withLicenses(o *object, own []License, more any) ([]License, *graphError) {
	list, _ := more.([]any)
	for _, each := range list {
		given, _ := each.(map[string]any)
		id, _ := given["skuId"].(string)
		sku, known := t.sku(id)
		switch {
		case !known:
			return nil, unknownSKU(id)
		case o.text("usageLocation") == "":
			return nil, badRequest("License assignment cannot be done for user with invalid usage location.")
		case !holdsSKU(t.licensesOf(o), id) && t.taken(id) >= sku.Units:
			return nil, badRequest("Subscription with SKU %s does not have any available licenses.", sku.ID)
		}
		disabled := textsOf(given["disabledPlans"])
		for _, plan := range disabled {
			if !slices.ContainsFunc(sku.Plans, func(p ServicePlan) bool { return strings.EqualFold(p.ID, plan) }) {
				return nil, badRequest("License assignment failed because service plan %s is not a part of license %s.", plan, sku.ID) // the text is assumed
			}
		}
		own = append(slices.DeleteFunc(own, func(l License) bool { return l.SKU == sku.ID }), License{SKU: sku.ID, DisabledPlans: disabled})
	}
	return own, nil
}

func unknownSKU(id string) *graphError {
	return badRequest("License %s does not correspond to a valid company License.", id)
}

// checkPlans refuses licenses of a user of which a part needs a part that the user would not
// have.
func (t *tenant) checkPlans(o *object, own []License) *graphError {
	licenses := own
	for _, l := range t.licensesOf(o) {
		if l.Group != "" {
			licenses = append(licenses, l)
		}
	}
	var on []ServicePlan
	for _, l := range licenses {
		sku, _ := t.sku(l.SKU)
		for _, plan := range sku.Plans {
			if !slices.Contains(l.DisabledPlans, plan.ID) {
				on = append(on, plan)
			}
		}
	}
	for _, plan := range on {
		if plan.Needs != "" && !slices.ContainsFunc(on, func(p ServicePlan) bool { return p.ID == plan.Needs }) {
			return badRequest("License assignment failed because service plan %s depends on the service plan(s) %s", plan.ID, plan.Needs)
		}
	}
	return nil
}

// shown are licenses with the names of their products, for people.
func (t *tenant) shown(licenses []License) []License {
	for i, l := range licenses {
		sku, _ := t.sku(l.SKU)
		licenses[i].Name = sku.Name
	}
	return licenses
}

// SetLicenses gives a user exactly these licenses, directly, as an administrator does outside
// of entrasync; nothing is checked.
func (d Directory) SetLicenses(idOrUPN string, licenses ...License) (User, error) {
	return d.editUser(idOrUPN, "SetLicenses", func(*object) change {
		return change{Set: map[string]any{assignedLicenses: licenseValues(licenses)}}
	})
}

// SetGroupLicenses gives a group exactly these licenses; its members have them too.
func (d Directory) SetGroupLicenses(id string, licenses ...License) (Group, error) {
	return d.editGroup(id, "SetGroupLicenses", func(*object) change {
		return change{Set: map[string]any{assignedLicenses: licenseValues(licenses)}}
	})
}
