// Package reconcile holds the use cases of entrasync: it reads the current
// state of JumpCloud, has package plan decide, and sends what is to be written
// to Entra, recording every action before it is sent and completing it after.
//
// It is level-triggered. A task names a user and a directory, never a change,
// and a look at a user leads to the same end whatever made us look, however
// often, and in whatever order. So a process may die at any point: the task
// comes again, and what was done already is found done.
//
// It talks to ports only; shared/jumpcloud and shared/entra implement them.
package reconcile

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// JumpCloud reads one organization.
type JumpCloud interface {
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

// Systems gives access to the outside systems of a directory.
type Systems interface {
	JumpCloud(ctx context.Context, organization directory.OrganizationID) (JumpCloud, error)
	Entra(ctx context.Context, tenant directory.TenantID) (Entra, error)
	JumpCloudGroups(ctx context.Context, organization directory.OrganizationID) (JumpCloudGroups, error)
}

// GroupSystems gives access to the groups of the outside systems of a directory.
type GroupSystems interface {
	JumpCloudGroups(ctx context.Context, organization directory.OrganizationID) (JumpCloudGroups, error)
	EntraGroups(ctx context.Context, tenant directory.TenantID) (EntraGroups, error)
}

// Publisher tells others what was done.
type Publisher interface {
	// Publish passes completed actions on.
	Publish(ctx context.Context, actions ...plan.Action) error
}

// Task names a user to bring up to date in a directory, never how.
type Task struct {
	Directory directory.ID     `json:"directory"`
	User      directory.UserID `json:"user"`
	Cause     plan.Cause       `json:"cause"`
	// Occurrence names what asks for the task, such as an event of JumpCloud: the
	// queue drops the task if it was asked for by the same occurrence just now. ""
	// asks in any case.
	Occurrence string `json:"-"`
	// PasswordAt is when the user got a new password, if that is why we look.
	PasswordAt time.Time `json:"passwordAt,omitzero"`
	// Memberships asks to read which groups hold the user, Source whether the
	// connection source does.
	Memberships bool `json:"memberships,omitempty"`
	Source      bool `json:"source,omitempty"`
	// Claims are what the events said that made us look.
	Claims []directory.Claim `json:"claims,omitempty"`
	// NotBefore is when to look; zero: at once.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Thought counts the second thoughts about an absence that was believed; 0 for
	// any other task.
	Thought int `json:"thought,omitempty"`
	// Password, if set, asks to set a password instead of to look.
	Password *SealedPassword `json:"password,omitempty"`
}

// SealedPassword is a password on its way to one account.
type SealedPassword struct {
	Action string `json:"action"` // the id of the action that was recorded for it
	Sealed string `json:"sealed"` // see package seal
	// Also are the other directories of the user whose links name the same
	// account.
	Also []directory.ID `json:"also,omitempty"`
}

// Attempt is a task that is being tried.
type Attempt struct {
	Task
	Number int  // 1 for the first try
	Last   bool // no further try follows by itself: what cannot be done now is parked
}

// Outcome is what became of an attempt. An attempt that is not to be repeated
// is over: the user is in sync, released, or parked with a reason.
type Outcome struct {
	Retry bool
	After time.Duration // how long to wait before the next try
	Err   error         // why it must be tried again
	// Afresh says that no try is left and that giving up would be wrong, because
	// the trouble is not the user's: the task is to be sent again as a new one.
	Afresh bool
}
