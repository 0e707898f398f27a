package entratest

import (
	"slices"
	"strings"

	"entrasync/shared/fault"
)

// checkFederation checks the rules of federated domains, whose users sign in in another
// system that knows them by onPremisesImmutableId. It cannot be changed while the
// userPrincipalName is in a federated domain (Windows education documentation,
// federated sign-in; azure-docs 5108), a name that moves into one needs it in the same
// PATCH (users of the older modules), and no password can be written (remarks of
// passwordProfile; microsoft-graph-docs 6811). From one federated domain to another is
// a move as well (allowed since 2019, azure-docs 51233). The caller holds the lock.
func (c *call) checkFederation(o *object, body map[string]any) *graphError {
	before := c.tenant.domainOf(o.text("userPrincipalName"))
	after := before
	if renamed, has := body["userPrincipalName"].(string); has {
		after = c.tenant.domainOf(renamed)
	}
	value, writesID := body["onPremisesImmutableId"]
	id, _ := value.(string)
	_, writesPassword := body["passwordProfile"]
	switch {
	case writesPassword && (before.Federated || after.Federated):
		return badRequest(textFederatedPassword)
	case writesID && before.Federated && id != o.text("onPremisesImmutableId"):
		return badRequest(textFederatedAnchor)
	case after.Federated && after.Name != before.Name && id == "":
		return unusableDomain()
	}
	return nil
}

// domainOf is the domain of a userPrincipalName.
func (t *tenant) domainOf(upn string) Domain {
	_, name, _ := strings.Cut(upn, "@")
	d, _ := t.domain(name)
	return d
}

// Domains are the domains of the tenant.
func (d Directory) Domains() []Domain {
	if d.t == nil {
		return nil
	}
	d.t.mu.RLock()
	defer d.t.mu.RUnlock()
	return d.t.Domains // never changed in place
}

// SetFederated makes a domain of the tenant a federated or a managed one, as an
// administrator would. It is not kept in the journal. NotFound if there is no such
// domain.
func (d Directory) SetFederated(domain string, federated bool) error {
	if d.t == nil {
		return d.unknown("SetFederated")
	}
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	if _, found := d.t.domain(domain); !found {
		return fault.New(fault.NotFound, "entratest.SetFederated", "no domain "+domain)
	}
	d.t.edit(domain, func(each *Domain) { each.Federated = federated })
	return nil
}

// SetVerified verifies a domain, which is added to the tenant first if it is new there, or
// makes a verified one one that waits for its verification, as an administrator would. It is not
// kept in the journal. Conflict if an account has a name in the domain that is to go (Graph
// does not delete a domain that objects use).
func (d Directory) SetVerified(domain string, verified bool) error {
	if d.t == nil {
		return d.unknown("SetVerified")
	}
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	for _, o := range d.t.order {
		_, of, _ := strings.Cut(o.text("userPrincipalName"), "@")
		if !verified && o.Kind == kindUser && strings.EqualFold(of, domain) {
			return fault.New(fault.Conflict, "entratest.SetVerified", "an account has a name in "+domain)
		}
	}
	d.t.edit(domain, func(each *Domain) { each.Unverified = !verified })
	return nil
}

// edit changes a domain, or adds one. The caller holds the lock.
func (t *tenant) edit(domain string, change func(*Domain)) {
	changed := slices.Clone(t.Domains)
	i := slices.IndexFunc(changed, func(each Domain) bool { return strings.EqualFold(each.Name, domain) })
	if i < 0 {
		i, changed = len(changed), append(changed, Domain{Name: domain})
	}
	change(&changed[i])
	t.Domains = changed
}
