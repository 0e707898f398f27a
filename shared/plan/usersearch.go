package plan

import (
	"entrasync/shared/directory"
)

// Which accounts are searched for a user, and what is known once they were found.

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
