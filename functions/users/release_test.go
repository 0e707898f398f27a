package users_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/users"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// paused is a table that calls pause before each request, with what it is about.
type paused struct {
	store.Table
	pause func(key store.Key, writes bool)
}

func (p paused) Get(ctx context.Context, key store.Key) (store.Item, error) {
	p.pause(key, false)
	return p.Table.Get(ctx, key)
}

func (p paused) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	p.pause(keys[0], false)
	return p.Table.BatchGet(ctx, keys)
}

func (p paused) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	p.pause(item.Key, true)
	return p.Table.Put(ctx, item, cond)
}

func (p paused) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	p.pause(key, true)
	return p.Table.Delete(ctx, key, cond)
}

func (p paused) Transact(ctx context.Context, writes []store.Write) error {
	if len(writes) > 0 {
		p.pause(writes[0].Item.Key, true)
	}
	return p.Table.Transact(ctx, writes)
}

// worker handles a message in a process of its own, with its own table.
func (f *fixture) worker(table store.Table, m events.SQSMessage) {
	f.t.Helper()
	handler, err := users.New(users.Config{
		Parts: reconcile.Parts{Store: store.New(table), Clients: f.Clients(), Metrics: f.metrics,
			Lanes: reconcile.Lanes{UsersLive: f, UsersBulk: f, GroupsLive: unread{}, GroupsBulk: unread{}}},
		PasswordSeed: f.passwordSeed, Postponer: f, MaxReceives: maxReceives,
	})
	f.must(err)
	response, err := handler.Handle(context.Background(), events.SQSEvent{Records: []events.SQSMessage{m}})
	f.must(err)
	if len(response.BatchItemFailures) > 0 {
		f.sending.Lock()
		defer f.sending.Unlock()
		task, err := reconcile.ReadTask([]byte(m.Body))
		f.must(err)
		again, err := task.Message()
		f.must(err)
		f.again = append(f.again, again)
	}
}

// One worker releases a user who left, and gives up the claim on the account; another one, of
// the other lane, connects the user again meanwhile. Whatever they do first, the account
// belongs to the user in the end.
func TestAnAccountBelongsToWhoIsBackWhileItIsReleased(t *testing.T) {
	for name, stop := range map[string]func(key store.Key, writes bool) bool{
		"before the claim is read":  func(key store.Key, writes bool) bool { return key.SK == "owner" && !writes },
		"before the claim is ended": func(key store.Key, writes bool) bool { return key.SK == "owner" && writes },
	} {
		t.Run(name, func(t *testing.T) {
			for n, reached := 1, true; reached; n++ {
				synctest.Test(t, func(t *testing.T) { reached = testReleaseAt(t, n, stop) })
				if n > 100 {
					t.Fatal("an attempt takes more than 100 requests, want fewer")
				}
			}
		})
	}
}

// testReleaseAt stops the worker that releases the user until the other worker is at its nth
// request; it reports whether there was one.
func testReleaseAt(t *testing.T, n int, stop func(store.Key, bool) bool) (reached bool) {
	t.Helper()
	f := newFixture(t)
	ann := f.person("ann")
	f.run(ann)
	f.drain()
	time.Sleep(10 * time.Minute)
	f.disconnect(ann)
	stopped, goOn, released := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var once sync.Once
	go func() {
		defer close(released)
		f.worker(paused{f.Table, func(key store.Key, writes bool) {
			if stop(key, writes) {
				once.Do(func() { close(stopped); <-goOn })
			}
		}}, f.message(ann, 1))
	}()
	<-stopped
	f.connect(ann)
	calls := 0
	var counting sync.Mutex
	f.worker(paused{f.Table, func(store.Key, bool) {
		counting.Lock()
		defer counting.Unlock()
		if calls++; calls == n {
			reached = true
			close(goOn)
			<-released
		}
	}}, f.message(ann, 1))
	if !reached {
		close(goOn)
		<-released
	}
	f.drain()
	link := f.link(ann)
	owner, err := f.store.Owner(t.Context(), directory.TenantID(entratest.DefaultTenant().ID), link.EntraID)
	if err != nil || owner.User != ann || link.Freed || !f.account("ann@contoso.example").AccountEnabled {
		t.Errorf("request %d: the account belongs to %q, %v; the link is %s, freed %t, enabled %t; want that it is Ann's, and enabled",
			n, owner.User, err, link.Status, link.Freed, f.account("ann@contoso.example").AccountEnabled)
	}
	return reached
}
