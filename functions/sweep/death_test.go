package sweep_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// The sweep dies before or after any of its requests to the table, and a later run does the
// rest: every action that nobody works on is ended, the links say so, and everybody has the
// task.
func TestTheSweepDiesAtAnyRequest(t *testing.T) {
	for when, die := range map[string]func(*counted, int){
		"before": func(c *counted, n int) { c.dieBefore = n },
		"after":  func(c *counted, n int) { c.dieAfter = n },
	} {
		t.Run(when, func(t *testing.T) {
			for n, died := 1, true; died; n++ {
				synctest.Test(t, func(t *testing.T) { died = testDeath(t, n, die) })
				if n > 100 {
					t.Fatal("a run takes more than 100 requests, want fewer")
				}
			}
		})
	}
}

// testDeath kills the sweep at the nth request; it reports whether there was one.
func testDeath(t *testing.T, n int, die func(*counted, int)) (died bool) {
	t.Helper()
	f := newFixture(t)
	unlisted := begun("group", string(sales))
	f.groupLink(func(*directory.GroupLink) {}, unlisted)
	unset := f.password(plan.Started)
	f.mark()
	f.must(f.store.Connect(t.Context(), dir, "bob", directory.Direct, time.Now().UTC()))
	time.Sleep(11 * time.Minute)

	f.table.requests = 0
	die(f.table, n)
	var tasks []string
	func() {
		defer func() {
			if r := recover(); r != nil {
				if r != any(death{}) {
					panic(r)
				}
				died = true
			}
		}()
		tasks = f.run()
	}()
	f.table.dieBefore, f.table.dieAfter = 0, 0
	if died {
		tasks = append(tasks, f.run()...) // also takes those that the dead process sent
	}
	time.Sleep(20 * time.Minute)
	tasks = append(tasks, f.run()...)
	for _, want := range []string{"user bob, memberships false", "group sales, all false"} {
		if !slices.Contains(tasks, want) {
			t.Errorf("request %d: got the tasks %q, want %q among them", n, tasks, want)
		}
	}
	for _, id := range []string{unlisted.ID, unset.ID} {
		if a, err := f.store.Action(t.Context(), organization, id); err != nil || a.Status != plan.Failed {
			t.Errorf("request %d: the action %s is %s, %v; want %s", n, a.Type, a.Status, err, plan.Failed)
		}
	}
	if why := f.linkOf(ann).PasswordDiffers; why == nil || why.Reason != directory.Interrupted {
		t.Errorf("request %d: the link says of the password %+v, want %s", n, why, directory.Interrupted)
	}
	return died
}

// linkOf is the link of a user.
func (f *fixture) linkOf(id directory.UserID) directory.Link {
	f.t.Helper()
	known, err := f.store.User(f.t.Context(), organization, id)
	f.must(err)
	link, _ := known.Link(dir)
	return link
}
