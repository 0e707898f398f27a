// Package plan decides which writes turn the present into the desired state.
//
// It is pure: it gets the desired state (directory.Desired) and what is known (the link,
// and the account if one was found) and returns actions or an obstacle. An action is one
// intended write to Entra. It is stored before it is sent and completed after, so the
// audit log, the events, a dry run and an approval list are all made from actions.
package plan

import (
	"slices"
	"time"

	"entrasync/shared/directory"
)

// Type is what an action does.
type Type string

// The types of actions on an account.
const (
	Provision   Type = "provision"    // create the account
	TakeOver    Type = "take_over"    // make an existing account ours and bring it up to date
	Update      Type = "update"       // write the attributes that differ
	Enable      Type = "enable"       // allow sign-in
	Deprovision Type = "deprovision"  // block sign-in; never a deletion
	EndSessions Type = "end_sessions" // end the open sessions, after sign-in was blocked or the password changed
	Restore     Type = "restore"      // bring a deleted account back
	SetPassword Type = "set_password" // give the account the password that the gateway took

	// LeaveDomain moves an account out of a federated domain for a moment, and JoinDomain
	// gives it a name in one, with its immutable id.
	LeaveDomain Type = "leave_domain"
	JoinDomain  Type = "join_domain"
)

// The types of actions on the account of somebody who left, some days after sign-in was blocked,
// and those that undo them. The licenses are in the changes as the values of
// [directory.AssignedLicenses], which are those that the account has by itself and not by a group.
const (
	RemoveLicenses       Type = "remove_licenses" // take licenses away: they are what the change is from
	AssignLicenses       Type = "assign_licenses" // give licenses back: they are what the change is to
	HideFromAddressLists Type = "hide_from_address_lists"
	ShowInAddressLists   Type = "show_in_address_lists"
	ClearManager         Type = "clear_manager"
	DeleteAccount        Type = "delete_account" // restorable for [directory.RestorableDays]
)

// The types of actions on a group. Members are in the changes, as the values of
// [directory.Members].
const (
	CreateGroup   Type = "create_group"    // make the group, with its first members
	TakeOverGroup Type = "take_over_group" // make an existing group ours
	RenameGroup   Type = "rename_group"
	AddMembers    Type = "add_members"
	RemoveMembers Type = "remove_members"
	DeleteGroup   Type = "delete_group"  // one that we created
	RestoreGroup  Type = "restore_group" // bring back one that we created and somebody deleted
)

// Drift is no write: it records that somebody else changed something in Entra. Its changes are
// from what entrasync wrote to what was found.
const Drift Type = "drift"

// ConfirmTakeOver is no write to Entra: it records that an administrator said that a user may have
// an account that belonged to another one.
const ConfirmTakeOver Type = "confirm_take_over"

// Status is how far an action got.
type Status string

// The statuses of an action.
const (
	Queued    Status = "queued"  // recorded, and another process will send it
	Started   Status = "started" // recorded, about to be sent
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	// Planned is that of an action in a plan, which would be sent. Undecided stands for an
	// object about which nothing could be planned; its error says why.
	Planned   Status = "planned"
	Undecided Status = "undecided"
	// Held is that of an action in a plan that would wait in a hold of the guard (Hold).
	Held Status = "held"
)

// The kinds of subjects.
const (
	OfUser  = "user"
	OfGroup = "group"
)

// Subject is the JumpCloud object that an action is about.
type Subject struct {
	Kind string `json:"kind"` // OfUser or OfGroup
	ID   string `json:"id"`
	Name string `json:"name"` // the user name, for people
}

// Cause is what a task was sent for: an event, or the request of an administrator.
type Cause struct {
	Type string    `json:"type"`         // a Directory Insights event type, "connected", "retried", …
	ID   string    `json:"id,omitempty"` // the id of the event
	At   time.Time `json:"at"`           // when it happened
	// Event says that it was an event of JumpCloud, and not a request.
	Event bool `json:"event,omitempty"`
	// Requested says that it was a request of an administrator: what is known is read
	// again, because the administrator may just have corrected something. So it is for those who
	// waited for a domain of the tenant.
	Requested bool `json:"asked,omitempty"`
	// Many says that the cause concerns many users or groups: its tasks wait in the bulk
	// lanes, and its writes leave a part of the quota to urgent ones.
	Many bool `json:"many,omitempty"`
	// By is who requested it, if that is to be kept with what was done.
	By string `json:"by,omitempty"`
}

// Join is the later of two causes of one task. It concerns many only if both do, and is a
// request if one of them is.
func (c Cause) Join(other Cause) Cause {
	many, requested := c.Many && other.Many, c.Requested || other.Requested
	if other.At.After(c.At) {
		c = other
	}
	c.Many, c.Requested = many, requested
	return c
}

// FewObjects is for how many users or groups the tasks of one cause may be urgent.
const FewObjects = 20

// For is the cause of tasks for so many users or groups.
func (c Cause) For(objects int) Cause {
	c.Many = c.Many || objects > FewObjects
	return c
}

// Failure is why an action failed.
type Failure struct {
	Kind    string           `json:"kind"` // a kind of package fault
	Reason  directory.Reason `json:"reason"`
	Message string           `json:"message"`
}

// Hold is why an action of a plan would wait, and in which hold.
type Hold struct {
	ID      string           `json:"id,omitempty"` // "" if the hold would begin only then
	Reason  directory.Reason `json:"reason"`
	Message string           `json:"message"`
}

// Action is one intended write to Entra.
type Action struct {
	ID        string             `json:"id"` // sorts by time
	Type      Type               `json:"type"`
	Directory directory.ID       `json:"directoryId"`
	Subject   Subject            `json:"subject"`
	EntraID   directory.EntraID  `json:"entraId,omitempty"` // "" until a created account has one
	Changes   []directory.Change `json:"changes"`
	Reason    directory.Reason   `json:"reason,omitempty"` // why an account is disabled
	Cause     Cause              `json:"cause"`
	Status    Status             `json:"status"`
	Error     *Failure           `json:"error,omitempty"`
	// Hold is set of an action in a plan that would wait in a hold.
	Hold *Hold `json:"hold,omitempty"`
	// AccountNames are those of the accounts that Changes name by their ids, for people. Only
	// actions of plans have them.
	AccountNames map[directory.EntraID]string `json:"names,omitempty"`
	At           time.Time                    `json:"at"`
	CompletedAt  time.Time                    `json:"completedAt,omitzero"`
}

// Value is what the action sets an attribute to; ok is false when it does not write the
// attribute.
func (a Action) Value(name directory.Attribute) (value directory.Value, ok bool) {
	for _, c := range a.Changes {
		if c.Attribute == name {
			return c.To, true
		}
	}
	return nil, false
}

// Names reports whether the action sets the sign-in name and the attributes that must be
// written with it, and nothing else.
func (a Action) Names() bool {
	for _, c := range a.Changes {
		if unit(c.Attribute) != directory.UserPrincipalName {
			return false
		}
	}
	return len(a.Changes) > 0
}

// Opens reports whether the action enables the account.
func (a Action) Opens() bool {
	enabled, _ := a.Value(directory.AccountEnabled)
	return a.Type == Restore || slices.Equal(enabled, directory.Bool(true))
}

// WritesUnique reports whether the action sets a value that must be unique.
func (a Action) WritesUnique() bool {
	return slices.ContainsFunc(a.Changes, func(c directory.Change) bool { return c.Attribute.Facts().Unique })
}

// Writes reports whether the action sets an attribute.
func (a Action) Writes(name directory.Attribute) bool {
	_, ok := a.Value(name)
	return ok
}
