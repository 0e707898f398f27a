package directory

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Reason is the typed word for a decision: why an account is disabled, or why a
// link is parked. Logs, metrics, links and the API use the same word.
type Reason string

// Reasons for an account to be disabled.
const (
	StagedReason    Reason = "staged"
	SuspendedReason Reason = "suspended"
	Locked          Reason = "locked"
	PasswordExpired Reason = "password_expired"
	Deleted         Reason = "deleted"
	Disconnected    Reason = "disconnected"

	// The last path by which a user was connected was a group.
	LeftGroup         Reason = "left_group"
	GroupDisconnected Reason = "group_disconnected"
	GroupDeleted      Reason = "group_deleted"
)

// Reasons that disable nobody.
const (
	// ConnectedElsewhere: not connected here any more, but by another directory
	// on the same tenant.
	ConnectedElsewhere Reason = "connected_elsewhere"
	// PasswordChanged: sessions are ended because JumpCloud has a new password.
	PasswordChanged Reason = "password_changed"
	// ManagerAbsent: the manager has no account in this directory yet.
	ManagerAbsent Reason = "manager_absent"
)

// Reasons for a link to be parked or to wait.
const (
	EmailMissing         Reason = "email_missing"
	UPNInvalid           Reason = "upn_invalid"
	DomainNotListed      Reason = "domain_not_listed"
	DomainNotVerified    Reason = "domain_not_verified"
	DomainFederated      Reason = "domain_federated" // what cannot be done in one
	UPNConflict          Reason = "upn_conflict"
	ProtectedAccount     Reason = "protected_account"
	SyncedFromOnPremises Reason = "synced_from_on_premises"
	MasteredElsewhere    Reason = "mastered_elsewhere" // another service owns the attribute
	ManagementRestricted Reason = "management_restricted"
	InvalidValue         Reason = "invalid_value"
	AccountMissing       Reason = "account_missing"
	AccountDeleted       Reason = "account_deleted"
	PendingConsent       Reason = "pending_authorization"
	ManagerMissing       Reason = "manager_missing"
	GroupMissing         Reason = "group_missing"  // the group is not in Entra any more
	GroupUnusable        Reason = "group_unusable" // of a kind that is not managed
	// GroupDeletedInEntra: the group that we made was deleted there, and can be restored.
	GroupDeletedInEntra  Reason = "group_deleted_in_entra"
	MemberAbsent         Reason = "member_absent"  // has no account in this directory yet
	MemberRefused        Reason = "member_refused" // Entra does not take the member
	QuotaExceeded        Reason = "quota_exceeded"
	ConsentLost          Reason = "consent_lost"
	ThrottledReason      Reason = "throttled"
	Unavailable          Reason = "unavailable"
	InternalReason       Reason = "internal"
	RefusedReason        Reason = "refused"
	PermissionMissing    Reason = "permission_missing"
	GuestAccount         Reason = "guest_account"
	JumpCloudRefused     Reason = "jumpcloud_refused"
	JumpCloudUnavailable Reason = "jumpcloud_unavailable"
	AbsenceUnconfirmed   Reason = "absence_unconfirmed" // JumpCloud shows it no more, and that is not believed yet
)

// Reasons for Entra not to let the application in, which concern a whole
// directory.
const (
	TenantNotFound      Reason = "tenant_not_found"     // there is no tenant of that name
	NotConsented        Reason = "not_consented"        // the tenant does not know the application
	ApplicationDisabled Reason = "application_disabled" // an administrator of the tenant switched it off
	SecretExpired       Reason = "secret_expired"       // its client secret is too old
	CredentialsRefused  Reason = "credentials_refused"  // what it proves itself with is wrong
	SignInBlocked       Reason = "sign_in_blocked"      // by Conditional Access
	SignInMisconfigured Reason = "sign_in_misconfigured"
)

// LinkReasons are the reasons that a link of a user or a group, or one of its
// problems, can have.
var LinkReasons = []Reason{
	StagedReason, SuspendedReason, Locked, PasswordExpired, Deleted, Disconnected, LeftGroup, GroupDisconnected, GroupDeleted,
	ConnectedElsewhere, PasswordChanged, ManagerAbsent, EmailMissing, UPNInvalid, DomainNotListed, DomainNotVerified, UPNConflict,
	ProtectedAccount, SyncedFromOnPremises, ManagementRestricted, InvalidValue, AccountMissing, AccountDeleted, PendingConsent,
	ManagerMissing, GroupMissing, GroupUnusable, MemberAbsent, MemberRefused, QuotaExceeded, ConsentLost, ThrottledReason, Unavailable,
	InternalReason, RefusedReason, PermissionMissing, GuestAccount, JumpCloudRefused, JumpCloudUnavailable, AbsenceUnconfirmed, TenantNotFound,
	NotConsented, ApplicationDisabled, SecretExpired, CredentialsRefused, SignInBlocked, SignInMisconfigured,
	DomainFederated, MasteredElsewhere, GroupDeletedInEntra,
}

// Obstacle is why something cannot be done: the typed word, and the sentence for
// the person who must act.
type Obstacle struct {
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
}

// AccountState is what becomes of the account of a user in Entra.
type AccountState string

// The three states of an account.
const (
	Enabled  AccountState = "enabled"
	Disabled AccountState = "disabled"
	Absent   AccountState = "absent" // there is no account, as far as we know
)

// Desired is what the account of one user in one directory should be.
type Desired struct {
	// Managed says whether the user is connected: only then is the account
	// created and its attributes written. Of an account that is not managed any
	// more only the state is kept true.
	Managed bool
	State   AccountState // Enabled or Disabled
	Reason  Reason       // why it is disabled, or who keeps it enabled; else ""
	// KeepsFound says that an account which was there before the user was connected
	// keeps the state that it had then: a staged user goes on working with the
	// password of Microsoft until the activation (JumpCloud support, "Importing
	// M365/Entra ID Users into JumpCloud").
	KeepsFound bool
	// UPN is the wanted sign-in name; "" with an Obstacle, which forbids to
	// create an account or to rename one, but not to disable it.
	UPN        UPN
	Obstacle   *Obstacle
	Attributes Attributes // the sign-in name, its alias and what the rules export; without accountEnabled
	// Problems are the attributes that the rules export and Entra would refuse.
	// They are not among the Attributes.
	Problems []Problem
	// HasManager says that the manager is exported: it is the account of
	// Manager, and nobody's if that is "".
	HasManager bool
	Manager    UserID
}

// Connected says how a user is connected.
type Connected struct {
	Here      bool   // by any path to this directory
	Elsewhere bool   // to another directory on the same tenant
	Ended     Reason // why the last path to this directory ended; "" counts as Disconnected
}

// Desire applies the rules. user is nil when JumpCloud does not know the user
// any more.
//
// An account is enabled only if all hold: connected, activated, not locked when
// lockout suspends, not expired when expiry suspends. A user who is connected by
// another directory on the tenant is connected as far as the state goes: the
// account is disabled when the last path in the tenant is gone. Which cause is
// named when several apply is our choice: the one that lasts longest.
func Desire(user *User, c Connected, s Settings) Desired {
	switch {
	case user == nil:
		return Desired{State: Disabled, Reason: Deleted}
	case !c.Here && !c.Elsewhere && c.Ended == "":
		return Desired{State: Disabled, Reason: Disconnected}
	case !c.Here && !c.Elsewhere:
		return Desired{State: Disabled, Reason: c.Ended}
	}
	d := Desired{State: Enabled}
	if d.Reason = s.whyDisabled(*user); d.Reason != "" {
		d.State = Disabled
		d.KeepsFound = user.State == Staged
	}
	if !c.Here {
		if d.State == Enabled {
			d.Reason = ConnectedElsewhere
		}
		return d
	}
	d.Managed = true
	d.Attributes, d.Problems = s.attributes(*user)
	if s.ExportsManager() {
		d.HasManager, d.Manager = true, user.Manager
	}
	if d.UPN, d.Obstacle = s.UserPrincipalName(*user); d.Obstacle == nil {
		d.Attributes[UserPrincipalName] = Text(string(d.UPN))
		d.Attributes[MailNickname] = Text(mailNickname(d.UPN))
	}
	return d
}

// In holds the wanted sign-in name against the domains that the tenant verified,
// so that a name that Entra would refuse is an obstacle before it is written.
func (d Desired) In(t Tenant) Desired {
	if !d.Managed || d.Obstacle != nil || slices.Contains(t.VerifiedDomains, d.UPN.Domain()) {
		return d
	}
	d.Obstacle = &Obstacle{DomainNotVerified, fmt.Sprintf("%s is not a verified domain of tenant %s: verify it in Entra or change the user's e-mail", d.UPN.Domain(), t.Name)}
	d.UPN, d.Attributes = "", maps.Clone(d.Attributes)
	delete(d.Attributes, UserPrincipalName)
	delete(d.Attributes, MailNickname)
	return d
}

// With is what is desired with one attribute more.
func (d Desired) With(name Attribute, value Value) Desired {
	d.Attributes = d.Attributes.Set([]Change{{Attribute: name, To: value}})
	return d
}

// whyDisabled is the reason that a connected user must not sign in, or "".
func (s Settings) whyDisabled(u User) Reason {
	switch {
	case u.State == Suspended:
		return SuspendedReason
	case u.State != Activated:
		return StagedReason
	case u.AccountLocked && s.SuspendOnLockout:
		return Locked
	case u.PasswordExpired && s.SuspendOnPasswordExpiration:
		return PasswordExpired
	default:
		return ""
	}
}

// sentences say for each reason of a state what it means.
var sentences = map[Reason]string{
	StagedReason:    "the user is staged in JumpCloud: an account that entrasync created opens with the activation, one that was there before keeps the state that it had",
	SuspendedReason: "the user is suspended in JumpCloud",
	Locked:          "the user is locked out in JumpCloud and this directory suspends on lockout: unlock the user",
	PasswordExpired: "the user's password expired in JumpCloud and this directory suspends on expiry: the user sets a new one",
	Deleted:         "the user was deleted in JumpCloud",
	Disconnected:    "the user is not connected to this directory any more",

	LeftGroup:          "the user left the last group that connected them to this directory",
	GroupDisconnected:  "the group that was the user's only connection is not connected to this directory any more",
	GroupDeleted:       "the group that was the user's only connection was deleted in JumpCloud",
	ConnectedElsewhere: "the user is not connected to this directory any more; another directory on the same tenant keeps the account",
}

// Sentence is what a reason of a state means to a person; "" for other reasons,
// whose sentence comes with the obstacle.
func (r Reason) Sentence() string { return sentences[r] }

// Account is an account as Entra shows it.
type Account struct {
	ID                   EntraID
	UPN                  UPN
	ImmutableID          string
	Enabled              bool
	SyncedFromOnPremises bool // mastered in an on-premises Active Directory
	ManagementRestricted bool // in a restricted management administrative unit
	Guest                bool
	Attributes           Attributes
}

// Untouchable says why entrasync must not take the account over, or nil.
func (a Account) Untouchable() *Obstacle {
	switch {
	case a.SyncedFromOnPremises:
		return &Obstacle{SyncedFromOnPremises, fmt.Sprintf("%s is synchronised from an on-premises Active Directory, which owns its attributes: manage it there, or end that synchronisation first", a.UPN)}
	case a.ManagementRestricted:
		return &Obstacle{ManagementRestricted, fmt.Sprintf("%s is in a restricted management administrative unit: take it out of the unit, or give entrasync a role there", a.UPN)}
	case a.Guest:
		return &Obstacle{GuestAccount, fmt.Sprintf("%s is a guest from another tenant: its account belongs there", a.UPN)}
	default:
		return nil
	}
}

// DeletedAccount is an account that was deleted in Entra and can be restored.
type DeletedAccount struct {
	ID          EntraID
	UPN         UPN // as it was
	ImmutableID string
	At          time.Time // of the deletion
	// Guest and SyncedFromOnPremises say why it is not to be taken over.
	Guest, SyncedFromOnPremises bool
}

// Untouchable says why entrasync must not take the account over, or nil.
func (a DeletedAccount) Untouchable() *Obstacle {
	return Account{UPN: a.UPN, Guest: a.Guest, SyncedFromOnPremises: a.SyncedFromOnPremises}.Untouchable()
}

// Obstacle is the deleted account as the reason not to create another one.
func (a DeletedAccount) Obstacle() *Obstacle {
	return &Obstacle{AccountDeleted, fmt.Sprintf("%s was deleted in Entra on %s and can still be restored: restore it there, set restoreDeleted on this directory, or delete it there for good",
		a.UPN, a.At.UTC().Format(time.DateOnly))}
}
