package plan

import (
	"entrasync/shared/directory"
)

// User is what is known about one user in one directory.
type User struct {
	ID       directory.UserID
	Desired  directory.Desired
	Link     directory.Link
	LookedUp bool               // whether the accounts were searched by UPN
	Account  *directory.Account // that has the desired UPN, or is ImportedFrom; nil: none
	// Created is the account that has the UPN of an unconfirmed creation and this
	// user's immutable id; nil: Entra shows none.
	Created *directory.Account
	// ImportedFrom is the account from which the user was imported; "" if the user was not,
	// or has another account.
	ImportedFrom directory.EntraID
	// Deleted is the account that had the desired UPN, or is ImportedFrom, and can be
	// restored; nil: none.
	Deleted *directory.DeletedAccount
	// MayRestore says that a deleted account is to be restored.
	MayRestore bool
	// OwnDeleted is the account that we deleted after the user left and that can be restored;
	// "" if there is none.
	OwnDeleted directory.EntraID
	// Federated says that sign-in is federated, so an account that is taken
	// over gets an immutable id if it has none.
	Federated bool
	// Tenant is what the tenant says of its domains; empty if that does not matter.
	Tenant directory.Tenant
	// SecondAccount says that the user has another account in the tenant, through
	// another directory: then only that one has the immutable id.
	SecondAccount bool
	// NewPassword says that the sessions are to end because JumpCloud has a new
	// password.
	NewPassword bool
	// Leaver is what was read for the steps of a user who left, or who is back; nil: no step is
	// done now, and nothing is given back.
	Leaver *Leaver
}

// Decision is what is to be done for one user.
type Decision struct {
	// Actions in the order in which they are to be sent. Type, EntraID, Changes and
	// Reason are set; the caller that records them sets the rest.
	Actions []Action
	// Link is the link before the first action: with the account that was found to be
	// ours, or is about to be taken over.
	Link directory.Link
	// Obstacle is why the user cannot be brought up to date completely. The actions are
	// to be sent all the same: an account whose sign-in name cannot be computed is
	// disabled like any other.
	Obstacle *directory.Obstacle
}

// Decide compares the desired state with what is known. The caller first searches the names
// of Searches, and does not call Decide while the user is Uncertain.
func (u User) Decide() Decision {
	u.Link.InTheWay, u.Link.Former = nil, nil
	if c := u.Link.Unconfirmed; c != nil && c.Existed && !u.Desired.Managed { // it did not become the user's
		u.Link.Unconfirmed, u.Created = nil, nil
	}
	switch {
	case u.Link.Freed: // it may be somebody else's account by now
		return Decision{Link: u.Link}
	case u.Link.TakingOver && u.Desired.Managed:
		return u.write(u.Link)
	case u.Link.EntraID != "":
		return u.maintain(u.Link)
	case u.Created != nil:
		link := u.adopt(u.Created, directory.CreatedByUs)
		if c := u.Link.Unconfirmed; c == nil || c.Existed { // it has the user's id, but this directory did not create it
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
		u.Link.InTheWay = &directory.InTheWay{ID: u.Account.ID, UPN: u.Account.UPN}
		return Decision{Link: u.Link, Obstacle: u.Account.Untouchable()}
	default:
		return u.takeOver()
	}
}

// maintain brings an account that is ours up to date. Sign-in is blocked first and by an
// action of its own, so that a refused attribute never keeps a leaver signed in; it is
// allowed last.
func (u User) maintain(link directory.Link) Decision {
	parts, moves, obstacle := u.changes(link)
	actions := u.inOrder(link, append(updates(parts), moves...))
	var more []Action
	switch {
	case u.Desired.Managed:
		more, link.Leaving = u.giveBack(link)
	case len(actions) == 0:
		more, link.Leaving = u.leave(link)
	}
	return Decision{Link: link, Obstacle: obstacle, Actions: append(actions, more...)}
}

// changes are the attributes to write, in groups that are written together, and the moves
// that follow so that the account gets its name and its immutable id. The obstacle is why
// not all can be written. An account that was moved aside returns to its domain even if
// it is not managed any more.
func (u User) changes(link directory.Link) (parts [][]directory.Change, moves []Action, obstacle *directory.Obstacle) {
	if u.waits(link) {
		return nil, nil, u.Desired.Obstacle
	}
	if !u.Desired.Managed {
		if link.Aside != nil {
			moves = []Action{comeHome(*link.Aside, directory.Text(string(u.ID)))}
		}
		return nil, moves, u.Desired.Obstacle
	}
	wanted := u.Desired.Attributes
	known, is := link.Applied[directory.ImmutableID]
	if own := directory.Text(string(u.ID)); is && (u.replaces(known.String()) || u.lostID(link) || link.Aside != nil && !known.Equal(own)) {
		wanted = wanted.Set([]directory.Change{{Attribute: directory.ImmutableID, To: own}})
	}
	m := u.move(link, link.Applied.ChangesTo(wanted))
	if obstacle = u.Desired.Obstacle; obstacle == nil {
		obstacle = m.obstacle
	}
	return groups(m.rest, link.Problems), m.moves, obstacle
}

// waits reports whether the attributes of an account wait for the activation of the user:
// until then an imported person goes on working with the account as it is.
func (u User) waits(link directory.Link) bool {
	return u.Desired.Managed && u.Desired.KeepsFound && link.Imported
}

// replaces reports whether the user's immutable id is to replace the one that the user's
// account has: an empty one if sign-in is federated, and one that we wrote for a user who
// had the account before.
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

// updates are the actions that write groups of changes; an empty group needs none.
func updates(groups [][]directory.Change) []Action {
	var actions []Action
	for _, changes := range groups {
		if len(changes) > 0 {
			actions = append(actions, Action{Type: Update, Changes: changes})
		}
	}
	return actions
}

// inOrder adds the change of the state, if one is needed, before or after the rest.
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

// state is the state that the account of a link is to have: the desired state of the user,
// unless the account existed before the connection and keeps the state that it had.
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

// of sets the account of a link as the one that the actions write.
func of(link directory.Link, actions []Action) []Action {
	for i := range actions {
		actions[i].EntraID = link.EntraID
	}
	return actions
}

// provision creates the account. The immutable id is the JumpCloud user id: federated
// sign-in needs it, and a later search recognises by it an account whose creation was
// never confirmed. The manager is written after the account was created.
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

// takeOver makes the found account ours. It writes the state even if it is right: Entra
// refuses that write on the account of an administrator (assumed to depend on the property
// and not on its value), and an account that we could not disable later must not become
// ours.
func (u User) takeOver() Decision {
	link := u.adopt(u.Account, directory.TakenOver)
	link.TakingOver, link.Found = true, link.State
	return u.write(link)
}

// write is the first write to an account that is being taken over.
func (u User) write(link directory.Link) Decision {
	if u.waits(link) { // what the account has by then is not known
		link.Applied = directory.Attributes{}
		return Decision{Link: link, Obstacle: u.Desired.Obstacle}
	}
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

// restore restores the deleted account and makes it ours. The values of its attributes are
// not known, so all are written.
func (u User) restore() Decision {
	switch obstacle := u.Deleted.Untouchable(); {
	case obstacle != nil:
		return Decision{Link: u.Link, Obstacle: obstacle}
	case !u.MayRestore && u.Deleted.ID != u.OwnDeleted:
		return Decision{Link: u.Link, Obstacle: u.Deleted.Obstacle()}
	}
	origin := directory.TakenOver
	if u.Deleted.ImmutableID == string(u.ID) {
		origin = directory.CreatedByUs
	}
	link := u.Link
	link.EntraID, link.UPN, link.Origin, link.Unconfirmed, link.Arrived = u.Deleted.ID, u.Deleted.UPN, origin, nil, true
	link.Applied = directory.Attributes{directory.ImmutableID: directory.Text(u.Deleted.ImmutableID)}
	parts, moves, obstacle := u.changes(link)
	rest := u.inOrder(link, append(updates(parts), moves...))
	return Decision{Link: link, Obstacle: obstacle, Actions: append([]Action{{Type: Restore, EntraID: link.EntraID}}, rest...)}
}

// adopt is the link with the account that was found.
func (u User) adopt(account *directory.Account, origin directory.Origin) directory.Link {
	link := u.Link
	link.EntraID, link.UPN, link.Origin, link.Unconfirmed, link.Arrived = account.ID, account.UPN, origin, nil, true
	link.State, link.Imported = stateOf(account.Enabled), account.ID == u.ImportedFrom
	link.Applied = account.Attributes.Only(u.Desired.Attributes).Set([]directory.Change{
		{Attribute: directory.AccountEnabled, To: directory.Bool(account.Enabled)},
		{Attribute: directory.ImmutableID, To: directory.Text(account.ImmutableID)},
	})
	return link
}
