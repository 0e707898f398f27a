package stranded_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
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
	ann          = directory.UserID("64a1b2c3d4e5f60718293a4b")
	design       = directory.GroupID("64a1b2c3d4e5f60718293aff")
	canary       = "canary-sealed-password"
)

// fixture is a table with Ann, who is in sync in two directories, and the group Design in
// the first, and a dead-letter queue for each lane.
type fixture struct {
	*testing.T
	store    *store.Store
	dead     map[store.Lane]*boltqueue.Queue
	metrics  *metric.Memory
	log      bytes.Buffer
	one, two directory.ID
	taker    stranded.Taker
	changed  time.Time // when JumpCloud changed Ann
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, dead: map[store.Lane]*boltqueue.Queue{}, metrics: &metric.Memory{}, one: directory.NewID(organization, "one"), two: directory.NewID(organization, "two"), changed: time.Now().UTC()}
	table, err := bolttable.Open(filepath.Join(localtest.Folder(t), "table.db"))
	f.must(err)
	t.Cleanup(func() { f.must(table.Close()) })
	f.store = store.New(table)
	queues, err := boltqueue.Open(filepath.Join(localtest.Folder(t), "queues.db"))
	f.must(err)
	t.Cleanup(func() { f.must(queues.Close()) })
	dead := stranded.Queues{}
	for _, lane := range stranded.Lanes {
		f.dead[lane], err = queues.Queue(boltqueue.Config{Name: string(lane) + "-dead", Visibility: time.Minute})
		f.must(err)
		dead[lane] = f.dead[lane]
	}
	for _, id := range []directory.ID{f.one, f.two} {
		f.must(f.store.Connect(t.Context(), id, ann, directory.Direct, f.changed))
		f.must(f.store.ChangeLink(t.Context(), id, ann, func(l directory.Link) directory.Link {
			l.Status, l.State, l.EntraID, l.LastEventAt = directory.Synced, directory.Enabled, "account", f.changed.Add(-time.Hour)
			return l
		}))
	}
	_, err = f.store.ConnectGroup(t.Context(), f.one, design, directory.Direct, f.changed)
	f.must(err)
	f.taker, err = stranded.New(stranded.Config{Store: f.store, Dead: dead, Metrics: f.metrics})
	f.must(err)
	return f
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// send puts a message into the dead letters of a lane.
func (f *fixture) send(lane store.Lane, m queue.Message, err error) {
	f.Helper()
	f.must(err)
	f.must(f.dead[lane].Send(f.Context(), m))
}

// cause is the event of a change of Ann.
func (f *fixture) cause() plan.Cause {
	return plan.Cause{Type: "user_suspended", ID: "event-1", At: f.changed, Event: true}
}

// event is a message with an event about a resource.
func (f *fixture) event(kind, resource, id string) (queue.Message, error) {
	return jumpcloud.Change{Organization: organization, Event: jumpcloud.Event{ID: "event-1", Type: kind, Timestamp: f.changed, Resource: jumpcloud.Resource{ID: id, Type: resource}}}.Message()
}

// take takes the dead letters and returns how many.
func (f *fixture) take() int {
	f.Helper()
	n, err := f.taker.Take(zerolog.New(zerolog.SyncWriter(&f.log)).WithContext(f.Context()))
	f.must(err)
	return n
}

func (f *fixture) user(id directory.ID) directory.Link {
	f.Helper()
	user, err := f.store.User(f.Context(), organization, ann)
	f.must(err)
	link, _ := user.Link(id)
	return link
}

func (f *fixture) group() directory.GroupLink {
	f.Helper()
	group, err := f.store.Group(f.Context(), organization, design)
	f.must(err)
	link, _ := group.Link(f.one)
	return link
}

// records are the stranded messages of a list.
func (f *fixture) records(organization directory.OrganizationID, id directory.ID) []store.Stranded {
	f.Helper()
	list, err := f.store.StrandedMessages(f.Context(), store.StrandedFilter{Organization: organization, Directory: id}, 100, "")
	f.must(err)
	return slices.DeleteFunc(list.Items, func(m store.Stranded) bool { return m.Organization != organization || m.Directory != id })
}

// events are the reasons of the failed actions of a directory, as GET /v1/events shows them.
func (f *fixture) events(id directory.ID) (reasons []directory.Reason) {
	f.Helper()
	list, err := f.store.CompletedActions(f.Context(), store.ActionQuery{Directory: id})
	f.must(err)
	for _, a := range list.Items {
		reasons = append(reasons, a.Error.Reason)
	}
	return reasons
}

// left counts the messages in all dead letters.
func (f *fixture) left() (n int) {
	f.Helper()
	for _, q := range f.dead {
		depth, err := q.Depth(f.Context())
		f.must(err)
		n += depth.Visible + depth.InFlight
	}
	return n
}

// A dead letter marks whom it is about, in every lane, and is kept where it belongs.
func TestADeadLetterMarksWhomItIsAbout(t *testing.T) {
	for name, tc := range map[string]struct {
		send             func(*fixture)
		users            map[string]bool // the directories in which Ann is parked
		group            bool
		directory, among int // records of the first directory, and of the organization
	}{
		"a task of a user": {send: func(f *fixture) {
			m, err := reconcile.Task{Directory: f.one, User: ann, Cause: f.cause()}.Message()
			f.send(store.UsersLive, m, err)
		}, users: map[string]bool{"one": true}, directory: 1},
		"a task of the bulk lane": {send: func(f *fixture) {
			m, err := reconcile.Task{Directory: f.one, User: ann, Cause: f.cause()}.Message()
			f.send(store.UsersBulk, m, err)
		}, users: map[string]bool{"one": true}, directory: 1},
		"a task of a group": {send: func(f *fixture) {
			m, err := reconcile.GroupTask{Directory: f.one, Group: design, Cause: f.cause()}.Message()
			f.send(store.GroupsLive, m, err)
		}, group: true, directory: 1},
		"a task of a connection source": {send: func(f *fixture) {
			m, err := reconcile.GroupTask{Directory: f.one, Source: true, Cause: f.cause()}.Message()
			f.send(store.GroupsBulk, m, err)
		}, directory: 1},
		"a task of somebody who is unknown": {send: func(f *fixture) {
			m, err := reconcile.Task{Directory: f.one, User: "64a1b2c3d4e5f60718293a00", Cause: f.cause()}.Message()
			f.send(store.UsersLive, m, err)
		}, directory: 1},
		"an event about a user": {send: func(f *fixture) {
			m, err := f.event("user_suspended", "user", string(ann))
			f.send(store.Changes, m, err)
		}, users: map[string]bool{"one": true, "two": true}, among: 1},
		"an event about a group": {send: func(f *fixture) {
			m, err := f.event("group_update", "user_group", string(design))
			f.send(store.Changes, m, err)
		}, group: true, among: 1},
		"an event about a membership": {send: func(f *fixture) {
			m, err := jumpcloud.Change{Organization: organization, Event: jumpcloud.Event{ID: "event-1", Type: "association_change", Timestamp: f.changed, Association: &jumpcloud.Association{
				Op: "add", From: jumpcloud.End{ID: string(design), Type: "user_group"}, To: jumpcloud.End{ID: string(ann), Type: "user"}}}}.Message()
			f.send(store.Changes, m, err)
		}, users: map[string]bool{"one": true, "two": true}, group: true, among: 1},
		"an event without an object": {send: func(f *fixture) {
			m, err := f.event("organization_update", "organization", string(organization))
			f.send(store.Changes, m, err)
		}, among: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				tc.send(f)
				if n := f.take(); n != 1 || f.left() != 0 {
					t.Fatalf("took %d and left %d, want 1 and 0", n, f.left())
				}
				for dir, id := range map[string]directory.ID{"one": f.one, "two": f.two} {
					link, parked := f.user(id), tc.users[dir]
					if is := link.Status == directory.Parked && link.Reason == directory.Stranded && strings.Contains(link.Message, "/v1/dead-letters/redrive"); is != parked {
						t.Errorf("%s: %s %s %q, want parked as stranded: %t", dir, link.Status, link.Reason, link.Message, parked)
					}
					if got := slices.Equal(f.events(id), []directory.Reason{directory.Stranded}); got != parked {
						t.Errorf("%s: events %v, want one of stranded: %t", dir, f.events(id), parked)
					}
				}
				if is := f.group().Reason == directory.Stranded; is != tc.group {
					t.Errorf("group %+v, want stranded: %t", f.group().Standing, tc.group)
				}
				if own, other := len(f.records(organization, f.one)), len(f.records(organization, "")); own != tc.directory || other != tc.among {
					t.Errorf("%d records of the directory and %d of the organization, want %d and %d", own, other, tc.directory, tc.among)
				}
				if n := f.metrics.Counts(); len(n) != 1 {
					t.Errorf("counted %v, want one stranded", n)
				}
				if !strings.Contains(f.log.String(), "received too often") {
					t.Errorf("the log is %s, want a line about it", f.log.String())
				}
			})
		})
	}
}

// A user to whom a later change was applied is not marked; a task that asks for more than
// the later change did is.
func TestWhatIsOvertakenMarksNobody(t *testing.T) {
	for name, tc := range map[string]struct {
		task func(*reconcile.Task)
		link func(*fixture, *directory.Link)
		want directory.LinkStatus
	}{
		"nothing later":  {func(*reconcile.Task) {}, func(*fixture, *directory.Link) {}, directory.Parked},
		"a later event":  {func(*reconcile.Task) {}, func(f *fixture, l *directory.Link) { l.LastEventAt = f.changed.Add(time.Second) }, directory.Synced},
		"the same event": {func(*reconcile.Task) {}, func(f *fixture, l *directory.Link) { l.LastEventAt = f.changed }, directory.Parked},
		"later and begun": {func(*reconcile.Task) {}, func(f *fixture, l *directory.Link) {
			l.LastEventAt, l.OpenActions = f.changed.Add(time.Second), []string{"a"}
		}, directory.Parked},
		"later, memberships": {func(t *reconcile.Task) { t.Memberships = true }, func(f *fixture, l *directory.Link) { l.LastEventAt = f.changed.Add(time.Second) }, directory.Parked},
		"later, no time":     {func(t *reconcile.Task) { t.Cause.At = time.Time{} }, func(f *fixture, l *directory.Link) { l.LastEventAt = f.changed.Add(time.Second) }, directory.Parked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.must(f.store.ChangeLink(t.Context(), f.one, ann, func(l directory.Link) directory.Link {
					tc.link(f, &l)
					return l
				}))
				task := reconcile.Task{Directory: f.one, User: ann, Cause: f.cause()}
				tc.task(&task)
				m, err := task.Message()
				f.send(store.UsersLive, m, err)
				f.take()
				if link := f.user(f.one); link.Status != tc.want {
					t.Errorf("%s, want %s", link.Status, tc.want)
				}
				if events, records := len(f.events(f.one)), len(f.records(organization, f.one)); (events == 1) != (tc.want == directory.Parked) || records != 1 {
					t.Errorf("%d events and %d records, want an event if it is parked, and 1", events, records)
				}
			})
		})
	}
}

// What cannot be read is kept too, and counted.
func TestWhatCannotBeReadIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		for _, lane := range stranded.Lanes {
			f.send(lane, queue.Message{Body: []byte("{"), GroupID: "g", DedupID: "d"}, nil)
		}
		if n := f.take(); n != len(stranded.Lanes) || f.left() != 0 {
			t.Errorf("took %d and left %d, want %d and 0", n, f.left(), len(stranded.Lanes))
		}
		records := f.records("", "")
		for _, r := range records {
			if r.Unreadable == "" || string(r.Body) != "{" {
				t.Errorf("%+v, want why it cannot be read, and its body", r)
			}
		}
		if len(records) != len(stranded.Lanes) || f.metrics.Counts()[metric.Key("stranded", "queue", "users-live")] != 1 {
			t.Errorf("%d records, %v, want %d, one count for each lane", len(records), f.metrics.Counts(), len(stranded.Lanes))
		}
	})
}

// What does not fit a record stays a dead letter.
func TestWhatIsTooLargeStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.send(store.Changes, queue.Message{Body: bytes.Repeat([]byte("a"), 300<<10), GroupID: "g", DedupID: "d"}, nil)
		f.take()
		if records := f.records("", ""); len(records) != 1 || records[0].Body != nil || f.left() != 1 {
			t.Errorf("%d records, %d left, want one without a body and the message", len(records), f.left())
		}
	})
}

// A password that was on its way is not stored; its action and the links say that it has to
// be set again.
func TestAPasswordIsNotStored(t *testing.T) {
	for _, status := range []plan.Status{plan.Queued, plan.Started, plan.Succeeded} {
		t.Run(string(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				action := plan.Action{ID: "a1", Type: plan.SetPassword, Directory: f.one, Subject: plan.Subject{Kind: "user", ID: string(ann)}, EntraID: "account", Status: status, At: f.changed}
				f.must(f.store.RecordActions(t.Context(), action))
				for _, id := range []directory.ID{f.one, f.two} {
					f.must(f.store.ChangeLink(t.Context(), id, ann, func(l directory.Link) directory.Link {
						if l.PasswordDiffers = nil; status != plan.Succeeded {
							l.PasswordDiffers = &directory.Obstacle{Reason: directory.PasswordPending}
						}
						return l
					}))
				}
				m, err := reconcile.Task{Directory: f.one, User: ann, Password: &reconcile.SealedPassword{Action: "a1", Sealed: canary, Also: []directory.ID{f.two}}}.Message()
				f.send(store.UsersLive, m, err)
				f.send(store.UsersBulk, queue.Message{Body: []byte(`{"password":{"sealed":"` + canary), GroupID: "g", DedupID: "d"}, nil)
				f.take()
				closed, err := f.store.Action(t.Context(), organization, "a1")
				f.must(err)
				for _, id := range []directory.ID{f.one, f.two} {
					link := f.user(id)
					if status == plan.Succeeded {
						if closed.Status != plan.Succeeded || link.PasswordDiffers != nil {
							t.Errorf("%+v, %+v, want a password that was set to stay so", closed, link.PasswordDiffers)
						}
						continue
					}
					if closed.Status != plan.Failed || closed.Error.Reason != directory.Interrupted || closed.CompletedAt.IsZero() {
						t.Errorf("%+v, want failed as interrupted", closed)
					}
					if link.Status != directory.Synced || link.PasswordDiffers == nil || link.PasswordDiffers.Reason != directory.Interrupted || !strings.Contains(link.PasswordDiffers.Message, "Set it again") {
						t.Errorf("link %s, %+v, want in sync, with a password to set again", link.Status, link.PasswordDiffers)
					}
				}
				records := slices.Concat(f.records(organization, f.one), f.records("", ""))
				if len(records) != 2 || f.left() != 0 {
					t.Errorf("%d records, %d left, want 2 and 0", len(records), f.left())
				}
				for _, r := range records {
					if text := fmt.Sprintf("%s %+v", r.Body, r); !r.Password || strings.Contains(text, canary) || strings.Contains(f.log.String(), canary) {
						t.Errorf("the sealed password is stored or logged: %s", text)
					}
				}
			})
		})
	}
}

// A process that dies at any point leaves a dead letter, which is taken again: nothing is
// there twice.
func TestTakingTwiceIsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		m, err := reconcile.Task{Directory: f.one, User: ann, Cause: f.cause()}.Message()
		f.send(store.UsersLive, m, err)
		undeleted := undeletable{f.dead[store.UsersLive]}
		f.taker.Dead[store.UsersLive] = undeleted
		for range 3 { // died before the message was deleted
			if _, err := f.taker.Take(t.Context()); err == nil {
				t.Fatal("want the error of the deletion")
			}
			time.Sleep(time.Minute)
		}
		f.taker.Dead[store.UsersLive] = undeleted.DeadLetters
		f.take()
		if records, events := f.records(organization, f.one), f.events(f.one); len(records) != 1 || len(events) != 1 || f.left() != 0 {
			t.Errorf("%d records, %d events, %d left, want 1, 1 and 0", len(records), len(events), f.left())
		}
	})
}

// undeletable are dead letters whose process dies before it deletes them.
type undeletable struct{ stranded.DeadLetters }

func (undeletable) Delete(context.Context, ...string) error {
	return fault.New(fault.Transient, "test", "died")
}

// A run ends before its time is over.
func TestTakeEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		for i := range 30 {
			f.send(store.UsersLive, queue.Message{Body: []byte("{"), GroupID: "g", DedupID: fmt.Sprint(i)}, nil)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		f.taker.Dead[store.UsersLive] = slow{f.dead[store.UsersLive]}
		if n, err := f.taker.Take(ctx); err != nil || n != 20 || ctx.Err() != nil {
			t.Errorf("took %d, %v, %v, want two batches within the time", n, err, ctx.Err())
		}
	})
}

// slow are dead letters that take half a minute to receive.
type slow struct{ stranded.DeadLetters }

func (s slow) Receive(ctx context.Context, limit int, wait time.Duration) ([]queue.Received, error) {
	time.Sleep(25 * time.Second)
	return s.DeadLetters.Receive(ctx, limit, wait)
}

// Whoever forgets a part learns it at the start.
func TestMissingParts(t *testing.T) {
	f := newFixture(t)
	for _, c := range []stranded.Config{{}, {Store: f.store}, {Store: f.store, Metrics: f.metrics, Dead: stranded.Queues{store.Changes: f.dead[store.Changes]}}} {
		if _, err := stranded.New(c); !fault.Is(err, fault.Internal) {
			t.Errorf("%+v: %v, want a fault of kind %s", c, err, fault.Internal)
		}
	}
}
