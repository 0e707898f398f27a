// Package resync compares everything in a directory with JumpCloud and with Entra, as a job,
// and sends a task for whoever differs: what a webhook or the catch-up lost, and what somebody
// changed in Entra by hand.
//
// A job (package store, Job) goes through phases: (1) accounts and (2) groups asks Entra what
// changed since the last resync, or reads all of them if Entra cannot say it; (3) users and (4)
// members compares JumpCloud's users and the members of connected groups with our links;
// (5) repair waits until the tasks were worked on. [Worker.Work] takes the lease of a job and
// works on it until its time is over; after every page the job says where it goes on, so the
// next call goes on there, in whatever process. A page that is read again does no harm.
//
// Nothing that is found is ever applied: it becomes a task in the bulk lane, which reads the
// user or the group by itself. So whoever is missing from a list loses nothing by that.
package resync

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/results"
	"entrasync/shared/store"
)

// Entra reads the accounts and groups of a tenant, or what changed in them, page by page.
// Package entra implements it.
type Entra interface {
	// LatestAccounts and LatestGroups return links from which changes after now are read.
	LatestAccounts(ctx context.Context, attributes []directory.Attribute) (string, error)
	LatestGroups(ctx context.Context) (string, error)
	// AccountChanges and GroupChanges read one page of changes. A link that Entra does not
	// know any more is a fault with the reason [directory.ChangesForgotten].
	AccountChanges(ctx context.Context, from string, attributes []directory.Attribute) (directory.AccountChanges, error)
	GroupChanges(ctx context.Context, from string) (directory.GroupChanges, error)
	// AccountPage and GroupPage read one page of all; from is "" for the first one.
	AccountPage(ctx context.Context, from string, attributes []directory.Attribute) (directory.AccountChanges, error)
	GroupPage(ctx context.Context, from string) (directory.GroupChanges, error)
	// CountAccounts and CountGroups say about how many there are.
	CountAccounts(ctx context.Context) (int, error)
	CountGroups(ctx context.Context) (int, error)
	// ListMembersOf reads on where a list of the members of a group ended.
	ListMembersOf(ctx context.Context, group directory.EntraID, from directory.AccountList) (directory.AccountList, error)
}

// JumpCloud reads the users and groups of an organization, page by page. Package jumpcloud
// implements it.
type JumpCloud interface {
	UserPage(ctx context.Context, at directory.ListPlace) ([]directory.User, directory.ListPlace, error)
	ListUsers(ctx context.Context, ids []directory.UserID) (map[directory.UserID]directory.User, error)
	GroupPage(ctx context.Context, at directory.ListPlace) ([]directory.Group, directory.ListPlace, error)
	ListMembers(ctx context.Context, id directory.GroupID, from directory.MemberList) (directory.MemberList, error)
	ListAssociated(ctx context.Context, source directory.ConnectionSource, from directory.MemberList) (directory.MemberList, error)
}

// Clients are the outside systems.
type Clients interface {
	// Lists and Pages read a tenant and an organization.
	Lists(ctx context.Context, tenant directory.TenantID) (Entra, error)
	Pages(ctx context.Context, id directory.OrganizationID) (JumpCloud, error)
}

// Drift judges what pages of Entra show, records what somebody else changed, and sends the
// tasks that repair it. Package reconcile implements it.
type Drift interface {
	// Accounts and Groups judge a page. whole says that it is of a list of all, which shows
	// all values.
	Accounts(ctx context.Context, dir directory.Directory, page []directory.AccountChange, whole bool) (reconcile.DriftFound, error)
	Groups(ctx context.Context, dir directory.Directory, page []directory.GroupChange, whole bool) (reconcile.DriftFound, error)
	// MissingAccounts and MissingGroups judge those whose account or group a complete list
	// did not show.
	MissingAccounts(ctx context.Context, dir directory.Directory, users []directory.UserID) (reconcile.DriftFound, error)
	MissingGroups(ctx context.Context, dir directory.Directory, groups []directory.GroupID) (reconcile.DriftFound, error)
	// Members judges a complete list of the members of a group in Entra.
	Members(ctx context.Context, dir directory.Directory, group directory.GroupID, accounts []directory.EntraID) (reconcile.DriftFound, error)
}

// Starter starts resyncs.
type Starter struct {
	Store *store.Store
	// Jobs gets a message for each job on which there is work to do at once.
	Jobs queue.Sender
}

// Check returns a fault that names the first part that is missing.
func (s Starter) Check() error {
	return fault.Missing("resync.new", fault.Part{Name: "Store", There: s.Store != nil}, fault.Part{Name: "Jobs", There: s.Jobs != nil})
}

// Parts are what the package works with.
type Parts struct {
	Starter
	Clients Clients
	Drift   Drift
	// Users and Groups are the bulk lanes.
	Users, Groups queue.Sender
	// Outside are the outside systems as the engines see them, and Results is where the file of
	// a plan is written.
	Outside reconcile.Clients
	Results results.Store
	Metrics metric.Counter
	// Every is the time between two resyncs of a directory.
	Every time.Duration
}

// DefaultEvery is the time between two resyncs of a directory, unless it is set.
const DefaultEvery = 24 * time.Hour

// Check returns a fault that names the first part that is missing.
func (p Parts) Check() error {
	if err := p.Starter.Check(); err != nil {
		return err
	}
	return fault.Missing("resync.new", fault.Part{Name: "Clients", There: p.Clients != nil}, fault.Part{Name: "Drift", There: p.Drift != nil},
		fault.Part{Name: "Users", There: p.Users != nil}, fault.Part{Name: "Groups", There: p.Groups != nil},
		fault.Part{Name: "Outside", There: p.Outside != nil}, fault.Part{Name: "Results", There: p.Results != nil},
		fault.Part{Name: "Metrics", There: p.Metrics != nil}, fault.Part{Name: "Every", There: p.Every > 0})
}

// unready says why a directory cannot be compared, before it was ever let in or since it is no
// longer active; nil if it can. One that waits for its consent, as a change of its settings may
// have found out, is suspended: its comparison waits with its tasks.
func unready(d directory.Directory) error {
	if d.TenantObject != "" && (d.Status == directory.Active || d.IsSuspended()) {
		return nil
	}
	d = d.Shown()
	message := d.Message
	if message == "" {
		message = "entrasync has not been let into the tenant of " + d.Name + " yet: authorize the directory first"
	}
	return &fault.Error{Op: "resync.open", Kind: fault.Conflict, Subject: string(d.ID), Reason: d.Reason, Message: message}
}

// suspension is why a comparison of a directory waits; nil if it does not. It also waits if
// only the tasks of users do, or of groups where it reads those.
func suspension(d directory.Directory) *directory.Suspension {
	if s := d.Stopped(directory.OfUsers); s != nil || !d.Settings.ManageGroups {
		return s
	}
	return d.Stopped(directory.OfGroups)
}

// Start starts a resync of a directory, or returns the one that is at work already; Conflict
// if the directory cannot be compared now. That of a suspended directory waits.
func (s Starter) Start(ctx context.Context, id directory.ID, by string) (store.Job, error) {
	job, err := s.create(ctx, id, by)
	if err == nil {
		s.announce(ctx, job)
	}
	return job, err
}

// create makes the job.
func (s Starter) create(ctx context.Context, id directory.ID, by string) (store.Job, error) {
	if err := s.ready(ctx, id); err != nil {
		return store.Job{}, err
	}
	return s.Store.CreateJob(ctx, newJob(id, store.Resync, by))
}

// ready returns a fault if a directory cannot be compared.
func (s Starter) ready(ctx context.Context, id directory.ID) error {
	d, err := s.Store.Directory(ctx, id)
	if err == nil {
		err = unready(d)
	}
	return err
}

// newJob is a job that begins now.
func newJob(id directory.ID, kind store.JobKind, by string) store.Job {
	return store.Job{ID: uuid.Must(uuid.NewV7()).String(), Directory: id, Kind: kind, Status: store.JobQueued, By: by, CreatedAt: time.Now().UTC()}
}

// Message is the message that says that there is work on a job.
type Message struct {
	Job string `json:"jobId"`
}

// ReadMessage reads a message.
func ReadMessage(body []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(body, &m); err != nil || m.Job == "" {
		return m, &fault.Error{Op: "resync.read message", Kind: fault.Invalid, Message: "the message names no job", Err: err}
	}
	return m, nil
}

// announce says that there is work on a job. If the queue does not take the message, the
// schedule finds the job.
func (s Starter) announce(ctx context.Context, job store.Job) {
	body, err := json.Marshal(Message{job.ID})
	if err == nil {
		err = s.Jobs.Send(ctx, queue.Message{GroupID: cmp.Or(string(job.Directory), string(job.Organization)), DedupID: uuid.NewString(), Body: body})
	}
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("job", job.ID).Msg("a resync waits for the schedule")
	}
}
