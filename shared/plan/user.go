package plan

import (
	"slices"

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
	// Deleted is the account that had the wanted UPN and can be restored; nil:
	// there is none.
	Deleted *directory.DeletedAccount
	// MayRestore says that a deleted account is to be restored.
	MayRestore bool
	// Federated says that sign-in is federated, so an account that is taken
	// over gets an immutable id if it has none.
	Federated bool
	// Tenant is what the tenant says of its domains; empty if that does not matter.
	Tenant directory.Tenant
	// SecondAccount says that the user has another account in the tenant, by
	// another directory: then only that one carries the immutable id.
	SecondAccount bool
	// NewPassword says that the sessions are to end because JumpCloud has a new
	// password.
	NewPassword bool
}

// Names reports whether the sign-in name is still to be written, by creating an
// account or by renaming one.
func (u User) Names() bool {
	return u.Desired.Managed && u.Desired.Obstacle == nil &&
		(u.Link.EntraID == "" || !directory.UPN(u.Link.Applied[directory.UserPrincipalName].String()).Same(u.Desired.UPN))
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

// Found is the user with what the look-up showed, in the order of Searches: the
// accounts of those names, and the deleted ones that had them.
func (u User) Found(upns []directory.UPN, accounts []*directory.Account, deleted []*directory.DeletedAccount) User {
	u.LookedUp = true
	for i, upn := range upns {
		wanted := u.Desired.Managed && u.Desired.Obstacle == nil && upn.Same(u.Desired.UPN)
		if wanted {
			u.Account, u.Deleted = accounts[i], deleted[i]
		}
		if account := accounts[i]; account != nil && account.ImmutableID == string(u.ID) {
			u.Created = account
		}
	}
	return u
}

// Uncertain reports whether a creation that may still come true forbids to
// conclude anything: its account is not seen, and the user is to have none, or
// one of another name.
func (u User) Uncertain() bool {
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
// decide while the user is Uncertain.
func (u User) Decide() Decision {
	switch {
	case u.Link.Freed: // it may be somebody else's account by now
		return Decision{Link: u.Link}
	case u.Link.TakingOver && u.Desired.Managed:
		return u.write(u.Link)
	case u.Link.EntraID != "":
		return u.maintain(u.Link)
	case u.Created != nil:
		link := u.adopt(u.Created, directory.CreatedByUs)
		if u.Link.Unconfirmed == nil { // it carries the user's id, and nobody here asked for it
			link.Found = link.State
		}
		return u.maintain(link)
	case !u.Desired.Managed:
		return Decision{Link: u.Link}
	case u.Desired.Obstacle != nil:
		return Decision{Link: u.Link, Obstacle: u.Desired.Obstacle}
	case u.Account == nil && u.Deleted != nil:
		return u.restore()
	case u.Account == nil:
		return u.provision()
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
	parts, moves, obstacle := u.changes(link)
	return Decision{Link: link, Obstacle: obstacle, Actions: u.inOrder(link, append(updates(parts), moves...))}
}

// changes are the attributes to write, in groups that are written together, and what
// has to follow them so that the account gets its name and its immutable id; the
// obstacle is why not all can be written. An account that was moved aside comes home
// also if nothing else of it is managed any more.
func (u User) changes(link directory.Link) (parts [][]directory.Change, moves []Action, obstacle *directory.Obstacle) {
	if !u.Desired.Managed {
		if link.Aside != nil {
			moves = []Action{comeHome(*link.Aside, directory.Text(string(u.ID)))}
		}
		return nil, moves, u.Desired.Obstacle
	}
	wanted := u.Desired.Attributes
	known, is := link.Applied[directory.ImmutableID]
	if own := directory.Text(string(u.ID)); is && (u.replaces(known.String()) || link.Aside != nil && !known.Equal(own)) {
		wanted = wanted.Set([]directory.Change{{Attribute: directory.ImmutableID, To: own}})
	}
	m := u.move(link, link.Applied.ChangesTo(wanted))
	if obstacle = u.Desired.Obstacle; obstacle == nil {
		obstacle = m.obstacle
	}
	return groups(m.rest, link.Problems), m.moves, obstacle
}

// replaces reports whether the user's immutable id is to be written over that of an
// account that is the user's: over none if sign-in is federated, and over one that
// we wrote for a user who has given the account up.
func (u User) replaces(id string) bool {
	switch {
	case u.SecondAccount || id == string(u.ID):
		return false
	case id == "":
		return u.Federated
	default:
		return directory.IsJumpCloudID(id)
	}
}

// updates are the actions that write groups of changes, none for an empty one.
func updates(groups [][]directory.Change) []Action {
	var actions []Action
	for _, changes := range groups {
		if len(changes) > 0 {
			actions = append(actions, Action{Type: Update, Changes: changes})
		}
	}
	return actions
}

// inOrder puts the change of the state, if one is due, before or after the rest.
func (u User) inOrder(link directory.Link, rest []Action) []Action {
	wanted := u.state(link)
	state := link.Applied.ChangesTo(directory.Attributes{directory.AccountEnabled: directory.Bool(wanted == directory.Enabled)})
	var first []Action
	switch {
	case wanted == directory.Enabled && len(state) > 0:
		rest = append(rest, Action{Type: Enable, Changes: state})
	case u.Desired.State == directory.Enabled && u.NewPassword:
		first = []Action{{Type: EndSessions, Reason: directory.PasswordChanged}}
	case wanted == directory.Enabled:
	case len(state) > 0:
		first = []Action{{Type: Deprovision, Changes: state, Reason: u.Desired.Reason}, {Type: EndSessions, Reason: u.Desired.Reason}}
	case link.SessionsToEnd:
		first = []Action{{Type: EndSessions, Reason: u.Desired.Reason}}
	}
	return of(link, append(first, rest...))
}

// state is what the account of a link is to be: what the user's desired state says,
// unless the account was there before and keeps what it was found as.
func (u User) state(link directory.Link) directory.AccountState {
	switch {
	case u.Desired.KeepsFound && link.Found != "":
		return link.Found
	case u.Desired.KeepsFound && link.Origin == directory.TakenOver:
		return link.State
	default:
		return u.Desired.State
	}
}

// of are actions on the account of a link.
func of(link directory.Link, actions []Action) []Action {
	for i := range actions {
		actions[i].EntraID = link.EntraID
	}
	return actions
}

// provision creates the account. The immutable id is the JumpCloud user id: it
// is what federated sign-in needs, and by it a later look-up recognises an
// account whose creation was never confirmed to us. The manager is written once
// the account is there.
func (u User) provision() Decision {
	for _, problem := range u.Desired.Problems {
		if problem.Attribute.Facts().Required {
			return Decision{Link: u.Link, Obstacle: &directory.Obstacle{Reason: problem.Reason, Message: problem.Message}}
		}
	}
	if u.SecondAccount && u.Tenant.Federates(u.Desired.UPN) {
		return Decision{Link: u.Link, Obstacle: u.without(u.Desired.UPN)}
	}
	wanted := u.Desired.Attributes.Set([]directory.Change{
		{Attribute: directory.AccountEnabled, To: directory.Bool(u.Desired.State == directory.Enabled)},
	})
	if !u.SecondAccount {
		wanted[directory.ImmutableID] = directory.Text(string(u.ID))
	}
	parts := groups(directory.Attributes(nil).ChangesTo(wanted), nil)
	actions := []Action{{Type: Provision, Changes: parts[0], Reason: u.Desired.Reason}}
	return Decision{Link: u.Link, Actions: append(actions, updates(parts[1:])...)}
}

// takeOver makes the account that was found ours. The state is written with the
// rest even if it is right: on the account of an administrator Entra refuses that
// (assumed to go by the property and not by its value), and an account that we
// could not disable later must not become ours.
func (u User) takeOver() Decision {
	link := u.adopt(u.Account, directory.TakenOver)
	link.TakingOver, link.Found = true, link.State
	return u.write(link)
}

// write is the first write to an account that is being taken over.
func (u User) write(link directory.Link) Decision {
	parts, moves, obstacle := u.changes(link)
	wanted := u.state(link)
	state := directory.Change{Attribute: directory.AccountEnabled, From: link.Applied[directory.AccountEnabled], To: directory.Bool(wanted == directory.Enabled)}
	takeOver := Action{Type: TakeOver, Changes: append([]directory.Change{state}, parts[0]...)}
	if wanted == directory.Disabled {
		takeOver.Reason = u.Desired.Reason
	}
	actions := []Action{takeOver}
	if link.State != directory.Disabled && wanted == directory.Disabled || link.SessionsToEnd {
		actions = append(actions, Action{Type: EndSessions, Reason: u.Desired.Reason})
	}
	actions = append(append(actions, updates(parts[1:])...), moves...)
	return Decision{Link: link, Obstacle: obstacle, Actions: of(link, actions)}
}

// restore brings the deleted account back and makes it ours: what it holds is not
// known, so all is written.
func (u User) restore() Decision {
	switch obstacle := u.Deleted.Untouchable(); {
	case obstacle != nil:
		return Decision{Link: u.Link, Obstacle: obstacle}
	case !u.MayRestore:
		return Decision{Link: u.Link, Obstacle: u.Deleted.Obstacle()}
	}
	owner := directory.TakenOver
	if u.Deleted.ImmutableID == string(u.ID) {
		owner = directory.CreatedByUs
	}
	link := u.Link
	link.EntraID, link.UPN, link.Origin, link.Unconfirmed, link.Arrived = u.Deleted.ID, u.Deleted.UPN, owner, nil, true
	link.Applied = directory.Attributes{directory.ImmutableID: directory.Text(u.Deleted.ImmutableID)}
	parts, moves, obstacle := u.changes(link)
	rest := u.inOrder(link, append(updates(parts), moves...))
	return Decision{Link: link, Obstacle: obstacle, Actions: append([]Action{{Type: Restore, EntraID: link.EntraID}}, rest...)}
}

// adopt is the link with the account that was found.
func (u User) adopt(account *directory.Account, owner directory.Origin) directory.Link {
	link := u.Link
	link.EntraID, link.UPN, link.Origin, link.Unconfirmed, link.Arrived = account.ID, account.UPN, owner, nil, true
	link.State = stateOf(account.Enabled)
	link.Applied = account.Attributes.Only(u.Desired.Attributes).Set([]directory.Change{
		{Attribute: directory.AccountEnabled, To: directory.Bool(account.Enabled)},
		{Attribute: directory.ImmutableID, To: directory.Text(account.ImmutableID)},
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
	if upn, _ := action.Value(directory.UserPrincipalName); action.Type == LeaveDomain {
		link.Aside = &directory.Aside{UPN: directory.UPN(upn.String()), Home: placeOf(link), ImmutableID: link.Applied[directory.ImmutableID].String()}
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
		link.Origin, link.Applied, link.Arrived = directory.CreatedByUs, directory.Attributes{}, true
		for name, value := range u.Desired.Attributes {
			if len(value) == 0 {
				link.Applied[name] = nil
			}
		}
	case EndSessions:
		link.SessionsToEnd = false
	case TakeOver, Deprovision:
		link.TakingOver = false
	}
	link.Applied = link.Applied.Set(action.Changes)
	link = withState(link, action)
	if upn, written := action.Value(directory.UserPrincipalName); written {
		link.UPN = directory.UPN(upn.String())
		if action.Type != LeaveDomain {
			link.Aside = nil
		}
	}
	return link
}

// withState is the link after an action that may have written the state: sign-in
// that is blocked now leaves sessions to end.
func withState(link directory.Link, action Action) directory.Link {
	enabled, written := action.Value(directory.AccountEnabled)
	if !written {
		return link
	}
	blocked := link.State != directory.Disabled && action.Type != Provision
	link.State = stateOf(enabled.String() == "true")
	link.SessionsToEnd = link.State == directory.Disabled && (blocked || link.SessionsToEnd)
	return link
}

// Concluded is the link when nothing is left to do: its status says how it stands
// and only what is still exported counts as applied, so that a rule that is
// turned on again writes at once. Problems are the attributes that Entra refused
// just now.
func (u User) Concluded(link directory.Link, obstacle *directory.Obstacle, problems []directory.Problem) directory.Link {
	link.Problems = slices.Concat(u.Desired.Problems, problems)
	link.Reason, link.Message = u.Desired.Reason, directory.Sentence(u.Desired.Reason)
	if obstacle == nil {
		obstacle = worst(link.Problems)
	}
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
