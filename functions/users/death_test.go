package users_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/users"
	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// dies handles messages in a process that dies at its nth call; it reports whether it had
// so many.
func (f *fixture) dies(n int, messages ...events.SQSMessage) bool {
	f.t.Helper()
	return f.diesAt(2*n-1, messages...) // before the call
}

// diesAt handles messages in a process that dies at its nth moment, before or after a call.
func (f *fixture) diesAt(n int, messages ...events.SQSMessage) bool {
	f.t.Helper()
	m := functiontest.NewMortal(n)
	handler, err := users.New(users.Config{
		Parts: reconcile.Parts{Store: store.New(m.Table(f.Table)), Clients: f.ClientsThrough(m.Transport(f)), Metrics: f.metrics,
			Lanes: reconcile.Lanes{UsersLive: m.Sender(f), UsersBulk: m.Sender(f), GroupsLive: unread{}, GroupsBulk: unread{}}},
		PasswordSeed: f.passwordSeed, Postponer: f, MaxReceives: maxReceives,
	})
	f.must(err)
	_, err = handler.Handle(context.Background(), events.SQSEvent{Records: messages})
	f.must(err)
	return m.Died() != ""
}

// drain handles the tasks that were sent, and those that come of them.
func (f *fixture) drain() {
	f.t.Helper()
	for range 100 {
		if len(f.again) == 0 {
			return
		}
		f.drainOnce()
	}
	f.t.Fatalf("%d tasks are left after 100 rounds", len(f.again))
}

// drainOnce handles the tasks that were sent so far, and waits a little.
func (f *fixture) drainOnce() {
	f.t.Helper()
	tasks := f.again
	f.again = nil
	for _, m := range tasks {
		f.messages++
		name := fmt.Sprintf("d%d", f.messages)
		if again := f.handOver(events.SQSMessage{MessageId: name, ReceiptHandle: name, Body: string(m.Body), EventSourceARN: "queue",
			Attributes: map[string]string{"ApproximateReceiveCount": "1"}}); len(again) > 0 {
			f.again = append(f.again, m)
		}
	}
	time.Sleep(20 * time.Second)
}

// The process dies at any of its calls, and its message comes again or, where the beginning
// left a record, is lost. After two runs of the sweep Entra is as it should be, every action
// has ended, and no link waits.
func TestTheProcessDiesAtAnyCall(t *testing.T) {
	none := func(*fixture, directory.UserID) {}
	for name, tc := range map[string]struct {
		before  func(*fixture, directory.UserID) // is done and applied
		change  func(*fixture, directory.UserID)
		begun   bool // an earlier process died while it sent the password
		lost    bool // the message
		enabled bool
		surname string
	}{
		"connected":                             {nil, none, false, false, true, "Lee"},
		"connected, the message is lost":        {nil, none, false, true, true, "Lee"},
		"changed":                               {none, func(f *fixture, id directory.UserID) { f.update(id, jumpcloudtest.Fields{"lastname": "Moss"}) }, false, false, true, "Moss"},
		"suspended":                             {none, func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.SuspendUser(string(id))) }, false, false, false, "Lee"},
		"left":                                  {none, (*fixture).disconnect, false, false, false, "Lee"},
		"left, and the message is lost":         {none, (*fixture).disconnect, false, true, false, "Lee"},
		"back":                                  {func(f *fixture, id directory.UserID) { f.disconnect(id); f.run(id) }, (*fixture).connect, false, false, true, "Lee"},
		"back, and the message is lost":         {func(f *fixture, id directory.UserID) { f.disconnect(id); f.run(id) }, (*fixture).connect, false, true, true, "Lee"},
		"a password":                            {none, nil, false, false, true, "Lee"},
		"a password, the message is lost":       {none, nil, false, true, true, "Lee"},
		"a password that was begun":             {none, nil, true, false, true, "Lee"},
		"a begun password, the message is lost": {none, nil, true, true, true, "Lee"},
	} {
		t.Run(name, func(t *testing.T) {
			for n, died := 1, true; died; n++ {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					ann := f.unconnected("ann", "ann@contoso.example")
					f.update(ann, jumpcloudtest.Fields{"lastname": "Lee"})
					f.connect(ann)
					if tc.before != nil {
						f.run(ann)
						tc.before(f, ann)
						f.drain()
						time.Sleep(15 * time.Minute)
					}
					var m events.SQSMessage
					if tc.change == nil {
						m = f.passwordFor(ann, newPassword, 1)
						if tc.begun {
							begun := f.actionOf(m)
							begun.Status = plan.Started
							f.must(f.store.RecordActions(t.Context(), begun))
						}
					} else {
						tc.change(f, ann)
						m = f.message(ann, 1)
					}
					died = f.dies(n, m)
					time.Sleep(6 * time.Minute)
					if !tc.lost {
						for range 20 {
							if len(f.handOver(m)) == 0 {
								break
							}
							time.Sleep(time.Minute)
						}
					}
					f.drain()
					wait := 11 * time.Minute
					if tc.change == nil {
						wait = 25 * time.Hour // it may be queued for a day
					}
					for range 2 {
						time.Sleep(wait)
						f.must(reconcile.Sweep{Store: f.store, Users: f, Groups: unread{}, Metrics: &metric.Memory{}}.Run(t.Context()))
						f.drain()
					}
					f.ended(n, ann)
					if account := f.account("ann@contoso.example"); account.AccountEnabled != tc.enabled || account.Text("surname") != tc.surname {
						t.Errorf("call %d: enabled is %t and the surname %q, want %t and %q: %+v", n, account.AccountEnabled, account.Text("surname"), tc.enabled, tc.surname, f.link(ann))
					}
				})
				if !died {
					t.Logf("died at each of %d calls", n-1)
				}
				if n > 300 {
					t.Fatal("an attempt takes more than 300 calls, want fewer")
				}
			}
		})
	}
}

// ended checks that nothing about a user is left to do after a death at the nth call.
func (f *fixture) ended(n int, id directory.UserID) {
	f.t.Helper()
	for _, a := range f.actions() {
		if !a.Completed() {
			f.t.Errorf("call %d: the action %s is %s, want it ended", n, a.Type, a.Status)
		}
		if a.Error != nil && a.Error.Reason == "" {
			f.t.Errorf("call %d: the action %s ended without a reason: %+v", n, a.Type, a.Error)
		}
	}
	link := f.link(id)
	pending := link.PasswordDiffers != nil && link.PasswordDiffers.Reason == directory.PasswordPending
	if len(link.OpenActions) > 0 || link.Status == directory.Pending || pending {
		f.t.Errorf("call %d: got the link %+v, want no open action, no status %s and no reason %s", n, link, directory.Pending, directory.PasswordPending)
	}
	page, err := f.store.Unfinished(context.Background(), f.directory.ID, 0, "")
	if err != nil || len(page.Items) > 0 {
		f.t.Errorf("call %d: got %d unfinished records, %v; want none", n, len(page.Items), err)
	}
	if set := f.account("ann@contoso.example"); f.hasPassword(set.UserPrincipalName, newPassword) {
		for _, a := range f.actions() {
			if a.Type == plan.SetPassword && a.Status == plan.Succeeded && link.PasswordDiffers != nil {
				f.t.Errorf("call %d: the account has the password, and the link says %+v", n, link.PasswordDiffers)
			}
		}
	}
}
