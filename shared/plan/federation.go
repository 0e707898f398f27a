package plan

import (
	"fmt"
	"slices"

	"entrasync/shared/directory"
)

// In a federated domain people sign in with another service, which identifies them by the
// immutable id of their account. So Entra does not let the id change there: the account
// leaves the domain for a moment, and returns with the new id. A sign-in name that moves
// into such a domain is written together with the id, in one request.

// Identifies reports whether the decision about an existing account depends on which of
// the tenant's domains are federated.
func (u User) Identifies() bool {
	if u.Link.Aside != nil {
		return true
	}
	if u.Link.EntraID == "" || !u.Desired.Managed {
		return false
	}
	id, known := u.Link.Applied[directory.ImmutableID]
	return !known || u.replaces(id.String()) || u.lostID(u.Link)
}

// Blind reports whether the sign-in name or the immutable id of the account is not known
// and must be read before a decision: the account was moved aside, an earlier write of one
// of them was never answered, or the account is the user's again and may have the immutable
// id of somebody who had it meanwhile. If a missing immutable id would keep the account out
// of a domain it is read again too: another directory may have written one.
func (u User) Blind() bool {
	switch {
	case u.Link.EntraID == "" || u.Link.Freed:
		return false
	case u.Link.Aside != nil:
		return true
	case !u.Desired.Managed || u.Desired.Obstacle != nil || u.waits(u.Link):
		return false
	}
	_, name := u.Link.Applied[directory.UserPrincipalName]
	id, known := u.Link.Applied[directory.ImmutableID]
	there := u.Tenant.Federates(u.Desired.UPN)
	kept := there && len(id) == 0 && placeOf(u.Link).Domain() != u.Desired.UPN.Domain()
	return !known || !name && there || kept
}

// Seen is the user with what was read of the account; nil if it is not there.
func (u User) Seen(account *directory.Account) User {
	if account == nil {
		return u
	}
	if aside := u.Link.Aside; aside != nil && !aside.UPN.Same(account.UPN) {
		u.Link.Aside = nil // it is back in its domain, or never left
	}
	u.Link.UPN = account.UPN
	u.Link.Applied = u.Link.Applied.Set([]directory.Change{
		{Attribute: directory.UserPrincipalName, To: directory.Text(string(account.UPN))},
		{Attribute: directory.ImmutableID, To: directory.Text(account.ImmutableID)},
	})
	return u
}

// moving separates the changes that depend on domains: rest are the other changes, and
// moves the actions that follow them.
type moving struct {
	rest     []directory.Change
	moves    []Action
	obstacle *directory.Obstacle
}

// drop removes changes from the rest and returns them.
func (m *moving) drop(names ...directory.Attribute) (dropped []directory.Change) {
	var rest []directory.Change
	for _, c := range m.rest {
		if slices.Contains(names, c.Attribute) {
			dropped = append(dropped, c)
		} else {
			rest = append(rest, c)
		}
	}
	m.rest = rest
	return dropped
}

// includes reports whether an attribute is among the rest.
func (m *moving) includes(name directory.Attribute) bool {
	return slices.ContainsFunc(m.rest, func(c directory.Change) bool { return c.Attribute == name })
}

// move separates the changes of the sign-in name and of the immutable id that cannot be
// written together with others.
func (u User) move(link directory.Link, all []directory.Change) moving {
	m := moving{rest: all}
	at, target := placeOf(link), u.Desired.UPN // no target with an obstacle
	away := target != "" && !u.Tenant.Federates(target)
	id, known := link.Applied[directory.ImmutableID]
	own := directory.Text(string(u.ID))
	switch fixed := u.Tenant.Federates(at) && m.includes(directory.ImmutableID); {
	case link.Aside != nil && !away:
		m.drop(directory.ImmutableID)
		m.moves = []Action{comeHome(*link.Aside, own)}
		at, id, known = link.Aside.Home, own, true
	case fixed && away: // after it has left the domain
		m.moves = []Action{{Type: Update, Changes: m.drop(directory.ImmutableID)}}
	case fixed && target == "": // not before there is a name again
		m.drop(directory.ImmutableID)
	case fixed && u.Tenant.InitialDomain == "":
		m.drop(directory.ImmutableID)
		m.obstacle = &directory.Obstacle{Reason: directory.DomainFederated, Message: fmt.Sprintf(
			"the immutable id of %s cannot be written: %s is a federated domain, and the tenant shows no domain of its own in which the account could be meanwhile", at, at.Domain())}
	case fixed:
		m.drop(directory.ImmutableID)
		m.moves = u.byAside(at, id, own)
		id, known = own, true
	case m.includes(directory.ImmutableID):
		id, known = own, true
	}
	if m.includes(directory.UserPrincipalName) {
		u.rename(&m, at, id, known)
	}
	return m
}

// rename adds the write of the sign-in name: with the immutable id if the name is in a
// federated domain, and after the moves that need the old name.
func (u User) rename(m *moving, at directory.UPN, id directory.Value, known bool) {
	target := u.Desired.UPN
	joins := u.Tenant.Federates(target) && at.Domain() != target.Domain()
	switch {
	case joins && known && len(id) == 0:
		m.drop(directory.UserPrincipalName, directory.MailNickname)
		m.obstacle = u.without(target)
	case joins && known:
		before := m.drop(directory.ImmutableID)
		names := m.drop(directory.UserPrincipalName, directory.MailNickname)
		if len(before) == 0 {
			before = []directory.Change{{Attribute: directory.ImmutableID, From: id, To: id}}
		}
		m.moves = append(m.moves, Action{Type: JoinDomain, Changes: append(names, before...)})
	case len(m.moves) > 0 && target.Same(at):
		m.drop(directory.UserPrincipalName)
	case len(m.moves) > 0 && u.Tenant.Federates(target):
		m.moves = append(m.moves, Action{Type: Update, Changes: m.drop(directory.UserPrincipalName, directory.MailNickname)})
	}
}

// without is why an account cannot have a name in a federated domain.
func (u User) without(target directory.UPN) *directory.Obstacle {
	advice := "set federated on this directory, so that entrasync writes one, or change the user's e-mail"
	if u.SecondAccount {
		advice = "the user's other account in the tenant has the user's; change the user's e-mail"
	}
	return &directory.Obstacle{Reason: directory.DomainFederated, Message: fmt.Sprintf(
		"%s is in a federated domain, where Entra knows accounts by their onPremisesImmutableId, and this account has none: %s", target, advice)}
}

// byAside are the actions that write another immutable id to an account in a federated
// domain: for a moment the account gets a name in the tenant's own domain (Windows
// education documentation, federated sign-in).
func (u User) byAside(at directory.UPN, id, own directory.Value) []Action {
	aside := directory.Aside{UPN: directory.UPN(at.LocalPart() + "@" + u.Tenant.InitialDomain), Home: at, ImmutableID: id.String()}
	return []Action{
		{Type: LeaveDomain, Changes: []directory.Change{{Attribute: directory.UserPrincipalName, From: directory.Text(string(at)), To: directory.Text(string(aside.UPN))}}},
		comeHome(aside, own),
	}
}

// comeHome returns an account that was moved aside to its domain, with an immutable id.
func comeHome(aside directory.Aside, id directory.Value) Action {
	return Action{Type: JoinDomain, Changes: []directory.Change{
		{Attribute: directory.ImmutableID, From: directory.Text(aside.ImmutableID), To: id},
		{Attribute: directory.UserPrincipalName, From: directory.Text(string(aside.UPN)), To: directory.Text(string(aside.Home))},
	}}
}

// placeOf is the sign-in name that an account has, as far as is known.
func placeOf(link directory.Link) directory.UPN {
	if upn, known := link.Applied[directory.UserPrincipalName]; known {
		return directory.UPN(upn.String())
	}
	return link.UPN
}

// Elsewhere is the same move aside to another name, after somebody else was found to have
// the first one: the user's id, which nobody else has. ok is false if that was the name.
func (u User) Elsewhere(action Action) (other Action, ok bool) {
	upn, _ := action.Value(directory.UserPrincipalName)
	aside := directory.UPN(string(u.ID) + "@" + directory.UPN(upn.String()).Domain())
	if aside.Same(directory.UPN(upn.String())) {
		return Action{}, false
	}
	from := action.Changes[0].From
	return Action{Type: LeaveDomain, Changes: []directory.Change{{Attribute: directory.UserPrincipalName, From: from, To: directory.Text(string(aside))}}}, true
}

// AsItWas is the action that returns an account to its domain with the immutable id that it
// had, after the new one was refused; ok is false if that is not possible.
func AsItWas(link directory.Link, refused Action) (back Action, ok bool) {
	id, _ := refused.Value(directory.ImmutableID)
	if link.Aside == nil || refused.Type != JoinDomain || link.Aside.ImmutableID == "" || id.String() == link.Aside.ImmutableID {
		return Action{}, false
	}
	return comeHome(*link.Aside, directory.Text(link.Aside.ImmutableID)), true
}
