package directory

import (
	"fmt"
	"time"
)

// FormerOwner is the JumpCloud user to whom an account belonged until it was let go.
type FormerOwner struct {
	Organization OrganizationID `json:"organizationId"`
	User         UserID         `json:"userId"`
	Username     string         `json:"username,omitempty"` // when the account was let go; "" if it is not known
	Until        time.Time      `json:"until,omitzero"`     // when it was let go
}

// Same reports whether two are the same end of the same ownership.
func (o FormerOwner) Same(other FormerOwner) bool {
	return o.Organization == other.Organization && o.User == other.User && o.Until.Equal(other.Until)
}

// Is reports whether the former owner is the user.
func (o FormerOwner) Is(organization OrganizationID, user UserID) bool {
	return o.Organization == organization && o.User == user
}

// name names the former owner for people.
func (o FormerOwner) name() string {
	if o.Username == "" {
		return string(o.User)
	}
	return o.Username + " (" + string(o.User) + ")"
}

// FormerAccount is an account that has the name of a user and belonged to another one.
type FormerAccount struct {
	ID    EntraID     `json:"entraId"`
	UPN   UPN         `json:"userPrincipalName,omitempty"`
	Owner FormerOwner `json:"owner"`
	// Awaiting is the name of the user who wants it.
	Awaiting string `json:"awaiting,omitempty"`
}

// KeptFrom is why a user does not get the account.
func (a FormerAccount) KeptFrom(user UserID) *Obstacle {
	until := ""
	if !a.Owner.Until.IsZero() {
		until = " until " + a.Owner.Until.UTC().Format(time.RFC3339)
	}
	return &Obstacle{Reason: FormerOwned, Message: fmt.Sprintf(
		"the account %s (%s) belonged to the JumpCloud user %s%s, and %s (%s) is another one: if both are the same person, confirm it with POST …/users/%s/take-over; "+
			"else rename or delete that account in Entra, or give the user another e-mail", a.UPN, a.ID, a.Owner.name(), until, a.Awaiting, user, user)}
}

// TakeOver is the word of an administrator that a user may have an account that belonged to
// another one.
type TakeOver struct {
	Account FormerAccount `json:"account"`
	By      string        `json:"by"`
	Note    string        `json:"note,omitempty"` // why
	At      time.Time     `json:"at"`
}

// Covers reports whether the word is about an account and its former owner. Somebody else may
// have had the account since.
func (t *TakeOver) Covers(account EntraID, owner FormerOwner) bool {
	return t != nil && t.Account.ID == account && t.Account.Owner.Same(owner)
}

// ConfirmedBy is the link after an administrator gave that word: the user is to be brought up
// to date.
func (l Link) ConfirmedBy(word TakeOver) Link {
	l.Confirmed = &word
	l.Status, l.Reason, l.NextTryAt = Pending, FormerOwned, time.Time{}
	l.Message = fmt.Sprintf("%s confirmed at %s that the user may have the account %s (%s): it is taken over", word.By, word.At.Format(time.RFC3339), word.Account.UPN, word.Account.ID)
	return l
}
