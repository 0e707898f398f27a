package directory

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"entrasync/shared/fault"
)

// Status is whether a directory is in use.
type Status string

// The statuses of a directory.
const (
	Active               Status = "active"                // our credentials work for the tenant
	PendingAuthorization Status = "pending_authorization" // the tenant has not consented yet
	Importing            Status = "importing"             // it is being put back from its export
	Deactivating         Status = "deactivating"          // what is known of it is being deleted
)

// InUse reports whether a directory of this status is worked on: of one that is being
// deactivated only the deactivation is left, and one that is being put back is not complete.
func (s Status) InUse() bool { return s != Deactivating && s != Importing }

// Directory is one Entra tenant connected to one organization.
type Directory struct {
	ID           ID             `json:"id"`
	Organization OrganizationID `json:"organizationId"`
	Name         string         `json:"name"`
	Tenant       TenantID       `json:"tenantId"` // as the administrator named it: its id or a domain
	// TenantObject is the object id that the tenant shows; "" until the tenant could be
	// read. Until then nothing is written, because claims on accounts need this id.
	TenantObject TenantID `json:"tenantObjectId,omitempty"`
	// VerifiedDomains are the tenant's verified domains, in lower case, when it was last
	// read for this directory.
	VerifiedDomains []string `json:"verifiedDomains,omitempty" doc:"The tenant's verified domains when it was last asked"`
	// FederatedDomains and InitialDomain are from the same read, if it included them; see
	// [Tenant].
	FederatedDomains []string `json:"federatedDomains,omitempty" doc:"Those of them whose users sign in with another service, when it was last asked"`
	InitialDomain    string   `json:"initialDomain,omitempty" doc:"The tenant's own domain of onmicrosoft.com"`
	// Shares are the other directories on the same tenant or with one of its domains, if
	// the administrator allowed that. All of them list one another.
	Shares []ID   `json:"sharesTenantWith,omitempty" doc:"The other directories on the tenant or with one of its domains, where allowSharedDomains was set"`
	Status Status `json:"status" enum:"active,pending_authorization,importing,deactivating"`
	// Reason and Message say why the directory is not active, or what is wrong
	// with one that is; "" when nothing is.
	Reason  Reason `json:"reason,omitempty" doc:"One typed word: why the directory is not active, or what is wrong with one that is; missing when nothing is"`
	Message string `json:"message,omitempty" doc:"The reason as a sentence, with what to do"`
	// Suspended is why all tasks of the directory wait; nil: they do not. PartlySuspended
	// are missing permissions that stop some of them. Probes look whether that is over.
	Suspended       *Suspension  `json:"suspended,omitempty" doc:"Why all changes of the directory wait; missing when they do not"`
	PartlySuspended []Suspension `json:"partlySuspended,omitempty" doc:"Missing permissions for which some changes of the directory wait"`
	Probes          Probes       `json:"probes,omitzero" doc:"The looks whether that is over; they are made by themselves, and at once with each PATCH or sync"`
	Settings        Settings     `json:"settings"`
	CreatedAt       time.Time    `json:"createdAt"`
	// Granted is what the tenant allowed the application when it was last asked; nil if that
	// is not known. For people it is compared with what the settings need.
	Granted *Granted `json:"granted,omitempty" hidden:"true"`
	// Restoration says that the directory was put back, or is; nil if it was made here.
	Restoration *Restoration `json:"restoration,omitempty" doc:"How far POST /v1/directories/import is, which put the directory back; missing if it was made here"`
	// DeletesFrom is from when on accounts of leavers are deleted; zero: at any time. It is
	// later than the last change of the setting.
	DeletesFrom time.Time `json:"deletesFrom,omitzero" hidden:"true"`
	Version     int64     `json:"-"`
}

// Restoration is how a directory is put back from its export.
type Restoration struct {
	ExportedAt time.Time  `json:"exportedAt"`
	By         string     `json:"by" doc:"Who sent the export"`
	BeganAt    time.Time  `json:"beganAt"`
	EndedAt    *time.Time `json:"endedAt,omitempty" doc:"When the last line was put back; missing before"`
	// Lines is how many lines of the export are put back.
	Lines int `json:"lines" doc:"How many lines of the export are put back. The next part begins with the one after"`
	// Conflicts counts accounts and groups in Entra that belong to somebody else by now.
	Conflicts      int          `json:"conflicts" doc:"How many accounts and groups in Entra belong to somebody else by now"`
	FirstConflicts []Unrestored `json:"firstConflicts" doc:"The first 20 of these"`
}

// Unrestored is an account or a group in Entra that could not be claimed again.
type Unrestored struct {
	Line    int     `json:"line" doc:"The line of the export"`
	User    UserID  `json:"userId,omitempty" doc:"The user who had the account"`
	Group   GroupID `json:"groupId,omitempty" doc:"The group in JumpCloud that had the group"`
	EntraID EntraID `json:"entraId" doc:"The account, or the group in Entra"`
	Message string  `json:"message" doc:"Who has it"`
}

// KnownTenant is the tenant as it was last read for this directory.
func (d Directory) KnownTenant() Tenant {
	return Tenant{ID: d.TenantObject, VerifiedDomains: d.VerifiedDomains, FederatedDomains: d.FederatedDomains, InitialDomain: d.InitialDomain}
}

// SignInTenant is the tenant where the application signs in for this directory: by its object
// id, once that is known. A domain by which an administrator named it may have moved to another
// tenant since, where accounts of this directory's users are not.
func (d Directory) SignInTenant() TenantID {
	if d.TenantObject != "" {
		return d.TenantObject
	}
	return d.Tenant
}

// SameTenant reports whether two directories are on one tenant, as far as is
// known.
func (d Directory) SameTenant(other Directory) bool {
	return strings.EqualFold(string(d.Tenant), string(other.Tenant)) ||
		(d.TenantObject != "" && strings.EqualFold(string(d.TenantObject), string(other.TenantObject)))
}

// MappedEmail names the e-mail address of a JumpCloud user that becomes the UPN.
type MappedEmail string

// The two e-mail addresses that a JumpCloud user has.
const (
	CompanyEmail   MappedEmail = "company"
	AlternateEmail MappedEmail = "alternate"
)

// Domain is a domain that the administrator listed for a directory.
type Domain struct {
	Name    string `json:"name"`
	Default bool   `json:"default"`
}

// Settings are what an administrator chose for a directory. The zero value is
// not valid; [DefaultSettings] is.
type Settings struct {
	MappedEmail MappedEmail   `json:"mappedEmail"`
	Domains     []Domain      `json:"domains"`
	Attributes  map[Rule]bool `json:"attributes"`
	// Import are the rules that go the other way when users are imported: the new user in
	// JumpCloud gets what Entra has. A rule may be among both, or only here.
	Import map[Rule]bool `json:"import"`
	// CustomAttributes are the extension attributes to write, by the name of the
	// custom attribute in JumpCloud.
	CustomAttributes            map[string]ExtensionAttribute `json:"customAttributes"`
	SuspendOnPasswordExpiration bool                          `json:"suspendOnPasswordExpiration"`
	SuspendOnLockout            bool                          `json:"suspendOnLockout"`
	// RevokeSessionsOnPasswordChange ends the sessions in Microsoft 365 of a user
	// who got a new password in JumpCloud.
	RevokeSessionsOnPasswordChange bool `json:"revokeSessionsOnPasswordChange"`
	// RestoreDeleted brings a deleted account back instead of reporting it.
	RestoreDeleted bool `json:"restoreDeleted"`
	// RepairDrift writes again what somebody else changed in Entra; otherwise it is only
	// reported. Settings that are older than this field have it on.
	RepairDrift bool `json:"repairDrift"`
	Federated   bool `json:"federated"`
	// ManageGroups creates or takes over a security group in Entra for each connected
	// group.
	ManageGroups bool `json:"manageGroups"`
	// ExactMembership removes members from groups in Entra if they are not members in
	// JumpCloud.
	ExactMembership bool `json:"exactMembership"`
	// DeleteGroups deletes a group in Entra that we created, after its group was
	// disconnected or deleted in JumpCloud.
	DeleteGroups bool `json:"deleteGroups"`
	// ConnectionSource is the object in JumpCloud whose associations connect users
	// and groups here.
	ConnectionSource ConnectionSource `json:"connectionSource"`
	// Guard says from how many people on it takes an approval to take access away. Settings
	// that are older than this field have the default.
	Guard Guard `json:"guard"`
	// Exclude are the people whose accounts are never written.
	Exclude Exclude `json:"exclude"`
	// AllowSharedDomains allows another directory on the same tenant.
	AllowSharedDomains bool `json:"allowSharedDomains"`
	// Leavers are the steps that follow the block of an account whose user left. Settings that
	// are older than this field have none.
	Leavers Leavers `json:"leavers"`
}

// SourceType is the type of a connection source.
type SourceType string

// The types of connection sources.
const (
	NoSource          SourceType = "none"
	ApplicationSource SourceType = "application"
	Office365Source   SourceType = "office_365"
)

// ConnectionSource names the object in JumpCloud whose associations with users and
// groups are connections.
type ConnectionSource struct {
	Type SourceType `json:"type"`
	ID   string     `json:"id,omitempty"` // 24 hex digits; "" with NoSource
}

// DefaultSettings are the safe settings: the company e-mail unchanged, no optional
// attribute, nobody disabled for a lockout or an expired password.
func DefaultSettings() Settings {
	return Settings{MappedEmail: CompanyEmail, Domains: []Domain{}, Attributes: map[Rule]bool{}, Import: map[Rule]bool{}, CustomAttributes: map[string]ExtensionAttribute{},
		RepairDrift: true, ManageGroups: true, ConnectionSource: ConnectionSource{Type: NoSource}, Guard: DefaultGuard(), Exclude: Exclude{Users: []UserID{}, UPNs: []UPN{}}}
}

// UnmarshalJSON reads settings. A setting that is newer than they are, and that is on by
// default, is on.
func (s *Settings) UnmarshalJSON(data []byte) error {
	type plain Settings
	read := plain{RepairDrift: true, Guard: DefaultGuard()}
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	*s = Settings(read)
	return nil
}

// ExportsManager reports whether the manager is among the attributes.
func (s Settings) ExportsManager() bool { return s.Attributes[managerRule] }

// Check reports the first setting that cannot be used, as a fault of kind
// Invalid whose subject is the path of the setting.
func (s Settings) Check() error {
	if s.MappedEmail != CompanyEmail && s.MappedEmail != AlternateEmail {
		return refuse("mappedEmail", fmt.Sprintf("mappedEmail is %q: it must be %q or %q", s.MappedEmail, CompanyEmail, AlternateEmail))
	}
	if err := checkDomains(s.Domains); err != nil {
		return err
	}
	for rule := range s.Attributes {
		if !slices.Contains(Rules(), rule) {
			return refuse("attributes."+string(rule), fmt.Sprintf("there is no attribute rule %q: the rules are %s", rule, joined(Rules())))
		}
	}
	if err := s.checkImport(); err != nil {
		return err
	}
	if err := s.checkCustomAttributes(); err != nil {
		return err
	}
	if err := s.Guard.check(); err != nil {
		return err
	}
	if err := s.Leavers.check(); err != nil {
		return err
	}
	if err := s.Exclude.check(); err != nil {
		return err
	}
	return s.ConnectionSource.check()
}

// check returns a fault for a source that is not valid.
func (c ConnectionSource) check() error {
	switch {
	case c.Type != NoSource && c.Type != ApplicationSource && c.Type != Office365Source:
		return refuse("connectionSource.type", fmt.Sprintf("%q is no type of connection source: they are none, application and office_365", c.Type))
	case c.Type == NoSource && c.ID != "":
		return refuse("connectionSource.id", "a connection source needs its type: application or office_365")
	case c.Type != NoSource && !IsJumpCloudID(c.ID):
		return refuse("connectionSource.id", fmt.Sprintf("%q is not the id of an object in JumpCloud, which has %s", c.ID, JumpCloudIDSays))
	}
	return nil
}

// checkCustomAttributes refuses extension attributes that Entra does not have, and two
// custom attributes for one of them.
func (s Settings) checkCustomAttributes() error {
	source := map[ExtensionAttribute]string{}
	for _, name := range slices.Sorted(maps.Keys(s.CustomAttributes)) {
		extension := s.CustomAttributes[name]
		path := "customAttributes." + name
		switch other, taken := source[extension]; {
		case name == "":
			return refuse(path, "a custom attribute needs its name in JumpCloud")
		case !extension.exists():
			return refuse(path, fmt.Sprintf("%q is not an extension attribute: they are %s", extension, ExtensionSays))
		case taken:
			return refuse(path, fmt.Sprintf("%s is written from %q already: give %q another one", extension, other, name))
		}
		source[extension] = name
	}
	return nil
}

// DomainPattern matches the name of a domain, which has two labels or more.
const DomainPattern = `^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`

// domainName matches the name of a domain.
var domainName = regexp.MustCompile(DomainPattern)

// Unverified are the indexes of the settings' domains that are not in verified, whose names
// are in lower case.
func (s Settings) Unverified(verified []string) []int {
	var missing []int
	for i, d := range s.Domains {
		if !slices.Contains(verified, strings.ToLower(d.Name)) {
			missing = append(missing, i)
		}
	}
	return missing
}

// checkDomains refuses empty and repeated names and a second default.
func checkDomains(domains []Domain) error {
	var seen []string
	defaults := 0
	for i, d := range domains {
		path := fmt.Sprintf("domains[%d]", i)
		name := strings.ToLower(d.Name)
		switch {
		case len(name) > LongestDomain || !domainName.MatchString(name):
			return refuse(path+".name", fmt.Sprintf("%q is not a domain name", d.Name))
		case slices.Contains(seen, name):
			return refuse(path+".name", fmt.Sprintf("the domain %s is listed twice", d.Name))
		}
		seen = append(seen, name)
		if d.Default {
			defaults++
		}
		if defaults > 1 {
			return refuse(path+".default", "only one domain can be the default")
		}
	}
	return nil
}

// refuse is the fault for a setting that cannot be used.
func refuse(path, message string) error {
	return &fault.Error{Op: "directory.settings", Kind: fault.Invalid, Subject: "settings." + path, Message: message}
}

// joined joins names for a sentence.
func joined[T ~string](names []T) string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = string(n)
	}
	return strings.Join(words, ", ")
}
