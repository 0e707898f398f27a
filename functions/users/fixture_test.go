package users_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/users"
	"entrasync/shared/clients"
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
	lastTry      = 17 // the receives after it are spare
)

// testing is the part that tests and property tests have in common.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
	Context() context.Context
}

// fixture is the users function with real clients against both simulators, in
// memory.
type fixture struct {
	*functiontest.Kit
	t         tester
	handler   users.Handler
	clients   *clients.Set
	store     *store.Store
	jumpcloud *jumpcloudtest.Simulator
	entra     *entratest.Simulator
	accounts  entratest.Directory
	directory directory.Directory
	metrics   *metric.Memory
	postponed map[string]time.Duration // by receipt
	sending   sync.Mutex
	again     []queue.Message // sent as new messages
	refuses   int             // so many sends fail
	seed      string          // seed of the key that opens passwords
	messages  int
	// before is called with every request before Graph serves it.
	before func(*http.Request)
	after  func() // is called after Graph served a request
	// outside is called with every request before it is served; its error is what the
	// transport answers instead.
	outside func(*http.Request) error
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
	f := &fixture{t: t, metrics: &metric.Memory{}, postponed: map[string]time.Duration{}, seed: "a seed that is random and long enough"}
	f.Kit = functiontest.New(t, functiontest.Config{Folder: folder, Cleanup: cleanup, Transport: f})
	f.store, f.jumpcloud, f.entra, f.accounts = f.Store, f.JumpCloud, f.Entra, f.Tenant
	f.restart()
	_, err := f.clients.Describe(context.Background(), directory.TenantID(entratest.DefaultTenant().ID)) // now the domains are known, and no test counts the request
	f.must(err)
	f.directory = f.newDirectory("main", func(s *directory.Settings) {
		s.Attributes["user_job_title"], s.Attributes["user_business_phones"] = true, true
	})
	return f
}

// restart makes the handler of a new process, which has no tokens and knows no tenant.
func (f *fixture) restart() {
	f.t.Helper()
	f.clients = f.Clients()
	var err error
	f.handler, err = users.New(users.Config{
		Parts: reconcile.Parts{Store: f.store, Clients: f.clients, Metrics: f.metrics,
			Lanes: reconcile.Lanes{UsersLive: f, UsersBulk: f, GroupsLive: unread{}, GroupsBulk: unread{}}},
		PasswordSeed: f.passwordSeed, Postponer: f, MaxReceives: maxReceives,
	})
	f.must(err)
}

// passwordSeed returns the seed, as the secret store would.
func (f *fixture) passwordSeed(context.Context) (string, error) { return f.seed, nil }

// RoundTrip sends a request to the simulator that it is for.
func (f *fixture) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.outside != nil {
		if err := f.outside(r); err != nil {
			return nil, err
		}
	}
	if f.before != nil && r.URL.Host == functiontest.GraphHost {
		f.before(r)
	}
	response, err := f.Kit.RoundTrip(r)
	if f.after != nil && r.URL.Host == functiontest.GraphHost {
		f.after()
	}
	return response, err
}

// Postpone implements sqsbatch.Postponer.
func (f *fixture) Postpone(_ context.Context, _, receipt string, d time.Duration) error {
	f.sending.Lock()
	defer f.sending.Unlock()
	f.postponed[receipt] = d
	return nil
}

// Send implements queue.Sender for tasks that are sent as new messages.
func (f *fixture) Send(_ context.Context, messages ...queue.Message) error {
	f.sending.Lock()
	defer f.sending.Unlock()
	if f.refuses > 0 {
		f.refuses--
		return fault.New(fault.Transient, "test", "the queue takes no message now")
	}
	f.again = append(f.again, messages...)
	return nil
}

// sentTasks returns the users for whom a new task was sent since the last call.
func (f *fixture) sentTasks() (ids []directory.UserID) {
	f.t.Helper()
	for _, m := range f.again {
		task, err := reconcile.ReadTask(m.Body)
		f.must(err)
		ids = append(ids, task.User)
	}
	f.again = nil
	return ids
}

// unread drops tasks of groups, which functions/groups tests.
type unread struct{}

// Send implements queue.Sender.
func (unread) Send(context.Context, ...queue.Message) error { return nil }

// must ends the test on an error.
func (f *fixture) must(err error) {
	f.t.Helper()
	f.Must(err)
}

// newDirectory stores one more directory on the tenant.
func (f *fixture) newDirectory(name string, edit func(*directory.Settings)) directory.Directory {
	f.t.Helper()
	return f.Directory(name, edit)
}

// settings changes the settings of the directory.
func (f *fixture) settings(edit func(*directory.Settings)) {
	f.t.Helper()
	f.directory = f.Settings(f.directory, edit)
}

// person adds an active user to JumpCloud and connects it.
func (f *fixture) person(name string) directory.UserID {
	f.t.Helper()
	id := f.unconnected(name, name+"@contoso.example")
	f.connect(id)
	return id
}

// unconnected adds an active user to JumpCloud.
func (f *fixture) unconnected(name, email string) directory.UserID {
	f.t.Helper()
	return f.HireAs(name, email)
}

// connect connects a user directly.
func (f *fixture) connect(id directory.UserID) {
	f.t.Helper()
	f.Connect(f.directory, id)
}

// disconnect ends the direct connection of a user.
func (f *fixture) disconnect(id directory.UserID) {
	f.t.Helper()
	_, err := f.store.Disconnect(context.Background(), f.directory.ID, id, directory.Direct, directory.Disconnected)
	f.must(err)
}

// update changes a user in JumpCloud.
func (f *fixture) update(id directory.UserID, fields jumpcloudtest.Fields) {
	f.t.Helper()
	f.must(f.jumpcloud.UpdateUser(string(id), fields))
}

// message is a task for a user, received for the nth time.
func (f *fixture) message(id directory.UserID, receives int) events.SQSMessage {
	f.t.Helper()
	return f.messageIn(f.directory.ID, id, receives)
}

// messageIn returns a task for a user in a directory, received for the nth time. Its
// cause is an event: the deletion if the user was deleted.
func (f *fixture) messageIn(dir directory.ID, id directory.UserID, receives int) events.SQSMessage {
	f.t.Helper()
	f.messages++
	name := fmt.Sprintf("m%d", f.messages)
	task := reconcile.Task{Directory: dir, User: id, Cause: plan.Cause{Type: "user_update", ID: name, At: time.Now().UTC(), Event: true}}
	if _, there := f.jumpcloud.User(string(id)); !there {
		task.Cause.Type, task.Claims = "user_delete", []directory.Claim{{Kind: directory.Removed, User: id}}
	}
	m, err := task.Message()
	f.must(err)
	return events.SQSMessage{MessageId: name, ReceiptHandle: "r-" + name, Body: string(m.Body), EventSourceARN: "queue",
		Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(receives)}}
}

// run handles one task for each user in one batch and returns how many of them
// come again.
func (f *fixture) run(ids ...directory.UserID) int {
	f.t.Helper()
	var batch events.SQSEvent
	for _, id := range ids {
		batch.Records = append(batch.Records, f.message(id, 1))
	}
	return len(f.handle(batch).BatchItemFailures)
}

// runForPassword handles the task of an event that says the user got a new
// password.
func (f *fixture) runForPassword(id directory.UserID, at time.Time) {
	f.t.Helper()
	m := f.message(id, 1)
	task, err := reconcile.ReadTask([]byte(m.Body))
	f.must(err)
	task.PasswordAt = at
	body, err := task.Message()
	f.must(err)
	m.Body = string(body.Body)
	f.handle(events.SQSEvent{Records: []events.SQSMessage{m}})
}

// oneMessage is a batch of one message.
func oneMessage(m events.SQSMessage) events.SQSEvent {
	return events.SQSEvent{Records: []events.SQSMessage{m}}
}

// handle invokes the function.
func (f *fixture) handle(batch events.SQSEvent) events.SQSEventResponse {
	f.t.Helper()
	response, err := f.handler.Handle(context.Background(), batch)
	f.must(err)
	return response
}

// link reads the link of a user.
func (f *fixture) link(id directory.UserID) directory.Link {
	f.t.Helper()
	user, err := f.store.User(context.Background(), organization, id)
	f.must(err)
	link, found := user.Link(f.directory.ID)
	if !found {
		f.t.Fatalf("%s has no link", id)
	}
	return link
}

// account reads an account of Entra.
func (f *fixture) account(upn string) entratest.User {
	f.t.Helper()
	account, found := f.accounts.User(upn)
	if !found {
		f.t.Fatalf("Entra has no account %s", upn)
	}
	return account
}

// actions are all actions, oldest first.
func (f *fixture) actions() []plan.Action {
	f.t.Helper()
	list, err := f.store.Actions(context.Background(), f.directory.ID, 0, "")
	f.must(err)
	var actions []plan.Action
	for _, a := range list.Items {
		actions = append([]plan.Action{a}, actions...)
	}
	return actions
}

// requests counts the HTTP requests to Graph while do runs.
func (f *fixture) requests(do func()) int {
	before := f.entra.Counters().Requests
	do()
	return f.entra.Counters().Requests - before
}

// fail makes the next batch to Graph fail with a status. With 0 Graph does the work and
// the answer is lost.
func (f *fixture) fail(status int) {
	f.t.Helper()
	f.must(f.entra.FailNext(entratest.Fault{Path: `batch$`, Status: status, LoseReply: status == 0, Header: map[string]string{"Retry-After": "0"}}))
}
