package plan

import (
	"entrasync/shared/directory"
)

// User is what is known about one user in one directory.
type User struct {
	ID       directory.UserID
	Desired  directory.Desired
	Link     directory.Link
	LookedUp bool               // whether the accounts are the answer of a look-up by UPN
	Account  *directory.Account // that has the wanted UPN; nil: none has
	// Created is the account that has the UPN of an unconfirmed creation and
	// carries this user's immutable id; nil: none is seen.
	Created *directory.Account
	// Federated says that sign-in is federated, so an account that is taken
	// over gets an immutable id if it has none.
	Federated bool
}

// Searches are the UPNs that must be searched before anything can be decided
// about a user that has no account yet: the wanted one, of a connected user, and
// that of a creation whose outcome is not known, of any user.
func (u User) Searches() []directory.UPN {
	var upns []directory.UPN
	if u.Link.EntraID != "" || u.LookedUp {
		return nil
	}
	if u.Desired.Managed && u.Desired.Obstacle == nil {
		upns = append(upns, u.Desired.UPN)
	}
	if c := u.Link.Unconfirmed; c != nil && (len(upns) == 0 || !c.UPN.Same(upns[0])) {
		upns = append(upns, c.UPN)
	}
	return upns
}

// Found is the user with what the look-up showed, in the order of Searches.
func (u User) Found(upns []directory.UPN, accounts []*directory.Account) User {
	u.LookedUp = true
	for i, account := range accounts {
		if account == nil {
			continue
		}
		if u.Desired.Managed && u.Desired.Obstacle == nil && upns[i].Same(u.Desired.UPN) {
			u.Account = account
		}
		if account.ImmutableID == string(u.ID) {
			u.Created = account
		}
	}
	return u
}

// Unsettled reports whether a creation that may still come true forbids to
// conclude anything: its account is not seen, and the user is to have none, or
// one of another name.
func (u User) Unsettled() bool {
	c := u.Link.Unconfirmed
	if c == nil || u.Created != nil || u.Link.EntraID != "" {
		return false
	}
	return !u.Desired.Managed || u.Desired.Obstacle != nil || !c.UPN.Same(u.Desired.UPN)
}

// Decision is what is to be done for one user.
type Decision struct {
	// Actions in the order in which they are to be done. Type, EntraID, Changes
	// and Reason are set; the rest belongs to whoever records them.
	Actions []Action
	// Link is the link as it is before the first action: with the account that
	// was found to be ours, or about to be taken over.
	Link directory.Link
	// Obstacle is why the user cannot be brought up to date fully. The actions
	// are to be done all the same: an account whose sign-in name cannot be
	// computed is disabled like any other.
	Obstacle *directory.Obstacle
}

// Decide compares. The caller looks up first what Searches names, and does not
// decide while the user is Unsettled.
func (u User) Decide() Decision {
	switch {
	case u.Link.EntraID != "":
		return u.maintain(u.Link)
	case u.Created != nil:
		return u.maintain(u.adopt(u.Created, directory.CreatedByUs))
	case !u.Desired.Managed:
		return Decision{Link: u.Link}
	case u.Desired.Obstacle != nil:
		return Decision{Link: u.Link, Obstacle: u.Desired.Obstacle}
	case u.Account == nil:
		return Decision{Link: u.Link, Actions: []Action{u.provision()}}
	case u.Account.Untouchable() != nil:
		return Decision{Link: u.Link, Obstacle: u.Account.Untouchable()}
	default:
		return u.takeOver()
	}
}

// maintain brings an account that is ours up to date. Blocking sign-in comes
// before everything else and on its own, so that a refused attribute never
// keeps a leaver signed in; allowing it comes last.
func (u User) maintain(link directory.Link) Decision {
	d := Decision{Link: link, Obstacle: u.Desired.Obstacle}
	var update []Action
	if u.Desired.Managed {
		if changes := link.Applied.ChangesTo(u.Desired.Attributes); len(changes) > 0 {
			update = []Action{{Type: Update, EntraID: link.EntraID, Changes: changes}}
		}
	}
	d.Actions = u.inOrder(link, update)
	return d
}

// inOrder puts the change of the state, if one is due, before or after the rest.
func (u User) inOrder(link directory.Link, rest []Action) []Action {
	enabled := directory.Bool(u.Desired.State == directory.Enabled)
	state := link.Applied.ChangesTo(directory.Attributes{directory.AccountEnabled: enabled})
	if u.Desired.State == directory.Enabled {
		if len(state) > 0 {
			rest = append(rest, Action{Type: Enable, EntraID: link.EntraID, Changes: state})
		}
		return rest
	}
	var first []Action
	if len(state) > 0 {
		first = append(first, Action{Type: Deprovision, EntraID: link.EntraID, Changes: state, Reason: u.Desired.Reason})
	}
	if len(state) > 0 || link.SessionsToEnd {
		first = append(first, Action{Type: EndSessions, EntraID: link.EntraID, Reason: u.Desired.Reason})
	}
	return append(first, rest...)
}

// provision creates the account. The immutable id is the JumpCloud user id: it
// is what federated sign-in needs, and by it a later look-up recognises an
// account whose creation was never confirmed to us.
func (u User) provision() Action {
	wanted := u.Desired.Attributes.Set([]directory.Change{
		{Attribute: directory.AccountEnabled, To: directory.Bool(u.Desired.State == directory.Enabled)},
		{Attribute: directory.ImmutableID, To: directory.Text(string(u.ID))},
	})
	return Action{Type: Provision, Changes: directory.Attributes(nil).ChangesTo(wanted), Reason: u.Desired.Reason}
}

// takeOver makes the account that was found ours.
func (u User) takeOver() Decision {
	link := u.adopt(u.Account, directory.TakenOver)
	wanted := u.Desired.Attributes
	if u.Federated && u.Account.ImmutableID == "" {
		wanted = wanted.Set([]directory.Change{{Attribute: directory.ImmutableID, To: directory.Text(string(u.ID))}})
	}
	action := Action{Type: TakeOver, EntraID: link.EntraID, Changes: link.Applied.ChangesTo(wanted)}
	return Decision{Link: link, Actions: u.inOrder(link, []Action{action})}
}

// adopt is the link with the account that was found.
func (u User) adopt(account *directory.Account, owner directory.Owner) directory.Link {
	link := u.Link
	link.EntraID, link.UPN, link.Owner, link.Unconfirmed = account.ID, account.UPN, owner, nil
	link.State = stateOf(account.Enabled)
	link.Applied = account.Attributes.Only(u.Desired.Attributes).Set([]directory.Change{
		{Attribute: directory.AccountEnabled, To: directory.Bool(account.Enabled)},
	})
	return link
}

// Begun is the link while an action is under way: what it changes is not known
// until the answer comes.
func (u User) Begun(link directory.Link, action Action) directory.Link {
	if action.Type == Provision {
		link.Unconfirmed = &directory.Creation{UPN: u.Desired.UPN, At: action.At}
		return link
	}
	link.Applied = link.Applied.Without(action.Changes)
	return link
}

// Completed is the link after an action succeeded. id is the account that the
// action wrote. What was not written to a new account is known to be empty.
func (u User) Completed(link directory.Link, action Action, id directory.EntraID) directory.Link {
	link.EntraID, link.Unconfirmed = id, nil
	switch action.Type {
	case Provision:
		link.Owner, link.Applied = directory.CreatedByUs, u.Desired.Attributes
	case Deprovision:
		link.SessionsToEnd = true
	case EndSessions, Enable:
		link.SessionsToEnd = false
	}
	link.Applied = link.Applied.Set(action.Changes)
	if upn, written := action.Value(directory.UserPrincipalName); written {
		link.UPN = directory.UPN(upn.String())
	}
	if enabled, written := action.Value(directory.AccountEnabled); written {
		link.State = stateOf(enabled.String() == "true")
	}
	return link
}

// Settled is the link when nothing is left to do: its status says how it stands
// and only what is still exported counts as applied, so that a rule that is
// turned on again writes at once.
func (u User) Settled(link directory.Link, obstacle *directory.Obstacle) directory.Link {
	link.Reason, link.Message = u.Desired.Reason, u.Desired.Reason.Sentence()
	switch {
	case obstacle != nil:
		link.Status, link.Reason, link.Message = directory.Parked, obstacle.Reason, obstacle.Message
	case u.Desired.Managed:
		link.Status = directory.Synced
	default:
		link.Status = directory.Released
	}
	if link.EntraID == "" {
		link.State = directory.Absent
	}
	if u.Desired.Managed && link.Applied != nil {
		link.Applied = link.Applied.Only(u.Desired.Attributes.Set([]directory.Change{
			{Attribute: directory.AccountEnabled}, {Attribute: directory.ImmutableID},
		}))
	}
	return link
}

// stateOf names whether sign-in is allowed.
func stateOf(enabled bool) directory.AccountState {
	if enabled {
		return directory.Enabled
	}
	return directory.Disabled
}
