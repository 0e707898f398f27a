package reconcile

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// Clients gives access to the outside systems of a directory.
type Clients interface {
	JumpCloud(ctx context.Context, organization directory.OrganizationID) (JumpCloud, error)
	Entra(ctx context.Context, tenant directory.TenantID) (Entra, error)
}

// JumpCloud reads one organization.
type JumpCloud interface {
	JumpCloudUsers
	JumpCloudGroups
	// ProbeKey reads next to nothing: a fault of kind Unauthorized or Forbidden says that
	// JumpCloud refuses the organization's key.
	ProbeKey(ctx context.Context) error
	// ProbeRead reads once more what was refused, see [jumpcloud.Refused]. The message of a
	// refusal names the right that the key lacks.
	ProbeRead(ctx context.Context, read string) error
}

// JumpCloudUsers reads the users of one organization.
type JumpCloudUsers interface {
	// User reads the current state of a user; a fault of kind NotFound if JumpCloud
	// says that there is none.
	User(ctx context.Context, id directory.UserID) (directory.User, error)
	// ListUsers reads several users with fewer requests. A user who is not among
	// those found may exist all the same.
	ListUsers(ctx context.Context, ids []directory.UserID) (map[directory.UserID]directory.User, error)
	// IsUserFound searches a user with another request than User sends: a second,
	// independent answer about a user who seems not to exist.
	IsUserFound(ctx context.Context, id directory.UserID) (bool, error)
}

// Entra reads and writes one tenant.
type Entra interface {
	EntraUsers
	EntraGroups
	// Probe looks with a fresh sign-in whether the tenant lets the application in, and
	// whether it may read what a scope needs; a fault of kind Unauthorized says that not.
	// tenant is what the tenant says of itself, for [directory.Everything]. rights are the
	// permissions of the application, only to be compared; "" if they cannot be read.
	Probe(ctx context.Context, scope directory.Scope) (tenant directory.Tenant, rights string, err error)
}

// EntraUsers reads and writes the accounts of one tenant.
type EntraUsers interface {
	// Tenant reads what the tenant says of itself. The answer may be some minutes
	// old. If it does not have one of the domains as verified, it is at most some
	// seconds old; if it has one as not verified or as federated, it is not older than since.
	Tenant(ctx context.Context, domains []string, since time.Time) (directory.Tenant, error)
	// FindByUPN finds accounts by sign-in name, with the values of the given
	// attributes. The answers are in the order of the names.
	FindByUPN(ctx context.Context, upns []directory.UPN, attributes []directory.Attribute) []Found
	// Read reads accounts by their object ids, as FindByUPN does by name.
	Read(ctx context.Context, accounts []directory.EntraID, attributes []directory.Attribute) []Found
	// FindDeleted searches accounts by object id among those that can be restored. The
	// answers are in the order of the ids.
	FindDeleted(ctx context.Context, accounts []directory.EntraID) []Found
	// FindByImmutableID finds accounts by immutable id. The answers are in the
	// order of the ids.
	FindByImmutableID(ctx context.Context, ids []string) []Found
	// Apply sends actions, each for another account. The results are in their order.
	Apply(ctx context.Context, actions []plan.Action) []Result
	// SetPassword gives an account a password. After a fault of kind Transient
	// nobody knows whether the account has it; after any other fault it has not.
	SetPassword(ctx context.Context, account directory.EntraID, password string) error
}

// Found is the answer to one lookup: no account and no error means that Entra
// has none of that name.
type Found struct {
	Account *directory.Account
	// Deleted is the account that had the name last and can be restored, if there
	// is one.
	Deleted *directory.DeletedAccount
	// Unsearched is why the deleted accounts could not be searched: Entra refuses
	// it, and a retry does not change that.
	Unsearched error
	Err        error
}

// Result is the result of one action.
type Result struct {
	ID  directory.EntraID // the account written
	Err error             // a fault, or nil
}

// JumpCloudGroups reads the groups of one organization. What does not exist is a fault
// of kind NotFound, which the engine does not believe at once. A list that fails with
// another fault also returns what it has found: there may be more.
type JumpCloudGroups interface {
	// Group reads one group.
	Group(ctx context.Context, id directory.GroupID) (directory.Group, error)
	// GroupMembers lists the users of a group, each once: direct members, those of
	// a dynamic group and those of nested groups, at any depth. within are the nested
	// groups.
	GroupMembers(ctx context.Context, id directory.GroupID) (users []directory.UserID, within []directory.GroupID, err error)
	// ListMembers reads on where a list of the users of a group ended: until it is complete,
	// or until there is no time for more. With a fault it returns what it has found.
	ListMembers(ctx context.Context, id directory.GroupID, from directory.MemberList) (directory.MemberList, error)
	// GroupsOf lists the groups that have a user as member, in the same sense. A user
	// that does not exist is in none.
	GroupsOf(ctx context.Context, id directory.UserID) ([]directory.GroupID, error)
	// IsGroupFound searches a group with another request than Group sends.
	IsGroupFound(ctx context.Context, id directory.GroupID) (bool, error)
	// AssociatedUsers and AssociatedGroups list the users and the groups that are associated
	// with a connection source directly.
	AssociatedUsers(ctx context.Context, source directory.ConnectionSource) ([]directory.UserID, error)
	AssociatedGroups(ctx context.Context, source directory.ConnectionSource) ([]directory.GroupID, error)
	// ListAssociated reads on where a list of both ended, as ListMembers; the groups are in
	// Nested.
	ListAssociated(ctx context.Context, source directory.ConnectionSource, from directory.MemberList) (directory.MemberList, error)
	// IsUserAssociated and IsGroupAssociated say whether one of them is associated.
	IsUserAssociated(ctx context.Context, source directory.ConnectionSource, id directory.UserID) (bool, error)
	IsGroupAssociated(ctx context.Context, source directory.ConnectionSource, id directory.GroupID) (bool, error)
}

// EntraGroups reads and writes the groups of one tenant.
type EntraGroups interface {
	// FindGroups finds groups of every kind by display name. The answers are in the
	// order of the names.
	FindGroups(ctx context.Context, names []string) []FoundGroups
	// ReadGroups reads groups of every kind by their object ids. The answers are in the order
	// of the ids; one without a group and without an error means that Entra has none.
	ReadGroups(ctx context.Context, groups []directory.EntraID) []FoundGroups
	// ListMembersOf reads on where a list of the object ids of all members of a group that are
	// no agents ended:
	// until it is complete, or until there is no time for more; NotFound if there is no such
	// group. With any other fault it returns what it has found.
	ListMembersOf(ctx context.Context, group directory.EntraID, from directory.AccountList) (directory.AccountList, error)
	// ApplyToGroups sends actions, each for another group. The results are in their
	// order.
	ApplyToGroups(ctx context.Context, actions []plan.Action) []GroupResult
}

// FoundGroups is the answer to one lookup by name.
type FoundGroups struct {
	Groups []directory.SecurityGroup
	Err    error
}

// GroupResult is the result of an action on a group.
type GroupResult struct {
	ID  directory.EntraID // the group written
	Err error             // a fault about the group, or nil
	// Refused are the members that could not be added or removed, with the fault.
	// All others are as the action wants them; some were so before.
	Refused map[directory.EntraID]error
	// Existed says that a group that was to be created existed already: an earlier attempt
	// created it, or somebody restored it. Its members are not known.
	Existed bool
	// Deleted is the deleted group that has the unique name of the group that was to be
	// created; nil if there is none.
	Deleted *directory.DeletedGroup
}

// Publisher publishes what was done.
type Publisher interface {
	// Publish publishes completed actions.
	Publish(ctx context.Context, actions ...plan.Action) error
}

// Parts are what the use cases work with.
type Parts struct {
	Store   *store.Store
	Clients Clients
	Lanes   Lanes
	Metrics metric.Counter
	// Publisher gets every completed action; nil publishes nothing.
	Publisher Publisher
	// Plans says that nothing is sent, see package planning. So nobody loses access by one
	// wrong answer: what is absent is believed when two reads agree, without a wait between
	// them.
	Plans bool

	named *named // the accounts that have excluded sign-in names
}

// remembering are the parts with what a process remembers.
func (p Parts) remembering() Parts {
	p.named = &named{}
	return p
}

// check returns a fault that names the first part that is missing.
func (p Parts) check() error {
	if err := fault.Missing("reconcile.new", fault.Part{Name: "Store", There: p.Store != nil},
		fault.Part{Name: "Clients", There: p.Clients != nil}, fault.Part{Name: "Metrics", There: p.Metrics != nil}); err != nil {
		return err
	}
	return p.Lanes.Check()
}
