package groups_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/groups"
	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/metric"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// diesAt handles messages in a process that dies before its nth call of the table, a queue,
// JumpCloud or Graph; it reports whether it had so many.
func (f *fixture) diesAt(n int, messages ...events.SQSMessage) bool {
	f.t.Helper()
	m := functiontest.NewMortal(2*n - 1)
	handler, err := groups.New(groups.Config{
		Parts: reconcile.Parts{Store: store.New(m.Table(f.Table)), Clients: f.ClientsThrough(m.Transport(f)), Metrics: &metric.Memory{},
			Lanes: reconcile.Lanes{UsersLive: m.Sender(&f.userTasks), UsersBulk: m.Sender(&f.userTasks), GroupsLive: m.Sender(&f.groups), GroupsBulk: m.Sender(&f.groups)}},
		Postponer: f, MaxReceives: maxReceives,
	})
	f.must(err)
	_, err = handler.Handle(context.Background(), events.SQSEvent{Records: messages})
	f.must(err)
	return m.Died() != ""
}

// The process dies at any of its calls, and its message comes again. After that Entra is as
// it should be, every action has ended, and nothing is left for the sweep.
func TestTheProcessDiesAtAnyCall(t *testing.T) {
	type outcome struct {
		members []string
		name    string
		groups  int // in Entra that are not deleted
		status  directory.LinkStatus
	}
	ofSales := func(members ...string) outcome { return outcome{members, "Sales", 1, directory.Synced} }
	for name, tc := range map[string]struct {
		there  bool // the group is in sync before
		change func(f *fixture, id directory.GroupID, ann, bob, cat directory.UserID)
		want   outcome
	}{
		"connected": {false, func(*fixture, directory.GroupID, directory.UserID, directory.UserID, directory.UserID) {}, ofSales("ann", "bob")},
		"joined": {true, func(f *fixture, id directory.GroupID, _, _, cat directory.UserID) {
			f.must(f.jumpcloud.AddMember(string(id), string(cat)))
			f.changed(cat)
		}, ofSales("ann", "bob", "cat")},
		"left": {true, func(f *fixture, id directory.GroupID, ann, _, _ directory.UserID) {
			f.must(f.jumpcloud.RemoveMember(string(id), string(ann)))
			f.changed(ann)
		}, ofSales("bob")},
		"renamed": {true, func(f *fixture, id directory.GroupID, _, _, _ directory.UserID) {
			f.must(f.jumpcloud.RenameGroup(string(id), "Field sales"))
		}, outcome{[]string{"ann", "bob"}, "Field sales", 1, directory.Synced}},
		"disconnected": {true, func(f *fixture, id directory.GroupID, _, _, _ directory.UserID) { f.disconnect(id) },
			outcome{nil, "", 0, directory.Released}},
		"back": {true, func(f *fixture, id directory.GroupID, _, _, _ directory.UserID) {
			f.settings(func(s *directory.Settings) { s.DeleteGroups = false })
			f.disconnect(id)
			f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
			f.finish()
			f.connect(id)
		}, ofSales("ann", "bob")},
	} {
		t.Run(name, func(t *testing.T) {
			for n, died := 1, true; died; n++ {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					f.settings(func(s *directory.Settings) { s.DeleteGroups = true })
					ann, bob, cat := f.person("ann"), f.person("bob"), f.person("cat")
					f.must(f.store.Connect(t.Context(), f.directory.ID, cat, directory.Direct, time.Now().UTC()))
					f.changed(cat)
					id := f.group("Sales", ann, bob)
					if tc.there {
						f.run(id)
						f.finish()
					}
					tc.change(f, id, ann, bob, cat)
					m := f.message(reconcile.GroupTask{Group: id, AllMembers: !tc.there}, 1)
					died = f.diesAt(n, m)
					time.Sleep(6 * time.Minute) // until the message is visible again
					f.handle(m)
					f.finish()
					for range 2 {
						time.Sleep(11 * time.Minute)
						f.sweep()
						f.finish()
					}
					f.settledAs(n, id, tc.want.status)
					link, live := f.link(id), f.live()
					got := outcome{nil, "", len(live), link.Status}
					if len(live) == 1 {
						got.members, got.name = f.names(id), live[0].DisplayName
					}
					if !slices.Equal(got.members, tc.want.members) || got.name != tc.want.name || got.groups != tc.want.groups {
						t.Errorf("call %d: got %+v, want %+v; link %+v", n, got, tc.want, link)
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

// settledAs checks that nothing about a group is left to do after a death at the nth call.
func (f *fixture) settledAs(n int, id directory.GroupID, status directory.LinkStatus) {
	f.t.Helper()
	for _, a := range f.actions() {
		if !a.Completed() {
			f.t.Errorf("call %d: the action %s is %s, want it ended", n, a.Type, a.Status)
		}
	}
	if link := f.link(id); link.Status != status || len(link.OpenActions) > 0 || link.NotifyPending {
		f.t.Errorf("call %d: got the link %+v, want status %s, no open action and nobody to notify", n, link, status)
	}
	page, err := f.store.Unfinished(context.Background(), f.directory.ID, 0, "")
	if err != nil || len(page.Items) > 0 {
		f.t.Errorf("call %d: got %d unfinished records, %v; want none", n, len(page.Items), err)
	}
}
