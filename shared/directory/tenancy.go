package directory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"entrasync/shared/fault"
)

// TenantNames are all names of the directory's tenant, each once and in lower case: the
// name that the administrator gave, the tenant's object id, and its verified domains.
// Another directory may name the same tenant by any of them.
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

// Overlaps reports whether two directories write to the same accounts, as far as is known:
// they are on one tenant, or have a verified domain in common. common is a name that both
// have.
func (d Directory) Overlaps(other Directory) (common string, overlaps bool) {
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

// Described is the directory after its tenant was read with our credentials: it is active, and
// says which domain of its settings the tenant has not verified, or not any more.
func (d Directory) Described(t Tenant) Directory {
	d.Status, d.TenantObject, d.VerifiedDomains = Active, t.ID, t.VerifiedDomains
	d.FederatedDomains, d.InitialDomain = t.FederatedDomains, t.InitialDomain
	d = d.Allowed(t)
	d.Reason, d.Message = "", ""
	if missing := d.Settings.Unverified(d.VerifiedDomains); len(missing) > 0 {
		d.Reason, d.Message = DomainNotVerified, d.NotVerified(missing)
	}
	return d
}

// Allowed is the directory with what its tenant allows the application, if that is known and
// newer than what the directory has.
func (d Directory) Allowed(t Tenant) Directory {
	if t.Granted != nil && (d.Granted == nil || t.Granted.At.After(d.Granted.At)) {
		d.Granted = t.Granted
	}
	return d
}

// Refused is the directory after its tenant refused the application's sign-in for a reason: one
// that does not know the application grants it nothing. What another reason leaves of the
// permissions is not known.
func (d Directory) Refused(reason Reason, now time.Time) Directory {
	if reason == NotConsented && d.Granted != nil && len(d.Granted.Permissions) > 0 {
		d.Granted = &Granted{At: now, Permissions: []string{}}
	}
	return d
}

// NotVerified says that some domains of the settings, by their indexes, are not verified domains
// of the tenant.
func (d Directory) NotVerified(indexes []int) string {
	names := make([]string, len(indexes))
	for i, index := range indexes {
		names[i] = d.Settings.Domains[index].Name
	}
	says := "%s is not a verified domain of the tenant: correct the name, or verify it in Entra first. Verified are %s"
	if len(names) > 1 {
		says = "%s are not verified domains of the tenant: correct the names, or verify them in Entra first. Verified are %s"
	}
	return fmt.Sprintf(says, strings.Join(names, ", "), strings.Join(d.VerifiedDomains, ", "))
}

// MayShare returns a fault if a directory would write to the accounts of others and its
// settings do not allow that. Directories that it already shared a tenant with are
// allowed.
func MayShare(before, dir Directory, others []Directory) error {
	const op = "directory.share tenant"
	if len(others) == 0 || dir.Settings.AllowSharedDomains {
		return nil
	}
	if before.Settings.AllowSharedDomains {
		return &fault.Error{Op: op, Kind: fault.Conflict, Subject: "body.settings.allowSharedDomains", Message: fmt.Sprintf(
			"%s shares its tenant with %s: allowSharedDomains stays on as long as they do", named(dir), allNamed(others))}
	}
	others = slices.DeleteFunc(others, func(other Directory) bool { return slices.Contains(before.Shares, other.ID) })
	if len(others) == 0 {
		return nil
	}
	f := &fault.Error{Op: op, Kind: fault.Conflict, Subject: "body.tenantId"}
	if dir.Version > 0 {
		f.Subject = "path.id"
	}
	common, _ := dir.Overlaps(others[0])
	what := "have the tenant " + common
	if !dir.SameTenant(others[0]) {
		what = "have the domain " + common
	}
	if !slices.ContainsFunc(others, func(other Directory) bool { return other.Status != Deactivating }) {
		f.Message = fmt.Sprintf("the directory %s has the same tenant or domain and is being deactivated: try it again when that has ended, in some minutes (GET /v1/directories/%s/jobs), or set allowSharedDomains on %q", allNamed(others), others[0].ID, dir.Name)
		return f
	}
	f.Message = fmt.Sprintf("the directories %s and %s would both %s: use %q alone, or set allowSharedDomains on %q. "+
		"That means that a user stays enabled as long as one directory of the tenant holds the user",
		named(dir), allNamed(others), what, others[0].Name, dir.Name)
	return f
}

// named names a directory for people.
func named(d Directory) string {
	id := string(d.ID)
	if d.Version == 0 {
		id = "new"
	}
	return fmt.Sprintf("%q (%s)", d.Name, id)
}

// allNamed names several directories for people.
func allNamed(all []Directory) string {
	names := make([]string, len(all))
	for i, dir := range all {
		names[i] = named(dir)
	}
	return strings.Join(names, " and ")
}
