package fanout_test

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/fanout"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

const (
	organization = "5f0c1e2d3a4b5c6d7e8f9012"
	ann          = "64a1b2c3d4e5f60718293a4b"
	bob          = "64a1b2c3d4e5f60718293a4c"
	one          = directory.ID(organization + "-one")
	two          = directory.ID(organization + "-two")
)

// fixture is the function with a real table and real queues. Ann is connected to two
// directories. Bob was connected to one and only has a link there.
type fixture struct {
	t             *testing.T
	handler       fanout.Handler
	records       *store.Store
	users, groups *boltqueue.Queue // the live lanes
	bulk          bulk
	metrics       *metric.Memory
	postponed     map[string]time.Duration // by receipt
}

// bulk are the bulk lanes.
type bulk struct{ users, groups *boltqueue.Queue }

// Postpone implements sqsbatch.Postponer.
func (f *fixture) Postpone(_ context.Context, _, receipt string, d time.Duration) error {
	f.postponed[receipt] = d
	return nil
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	table, err := bolttable.Open(filepath.Join(localtest.Folder(t), "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := boltqueue.Open(filepath.Join(localtest.Folder(t), "queues.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, closing := range []func() error{table.Close, files.Close} {
			if err := closing(); err != nil {
				t.Error(err)
			}
		}
	})
	f := &fixture{t: t, metrics: &metric.Memory{}, postponed: map[string]time.Duration{}}
	for name, lane := range map[string]**boltqueue.Queue{"users-live.fifo": &f.users, "groups-live.fifo": &f.groups,
		"users-bulk.fifo": &f.bulk.users, "groups-bulk.fifo": &f.bulk.groups} {
		if *lane, err = files.Queue(boltqueue.Config{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	records := store.New(table)
	f.records = records
	f.handler, err = fanout.New(fanout.Config{Store: records, Metrics: f.metrics, Postponer: f,
		Lanes: reconcile.Lanes{UsersLive: f.users, UsersBulk: f.bulk.users, GroupsLive: f.groups, GroupsBulk: f.bulk.groups}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id   directory.ID
		user directory.UserID
	}{{one, ann}, {two, ann}, {one, bob}} {
		if err := records.Connect(t.Context(), c.id, c.user, directory.Direct, time.Now().UTC()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := records.Disconnect(t.Context(), one, bob, directory.Direct, directory.Disconnected); err != nil {
		t.Fatal(err)
	}
	return f
}

// handle fans changes out and returns the ids of the messages that failed.
func (f *fixture) handle(changes ...jumpcloud.Change) []string {
	f.t.Helper()
	var batch events.SQSEvent
	for _, change := range changes {
		m, err := change.Message()
		if err != nil {
			f.t.Fatal(err)
		}
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: change.Event.ID, Body: string(m.Body)})
	}
	response, err := f.handler.Handle(f.t.Context(), batch)
	if err != nil {
		f.t.Fatal(err)
	}
	var failed []string
	for _, item := range response.BatchItemFailures {
		failed = append(failed, item.ItemIdentifier)
	}
	return failed
}

// bodies takes all messages out of a queue.
func (f *fixture) bodies(lane *boltqueue.Queue) [][]byte {
	f.t.Helper()
	var bodies [][]byte
	for {
		received, err := lane.Receive(f.t.Context(), queue.MaxBatch, 0)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(received) == 0 {
			return bodies
		}
		for _, m := range received {
			bodies = append(bodies, m.Body)
			if err := lane.Delete(f.t.Context(), m.Receipt); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

// tasks returns the sent tasks of users and groups as sentences, sorted.
func (f *fixture) tasks() []string {
	f.t.Helper()
	var tasks []string
	for _, body := range f.bodies(f.users) {
		task, err := reconcile.ReadTask(body)
		if err != nil {
			f.t.Fatal(err)
		}
		tasks = append(tasks, shown(string(task.User), task.Directory, task.Cause.ID, map[string]bool{"memberships": task.Memberships, "source": task.Source}))
	}
	for _, body := range f.bodies(f.groups) {
		task, err := reconcile.ReadGroupTask(body)
		if err != nil {
			f.t.Fatal(err)
		}
		tasks = append(tasks, shown("group "+string(task.Group), task.Directory, task.Cause.ID, map[string]bool{"all members": task.AllMembers, "source": task.Source}))
	}
	slices.Sort(tasks)
	return tasks
}

// shown returns a task as a sentence, with the reads that it requests.
func shown(subject string, in directory.ID, cause string, asks map[string]bool) string {
	task := subject + " in " + string(in) + " because of " + cause
	for _, what := range slices.Sorted(maps.Keys(asks)) {
		if asks[what] {
			task += ", " + what
		}
	}
	return task
}

// change is an event about a user.
func change(eventType string, user string) jumpcloud.Change {
	return jumpcloud.Change{Organization: organization, Event: jumpcloud.Event{
		ID: "e-" + eventType, Type: eventType, Timestamp: time.Now().UTC(), Resource: jumpcloud.Resource{ID: user, Type: "user"}}}
}

func TestOneTaskForEveryDirectoryOfTheUser(t *testing.T) {
	elsewhere := change("user_update", ann)
	elsewhere.Organization = "5f0c1e2d3a4b5c6d7e8f9999"
	for _, tc := range []struct {
		name   string
		change jumpcloud.Change
		want   []string
	}{
		{"changed", change("user_update", ann), []string{ann + " in " + organization + "-one because of e-user_update", ann + " in " + organization + "-two because of e-user_update"}},
		{"deleted", change("user_delete", ann), []string{ann + " in " + organization + "-one because of e-user_delete", ann + " in " + organization + "-two because of e-user_delete"}},
		{"only a link is left", change("user_update", bob), []string{bob + " in " + organization + "-one because of e-user_update"}},
		{"nobody we know", change("user_update", "64a1b2c3d4e5f60718293fff"), nil},
		{"the same user id elsewhere", elsewhere, nil},
		{"an event about somebody's sign-in", change("user_login_attempt", ann), nil},
		{"an event nobody knows", change("coffee_brewed", ann), nil},
		{"JumpCloud's own write", change("user_update_provision", ann), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			if failed := f.handle(tc.change); failed != nil {
				t.Errorf("failed: %v, want no failed", failed)
			}
			if got := f.tasks(); !slices.Equal(got, tc.want) {
				t.Errorf("tasks %v, want %v", got, tc.want)
			}
			outcome := "dropped"
			if tc.want != nil {
				outcome = "fanned_out"
			}
			key := metric.Key("fanout_events", "concern", string(tc.change.Event.Concern()), "outcome", outcome)
			if counts := f.metrics.Counts(); counts[key] != 1 {
				t.Errorf("%s was not counted: %v", key, counts)
			}
		})
	}
}

func TestTheSameEventTwiceIsOneTask(t *testing.T) {
	f := newFixture(t)
	f.handle(change("user_update", bob), change("user_update", bob))
	f.handle(change("user_update", bob))
	if got := f.tasks(); len(got) != 1 {
		t.Errorf("tasks: %v, want 1", got)
	}
}

// downQueue accepts no message.
type downQueue struct{}

func (downQueue) Send(context.Context, ...queue.Message) error {
	return fault.New(fault.Transient, "test", "the queue is down")
}

func TestWhatCannotBeFannedOutComesAgain(t *testing.T) {
	f := newFixture(t)
	f.connect(one, engineering)
	f.handler.Lanes.UsersLive = downQueue{}
	changes := []jumpcloud.Change{change("user_update", ann), change("coffee_brewed", ann), groupChange("group_update", engineering), groupChange("group_delete", sales)}
	if failed := f.handle(changes...); !slices.Equal(failed, []string{"e-user_update"}) {
		t.Errorf("without the users' queue failed: %v", failed)
	}
	f.handler.Lanes.GroupsLive = downQueue{}
	if failed := f.handle(changes...); !slices.Equal(failed, []string{"e-user_update", "e-group_update"}) {
		t.Errorf("without any queue failed: %v", failed)
	}
	response, err := f.handler.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "odd", Body: "no"}}})
	if err != nil || len(response.BatchItemFailures) != 1 {
		t.Errorf("a message that is no change: %+v, %v", response, err)
	}
}
