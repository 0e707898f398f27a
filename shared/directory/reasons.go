package directory

import (
	"slices"

	"entrasync/shared/fault"
)

// Reason is the typed word for a decision: why an account is disabled, why a link is
// parked or waits, why a write failed. Faults, logs, metrics, links, actions and the API
// use the same word.
type Reason = fault.Reason

// Reasons for an account to be disabled.
const (
	StagedReason    Reason = "staged"
	SuspendedReason Reason = "suspended"
	Locked          Reason = "locked"
	PasswordExpired Reason = "password_expired"
	Deleted         Reason = "deleted"
	Disconnected    Reason = "disconnected"

	// Reasons of a user whose last path was a group.
	LeftGroup         Reason = "left_group"
	GroupDisconnected Reason = "group_disconnected"
	GroupDeleted      Reason = "group_deleted"
)

// ExtraMember is the reason of an account to be taken out of a group to which somebody else
// added it.
const ExtraMember Reason = "extra_member"

// Reasons that disable nobody.
const (
	ConnectedElsewhere Reason = "connected_elsewhere"
	PasswordChanged    Reason = "password_changed"
	LeaverReason       Reason = "leaver"
	ManagerAbsent      Reason = "manager_absent"
)

// Reasons for a link to be parked or to wait.
const (
	EmailMissing         Reason = "email_missing"
	UPNInvalid           Reason = "upn_invalid"
	DomainNotListed      Reason = "domain_not_listed"
	DomainNotVerified    Reason = "domain_not_verified"
	DomainFederated      Reason = "domain_federated"
	UPNConflict          Reason = "upn_conflict"
	FormerOwned          Reason = "former_owner"
	ProtectedAccount     Reason = "protected_account"
	SyncedFromOnPremises Reason = "synced_from_on_premises"
	MasteredElsewhere    Reason = "mastered_elsewhere"
	ManagementRestricted Reason = "management_restricted"
	GuestAccount         Reason = "guest_account"
	AgentAccount         Reason = "agent_account"
	InvalidValue         Reason = "invalid_value"
	AccountMissing       Reason = "account_missing"
	AccountDeleted       Reason = "account_deleted"
	ManagerMissing       Reason = "manager_missing"
	GroupMissing         Reason = "group_missing"
	GroupUnusable        Reason = "group_unusable"
	GroupDeletedInEntra  Reason = "group_deleted_in_entra"
	MemberAbsent         Reason = "member_absent"
	MemberRefused        Reason = "member_refused"
	LicenseRefused       Reason = "license_refused"
	QuotaExceeded        Reason = "quota_exceeded"
	ThrottledReason      Reason = "throttled"
	Unavailable          Reason = "unavailable"
	InternalReason       Reason = "internal"
	RefusedReason        Reason = "refused"
	JumpCloudRefused     Reason = "jumpcloud_refused"
	JumpCloudUnavailable Reason = "jumpcloud_unavailable"
	AbsenceUnconfirmed   Reason = "absence_unconfirmed"
	Stranded             Reason = "stranded"
	Excluded             Reason = "excluded"
	ExclusionUnread      Reason = "exclusion_unread"
)

// Reasons for a link to be held: the guard asks whether so many are to lose access.
const (
	HeldRemovals    Reason = "held_removals"
	HeldSuspensions Reason = "held_suspensions"
	HoldRejected    Reason = "hold_rejected"
)

// Reasons for Entra to refuse the application; they concern all of a directory.
const (
	PendingConsent      Reason = "pending_authorization"
	ConsentLost         Reason = "consent_lost"
	PermissionMissing   Reason = "permission_missing"
	TenantNotFound      Reason = "tenant_not_found"
	NotConsented        Reason = "not_consented"
	ApplicationDisabled Reason = "application_disabled"
	SecretExpired       Reason = "secret_expired"
	CredentialsRefused  Reason = "credentials_refused"
	SignInBlocked       Reason = "sign_in_blocked"
	SignInMisconfigured Reason = "sign_in_misconfigured"
)

// Reasons for a write that did not complete, most of them of passwords.
const (
	Interrupted      Reason = "interrupted"
	PasswordPending  Reason = "password_pending"
	PasswordRefused  Reason = "password_refused"
	PasswordUnknown  Reason = "password_unknown"
	PasswordUnopened Reason = "password_unopened"
)

// Reasons for a user not to be imported.
const (
	LicenseLimit Reason = "license_limit"
)

// Reasons for the changes of a tenant not to be read on. A resync reads everything then.
const (
	ChangesForgotten   Reason = "changes_forgotten"
	ChangesUnsupported Reason = "changes_unsupported"
)

// Reasons for the catch-up of an organization to wait, or to leave something out.
const (
	InsightsNotLicensed Reason = "insights_not_licensed"
	InsightsForbidden   Reason = "insights_forbidden"
	HistoryNotLicensed  Reason = "history_not_licensed"
)

// Reasons that are in no record.
const (
	TooManyElements Reason = "too_many_elements"
	TooManyUnknown  Reason = "too_many_unknown"
	Damaged         Reason = "damaged"
)

// Explained is a reason with its general description. The message beside a reason says
// more if more is known.
type Explained struct {
	Reason   Reason
	Sentence string // what it means
	Advice   string // what the administrator can do
	// Of is what can have the reason.
	Of Bearer
}

// Bearer is what can have a reason.
type Bearer string

// What can have a reason.
const (
	OfLink   Bearer = "user, group or attribute" // the link of a user or a group, or one of its problems: lists can be filtered by it
	OfMember Bearer = "member of a group"
	OfAction Bearer = "action"
	OfImport Bearer = "import"
	OfJob    Bearer = "job"
	OfBody   Bearer = "webhook"
	OfFeed   Bearer = "catch-up of an organization"
	OfFile   Bearer = "database"
)

// reasons is the one list of all reasons. The API's description, its documentation and
// what people read follow from it.
var reasons = []Explained{
	{StagedReason, "the user is staged in JumpCloud: an account that entrasync created opens with the activation, one that was there before keeps the state that it had", "activate the user in JumpCloud", OfLink},
	{SuspendedReason, "the user is suspended in JumpCloud", "unsuspend the user in JumpCloud, if that is not meant", OfLink},
	{Locked, "the user is locked out in JumpCloud and this directory suspends on lockout: unlock the user", "unlock the user in JumpCloud, or turn `suspendOnLockout` off", OfLink},
	{PasswordExpired, "the user's password expired in JumpCloud and this directory suspends on expiry: the user sets a new one", "have the user set a new password, or turn `suspendOnPasswordExpiration` off", OfLink},
	{Deleted, "the user was deleted in JumpCloud", "nothing, if that is meant; the account stays in Entra, disabled", OfLink},
	{Disconnected, "the user is not connected to this directory any more", "connect the user or one of the user's groups, if that is not meant", OfLink},
	{LeftGroup, "the user left the last group that connected them to this directory", "put the user back into a connected group, if that is not meant", OfLink},
	{GroupDisconnected, "the group that was the user's only connection is not connected to this directory any more", "connect the group again, if that is not meant", OfLink},
	{GroupDeleted, "the group that was the user's only connection was deleted in JumpCloud", "connect the user in another way, if that is not meant", OfLink},

	{ConnectedElsewhere, "the user is not connected to this directory any more; another directory on the same tenant keeps the account", "nothing", OfLink},
	{PasswordChanged, "JumpCloud has a new password, and the sessions are ended", "nothing", OfAction},
	{LeaverReason, "the user left and the account has been blocked for as many days as the directory's setting `leavers` says", "nothing; whoever comes back in time gets back what was taken away", OfAction},
	{ManagerAbsent, "the manager has no account in this directory yet", "connect the manager; the attribute is written as soon as there is an account", OfLink},

	{EmailMissing, "the user has no e-mail address of the kind that becomes the sign-in name", "give the user one in JumpCloud, or change `mappedEmail`", OfLink},
	{UPNInvalid, "Entra does not take the user's e-mail address as a sign-in name", "change the address in JumpCloud", OfLink},
	{DomainNotListed, "the domain of the user's e-mail address is not among the directory's domains", "add the domain, name a default, or change the address", OfLink},
	{DomainNotVerified, "the domain of the sign-in name is not a verified domain of the tenant", "verify the domain in Entra, or change the user's e-mail address: entrasync notices both by itself", OfLink},
	{DomainFederated, "it cannot be done in a federated domain, where Entra knows accounts by their immutable id", "do what the message says: the domain, the id or `federated`", OfLink},
	{UPNConflict, "another object in Entra, or another user, has the sign-in name or another value that must be unique", "change that object, or the user in JumpCloud", OfLink},
	{FormerOwned, "the account that has the sign-in name belonged to another JumpCloud user, whose mail and files it has: a new user does not get it without being asked for", "`POST …/users/{userId}/take-over`, if both are the same person; else rename or delete the account in Entra, or change the user's e-mail address", OfLink},
	{ProtectedAccount, "Entra does not allow entrasync to change the account of an administrator", "manage the account by hand, or give the application a role that may", OfLink},
	{SyncedFromOnPremises, "the account or the group is synchronised from an on-premises Active Directory, which owns it", "manage it there, or end that synchronisation", OfLink},
	{MasteredElsewhere, "another service owns the attribute", "change it there, or take it off the directory's attributes", OfLink},
	{ManagementRestricted, "the account is in a restricted management administrative unit", "take it out of the unit, or give entrasync a role there", OfLink},
	{GuestAccount, "the account is a guest from another tenant", "manage it in its own tenant, or change the user's e-mail address", OfLink},
	{AgentAccount, "the account is that of an agent (agentUser), a program and not a person: entrasync never touches it", "rename the agent's account in Entra, or change the user's e-mail address", OfLink},
	{InvalidValue, "Entra does not take a value", "change the field in JumpCloud that the message names, or turn its rule off", OfLink},
	{AccountMissing, "the account is not in Entra any more", "restore it from the deleted users in Entra, set `restoreDeleted`, or disconnect the user", OfLink},
	{AccountDeleted, "an account of the wanted name was deleted in Entra and can still be restored", "restore it, set `restoreDeleted`, or delete it for good", OfLink},
	{ManagerMissing, "the manager's account is not in Entra", "restore it from the deleted users in Entra, or change the manager in JumpCloud", OfLink},
	{GroupMissing, "the group is not in Entra any more, or not everywhere yet", "nothing: it is searched again", OfLink},
	{GroupUnusable, "the group in Entra is of a kind that entrasync does not manage", "manage it by hand, or rename the group in JumpCloud", OfLink},
	{GroupDeletedInEntra, "the group that entrasync made was deleted in Entra and can still be restored", "restore it, set `restoreDeleted`, or delete it for good", OfLink},
	{MemberAbsent, "a member has no account in this directory yet", "nothing: the member joins as soon as there is an account", OfLink},
	{MemberRefused, "Entra does not take the account as a member of the group, or does not let it go", "check the account in Entra, and `POST …/sync` for the group", OfMember},
	{ExtraMember, "the account is in the group in Entra, and the group in JumpCloud has nobody with it; the directory's `exactMembership` has it taken out", "add its person to the group in JumpCloud, or turn `exactMembership` off, if that is not meant", OfMember},
	{LicenseRefused, "Entra does not take a license off the account, or does not give it one", "do what the message says, and `POST …/sync` for the user", OfLink},
	{QuotaExceeded, "a limit of the tenant or of an object in Entra is reached", "delete something for good, or ask Microsoft to raise the limit", OfLink},
	{ThrottledReason, "Graph or JumpCloud asks to slow down", "nothing: it is tried again", OfLink},
	{Unavailable, "Entra did not answer, or its answer does not say what happened", "nothing: it is tried again", OfLink},
	{InternalReason, "a defect of entrasync", "report it, with the message", OfLink},
	{RefusedReason, "Entra refuses the change", "do what the message says", OfLink},
	{JumpCloudRefused, "JumpCloud refuses the organization's API key, does not find the organization with it, or its administrator's role may not read users", "PATCH the organization with a key of its own that is valid", OfLink},
	{JumpCloudUnavailable, "JumpCloud could not be read", "nothing: it is tried again", OfLink},
	{AbsenceUnconfirmed, "JumpCloud does not show the user or the group any more, and that is not believed yet", "nothing: JumpCloud is read again", OfLink},
	{Stranded, "entrasync stopped every time it worked on a change of the user or the group, and the change may not be in Entra", "read the log for why, then send the change back: `POST /v1/dead-letters/redrive`", OfLink},

	{Excluded, "the directory's setting `exclude` says that entrasync does not touch the user, the account or the group", "nothing, if that is meant; else take it off the list that the message names", OfLink},
	{ExclusionUnread, "the directory's setting `exclude` names a group whose members were not read yet, so it is not known who is excluded", "nothing: the group is read; if it stays so, read the directory, which says why", OfLink},

	{HeldRemovals, "so many would lose access, because they left, were disconnected or deleted or were taken out of a group, that the directory's guard asks a person first; until then they keep it", "look at the hold that the message names (`GET …/holds`) and approve or reject it", OfLink},
	{HeldSuspensions, "so many accounts would be disabled, because their users are suspended, locked out or have an expired password, that the directory's guard asks a person first; until then they stay open", "look at the hold that the message names (`GET …/holds`) and approve or reject it", OfLink},
	{HoldRejected, "an administrator rejected the hold, so what it was about is not done: who would have lost access keeps it until JumpCloud has another reason, or none any more", "nothing, if that is meant; else take the access away in Entra", OfLink},

	{PendingConsent, "the tenant has not let the application in yet", "give admin consent: `POST …/authorize` of the directory gives the address; it then works by itself", OfLink},
	{ConsentLost, "Entra does not accept the application's sign-in", "check the application's credentials and the tenant's consent", OfLink},
	{PermissionMissing, "the application lacks a permission in the tenant", "grant the permission that the message names, with admin consent", OfLink},
	{TenantNotFound, "there is no tenant of that id or domain", "create the directory again with the tenant's GUID or one of its verified domains", OfLink},
	{NotConsented, "the tenant does not know the application", "give admin consent: `POST …/authorize` of the directory gives the address; it then works by itself", OfLink},
	{ApplicationDisabled, "an administrator of the tenant switched the application off", "switch it on in Entra", OfLink},
	{SecretExpired, "the application's client secret has expired", "make a new one in Entra and give it to entrasync", OfLink},
	{CredentialsRefused, "what the application proves itself with is wrong", "put the right client id, secret or federated credential in place", OfLink},
	{SignInBlocked, "Conditional Access blocks the application", "exempt the application from the policy", OfLink},
	{SignInMisconfigured, "Entra does not let the application in as it is set up", "do what the message says", OfLink},

	{Interrupted, "entrasync stopped before it knew Entra's answer", "nothing, it is checked again; a password has to be set again", OfAction},
	{PasswordPending, "the password is on its way to the account", "nothing, or set it again if it does not come", OfAction},
	{PasswordRefused, "Entra does not take the password", "set one that both sides take", OfAction},
	{PasswordUnknown, "nobody knows whether the password was taken", "set a password again", OfAction},
	{PasswordUnopened, "the password was sealed for another key or purpose, or too long ago", "set a password again", OfAction},

	{LicenseLimit, "the license limit of the JumpCloud organization is reached, so JumpCloud takes no more users", "contact your provider to raise the limit, then repeat the import for the users that failed", OfImport},

	{ChangesForgotten, "Entra does not remember any more up to where its changes were read, because that was more than seven days ago or because Entra began anew", "nothing: everything is read instead", OfJob},
	{ChangesUnsupported, "the tenant does not tell what changed in it, as tenants of Entra External ID and of Azure AD B2C do not", "nothing: everything is read instead, which takes longer", OfJob},

	{TooManyElements, "a body holds more events than are taken at once", "send them in several requests", OfBody},
	{TooManyUnknown, "too many organizations were requested that are not served here, so the secrets of one that the process does not know yet are not read now", "nothing, if the organization is served here: JumpCloud sends it again", OfBody},
	{InsightsNotLicensed, "JumpCloud's plan does not include Directory Insights, so no event can be found whose webhook did not come", "add Directory Insights to the plan; it is tried again each hour", OfFeed},
	{InsightsForbidden, "the organization's API key may not read Directory Insights, so no event can be found whose webhook did not come", "give the key's administrator or service account the scope `directoryinsights.readonly`, or PATCH the organization with a key that has it; it is tried again each hour", OfFeed},
	{HistoryNotLicensed, "JumpCloud's plan does not show all the events of the time that was to be caught up", "resync the directories of the organization, if webhooks did not come in that time; it is tried again each hour", OfFeed},

	{Damaged, "the database on one machine is damaged", "put back a copy of it", OfFile},
}

// causes are why the account of a connected user is disabled. If several apply the first
// one is the reason; those that last longest come first.
var causes = []struct {
	reason Reason
	holds  func(User, Settings) bool
}{
	{SuspendedReason, func(u User, _ Settings) bool { return u.State == Suspended }},
	{StagedReason, func(u User, _ Settings) bool { return u.State != Activated }},
	{Locked, func(u User, s Settings) bool { return u.AccountLocked && s.SuspendOnLockout }},
	{PasswordExpired, func(u User, s Settings) bool { return u.PasswordExpired && s.SuspendOnPasswordExpiration }},
}

// Reasons lists all reasons with their descriptions.
func Reasons() []Explained { return slices.Clone(reasons) }

// Sentence is what a reason means to a person; "" for what is no reason.
func Sentence(r Reason) string { return explained(r).Sentence }

// Remedy is what the administrator can do about a reason; "" for what is no reason.
func Remedy(r Reason) string { return explained(r).Advice }

// explained is a reason with its description; the zero value for what is no reason.
func explained(r Reason) Explained {
	for _, known := range reasons {
		if known.Reason == r {
			return known
		}
	}
	return Explained{}
}
