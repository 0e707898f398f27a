package directory

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Obstacle is why something cannot be done: the typed word, and the sentence for
// the person who must act.
type Obstacle struct {
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
}

// AccountState is the state of the account of a user in Entra.
type AccountState string

// The three states of an account.
const (
	Enabled  AccountState = "enabled"
	Disabled AccountState = "disabled"
	Absent   AccountState = "absent" // there is no account, as far as we know
)

// Desired is what the account of one user in one directory should be.
type Desired struct {
	// Managed says whether the user is connected: only then is the account created and
	// its attributes written. Of an account that is not managed any more only the state
	// is written.
	Managed bool
	State   AccountState // Enabled or Disabled
	Reason  Reason       // why it is disabled, or what keeps it enabled; otherwise ""
	// KeepsFound says that an account which existed before the user was connected keeps
	// the state that it had then: a staged user continues to work with the password of
	// Microsoft until the activation (JumpCloud support, "Importing
	// M365/Entra ID Users into JumpCloud").
	KeepsFound bool
	// UPN is the desired sign-in name. It is "" with an Obstacle, which forbids to create
	// or rename an account, but not to disable it.
	UPN        UPN
	Obstacle   *Obstacle
	Attributes Attributes // the sign-in name, its alias and what the rules export; without accountEnabled
	// Problems are the attributes that the rules export and Entra would refuse.
	// They are not among the Attributes.
	Problems []Problem
	// HasManager says that the manager is exported: the account of Manager, or none if
	// Manager is "".
	HasManager bool
	Manager    UserID
}

// Connected says how a user is connected.
type Connected struct {
	Here      bool   // by any path to this directory
	Elsewhere bool   // to another directory on the same tenant
	Ended     Reason // why the last path to this directory ended; see WhyEnded
}

// WhyEnded is why the user is not connected to this directory any more.
func (c Connected) WhyEnded() Reason {
	if c.Ended == "" {
		return Disconnected
	}
	return c.Ended
}

// Desire applies the rules. user is nil when the user is gone in JumpCloud.
//
// An account is enabled only if all of these are true: connected, activated, not locked if
// lockout suspends, not expired if expiry suspends. For the state, a connection to another
// directory on the tenant counts as well: the account is disabled when the last path in
// the tenant is gone. If several causes apply, the reason is the one that lasts longest
// (our choice).
func Desire(user *User, c Connected, s Settings) Desired {
	switch {
	case user == nil:
		return Desired{State: Disabled, Reason: Deleted}
	case !c.Here && !c.Elsewhere:
		return Desired{State: Disabled, Reason: c.WhyEnded()}
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

// In compares the desired sign-in name with the domains that the tenant verified, so that a
// name that Entra would refuse is an obstacle before it is written.
func (d Desired) In(t Tenant) Desired {
	if !d.Managed || d.Obstacle != nil || slices.Contains(t.VerifiedDomains, d.UPN.Domain()) {
		return d
	}
	return d.Unnamed(Obstacle{DomainNotVerified, fmt.Sprintf("%s is not a verified domain of tenant %s: verify it in Entra or change the user's e-mail", d.UPN.Domain(), t.Name)})
}

// Unnamed is the desired state without a sign-in name, because of an obstacle.
func (d Desired) Unnamed(why Obstacle) Desired {
	d.Obstacle = &why
	d.UPN, d.Attributes = "", maps.Clone(d.Attributes)
	delete(d.Attributes, UserPrincipalName)
	delete(d.Attributes, MailNickname)
	return d
}

// With is the desired state with one more attribute.
func (d Desired) With(name Attribute, value Value) Desired {
	d.Attributes = d.Attributes.Set([]Change{{Attribute: name, To: value}})
	return d
}

// whyDisabled is the reason why a connected user must not sign in, or "".
func (s Settings) whyDisabled(u User) Reason {
	for _, c := range causes {
		if c.holds(u, s) {
			return c.reason
		}
	}
	return ""
}

// Account is an account as Entra shows it.
type Account struct {
	ID                   EntraID
	UPN                  UPN
	ImmutableID          string
	Enabled              bool
	SyncedFromOnPremises bool // its attributes come from an on-premises Active Directory
	ManagementRestricted bool // in a restricted management administrative unit
	Guest                bool
	Agent                bool // of a program and not of a person (agentUser)
	Attributes           Attributes
	// Licenses are those that the account has by itself, and GroupLicenses those that it has as
	// a member of a group. Both are nil unless AssignedLicenses was asked for.
	Licenses      []License
	GroupLicenses []GroupLicense
}

// Untouchable says why entrasync must not take the account over, or nil.
func (a Account) Untouchable() *Obstacle {
	switch {
	case a.Agent:
		return &Obstacle{AgentAccount, fmt.Sprintf("%s is the account of an agent (agentUser), a program and not a person: rename it in Entra, or change the user's e-mail address", a.UPN)}
	case a.SyncedFromOnPremises:
		return &Obstacle{SyncedFromOnPremises, fmt.Sprintf("%s is synchronised from an on-premises Active Directory, which owns its attributes: manage it there, or end that synchronisation first", a.UPN)}
	case a.ManagementRestricted:
		return &Obstacle{ManagementRestricted, fmt.Sprintf("%s is in a restricted management administrative unit: take it out of the unit, or give entrasync a role there", a.UPN)}
	case a.Guest:
		return &Obstacle{GuestAccount, fmt.Sprintf("%s is a guest from another tenant, where its account belongs: manage it there, or change the user's e-mail", a.UPN)}
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
	// Guest, Agent and SyncedFromOnPremises are reasons not to take it over.
	Guest, Agent, SyncedFromOnPremises bool
}

// Untouchable says why entrasync must not take the account over, or nil.
func (a DeletedAccount) Untouchable() *Obstacle {
	return Account{UPN: a.UPN, Guest: a.Guest, Agent: a.Agent, SyncedFromOnPremises: a.SyncedFromOnPremises}.Untouchable()
}

// Obstacle is the deleted account as the reason not to create another one.
func (a DeletedAccount) Obstacle() *Obstacle {
	return &Obstacle{AccountDeleted, fmt.Sprintf("%s was deleted in Entra on %s and can still be restored: restore it there, set restoreDeleted on this directory, or delete it there for good",
		a.UPN, a.At.UTC().Format(time.DateOnly))}
}
