package resync_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

// With nothing changed a resync sends no task and writes nothing, and asks Entra twice; the
// first one reads everything.
func TestNothingChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		ids := f.hire("ann", "bob", "cid", "dee")
		f.Must(f.JumpCloud.UpdateUser(string(ids[1]), jumpcloudtest.Fields{"state": "SUSPENDED"}))
		f.connectGroup("Sales", ids...)
		if job, _ := f.resync(); job.Status != store.JobFinished {
			t.Fatalf("the first resync is %s (%s), want %s", job.Status, job.Message, store.JobFinished)
		}
		if f.account("bob").AccountEnabled {
			t.Error("bob is suspended in JumpCloud and enabled")
		}
		for day := range 3 {
			time.Sleep(24 * time.Hour)
			before := f.writes()
			f.requests(functiontest.GraphHost)
			job, tasks := f.resync()
			if got := f.requests(functiontest.GraphHost); got > 5 || tasks != 0 || f.writes() != before {
				t.Errorf("day %d: %d requests to Graph, %d tasks and %d writes, want at most 5, and none", day, got, tasks, f.writes()-before)
			}
			if job.Status != store.JobFinished || job.Found != 0 || job.Message != "nothing differed" {
				t.Errorf("day %d: the job is %s with %d found (%s), want that nothing differed", day, job.Status, job.Found, job.Message)
			}
		}
	})
}

// Whatever a webhook lost is found and repaired.
func TestWhatWasLostIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		ids := f.hire("ann", "bob", "cid", "dee", "eve")
		sales := f.connectGroup("Sales", ids[0], ids[1])
		fay := f.Hire("fay")
		f.resync()

		f.Must(f.JumpCloud.UpdateUser(string(ids[0]), jumpcloudtest.Fields{"lastname": "Ray"}))
		f.Must(f.JumpCloud.UpdateUser(string(ids[2]), jumpcloudtest.Fields{"state": "SUSPENDED"}))
		f.Must(f.JumpCloud.DeleteUser(string(ids[3])))
		f.Must(f.JumpCloud.AddMember(string(sales), string(fay)))
		f.Must(f.JumpCloud.RemoveMember(string(sales), string(ids[1])))
		f.Must(f.JumpCloud.RenameGroup(string(sales), "Selling"))
		time.Sleep(time.Hour)
		job, _ := f.resync()

		if got := f.account("ann").Text("surname"); got != "Ray" {
			t.Errorf("ann has the surname %q, want Ray", got)
		}
		for _, gone := range []string{"cid", "dee"} {
			if f.account(gone).AccountEnabled {
				t.Errorf("%s is suspended or deleted, and enabled", gone)
			}
		}
		if got, want := f.members("Selling"), []string{"ann", "fay"}; !slices.Equal(got, want) {
			t.Errorf("the group has the members %v, want %v", got, want)
		}
		if job.Status != store.JobFinished || job.Found != 4 || job.Repaired != 4 {
			t.Errorf("the job is %s with %d found and %d repaired (%s), want 4 of each", job.Status, job.Found, job.Repaired, job.Message)
		}
	})
}

// A directory that manages no groups needs no permission for groups: its accounts are compared
// all the same, by a list of all and by changes.
func TestNoGroupsWithoutPermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(s *directory.Settings) { s.ManageGroups = false })
		f.Must(f.Entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) {
			a.Roles = slices.DeleteFunc(slices.Clone(entratest.RecommendedRoles), func(role string) bool { return strings.HasPrefix(role, "Group") })
		}))
		ids := f.hire("ann")
		f.connectGroup("Sales", ids...)
		for _, how := range []string{"by a list of all", "by changes"} {
			time.Sleep(time.Hour)
			_, err := f.Tenant.UpdateUser("ann@"+functiontest.Domain, map[string]any{"surname": "Hand"})
			f.Must(err)
			time.Sleep(time.Hour)
			job, _ := f.resync()
			if got := f.account("ann").Text("surname"); got != "Lee" || job.Status != store.JobFinished {
				t.Errorf("%s: ann has the surname %q, and the job is %s in the phase %s (%s), want Lee and %s", how, got, job.Status, job.Phase, job.Message, store.JobFinished)
			}
		}
	})
}

// What somebody changed in groups while the directory managed none is found once it does again.
func TestGroupsThatAreManagedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.connectGroup("Sales", f.hire("ann")...)
		f.resync()
		f.directory = f.Settings(f.directory, func(s *directory.Settings) { s.ManageGroups = false })
		_, err := f.Tenant.UpdateGroup(f.Tenant.GroupsNamed("Sales")[0].ID, map[string]any{"displayName": "By hand"})
		f.Must(err)
		time.Sleep(time.Hour)
		f.resync()
		if found := len(f.Tenant.GroupsNamed("By hand")); found != 1 {
			t.Errorf("%d groups have the name that was given by hand, want 1 as long as groups are not managed", found)
		}
		f.directory = f.Settings(f.directory, func(s *directory.Settings) { s.ManageGroups = true })
		f.resync()
		if got, want := f.members("Sales"), []string{"ann"}; !slices.Equal(got, want) {
			t.Errorf("the group Sales has the members %v, want %v", got, want)
		}
	})
}

// What somebody changed in Entra by hand is found and repaired.
func TestWhatSomebodyChangedInEntraIsFound(t *testing.T) {
	for name, first := range map[string]bool{"by changes": false, "by a list of all": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, func(s *directory.Settings) { s.RestoreDeleted = true })
				ids := f.hire("ann", "bob", "cid", "dee")
				f.connectGroup("Sales", ids...)
				time.Sleep(time.Hour)
				if !first {
					f.resync()
				}
				_, err := f.Tenant.UpdateUser("ann@"+functiontest.Domain, map[string]any{"surname": "Hand"})
				f.Must(err)
				_, err = f.Tenant.UpdateUser("bob@"+functiontest.Domain, map[string]any{"accountEnabled": false})
				f.Must(err)
				_, err = f.Tenant.DeleteUser("cid@" + functiontest.Domain)
				f.Must(err)
				group := f.Tenant.GroupsNamed("Sales")[0]
				_, err = f.Tenant.RemoveMember(group.ID, f.account("dee").ID)
				f.Must(err)
				time.Sleep(time.Hour)
				job, _ := f.resync()
				if got := f.account("ann").Text("surname"); got != "Lee" {
					t.Errorf("ann has the surname %q, want Lee", got)
				}
				if !f.account("bob").AccountEnabled || !f.account("cid").AccountEnabled {
					t.Error("bob or cid is not enabled")
				}
				if got, want := f.members("Sales"), []string{"ann", "bob", "cid", "dee"}; !slices.Equal(got, want) {
					t.Errorf("the group has the members %v, want %v", got, want)
				}
				if job.Status != store.JobFinished || job.Repaired < 4 {
					t.Errorf("the job is %s with %d found and %d repaired (%s), want at least 4", job.Status, job.Found, job.Repaired, job.Message)
				}
			})
		})
	}
}
