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

// Claim is one fact that an event of JumpCloud states from then on. It is not a state to
// apply: it is what the next reads are expected to show, since reads may lag behind
// events, and it is evidence together with a read that agrees. It has keys, words of a
// closed list and digests, never a value.
type Claim struct {
	Kind ClaimKind `json:"kind"`
	// User and Group are the subject: one of them, but both for Joined and Left.
	User  UserID  `json:"user,omitempty"`
	Group GroupID `json:"group,omitempty"`
	// Source is set for Associated and Dissociated.
	Source ConnectionSource `json:"source,omitzero"`
	// State is set for InState.
	State UserState `json:"state,omitempty"`
	// Field, From and To are set for Altered: JumpCloud's name of the field, the digest
	// of its value before ("" if the event does not say it), and that of the new value.
	Field string `json:"field,omitempty"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	// At is when it happened; zero if the event does not say.
	At time.Time `json:"at,omitzero"`
	// Since is when a read first did not show the claim; zero if there was no such read.
	Since time.Time `json:"since,omitzero"`
}

// ClaimKind is the kind of a claim.
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

// About names the subject of a claim: of two claims with the same subject, the later one
// counts.
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

// Says is what the claim says of its subject, in a form that is only to be compared.
func (c Claim) Says() string {
	if c.Kind == NewPassword { // a new password renews it
		return string(Renewed)
	}
	return string(c.Kind) + string(c.State) + c.To
}

// Key names what the claim is about and what it says of it. [ClaimOf] reads it.
func (c Claim) Key() string { return c.About() + "=" + c.Says() }

// ClaimOf is the claim that has a key, without its user, its time and the value before.
// Only a claim about the given source is known again as one about a source. ok is false for
// anything else.
func ClaimOf(key string, source ConnectionSource) (c Claim, ok bool) {
	about, says, _ := strings.Cut(key, "=")
	subject, of, _ := strings.Cut(about, " ")
	c.Kind = ClaimKind(says)
	switch subject {
	case "state":
		c.Kind, c.State = InState, UserState(strings.TrimPrefix(says, string(InState)))
	case "field":
		c.Kind, c.Field, c.To = Altered, of, strings.TrimPrefix(says, string(Altered))
	case "group":
		c.Group = GroupID(of)
	case "source":
		c.Source = source
	}
	return c, c.Key() == key
}

// Denies reports whether the claim says that its user must not sign in.
func (c Claim) Denies(s Settings) bool {
	switch c.Kind {
	case Removed:
		return true
	case InState:
		return c.State == Suspended
	case LockedOut:
		return s.SuspendOnLockout
	case Expired:
		return s.SuspendOnPasswordExpiration
	default:
		return false
	}
}

// Shown says whether a read shows what a claim says.
type Shown string

// The results of comparing a claim with a read.
const (
	Shows   Shown = "shows"
	Lags    Shown = "lags"    // the read shows the state from before
	Another Shown = "another" // the read shows a later state, or it is not known
)

// ShownBy compares the claim with what was read of its user; nil: JumpCloud shows no such
// user.
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

// ShownByGroup compares the claim with what was read of its group; nil: JumpCloud shows no
// such group.
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

// ShownByGroups compares the claim that its user joined or left a group with the groups
// that have the user as member.
func (c Claim) ShownByGroups(groups []GroupID) Shown {
	if c.Kind != Joined && c.Kind != Left {
		return Another
	}
	return shows(slices.Contains(groups, c.Group) == (c.Kind == Joined))
}

// ShownBySource compares the claim that its user or group was associated with a source, or
// dissociated from it, with whether it is associated.
func (c Claim) ShownBySource(source ConnectionSource, associated bool) Shown {
	if c.Kind != Associated && c.Kind != Dissociated || c.Source != source {
		return Another
	}
	return shows(associated == (c.Kind == Associated))
}

// alteredTo compares the claim that a field was altered with the value that it has.
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

// shows is the result of a read that can only show what is claimed or the state before.
func shows(is bool) Shown {
	if is {
		return Shows
	}
	return Lags
}

// Digest represents the value of a field of an object, so that two values can be compared
// without keeping them. It has 32 bits and cannot be reversed: very many values have the
// same digest.
func Digest(id, field, value string) string {
	const size = 4
	sum := sha256.Sum256([]byte(strconv.Itoa(len(id)) + "/" + id + "/" + field + "/" + value))
	return hex.EncodeToString(sum[:size])
}

// Field is the value of a field of the user that the rules use, by its name in JumpCloud's
// API (systemuserreturn), in a form that is only to be compared. known is false for any
// other field.
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
