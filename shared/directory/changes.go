package directory

// This file has what a list of all accounts or groups of a tenant, or of the changes since an
// earlier one, says about them. Both are read page by page, and both are hints: a page may be
// repeated, an object may come twice and in parts, and what was changed a moment ago may come
// with a later one. What a page of changes does not show of an account beside its Attributes,
// and of a group, is false or empty here: nothing may be concluded from that.

// AccountChange is what a page of Entra's list or of its changes says of one account.
type AccountChange struct {
	ID EntraID
	// Gone says that the account was deleted; ForGood that it cannot be restored.
	Gone, ForGood bool
	// Account has the values that the page shows. Attributes has only those shown: an attribute that is missing
	// in it is not known to be unchanged, nor to be empty. The UPN and the state are in Attributes too
	// (userPrincipalName, accountEnabled), as every other attribute.
	Account Account
	Agent   bool // of the type agentUser
	// Manager is the manager, where the page says something of it: nil says nothing, a pointer to "" says that there is none.
	Manager *EntraID
}

// ChangePage is one page about one kind of object.
type ChangePage[C any] struct {
	Items []C
	Next  string // where the next page is; "" on the last one
	Link  string // on the last page of changes: where the next round begins
}

// AccountChanges is a page about accounts.
type AccountChanges = ChangePage[AccountChange]

// GroupChanges is a page about groups.
type GroupChanges = ChangePage[GroupChange]

// There is the id of the account, unless it is gone.
func (c AccountChange) There() (id EntraID, there bool) { return c.ID, !c.Gone }

// There is the id of the group, unless it is gone.
func (c GroupChange) There() (id EntraID, there bool) { return c.ID, !c.Gone }

// GroupChange is what a page of Entra's list of groups or of their changes says of one group.
type GroupChange struct {
	ID             EntraID
	Gone, ForGood  bool
	Name           *string       // nil: not shown
	Added, Removed []EntraID     // members; a list of all groups shows none
	Group          SecurityGroup // what a list of groups shows (kind, uniqueName …), as FindGroups returns it
}
