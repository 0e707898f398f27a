package directory

import "slices"

// DomainWait is the domain of the tenant that is in the way of a user, and why: it is not
// verified, or it is federated. It ends in Entra, without any event.
type DomainWait struct {
	Reason Reason `json:"reason"` // DomainNotVerified or DomainFederated
	Domain string `json:"domain"` // in lower case
}

// Over reports whether the domain is in nobody's way any more.
func (w DomainWait) Over(t Tenant) bool {
	verified := slices.Contains(t.VerifiedDomains, w.Domain)
	if w.Reason == DomainFederated {
		return verified && !slices.Contains(t.FederatedDomains, w.Domain)
	}
	return verified
}

// AwaitedDomain is the domain that a user waits for who stands as the link says: the one of the
// wanted sign-in name or, if only the present one is federated, that of the present one. There is
// none if no domain is in the way.
func (l Link) AwaitedDomain(wanted UPN, t Tenant) *DomainWait {
	domain := wanted.Domain()
	switch {
	case l.Status != Parked || l.Reason != DomainNotVerified && l.Reason != DomainFederated:
		return nil
	case l.Reason == DomainFederated && !t.Federates(wanted) && t.Federates(l.UPN):
		domain = l.UPN.Domain()
	}
	if domain == "" {
		return nil
	}
	return &DomainWait{l.Reason, domain}
}
