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
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// days lets so many days pass, with a sweep every six hours.
func (f *fixture) days(n int) {
	f.t.Helper()
	for range n * 4 {
		time.Sleep(6*time.Hour + time.Minute)
		f.sweep()
		f.finish()
	}
}

// takenOut are the actions that took leavers out of groups.
func (f *fixture) takenOut() (actions []plan.Action) {
	f.t.Helper()
	list, err := f.store.Actions(context.Background(), f.directory.ID, 0, "")
	f.must(err)
	return slices.DeleteFunc(list.Items, func(a plan.Action) bool {
		return a.Type != plan.RemoveMembers || a.Reason != directory.LeaverReason || a.Status != plan.Succeeded
	})
}

// Who left with a group that is not connected any more is taken out of the group in Entra after
// the days of the setting, and those who are still connected stay in it. When the group comes
// back its members are added again.
func TestLeaversAreTakenOutOfFormerGroups(t *testing.T) {
	for name, end := range map[string]func(*fixture, directory.GroupID){
		"disconnected": (*fixture).disconnect,
		"deleted in JumpCloud": func(f *fixture, id directory.GroupID) {
			f.must(f.jumpcloud.DeleteGroup(string(id)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				days := 5
				f.settings(func(s *directory.Settings) { s.Leavers.RemoveFromGroups = &days })
				ann, bob, cid := f.person("ann"), f.person("bob"), f.person("cid")
				f.must(f.store.Connect(t.Context(), f.directory.ID, cid, directory.Direct, time.Now().UTC()))
				f.changed(cid)
				id := f.group("Sales", ann, bob, cid)
				f.run(id)
				f.finish()
				entraID := f.link(id).EntraID
				end(f, id)
				f.run(id)
				f.finish()
				f.days(4)
				if names := f.namesIn(entraID); !slices.Equal(names, []string{"ann", "bob", "cid"}) {
					t.Errorf("after 4 days the members are %v, want all three", names)
				}
				f.days(2)
				if names := f.namesIn(entraID); !slices.Equal(names, []string{"cid"}) {
					t.Errorf("after 6 days the members are %v, want the one who is still connected: %+v", names, f.userLink(ann).Leaving)
				}
				taken := 0
				for _, a := range f.takenOut() {
					taken += len(a.TakesOut(nil))
				}
				if taken != 2 {
					t.Errorf("the actions %+v took %d out, want 2, each once", f.takenOut(), taken)
				}
				if link := f.link(id); link.Status != directory.Released || !link.Freed {
					t.Errorf("the link of the group is %+v, want it released and the claim given up", link)
				}
				before := len(f.entra.Requests())
				f.days(3)
				if f.userLink(ann).Leaving.NextAt.IsZero() == false || len(f.entra.Requests()) != before {
					t.Errorf("the next step is due at %v after %d more requests to Entra, want none and none", f.userLink(ann).Leaving.NextAt, len(f.entra.Requests())-before)
				}
				if name != "disconnected" {
					return
				}
				f.connect(id)
				f.run(id)
				f.finish()
				if names := f.names(id); !slices.Equal(names, []string{"ann", "bob", "cid"}) {
					t.Errorf("when the group is back the members are %v, want all three", names)
				}
			})
		})
	}
}

// A group in Entra that another JumpCloud group has by now is left alone.
func TestLeaversStayInTheGroupOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		days := 5
		f.settings(func(s *directory.Settings) { s.Leavers.RemoveFromGroups = &days })
		ann := f.person("ann")
		id := f.group("Sales", ann)
		f.run(id)
		f.finish()
		entraID := f.link(id).EntraID
		f.disconnect(id)
		f.run(id)
		f.finish()
		f.must(f.jumpcloud.RenameGroup(string(id), "Former sales"))
		next := f.group("Sales")
		f.run(next)
		f.finish()
		f.days(9)
		if names := f.namesIn(entraID); f.link(next).EntraID != entraID || !slices.Equal(names, []string{"ann"}) {
			t.Errorf("the members are %v and the other group has %s, want ann in that group, out of which only it could take her", names, f.link(next).EntraID)
		}
	})
}

// The process dies at any call while it takes leavers out of a group, and the message is lost:
// they are taken out all the same.
func TestTheProcessDiesWhileItTakesLeaversOut(t *testing.T) {
	for n, died := 1, true; died; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			days := 1
			f.settings(func(s *directory.Settings) { s.Leavers.RemoveFromGroups = &days })
			ann := f.person("ann")
			id := f.group("Sales", ann)
			f.run(id)
			f.finish()
			entraID := f.link(id).EntraID
			f.disconnect(id)
			f.run(id)
			f.finish()
			time.Sleep(25 * time.Hour)
			f.sweep()
			for _, m := range f.userTasks.take() {
				task, err := reconcile.ReadTask(m.Body)
				f.must(err)
				f.users.Sync(t.Context(), f.directory.ID, []reconcile.Attempt{{Task: task, Number: 1}})
			}
			tasks := f.groups.take()
			if len(tasks) != 1 {
				t.Fatalf("%d groups got a task, want 1", len(tasks))
			}
			task, err := reconcile.ReadGroupTask(tasks[0].Body)
			f.must(err)
			m := functiontest.NewMortal(n)
			handler, err := groups.New(groups.Config{Postponer: f, MaxReceives: maxReceives,
				Parts: reconcile.Parts{Store: store.New(m.Table(f.Table)), Clients: f.ClientsThrough(m.Transport(f)), Metrics: &metric.Memory{},
					Lanes: reconcile.Lanes{UsersLive: m.Sender(&f.userTasks), UsersBulk: m.Sender(&f.userTasks), GroupsLive: m.Sender(&f.groups), GroupsBulk: m.Sender(&f.groups)}}})
			f.must(err)
			_, err = handler.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{f.message(task, 1)}})
			f.must(err)
			died = m.Died() != ""
			for range 4 {
				time.Sleep(31 * time.Minute)
				f.sweep()
				f.finish()
			}
			if names := f.namesIn(entraID); len(names) != 0 {
				t.Fatalf("call %d (%s): the members are %v, want none: %+v %+v", n, m.Died(), names, f.userLink(ann).Leaving, f.link(id))
			}
		})
		if !died {
			t.Logf("died at each of %d moments", n-1)
		}
	}
}

// namesIn are the sorted sign-in names, without the domain, of the members of a group in Entra.
func (f *fixture) namesIn(id directory.EntraID) []string {
	f.t.Helper()
	group, _ := f.tenant.Group(string(id))
	names := []string{}
	for _, member := range group.Members {
		user, _ := f.tenant.User(member)
		names = append(names, user.UserPrincipalName[:len(user.UserPrincipalName)-len("@contoso.example")])
	}
	slices.Sort(names)
	return names
}
