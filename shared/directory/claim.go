package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Claim is one thing that an event of JumpCloud says to be so from then on. It is no
// state to apply: it is what the next reads are expected to show, since reads may lag
// behind events, and evidence beside a read that agrees. It carries keys, words of a
// closed list and digests, never a value.
type Claim struct {
	Kind ClaimKind `json:"kind"`
	// User and Group are whom it is about: one of them, but both for Joined and
	// Left.
	User  UserID  `json:"user,omitempty"`
	Group GroupID `json:"group,omitempty"`
	// Source is set for Associated and Dissociated.
	Source ConnectionSource `json:"source,omitzero"`
	// State is set for InState.
	State UserState `json:"state,omitempty"`
	// Field, From and To are set for Altered: what JumpCloud calls the field, and the
	// digests of its values before, "" if that is not said, and after.
	Field string `json:"field,omitempty"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	// At is when it happened; zero if the event does not say.
	At time.Time `json:"at,omitzero"`
	// Since is when a read first did not show it; zero as long as none has.
	Since time.Time `json:"since,omitzero"`
}

// ClaimKind is what sort of thing is claimed.
type ClaimKind string

// The closed list of kinds.
const (
	Created     ClaimKind = "created"          // the user or group exists
	Removed     ClaimKind = "removed"          // the user or group does not exist any more
	InState     ClaimKind = "in_state"         // the user has the State
	LockedOut   ClaimKind = "locked_out"       // the user is locked out
	Unlocked    ClaimKind = "unlocked"         // the user is not, or not any more
	Expired     ClaimKind = "password_expired" // the user's password is no longer valid
	Renewed     ClaimKind = "password_renewed" // it is, or is again
	NewPassword ClaimKind = "password_changed" // the user has another password
	Altered     ClaimKind = "altered"          // the Field has the value To
	Joined      ClaimKind = "joined"           // the user is in the Group itself
	Left        ClaimKind = "left"             // the user is not in the Group itself; another one may still hold the user
	Associated  ClaimKind = "associated"       // the user or group is associated with the Source itself
	Dissociated ClaimKind = "dissociated"      // it is not; the user may still be so through a group
)

// About is what a claim is about: of two claims about the same, the later one counts.
func (c Claim) About() string {
	switch c.Kind {
	case Created, Removed:
		return "existence"
	case InState:
		return "state"
	case LockedOut, Unlocked:
		return "lock"
	case Expired, Renewed, NewPassword:
		return "password"
	case Joined, Left:
		return "group " + string(c.Group)
	case Associated, Dissociated:
		return "source " + c.Source.ID
	default:
		return "field " + c.Field
	}
}

// Says is what the claim says of what it is about, in a form that is only to be
// compared.
func (c Claim) Says() string {
	if c.Kind == NewPassword { // which renews it
		return string(Renewed)
	}
	return string(c.Kind) + string(c.State) + c.To
}

// Shown says whether a read shows what a claim says.
type Shown string

// What a read may say of a claim.
const (
	Shows   Shown = "shows"
	Lags    Shown = "lags"    // it shows what was before
	Another Shown = "another" // it shows what came after, or nobody can tell
)

// ShownBy holds the claim against what was read of its user; nil: JumpCloud shows no
// such user.
func (c Claim) ShownBy(u *User) Shown {
	if c.Kind == Removed || c.Kind == Created {
		return shows((u == nil) == (c.Kind == Removed))
	}
	if u == nil {
		return Another
	}
	switch c.Kind {
	case InState:
		return shows(u.State == c.State)
	case LockedOut, Unlocked:
		return shows(u.AccountLocked == (c.Kind == LockedOut))
	case Expired:
		return shows(u.PasswordExpired)
	case Renewed, NewPassword:
		return shows(!u.PasswordExpired)
	case Altered:
		value, known := u.Field(c.Field)
		return c.alteredTo(string(u.ID), value, known)
	default:
		return Another
	}
}

// ShownByGroup holds the claim against what was read of its group; nil: JumpCloud
// shows no such group.
func (c Claim) ShownByGroup(g *Group) Shown {
	switch {
	case c.Kind == Removed || c.Kind == Created:
		return shows((g == nil) == (c.Kind == Removed))
	case g != nil && c.Kind == Altered:
		return c.alteredTo(string(g.ID), g.Name, c.Field == "name")
	default:
		return Another
	}
}

// ShownByGroups holds the claim that its user joined or left a group against the
// groups that hold the user.
func (c Claim) ShownByGroups(groups []GroupID) Shown {
	if c.Kind != Joined && c.Kind != Left {
		return Another
	}
	return shows(slices.Contains(groups, c.Group) == (c.Kind == Joined))
}

// ShownBySource holds the claim that its user or group was associated with a source,
// or is no more, against whether it is.
func (c Claim) ShownBySource(source ConnectionSource, associated bool) Shown {
	if c.Kind != Associated && c.Kind != Dissociated || c.Source != source {
		return Another
	}
	return shows(associated == (c.Kind == Associated))
}

// alteredTo holds the claim that a field was altered against the value that it has.
func (c Claim) alteredTo(id, value string, known bool) Shown {
	now := Digest(id, c.Field, value)
	switch {
	case !known:
		return Another
	case now == c.To:
		return Shows
	case c.From == "" || now == c.From:
		return Lags
	default:
		return Another
	}
}

// shows is what a read says that can only show what is claimed or what was before.
func shows(is bool) Shown {
	if is {
		return Shows
	}
	return Lags
}

// Digest stands for the value of a field of an object, so that two can be compared
// without keeping either. At 32 bits it cannot be turned back: very many values have
// the same one.
func Digest(id, field, value string) string {
	const size = 4
	sum := sha256.Sum256([]byte(strconv.Itoa(len(id)) + "/" + id + "/" + field + "/" + value))
	return hex.EncodeToString(sum[:size])
}

// Field is the value of a field of the user that the rules look at, by its name in
// JumpCloud's API (systemuserreturn), in a form that is only to be compared. What has
// no such field is not known.
func (u User) Field(name string) (value string, known bool) {
	switch name {
	case "username":
		return u.Username, true
	case "email":
		return u.Email, true
	case "alternateEmail":
		return u.AlternateEmail, true
	case "firstname":
		return u.FirstName, true
	case "lastname":
		return u.LastName, true
	case "displayname":
		return u.DisplayName, true
	case "manager":
		return string(u.Manager), true
	case "addresses":
		w := u.Work
		return strings.Join([]string{w.StreetAddress, w.ExtendedAddress, w.POBox, w.Locality, w.Region, w.PostalCode, w.Country}, "\n"), true
	case "phoneNumbers":
		return joinedPairs(u.Phones), true
	case "attributes":
		return joinedPairs(u.Attributes), true
	default:
		return u.Fields[name], slices.Contains(PlainFields(), name)
	}
}

// joinedPairs are values with their names, in a form that is only to be compared.
func joinedPairs(values map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, strconv.Quote(name)+"="+values[name])
	}
	return strings.Join(all, "\n")
}
