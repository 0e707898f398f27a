package plan

import (
	"entrasync/shared/directory"
)

// User is what is known about one user in one directory.
type User struct {
	ID       directory.UserID
	Desired  directory.Desired
	Link     directory.Link
	LookedUp bool               // whether Account is the answer of a look-up by UPN
	Account  *directory.Account // nil: no account has that UPN
	// Federated says that sign-in is federated, so an account that is taken
	// over gets an immutable id if it has none.
	Federated bool
}

// NeedsLookup reports whether the account must be searched by UPN before
// anything can be decided: a connected user that has no account yet.
func (u User) NeedsLookup() bool {
	return u.Link.EntraID == "" && u.Desired.Managed && u.Desired.Obstacle == nil && !u.LookedUp
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

// Decide compares. The caller looks up the account first when NeedsLookup says so.
func (u User) Decide() Decision {
	switch {
	case u.Link.EntraID != "":
		return u.maintain(u.Link)
	case !u.Desired.Managed:
		return Decision{Link: u.Link}
	case u.Desired.Obstacle != nil:
		return Decision{Link: u.Link, Obstacle: u.Desired.Obstacle}
	case u.Account == nil:
		return Decision{Link: u.Link, Actions: []Action{u.provision()}}
	case u.Account.ImmutableID == string(u.ID):
		return u.maintain(u.adopt(directory.CreatedByUs))
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
	switch {
	case len(state) == 0:
		return rest
	case u.Desired.State == directory.Enabled:
		return append(rest, Action{Type: Enable, EntraID: link.EntraID, Changes: state})
	default:
		off := Action{Type: Deprovision, EntraID: link.EntraID, Changes: state, Reason: u.Desired.Reason}
		return append([]Action{off}, rest...)
	}
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
	link := u.adopt(directory.TakenOver)
	wanted := u.Desired.Attributes
	if u.Federated && u.Account.ImmutableID == "" {
		wanted = wanted.Set([]directory.Change{{Attribute: directory.ImmutableID, To: directory.Text(string(u.ID))}})
	}
	action := Action{Type: TakeOver, EntraID: link.EntraID, Changes: link.Applied.ChangesTo(wanted)}
	return Decision{Link: link, Actions: u.inOrder(link, []Action{action})}
}

// adopt is the link with the account that was found.
func (u User) adopt(owner directory.Owner) directory.Link {
	link := u.Link
	link.EntraID, link.UPN, link.Owner = u.Account.ID, u.Account.UPN, owner
	link.State = stateOf(u.Account.Enabled)
	link.Applied = u.Account.Attributes.Only(u.Desired.Attributes).Set([]directory.Change{
		{Attribute: directory.AccountEnabled, To: directory.Bool(u.Account.Enabled)},
	})
	return link
}

// Completed is the link after an action succeeded. id is the account that the
// action wrote. What was not written to a new account is known to be empty.
func (u User) Completed(link directory.Link, action Action, id directory.EntraID) directory.Link {
	link.EntraID = id
	if action.Type == Provision {
		link.Owner, link.Applied = directory.CreatedByUs, u.Desired.Attributes
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
