package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// describe reads the tenant with our credentials and writes its id, its domains and any
// problem into the directory. The id comes from the tenant, because a directory may
// name its tenant by any of its domains. If the tenant cannot be read, the values of
// the last read stay, and refusal says why.
func (a API) describe(ctx context.Context, dir directory.Directory) (described directory.Directory, refusal error) {
	tenant, err := a.Clients.Describe(ctx, dir.Tenant)
	if err == nil {
		return dir.Described(tenant), nil
	}
	zerolog.Ctx(ctx).Warn().Err(err).Str("tenant", string(dir.Tenant)).Msg("the tenant cannot be read with our credentials")
	f := fault.Of(err)
	outage := f.Kind == fault.Transient || f.Kind == fault.Throttled
	if outage && dir.TenantObject != "" {
		return dir, err // an outage says nothing about our credentials
	}
	dir.Status, dir.Reason, dir.Message = directory.PendingAuthorization, f.Reason, f.Message
	if dir.Reason == "" {
		dir.Reason = directory.PendingConsent
	}
	if dir.Message == "" {
		dir.Message = "the tenant does not let the application in: give admin consent in Entra"
	}
	if outage {
		dir.Message = "the tenant could not be asked whether it lets the application in (" + dir.Message + "): PATCH this directory to ask it again"
	}
	return dir, err
}

// mustBeVerified refuses settings that list a domain which the tenant has not verified:
// a typing error there would park all users at once. refusal is why the tenant could
// not be read just now; nil if it was read.
//
// If the tenant was read before but cannot be read now, only the domains that were
// verified then are accepted: a new domain may not be verified, and all users would be
// parked once the tenant answers. If the tenant was never read, any domain is accepted:
// the directory has no users to park, and it reports the problem once the tenant
// answers.
func mustBeVerified(dir directory.Directory, patch settingsPatch, refusal error) error {
	const op = "admin.check domains"
	if _, named := patch["domains"]; !named || dir.TenantObject == "" {
		return nil
	}
	missing := dir.Settings.Unverified(dir.VerifiedDomains)
	if len(missing) == 0 {
		return nil
	}
	field := fmt.Sprintf("settings.domains[%d].name", missing[0])
	if refusal == nil {
		return &fault.Error{Op: op, Kind: fault.Invalid, Subject: field, Reason: directory.DomainNotVerified, Message: dir.NotVerified(missing[0])}
	}
	f := fault.Of(refusal)
	return &fault.Error{Op: op, Kind: f.Kind, Subject: field, Reason: f.Reason, Err: refusal, Message: fmt.Sprintf(
		"the tenant cannot be asked whether it has verified %s, so nothing was changed: try again (%s)", dir.Settings.Domains[missing[0]].Name, f.Message)}
}

// keep stores a directory unless another directory writes to the same accounts; before
// is its former state. Otherwise one directory could disable the account of a user whom
// the other still has connected. If the settings allow a shared tenant, one transaction
// writes to both directories that they share it. A directory that waits for its
// authorization counts too, because it works as soon as the tenant consents.
//
// With it, it stores what is to be sent so that its settings are applied (nil: nothing).
//
// The fault is of kind Changed if another writer was faster: try again.
func (a API) keep(ctx context.Context, before, dir directory.Directory, rollout *store.Rollout) (directory.Directory, error) {
	neighbours, err := a.Store.Neighbours(ctx, dir)
	if err != nil {
		return dir, err
	}
	known, err := a.withShares(ctx, neighbours.Directories, dir.Shares)
	if err != nil {
		return dir, err
	}
	var others, changed []directory.Directory
	dir.Shares = nil
	for _, other := range known {
		_, overlaps := dir.Overlaps(other)
		if overlaps {
			others = append(others, other)
			dir.Shares = append(dir.Shares, other.ID)
		}
		if knows := slices.Contains(other.Shares, dir.ID); overlaps != knows {
			other.Shares = slices.DeleteFunc(slices.Clone(other.Shares), func(id directory.ID) bool { return id == dir.ID })
			if overlaps {
				other.Shares = append(other.Shares, dir.ID)
			}
			changed = append(changed, other)
		}
	}
	if err := mayShare(before, dir, others); err != nil {
		return dir, err
	}
	dir.Version, err = a.Store.PutDirectoryAmong(ctx, dir, rollout, neighbours, changed...)
	return dir, err
}

// withShares adds to directories those of shares that exist and are missing there.
func (a API) withShares(ctx context.Context, directories []directory.Directory, shares []directory.ID) ([]directory.Directory, error) {
	for _, id := range shares {
		if slices.ContainsFunc(directories, func(d directory.Directory) bool { return d.ID == id }) {
			continue
		}
		other, err := a.Store.Directory(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		directories = append(directories, other)
	}
	return directories, nil
}

// mayShare returns a fault if a directory would write to the accounts of others and its
// settings do not allow that. Directories that it already shared a tenant with are
// allowed.
func mayShare(before, dir directory.Directory, others []directory.Directory) error {
	const op = "admin.share tenant"
	if len(others) == 0 || dir.Settings.AllowSharedDomains {
		return nil
	}
	if before.Settings.AllowSharedDomains {
		return &fault.Error{Op: op, Kind: fault.Conflict, Subject: "body.settings.allowSharedDomains", Message: fmt.Sprintf(
			"%s shares its tenant with %s: allowSharedDomains stays on as long as they do", shown(dir), shownAll(others))}
	}
	others = slices.DeleteFunc(others, func(other directory.Directory) bool { return slices.Contains(before.Shares, other.ID) })
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
	f.Message = fmt.Sprintf("the directories %s and %s would both %s: use %q alone, or set allowSharedDomains on %q. "+
		"That means that a user stays enabled as long as one directory of the tenant holds the user",
		shown(dir), shownAll(others), what, others[0].Name, dir.Name)
	return f
}

// refuseTenant makes the problem document for a directory that was not stored.
func refuseTenant(err error) error {
	if fault.Is(err, fault.Conflict) {
		return api.Refuse(err, fault.Of(err).Subject, nil)
	}
	return api.Refuse(err, "", nil)
}

// shown names a directory for people.
func shown(dir directory.Directory) string {
	id := string(dir.ID)
	if dir.Version == 0 {
		id = "new"
	}
	return fmt.Sprintf("%q (%s)", dir.Name, id)
}

// shownAll names several directories for people.
func shownAll(all []directory.Directory) string {
	names := make([]string, len(all))
	for i, dir := range all {
		names[i] = shown(dir)
	}
	return strings.Join(names, " and ")
}
