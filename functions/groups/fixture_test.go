package groups_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/groups"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

const (
	organization = functiontest.Organization
	maxReceives  = 20
)

// tester is the part that tests and property tests have in common.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// fixture is the groups function and the users function, with real clients and both
// simulators in memory.
type fixture struct {
	*functiontest.Kit
	t         tester
	handler   groups.Handler
	users     reconcile.Users
	store     *store.Store
	jumpcloud *jumpcloudtest.Simulator
	entra     *entratest.Simulator
	tenant    entratest.Directory
	directory directory.Directory
	userTasks sent
	groups    sent                // tasks of groups that the users function sent
	handling  sync.Mutex          // of waiting
	waiting   []events.SQSMessage // those that come again
	messages  int
	before    func(*http.Request) // sees every request to Graph
	after     func(*http.Request) // sees it after Graph served it
	writing   writing
	// outside is called with every request before it is served; its error is what the
	// transport answers instead.
	outside   func(*http.Request) error
	postponed map[string]time.Duration // by receipt
}

// sent collects sent messages; several senders may use it at once.
type sent struct {
	mu       sync.Mutex
	messages []queue.Message
	fails    int // so many sends fail
}

// Send implements queue.Sender.
func (s *sent) Send(_ context.Context, messages ...queue.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails > 0 {
		s.fails--
		return fault.New(fault.Transient, "sent", "the queue is not there")
	}
	s.messages = append(s.messages, messages...)
	return nil
}

// take returns the messages and empties sent.
func (s *sent) take() []queue.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	messages := s.messages
	s.messages = nil
	return messages
}

// newFixture starts everything, with one directory.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := newFixtureIn(t, localtest.Folder(t), func(f func()) { t.Cleanup(f) })
	t.Cleanup(func() { // whoever is parked in any test is told what to do
		for _, message := range f.Speechless() {
			t.Errorf("the message of who is parked says nothing to do: %s", message)
		}
	})
	return f
}

// newFixtureIn is newFixture for any kind of test.
func newFixtureIn(t tester, folder string, cleanup func(func())) *fixture {
	t.Helper()
	f := &fixture{t: t, postponed: map[string]time.Duration{}}
	f.Kit = functiontest.New(t, functiontest.Config{Folder: folder, Cleanup: cleanup, Transport: f})
	f.store, f.jumpcloud, f.entra, f.tenant = f.Store, f.JumpCloud, f.Entra, f.Tenant
	f.restart()
	f.directory = f.Directory("main", nil)
	return f
}

// restart makes the handlers of a new process, which has no tokens and knows no tenant.
func (f *fixture) restart() {
	f.t.Helper()
	var err error
	parts := reconcile.Parts{Store: f.store, Clients: f.Clients(), Metrics: &metric.Memory{},
		Lanes: reconcile.Lanes{UsersLive: &f.userTasks, UsersBulk: &f.userTasks, GroupsLive: &f.groups, GroupsBulk: &f.groups}}
	f.handler, err = groups.New(groups.Config{Parts: parts, Postponer: f, MaxReceives: maxReceives})
	f.must(err)
	f.users, err = reconcile.NewUsers(parts)
	f.must(err)
}

// RoundTrip sends a request to the simulator that it is for.
func (f *fixture) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.outside != nil {
		if err := f.outside(r); err != nil {
			return nil, err
		}
	}
	if r.URL.Host != functiontest.GraphHost {
		return f.Kit.RoundTrip(r)
	}
	defer f.writing.begin(f.t, r)()
	if f.before != nil {
		f.before(r)
	}
	response, err := f.Kit.RoundTrip(r)
	if f.after != nil {
		f.after(r)
	}
	return response, err
}

// Postpone implements sqsbatch.Postponer.
func (f *fixture) Postpone(_ context.Context, _, receipt string, d time.Duration) error {
	f.handling.Lock()
	defer f.handling.Unlock()
	f.postponed[receipt] = d
	return nil
}

// must fails the test on an error.
func (f *fixture) must(err error) {
	f.t.Helper()
	f.Must(err)
}

// settings changes the settings of the directory.
func (f *fixture) settings(edit func(*directory.Settings)) {
	f.t.Helper()
	edit(&f.directory.Settings)
	version, err := f.store.PutDirectory(context.Background(), f.directory)
	f.must(err)
	f.directory.Version = version
}

// person adds an active user to JumpCloud.
func (f *fixture) person(name string) directory.UserID {
	f.t.Helper()
	return f.Hire(name)
}

// group adds a group with members to JumpCloud and connects it.
func (f *fixture) group(name string, members ...directory.UserID) directory.GroupID {
	f.t.Helper()
	id := f.Group(name, members...)
	f.connect(id)
	return id
}

// connect connects a group.
func (f *fixture) connect(id directory.GroupID) {
	f.t.Helper()
	f.ConnectGroup(f.directory, id)
}

// disconnect ends the connection of a group.
func (f *fixture) disconnect(id directory.GroupID) {
	f.t.Helper()
	_, err := f.store.DisconnectGroup(context.Background(), f.directory.ID, id, "")
	f.must(err)
}

// message is a task for a group, received for the nth time.
func (f *fixture) message(t reconcile.GroupTask, receives int) events.SQSMessage {
	f.t.Helper()
	f.messages++
	name := fmt.Sprintf("m%d", f.messages)
	t.Directory = f.directory.ID
	if t.Cause.Type == "" {
		t.Cause = plan.Cause{Type: "group_update", ID: name, At: time.Now().UTC(), Event: true}
	}
	m, err := t.Message()
	f.must(err)
	return events.SQSMessage{MessageId: name, ReceiptHandle: "r-" + name, Body: string(m.Body), EventSourceARN: "queue",
		Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(receives)}}
}

// handle invokes the function and returns how many messages come again; finish delivers
// them.
func (f *fixture) handle(messages ...events.SQSMessage) int {
	f.t.Helper()
	response, err := f.handler.Handle(context.Background(), events.SQSEvent{Records: messages})
	f.must(err)
	for _, failed := range response.BatchItemFailures {
		i := slices.IndexFunc(messages, func(m events.SQSMessage) bool { return m.MessageId == failed.ItemIdentifier })
		f.handling.Lock()
		f.waiting = append(f.waiting, comesAgain(messages[i]))
		f.handling.Unlock()
	}
	return len(response.BatchItemFailures)
}

// run does a task for all members of each group, in one batch.
func (f *fixture) run(ids ...directory.GroupID) int {
	f.t.Helper()
	var batch []events.SQSMessage
	for _, id := range ids {
		batch = append(batch, f.message(reconcile.GroupTask{Group: id, AllMembers: true}, 1))
	}
	return f.handle(batch...)
}

// changed handles the event that users joined or left groups. It claims the memberships
// that JumpCloud has.
func (f *fixture) changed(ids ...directory.UserID) {
	f.t.Helper()
	attempts := make([]reconcile.Attempt, len(ids))
	for i, id := range ids {
		f.messages++
		attempts[i] = reconcile.Attempt{Task: reconcile.Task{Directory: f.directory.ID, User: id, Memberships: true, Claims: f.memberships(id),
			Cause: plan.Cause{Type: "association_change", ID: fmt.Sprintf("e%d", f.messages), At: time.Now().UTC(), Event: true}}, Number: 1}
	}
	f.users.Sync(context.Background(), f.directory.ID, attempts)
}

// memberships returns the claims of an event about which of the groups have a user now,
// and which do not.
func (f *fixture) memberships(id directory.UserID) []directory.Claim {
	var claims []directory.Claim
	for _, group := range f.jumpcloud.Groups() {
		claim := directory.Claim{Kind: directory.Left, User: id, Group: directory.GroupID(group.Text("id")), At: time.Now().UTC()}
		if slices.Contains(f.jumpcloud.Members(group.Text("id")), string(id)) {
			claim.Kind = directory.Joined
		}
		claims = append(claims, claim)
	}
	return claims
}

// finish does all tasks of users and groups that were sent, until there are none. Tasks
// that must be tried again come again, and tasks for later wait. It returns the number
// of rounds.
func (f *fixture) finish() int {
	f.t.Helper()
	for round := 1; round < 300; round++ {
		users, groupTasks := f.userTasks.take(), f.groups.take()
		if len(users)+len(groupTasks)+len(f.waiting) == 0 {
			return round
		}
		var early []time.Time
		var dueUsers []queue.Message
		for _, m := range users {
			task, err := reconcile.ReadTask(m.Body)
			f.must(err)
			if time.Until(task.NotBefore) > 0 {
				early = append(early, task.NotBefore)
				f.must(f.userTasks.Send(context.Background(), m))
				continue
			}
			dueUsers = append(dueUsers, m)
		}
		for chunk := range slices.Chunk(dueUsers, queue.MaxBatch) {
			f.workUsers(chunk)
		}
		var due []events.SQSMessage
		for _, m := range groupTasks {
			task, err := reconcile.ReadGroupTask(m.Body)
			f.must(err)
			if time.Until(task.NotBefore) > 0 {
				early = append(early, task.NotBefore)
				f.must(f.groups.Send(context.Background(), m))
				continue
			}
			due = append(due, f.message(task, 1))
		}
		due, f.waiting = append(due, f.waiting...), nil
		for chunk := range slices.Chunk(due, queue.MaxBatch) {
			f.handle(chunk...)
		}
		switch {
		case len(f.waiting) > 0:
			time.Sleep(15 * time.Second) // the bubble's time
		case len(dueUsers)+len(due) == 0:
			time.Sleep(time.Until(slices.MinFunc(early, time.Time.Compare)))
		}
	}
	f.t.Fatal("tasks are left after all rounds")
	return 0
}

// comesAgain returns the next receive of a message.
func comesAgain(m events.SQSMessage) events.SQSMessage {
	n, _ := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	m.Attributes = map[string]string{"ApproximateReceiveCount": strconv.Itoa(n + 1)}
	return m
}

// workUsers does tasks of users, one for each user; tasks that must be tried again come
// again.
func (f *fixture) workUsers(messages []queue.Message) {
	f.t.Helper()
	var attempts []reconcile.Attempt
	seen := map[directory.UserID]bool{}
	for _, m := range messages {
		task, err := reconcile.ReadTask(m.Body)
		f.must(err)
		if task.Probe {
			if outcome := f.users.Probe(context.Background(), reconcile.Attempt{Task: task, Number: 1}); outcome.Retry {
				f.must(f.userTasks.Send(context.Background(), m))
			}
			continue
		}
		if !seen[task.User] {
			seen[task.User] = true
			attempts = append(attempts, reconcile.Attempt{Task: task, Number: 1})
		}
	}
	for i, outcome := range f.users.Sync(context.Background(), f.directory.ID, attempts) {
		if outcome.Retry {
			f.must(reconcile.Enqueue(context.Background(), &f.userTasks, attempts[i].Task))
		}
	}
}

// link reads the link of a group.
func (f *fixture) link(id directory.GroupID) directory.GroupLink {
	f.t.Helper()
	known, err := f.store.Group(context.Background(), organization, id)
	f.must(err)
	link, found := known.Link(f.directory.ID)
	if !found {
		f.t.Fatalf("%s has no link", id)
	}
	return link
}

// userLink reads the link of a user.
func (f *fixture) userLink(id directory.UserID) directory.Link {
	f.t.Helper()
	known, err := f.store.User(context.Background(), organization, id)
	f.must(err)
	link, found := known.Link(f.directory.ID)
	if !found {
		f.t.Fatalf("%s has no link", id)
	}
	return link
}

// inEntra reads the group in Entra that a group is linked to.
func (f *fixture) inEntra(id directory.GroupID) entratest.Group {
	f.t.Helper()
	group, found := f.tenant.Group(string(f.link(id).EntraID))
	if !found {
		f.t.Fatalf("%+v has no group in Entra", f.link(id))
	}
	return group
}

// names returns the sorted sign-in names of the members of a group in Entra.
func (f *fixture) names(id directory.GroupID) []string {
	f.t.Helper()
	names := []string{}
	for _, member := range f.inEntra(id).Members {
		user, found := f.tenant.User(member)
		if !found {
			f.t.Fatalf("%s is no user", member)
		}
		names = append(names, user.UserPrincipalName[:len(user.UserPrincipalName)-len("@contoso.example")])
	}
	slices.Sort(names)
	return names
}
