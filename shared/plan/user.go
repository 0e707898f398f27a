package plan

import (
	"slices"
	"time"

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

// Names reports whether the sign-in name is still to be written, by creating an
// account or by renaming one.
func (u User) Names() bool {
	return u.Desired.Managed && u.Desired.Obstacle == nil &&
		(u.Link.EntraID == "" || !directory.UPN(u.Link.Applied[directory.UserPrincipalName].String()).Same(u.Desired.UPN))
}

// SignInNames are the sign-in names that the account of the link has or may have, and those
// that actions would give it.
func (u User) SignInNames(actions ...Action) []directory.UPN {
	names := []directory.UPN{u.Link.UPN}
	if u.Link.Unconfirmed != nil {
		names = append(names, u.Link.Unconfirmed.UPN)
	}
	if u.Link.Aside != nil {
		names = append(names, u.Link.Aside.Home)
	}
	for _, action := range actions {
		if name, written := action.Value(directory.UserPrincipalName); written {
			names = append(names, directory.UPN(name.String()))
		}
	}
	return names
}

// FoundNames are the SignInNames and those of the accounts that were found.
func (u User) FoundNames() []directory.UPN {
	names := u.SignInNames()
	for _, account := range []*directory.Account{u.Account, u.Created} {
		if account != nil {
			names = append(names, account.UPN)
		}
	}
	if u.Deleted != nil {
		names = append(names, u.Deleted.UPN)
	}
	return names
}

// Origin is the account that must be searched by its id before any by name: the one from
// which a user without an account was imported, or that we deleted after the user left. "" if
// there is none to search, or if an account is being created because that one is gone.
func (u User) Origin() directory.EntraID {
	if u.Link.EntraID != "" || u.LookedUp || u.Link.Unconfirmed != nil || !u.Desired.Managed || u.Desired.Obstacle != nil {
		return ""
	}
	if u.OwnDeleted != "" {
		return u.OwnDeleted
	}
	return u.ImportedFrom
}

// FoundOrigin is the user with the account of Origin.
func (u User) FoundOrigin(account *directory.Account) User {
	if u.LookedUp, u.Account = true, account; u.OwnDeleted == "" {
		u.ImportedFrom = account.ID
	}
	if u.made(account) {
		u.Created = account
	}
	return u
}

// made reports whether an account has the immutable id that we give to the user's. An agent's
// never is the user's, whatever id it has.
func (u User) made(account *directory.Account) bool {
	return account != nil && account.ImmutableID == string(u.ID) && !account.Agent
}

// LostOrigin is the user after the account of Origin was found to be gone; deleted if it can be
// restored. An account is searched by name.
func (u User) LostOrigin(deleted *directory.DeletedAccount) User {
	if u.Deleted = deleted; u.OwnDeleted == "" {
		u.ImportedFrom = ""
	}
	return u
}

// Searches are the UPNs that must be searched before a decision about a user without an
// account: the desired one of a connected user, and that of an unconfirmed creation.
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

// Found is the user with the results of the search, in the order of Searches: the accounts
// with those names, and the deleted accounts that had them.
func (u User) Found(upns []directory.UPN, accounts []*directory.Account, deleted []*directory.DeletedAccount) User {
	u.LookedUp = true
	for i, upn := range upns {
		wanted := u.Desired.Managed && u.Desired.Obstacle == nil && upn.Same(u.Desired.UPN)
		if wanted {
			u.Account = accounts[i]
		}
		if wanted && u.Deleted == nil {
			u.Deleted = deleted[i]
		}
		if u.made(accounts[i]) {
			u.Created = accounts[i]
		}
	}
	return u
}

// Uncertain reports whether no decision is possible because an unconfirmed creation may
// still succeed: Entra does not show its account, and the user is to have none, or one
// with another name.
func (u User) Uncertain() bool {
	c := u.Link.Unconfirmed
	if c == nil || u.Created != nil || u.Link.EntraID != "" || c.Existed && !u.Desired.Managed {
		return false
	}
	return !u.Desired.Managed || u.Desired.Obstacle != nil || !c.UPN.Same(u.Desired.UPN)
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

// Identified reports whether an account has the immutable id that we give to the user's: then
// it is the user's, whoever had it before. A deleted account may have it too.
func (u User) Identified(account directory.EntraID) bool {
	deleted := u.Deleted != nil && u.Deleted.ID == account && u.Deleted.ImmutableID == string(u.ID)
	return deleted || u.Created != nil && u.Created.ID == account
}

// ImmutableIDOf is the immutable id of an account that was found; "" if it has none, or was not
// found.
func (u User) ImmutableIDOf(account directory.EntraID) string {
	switch {
	case u.Account != nil && u.Account.ID == account:
		return u.Account.ImmutableID
	case u.Deleted != nil && u.Deleted.ID == account:
		return u.Deleted.ImmutableID
	default:
		return ""
	}
}

// Begun is the link while an action is being sent: the values that it changes are not known
// until the answer comes.
func (u User) Begun(link directory.Link, action Action) directory.Link {
	if step, is := action.Step(); is {
		link = u.stepBegun(link, action, step)
	}
	if action.Type == Provision {
		link.Unconfirmed = &directory.Creation{UPN: u.Desired.UPN, At: action.At}
		return link
	}
	if upn, _ := action.Value(directory.UserPrincipalName); action.Type == LeaveDomain {
		link.Aside = &directory.Aside{UPN: directory.UPN(upn.String()), Home: placeOf(link), ImmutableID: link.Applied[directory.ImmutableID].String()}
	}
	return link.Forgetting(action.Changes)
}

// Completed is the link after an action succeeded. id is the account that the
// action wrote. What was not written to a new account is known to be empty.
func (u User) Completed(link directory.Link, action Action, id directory.EntraID) directory.Link {
	if step, is := action.Step(); is {
		return stepDone(link, action, step)
	}
	link.EntraID, link.Unconfirmed = id, nil
	if action.GivesBack() {
		return gaveBack(link, action)
	}
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
		if link.TakingOver = false; action.Type == Deprovision {
			link.Leaving = anew(link.Leaving, action.CompletedAt)
		}
	case Restore:
		link.Drift, link.Leaving = link.Drift.Without(directory.DeletedAt, directory.ObjectID), anew(link.Leaving, time.Time{})
	}
	for _, change := range action.Changes {
		link.Drift = link.Drift.Without(change.Attribute)
	}
	link.Applied = link.Applied.Set(action.Changes)
	if manager, written := action.Value(directory.Manager); written {
		link.WroteManager = len(manager) > 0
	}
	link = withState(link, action)
	if upn, written := action.Value(directory.UserPrincipalName); written {
		link.UPN = directory.UPN(upn.String())
		if action.Type != LeaveDomain {
			link.Aside = nil
		}
	}
	return link
}

// withState is the link after an action that may have written the state: if the action
// blocked sign-in, the sessions are still to end.
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

// Concluded is the link when nothing is left to do. It has its status, and only exported
// attributes stay applied, so that a rule that is turned on again writes at once. problems
// are the attributes that Entra refused just now.
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
	} else {
		link.ImportMissing = time.Time{}
	}
	link.Drift = u.remaining(link)
	link = link.WithoutWord()
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
