package plan

import (
	"fmt"
	"slices"

	"entrasync/shared/directory"
)

// In a federated domain people sign in with another service, which names them by the
// immutable id of their account. So there the id cannot be changed: the account leaves
// the domain for a moment, and comes home with the new one. And a sign-in name that
// moves into such a domain brings the id with it, in the same write.

// Identifies reports whether the kinds of the tenant's domains matter for what is to be
// decided about an account that there is.
func (u User) Identifies() bool {
	if u.Link.Aside != nil {
		return true
	}
	if u.Link.EntraID == "" || !u.Desired.Managed {
		return false
	}
	id, known := u.Link.Applied[directory.ImmutableID]
	return known && u.replaces(id.String()) || !known && u.Federated
}

// Blind reports whether nobody knows what the account is called or identified by, and
// that must be read before anything is decided about it: the account was moved aside,
// or an earlier write of either was never answered. That it has no immutable id is read
// again before it keeps the account out of a domain: another directory may have written
// one.
func (u User) Blind() bool {
	switch {
	case u.Link.EntraID == "" || u.Link.Freed:
		return false
	case u.Link.Aside != nil:
		return true
	case !u.Desired.Managed || u.Desired.Obstacle != nil:
		return false
	}
	_, name := u.Link.Applied[directory.UserPrincipalName]
	id, known := u.Link.Applied[directory.ImmutableID]
	there := u.Tenant.Federates(u.Desired.UPN)
	kept := there && len(id) == 0 && placeOf(u.Link).Domain() != u.Desired.UPN.Domain()
	return !known && (u.Federated || there) || !name && there || kept
}

// Seen is the user with what was read of the account; nil if it is not there.
func (u User) Seen(account *directory.Account) User {
	if account == nil {
		return u
	}
	if aside := u.Link.Aside; aside != nil && !aside.UPN.Same(account.UPN) {
		u.Link.Aside = nil // it is home, or never left
	}
	u.Link.UPN = account.UPN
	u.Link.Applied = u.Link.Applied.Set([]directory.Change{
		{Attribute: directory.UserPrincipalName, To: directory.Text(string(account.UPN))},
		{Attribute: directory.ImmutableID, To: directory.Text(account.ImmutableID)},
	})
	return u
}

// moving is what of the changes to an account has to do with domains: the other changes,
// and the actions that follow them.
type moving struct {
	rest     []directory.Change
	moves    []Action
	obstacle *directory.Obstacle
}

// drop takes changes out of the rest and gives them back.
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

// touches reports whether an attribute is among the rest.
func (m *moving) touches(name directory.Attribute) bool {
	return slices.ContainsFunc(m.rest, func(c directory.Change) bool { return c.Attribute == name })
}

// move takes those changes of the sign-in name and of the immutable id out that cannot
// be written together with others.
func (u User) move(link directory.Link, all []directory.Change) moving {
	m := moving{rest: all}
	at, target := placeOf(link), u.Desired.UPN // no target with an obstacle
	away := target != "" && !u.Tenant.Federates(target)
	id, known := link.Applied[directory.ImmutableID]
	own := directory.Text(string(u.ID))
	switch fixed := u.Tenant.Federates(at) && m.touches(directory.ImmutableID); {
	case link.Aside != nil && !away:
		m.drop(directory.ImmutableID)
		m.moves = []Action{comeHome(*link.Aside, own)}
		at, id, known = link.Aside.Home, own, true
	case fixed && away: // once it is out of there
		m.moves = []Action{{Type: Update, Changes: m.drop(directory.ImmutableID)}}
	case fixed && target == "": // when there is a name again
		m.drop(directory.ImmutableID)
	case fixed && u.Tenant.InitialDomain == "":
		m.drop(directory.ImmutableID)
		m.obstacle = &directory.Obstacle{Reason: directory.DomainFederated, Message: fmt.Sprintf(
			"the immutable id of %s cannot be written: %s is a federated domain, and the tenant shows no domain of its own in which the account could be meanwhile", at, at.Domain())}
	case fixed:
		m.drop(directory.ImmutableID)
		m.moves = u.byAside(at, id, own)
		id, known = own, true
	case m.touches(directory.ImmutableID):
		id, known = own, true
	}
	if m.touches(directory.UserPrincipalName) {
		u.rename(&m, at, id, known)
	}
	return m
}

// rename has the sign-in name written: with the immutable id if it comes into a federated
// domain, and after what was to be done at the old name.
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
// domain: under a name in the tenant's own domain meanwhile (Windows education
// documentation, federated sign-in).
func (u User) byAside(at directory.UPN, id, own directory.Value) []Action {
	aside := directory.Aside{UPN: directory.UPN(at.LocalPart() + "@" + u.Tenant.InitialDomain), Home: at, ImmutableID: id.String()}
	return []Action{
		{Type: LeaveDomain, Changes: []directory.Change{{Attribute: directory.UserPrincipalName, From: directory.Text(string(at)), To: directory.Text(string(aside.UPN))}}},
		comeHome(aside, own),
	}
}

// comeHome brings an account home that was moved aside, with an immutable id.
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

// Elsewhere is an action that moves an account aside, to another name than one that
// somebody else has: the user's id is nobody else's. ok is false if it was that.
func (u User) Elsewhere(action Action) (other Action, ok bool) {
	upn, _ := action.Value(directory.UserPrincipalName)
	aside := directory.UPN(string(u.ID) + "@" + directory.UPN(upn.String()).Domain())
	if aside.Same(directory.UPN(upn.String())) {
		return Action{}, false
	}
	from := action.Changes[0].From
	return Action{Type: LeaveDomain, Changes: []directory.Change{{Attribute: directory.UserPrincipalName, From: from, To: directory.Text(string(aside))}}}, true
}

// AsItWas is the action that brings an account home with the immutable id that it had,
// after the new one was refused; ok is false if that is no way back.
func AsItWas(link directory.Link, refused Action) (back Action, ok bool) {
	id, _ := refused.Value(directory.ImmutableID)
	if link.Aside == nil || refused.Type != JoinDomain || link.Aside.ImmutableID == "" || id.String() == link.Aside.ImmutableID {
		return Action{}, false
	}
	return comeHome(*link.Aside, directory.Text(link.Aside.ImmutableID)), true
}
