package jumpcloud

import (
	"encoding/json"
	"slices"
	"strings"

	"entrasync/shared/directory"
)

// Claim is one thing that an event says to be so from then on. It is no state to
// apply: it is what the next reads are expected to show, and evidence beside a
// read that agrees. Like an event it carries keys and words of a closed list.
type Claim struct {
	Kind ClaimKind `json:"kind"`
	// User and Group are whom it is about: one of them, but both for Joined and
	// Left.
	User  directory.UserID  `json:"user,omitempty"`
	Group directory.GroupID `json:"group,omitempty"`
	// Source is set for Associated and Dissociated.
	Source directory.ConnectionSource `json:"source,omitzero"`
	// State is set for InState: STAGED, ACTIVATED or SUSPENDED.
	State directory.UserState `json:"state,omitempty"`
}

// ClaimKind is what sort of thing is claimed.
type ClaimKind string

// The closed list of kinds.
const (
	Created     ClaimKind = "created"          // the user or group exists
	Deleted     ClaimKind = "deleted"          // the user or group does not exist any more
	InState     ClaimKind = "in_state"         // the user has the State
	Locked      ClaimKind = "locked"           // the user is locked out
	Unlocked    ClaimKind = "unlocked"         // the user is not, or not any more
	Expired     ClaimKind = "password_expired" // the user's password is no longer valid
	Renewed     ClaimKind = "password_renewed" // it is, or is again
	NewPassword ClaimKind = "password_changed" // the user has another password
	Altered     ClaimKind = "altered"          // something else changed, of which we keep no value: a name, an attribute
	Joined      ClaimKind = "joined"           // the user is in the Group itself
	Left        ClaimKind = "left"             // the user is not in the Group itself; another one may still hold the user
	Associated  ClaimKind = "associated"       // the user or group is associated with the Source itself
	Dissociated ClaimKind = "dissociated"      // it is not; the user may still be so through a group
)

// Word is what the changes of an event say of the state of a user.
type Word string

// The closed list of words.
const (
	wordStaged      Word = "staged"
	wordActivated   Word = "activated"
	wordSuspended   Word = "suspended"
	wordUnsuspended Word = "unsuspended" // the older twin of the state says no
	wordLocked      Word = "locked"
	wordUnlocked    Word = "unlocked"
	wordExpired     Word = "expired"
	wordRenewed     Word = "renewed"
	wordPassword    Word = "password"
	wordOther       Word = "other" // any other field
)

// Claims is what the event says to be so, nothing for one that says nothing
// definite, or that concerns nothing we act on. Memberships of groups in groups
// are not claimed: which of the two is the outer one is recorded nowhere.
func (e Event) Claims() []Claim {
	switch e.Concern() {
	case UserChanged, UserDeleted, PasswordChanged:
		return e.claimsOfUser()
	case GroupChanged:
		return e.claimsOfGroup()
	case AssociationChanged:
		return e.claimsOfEdge()
	default:
		return nil
	}
}

// byType is what an event says by its type alone (Directory Insights API
// documentation).
var byType = map[string]Claim{
	"user_create":           {Kind: Created},
	"user_delete":           {Kind: Deleted},
	"user_suspended":        {Kind: InState, State: directory.Suspended},
	"user_unsuspended":      {Kind: InState, State: directory.Activated},
	"user_activated":        {Kind: InState, State: directory.Activated},
	"user_lockout":          {Kind: Locked},
	"user_unlocked":         {Kind: Unlocked},
	"user_password_expired": {Kind: Expired},
	"user_password_change":  {Kind: NewPassword},
	"user_password_set":     {Kind: NewPassword},
	"group_create":          {Kind: Created},
	"group_update":          {Kind: Altered},
	"group_delete":          {Kind: Deleted},
}

func (e Event) claimsOfUser() []Claim {
	users := e.Users()
	if len(users) != 1 {
		return nil
	}
	var claims []Claim
	claim := func(c Claim) {
		c.User = users[0]
		if !slices.ContainsFunc(claims, func(known Claim) bool { return known.Kind == c.Kind }) {
			claims = append(claims, c)
		}
	}
	if c, known := byType[e.Type]; known {
		claim(c)
	}
	if e.Type == "user_delete" { // what it was like is of no matter
		return claims
	}
	if state := e.state(); state != "" {
		claim(Claim{Kind: InState, State: state})
	}
	for _, word := range e.Says {
		if kind, known := ofWord[word]; known && (kind != Altered || e.Type == "user_update") {
			claim(Claim{Kind: kind})
		}
	}
	if len(claims) == 0 { // a change without its fields
		claim(Claim{Kind: Altered})
	}
	return claims
}

// ofWord is what the words claim that need no other.
var ofWord = map[Word]ClaimKind{wordLocked: Locked, wordUnlocked: Unlocked, wordExpired: Expired, wordRenewed: Renewed,
	wordPassword: NewPassword, wordOther: Altered}

// state is the state that the changes claim, "" if none. Either of the twins
// saying suspended means suspended, as in a user that is read; that a user is not
// suspended any more without a word on the state means activated, but for a new
// one, of whom all fields are listed.
func (e Event) state() directory.UserState {
	says := func(word Word) bool { return slices.Contains(e.Says, word) }
	switch {
	case says(wordSuspended):
		return directory.Suspended
	case says(wordStaged):
		return directory.Staged
	case says(wordActivated), says(wordUnsuspended) && e.Type != "user_create":
		return directory.Activated
	}
	return ""
}

func (e Event) claimsOfGroup() []Claim {
	c, known := byType[e.Type]
	groups := e.Groups()
	if !known || len(groups) != 1 {
		return nil
	}
	c.Group = groups[0]
	return []Claim{c}
}

func (e Event) claimsOfEdge() []Claim {
	var c Claim
	source, isSource := e.Source()
	users, groups := e.Users(), e.Groups()
	switch {
	case isSource && len(users) == 1:
		c.Source, c.User = source, users[0]
	case isSource && len(groups) == 1:
		c.Source, c.Group = source, groups[0]
	case e.Membership() && len(users) == 1 && len(groups) == 1:
		c.User, c.Group = users[0], groups[0]
	default:
		return nil
	}
	kinds := map[string]ClaimKind{"add": Joined, "remove": Left}
	if isSource {
		kinds = map[string]ClaimKind{"add": Associated, "remove": Dissociated}
	}
	kind, known := kinds[strings.ToLower(e.Association.Op)]
	if !known { // update changes what the edge is like, and nobody says what
		return nil
	}
	c.Kind = kind
	return []Claim{c}
}

// wordsOf is what the changes of an event say, sorted, each word once.
func wordsOf(changes json.RawMessage) []Word {
	var words []Word
	for _, change := range (object{"changes": changes}).objects("changes") {
		if word := wordOf(change.text("field"), change); word != "" {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// wordOf is the word of one change: the field, and what it changed to.
func wordOf(field string, change object) Word {
	either := func(whenTrue, whenFalse Word) Word {
		value, known := change.flag("to")
		switch {
		case !known:
			return ""
		case value:
			return whenTrue
		default:
			return whenFalse
		}
	}
	switch field {
	case "state":
		return map[string]Word{"STAGED": wordStaged, "ACTIVATED": wordActivated, "SUSPENDED": wordSuspended}[strings.ToUpper(strings.TrimSpace(change.text("to")))]
	case "suspended":
		return either(wordSuspended, wordUnsuspended)
	case "account_locked":
		return either(wordLocked, wordUnlocked)
	case "password_expired":
		return either(wordExpired, wordRenewed)
	case "password":
		return wordPassword
	default:
		return wordOther
	}
}
