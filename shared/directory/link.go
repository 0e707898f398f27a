package directory

import (
	"maps"
	"slices"
	"time"
)

// Path is one way by which a user is connected to a directory.
type Path string

// The paths that are not groups.
const (
	Direct Path = "direct"    // an administrator connected the user by hand
	Source Path = "jumpcloud" // JumpCloud's connection source has the user
)

// Connection is the fact that a user is connected to a directory, by one path or
// by several. Without a path there is no connection.
type Connection struct {
	Directory ID        `json:"directoryId"`
	User      UserID    `json:"userId"`
	Paths     []Path    `json:"paths"`
	CreatedAt time.Time `json:"createdAt"` // of the first path since there was none
	// Ended says why the last path ended; "" while there is one.
	Ended Reason `json:"ended,omitempty"`
	// Left is when the user left paths within the last hour: a read from before then may
	// still show the user.
	Left    Departures `json:"left,omitempty"`
	Version int64      `json:"-"`
}

// Departures are when paths ended in JumpCloud: as its event says or, without one, when a
// read first showed it.
type Departures map[Path]time.Time

// departureLife is how long it is kept when a path ended: longer than it takes to read any
// list.
const departureLife = time.Hour

// with adds when a path ended, unless a later end is known, and drops what is too old.
func (d Departures) with(path Path, at time.Time) Departures {
	after := maps.Clone(d)
	maps.DeleteFunc(after, func(_ Path, left time.Time) bool { return at.Sub(left) > departureLife })
	if at.After(after[path]) {
		if after == nil {
			after = Departures{}
		}
		after[path] = at
	}
	return after
}

// End is when what is known of departures is of no use any more; zero: nothing is known.
func (d Departures) End() time.Time {
	var end time.Time
	for _, at := range d {
		if at = at.Add(departureLife); at.After(end) {
			end = at
		}
	}
	return end
}

// With is the connection with a path or without it, as of a time: when the user left the
// path. why becomes Ended if no path is left.
func (c Connection) With(path Path, in bool, why Reason, at time.Time) Connection {
	// When a group is not connected any more, its members stay members of it.
	if !in && slices.Contains(c.Paths, path) && why != GroupDisconnected && why != GroupDeleted {
		c.Left = c.Left.with(path, at)
	}
	if in && len(c.Paths) == 0 {
		c.CreatedAt = at
	}
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

// Departed is the connection after the user left a path at a time, by which the user was
// not connected, or is not any more: a read may still be on its way that shows the user.
func (c Connection) Departed(path Path, at time.Time) Connection {
	c.Left = c.Left.with(path, at)
	return c
}

// LeftAfter reports whether the user left a path after a time, and did not come back
// since.
func (c Connection) LeftAfter(path Path, at time.Time) bool {
	return c.Left[path].After(at) && !slices.Contains(c.Paths, path)
}

// LinkStatus is the status of a link.
type LinkStatus string

// The statuses of a link.
const (
	Pending  LinkStatus = "pending"  // something is to be done and will be
	Synced   LinkStatus = "synced"   // Entra is as it should be
	Parked   LinkStatus = "parked"   // stopped until something changes or someone retries
	Held     LinkStatus = "held"     // somebody would lose access, and a person has to approve that
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
	// FoundOut says that neither the refusal nor the message names the attribute: it was
	// found by writing the attributes one by one.
	FoundOut bool `json:"-"`
}

// Creation is an account whose creation was sent.
type Creation struct {
	UPN UPN       `json:"userPrincipalName"`
	At  time.Time `json:"at"`
	// Existed says that Entra refused the creation because this account has the immutable id of
	// the user already, under another name.
	Existed bool `json:"existed,omitempty"`
}

// Aside is an account that left a federated domain for a moment, because its immutable
// id cannot be changed there.
type Aside struct {
	UPN  UPN `json:"userPrincipalName"` // that it has now
	Home UPN `json:"home"`              // that it had, and gets back
	// ImmutableID is what it had; "" if it had none.
	ImmutableID string `json:"onPremisesImmutableId,omitempty"`
}

// InTheWay is an account that has the name of a user and must not be taken over.
type InTheWay struct {
	ID  EntraID `json:"id"`
	UPN UPN     `json:"userPrincipalName"`
}

// Standing is the common part of the links of users and of groups: the object in Entra,
// the status, and the times of the last events and writes.
type Standing struct {
	Directory ID `json:"directoryId"`
	// EntraID is "" until the account or the group was created or taken over; from then
	// on only it identifies the object.
	EntraID EntraID    `json:"entraId,omitempty"`
	Status  LinkStatus `json:"status"`
	Reason  Reason     `json:"reason,omitempty"`
	Message string     `json:"message,omitempty"`
	Origin  Origin     `json:"owner,omitempty"`
	// Freed says that the claim on the account or the group was given up with the
	// release. It may belong to somebody else by now: nothing is written to it before it
	// is claimed again.
	Freed bool `json:"freed,omitempty"`
	// Since is the CreatedAt of the connection for which the link knows what Entra has. Another
	// directory on the tenant may write the object while it is not connected to this one, so
	// that nothing is known for a later connection. Zero in links that are older than this
	// field.
	Since time.Time `json:"since,omitzero"`
	// Claimed is when events last claimed something, within the last minutes, by what
	// they claimed (see [Claim.About]).
	Claimed     map[string]time.Time `json:"claimed,omitempty"`
	LastEventAt time.Time            `json:"lastEventAt,omitzero"`
	LastWriteAt time.Time            `json:"lastWriteAt,omitzero"`
	NextTryAt   time.Time            `json:"nextTryAt,omitzero"`
	// PendingSince is since when something is to be done that is not done; zero if there is
	// nothing, and in links that are older than this field.
	PendingSince time.Time `json:"pendingSince,omitzero"`
	// OpenActions are the ids of actions that were recorded and not completed: a worker
	// is sending them, a process died before it completed them, or the answer was lost.
	OpenActions []string `json:"openActions,omitempty"`
	// Hold is the id of the hold in which the object waits, with the status Held.
	Hold string `json:"hold,omitempty"`
	// HeldFor is why access would be taken away then.
	HeldFor Reason `json:"heldFor,omitempty"`
	// StrandedAt is when a message about the object was set aside that was received too
	// often. What it asked to read is not known: the next attempt reads everything, and the
	// one that has read it makes this zero. The reason says so only until an attempt has
	// another one, such as an outage.
	StrandedAt time.Time `json:"strandedAt,omitzero"`
	// Drift is what somebody else changed in Entra, as of the last comparison, and what was
	// not made good since.
	Drift Findings `json:"drift,omitempty"`
	// MissedAt is when Entra first did not show the object when it was to be compared; zero
	// unless that is in doubt.
	MissedAt time.Time `json:"missedAt,omitzero"`
	Version  int64     `json:"-"`
}

// Unread reports whether the next attempt is to read everything, because a message about the
// object was set aside. Links that are older than StrandedAt only have the reason.
func (s Standing) Unread() bool { return !s.StrandedAt.IsZero() || s.Reason == Stranded }

// AsOf is the standing as it is stored at a time: with the time since when it is pending.
func (s Standing) AsOf(now time.Time) Standing {
	switch {
	case s.Status != Pending:
		s.PendingSince = time.Time{}
	case s.PendingSince.IsZero():
		s.PendingSince = now
	}
	return s
}

// Stands reports whether the link has the status and the reason. An empty one matches every
// link.
func (s Standing) Stands(status LinkStatus, reason Reason) bool {
	return (status == "" || s.Status == status) && (reason == "" || s.Reason == reason)
}

// Link is what we know of one JumpCloud user in one directory.
type Link struct {
	Standing
	User  UserID       `json:"userId"`
	UPN   UPN          `json:"userPrincipalName,omitempty"`
	State AccountState `json:"state"`
	// Found is the state that an account had when it was found; "" if we created it, or
	// if the link is older than this field.
	Found AccountState `json:"found,omitempty"`
	// Applied are the attributes that Entra certainly has: they were written and
	// confirmed, or read. An attribute that is missing here, because a write was never
	// answered, is written again.
	Applied Attributes `json:"applied,omitempty"`
	// WroteManager says that the account has a manager whom we wrote, or may have one, also when
	// Applied has forgotten it: so a manager who is no longer true is taken away, and one whom
	// we never wrote stays.
	WroteManager bool `json:"wroteManager,omitempty"`
	// SessionsToEnd says that sign-in was blocked and the sessions were not ended yet.
	SessionsToEnd bool `json:"sessionsToEnd,omitempty"`
	// Unconfirmed is the creation whose result is not known; nil if there is none. The
	// account may exist, or may still appear.
	Unconfirmed *Creation `json:"unconfirmed,omitempty"`
	// TakingOver says that the account is not ours until a first write to it has
	// succeeded.
	TakingOver bool `json:"takingOver,omitempty"`
	// Aside is the name of the account while its immutable id is changed; nil if it is
	// not moved aside. It must return to its domain.
	Aside *Aside `json:"aside,omitempty"`
	// Arrived says that the account is new to us, and that the tasks for those who wait
	// for it may not have been sent.
	Arrived bool `json:"arrived,omitempty"`
	// NameFreed says that the account may have another name than before, and that the tasks
	// for those who wait for the earlier one may not have been sent.
	NameFreed bool `json:"nameFreed,omitempty"`
	// Excluded says that the user was excluded when the link was last written: what Entra
	// has is not known, and all is compared once the user is not excluded any more.
	Excluded bool `json:"excluded,omitempty"`
	// ExcludedAs are the sign-in names that the account of an excluded user without a known
	// account may have, from when the user was excluded on: nobody else gets one of them.
	ExcludedAs []UPN `json:"excludedAs,omitempty"`
	// Problems are the attributes that cannot be written; the others are.
	Problems []Problem `json:"problems,omitempty"`
	// PasswordAt is when the newest password that we know of was set in JumpCloud;
	// older sessions were ended if the directory's settings say so.
	PasswordAt time.Time `json:"passwordAt,omitzero"`
	// PasswordDiffers says why the account does not have the password that the gateway
	// set in JumpCloud; nil when it has.
	PasswordDiffers *Obstacle `json:"passwordDiffers,omitempty"`
	// Imported says that the user was imported from the account: nothing but its state is
	// written before the user is activated.
	Imported bool `json:"imported,omitempty"`
	// Awaits is the domain of the tenant for which the user waits; nil if none is in the way.
	Awaits *DomainWait `json:"awaits,omitempty"`
	// InTheWay is the account because of which a user without one is parked: it has the user's
	// name and must not be taken over. The reason says why.
	InTheWay *InTheWay `json:"inTheWay,omitempty"`
	// Former is the account because of which a user without one is parked: it has the user's
	// name and belonged to somebody else.
	Former *FormerAccount `json:"former,omitempty"`
	// Confirmed is the word of an administrator that the user may have such an account, until
	// the user has one or another account is in the way.
	Confirmed *TakeOver `json:"confirmed,omitempty"`
	// ImportMissing is when Entra first did not show the account from which the user was
	// imported; zero unless that is in doubt.
	ImportMissing time.Time `json:"importMissing,omitzero"`
	// ParkDoubted says that the user was read again after being parked for the first time.
	ParkDoubted bool `json:"parkDoubted,omitempty"`
	// Leaving is what was done with the account since its user left; nil if the user has not
	// left, or is back and has everything back.
	Leaving *Leaving `json:"leaving,omitempty"`
}

// NewLink is the link of a user for whom nothing was done yet.
func NewLink(id ID, user UserID) Link {
	return Link{Standing: Standing{Directory: id, Status: Pending}, User: user, State: Absent}
}

// Stands reports whether the link has the status and the reason, or a problem with that
// reason. An empty one matches every link.
func (l Link) Stands(status LinkStatus, reason Reason) bool {
	return l.Standing.Stands(status, reason) ||
		l.Standing.Stands(status, "") && slices.ContainsFunc(l.Problems, func(p Problem) bool { return p.Reason == reason })
}

// WithoutPassword is the link after a password for an account was not sent, or nobody knows
// whether it was set; why says so. A link that does not wait for a password stays as it is: its
// account got a later one, or another worker knew the result.
func (l Link) WithoutPassword(account EntraID, why Obstacle) Link {
	if l.EntraID == account && l.PasswordDiffers != nil && l.PasswordDiffers.Reason == PasswordPending {
		l.PasswordDiffers = &why
	}
	return l
}

// MayHaveManager reports whether the account may have a manager whom we wrote. Links that are
// older than WroteManager only have Applied.
func (l Link) MayHaveManager() bool { return l.WroteManager || len(l.Applied[Manager]) > 0 }

// Forgetting is the link when nobody knows any more which values some attributes have: their
// changes are being sent, or the result is not known.
func (l Link) Forgetting(changes []Change) Link {
	gets := func(c Change) bool { return c.Attribute == Manager && len(c.To) > 0 }
	l.WroteManager = l.MayHaveManager() || slices.ContainsFunc(changes, gets)
	l.Applied = l.Applied.Without(changes)
	return l
}

// Forgotten is the link without an account.
func (l Link) Forgotten() Link {
	l.EntraID, l.UPN, l.Origin, l.State, l.Found, l.Applied = "", "", "", Absent, "", nil
	l.SessionsToEnd, l.Unconfirmed, l.PasswordDiffers, l.Freed, l.TakingOver, l.Aside, l.NameFreed = false, nil, nil, false, false, nil, false
	l.Imported, l.ImportMissing, l.WroteManager = false, time.Time{}, false
	if l.Leaving != nil && l.Leaving.Account == "" { // it is about that account; one that we deleted can come back
		l.Leaving = nil
	}
	return l
}

// Lost is the link of a user who is not managed any more and whose account is not in Entra any
// more. The account is free, and stays known: somebody may restore it by hand, with the state
// that it had, and then it is to be disabled as it would have been.
func (l Link) Lost() Link {
	lost := l.Forgotten()
	lost.EntraID, lost.UPN, lost.Origin, lost.Freed, lost.Leaving = l.EntraID, l.UPN, l.Origin, true, l.Leaving
	lost.Applied = Attributes{AccountEnabled: Bool(false)}
	return lost
}

// IsLost reports whether the account was not in Entra any more when its user was released. Who
// comes back has no account: if somebody restored it, it is found by its name.
func (l Link) IsLost() bool { return l.Freed && l.EntraID != "" && l.State == Absent }

// WithoutWord is the link after a word of an administrator was used, or came to nothing: the
// user has an account, or another one is in the way.
func (l Link) WithoutWord() Link {
	c := l.Confirmed
	switch {
	case c == nil:
	case l.EntraID != "" && !l.TakingOver,
		l.Former != nil && !c.Covers(l.Former.ID, l.Former.Owner),
		l.InTheWay != nil && l.InTheWay.ID != c.Account.ID:
		l.Confirmed = nil
	}
	return l
}

// Account is the account that certainly belongs to the user; "" if there is none.
func (l Link) Account() EntraID {
	if l.Freed {
		return ""
	}
	return l.EntraID
}
