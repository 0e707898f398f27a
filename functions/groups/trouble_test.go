package groups_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// dies runs a function that must end with the death of the process.
func (f *fixture) dies(do func()) {
	f.t.Helper()
	defer func() {
		if r := recover(); r != any(death{}) {
			f.t.Fatalf("it did not die: %v", r)
		}
		f.before, f.after = nil, nil
	}()
	do()
}

// onWrite calls do at the nth batch to Graph.
func onWrite(n int, do func()) func(*http.Request) {
	return func(r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/$batch") {
			if n--; n == 0 {
				do()
			}
		}
	}
}

// records returns our records of the members of a group.
func (f *fixture) records(id directory.GroupID) []directory.Member {
	f.t.Helper()
	members, err := f.store.AllMembers(f.t.(*testing.T).Context(), f.directory.ID, id)
	f.must(err)
	return members
}

// Two lanes have a task for one group at once: the second waits until the first is
// done.
func TestTwoLanesAtOneGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.group("Sales")
		f.run(id)
		for i := range 30 {
			user := f.person(fmt.Sprintf("user%02d", i))
			f.must(f.store.Connect(t.Context(), f.directory.ID, user, directory.Direct, time.Now().UTC()))
			f.must(f.jumpcloud.AddMember(string(id), string(user)))
			f.changed(user)
		}
		f.groups.take() // the tasks are delivered now
		f.writing.takes = time.Second
		var lanes sync.WaitGroup
		again := make([]int, 4)
		for i := range again {
			m := f.message(reconcile.GroupTask{Group: id, AllMembers: i == 3}, 1)
			lanes.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				again[i] = f.handle(m)
			})
		}
		lanes.Wait()
		if got := again[0] + again[1] + again[2] + again[3]; got == 0 || got == 4 {
			t.Errorf("%v come again, want not 0, not 4", again)
		}
		f.finish()
		f.run(id)
		if f.writing.most != 1 || len(f.inEntra(id).Members) != 30 || len(f.tenant.Groups()) != 1 {
			t.Errorf("%d at once, %d members, %d groups, want most 1, 30 Members, 1 Groups", f.writing.most, len(f.inEntra(id).Members), len(f.tenant.Groups()))
		}
	})
}

// A process that dies before or after Graph serves its request leaves no damage: no
// second group, no action that never ends, no wrong member.
func TestAProcessDies(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		for _, then := range []string{"nothing", "renamed", "left", "left and deleted", "disconnected and back"} {
			t.Run(when+", then "+then, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					ann, bob := f.person("ann"), f.person("bob")
					for _, id := range []directory.UserID{ann, bob} {
						f.must(f.store.Connect(t.Context(), f.directory.ID, id, directory.Direct, time.Now().UTC()))
						f.changed(id)
					}
					id := f.group("Sales", ann, bob)
					die := onWrite(2, func() { panic(death{}) }) // the first batch looks the name up
					if when == "before" {
						f.before = die
					} else {
						f.after = die
					}
					f.dies(func() { f.run(id) })
					if open := f.link(id).OpenActions; len(open) != 1 || f.link(id).EntraID != "" {
						t.Fatalf("%+v, want 1 open, EntraID \"\"", f.link(id))
					}
					want := []string{"ann", "bob"}
					switch then {
					case "renamed":
						f.must(f.jumpcloud.RenameGroup(string(id), "Field sales"))
					case "left":
						f.must(f.jumpcloud.RemoveMember(string(id), string(bob)))
						f.changed(bob)
						want = []string{"ann"}
					case "left and deleted":
						f.must(f.jumpcloud.DeleteUser(string(bob)))
						f.changed(bob)
						want = []string{"ann"}
					case "disconnected and back":
						f.disconnect(id)
						f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
						f.finish()
						f.connect(id)
					}
					time.Sleep(2 * time.Minute)
					for range 2 {
						f.run(id)
						f.finish()
					}
					link := f.link(id)
					if got := f.names(id); !slices.Equal(got, want) || len(f.tenant.Groups()) != 1 || link.Origin != directory.CreatedByUs || len(link.OpenActions) > 0 || link.Status != directory.Synced {
						t.Errorf("members %v, %d groups, link %+v, want %v, 1 Groups, Origin %v, 0 OpenActions, Status %v", got, len(f.tenant.Groups()), link, want, directory.CreatedByUs, directory.Synced)
					}
					actions, err := f.store.Actions(t.Context(), f.directory.ID, 0, "")
					f.must(err)
					for _, a := range actions.Items {
						if a.Status == plan.Started {
							t.Errorf("never ended: %+v, want Status not %v", a, plan.Started)
						}
					}
				})
			})
		}
	}
}

// A user who leaves while the result of the addition is unknown is removed, and a user
// who comes back while the result of the removal is unknown is added.
func TestALostReply(t *testing.T) {
	for _, lost := range []string{"addition", "removal"} {
		t.Run(lost, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann, bob := f.person("ann"), f.person("bob")
				id := f.group("Sales", ann)
				f.run(id)
				f.finish()
				f.must(f.store.Connect(t.Context(), f.directory.ID, bob, directory.Direct, time.Now().UTC()))
				f.changed(bob)
				f.finish()
				f.must(f.jumpcloud.AddMember(string(id), string(bob)))
				f.changed(bob)
				want := []string{"ann"}
				if lost == "removal" {
					f.finish()
					f.must(f.jumpcloud.RemoveMember(string(id), string(bob)))
					f.changed(bob)
					want = []string{"ann", "bob"}
				}
				f.must(f.entra.FailNext(entratest.Fault{Path: `batch$`, LoseReply: true}))
				if again := f.handle(f.message(reconcile.GroupTask{Group: id}, 1)); again != 1 {
					t.Fatalf("%d come again, want 1", again)
				}
				if lost == "removal" {
					f.must(f.jumpcloud.AddMember(string(id), string(bob)))
				} else {
					f.must(f.jumpcloud.RemoveMember(string(id), string(bob)))
				}
				f.changed(bob)
				f.finish()
				f.handle(f.message(reconcile.GroupTask{Group: id}, 2))
				if got := f.names(id); !slices.Equal(got, want) || len(f.link(id).OpenActions) > 0 {
					t.Errorf("members %v, want %v; link %+v", got, want, f.link(id))
				}
			})
		})
	}
}

// The same while the request is under way, and its answer arrives.
func TestSomebodyMovesWhileTheGroupIsWritten(t *testing.T) {
	for _, moves := range []string{"out", "in"} {
		t.Run(moves, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann := f.person("ann")
				id := f.group("Sales", ann)
				f.run(id)
				f.finish()
				f.must(f.store.Connect(t.Context(), f.directory.ID, ann, directory.Direct, time.Now().UTC()))
				f.must(f.jumpcloud.RemoveMember(string(id), string(ann)))
				f.changed(ann)
				move, want := f.jumpcloud.AddMember, []string{"ann"}
				if moves == "out" {
					f.finish()
					f.must(f.jumpcloud.AddMember(string(id), string(ann)))
					f.changed(ann)
					move, want = f.jumpcloud.RemoveMember, []string{}
				}
				f.after = onWrite(1, func() {
					f.after = nil
					f.must(move(string(id), string(ann)))
					f.changed(ann)
				})
				f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
				f.finish()
				if got := f.names(id); !slices.Equal(got, want) {
					t.Errorf("members %v, want %v: %+v", got, want, f.records(id))
				}
			})
		})
	}
}

// If the queue of the users fails, users who left are released later.
func TestUsersGetTheirTasksLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		id := f.group("Sales", ann)
		f.userTasks.fails = 1
		if again := f.run(id); again != 1 {
			t.Fatalf("%d come again, want 1", again)
		}
		f.handle(f.message(reconcile.GroupTask{Group: id, AllMembers: true}, 2))
		f.finish()
		if f.userLink(ann).State != directory.Enabled || f.link(id).NotifyPending {
			t.Fatalf("never connected: %+v, %+v", f.userLink(ann), f.link(id))
		}
		f.disconnect(id)
		f.userTasks.fails = 1
		f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
		f.handle(f.message(reconcile.GroupTask{Group: id}, 2))
		f.finish()
		if f.userLink(ann).State != directory.Disabled {
			t.Errorf("never released: %+v, want State %v", f.userLink(ann), directory.Disabled)
		}
	})
}

// A task of the other lane that works on the group before the users got their tasks does
// not make the first task forget them.
func TestAnotherLaneForgetsNoUser(t *testing.T) {
	for _, managed := range []bool{true, false} {
		t.Run(fmt.Sprintf("managed is %t", managed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.settings(func(s *directory.Settings) { s.ManageGroups = managed })
				ann, bob := f.person("ann"), f.person("bob")
				id := f.group("Sales", ann)
				f.run(id)
				f.finish()
				f.must(f.jumpcloud.AddMember(string(id), string(bob)))
				f.userTasks.fails = 1
				f.handle(f.message(reconcile.GroupTask{Group: id, AllMembers: true}, 1))
				f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
				f.handle(f.message(reconcile.GroupTask{Group: id, AllMembers: true}, 2))
				f.finish()
				if got := f.userLink(bob).State; got != directory.Enabled {
					t.Errorf("the account of the one who joined is %s, want %s", got, directory.Enabled)
				}
				marks, err := f.store.Marks(t.Context(), f.directory.ID, id)
				if err != nil || len(marks) > 0 || f.link(id).NotifyPending {
					t.Errorf("marks %+v, %v, link %+v; want no mark and no pending notice", marks, err, f.link(id))
				}
			})
		})
	}
}

// Quotas: the record of an object over a quota of Entra says so, and all other members
// are added.
func TestQuotaExceeded(t *testing.T) {
	full := func(what string) map[string]any {
		return map[string]any{"error": map[string]any{"code": "Directory_QuotaExceeded", "message": what}}
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		id := f.group("Sales", ann)
		f.must(f.entra.FailNext(entratest.Fault{Method: "PATCH", Path: `uniqueName`, Status: 403, Times: 9, Body: full("The directory object quota limit for the Tenant has been exceeded.")}))
		f.run(id)
		f.finish()
		if l := f.link(id); l.Status != directory.Parked || l.Reason != directory.QuotaExceeded || l.Message == "" || len(f.tenant.Groups()) != 0 || f.userLink(ann).State != directory.Enabled {
			t.Fatalf("%+v, want Status %v, Reason %v, Message not \"\", 0 Groups, State %v", l, directory.Parked, directory.QuotaExceeded, directory.Enabled)
		}
		f.entra.ClearFaults()
		f.run(id)
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann"}) || f.link(id).Status != directory.Synced {
			t.Fatalf("%v, %+v", got, f.link(id))
		}
		forward := full("Unable to perform operation as '2049' would exceed the maximum quota count '2048' for forward-link 'members'.")
		f.must(f.jumpcloud.AddMember(string(id), string(bob)))
		f.changed(bob)
		f.must(f.entra.FailNext(entratest.Fault{Method: "POST", Path: `/members/\$ref`, Status: 403, Times: 2, Body: forward}))
		f.finish()
		for _, m := range f.records(id) {
			if problem := m.Problem; m.User == bob && (problem == nil || problem.Reason != directory.QuotaExceeded || problem.Message == "") || m.User == ann && problem != nil {
				t.Errorf("%+v, %+v", m, m.Problem)
			}
		}
		f.run(id)
		if got := f.names(id); !slices.Equal(got, []string{"ann", "bob"}) || f.records(id)[1].Problem != nil {
			t.Errorf("%v, %+v", got, f.records(id))
		}
	})
}
