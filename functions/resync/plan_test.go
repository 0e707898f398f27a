package resync_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// plan makes a plan, and returns the job and what it has.
func (f *fixture) plan() (store.Job, []plan.Action) {
	f.t.Helper()
	job, err := (resync.Starter{Store: f.Store, Jobs: &f.jobs}).Plan(context.Background(), f.directory.ID, "the test")
	f.Must(err)
	return f.planned(job.ID)
}

// planned runs a plan to its end, and returns the job and what it has.
func (f *fixture) planned(id string) (store.Job, []plan.Action) {
	f.t.Helper()
	writes := f.writes()
	f.outside = func(r *http.Request) error {
		if r.Method != http.MethodGet && !slices.ContainsFunc([]string{"/$batch", "/token", "/search/systemusers"}, func(end string) bool { return strings.HasSuffix(r.URL.Path, end) }) {
			f.t.Errorf("the plan sent %s %s, want only what reads", r.Method, r.URL.Path)
		}
		return nil
	}
	defer func() { f.outside = nil }()
	job, tasks := f.finish(id, timeout)
	if tasks > 0 || f.writes() != writes {
		f.t.Errorf("the plan sent %d tasks and wrote %d times, want neither", tasks, f.writes()-writes)
	}
	return job, f.lines(id)
}

// lines are what a plan has.
func (f *fixture) lines(id string) []plan.Action {
	f.t.Helper()
	var all []plan.Action
	f.Must(f.Store.EachPlanLine(context.Background(), id, func(a plan.Action) error {
		all = append(all, a)
		return nil
	}))
	return all
}

// done are the actions that were completed since a time.
func (f *fixture) done(since time.Time) []plan.Action {
	f.t.Helper()
	var all []plan.Action
	for cursor := ""; ; {
		page, err := f.Store.Actions(context.Background(), f.directory.ID, 0, cursor)
		f.Must(err)
		for _, a := range page.Items {
			if a.Type != plan.Drift && !a.At.Before(since) {
				all = append(all, a)
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return all
		}
	}
}

// saying says what actions do, sorted; ids of accounts by the names of their users.
func (f *fixture) saying(actions []plan.Action) []string {
	f.t.Helper()
	name := func(id string) string {
		if user, made := strings.CutPrefix(id, "planned-user-"); made {
			return "user " + user
		}
		owner, err := f.Store.Owner(context.Background(), f.directory.TenantObject, directory.EntraID(id))
		if err != nil {
			return id
		}
		return "user " + string(owner.User)
	}
	var all []string
	for _, a := range actions {
		said := []string{string(a.Type), a.Subject.Kind, a.Subject.Name}
		if a.Error != nil {
			said = append(said, string(a.Error.Reason))
		}
		for _, c := range a.Changes {
			from, to := slices.Clone(c.From), slices.Clone(c.To)
			if c.Attribute == directory.Members || c.Attribute == directory.Manager {
				for _, ids := range [][]string{from, to} {
					for i := range ids {
						ids[i] = name(ids[i])
					}
					slices.Sort(ids)
				}
			}
			said = append(said, fmt.Sprintf("%s: %v → %v", c.Attribute, from, to))
		}
		all = append(all, strings.Join(said, ", "))
	}
	slices.Sort(all)
	return all
}

// sameAsPlanned runs a resync and fails the test unless it does exactly what was planned.
func (f *fixture) sameAsPlanned(planned []plan.Action) {
	f.t.Helper()
	time.Sleep(time.Second)
	began := time.Now()
	f.resync()
	if diff := cmp.Diff(f.saying(planned), f.saying(f.done(began))); diff != "" {
		f.t.Errorf("planned and done (-planned +done):\n%s", diff)
	}
}

// lost changes everything that a resync can find.
func (f *fixture) lost() {
	f.t.Helper()
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
	f.byHand("eve", map[string]any{"surname": "Hand"})
	time.Sleep(time.Hour)
}

// A plan lists exactly what the resync after it does, writes nothing, and its file has it.
func TestAPlanIsWhatIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.lost()
		job, planned := f.plan()
		if job.Status != store.JobFinished || job.Total < job.Done || len(planned) < 7 {
			t.Errorf("the plan is %s with %d actions (%s), want it finished with at least 7", job.Status, len(planned), job.Message)
		}
		for _, a := range planned {
			if a.Status != plan.Planned || a.Subject.Name == "" || a.Cause.Type == "" || strings.HasPrefix(string(a.EntraID), "planned-") {
				t.Errorf("got %+v, want a planned action with its name and cause", a)
			}
		}
		file := f.files.File(resync.PlanFile(job.ID))
		if !strings.Contains(file, "provision") || !strings.Contains(file, "fay") || strings.Count(file, "\n") <= len(planned) {
			t.Errorf("the file has %d lines, want more than %d, among them the creation of fay:\n%s", strings.Count(file, "\n"), len(planned), file)
		}
		members := map[string]bool{} // "from → to of the account …"
		rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
		f.Must(err)
		for _, row := range rows {
			if row[6] == "members" {
				members[row[7]+" → "+row[8]+" of "+row[9]] = true
			}
		}
		if want := map[string]bool{" → fay of ": true, "bob →  of " + f.account("bob").ID: true}; !maps.Equal(members, want) {
			t.Errorf("the file has the members %v, want a line with the name of each: %v", members, want)
		}
		if f.account("ann").Text("surname") != "Lee" || !f.account("cid").AccountEnabled || len(f.Tenant.GroupsNamed("Selling")) > 0 {
			t.Error("the plan changed the tenant")
		}
		f.sameAsPlanned(planned)
		if _, again := f.plan(); len(again) > 0 {
			t.Errorf("after that got %v planned, want nothing", f.saying(again))
		}
	})
}

// A process that works on a plan dies before or after any of its calls. The next one goes on,
// and the plan is the same.
func TestAPlanKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a process at each of its calls")
	}
	var want []string
	moments := 0
	for n, died := 1<<30, "yes"; died != ""; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, nil)
			f.lost()
			job, err := (resync.Starter{Store: f.Store, Jobs: &f.jobs}).Plan(context.Background(), f.directory.ID, "the test")
			f.Must(err)
			m := functiontest.NewMortal(n)
			mortal := f.newHandler(store.New(m.Table(f.Table)), m.Transport(f), m.Sender(&f.users), m.Sender(&f.groups), m.Sender(&f.jobs))
			f.perish(mortal)
			died = m.Died()
			end, lines := f.planned(job.ID)
			if got := f.saying(lines); want == nil {
				want = got
			} else if diff := cmp.Diff(want, got); diff != "" || end.Status != store.JobFinished {
				t.Errorf("killed at %d, %s: the plan is %s (-want +got):\n%s", n, died, end.Status, diff)
			}
		})
		if n >= 1<<30 {
			n, died = 0, "yes"
		}
		if moments = n; n > 3000 {
			t.Fatal("a plan has more than 3000 moments, want fewer")
		}
	}
	if moments < 60 {
		t.Errorf("a plan had %d moments to die at, want at least 60", moments)
	}
}
