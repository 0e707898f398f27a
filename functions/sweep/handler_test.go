package sweep_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"entrasync/functions/sweep"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
	"entrasync/shared/stranded"
)

const (
	organization = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f9012")
	ann          = directory.UserID("ann")
	sales        = directory.GroupID("sales")
)

// dir is the one directory.
var dir = directory.NewID(organization, "main")

// fixture is the function with a table, and queues of tasks.
type fixture struct {
	t       *testing.T
	dead    letters
	handler sweep.Handler
	store   *store.Store
	table   *counted
	users   *boltqueue.Queue
	groups  *boltqueue.Queue
	metrics *metric.Memory
}

// counted counts the requests to a table. The process dies before or after the nth request;
// 0 for never.
type counted struct {
	store.Table
	requests, dieBefore, dieAfter int
	slow                          time.Duration // what a query takes
}

// death is what a process panics with.
type death struct{}

// request counts a request that begins; the result is to be called when it has ended.
func (c *counted) request() (ended func()) {
	c.requests++
	if c.requests == c.dieBefore {
		panic(death{})
	}
	return func() {
		if c.requests == c.dieAfter {
			panic(death{})
		}
	}
}

func (c *counted) Get(ctx context.Context, key store.Key) (store.Item, error) {
	defer c.request()()
	return c.Table.Get(ctx, key)
}

func (c *counted) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	defer c.request()()
	return c.Table.BatchGet(ctx, keys)
}

func (c *counted) Query(ctx context.Context, q store.Query) (store.Page, error) {
	defer c.request()()
	time.Sleep(c.slow)
	return c.Table.Query(ctx, q)
}

func (c *counted) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	defer c.request()()
	return c.Table.Put(ctx, item, cond)
}

func (c *counted) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	defer c.request()()
	return c.Table.Delete(ctx, key, cond)
}

func (c *counted) Transact(ctx context.Context, writes []store.Write) error {
	if len(writes) > 0 {
		defer c.request()()
	}
	return c.Table.Transact(ctx, writes)
}

// newFixture starts everything, with Ann and the group Sales connected and synced.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, metrics: &metric.Memory{}}
	table, err := bolttable.Open(filepath.Join(localtest.Folder(t), "table.db"))
	f.must(err)
	queues, err := boltqueue.Open(filepath.Join(localtest.Folder(t), "queues.db"))
	f.must(err)
	t.Cleanup(func() { f.must(table.Close()); f.must(queues.Close()) })
	f.users, err = queues.Queue(boltqueue.Config{Name: "users.fifo"})
	f.must(err)
	f.groups, err = queues.Queue(boltqueue.Config{Name: "groups.fifo"})
	f.must(err)
	f.table = &counted{Table: table}
	f.store = store.New(f.table)
	f.handler, err = sweep.New(reconcile.Sweep{Store: f.store, Users: f.users, Groups: f.groups, Metrics: f.metrics}, f.deadLetters())
	f.must(err)
	_, err = f.store.PutDirectory(t.Context(), directory.Directory{ID: dir, Organization: organization, Name: "main", Tenant: "t", TenantObject: "t", Status: directory.Active})
	f.must(err)
	f.must(f.store.Connect(t.Context(), dir, ann, directory.Direct, time.Now().UTC()))
	_, err = f.store.ConnectGroup(t.Context(), dir, sales, directory.Direct, time.Now().UTC())
	f.must(err)
	f.link(func(l *directory.Link) {})
	f.groupLink(func(l *directory.GroupLink) {})
	return f
}

// must ends the test on an error.
func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// link records Ann's link, synced, after a change, with actions.
func (f *fixture) link(change func(*directory.Link), actions ...plan.Action) {
	f.t.Helper()
	known, err := f.store.User(f.t.Context(), organization, ann)
	f.must(err)
	link, _ := known.Link(dir)
	link.Status, link.State, link.EntraID = directory.Synced, directory.Enabled, "account"
	change(&link)
	f.must(f.store.Record(f.t.Context(), store.Recording{Link: link, Actions: actions})[0])
}

// groupLink records the link of Sales, synced, after a change, with actions.
func (f *fixture) groupLink(change func(*directory.GroupLink), actions ...plan.Action) {
	f.t.Helper()
	known, err := f.store.Group(f.t.Context(), organization, sales)
	f.must(err)
	link, _ := known.Link(dir)
	link.Status, link.EntraID = directory.Synced, "group"
	change(&link)
	f.must(f.store.Record(f.t.Context(), store.Recording{Group: &link, Actions: actions})[0])
}

// mark marks Ann in Sales.
func (f *fixture) mark() {
	f.t.Helper()
	f.must(f.store.MarkDirty(f.t.Context(), store.Mark{Directory: dir, Group: sales, User: ann}))
}

// leave removes Ann's direct connection.
func (f *fixture) leave() {
	f.t.Helper()
	_, err := f.store.Disconnect(f.t.Context(), dir, ann, directory.Direct, directory.Disconnected)
	f.must(err)
}

// join makes Ann a member of Sales, without a notice to the group.
func (f *fixture) join() {
	f.t.Helper()
	_, err := f.store.SetMemberships(f.t.Context(), dir, sales, time.Now().UTC(), store.Membership{User: ann, In: true, Notify: true})
	f.must(err)
	marks, err := f.store.Marks(f.t.Context(), dir, sales)
	f.must(err)
	f.must(f.store.ClearMarks(f.t.Context(), marks...))
}

// begun is an action of Ann or of Sales that was begun.
func begun(kind, id string) plan.Action {
	return plan.Action{ID: uuid.Must(uuid.NewV7()).String(), Type: plan.Update, Directory: dir, Subject: plan.Subject{Kind: kind, ID: id}, EntraID: "account", Status: plan.Started, At: time.Now().UTC()}
}

// run runs the function and returns the tasks that it sent, as text.
func (f *fixture) run() []string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	f.must(f.handler.Handle(ctx, events.EventBridgeEvent{}))
	return f.taken()
}

// taken takes the tasks out of the queues, as text.
func (f *fixture) taken() []string {
	f.t.Helper()
	tasks := []string{}
	f.take(f.users, func(body []byte) {
		task, err := reconcile.ReadTask(body)
		f.must(err)
		tasks = append(tasks, fmt.Sprintf("user %s, memberships %t", task.User, task.Memberships))
	})
	f.take(f.groups, func(body []byte) {
		task, err := reconcile.ReadGroupTask(body)
		f.must(err)
		tasks = append(tasks, fmt.Sprintf("group %s, all %t", task.Group, task.AllMembers))
	})
	return tasks
}

// take takes all messages out of a queue.
func (f *fixture) take(q *boltqueue.Queue, read func([]byte)) {
	f.t.Helper()
	for {
		depth, err := q.Depth(f.t.Context())
		f.must(err)
		if depth.Visible == 0 {
			return
		}
		messages, err := q.Receive(f.t.Context(), queue.MaxBatch, 0)
		f.must(err)
		for _, m := range messages {
			read(m.Body)
			f.must(q.Delete(f.t.Context(), m.Receipt))
		}
	}
}

// What each kind of record that nobody works on gets, once it is old, and what keeps it
// from that.
func TestWhatNobodyWorksOnGetsItsTask(t *testing.T) {
	const (
		userTask, notice = "user ann, memberships false", "user ann, memberships true"
		groupTask, all   = "group sales, all false", "group sales, all true"
	)
	parked := func(f *fixture) { f.groupLink(func(l *directory.GroupLink) { l.Status = directory.Parked }) }
	waits := func(f *fixture) {
		f.link(func(l *directory.Link) { l.NextTryAt = time.Now().Add(time.Hour) })
	}
	groupWaits := func(f *fixture) {
		f.groupLink(func(l *directory.GroupLink) { l.NextTryAt = time.Now().Add(time.Hour) })
	}
	leased := func(f *fixture) {
		_, err := f.store.TakeLease(f.t.Context(), store.Lease{Directory: dir, Group: sales, Holder: "w", Until: time.Now().Add(time.Hour)}, time.Now())
		f.must(err)
	}
	none := func(*fixture) {}
	leave := (*fixture).leave
	open := func(f *fixture) {
		a := begun("user", string(ann))
		f.link(func(l *directory.Link) { l.OpenActions = []string{a.ID} }, a)
	}
	for name, tc := range map[string]struct {
		begin func(*fixture)
		but   func(*fixture) // happens before the run
		want  []string
	}{
		"a mark":                     {(*fixture).mark, none, []string{groupTask}},
		"a mark, and it is parked":   {(*fixture).mark, parked, nil},
		"a mark, and it waits":       {(*fixture).mark, groupWaits, nil},
		"a mark, and it is written":  {(*fixture).mark, leased, nil},
		"a notice":                   {(*fixture).join, none, []string{notice}},
		"a notice, and Ann waits":    {(*fixture).join, waits, nil},
		"an action of a user":        {open, none, []string{userTask}},
		"an action, and Ann waits":   {open, func(f *fixture) { f.waitOpen() }, nil},
		"an action of a group":       {func(f *fixture) { f.openGroup() }, none, []string{groupTask}},
		"a user who left":            {leave, none, []string{userTask}},
		"a user who left, and waits": {leave, waits, nil},
		"a user who left and is released": {leave, func(f *fixture) {
			f.link(func(l *directory.Link) { l.Status = directory.Released })
		}, nil},
		"a user who left and came back": {leave, func(f *fixture) {
			f.must(f.store.Connect(f.t.Context(), dir, ann, directory.Direct, time.Now().UTC()))
		}, nil},
		"a group that is disconnected": {func(f *fixture) {
			_, err := f.store.DisconnectGroup(f.t.Context(), dir, sales, "")
			f.must(err)
		}, none, []string{groupTask}},
		"a user who was connected": {func(f *fixture) {
			f.must(f.store.Connect(f.t.Context(), dir, "bob", directory.Direct, time.Now().UTC()))
		}, none, []string{"user bob, memberships false"}},
		"a user who was connected, and whose link is gone": {func(f *fixture) {
			f.must(f.store.Connect(f.t.Context(), dir, "bob", directory.Direct, time.Now().UTC()))
			f.must(f.store.RemoveExpected(f.t.Context(), dir, plan.Subject{Kind: plan.OfUser, ID: "bob"}, 1))
		}, none, []string{"user bob, memberships false"}},
		"a user who was connected and is parked": {func(f *fixture) {
			f.must(f.store.Connect(f.t.Context(), dir, "bob", directory.Direct, time.Now().UTC()))
		}, func(f *fixture) {
			f.must(f.store.ChangeLink(f.t.Context(), dir, "bob", func(l directory.Link) directory.Link { l.Status = directory.Parked; return l }))
		}, nil},
		"a user who is connected again": {func(f *fixture) {
			f.leave()
			f.link(func(l *directory.Link) { l.Status = directory.Released })
			f.must(f.store.Connect(f.t.Context(), dir, ann, directory.Direct, time.Now().UTC()))
		}, none, []string{userTask}},
		"a group that was connected": {func(f *fixture) {
			_, err := f.store.ConnectGroup(f.t.Context(), dir, "dev", directory.Direct, time.Now().UTC())
			f.must(err)
		}, none, []string{"group dev, all false"}},
		"users to notify": {func(f *fixture) { f.groupLink(func(l *directory.GroupLink) { l.NotifyPending = true }) }, none, []string{all}},
		"users that were notified": {func(f *fixture) { f.groupLink(func(l *directory.GroupLink) { l.NotifyPending = true }) }, func(f *fixture) {
			f.groupLink(func(l *directory.GroupLink) { l.NotifyPending = false })
		}, nil},
		"an action completed without its link": {func(f *fixture) {
			a := begun("user", string(ann))
			f.link(func(l *directory.Link) { l.OpenActions = []string{a.ID} }, a)
			a.Status = plan.Succeeded
			f.must(f.store.RecordActions(f.t.Context(), a))
		}, none, []string{userTask}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				tc.begin(f)
				if young := f.run(); len(young) > 0 {
					t.Errorf("at once: got tasks %q, want none", young)
				}
				time.Sleep(11 * time.Minute)
				tc.but(f)
				if got := f.run(); !slices.Equal(got, tc.want) {
					t.Errorf("after 11 minutes: got tasks %q, want %q", got, tc.want)
				}
				if got := f.run(); len(got) > 0 {
					t.Errorf("at once again: got tasks %q, want none while the first may wait for its turn", got)
				}
				time.Sleep(15 * time.Minute)
				again := tc.want
				if strings.HasPrefix(name, "a user who is connected again") { // a link that stays released answers the task
					again = nil
				}
				if got := f.run(); len(tc.want) > 0 && !slices.Equal(got, again) {
					t.Errorf("15 minutes later: got tasks %q, want %q", got, again)
				}
			})
		})
	}
}

// waitOpen makes Ann's link wait with its open action.
func (f *fixture) waitOpen() {
	f.link(func(l *directory.Link) { l.NextTryAt = time.Now().Add(time.Hour) })
}

// password records the action of a password for Ann, for which her link waits.
func (f *fixture) password(status plan.Status) plan.Action {
	a := begun("user", string(ann))
	a.Type, a.Status = plan.SetPassword, status
	f.link(func(l *directory.Link) {
		l.PasswordDiffers = &directory.Obstacle{Reason: directory.PasswordPending, Message: "it is on its way"}
	}, a)
	return a
}

// openGroup records an action of the group that was begun.
func (f *fixture) openGroup() {
	a := begun("group", string(sales))
	f.groupLink(func(l *directory.GroupLink) { l.OpenActions = []string{a.ID} }, a)
}

// An action that nobody would end is ended, with what is known.
func TestAnActionThatNobodyEndsIsEnded(t *testing.T) {
	password := func(status plan.Status) func(*fixture) plan.Action {
		return func(f *fixture) plan.Action { return f.password(status) }
	}
	for name, tc := range map[string]struct {
		begin   func(*fixture) plan.Action
		young   time.Duration // when it is still open
		old     time.Duration
		differs bool // the link says that the account does not have the password
	}{
		"that the link does not name": {func(f *fixture) plan.Action {
			a := begun("user", string(ann))
			f.link(func(*directory.Link) {}, a)
			return a
		}, 4 * time.Minute, 6 * time.Minute, false},
		"of a user without a link": {func(f *fixture) plan.Action {
			a := begun("user", "nobody")
			f.must(f.store.RecordActions(f.t.Context(), a))
			return a
		}, 4 * time.Minute, 6 * time.Minute, false},
		"after a day": {func(f *fixture) plan.Action {
			a := begun("user", string(ann))
			f.link(func(l *directory.Link) { l.OpenActions = []string{a.ID} }, a)
			return a
		}, 23 * time.Hour, 25 * time.Hour, false},
		"a password": {password(plan.Started), 4 * time.Minute, 6 * time.Minute, true},
		"a password, and a later one was set": {func(f *fixture) plan.Action {
			a := f.password(plan.Started)
			time.Sleep(time.Minute)
			f.link(func(l *directory.Link) { l.PasswordDiffers, l.PasswordAt = nil, time.Now().UTC() })
			return a
		}, 3 * time.Minute, 5 * time.Minute, false},
		"a password that was queued": {password(plan.Queued), 23 * time.Hour, 25 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				a := tc.begin(f)
				start := time.Now()
				time.Sleep(tc.young)
				f.run()
				if got, err := f.store.Action(t.Context(), organization, a.ID); err != nil || got.Status != a.Status {
					t.Errorf("after %s: got status %s, %v; want %s", tc.young, got.Status, err, a.Status)
				}
				time.Sleep(tc.old - time.Since(start))
				f.run()
				got, err := f.store.Action(t.Context(), organization, a.ID)
				f.must(err)
				if got.Status != plan.Failed || got.Error == nil || got.Error.Reason != directory.Interrupted || got.CompletedAt.IsZero() {
					t.Errorf("after %s: got %+v, want it failed with the reason %s", tc.old, got, directory.Interrupted)
				}
				known, err := f.store.User(t.Context(), organization, ann)
				f.must(err)
				if link, _ := known.Link(dir); (link.PasswordDiffers != nil) != tc.differs {
					t.Errorf("the link says that the password differs: %v, want %t", link.PasswordDiffers, tc.differs)
				}
				if n := f.metrics.Counts()[metric.Key("swept", "kind", "action")]; n < 1 {
					t.Errorf("got %d swept actions in the metrics, want at least 1", n)
				}
			})
		})
	}
}

// What came back to order is forgotten, and a run that finds nothing costs three requests
// for a directory and one for its organization.
func TestAnIdleRunIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.leave()
		f.link(func(l *directory.Link) { l.Status = directory.Released })
		time.Sleep(11 * time.Minute)
		f.run()
		f.table.requests = 0
		if got := f.run(); len(got) > 0 || f.table.requests > 4 {
			t.Errorf("got tasks %q and %d requests, want none and at most 4", got, f.table.requests)
		}
		page, err := f.store.Unfinished(t.Context(), dir, 0, "")
		if err != nil || len(page.Items) > 0 {
			t.Errorf("got %d unfinished records, %v; want none", len(page.Items), err)
		}
	})
}

// Marks that nothing can be done about, however many, hide none that comes later.
func TestManyMarksThatWaitHideNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.groupLink(func(l *directory.GroupLink) { l.Status = directory.Parked })
		var marks []store.Mark
		for i := range 2500 {
			marks = append(marks, store.Mark{Directory: dir, Group: sales, User: directory.UserID(fmt.Sprint(i))})
		}
		f.must(f.store.MarkDirty(t.Context(), marks...))
		time.Sleep(time.Second)
		f.leave()
		var got []string
		for range 6 {
			time.Sleep(5 * time.Minute)
			got = append(got, f.run()...)
		}
		if diff := cmp.Diff([]string{"user ann, memberships false"}, slices.Compact(got)); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
	})
}

// A run ends before its deadline, and a later one does the rest.
func TestARunEndsBeforeItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.mark()
		time.Sleep(6 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 14*time.Second) // less than a page may take
		defer cancel()
		f.must(f.handler.Handle(ctx, events.EventBridgeEvent{}))
		if depth, err := f.groups.Depth(t.Context()); err != nil || depth.Visible != 0 {
			t.Errorf("got %+v, %v; want no task", depth, err)
		}
		if got := f.run(); len(got) != 1 {
			t.Errorf("got tasks %q in a later run, want 1", got)
		}
	})
}

// A missing part is refused, by its name.
func TestAMissingPart(t *testing.T) {
	if _, err := sweep.New(reconcile.Sweep{}, nil); fault.Of(err) == nil || fault.Of(err).Subject != "Store" {
		t.Errorf("got %v, want that the Store is missing", err)
	}
	f := newFixture(t)
	if _, err := sweep.New(reconcile.Sweep{Store: f.store, Users: f.users, Groups: f.groups, Metrics: f.metrics}, nil); fault.Of(err) == nil || fault.Of(err).Subject != "Dead[changes]" {
		t.Errorf("got %v, want that the dead letters are missing", err)
	}
}

// deadLetters are the dead letters of all lanes; f.dead are those of the users.
func (f *fixture) deadLetters() stranded.Queues {
	all := stranded.Queues{}
	for _, lane := range stranded.Lanes {
		all[lane] = &letters{}
	}
	all[store.UsersLive] = &f.dead
	return all
}

// letters are dead letters, each of which is received until it is deleted.
type letters struct {
	mu   sync.Mutex
	held []queue.Received
}

// Receive implements stranded.DeadLetters.
func (l *letters) Receive(context.Context, int, time.Duration) ([]queue.Received, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	received := l.held
	l.held = nil
	return received, nil
}

// Delete implements stranded.DeadLetters.
func (*letters) Delete(context.Context, ...string) error { return nil }

// What was received too often is taken out of the dead letters: the user is parked, with
// the reason.
func TestADeadLetterIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		m, err := reconcile.Task{Directory: dir, User: ann, Cause: plan.Cause{Type: "user_update", ID: "e1", At: time.Now().UTC()}}.Message()
		f.must(err)
		f.dead.held = []queue.Received{{Body: m.Body, ReceiveCount: 21}}
		f.must(f.handler.Handle(t.Context(), events.EventBridgeEvent{}))
		known, err := f.store.User(t.Context(), organization, ann)
		f.must(err)
		link, _ := known.Link(dir)
		if link.Status != directory.Parked || link.Reason != directory.Stranded {
			t.Errorf("the link is %s (%s), want %s (%s)", link.Status, link.Reason, directory.Parked, directory.Stranded)
		}
	})
}
