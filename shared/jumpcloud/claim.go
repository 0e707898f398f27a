package jumpcloud

import (
	"encoding/json"
	"slices"
	"strings"

	"entrasync/shared/directory"
)

// Word is a statement about the state of a user in the changes of an event.
type Word string

// The closed list of words.
const (
	wordStaged      Word = "staged"
	wordActivated   Word = "activated"
	wordSuspended   Word = "suspended"
	wordUnsuspended Word = "unsuspended" // the older field suspended became false
	wordLocked      Word = "locked"
	wordUnlocked    Word = "unlocked"
	wordExpired     Word = "expired"
	wordRenewed     Word = "renewed"
	wordPassword    Word = "password"
)

// Alteration is a field whose value changed according to an event: JumpCloud's name of
// the field, and digests of the parts of its values that the rules use (see
// [directory.Digest]). From is "" where the event does not have the old value.
type Alteration struct {
	Field string `json:"field"`
	From  string `json:"from,omitempty"`
	To    string `json:"to"`
}

// Claims are the facts that the event claims; none for an event that says nothing
// definite or does not concern us. Memberships of groups in groups are not claimed: no
// recording shows which of the two is the outer one.
func (e Event) Claims() []directory.Claim {
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

// byType is the claim of an event by its type alone (Directory Insights API
// documentation).
var byType = map[string]directory.Claim{
	"user_create":           {Kind: directory.Created},
	"user_delete":           {Kind: directory.Removed},
	"user_suspended":        {Kind: directory.InState, State: directory.Suspended},
	"user_unsuspended":      {Kind: directory.InState, State: directory.Activated},
	"user_activated":        {Kind: directory.InState, State: directory.Activated},
	"user_lockout":          {Kind: directory.LockedOut},
	"user_unlocked":         {Kind: directory.Unlocked},
	"user_password_expired": {Kind: directory.Expired},
	"user_password_change":  {Kind: directory.NewPassword},
	"user_password_set":     {Kind: directory.NewPassword},
	"group_create":          {Kind: directory.Created},
	"group_delete":          {Kind: directory.Removed},
}

func (e Event) claimsOfUser() []directory.Claim {
	users := e.Users()
	if len(users) != 1 {
		return nil
	}
	var claims []directory.Claim
	claim := func(c directory.Claim) {
		c.User = users[0]
		if !slices.ContainsFunc(claims, func(known directory.Claim) bool { return known.Kind == c.Kind && known.Field == c.Field }) {
			claims = append(claims, c)
		}
	}
	if c, known := byType[e.Type]; known {
		claim(c)
	}
	if e.Type == "user_delete" { // its fields no longer matter
		return claims
	}
	if state := e.state(); state != "" {
		claim(directory.Claim{Kind: directory.InState, State: state})
	}
	for _, word := range e.Says {
		if kind, known := ofWord[word]; known {
			claim(directory.Claim{Kind: kind})
		}
	}
	for _, a := range e.Altered {
		claim(directory.Claim{Kind: directory.Altered, Field: a.Field, From: a.From, To: a.To})
	}
	return claims
}

// ofWord is the claim of each word that needs no other word.
var ofWord = map[Word]directory.ClaimKind{wordLocked: directory.LockedOut, wordUnlocked: directory.Unlocked, wordExpired: directory.Expired, wordRenewed: directory.Renewed,
	wordPassword: directory.NewPassword}

// state is the state that the changes claim, "" if none. If state or suspended says
// suspended, the user is suspended, as in a user that is read. If the changes say only
// that a user is not suspended, the user is activated, except for a new user, whose
// event lists all fields.
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

func (e Event) claimsOfGroup() []directory.Claim {
	groups := e.Groups()
	if len(groups) != 1 {
		return nil
	}
	var claims []directory.Claim
	if c, known := byType[e.Type]; known {
		c.Group = groups[0]
		claims = append(claims, c)
	}
	if e.Type != "group_update" { // a new group had no name before, and a deleted one has none after
		return claims
	}
	for _, a := range e.Altered {
		claims = append(claims, directory.Claim{Kind: directory.Altered, Group: groups[0], Field: a.Field, From: a.From, To: a.To})
	}
	return claims
}

func (e Event) claimsOfEdge() []directory.Claim {
	var c directory.Claim
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
	kinds := map[string]directory.ClaimKind{"add": directory.Joined, "remove": directory.Left}
	if isSource {
		kinds = map[string]directory.ClaimKind{"add": directory.Associated, "remove": directory.Dissociated}
	}
	kind, known := kinds[strings.ToLower(e.Association.Op)]
	if !known { // update changes an edge in an undocumented way
		return nil
	}
	c.Kind = kind
	return []directory.Claim{c}
}

// wordsOf are the words of the changes of an event, sorted, each once.
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

// wordOf is the word of one change: from the field and its new value.
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
		return ""
	}
}

// alterationsOf are the fields whose values changed according to the event, sorted by
// name; only fields that the rules use.
func (e Event) alterationsOf(changes json.RawMessage) []Alteration {
	if e.Type != "user_update" && e.Type != "group_update" { // the type of others is enough
		return nil
	}
	digest := userDigest
	if e.Type == "group_update" {
		digest = groupDigest
	}
	var all []Alteration
	for _, change := range (object{"changes": changes}).objects("changes") {
		a := Alteration{Field: change.text("field")}
		var known bool
		if _, says := change["to"]; !says {
			continue
		}
		if a.To, known = digest(e.Resource.ID, a.Field, change["to"]); !known {
			continue
		}
		if from, says := change["from"]; says {
			a.From, _ = digest(e.Resource.ID, a.Field, from)
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Alteration) int { return strings.Compare(a.Field, b.Field) })
	return slices.CompactFunc(all, func(a, b Alteration) bool { return a.Field == b.Field })
}

// isOnlyAttributes reports whether changes were made to a user, all of them of attributes
// that the rules use. A state, a lock or a password is none, and a field that nobody knows
// may be about access as well.
func (e Event) isOnlyAttributes(changes json.RawMessage) bool {
	var all []struct{ Field string }
	if e.Type != "user_update" || json.Unmarshal(changes, &all) != nil {
		return false
	}
	for _, change := range all {
		if _, known := (directory.User{}).Field(change.Field); !known {
			return false
		}
	}
	return len(all) > 0
}

// userDigest is the digest of a value of a field of a user, as a read of the user would
// give it.
func userDigest(id, field string, value json.RawMessage) (digest string, known bool) {
	user, _ := userOf(object{field: value})
	text, known := user.Field(field)
	return directory.Digest(id, field, text), known
}

// groupDigest is the digest of a value of a field of a group.
func groupDigest(id, field string, value json.RawMessage) (digest string, known bool) {
	return directory.Digest(id, field, object{field: value}.text(field)), field == "name"
}
