package resync_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	function "entrasync/functions/resync"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/results/resultstest"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// timeout is that of the function.
const timeout = 15 * time.Minute

// fixture is the function with a directory, and the engine that works on the tasks.
type fixture struct {
	*functiontest.Kit
	t         *testing.T
	folder    string // of the table
	directory directory.Directory
	handler   function.Handler
	users     lane
	groups    lane
	jobs      lane
	metrics   *metric.Memory
	files     resultstest.Memory
	engine    reconcile.Parts

	mu sync.Mutex
	// outside is called with every request to an outside system before it is served; its
	// error is the answer. Nil: nothing.
	outside func(*http.Request) error
	asked   map[string]int // requests by host
}

// newFixture starts everything; edit changes the settings of the directory.
func newFixture(t *testing.T, edit func(*directory.Settings)) *fixture {
	t.Helper()
	f := &fixture{t: t, folder: localtest.Folder(t), metrics: &metric.Memory{}, asked: map[string]int{}}
	f.Kit = functiontest.New(t, functiontest.Config{Folder: f.folder, Cleanup: t.Cleanup, Transport: f, Requests: 5000})
	f.directory = f.Directory("main", edit)
	f.engine = reconcile.Parts{Store: f.Store, Clients: f.Clients(), Metrics: f.metrics,
		Lanes: reconcile.Lanes{UsersLive: &f.users, UsersBulk: &f.users, GroupsLive: &f.groups, GroupsBulk: &f.groups}}
	f.handler = f.newHandler(f.Store, http.RoundTripper(f), &f.users, &f.groups, &f.jobs)
	return f
}

// newHandler makes the function in a process of its own.
func (f *fixture) newHandler(records *store.Store, outside http.RoundTripper, users, groups, jobs queue.Sender) function.Handler {
	f.t.Helper()
	handler, err := function.New(resync.Parts{
		Starter: resync.Starter{Store: records, Jobs: jobs}, Clients: f.ClientsThrough(outside),
		Drift: reconcile.Drift{Store: records, UserTasks: users, GroupTasks: groups, Metrics: f.metrics},
		Users: users, Groups: groups, Metrics: f.metrics, Every: 24 * time.Hour,
		Outside: f.ClientsThrough(outside), Results: &f.files,
	})
	f.Must(err)
	return handler
}

// RoundTrip implements http.RoundTripper.
func (f *fixture) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.asked[r.URL.Host]++
	before := f.outside
	f.mu.Unlock()
	if before != nil {
		if err := before(r); err != nil {
			return nil, err
		}
	}
	return f.Kit.RoundTrip(r)
}

// requests counts the requests to a host since it was called last.
func (f *fixture) requests(host string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.asked[host]
	f.asked[host] = 0
	return n
}

// writes counts the write units that Graph has seen.
func (f *fixture) writes() int { return f.Entra.Counters().WriteUnits }

// lane keeps the messages that are sent to it.
type lane struct {
	mu   sync.Mutex
	sent []queue.Message
}

// Send implements queue.Sender.
func (l *lane) Send(_ context.Context, messages ...queue.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, messages...)
	return nil
}

// take takes all messages out.
func (l *lane) take() []queue.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.sent
	l.sent = nil
	return all
}

// waiting counts the messages.
func (l *lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent)
}

// pump works on the tasks as the functions users and groups do, until none is left, and
// returns how many it worked on.
func (f *fixture) pump() (tasks int) {
	f.t.Helper()
	users, err := reconcile.NewUsers(f.engine)
	f.Must(err)
	groups, err := reconcile.NewGroups(f.engine)
	f.Must(err)
	for f.users.waiting()+f.groups.waiting() > 0 {
		if tasks++; tasks > 20000 {
			f.t.Fatal("the tasks do not end")
		}
		for batch := range slices.Chunk(f.users.take(), queue.MaxBatch) {
			var attempts []reconcile.Attempt
			for _, m := range batch {
				task, err := reconcile.ReadTask(m.Body)
				f.Must(err)
				time.Sleep(time.Until(task.NotBefore))
				same := func(a reconcile.Attempt) bool { return a.User == task.User }
				if i := slices.IndexFunc(attempts, same); i >= 0 {
					attempts[i].Task = attempts[i].Join(task)
					continue
				}
				attempts = append(attempts, reconcile.Attempt{Task: task, Number: 1})
			}
			for len(attempts) > 0 {
				var again []reconcile.Attempt
				for i, outcome := range users.Sync(context.Background(), f.directory.ID, attempts) {
					if outcome.Retry {
						time.Sleep(outcome.After)
						attempts[i].Number++
						again = append(again, attempts[i])
					}
				}
				attempts = again
			}
		}
		for _, m := range f.groups.take() {
			task, err := reconcile.ReadGroupTask(m.Body)
			f.Must(err)
			time.Sleep(time.Until(task.NotBefore))
			for n := 1; ; n++ {
				outcome := groups.Sync(context.Background(), f.directory.ID, []reconcile.GroupAttempt{{GroupTask: task, Number: n}})[0]
				if !outcome.Retry {
					break
				}
				time.Sleep(outcome.After)
			}
		}
	}
	return tasks
}

// hire adds users with direct connections, and works until they have accounts.
func (f *fixture) hire(names ...string) []directory.UserID {
	f.t.Helper()
	ids := make([]directory.UserID, len(names))
	for i, name := range names {
		ids[i] = f.Hire(name)
		f.Connect(f.directory, ids[i])
		f.Must(reconcile.Enqueue(context.Background(), &f.users, reconcile.Task{Directory: f.directory.ID, User: ids[i], Cause: connected()}))
	}
	f.pump()
	return ids
}

// connectGroup adds a connected group, and works until it is in Entra.
func (f *fixture) connectGroup(name string, members ...directory.UserID) directory.GroupID {
	f.t.Helper()
	id := f.Group(name, members...)
	f.ConnectGroup(f.directory, id)
	f.Must(reconcile.Enqueue(context.Background(), &f.groups, reconcile.GroupTask{Directory: f.directory.ID, Group: id, Cause: connected(), AllMembers: true}))
	f.pump()
	return id
}

// connected is a cause.
func connected() plan.Cause {
	return plan.Cause{Type: reconcile.Connected, At: time.Now().UTC(), Many: true}
}

// start starts a resync.
func (f *fixture) start() store.Job {
	f.t.Helper()
	job, err := (resync.Starter{Store: f.Store, Jobs: &f.jobs}).Start(context.Background(), f.directory.ID, "the test")
	f.Must(err)
	return job
}

// invoke invokes a handler with the messages that wait or, without one, as the schedule does.
func (f *fixture) invoke(h function.Handler, within time.Duration) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	response, err := h.Handle(ctx, function.Event{Records: delivered(f.jobs.take()...)})
	if err != nil || len(response.BatchItemFailures) > 0 {
		f.t.Fatalf("the function failed: %v, %v", response.BatchItemFailures, err)
	}
}

// resync runs a resync to its end, with the tasks that it sends, and returns the job and how
// many tasks there were.
func (f *fixture) resync() (job store.Job, tasks int) {
	f.t.Helper()
	return f.finish(f.start().ID, timeout)
}

// finish runs a job to its end in invocations that take so long.
func (f *fixture) finish(id string, within time.Duration) (job store.Job, tasks int) {
	f.t.Helper()
	for range 500 {
		f.invoke(f.handler, within)
		tasks += f.pump()
		if job = f.job(id); job.Status.Ended() {
			return job, tasks
		}
		if f.jobs.waiting() == 0 {
			time.Sleep(5 * time.Minute)
		}
	}
	f.t.Fatalf("the resync does not end: at %s %+v", time.Now(), job)
	return job, tasks
}

// job reads a job.
func (f *fixture) job(id string) store.Job {
	f.t.Helper()
	job, err := f.Store.Job(context.Background(), id)
	f.Must(err)
	return job
}

// account is the account of a user in Entra, by the name that the user was hired with.
func (f *fixture) account(name string) entratest.User {
	f.t.Helper()
	u, found := f.Tenant.User(name + "@" + functiontest.Domain)
	if !found {
		f.t.Fatalf("%s has no account", name)
	}
	return u
}

// members are the names of the members of a group in Entra.
func (f *fixture) members(group string) []string {
	f.t.Helper()
	var names []string
	for _, g := range f.Tenant.GroupsNamed(group) {
		for _, id := range g.Members {
			u, _ := f.Tenant.User(id)
			names = append(names, strings.TrimSuffix(u.UserPrincipalName, "@"+functiontest.Domain))
		}
	}
	slices.Sort(names)
	return names
}

// link is the link of a user.
func (f *fixture) link(id directory.UserID) directory.Link {
	f.t.Helper()
	u, err := f.Store.User(context.Background(), functiontest.Organization, id)
	f.Must(err)
	l, _ := u.Link(f.directory.ID)
	return l
}

// delivered are messages as the queue delivers them; their ids are their numbers.
func delivered(messages ...queue.Message) []events.SQSMessage {
	all := make([]events.SQSMessage, len(messages))
	for i, m := range messages {
		all[i] = events.SQSMessage{MessageId: strconv.Itoa(i), Body: string(m.Body)}
	}
	return all
}
