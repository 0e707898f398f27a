package groups_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// sweep runs the sweep and returns how many tasks of groups it sent.
func (f *fixture) sweep() int {
	f.t.Helper()
	groupTasks := counting{Sender: &f.groups}
	f.must(reconcile.Sweep{Store: f.store, Users: &f.userTasks, Groups: &groupTasks, Metrics: &metric.Memory{}}.Run(context.Background()))
	return groupTasks.sent
}

// counting counts the messages that are sent.
type counting struct {
	queue.Sender
	sent int
}

func (c *counting) Send(ctx context.Context, messages ...queue.Message) error {
	c.sent += len(messages)
	return c.Sender.Send(ctx, messages...)
}

// A process died while it added a member, and the group ended before the next attempt. The
// action is ended soon, and then nothing is left to do: the sweep sends no more tasks. If
// the group comes back, it is compared with Entra: who was added by the dead process and
// is no member any more is removed.
func TestAnOpenActionOfAGroupThatEnded(t *testing.T) {
	type step = func(*fixture, directory.GroupID)
	rename := func(name string) step {
		return func(f *fixture, id directory.GroupID) { f.must(f.jumpcloud.RenameGroup(string(id), name)) }
	}
	for name, tc := range map[string]struct {
		end, back step
		status    directory.LinkStatus
	}{
		"released": {(*fixture).disconnect, (*fixture).connect, directory.Released},
		"parked":   {rename(strings.Repeat("long", 100)), rename("Sales"), directory.Parked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann, bob := f.person("ann"), f.person("bob")
				f.must(f.store.Connect(t.Context(), f.directory.ID, bob, directory.Direct, time.Now().UTC()))
				f.changed(bob)
				id := f.group("Sales", ann)
				f.run(id)
				f.finish()
				f.must(f.jumpcloud.AddMember(string(id), string(bob)))
				f.after = onWrite(2, func() { panic(death{}) })
				f.dies(func() { f.run(id) })
				f.after = nil
				if open := f.link(id).OpenActions; len(open) != 1 {
					t.Fatalf("got the open actions %v, want one: the test shows nothing", open)
				}
				time.Sleep(2 * time.Minute)
				tc.end(f, id)
				f.run(id)
				f.finish()
				if link := f.link(id); link.Status != tc.status {
					t.Fatalf("got the status %s (%s), want %s", link.Status, link.Reason, tc.status)
				}
				sent := 0
				for range 24 * 12 {
					time.Sleep(5 * time.Minute)
					sent += f.sweep()
					f.finish()
				}
				if sent > 1 {
					t.Errorf("the sweep sent %d tasks in a day, want one at most: %+v", sent, f.link(id))
				}
				for _, a := range f.actions() {
					if !a.Completed() {
						t.Errorf("the action %s (%s) is %s, want it ended", a.ID, a.Type, a.Status)
					}
				}
				page, err := f.store.Unfinished(t.Context(), f.directory.ID, 0, "")
				f.must(err)
				for _, u := range page.Items {
					if tc.status != directory.Parked || u.Kind != store.DirtyMember { // which waits for the group
						t.Errorf("got an unfinished record of kind %s, want none", u.Kind)
					}
				}
				f.must(f.jumpcloud.RemoveMember(string(id), string(bob)))
				tc.back(f, id)
				f.run(id)
				f.finish()
				if got := f.names(id); len(got) != 1 || got[0] != "ann" || len(f.link(id).OpenActions) > 0 {
					t.Errorf("after the return: got the members %q and the link %+v, want ann and no open action", got, f.link(id))
				}
			})
		})
	}
}
