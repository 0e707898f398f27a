package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// describe reads the tenant with our credentials and writes its id, its domains and any
// problem into the directory. The id comes from the tenant, because a directory may
// name its tenant by any of its domains. If the tenant cannot be read, the values of
// the last read stay, and refusal says why. With a time, the application signs in anew
// after it.
func (a API) describe(ctx context.Context, dir directory.Directory, since time.Time) (described directory.Directory, refusal error) {
	var tenant directory.Tenant
	var err error
	if since.IsZero() {
		tenant, err = a.Clients.Describe(ctx, dir.SignInTenant())
	} else {
		tenant, err = a.Clients.Prove(ctx, dir.SignInTenant(), since)
	}
	if err == nil {
		return dir.Described(tenant), nil
	}
	return refusedBy(ctx, dir.Allowed(tenant), err)
}

// refusedBy writes into a directory why its tenant could not be read.
func refusedBy(ctx context.Context, dir directory.Directory, err error) (directory.Directory, error) {
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
	dir = dir.Refused(dir.Reason, time.Now().UTC())
	if dir.Message == "" {
		dir.Message = "the tenant does not let the application in: give admin consent (POST …/authorize gives the address)"
	}
	if outage {
		dir.Message = "the tenant could not be asked whether it lets the application in (" + dir.Message + "): PATCH this directory to ask it again"
	}
	return dir, err
}

// mustExist refuses a tenant of which sign-in says that there is none. refusal is why it
// could not be read; nil if it was.
func mustExist(refusal error) error {
	if f := fault.Of(refusal); refusal != nil && f.Reason == directory.TenantNotFound {
		return &fault.Error{Op: "admin.create directory", Kind: fault.Invalid, Reason: f.Reason, Message: f.Message, Err: refusal}
	}
	return nil
}

// called is a directory whose tenant a request names in another way. As at the callback of
// consent, the tenant itself stays: accounts, groups and links are in it. Only a directory
// whose tenant was never read has none of them, and may get another one.
func (a API) called(ctx context.Context, dir directory.Directory, name directory.TenantID) (directory.Directory, error) {
	const op = "admin.name tenant"
	refuse := func(kind fault.Kind, message string) (directory.Directory, error) {
		return dir, &fault.Error{Op: op, Kind: kind, Subject: "tenantId", Message: message}
	}
	own := dir.TenantObject
	switch {
	case !tenantPattern.MatchString(string(name)):
		return refuse(fault.Invalid, tenantSays)
	case strings.EqualFold(string(name), string(dir.Tenant)), strings.EqualFold(string(name), string(own)):
		dir.Tenant = name
		return dir, nil
	case own == "":
		dir.Tenant, dir.Granted = name, nil
		return dir, nil
	case guidForm.MatchString(string(name)) && guidForm.MatchString(string(own)):
		return refuse(fault.Conflict, ofAnotherTenant(dir, name, name))
	}
	tenant, err := a.Clients.Describe(ctx, name)
	f := fault.Of(err)
	switch {
	case err == nil && strings.EqualFold(string(tenant.ID), string(own)):
		dir.Tenant = name
		return dir, nil
	case err == nil:
		return refuse(fault.Conflict, ofAnotherTenant(dir, name, tenant.ID))
	case f.Reason == directory.TenantNotFound:
		return refuse(fault.Invalid, f.Message)
	case f.Kind == fault.Transient, f.Kind == fault.Throttled:
		return refuse(f.Kind, fmt.Sprintf("it could not be read whether %s is the tenant of %s, so nothing was changed: try again (%s)", name, dir.Name, f.Message))
	default:
		return refuse(fault.Conflict, fmt.Sprintf("%s does not let the application in, so it cannot be read whether it is the tenant of %s, %s; nothing was changed. %s", name, dir.Name, own, makeAnother))
	}
}

// tenantSays is what the name of a tenant must be.
const tenantSays = "tenantId must be the GUID of a tenant or one of its domains"

// makeAnother says what to do instead of moving a directory.
const makeAnother = "For another tenant create another directory (POST /v1/directories), and deactivate this one when nobody needs it any more"

// ofAnotherTenant says that a name is that of another tenant than that of a directory.
func ofAnotherTenant(dir directory.Directory, name, tenant directory.TenantID) string {
	is := string(name) + " is another tenant"
	if name != tenant {
		is = string(name) + " is a domain of another tenant, " + string(tenant)
	}
	return fmt.Sprintf("%s: the accounts and groups of %s are in the tenant %s, so nothing was changed. %s", is, dir.Name, dir.TenantObject, makeAnother)
}

// mustBeVerified refuses settings that list a domain which the tenant has not verified:
// a typing error there would park all users at once. refusal is why the tenant could
// not be read just now; nil if it was read. With force any domain is accepted: it will be
// verified later, and until then its users are parked and the directory says so.
//
// If the tenant was read before but cannot be read now, only the domains that were
// verified then are accepted: a new domain may not be verified, and all users would be
// parked once the tenant answers. If the tenant was never read, any domain is accepted:
// the directory has no users to park, and it reports the problem once the tenant
// answers.
func mustBeVerified(dir directory.Directory, patch settingsPatch, force bool, refusal error) error {
	const op = "admin.check domains"
	if _, named := patch["domains"]; !named || force || dir.TenantObject == "" {
		return nil
	}
	missing := dir.Settings.Unverified(dir.VerifiedDomains)
	if len(missing) == 0 {
		return nil
	}
	field := fmt.Sprintf("settings.domains[%d].name", missing[0])
	if refusal == nil {
		return &fault.Error{Op: op, Kind: fault.Invalid, Subject: field, Reason: directory.DomainNotVerified, Message: dir.NotVerified(missing) + takeAnyway}
	}
	f := fault.Of(refusal)
	return &fault.Error{Op: op, Kind: f.Kind, Subject: field, Reason: f.Reason, Err: refusal, Message: fmt.Sprintf(
		"the tenant cannot be asked whether it has verified %s, so nothing was changed: try again (%s)%s", dir.Settings.Domains[missing[0]].Name, f.Message, takeAnyway)}
}

// takeAnyway ends the sentence about a domain that is not taken.
const takeAnyway = `. With "force": true it is taken all the same`

// refuseTenant makes the problem document for a directory that was not stored.
func refuseTenant(err error) error {
	if fault.Is(err, fault.Conflict) {
		return api.Refuse(err, fault.Of(err).Subject, nil)
	}
	return api.Refuse(err, "", nil)
}
