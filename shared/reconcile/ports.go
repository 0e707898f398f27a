package reconcile

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
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
}

// JumpCloudUsers reads the users of one organization.
type JumpCloudUsers interface {
	// User reads the current state of a user. NotFound: JumpCloud says that there is
	// none.
	User(ctx context.Context, id directory.UserID) (directory.User, error)
	// ListUsers reads several users by fewer requests. Who is not among those found
	// may exist all the same.
	ListUsers(ctx context.Context, ids []directory.UserID) (map[directory.UserID]directory.User, error)
	// IsUserFound looks for a user in another way than User does, which says more of
	// one that does not exist.
	IsUserFound(ctx context.Context, id directory.UserID) (bool, error)
}

// Entra reads and writes one tenant.
type Entra interface {
	EntraUsers
	EntraGroups
}

// EntraUsers reads and writes the accounts of one tenant.
type EntraUsers interface {
	// Tenant is what the tenant says of itself. It may have said so some minutes
	// ago, unless it is asked about a domain that it had not verified then: of that
	// one it said so at most some seconds ago, and not before since.
	Tenant(ctx context.Context, domains []string, since time.Time) (directory.Tenant, error)
	// FindByUPN looks accounts up by sign-in name, with the values of the
	// attributes asked for. The answers stand in the order of the names.
	FindByUPN(ctx context.Context, upns []directory.UPN, attributes []directory.Attribute) []Found
	// Read reads accounts by their object ids, as FindByUPN does.
	Read(ctx context.Context, accounts []directory.EntraID) []Found
	// FindByImmutableID looks accounts up by immutable id. The answers stand in the
	// order of the ids.
	FindByImmutableID(ctx context.Context, ids []string) []Found
	// Apply sends actions, each for another account, and answers in their order.
	Apply(ctx context.Context, actions []plan.Action) []Result
	// SetPassword gives an account a password. After a fault of kind Transient
	// nobody knows whether it has it; every other fault says that it has not.
	SetPassword(ctx context.Context, account directory.EntraID, password string) error
}

// Found is the answer to one look-up: no account and no error means that Entra
// has none of that name.
type Found struct {
	Account *directory.Account
	// Deleted is the account that had the name last and can be restored, if there
	// is one.
	Deleted *directory.DeletedAccount
	// Unsearched is why the deleted accounts could not be searched: Entra refuses
	// it, and no other try changes that.
	Unsearched error
	Err        error
}

// Result is what became of one action.
type Result struct {
	ID  directory.EntraID // the account written
	Err error             // a fault, or nil
}

// JumpCloudGroups reads the groups of one organization. What does not exist is a
// fault of kind NotFound, believed only as [JumpCloudUsers] believes an absence. Beside any
// other fault of a list stand those that were found: there may be more.
type JumpCloudGroups interface {
	// Group reads one group.
	Group(ctx context.Context, id directory.GroupID) (directory.Group, error)
	// GroupMembers lists the users of a group, each once: direct members, those of
	// a dynamic group and those of groups within it, at any depth. within are the
	// groups that it found inside.
	GroupMembers(ctx context.Context, id directory.GroupID) (users []directory.UserID, within []directory.GroupID, err error)
	// GroupsOf lists the groups that hold a user, in the same sense. A user that
	// does not exist is in none.
	GroupsOf(ctx context.Context, id directory.UserID) ([]directory.GroupID, error)
	// IsGroupFound looks for a group in another way than Group does.
	IsGroupFound(ctx context.Context, id directory.GroupID) (bool, error)
	// Associated lists the users and groups that are associated with a connection
	// source directly.
	Associated(ctx context.Context, source directory.ConnectionSource) (users []directory.UserID, groups []directory.GroupID, err error)
	// IsUserAssociated and IsGroupAssociated say whether one of them is.
	IsUserAssociated(ctx context.Context, source directory.ConnectionSource, id directory.UserID) (bool, error)
	IsGroupAssociated(ctx context.Context, source directory.ConnectionSource, id directory.GroupID) (bool, error)
}

// EntraGroups reads and writes the groups of one tenant.
type EntraGroups interface {
	// FindGroups looks groups up by display name, of every kind. The answers stand
	// in the order of the names.
	FindGroups(ctx context.Context, names []string) []FoundGroups
	// MembersOf lists the object ids of all members of a group; NotFound if there
	// is no such group.
	MembersOf(ctx context.Context, group directory.EntraID) ([]directory.EntraID, error)
	// ApplyToGroups sends actions, each for another group, and answers in their
	// order.
	ApplyToGroups(ctx context.Context, actions []plan.Action) []GroupResult
}

// FoundGroups is the answer to one look-up by name.
type FoundGroups struct {
	Groups []directory.SecurityGroup
	Err    error
}

// GroupResult is what became of an action on a group.
type GroupResult struct {
	ID  directory.EntraID // the group written
	Err error             // a fault about the group, or nil
	// Refused are the members that could not be added or removed, with the fault.
	// All others are as the action wants them, also those that were so before.
	Refused map[directory.EntraID]error
	// Met says that a group that was to be created was there: of an earlier attempt, or
	// because somebody restored it. Who is in it is not known.
	Met bool
	// Deleted is the deleted group that keeps its unique name from one that was to be
	// created; nil if there is none.
	Deleted *directory.DeletedGroup
}

// Publisher tells others what was done.
type Publisher interface {
	// Publish passes completed actions on.
	Publish(ctx context.Context, actions ...plan.Action) error
}

// Lanes are the queues of tasks. The live lanes are for what somebody just did and
// sees, the bulk lanes for what concerns many.
type Lanes struct {
	UsersLive, UsersBulk, GroupsLive, GroupsBulk queue.Sender
}

// Check refuses lanes of which one is missing, by its name.
func (l Lanes) Check() error {
	return missingPart([]part{
		{"Lanes.UsersLive", l.UsersLive != nil}, {"Lanes.UsersBulk", l.UsersBulk != nil},
		{"Lanes.GroupsLive", l.GroupsLive != nil}, {"Lanes.GroupsBulk", l.GroupsBulk != nil},
	})
}

// part is one thing that somebody needs.
type part struct {
	name  string
	there bool
}

// missingPart refuses parts of which one is missing: it would fail only when it is
// needed.
func missingPart(parts []part) error {
	for _, p := range parts {
		if !p.there {
			return &fault.Error{Op: "reconcile.new", Kind: fault.Internal, Subject: p.name, Message: p.name + " is missing: whoever starts the function must give it"}
		}
	}
	return nil
}

// Parts are what the use cases work with.
type Parts struct {
	Store   *store.Store
	Clients Clients
	Lanes   Lanes
	Metrics metric.Counter
	// Publisher is told of every action that was completed; nil tells nobody.
	Publisher Publisher
}

// check refuses parts of which one is missing, by its name.
func (p Parts) check() error {
	if err := missingPart([]part{{"Store", p.Store != nil}, {"Clients", p.Clients != nil}, {"Metrics", p.Metrics != nil}}); err != nil {
		return err
	}
	return p.Lanes.Check()
}
