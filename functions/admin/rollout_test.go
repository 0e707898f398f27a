package admin_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// mortal is a process that dies at the nth of its calls of the table and of the queues. Once
// it is dead no call has an effect.
type mortal struct {
	store.Table
	mu       sync.Mutex
	calls, n int
	dead     bool
}

// call counts a call; it is an error if the process is dead, or dies now.
func (m *mortal) call() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls++; m.calls == m.n {
		m.dead = true
	}
	if m.dead {
		return fault.New(fault.Internal, "test", "the process is dead") // nobody sees it
	}
	return nil
}

func (m *mortal) Get(ctx context.Context, key store.Key) (store.Item, error) {
	if err := m.call(); err != nil {
		return store.Item{}, err
	}
	return m.Table.Get(ctx, key)
}

func (m *mortal) Query(ctx context.Context, q store.Query) (store.Page, error) {
	if err := m.call(); err != nil {
		return store.Page{}, err
	}
	return m.Table.Query(ctx, q)
}

func (m *mortal) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	if err := m.call(); err != nil {
		return 0, err
	}
	return m.Table.Put(ctx, item, cond)
}

func (m *mortal) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	if err := m.call(); err != nil {
		return err
	}
	return m.Table.Delete(ctx, key, cond)
}

func (m *mortal) Transact(ctx context.Context, writes []store.Write) error {
	if err := m.call(); err != nil {
		return err
	}
	return m.Table.Transact(ctx, writes)
}

// mortalLane is a queue to which a process that may die sends.
type mortalLane struct {
	to      queue.Sender
	process *mortal
}

func (l mortalLane) Send(ctx context.Context, messages ...queue.Message) error {
	if err := l.process.call(); err != nil {
		return err
	}
	return l.to.Send(ctx, messages...)
}

// must ends the test on an error.
func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// dies makes the API a process that dies at its nth call.
func (f *fixture) dies(n int) *mortal {
	f.t.Helper()
	m := &mortal{Table: f.table, n: n}
	a, lane := f.api, func(to queue.Sender) queue.Sender { return mortalLane{to, m} }
	a.Store = store.New(m)
	a.Lanes = reconcile.Lanes{UsersLive: lane(f.live), UsersBulk: lane(f.bulk), GroupsLive: lane(f.groupsLive), GroupsBulk: lane(f.groupsBulk)}
	f.serve(a)
	return m
}

// sent takes all tasks of the bulk lanes, as sorted text, each once.
func (f *fixture) sent() (tasks []string) {
	f.t.Helper()
	for _, body := range f.bodies(f.bulk) {
		task, err := reconcile.ReadTask(body)
		if err != nil {
			f.t.Fatal(err)
		}
		tasks = append(tasks, "user "+string(task.User)+" "+task.Cause.Type)
	}
	for _, body := range f.bodies(f.groupsBulk) {
		task, err := reconcile.ReadGroupTask(body)
		if err != nil {
			f.t.Fatal(err)
		}
		tasks = append(tasks, fmt.Sprintf("group %s %s, all %t, source %t, later %t", task.Group, task.Cause.Type, task.AllMembers, task.Source, !task.NotBefore.IsZero()))
	}
	slices.Sort(tasks)
	return slices.Compact(tasks)
}

// sweep runs the sweep once, and returns the tasks that it sent.
func (f *fixture) sweep() []string {
	f.t.Helper()
	if err := (reconcile.Sweep{Store: f.records, Users: f.bulk, Groups: f.groupsBulk, Metrics: &metric.Memory{}}).Run(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	return f.sent()
}

// Wherever the process dies that changes a directory: if the settings are stored, they are
// applied to everybody, and once only.
func TestStoredSettingsAreApplied(t *testing.T) {
	const source = `{"connectionSource":{"type":"office_365","id":"6510000000000000000000f1"}}`
	readSource := []string{"group  connection_source, all false, source true, later false", "group  connection_source, all false, source true, later true"}
	everybody := []string{"group " + engineering + " settings_changed, all true, source false, later false", "user " + ann + " settings_changed", "user bob settings_changed"}
	for name, tc := range map[string]struct {
		creates  bool
		settings string
		want     []string
	}{
		"a setting":                {false, `{"suspendOnLockout":true}`, everybody},
		"the connection source":    {false, source, append(slices.Clone(readSource), everybody...)},
		"a new directory":          {true, `{"suspendOnLockout":true}`, nil},
		"a new one, with a source": {true, source, readSource},
	} {
		t.Run(name, func(t *testing.T) {
			for n, died := 1, true; died; n++ {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					method, path, body := "POST", "/v1/directories", `{"name":"Contoso","organizationId":"`+organization+`","tenantId":"`+tenant+`","settings":`+tc.settings+`}`
					if !tc.creates {
						id := directory.ID(f.directory("{}"))
						for _, user := range []directory.UserID{ann, "bob"} {
							f.must(f.records.Connect(t.Context(), id, user, directory.Direct, time.Now().UTC()))
							f.must(f.records.ChangeLink(t.Context(), id, user, func(l directory.Link) directory.Link { l.Status = directory.Synced; return l }))
						}
						_, err := f.records.ConnectGroup(t.Context(), id, engineering, directory.Direct, time.Now().UTC())
						f.must(err)
						f.groupLink(string(id), engineering, func(l *directory.GroupLink) { l.Status = directory.Synced })
						method, path, body = "PATCH", path+"/"+string(id), `{"settings":`+tc.settings+`}`
					}
					process := f.dies(n)
					status, _ := f.call(method, path, body)
					died = process.dead
					got := f.sent()
					time.Sleep(20 * time.Minute)
					got = append(got, f.sweep()...)
					slices.Sort(got)
					got = slices.Compact(got)
					all, err := f.records.AllDirectories(t.Context())
					f.must(err)
					stored := false
					for _, known := range all {
						d, err := f.records.Directory(t.Context(), known.ID)
						f.must(err)
						stored = stored || d.Settings.SuspendOnLockout || d.Settings.ConnectionSource.Type == directory.Office365Source
					}
					want := tc.want
					if !stored {
						want = nil
					}
					slices.Sort(want)
					if !slices.Equal(got, want) || !died && status >= 300 {
						t.Errorf("call %d: answered %d, stored %t, sent %q, want %q", n, status, stored, got, want)
					}
					time.Sleep(time.Hour)
					if again := f.sweep(); len(again) > 0 {
						t.Errorf("call %d: sent %q again, want nothing", n, again)
					}
				})
			}
		})
	}
}

// A second change takes over what a first one did not finish.
func TestASecondChangeOfTheSettingsFinishesTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.directory("{}")
		f.must(f.records.Connect(t.Context(), directory.ID(id), ann, directory.Direct, time.Now().UTC()))
		for n := 1; ; n++ {
			if f.dies(n); n > 100 {
				t.Fatal("the settings are not stored at any call, want a call after which they are")
			}
			f.call("PATCH", "/v1/directories/"+id, `{"settings":{"connectionSource":{"type":"office_365","id":"6510000000000000000000f1"}}}`)
			if d, err := f.records.Directory(t.Context(), directory.ID(id)); err != nil || d.Settings.ConnectionSource.Type == directory.Office365Source {
				f.must(err)
				break
			}
		}
		if got := f.sent(); len(got) > 0 {
			t.Fatalf("sent %q, want that the process died before", got)
		}
		f.serve(f.api)
		if status, _ := f.call("PATCH", "/v1/directories/"+id, `{"settings":{"suspendOnLockout":true}}`); status != 200 {
			t.Fatalf("got %d, want 200", status)
		}
		want := []string{"group  connection_source, all false, source true, later false", "group  connection_source, all false, source true, later true", "user " + ann + " settings_changed"}
		if got := f.sent(); !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
	})
}
