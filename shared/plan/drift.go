package plan

import (
	"maps"
	"slices"
	"time"

	"entrasync/shared/directory"
)

// Drift is what somebody else changed in Entra. A list of Entra, or of its changes, is only a
// hint of it: the list may be older than our own last write, and leaves out what is empty. So
// a list only decides which accounts and groups are read by themselves (MayDiffer and what
// follows), and only what was read by itself decides what differs (Compare). What entrasync
// never wrote is never compared.

// shownNow are the values that an account is known to have: those that were written, and in
// place of them what somebody else changed and was found before.
func shownNow(link directory.Link) directory.Attributes {
	known := maps.Clone(link.Applied)
	for _, finding := range link.Drift {
		if _, ours := known[finding.Attribute]; ours {
			known[finding.Attribute] = finding.Found
		}
	}
	return known
}

// MayDiffer reports whether an account must be read because of what a list shows of it. whole
// says that the list is one of all accounts, which shows all values; in a list of changes, a
// value that is not shown may have been cleared.
func MayDiffer(link directory.Link, shown directory.AccountChange, whole bool) bool {
	switch {
	case link.EntraID == "" || link.EntraID != shown.ID || link.TakingOver:
		return false
	case link.Freed: // claimed by nobody since its user was released: nothing else of it is ours any more
		return link.Status == directory.Released && LetIn(link, shown)
	case shown.Agent: // linked before agents were distinguished: the account is to be given up
		return !shown.Gone && link.Status != directory.Released && len(link.Applied) > 0
	case shown.Gone:
		return !link.Drift.Gone()
	case link.Drift.Gone(), returns(link.Standing, shown.Account):
		return true
	}
	for name, known := range shownNow(link) {
		found, there := shownValue(shown, name)
		switch {
		case link.Status == directory.Released && name != directory.AccountEnabled: // of which only the state is written
		case !there && (whole || name == directory.Manager || len(known) == 0):
		case !there || !name.Same(known, found):
			return true
		}
	}
	return false
}

// LetIn reports whether a list shows that somebody enabled an account that we disabled.
func LetIn(link directory.Link, shown directory.AccountChange) bool {
	known, written := shownNow(link)[directory.AccountEnabled]
	enabled, there := shownValue(shown, directory.AccountEnabled)
	open := directory.Bool(true)
	return !shown.Gone && !shown.Agent && written && !known.Equal(open) && there && enabled.Equal(open)
}

// shownValue is the value of an attribute in a list; there is false if the list does not show
// it.
func shownValue(shown directory.AccountChange, name directory.Attribute) (value directory.Value, there bool) {
	switch {
	case name == directory.Manager && shown.Manager == nil:
		return nil, false
	case name == directory.Manager:
		return directory.Text(string(*shown.Manager)), true
	case name == directory.ImmutableID:
		return directory.Text(shown.Account.ImmutableID), true
	}
	value, there = shown.Account.Attributes[name]
	return value, there
}

// returns reports whether what parked an account does not apply any more: it is there again,
// or not synchronised from on-premises any more (Entra lets accounts be taken over by the
// cloud one by one).
func returns(s directory.Standing, shown directory.Account) bool {
	return s.Reason == directory.AccountMissing || s.Reason == directory.SyncedFromOnPremises && !shown.SyncedFromOnPremises
}

// Returned reports whether a list shows the account of a user who has none here because it was
// deleted: it can be taken over again. The immutable id says whose it was.
func Returned(link directory.Link, shown directory.AccountChange) bool {
	return link.EntraID == "" && link.Reason == directory.AccountDeleted && !shown.Gone && shown.Account.ImmutableID == string(link.User)
}

// Comparable reports whether something of the user's account was written that can be compared
// with Entra.
func (u User) Comparable() bool {
	return u.Link.Account() != "" && !u.Link.TakingOver && u.Link.Aside == nil && len(u.Link.Applied) > 0 && !u.waits(u.Link)
}

// Compare compares what was read of the user's account with what was written. elsewhere are
// the user's links in other directories on the tenant: what one of them wrote nobody else
// changed.
func (u User) Compare(account directory.Account, elsewhere []directory.Link, now time.Time) directory.Findings {
	var findings directory.Findings
	for _, name := range slices.Sorted(maps.Keys(u.Link.Applied)) {
		expected, found := u.Link.Applied[name], valueOf(account, name)
		if before, reported := u.Link.Drift.Of(name); reported {
			expected = before.Expected
		}
		if u.compares(name, expected) && !name.Same(expected, found) && !wroteElsewhere(elsewhere, account.ID, name, found) {
			findings = append(findings, directory.Finding{Attribute: name, Expected: expected, Found: found, At: now})
		}
	}
	return findings
}

// compares reports whether an attribute of the account is to be as it was written: of a user
// who is not managed any more only the state is, and the state is not as long as the account
// keeps the one that it had before. The immutable id is if it is the user's.
func (u User) compares(name directory.Attribute, expected directory.Value) bool {
	switch name {
	case directory.AccountEnabled:
		return !u.keepsState(u.Link)
	case directory.ImmutableID:
		return u.Desired.Managed && expected.Equal(directory.Text(string(u.ID)))
	case directory.Manager:
		return u.Desired.HasManager
	default:
		_, wanted := u.Desired.Attributes[name]
		return wanted
	}
}

// keepsState reports whether the account existed before the connection and keeps the state
// that it had.
func (u User) keepsState(link directory.Link) bool {
	return u.Desired.KeepsFound && (link.Found != "" || link.Origin == directory.TakenOver)
}

// wroteElsewhere reports whether another directory on the tenant wrote a value.
func wroteElsewhere(links []directory.Link, account directory.EntraID, name directory.Attribute, found directory.Value) bool {
	return slices.ContainsFunc(links, func(link directory.Link) bool {
		written, is := link.Applied[name]
		return is && link.EntraID == account && name.Same(written, found)
	})
}

// valueOf is the value of an attribute of an account that was read.
func valueOf(account directory.Account, name directory.Attribute) directory.Value {
	switch name {
	case directory.UserPrincipalName:
		return directory.Text(string(account.UPN))
	case directory.AccountEnabled:
		return directory.Bool(account.Enabled)
	case directory.ImmutableID:
		return directory.Text(account.ImmutableID)
	default:
		return account.Attributes[name]
	}
}

// Differs is the link after a comparison found something, or nothing. If that is to be repaired,
// the link has what was found, so that the plan writes it again; else it stays as it is,
// and nothing is written. A state that the account keeps from before, and an immutable id that
// is not the user's, are those that it has now.
func (u User) Differs(findings directory.Findings, account directory.Account, repair bool) (link directory.Link, news directory.Findings) {
	link = u.Link
	unknown := link.Drift.Without(directory.DeletedAt, directory.ObjectID) // written, with a result that is not known
	for name := range link.Applied {
		if before, is := unknown.Of(name); is { // an earlier attempt to repair it did not succeed
			link.Applied = link.Applied.Set([]directory.Change{{Attribute: name, To: before.Expected}})
			unknown = unknown.Without(name)
		}
	}
	link.Drift, news = link.Drift.Replaced(slices.Concat(findings, unknown))
	if link.State == directory.Absent { // it was gone when the user left, and is back
		link.State = stateOf(link.Applied[directory.AccountEnabled].String() == "true")
	}
	if u.keepsState(link) {
		link.State = stateOf(account.Enabled)
		if link.Found != "" {
			link.Found = link.State
		}
		link.Applied = link.Applied.Set([]directory.Change{{Attribute: directory.AccountEnabled, To: directory.Bool(account.Enabled)}})
	}
	if id, known := link.Applied[directory.ImmutableID]; known && !u.compares(directory.ImmutableID, id) { // it is not the user's
		link.Applied = link.Applied.Set([]directory.Change{{Attribute: directory.ImmutableID, To: directory.Text(account.ImmutableID)}})
	}
	if !repair {
		return link, news
	}
	for _, finding := range findings {
		link.Applied = link.Applied.Set([]directory.Change{finding.Change()})
		switch finding.Attribute {
		case directory.UserPrincipalName:
			link.UPN = account.UPN
		case directory.AccountEnabled:
			link.State = stateOf(account.Enabled)
		}
	}
	return link, news
}

// lostID reports whether somebody else changed the user's immutable id, which is to be written
// again.
func (u User) lostID(link directory.Link) bool {
	finding, lost := link.Drift.Of(directory.ImmutableID)
	return lost && !u.SecondAccount && link.Applied[directory.ImmutableID].Equal(finding.Found)
}

// Gone is the finding that an object is not in Entra any more. deletedAt is when it was
// deleted, if it can be restored.
func Gone(id directory.EntraID, deletedAt, now time.Time) directory.Finding {
	if deletedAt.IsZero() {
		return directory.Finding{Attribute: directory.ObjectID, Expected: directory.Text(string(id)), At: now}
	}
	return directory.Finding{Attribute: directory.DeletedAt, Found: directory.Text(deletedAt.UTC().Format(time.RFC3339)), At: now}
}

// remaining are the findings that are left when nothing is left to do: what the user is to
// have still differs from what was found. A gone account stays gone until a comparison finds
// it.
func (u User) remaining(link directory.Link) directory.Findings {
	var left directory.Findings
	if link.EntraID == "" {
		return nil
	}
	for _, finding := range link.Drift {
		wanted, is := u.Desired.Attributes[finding.Attribute]
		switch finding.Attribute {
		case directory.DeletedAt, directory.ObjectID:
			left = append(left, finding)
			continue
		case directory.AccountEnabled:
			wanted, is = directory.Bool(u.state(link) == directory.Enabled), true
		case directory.ImmutableID:
			wanted, is = finding.Expected, u.Desired.Managed
		}
		if is && !finding.Attribute.Same(wanted, finding.Found) {
			left = append(left, finding)
		}
	}
	return left
}

// Recorded is the action that records findings.
func Recorded(findings directory.Findings, object directory.EntraID) Action {
	action := Action{Type: Drift, EntraID: object, Changes: []directory.Change{}}
	for _, finding := range findings {
		action.Changes = append(action.Changes, finding.Change())
	}
	return action
}
