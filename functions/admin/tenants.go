package admin

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
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

// refuseTenant makes the problem document for a directory that was not stored.
func refuseTenant(err error) error {
	if fault.Is(err, fault.Conflict) {
		return api.Refuse(err, fault.Of(err).Subject, nil)
	}
	return api.Refuse(err, "", nil)
}
