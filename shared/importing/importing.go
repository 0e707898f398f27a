// Package importing creates users of JumpCloud from accounts of a tenant in Entra: it lists
// who can be imported, takes a choice, and works on it as a job.
//
// A job (package store, Import) has its accounts in chunks of a hundred lines. [Worker.Work]
// takes the lease of a job and works on it until it is done or its time is over; the next
// call goes on where it ended, in whatever process. For each chunk it (1) reads the accounts
// again and looks their people up in JumpCloud; (2) records which lines it is about to send;
// (3) sends them as one bulk job, and records its id; (4) waits for the results and looks the
// users up. A process that dies between 2 and 3 leaves lines of which nobody knows whether
// JumpCloud has them. They are looked up before they are sent again, so that no user is
// created twice.
//
// Nothing changes in Entra. A new user is connected to the directory only if that was asked
// for; whoever is connected later gets the very account that they came from, because its id
// is recorded (package store, Imported).
package importing

import (
	"context"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// Entra reads the accounts of a tenant. Package entra implements it.
type Entra interface {
	ListAccounts(ctx context.Context, q directory.AccountQuery, cursor string) (page []directory.TenantAccount, next string, err error)
	AccountsByID(ctx context.Context, ids []directory.EntraID, attributes []directory.Attribute) (map[directory.EntraID]directory.TenantAccount, error)
	AccountsByUPN(ctx context.Context, upns []directory.UPN, attributes []directory.Attribute) (map[directory.UPN]directory.TenantAccount, error)
}

// JumpCloud finds and creates the users of an organization. Package jumpcloud implements it.
type JumpCloud interface {
	FindUsers(ctx context.Context, q jumpcloud.UserQuery) ([]directory.User, error)
	SubmitUsers(ctx context.Context, users []directory.User) (job string, err error)
	BulkResults(ctx context.Context, job string) ([]jumpcloud.BulkResult, error)
}

// Clients are the outside systems.
type Clients interface {
	Accounts(ctx context.Context, tenant directory.TenantID) (Entra, error)
	People(ctx context.Context, id directory.OrganizationID) (JumpCloud, error)
}

// Parts are what the package works with.
type Parts struct {
	Store   *store.Store
	Clients Clients
	// Jobs gets a message for each new job, so that work begins at once.
	Jobs queue.Sender
	// Users is the bulk lane of the users that a job connects.
	Users queue.Sender
}

// Check returns a fault that names the first part that is missing.
func (p Parts) Check() error {
	return fault.Missing("importing.new", fault.Part{Name: "Store", There: p.Store != nil}, fault.Part{Name: "Clients", There: p.Clients != nil},
		fault.Part{Name: "Jobs", There: p.Jobs != nil}, fault.Part{Name: "Users", There: p.Users != nil})
}

// side are a directory and the outside systems on its two sides.
type side struct {
	directory directory.Directory
	entra     Entra
	jumpcloud JumpCloud
}

// unread is a fault if the tenant of a directory was never read: it has no accounts to show.
func unread(d directory.Directory) error {
	if d.TenantObject != "" {
		return nil
	}
	return &fault.Error{Op: "importing.open", Kind: fault.Conflict, Subject: string(d.ID), Reason: d.Reason,
		Message: "entrasync has not read the tenant of " + d.Name + " yet: authorize the directory first"}
}

// open reads a directory and opens the systems on its sides.
func (p Parts) open(ctx context.Context, id directory.ID) (side, error) {
	d, err := p.Store.Directory(ctx, id)
	if err != nil {
		return side{}, err
	}
	if err := unread(d); err != nil {
		return side{}, err
	}
	s := side{directory: d}
	if s.entra, err = p.Clients.Accounts(ctx, d.SignInTenant()); err != nil {
		return s, err
	}
	s.jumpcloud, err = p.Clients.People(ctx, d.Organization)
	return s, err
}
