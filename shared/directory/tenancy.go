package directory

import (
	"slices"
	"strings"
)

// TenantNames are all names by which the directory's tenant is known, in lower
// case and each once: as the administrator named it and the id that the tenant
// gives for itself, which both may also name it for another directory, then its
// verified domains.
func (d Directory) TenantNames() []string {
	var names []string
	add := func(name string) {
		if name = strings.ToLower(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	add(string(d.Tenant))
	add(string(d.TenantObject))
	domains := slices.Clone(d.VerifiedDomains)
	slices.Sort(domains)
	for _, domain := range domains {
		add(domain)
	}
	return names
}

// Overlaps reports whether two directories write to the same accounts: whether they
// are on one tenant or a verified domain of the one is one of the other, as far
// as is known. What they have in common is one of the names of both.
func (d Directory) Overlaps(other Directory) (common string, meets bool) {
	if d.SameTenant(other) {
		if other.TenantObject != "" {
			return string(other.TenantObject), true
		}
		return string(other.Tenant), true
	}
	names := d.TenantNames()
	for _, name := range other.TenantNames() {
		if slices.Contains(names, name) {
			return name, true
		}
	}
	return "", false
}
