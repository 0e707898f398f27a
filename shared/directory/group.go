package directory

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Group is a JumpCloud user group.
type Group struct {
	ID   GroupID
	Name string
}

// groupPath is the prefix of the path of a user who is connected by a group.
const groupPath = "group:"

// Path is the path by which the members of the group are connected.
func (g GroupID) Path() Path { return Path(groupPath + string(g)) }

// Group is the group whose members the path connects; ok is false for another
// path.
func (p Path) Group() (id GroupID, ok bool) {
	rest, ok := strings.CutPrefix(string(p), groupPath)
	return GroupID(rest), ok
}

// GroupConnection is the fact that a group is connected to a directory.
type GroupConnection struct {
	Directory ID      `json:"directoryId"`
	Group     GroupID `json:"groupId"`
	// Paths say what connected it: an administrator, or the connection source.
	Paths     []Path    `json:"paths"`
	CreatedAt time.Time `json:"createdAt"`
	// Left is when the group left paths within the last hour, as that of a [Connection].
	Left    Departures `json:"left,omitempty"`
	Version int64      `json:"-"`
}

// Departed is the connection after the group left a path at a time.
func (c GroupConnection) Departed(path Path, at time.Time) GroupConnection {
	c.Left = c.Left.with(path, at)
	return c
}

// LeftAfter reports whether the group left a path after a time, and did not come back
// since.
func (c GroupConnection) LeftAfter(path Path, at time.Time) bool {
	return c.Left[path].After(at) && !slices.Contains(c.Paths, path)
}

// GroupLink is what we know of one JumpCloud group in one directory.
type GroupLink struct {
	Standing
	Group   GroupID `json:"groupId"`
	Name    string  `json:"name,omitempty"`    // in JumpCloud, when it was last read
	Applied string  `json:"applied,omitempty"` // the display name that Entra certainly has; "" if that is not known
	// Former is the last group in Entra that belonged to this one and still has its unique
	// name: we deleted it and it can be restored for a while, or it belongs to another
	// JumpCloud group now. "" if there is none.
	Former EntraID `json:"former,omitempty"`
	// Note is a remark for people about the group that was found or created in Entra.
	Note string `json:"note,omitempty"`
	// ListedAt is when all members were last read from JumpCloud; zero if they were not
	// read since the group was connected.
	ListedAt time.Time `json:"listedAt,omitzero"`
	// PresentAt is when a list of the members in Entra was begun that is read on; zero if
	// there is none, or if the group was written since.
	PresentAt time.Time `json:"presentAt,omitzero"`
	// Coming counts the members who will get accounts while the group waits for them, so
	// that they join together; ComingAt is when that number last changed. 0: it does not
	// wait.
	Coming   int       `json:"coming,omitempty"`
	ComingAt time.Time `json:"comingAt,omitzero"`
	// StrangersKept says that accounts which are no member's stay in the group although its
	// directory wants exact membership, because a member had no account when all members
	// were last compared. Every attempt compares all of them until that is over.
	StrangersKept bool `json:"strangersKept,omitempty"`
	// NotifyPending says that memberships were changed, and that the tasks for the users may
	// not have been sent.
	NotifyPending bool `json:"telling,omitempty"`
	// Ending is how far it was found out who loses access by the end of the group; nil if nobody
	// works on that.
	Ending *Ending `json:"ending,omitempty"`
	// Lost are the paths by which the group was connected before it was believed to be
	// gone: they connect it again if JumpCloud shows it later.
	Lost []Path `json:"lost,omitempty"`
	// HeldIn are the ids of all holds in which the removal of members waits, or was rejected.
	HeldIn []string `json:"heldIn,omitempty"`
}

// Ending says how far the members of a group that ends were read, before any of them loses
// access: it may take several attempts.
type Ending struct {
	After UserID `json:"after"` // the last member that was read
	// Alone is how many of those who were read have no other path.
	Alone int `json:"alone,omitempty"`
}

// NewGroupLink is the link of a group for which nothing was done yet.
func NewGroupLink(id ID, group GroupID) GroupLink {
	return GroupLink{Standing: Standing{Directory: id, Status: Pending}, Group: group}
}

// Member is a JumpCloud user in a connected group of a directory.
type Member struct {
	Directory ID      `json:"directoryId"`
	Group     GroupID `json:"groupId"`
	User      UserID  `json:"userId"`
	// Wanted says that JumpCloud has the user in the group.
	Wanted bool `json:"wanted"`
	// Applied is the account that we made a member of the group in Entra; "" if there is
	// none.
	Applied EntraID `json:"applied,omitempty"`
	// Problem is why the user cannot be made a member; nil if there is none.
	Problem *Obstacle `json:"problem,omitempty"`
	Version int64     `json:"-"`
}

// uniqueNames is the prefix of the alternate keys of the groups that we create.
const uniqueNames = "jumpcloud."

// UniqueName is the alternate key of the first group that we create in Entra for a group.
func (g GroupID) UniqueName() string { return uniqueNames + string(g) }

// MadeFor is the JumpCloud group for which we created the group in Entra with the given
// alternate key; "" if the key is not one of ours.
func MadeFor(uniqueName string) GroupID {
	if len(uniqueName) < len(uniqueNames) || !strings.EqualFold(uniqueName[:len(uniqueNames)], uniqueNames) {
		return ""
	}
	id, _, _ := strings.Cut(uniqueName[len(uniqueNames):], ".")
	return GroupID(strings.ToLower(id))
}

// UniqueName is the alternate key of the group that we create in Entra: a repeated attempt
// finds the same group by it. It changes after we deleted that group, because a deleted
// group keeps its key as long as it can be restored (assumed), and after that group went
// to another JumpCloud group.
func (l GroupLink) UniqueName() string {
	begins, _, _ := strings.Cut(string(l.Former), "-")
	if begins == "" {
		return l.Group.UniqueName()
	}
	return l.Group.UniqueName() + "." + begins
}

// DeletedGroup is a group that was deleted in Entra and can be restored.
type DeletedGroup struct {
	ID   EntraID
	Name string
	At   time.Time // of the deletion; zero if Entra does not say
}

// Obstacle is the deleted group as the reason not to create another one.
func (g DeletedGroup) Obstacle() *Obstacle {
	when := ""
	if !g.At.IsZero() {
		when = " on " + g.At.UTC().Format(time.DateOnly)
	}
	return &Obstacle{GroupDeletedInEntra, fmt.Sprintf("the group %q (%s) was deleted in Entra%s and can still be restored: restore it there, set restoreDeleted on this directory, or delete it there for good", g.Name, g.ID, when)}
}

// SecurityGroup is a group as Entra shows it.
type SecurityGroup struct {
	ID         EntraID
	Name       string
	UniqueName string
	// Security, MailEnabled, Dynamic, Microsoft365, SyncedFromOnPremises,
	// RoleAssignable and ManagementRestricted say of which kinds the group is.
	Security, MailEnabled, Dynamic, Microsoft365, SyncedFromOnPremises, RoleAssignable, ManagementRestricted bool
}

// Unusable says why the group cannot be managed; "" if it can: only cloud security
// groups can (Graph, groups overview).
func (g SecurityGroup) Unusable() string {
	switch {
	case g.Microsoft365:
		return "a Microsoft 365 group"
	case g.MailEnabled:
		return "a mail-enabled group"
	case !g.Security:
		return "not a security group"
	case g.Dynamic:
		return "a group with dynamic membership"
	case g.SyncedFromOnPremises:
		return "synchronised from an on-premises Active Directory"
	case g.RoleAssignable:
		return "a group that roles can be assigned to"
	case g.ManagementRestricted:
		return "in a restricted management administrative unit"
	default:
		return ""
	}
}

// UsableGroupName reports whether the length of a name is one that Entra takes for a group.
func UsableGroupName(name string) bool {
	return name != "" && characters(name) <= MaxGroupName
}
