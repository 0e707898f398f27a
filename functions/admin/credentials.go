package admin

import (
	"context"
	"time"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// OrganizationView is an organization as the API shows it.
type OrganizationView struct {
	directory.Organization
	Credentials []directory.CredentialState `json:"credentials" doc:"When the credential for JumpCloud ends, and what to do"`
}

// viewOfOrganization shows an organization.
func viewOfOrganization(o directory.Organization) OrganizationView {
	return OrganizationView{Organization: o, Credentials: []directory.CredentialState{o.Credential().At(time.Now())}}
}

// credentialsOf are the credentials without which a directory is not kept in sync: that of
// the application for Entra, if one is stored, and that of the organization. An
// organization whose record cannot be read is left out.
func (a API) credentialsOf(ctx context.Context, dir directory.Directory) []directory.CredentialState {
	states := []directory.CredentialState{}
	if c, known := a.Entra.Read(ctx); known {
		states = append(states, c.At(time.Now()))
	}
	if o, err := a.Store.Organization(ctx, dir.Organization); err == nil {
		states = append(states, o.Credential().At(time.Now()))
	}
	return states
}

// CredentialBody is the part of a body that gives a credential for JumpCloud: a key, or
// the client credentials of a service account.
type CredentialBody struct {
	APIKey              *string    `json:"apiKey,omitempty" pattern:"^[!-~]+$" doc:"A key of an administrator or of a service account, in any of JumpCloud's forms. It is kept with the secrets and never shown again"`
	ClientID            *string    `json:"clientId,omitempty" pattern:"^[!-9;-~]+$" doc:"Instead of a key: the client id of a service account, with its clientSecret"`
	ClientSecret        *string    `json:"clientSecret,omitempty" pattern:"^[!-~]+$" doc:"Kept with the secrets and never shown again"`
	CredentialsExpireAt *time.Time `json:"credentialsExpireAt,omitempty" doc:"When the key or the client secret ends; null in a PATCH: it is not known any more. Missing: what JumpCloud says, which it does of service accounts that have the scope serviceaccounts.readonly"`
}

// expiryField is the field of a body with the end of a credential.
const expiryField = "credentialsExpireAt"

// checkEnd refuses the zero time, which is no end.
func (b CredentialBody) checkEnd() error {
	if b.CredentialsExpireAt == nil || !b.CredentialsExpireAt.IsZero() {
		return nil
	}
	return api.Refuse(fault.New(fault.Invalid, "admin.check credential", expiryField+" is no time at which a credential ends: leave it out, or give null in a PATCH"), "body."+expiryField, nil)
}

// noCredential refuses a body that must have a credential and has none.
func noCredential() error {
	return api.Refuse(fault.New(fault.Invalid, "admin.check credential", "an organization needs apiKey, or clientId and clientSecret of a service account"), "body.apiKey", nil)
}

// credential is the credential of the body; nil if it has none.
func (b CredentialBody) credential() (*secret.JumpCloud, error) {
	const op = "admin.check credential"
	switch {
	case b.APIKey == nil && b.ClientID == nil && b.ClientSecret == nil:
		return nil, nil //nolint:nilnil // no credential is no mistake
	case b.APIKey != nil && (b.ClientID != nil || b.ClientSecret != nil):
		return nil, api.Refuse(fault.New(fault.Invalid, op, "give either apiKey or clientId and clientSecret: an organization has one credential"), "body.apiKey", nil)
	case b.APIKey != nil:
		return &secret.JumpCloud{APIKey: *b.APIKey}, nil
	case b.ClientSecret == nil:
		return nil, api.Refuse(fault.New(fault.Invalid, op, "clientId needs clientSecret: both are replaced together"), "body.clientSecret", nil)
	case b.ClientID == nil:
		return nil, api.Refuse(fault.New(fault.Invalid, op, "clientSecret needs clientId: both are replaced together"), "body.clientId", nil)
	default:
		return &secret.JumpCloud{ClientID: *b.ClientID, ClientSecret: *b.ClientSecret}, nil
	}
}

// fieldOf is the field of a body that has the secret of a credential.
func fieldOf(c secret.JumpCloud) string {
	if c.APIKey == "" {
		return "clientSecret"
	}
	return "apiKey"
}

// checkKey makes requests to JumpCloud to check a credential, and notes in the organization
// what it is and when it ends: at the time that the administrator gave or, without one, that
// JumpCloud says.
func (a API) checkKey(ctx context.Context, o *directory.Organization, credential secret.JumpCloud, given *time.Time) (name string, err error) {
	name, ends, err := a.Clients.CheckKey(ctx, *o, credential)
	if fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.Forbidden) || fault.Is(err, fault.NotFound) {
		return "", api.Refuse(&fault.Error{Op: "admin.check key", Kind: fault.Invalid, Message: "JumpCloud does not accept this credential for the organization " + string(o.ID) + ": " + fault.Of(err).Message}, "body."+fieldOf(credential), nil)
	}
	if err != nil {
		return "", api.Refuse(err, "", nil)
	}
	o.CredentialKind, o.CredentialsExpireAt = credential.Kind(), nil
	switch {
	case given != nil:
		o.CredentialsExpireAt = utc(*given)
	case !ends.IsZero():
		o.CredentialsExpireAt = utc(ends)
	}
	return name, nil
}

// utc is a time as records have it.
func utc(t time.Time) *time.Time {
	t = t.UTC()
	return &t
}
