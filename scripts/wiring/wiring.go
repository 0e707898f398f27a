// Package wiring is the product's functions in one process: which there are, what invokes
// them and which parts they need. One machine, the worlds of tests and the bench start
// the functions of [Functions]. A test compares them with template.yaml.
//
// The functions that HTTP invokes are not in it: each process has its own rules for who
// may call.
package wiring

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"entrasync/functions/catchup"
	"entrasync/functions/fanout"
	"entrasync/functions/groups"
	"entrasync/functions/largeimport"
	resyncs "entrasync/functions/resync"
	"entrasync/functions/sweep"
	"entrasync/functions/users"
	usecase "entrasync/shared/catchup"
	"entrasync/shared/credentials"
	"entrasync/shared/fault"
	"entrasync/shared/importing"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/host"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/resync"
	"entrasync/shared/store"
	"entrasync/shared/stranded"
)

// Function is a function that queues or a schedule invoke.
type Function struct {
	Name    string
	Timeout time.Duration
	Queues  []Queue
	Every   time.Duration // between two runs of its schedule; 0 for none
	// New makes the handler; the error names what is missing.
	New func(Parts) (handler any, err error)
}

// Queue is a queue that feeds a function.
type Queue struct {
	Name        string
	Concurrency int // invocations side by side
	Receives    int // how often a message is received before it is a dead letter
	Bulk        bool
}

// The names of the queues.
const (
	Changes    = "changes.fifo"
	UsersLive  = "users-live.fifo"
	UsersBulk  = "users-bulk.fifo"
	GroupsLive = "groups-live.fifo"
	GroupsBulk = "groups-bulk.fifo"
	Imports    = "imports.fifo"
	Resync     = "resync.fifo"
)

// The time-outs of the functions that HTTP invokes.
const (
	WebhookTimeout = 10 * time.Second
	AdminTimeout   = 29 * time.Second
	ImportsTimeout = 29 * time.Second
)

// taskReceives is how often a task is received before it is a dead letter. The functions
// know the number too: the last time they park the user or group, with the reason.
const taskReceives = 20

// importReceives is how often the message of an import is received before it is a dead
// letter. The import is found by the schedule too.
const importReceives = 5

// resyncReceives is the same for the message of a resync, which the schedule finds too.
const resyncReceives = 5

// eventReceives is how often an event is received before it is a dead letter.
const eventReceives = 20

// CatchUp is the name of the function that reads the feeds of JumpCloud, and Resyncs that of
// the one that compares directories, which looks every ResyncRuns what is due.
const (
	CatchUp    = "catchup"
	Resyncs    = "resync"
	ResyncRuns = 5 * time.Minute
)

// Functions are the functions that queues or a schedule invoke.
var Functions = []Function{
	{
		Name: "fanout", Timeout: 30 * time.Second,
		Queues: []Queue{{Name: Changes, Concurrency: 4, Receives: eventReceives}},
		New: func(p Parts) (any, error) {
			handler, err := fanout.New(fanout.Config{Store: p.Store, Lanes: p.Lanes, Metrics: p.Metrics, Postponer: p.Queues})
			return handler.Handle, err
		},
	},
	{
		Name: "users", Timeout: 60 * time.Second,
		Queues: []Queue{{Name: UsersLive, Concurrency: 4, Receives: taskReceives}, {Name: UsersBulk, Concurrency: 2, Receives: taskReceives, Bulk: true}},
		New: func(p Parts) (any, error) {
			handler, err := users.New(users.Config{Parts: p.Parts, PasswordSeed: p.PasswordSeed, Postponer: p.Queues, MaxReceives: taskReceives})
			return handler.Handle, err
		},
	},
	{
		Name: "groups", Timeout: 60 * time.Second,
		Queues: []Queue{{Name: GroupsLive, Concurrency: 4, Receives: taskReceives}, {Name: GroupsBulk, Concurrency: 2, Receives: taskReceives, Bulk: true}},
		New: func(p Parts) (any, error) {
			handler, err := groups.New(groups.Config{Parts: p.Parts, Postponer: p.Queues, MaxReceives: taskReceives})
			return handler.Handle, err
		},
	},
	{
		Name: "sweep", Timeout: 60 * time.Second, Every: 5 * time.Minute,
		New: func(p Parts) (any, error) {
			handler, err := sweep.New(reconcile.Sweep{Store: p.Store, Users: p.Lanes.UsersBulk, Groups: p.Lanes.GroupsBulk, Metrics: p.Metrics, Publisher: p.Publisher}, p.Dead,
				credentials.Watch{Store: p.Store, Entra: p.EntraCredential, Metrics: p.Metrics}.Run)
			return handler.Handle, err
		},
	},
	{
		Name: CatchUp, Timeout: 2 * time.Minute, Every: time.Minute,
		New: func(p Parts) (any, error) {
			handler, err := catchup.New(p.CatchingUp())
			return handler.Handle, err
		},
	},
	{
		Name: "largeimport", Timeout: 15 * time.Minute, Every: time.Minute,
		Queues: []Queue{{Name: Imports, Concurrency: 2, Receives: importReceives}},
		New: func(p Parts) (any, error) {
			handler, err := largeimport.New(p.Importing(), p.Delivery)
			return handler.Handle, err
		},
	},
	{
		Name: Resyncs, Timeout: 15 * time.Minute, Every: ResyncRuns,
		Queues: []Queue{{Name: Resync, Concurrency: 2, Receives: resyncReceives}},
		New: func(p Parts) (any, error) {
			handler, err := resyncs.New(p.Resync())
			return handler.Handle, err
		},
	},
}

// Parts are the parts of the functions. [NewParts] adds the lanes.
type Parts struct {
	reconcile.Parts
	// Sides are the outside systems of imports, and Delivery is how their results reach
	// people.
	Sides    importing.Clients
	Delivery importing.Delivery
	// Lists are those of resyncs, and ResyncEvery is the time between two of a directory; 0:
	// the default.
	Lists       resync.Clients
	ResyncEvery time.Duration
	// Feeds are where the catch-up reads the events of JumpCloud.
	Feeds        usecase.Feeds
	Queues       Queues
	PasswordSeed func(context.Context) (string, error)
	Dead         stranded.Queues // the dead letters of the queues
	// EntraCredential is what is known of the credential for Entra; nil: there is none.
	EntraCredential credentials.Source
}

// NewParts are parts whose lanes are the queues.
func NewParts(p reconcile.Parts, queues Queues, passwordSeed func(context.Context) (string, error)) Parts {
	p.Lanes = queues.Lanes()
	return Parts{Parts: p, Queues: queues, PasswordSeed: passwordSeed}
}

// Importing are the parts of the functions that import users.
func (p Parts) Importing() importing.Parts {
	return importing.Parts{Store: p.Store, Clients: p.Sides, Jobs: p.Queues[Imports], Users: p.Lanes.UsersBulk}
}

// Starter starts resyncs.
func (p Parts) Starter() resync.Starter {
	return resync.Starter{Store: p.Store, Jobs: p.Queues[Resync]}
}

// Resync are the parts of the function that compares directories.
func (p Parts) Resync() resync.Parts {
	return resync.Parts{
		Starter: p.Starter(), Clients: p.Lists, Users: p.Lanes.UsersBulk, Groups: p.Lanes.GroupsBulk, Metrics: p.Metrics,
		Drift:   reconcile.Drift{Store: p.Store, UserTasks: p.Lanes.UsersBulk, GroupTasks: p.Lanes.GroupsBulk, Metrics: p.Metrics},
		Outside: p.Clients, Results: p.Delivery.Results,
		Every: cmp.Or(p.ResyncEvery, resync.DefaultEvery),
	}
}

// CatchingUp are the parts of the function that reads the feeds of JumpCloud.
func (p Parts) CatchingUp() usecase.Parts {
	return usecase.Parts{Store: p.Store, Feeds: p.Feeds, Changes: p.Queues[Changes], Metrics: p.Metrics}
}

// Paced are functions of which some have schedules with another time between two runs, by
// name.
func Paced(functions []Function, every map[string]time.Duration) []Function {
	paced := slices.Clone(functions)
	for i, f := range paced {
		if other, given := every[f.Name]; given {
			paced[i].Every = other
		}
	}
	return paced
}

// Without are functions except for some, by name.
func Without(functions []Function, names ...string) []Function {
	return slices.DeleteFunc(slices.Clone(functions), func(f Function) bool { return slices.Contains(names, f.Name) })
}

// DeadSuffix is what the name of a queue of dead letters has after that of its queue.
const DeadSuffix = "-dead"

// DeadLetters are queues of dead letters, by the names of the queues that they come from.
type DeadLetters map[string]queue.Queue

// ByLane are the dead letters as package stranded takes them. Those of imports and resyncs are
// not among them: they are about no user and no group, and the schedules find their jobs.
func (d DeadLetters) ByLane() stranded.Queues {
	lanes := stranded.Queues{}
	for name, q := range d {
		if name != Imports && name != Resync {
			lanes[store.Lane(strings.TrimSuffix(name, ".fifo"))] = q
		}
	}
	return lanes
}

// Depth counts the dead letters of all queues.
func (d DeadLetters) Depth(ctx context.Context) (all queue.Depth, err error) {
	for _, q := range d {
		depth, err := q.Depth(ctx)
		if err != nil {
			return all, err
		}
		all.Visible, all.InFlight = all.Visible+depth.Visible, all.InFlight+depth.InFlight
	}
	return all, nil
}

// visibility is the visibility time-out of a queue in time-outs of its function, as AWS
// recommends.
const visibility = 6

// Queues are open queues by name.
type Queues map[string]queue.Queue

// Lanes are the queues of tasks.
func (q Queues) Lanes() reconcile.Lanes {
	return reconcile.Lanes{UsersLive: q[UsersLive], UsersBulk: q[UsersBulk], GroupsLive: q[GroupsLive], GroupsBulk: q[GroupsBulk]}
}

// Postpone implements sqsbatch.Postponer.
func (q Queues) Postpone(ctx context.Context, source, receipt string, d time.Duration) error {
	for name, each := range q {
		if host.ARN(name) == source {
			return each.Postpone(ctx, receipt, min(d, queue.MaxVisibility))
		}
	}
	return fault.New(fault.Internal, "wiring.postpone", "no queue has the ARN "+source)
}

// Configs are the configurations of the queues of some functions, without dead letters.
func Configs(functions []Function) []boltqueue.Config {
	var configs []boltqueue.Config
	for _, f := range functions {
		for _, q := range f.Queues {
			configs = append(configs, boltqueue.Config{Name: q.Name, Visibility: visibility * f.Timeout, MaxReceives: q.Receives})
		}
	}
	return configs
}

// Start starts functions on their queues and schedules. Tasks of the bulk lane wait up to
// bulkWindow for others, so that they share requests.
func Start(h *host.Host, functions []Function, p Parts, bulkWindow time.Duration) error {
	for _, f := range functions {
		hosted, err := f.hosted(p)
		if err != nil {
			return err
		}
		for _, q := range f.Queues {
			h.Feed(hosted, q.source(p.Queues, q.Concurrency, bulkWindow))
		}
		f.schedule(h, hosted)
	}
	return nil
}

// StartApart is Start for a process of its own for every concurrent invocation, as on AWS:
// each has parts of its own.
func StartApart(h *host.Host, functions []Function, parts func() Parts) error {
	for _, f := range functions {
		for _, q := range f.Queues {
			for range q.Concurrency {
				p := parts()
				hosted, err := f.hosted(p)
				if err != nil {
					return err
				}
				h.Feed(hosted, q.source(p.Queues, 1, 0))
			}
		}
		if f.Every == 0 {
			continue
		}
		hosted, err := f.hosted(parts())
		if err != nil {
			return err
		}
		f.schedule(h, hosted)
	}
	return nil
}

// hosted is the function as the host runs it.
func (f Function) hosted(p Parts) (host.Function, error) {
	handler, err := f.New(p)
	return host.Function{Name: f.Name, Timeout: f.Timeout, Handler: handler}, err
}

// schedule starts the schedule of the function, if it has one.
func (f Function) schedule(h *host.Host, hosted host.Function) {
	if f.Every > 0 {
		h.Schedule(hosted, host.Schedule{Name: f.Name, Every: f.Every})
	}
}

// source is the queue as a source of events of a function.
func (q Queue) source(queues Queues, concurrency int, bulkWindow time.Duration) host.Source {
	s := host.Source{Queue: q.Name, From: queues[q.Name], BatchSize: queue.MaxBatch, Concurrency: concurrency}
	if q.Bulk {
		s.Window = bulkWindow
	}
	return s
}
