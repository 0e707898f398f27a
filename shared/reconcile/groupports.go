package reconcile

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// JumpCloudGroups reads the groups of one organization. What does not exist is a
// fault of kind NotFound, believed only as [JumpCloud] believes an absence. Beside any
// other fault of a list stand those that were found: there may be more.
type JumpCloudGroups interface {
	// Group reads one group.
	Group(ctx context.Context, id directory.GroupID) (directory.Group, error)
	// GroupMembers lists the users of a group, each once: direct members, those of
	// a dynamic group and those of groups within it, at any depth. within are the
	// groups that it found inside.
	GroupMembers(ctx context.Context, id directory.GroupID) (users []directory.UserID, within []directory.GroupID, err error)
	// GroupsOf lists the groups that hold a user, in the same sense. A user that
	// does not exist is in none.
	GroupsOf(ctx context.Context, id directory.UserID) ([]directory.GroupID, error)
	// IsGroupFound looks for a group in another way than Group does.
	IsGroupFound(ctx context.Context, id directory.GroupID) (bool, error)
	// Associated lists the users and groups that are associated with a connection
	// source directly.
	Associated(ctx context.Context, source directory.ConnectionSource) (users []directory.UserID, groups []directory.GroupID, err error)
	// IsUserAssociated and IsGroupAssociated say whether one of them is.
	IsUserAssociated(ctx context.Context, source directory.ConnectionSource, id directory.UserID) (bool, error)
	IsGroupAssociated(ctx context.Context, source directory.ConnectionSource, id directory.GroupID) (bool, error)
}

// EntraGroups reads and writes the groups of one tenant.
type EntraGroups interface {
	// FindGroups looks groups up by display name, of every kind. The answers stand
	// in the order of the names.
	FindGroups(ctx context.Context, names []string) []FoundGroups
	// MembersOf lists the object ids of all members of a group; NotFound if there
	// is no such group.
	MembersOf(ctx context.Context, group directory.EntraID) ([]directory.EntraID, error)
	// ApplyToGroups sends actions, each for another group, and answers in their
	// order.
	ApplyToGroups(ctx context.Context, actions []plan.Action) []GroupResult
}

// FoundGroups is the answer to one look-up by name.
type FoundGroups struct {
	Groups []directory.SecurityGroup
	Err    error
}

// GroupResult is what became of an action on a group.
type GroupResult struct {
	ID  directory.EntraID // the group written
	Err error             // a fault about the group, or nil
	// Refused are the members that could not be added or removed, with the fault.
	// All others are as the action wants them, also those that were so before.
	Refused map[directory.EntraID]error
	// Met says that a group that was to be created was there: of an earlier attempt, or
	// because somebody restored it. Who is in it is not known.
	Met bool
	// Deleted is the deleted group that keeps its unique name from one that was to be
	// created; nil if there is none.
	Deleted *directory.DeletedGroup
}

// GroupTask names a group to bring up to date in a directory, never how.
type GroupTask struct {
	Directory directory.ID      `json:"directory"`
	Group     directory.GroupID `json:"group"` // "": the connection source of the directory
	Cause     plan.Cause        `json:"cause"`
	// Whole asks to read all members from JumpCloud; else only those that were
	// touched since are looked at.
	Whole bool `json:"whole,omitempty"`
	// Source asks whether the connection source holds the group.
	Source bool `json:"source,omitempty"`
	// Claims, NotBefore and Thought are as those of a [Task].
	Claims    []directory.Claim `json:"claims,omitempty"`
	NotBefore time.Time         `json:"notBefore,omitzero"`
	Thought   int               `json:"thought,omitempty"`
	// Occurrence names what asks for the task, as that of a [Task].
	Occurrence string `json:"-"`
}
