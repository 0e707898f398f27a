package directory

import (
	"slices"
	"time"
)

// Path is one way by which a user is connected to a directory.
type Path string

// The paths that are no groups.
const (
	Direct Path = "direct"    // an administrator connected the user by hand
	Source Path = "jumpcloud" // JumpCloud's connection source holds the user
)

// Connection is the fact that a user is connected to a directory, by one path or
// by several. Without a path there is no connection.
type Connection struct {
	Directory ID        `json:"directoryId"`
	User      UserID    `json:"userId"`
	Paths     []Path    `json:"paths"`
	CreatedAt time.Time `json:"createdAt"` // of the first path
	// Ended says why the last path ended; "" while there is one.
	Ended   Reason `json:"ended,omitempty"`
	Version int64  `json:"-"`
}

// With is the connection with a path or without it; why is noted when the last one
// goes.
func (c Connection) With(path Path, in bool, why Reason) Connection {
	c.Paths = slices.DeleteFunc(slices.Clone(c.Paths), func(p Path) bool { return p == path })
	if in {
		c.Paths = append(c.Paths, path)
	}
	c.Ended = ""
	if len(c.Paths) == 0 {
		c.Ended = why
	}
	return c
}

// LinkStatus says how a link stands.
type LinkStatus string

// The statuses of a link.
const (
	Pending  LinkStatus = "pending"  // something is to be done and will be
	Synced   LinkStatus = "synced"   // Entra is as it should be
	Parked   LinkStatus = "parked"   // stopped until something changes or someone retries
	Released LinkStatus = "released" // not connected any more; the account is disabled or never was
)

// Origin says where the account of a link came from.
type Origin string

// The two origins of an account.
const (
	CreatedByUs Origin = "created"
	TakenOver   Origin = "taken_over"
)

// Problem is one attribute of an account that cannot be written, and why.
type Problem struct {
	Attribute Attribute `json:"attribute"`
	Reason    Reason    `json:"reason"`
	Message   string    `json:"message"`
	// FoundOut says that the refusal did not name the attribute, and nor does the
	// message: it was found out by writing it apart.
	FoundOut bool `json:"-"`
}

// Creation is an account that was asked for.
type Creation struct {
	UPN UPN       `json:"userPrincipalName"`
	At  time.Time `json:"at"`
}

// Aside is an account that left a federated domain for a moment, because its immutable
// id cannot be changed there.
type Aside struct {
	UPN  UPN `json:"userPrincipalName"` // that it has meanwhile
	Home UPN `json:"home"`              // that it had, and comes back to
	// ImmutableID is what it had; "" if it had none.
	ImmutableID string `json:"onPremisesImmutableId,omitempty"`
}

// Standing is what the links of users and those of groups have in common: what they
// belong to in Entra, how they stand, and what was done last.
type Standing struct {
	Directory ID `json:"directoryId"`
	// EntraID is "" until the account or the group was created or taken over; from then
	// on it alone names it.
	EntraID EntraID    `json:"entraId,omitempty"`
	Status  LinkStatus `json:"status"`
	Reason  Reason     `json:"reason,omitempty"`
	Message string     `json:"message,omitempty"`
	Origin  Origin     `json:"owner,omitempty"`
	// Freed says that the account or the group was given free with the release. It may
	// be somebody else's by now: nothing is written to it before it is claimed again.
	Freed bool `json:"freed,omitempty"`
	// Claimed is when events claimed something last, within the last minutes, by what
	// they claimed (see [Claim.About]).
	Claimed     map[string]time.Time `json:"claimed,omitempty"`
	LastEventAt time.Time            `json:"lastEventAt,omitzero"`
	LastWriteAt time.Time            `json:"lastWriteAt,omitzero"`
	NextTryAt   time.Time            `json:"nextTryAt,omitzero"`
	// OpenActions are the ids of actions that were recorded and not completed: somebody
	// is about them just now, a process that died left them, or their answer was lost.
	OpenActions []string `json:"openActions,omitempty"`
	Version     int64    `json:"-"`
}

// Stands reports whether the link has the status and the reason. An empty one is that
// of every link.
func (s Standing) Stands(status LinkStatus, reason Reason) bool {
	return (status == "" || s.Status == status) && (reason == "" || s.Reason == reason)
}

// Link is what we know of one JumpCloud user in one directory.
type Link struct {
	Standing
	User  UserID       `json:"userId"`
	UPN   UPN          `json:"userPrincipalName,omitempty"`
	State AccountState `json:"state"`
	// Found is the state that an account had when it was found; "" of one that we
	// made, or whose link is older than this field.
	Found AccountState `json:"found,omitempty"`
	// Applied is what Entra certainly holds of what we write: what was written
	// and confirmed, or found. An attribute that is not in it, because a write
	// is under way or was never answered, is written again.
	Applied Attributes `json:"applied,omitempty"`
	// SessionsToEnd says that sign-in was blocked and the sessions were not
	// ended yet.
	SessionsToEnd bool `json:"sessionsToEnd,omitempty"`
	// Unconfirmed is the creation whose outcome is not known, nil if there is
	// none: the account may be there, or may still come.
	Unconfirmed *Creation `json:"unconfirmed,omitempty"`
	// TakingOver says that the account is somebody else's until Entra has let us
	// write it once.
	TakingOver bool `json:"takingOver,omitempty"`
	// Aside is where the account is while its immutable id is changed; nil if it is not
	// moved aside. It has to come home.
	Aside *Aside `json:"aside,omitempty"`
	// Arrived says that the account is new to us, and that those who wait for it as
	// their manager may not have been told.
	Arrived bool `json:"arrived,omitempty"`
	// Problems are the attributes that cannot be written; the others are.
	Problems []Problem `json:"problems,omitempty"`
	// PasswordAt is when the newest password that we know of was set in
	// JumpCloud; sessions older than it were ended where the directory says so.
	PasswordAt time.Time `json:"passwordAt,omitzero"`
	// PasswordDiffers says why the account has not got the password that the
	// gateway set in JumpCloud; nil when it has.
	PasswordDiffers *Obstacle `json:"passwordDiffers,omitempty"`
}

// NewLink is the link of a user for whom nothing was done yet.
func NewLink(id ID, user UserID) Link {
	return Link{Standing: Standing{Directory: id, Status: Pending}, User: user, State: Absent}
}

// Stands reports whether the link has the status and the reason, or a problem of
// that reason. An empty one is that of every link.
func (l Link) Stands(status LinkStatus, reason Reason) bool {
	return l.Standing.Stands(status, reason) ||
		l.Standing.Stands(status, "") && slices.ContainsFunc(l.Problems, func(p Problem) bool { return p.Reason == reason })
}

// Account is the account that is certainly the user's; "" if there is none.
func (l Link) Account() EntraID {
	if l.Freed {
		return ""
	}
	return l.EntraID
}
