package resync_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// byHand changes the account of a user in Entra.
func (f *fixture) byHand(name string, properties map[string]any) {
	f.t.Helper()
	_, err := f.Tenant.UpdateUser(name+"@"+functiontest.Domain, properties)
	f.Must(err)
}

// drifts counts the recorded differences of a user or group, by its id.
func (f *fixture) drifts(id string) (n int) {
	f.t.Helper()
	for cursor := ""; ; {
		page, err := f.Store.Actions(context.Background(), f.directory.ID, 0, cursor)
		f.Must(err)
		for _, a := range page.Items {
			if a.Type == plan.Drift && a.Subject.ID == id {
				n++
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return n
		}
	}
}

// quiet fails the test unless a resync of the next night finds and writes nothing, and sends
// no task but that which reads who is excluded.
func (f *fixture) quiet() {
	f.t.Helper()
	time.Sleep(24 * time.Hour)
	writes := f.writes()
	want := 0
	if _, excludes := reconcile.ExcludeTask(f.directory, connected()); excludes {
		want = 1
	}
	if job, tasks := f.resync(); tasks != want || f.writes() != writes || job.Found+job.Reported > 0 {
		f.t.Errorf("the next night had %d tasks and %d writes (%s), want %d tasks and no write", tasks, f.writes()-writes, job.Message, want)
	}
}

// Who was bound to the connection source, or taken from it, without an event is connected and
// disconnected by the resync: users and groups.
func TestAConnectionSourceThatDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		app, err := f.JumpCloud.CreateApplication("Microsoft 365")
		f.Must(err)
		f.directory = f.Settings(f.directory, func(s *directory.Settings) {
			s.ConnectionSource = directory.ConnectionSource{Type: directory.ApplicationSource, ID: app}
		})
		ann, bob, cid := f.Hire("ann"), f.Hire("bob"), f.Hire("cid")
		sales := f.Group("Sales", cid)
		f.Must(f.JumpCloud.Associate(string(ann), app))
		f.resync()
		f.quiet()
		if !f.account("ann").AccountEnabled || len(f.Tenant.Users()) != 1 {
			t.Errorf("there are %d accounts, want ann's alone, enabled", len(f.Tenant.Users()))
		}
		f.Must(f.JumpCloud.Associate(string(bob), app))
		f.Must(f.JumpCloud.Associate(string(sales), app))
		f.Must(f.JumpCloud.Dissociate(string(ann), app))
		time.Sleep(time.Hour)
		job, _ := f.resync()
		if f.account("ann").AccountEnabled || !f.account("bob").AccountEnabled || !f.account("cid").AccountEnabled {
			t.Error("ann is enabled, or bob or cid is not, want bob and cid alone enabled")
		}
		if got, want := f.members("Sales"), []string{"cid"}; !slices.Equal(got, want) {
			t.Errorf("the group has the members %v, want %v", got, want)
		}
		if job.Status != store.JobFinished || job.Found != 3 || job.Repaired != 3 {
			t.Errorf("the job is %s with %d found and %d repaired (%s), want ann, bob and the group", job.Status, job.Found, job.Repaired, job.Message)
		}
		f.quiet()
	})
}

// A list that an invocation does not read to its end is left to a task, which keeps its place
// in it: the members of a group in JumpCloud, those in Entra, and the connection source.
func TestAListThatIsTooLong(t *testing.T) {
	for name, tc := range map[string]struct {
		path string           // of the list, of which each invocation has time for one page
		make func(f *fixture) // what differs
	}{
		"members in JumpCloud": {"/membership", func(f *fixture) {
			sales := string(f.groupNamed("Sales"))
			f.Must(f.JumpCloud.RemoveMember(sales, f.JumpCloud.Members(sales)[0]))
		}},
		"members in Entra": {"/$batch", func(f *fixture) {
			group := f.Tenant.GroupsNamed("Sales")[0]
			for i := range 1000 {
				stranger, err := f.Tenant.AddUser(entratest.User{UserPrincipalName: fmt.Sprintf("s%d@%s", i, functiontest.Domain)})
				f.Must(err)
				_, err = f.Tenant.AddMember(group.ID, stranger.ID)
				f.Must(err)
			}
			_, err := f.Tenant.RemoveMember(group.ID, group.Members[0])
			f.Must(err)
			f.Must(f.Store.ForgetChangesLink(context.Background(), f.directory.ID, store.TrackedAccounts))
			f.Must(f.Store.ForgetChangesLink(context.Background(), f.directory.ID, store.TrackedGroups))
		}},
		"the connection source": {"/associations", func(f *fixture) {
			f.Must(f.JumpCloud.Associate(string(f.Hire("zoe")), f.directory.Settings.ConnectionSource.ID))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				app, err := f.JumpCloud.CreateApplication("Microsoft 365")
				f.Must(err)
				f.directory = f.Settings(f.directory, func(s *directory.Settings) {
					s.ConnectionSource = directory.ConnectionSource{Type: directory.ApplicationSource, ID: app}
				})
				ids := f.people(150)
				for _, id := range ids {
					f.Must(f.JumpCloud.Associate(string(id), app))
				}
				f.connectGroup("Sales", ids...)
				f.resync()
				time.Sleep(time.Hour)
				tc.make(f)
				job := f.start()
				f.outside = func(r *http.Request) error {
					if strings.HasSuffix(r.URL.Path, tc.path) {
						time.Sleep(6 * time.Second)
					}
					return nil
				}
				for n := 0; f.job(job.ID).Phase != "repair"; n++ {
					if f.invoke(f.handler, 20*time.Second); n > 100 {
						t.Fatal("the comparison does not end")
					}
				}
				f.outside = nil
				end, _ := f.finish(job.ID, timeout)
				want := 1
				if name == "the connection source" {
					want = 0 // who differs is not known
				}
				if end.Status != store.JobFinished || end.Found != want || end.Repaired != want {
					t.Errorf("the job is %s with %d found and %d repaired (%s), want %d", end.Status, end.Found, end.Repaired, end.Message, want)
				}
				ours := slices.DeleteFunc(f.members("Sales"), func(name string) bool { return strings.HasPrefix(name, "s") })
				if want := len(f.JumpCloud.Members(string(f.groupNamed("Sales")))); len(ours) != want {
					t.Errorf("the group has %d of our members, want %d", len(ours), want)
				}
				if name == "the connection source" && !f.account("zoe").AccountEnabled {
					t.Error("zoe is not enabled, want the user of the source connected")
				}
				f.quiet()
			})
		})
	}
}

// groupNamed is the id of a connected group.
func (f *fixture) groupNamed(name string) directory.GroupID {
	f.t.Helper()
	page, err := f.Store.GroupLinksThat(context.Background(), f.directory.ID, "", "", 100, "")
	f.Must(err)
	for _, l := range page.Items {
		if l.Name == name {
			return l.Group
		}
	}
	f.t.Fatalf("there is no group %s", name)
	return ""
}

// Where the directory only wants to know, what somebody changed in Entra is recorded once and
// shown, and stays until JumpCloud has another value.
func TestWhatIsOnlyReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(s *directory.Settings) { s.RepairDrift = false })
		ids := f.hire("ann", "bob")
		sales := f.connectGroup("Sales", ids...)
		time.Sleep(time.Hour)
		f.resync()
		f.byHand("ann", map[string]any{"surname": "Hand"})
		_, err := f.Tenant.RemoveMember(f.Tenant.GroupsNamed("Sales")[0].ID, f.account("bob").ID)
		f.Must(err)
		time.Sleep(time.Hour)
		writes := f.writes()
		job, _ := f.resync()
		if job.Status != store.JobFinished || job.Reported != 2 || job.Found != 0 || f.writes() != writes {
			t.Errorf("the job is %s with %d reported, %d found and %d writes (%s), want 2 reported", job.Status, job.Reported, job.Found, f.writes()-writes, job.Message)
		}
		if finding, is := f.link(ids[0]).Drift.Of(directory.Surname); !is || finding.Expected.String() != "Lee" || finding.Found.String() != "Hand" {
			t.Errorf("the link of ann says %+v, want Lee expected and Hand found", f.link(ids[0]).Drift)
		}
		f.quiet()
		if ann, group := f.drifts(string(ids[0])), f.drifts(string(sales)); ann != 1 || group != 1 {
			t.Errorf("%d differences of ann and %d of the group were recorded, want each once", ann, group)
		}
		if got, want := f.members("Sales"), []string{"ann"}; !slices.Equal(got, want) {
			t.Errorf("the group has the members %v, want %v, as somebody left it", got, want)
		}
		f.Must(f.JumpCloud.UpdateUser(string(ids[0]), jumpcloudtest.Fields{"lastname": "Ray"}))
		f.resync()
		if got := f.account("ann").Text("surname"); got != "Ray" {
			t.Errorf("ann has the surname %q, want Ray", got)
		}
	})
}

// The accounts of excluded users are never written and nothing is recorded of them; who joined
// or left the excluded group without an event is excluded, or synced again.
func TestExcludedPeopleAreLeftAlone(t *testing.T) {
	for name, connects := range map[string]bool{"a connected group": true, "a group that is not connected": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				ids := f.hire("ann", "bob", "cid", "dee", "eve")
				guards := f.Group("Guards", ids[2], ids[3])
				if connects {
					f.ConnectGroup(f.directory, guards)
				}
				time.Sleep(time.Hour)
				f.directory = f.Exclude(f.directory, directory.Exclude{Users: []directory.UserID{ids[1]}, Group: guards})
				f.excludeNow()
				f.resync()
				f.quiet()
				for i, name := range []string{"ann", "bob", "cid", "dee"} {
					f.byHand(name, map[string]any{"surname": "Hand", "accountEnabled": false})
					f.Must(f.JumpCloud.UpdateUser(string(ids[i]), jumpcloudtest.Fields{"lastname": "Ray"}))
				}
				f.Must(f.JumpCloud.RemoveMember(string(guards), string(ids[3]))) // dee is to be synced again
				f.Must(f.JumpCloud.AddMember(string(guards), string(ids[4])))    // eve is excluded, and nothing else of her differs
				time.Sleep(time.Hour)
				f.resync()
				for i, want := range []string{"Ray", "Hand", "Hand", "Ray"} {
					name := []string{"ann", "bob", "cid", "dee"}[i]
					if got := f.account(name); got.Text("surname") != want || got.AccountEnabled != (want == "Ray") {
						t.Errorf("%s has the surname %q and enabled %t, want %q and %t", name, got.Text("surname"), got.AccountEnabled, want, want == "Ray")
					}
				}
				for _, i := range []int{1, 2, 4} {
					if link := f.link(ids[i]); link.Status != directory.Parked || link.Reason != directory.Excluded || f.drifts(string(ids[i])) > 0 {
						t.Errorf("the link is %s (%s) with %d differences recorded, want it parked, excluded, and none", link.Status, link.Reason, f.drifts(string(ids[i])))
					}
				}
				f.quiet()
			})
		})
	}
}

// excludeNow reads who is excluded.
func (f *fixture) excludeNow() {
	f.t.Helper()
	task, _ := reconcile.ExcludeTask(f.directory, connected())
	f.Must(reconcile.Enqueue(context.Background(), &f.groups, task))
	f.pump()
}

// The account of an agent that an older version linked is found by the next page that shows
// it: the user is parked, and nothing is written to it any more, whatever happens.
func TestALinkedAccountOfAnAgent(t *testing.T) {
	for name, whole := range map[string]bool{"by changes": false, "by a list of all": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				ids := f.hire("ann", "bob")
				sales := f.connectGroup("Sales", ids...)
				time.Sleep(time.Hour)
				if !whole {
					f.resync()
				}
				_, err := f.Tenant.SetAgent("ann@" + functiontest.Domain)
				f.Must(err)
				f.byHand("ann", map[string]any{"surname": "Agent"})
				before := f.account("ann")
				time.Sleep(time.Hour)
				steps := []func(){
					func() {},
					func() { f.Must(f.JumpCloud.UpdateUser(string(ids[0]), jumpcloudtest.Fields{"lastname": "Ray"})) },
					func() { f.Must(f.JumpCloud.UpdateUser(string(ids[0]), jumpcloudtest.Fields{"state": "SUSPENDED"})) },
					func() { f.Must(f.JumpCloud.RemoveMember(string(sales), string(ids[0]))) },
					func() { f.Must(f.JumpCloud.DeleteUser(string(ids[0]))) },
				}
				for i, step := range steps {
					step()
					time.Sleep(time.Hour)
					f.resync()
					if now := f.account("ann"); now.Text("surname") != "Agent" || !now.AccountEnabled || now.PasswordChanges != before.PasswordChanges {
						t.Errorf("step %d: the account is %+v, want it as it was", i, now.Properties)
					}
					if !slices.Contains(f.members("Sales"), "ann") && i < len(steps)-1 {
						t.Errorf("step %d: the account was removed from the group, want it left there", i)
					}
					if link := f.link(ids[0]); i < len(steps)-1 && (link.Status != directory.Parked || link.Reason != directory.AgentAccount) {
						t.Errorf("step %d: the link is %s (%s), want it parked, %s", i, link.Status, link.Reason, directory.AgentAccount)
					}
				}
				if n := f.drifts(string(ids[0])); n > 0 {
					t.Errorf("%d differences were recorded, want none", n)
				}
			})
		})
	}
}
