package directory

import "fmt"

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
)

// Reasons for a link to be parked or to wait.
const (
	EmailMissing         Reason = "email_missing"
	DomainNotListed      Reason = "domain_not_listed"
	DomainNotVerified    Reason = "domain_not_verified"
	UPNConflict          Reason = "upn_conflict"
	ProtectedAccount     Reason = "protected_account"
	SyncedFromOnPremises Reason = "synced_from_on_premises"
	ManagementRestricted Reason = "management_restricted"
	InvalidValue         Reason = "invalid_value"
	AccountMissing       Reason = "account_missing"
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
)

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
	// created and its attributes written. An account that is not managed any
	// more is only disabled.
	Managed bool
	State   AccountState // Enabled or Disabled
	Reason  Reason       // why it is disabled; "" when enabled
	// UPN is the wanted sign-in name; "" with an Obstacle, which forbids to
	// create an account or to rename one, but not to disable it.
	UPN        UPN
	Obstacle   *Obstacle
	Attributes Attributes // the sign-in name, its alias and what the rules export; without accountEnabled
}

// Desire applies the rules. user is nil when JumpCloud does not know the user
// any more; connected says whether any effective connection holds the user.
//
// An account is enabled only if all hold: connected, activated, not locked when
// lockout suspends, not expired when expiry suspends. Which cause is named when
// several apply is our choice: the one that lasts longest.
func Desire(user *User, connected bool, s Settings) Desired {
	switch {
	case user == nil:
		return Desired{State: Disabled, Reason: Deleted}
	case !connected:
		return Desired{State: Disabled, Reason: Disconnected}
	}
	d := Desired{Managed: true, State: Enabled, Attributes: s.attributes(*user)}
	if d.Reason = s.whyDisabled(*user); d.Reason != "" {
		d.State = Disabled
	}
	if d.UPN, d.Obstacle = s.UserPrincipalName(*user); d.Obstacle == nil {
		d.Attributes[UserPrincipalName] = Text(string(d.UPN))
		d.Attributes[MailNickname] = Text(mailNickname(d.UPN))
	}
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

// sentences say for each reason of a disabled account what it means.
var sentences = map[Reason]string{
	StagedReason:    "the user is staged in JumpCloud: the account is there and opens with the activation",
	SuspendedReason: "the user is suspended in JumpCloud",
	Locked:          "the user is locked out in JumpCloud and this directory suspends on lockout: unlock the user",
	PasswordExpired: "the user's password expired in JumpCloud and this directory suspends on expiry: the user sets a new one",
	Deleted:         "the user was deleted in JumpCloud",
	Disconnected:    "the user is not connected to this directory any more",
}

// Sentence is what a reason of a disabled account means to a person; "" for
// other reasons, whose sentence comes with the obstacle.
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
