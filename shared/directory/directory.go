// Package directory is the domain of entrasync: what an organization, a directory, a user
// and a link are, and the rules that compute the desired state of the account in Entra
// from a JumpCloud user and the settings of a directory.
//
// Everything here is pure: no context, no clock, no network. A rule that depends on time
// takes the time as an argument. The rules come from JumpCloud's published description of
// its Microsoft 365 integration. Where it says nothing the choice is ours, and a comment
// at the rule says so.
package directory

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// The identifiers of the outside systems and our own. Each has a type, so that they cannot
// be confused.
type (
	// OrganizationID is the id of a JumpCloud organisation, 24 hex digits.
	OrganizationID string
	// UserID is the id of a JumpCloud user, 24 hex digits.
	UserID string
	// GroupID is the id of a JumpCloud user group, 24 hex digits.
	GroupID string
	// TenantID is the id of an Entra tenant, a GUID or one of its domains.
	TenantID string
	// EntraID is the object id of an account or group in Entra, a GUID.
	EntraID string
	// ID is the id of a directory. It begins with the id of its organization
	// ("<organization>-<suffix>"), so that the key of every record can be
	// computed from it without a lookup.
	ID string
	// UPN is a user principal name, the sign-in name of an account in Entra.
	// Entra compares it without regard to case.
	UPN string
)

// The patterns of ids: JumpCloudID matches ids of JumpCloud, JumpCloudIDSays describes them
// for people, NoJumpCloudID matches them and an empty text, and IDPattern matches ids of
// directories.
const (
	JumpCloudID     = `^` + hexDigits + `$`
	JumpCloudIDSays = "24 hex digits"
	NoJumpCloudID   = `^(` + hexDigits + `)?$`
	IDPattern       = `^` + hexDigits + `-[0-9a-z]{1,32}$`

	hexDigits = `[0-9a-f]{24}`
)

// jumpCloudID matches an id of JumpCloud.
var jumpCloudID = regexp.MustCompile(JumpCloudID)

// IsJumpCloudID reports whether a text can be the id of an object in JumpCloud.
func IsJumpCloudID(text string) bool { return jumpCloudID.MatchString(text) }

// NewID makes the id of a directory from its organization and a suffix that is
// unique within it and has no hyphen.
func NewID(organization OrganizationID, suffix string) ID {
	return ID(string(organization) + "-" + suffix)
}

// Organization is the organization that the directory belongs to; "" if id is
// not the id of a directory.
func (id ID) Organization() OrganizationID {
	organization, suffix, found := strings.Cut(string(id), "-")
	if !found || suffix == "" {
		return ""
	}
	return OrganizationID(organization)
}

// Same reports whether two user principal names are the same to Entra.
func (u UPN) Same(other UPN) bool { return strings.EqualFold(string(u), string(other)) }

// LocalPart is what stands before the @.
func (u UPN) LocalPart() string {
	local, _, _ := strings.Cut(string(u), "@")
	return local
}

// Domain is what stands after the last @, in lower case; "" without one.
func (u UPN) Domain() string {
	at := strings.LastIndexByte(string(u), '@')
	if at < 0 {
		return ""
	}
	return strings.ToLower(string(u)[at+1:])
}

// UserState is the state of a JumpCloud user.
type UserState string

// The three states of a JumpCloud user.
const (
	Staged    UserState = "STAGED"
	Activated UserState = "ACTIVATED"
	Suspended UserState = "SUSPENDED"
)

// User is the part of a JumpCloud user that the rules use. Text is as JumpCloud has it; an
// empty string and a missing field are the same.
type User struct {
	ID              UserID
	Username        string
	Email           string // company e-mail
	AlternateEmail  string
	FirstName       string
	LastName        string
	DisplayName     string
	State           UserState
	AccountLocked   bool
	PasswordExpired bool
	PasswordDate    time.Time // when the password was set; zero if it never was
	CreationSource  string    // what created the user: "jumpcloud:o365" is an import from Microsoft 365

	// Fields are the plain fields that rules export, by their name in JumpCloud's API
	// (see [PlainFields]), and Phones the first phone of each exported type (see
	// [PhoneTypes]). Empty values are left out.
	Fields, Phones map[string]string
	Manager        UserID
	Work           Address           // the address of type "work"
	Attributes     map[string]string // the custom attributes
}

// Address is a postal address of a JumpCloud user.
type Address struct {
	StreetAddress, ExtendedAddress, POBox string
	Locality, Region, PostalCode, Country string
}

// Organization is a JumpCloud organisation that entrasync serves. Its API key and webhook
// secrets are not part of it: they are stored with the secrets.
type Organization struct {
	ID        OrganizationID `json:"id"`
	Name      string         `json:"name"`
	Region    Region         `json:"region"`
	CreatedAt time.Time      `json:"createdAt"`
	// CredentialKind is the kind of the credential for JumpCloud, "" if an earlier version
	// stored it, and CredentialsExpireAt when it ends, if somebody said it.
	CredentialKind      CredentialKind `json:"credentialKind,omitempty" enum:"jumpcloud_api_key,jumpcloud_service_account_key,jumpcloud_service_account_secret" doc:"What entrasync proves itself with to JumpCloud; missing if an earlier version stored it"`
	CredentialsExpireAt *time.Time     `json:"credentialsExpireAt,omitempty" doc:"When the API key or the client secret for JumpCloud ends, as JumpCloud or a PATCH said it; missing if nobody did"`
	// Notify are the e-mail addresses that hear of long work of which nobody else does.
	Notify []string `json:"notify,omitempty" doc:"The e-mail addresses that hear of the end of an import, unless others are named"`
	// Deactivating is the job that deletes what is known of the organization; "" if none does.
	Deactivating string `json:"deactivatingJobId,omitempty" doc:"The job that deletes what is known of the organization, which is not served any more; missing while it is served"`
	// Version is that of its record; 0 if it was read in a list.
	Version int64 `json:"-"`
}

// Credential is what is known of the credential for JumpCloud.
func (o Organization) Credential() Credential {
	c := Credential{Kind: o.CredentialKind, Organization: o.ID}
	if c.Kind == "" {
		c.Kind = AdministratorKey
	}
	if o.CredentialsExpireAt != nil {
		c.ExpiresAt = o.CredentialsExpireAt.UTC()
	}
	return c
}

// Tenant is what an Entra tenant says of itself.
type Tenant struct {
	ID              TenantID
	Name            string
	VerifiedDomains []string // in lower case
	// FederatedDomains are the verified domains whose users sign in with another service.
	// An account in such a domain is identified by its immutable id, which cannot be
	// changed there, and has no password (Graph, verifiedDomain; more is in shared/entra).
	FederatedDomains []string
	// InitialDomain is the domain of onmicrosoft.com that every tenant has from the start
	// and that is never federated; "" if the tenant does not say it.
	InitialDomain string
	// Granted is what the tenant allows the application; nil if that is not known.
	Granted *Granted
}

// Granted is what a tenant allows the application, as its token says.
type Granted struct {
	At          time.Time `json:"at"`          // when the token was made
	Permissions []string  `json:"permissions"` // the application permissions
	// DirectoryRoles are the ids of the templates of directory roles; nil if the token says
	// nothing of any.
	DirectoryRoles []string `json:"directoryRoles,omitempty"`
}

// Federates reports whether a sign-in name is in a federated domain of the tenant.
func (t Tenant) Federates(name UPN) bool {
	return slices.Contains(t.FederatedDomains, name.Domain())
}
