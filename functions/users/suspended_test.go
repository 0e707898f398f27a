package users_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
)

// consent gives or takes away the tenant's consent; it ends all tokens.
func (f *fixture) consent(given bool) {
	f.t.Helper()
	f.must(f.entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) {
		if a.Tenants = nil; !given {
			a.Tenants = []string{"another"}
		}
	}))
	f.entra.RevokeTokens()
}

// waitingTasks are the tasks of the directory that wait.
func (f *fixture) waitingTasks() (tasks []reconcile.Task) {
	f.t.Helper()
	page, err := f.store.WaitingTasks(f.t.Context(), f.directory.ID, 0, "")
	f.must(err)
	for _, w := range page.Items {
		task, err := reconcile.ReadTask(w.Task)
		f.must(err)
		tasks = append(tasks, task)
	}
	return tasks
}

// record is the record of the directory.
func (f *fixture) record() directory.Directory {
	f.t.Helper()
	dir, err := f.store.Directory(f.t.Context(), f.directory.ID)
	f.must(err)
	return dir
}

// received is a message as it is received the first time.
func received(name string, m queue.Message) events.SQSMessage {
	return events.SQSMessage{MessageId: name, ReceiptHandle: name, Body: string(m.Body), EventSourceARN: "queue", Attributes: map[string]string{"ApproximateReceiveCount": "1"}}
}

// endsWell checks that a user of a directory that works again is in sync, and that nothing
// waits any more. The sweep ran, and all messages were handled.
func (f *fixture) endsWell(id directory.UserID, surname string) {
	f.t.Helper()
	for range 2 {
		f.drain()
		time.Sleep(10 * time.Minute)
		f.must(reconcile.Sweep{Store: f.store, Users: f, Groups: unread{}, Metrics: &metric.Memory{}}.Run(f.t.Context()))
	}
	f.drain()
	link, account := f.link(id), f.account("ann@contoso.example")
	if link.Status != directory.Synced || account.Text("surname") != surname || len(link.OpenActions) > 0 {
		f.t.Errorf("link %+v, surname %q; want %q, %q, no open action", link.Standing, account.Text("surname"), directory.Synced, surname)
	}
	if waiting := f.waitingTasks(); len(waiting) > 0 || f.record().IsSuspended() {
		f.t.Errorf("%d tasks wait, suspended %v; want none, not suspended", len(waiting), f.record().Suspended)
	}
}

// The process dies at any of its calls while it suspends a directory, or while it sends what
// waited: nothing is lost, and the end is the same.
func TestTheProcessDiesWhileADirectoryIsSuspended(t *testing.T) {
	for name, resuming := range map[string]bool{"suspending": false, "resuming": true} {
		t.Run(name, func(t *testing.T) {
			deaths := 0
			for n, died := 1, true; died; n++ {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					ann, bob := f.person("ann"), f.person("bob")
					f.run(ann, bob)
					f.drain()
					f.consent(false)
					f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
					m := f.message(ann, 1)
					if resuming {
						f.handle(oneMessage(m))
						f.run(bob)
						time.Sleep(time.Minute)
						f.consent(true)
						m = received("probe", f.again[len(f.again)-1])
					}
					died = f.diesAt(n, m)
					if died {
						deaths++
					}
					for range 20 {
						if time.Sleep(6 * time.Minute); len(f.handOver(m)) == 0 {
							break
						}
					}
					f.consent(true)
					f.endsWell(ann, "Moss")
				})
			}
			if deaths < 20 {
				t.Errorf("the process died %d times, want at least 20", deaths)
			}
		})
	}
}

// While a directory is suspended its tasks ask nothing of JumpCloud and Entra. What several
// of them ask for is joined, and their messages do not come again.
func TestATaskOfASuspendedDirectoryAsksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		f.again = nil
		f.consent(false)
		f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
		if again := f.run(ann); again != 0 {
			t.Errorf("%d messages come again, want 0", again)
		}
		asked := 0
		f.outside = func(*http.Request) error { asked++; return nil }
		at := time.Now().UTC()
		for _, task := range []reconcile.Task{
			{Memberships: true, Claims: []directory.Claim{{Kind: directory.Joined, User: ann, Group: "g", At: at}}},
			{Source: true, PasswordAt: at},
		} {
			task.Directory, task.User, task.Cause = f.directory.ID, ann, plan.Cause{Type: "user_update", ID: "e", At: at, Event: true}
			m, err := task.Message()
			f.must(err)
			if response := f.handle(oneMessage(received("m", m))); len(response.BatchItemFailures) > 0 {
				t.Errorf("a message comes again: %v, want none", response)
			}
		}
		if asked > 0 {
			t.Errorf("%d requests while suspended, want 0", asked)
		}
		var joined reconcile.Task
		for _, task := range f.waitingTasks() {
			joined = joined.Join(task)
		}
		if !joined.Memberships || !joined.Source || !joined.PasswordAt.Equal(at) || len(joined.Claims) != 1 {
			t.Errorf("what waits: %+v, want Memberships, Source, PasswordAt and one claim", joined)
		}
		f.consent(true)
		f.endsWell(ann, "Moss")
	})
}

// JumpCloud answers everything as if it did not find the organization, or as if it were another
// key's: that is told from a user whom it does not find, and is one trouble of the directory.
func TestAnOrganizationThatIsNotFoundSuspends(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusBadRequest} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann, bob := f.person("ann"), f.person("bob")
				f.run(ann, bob)
				f.drain()
				f.must(f.jumpcloud.DeleteUser(string(bob)))
				f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
				f.jumpcloud.FailNext(jumpcloudtest.Fault{PathContains: "/api/", Status: status, Times: 1 << 20})
				f.run(ann, bob)
				f.drainOnce()
				f.drainOnce()
				s := f.record().Suspended
				if s == nil || s.Reason != directory.JumpCloudRefused || s.Scope != directory.Everything || !strings.Contains(s.Message, string(f.directory.Organization)) {
					t.Fatalf("suspended: %+v, want all of the directory, for %s, with the organization", s, directory.JumpCloudRefused)
				}
				if a := f.account("bob@contoso.example"); !a.AccountEnabled {
					t.Error("bob is disabled, want that he keeps access while nothing in the organization is found")
				}
				f.jumpcloud.Mend()
				f.endsWell(ann, "Moss")
				if a := f.account("bob@contoso.example"); a.AccountEnabled {
					t.Error("bob, who was deleted, is enabled, want him disabled once JumpCloud answers again")
				}
			})
		})
	}
}

// A token that Graph refuses once suspends nobody.
func TestOneRefusedTokenSuspendsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
		f.must(f.entra.FailNext(entratest.Fault{Path: `.`, Status: 401, Times: 2}))
		f.work(ann)
		if dir := f.record(); dir.IsSuspended() {
			t.Errorf("suspended: %+v, want it not", *dir.Suspended)
		}
		if account := f.account("ann@contoso.example"); account.Text("surname") != "Moss" {
			t.Errorf("surname %q, want Moss", account.Text("surname"))
		}
	})
}

// A directory whose tenant has not consented yet becomes active by itself.
func TestADirectoryBecomesActiveByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		dir := f.record()
		dir.TenantObject, dir.VerifiedDomains, dir.Status, dir.Reason, dir.Message = "", nil, directory.PendingAuthorization, directory.NotConsented, "give consent"
		_, err := f.store.PutDirectory(t.Context(), dir)
		f.must(err)
		f.consent(false)
		f.run(ann)
		if dir := f.record(); !dir.IsSuspended() || dir.Suspended.Reason != directory.NotConsented {
			t.Errorf("suspended %+v, want %q", dir.Suspended, directory.NotConsented)
		}
		f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
		time.Sleep(10 * time.Minute)
		f.consent(true)
		f.endsWell(ann, "Moss")
		if dir := f.record(); dir.Status != directory.Active || dir.TenantObject == "" || dir.Reason != "" || len(dir.VerifiedDomains) == 0 {
			t.Errorf("%+v, want it active, with its tenant", dir)
		}
	})
}

// A password that the gateway took waits without a request for each try, and is set when
// the directory works again.
func TestAPasswordWaitsForASuspendedDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		f.again = nil
		f.consent(false)
		m := f.passwordFor(ann, newPassword, lastTry)
		f.handle(oneMessage(m))
		asked := 0
		f.outside = func(r *http.Request) error {
			if r.URL.Host != functiontest.JumpCloudHost {
				asked++
			}
			return nil
		}
		if f.actionOf(m).Status != plan.Queued {
			t.Fatalf("the action is %q, want %q", f.actionOf(m).Status, plan.Queued)
		}
		f.handle(oneMessage(m))
		early := m
		early.ReceiptHandle, early.Attributes = "early", map[string]string{"ApproximateReceiveCount": "1"}
		f.handle(oneMessage(early))
		if wait := f.postponed[early.ReceiptHandle]; wait == 0 || wait > 15*time.Second {
			t.Errorf("the password is tried again in %s, want soon after the urgent tasks that wait", wait)
		}
		if asked > 0 || f.actionOf(m).Status != plan.Queued {
			t.Errorf("%d requests, action %q; want 0, %q", asked, f.actionOf(m).Status, plan.Queued)
		}
		f.consent(true)
		f.drain()
		if action := f.actionOf(m); action.Status != plan.Succeeded {
			t.Errorf("the action is %q (%+v), want %q", action.Status, action.Error, plan.Succeeded)
		}
	})
}

// A worker that read the directory before the suspension ended may set a task aside after
// what waits was sent. It is sent all the same.
func TestATaskThatIsSetAsideTooLateIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		f.run(ann, bob)
		f.again = nil
		f.consent(false)
		f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
		f.run(ann)
		page, err := f.store.WaitingTasks(t.Context(), f.directory.ID, 0, "")
		f.must(err)
		late := page.Items[0]
		f.must(f.store.RemoveWaiting(t.Context(), late))
		f.run(bob)
		f.consent(true)
		for range 30 {
			if f.record().IsSuspended() {
				f.drainOnce()
			}
		}
		if f.record().IsSuspended() || len(f.waitingTasks()) > 0 {
			t.Fatalf("suspended %+v, %d wait; want it to work, with nobody waiting", f.record().Suspended, len(f.waitingTasks()))
		}
		time.Sleep(5 * time.Minute)
		f.must(f.store.AddWaiting(t.Context(), late, nil))
		f.endsWell(ann, "Moss")
		if f.record().IsProbed() {
			t.Error("probed still, want it to end when nothing was found for a quarter of an hour")
		}
	})
}

// While a directory or its users are suspended nobody asks the tenant for the domain that a
// user waits for. Afterwards the user is written.
func TestNobodyAsksForADomainOfASuspendedDirectory(t *testing.T) {
	for _, scope := range []directory.Scope{directory.Everything, directory.OfUsers} {
		t.Run(string(scope), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann := f.unconnected("ann", "ann@new.example")
				f.connect(ann)
				f.run(ann)
				f.drain()
				if link := f.link(ann); link.Reason != directory.DomainNotVerified {
					t.Fatalf("the link is %s (%s), want it parked, %s", link.Status, link.Reason, directory.DomainNotVerified)
				}
				f.must(f.accounts.SetVerified("new.example", true))
				now := time.Now().UTC()
				dir := f.record().Suspend(directory.Suspension{Reason: directory.PermissionMissing, Message: "grant it", Scope: scope, Since: now}, now.Add(time.Minute))
				_, err := f.store.PutDirectory(t.Context(), dir)
				f.must(err)
				check := reconcile.Task{Directory: f.directory.ID, User: ann, Cause: plan.Cause{Type: reconcile.DomainsCause, At: now, Many: true}}
				if asked := f.requests(func() { f.does(check) }); asked > 0 {
					t.Errorf("%d requests while suspended, want none", asked)
				}
				_, err = f.store.PutDirectory(t.Context(), f.record().Resume(scope, now))
				f.must(err)
				f.does(check)
				f.drain()
				if link := f.link(ann); link.Status != directory.Synced {
					t.Errorf("the link is %s (%s), want it %s", link.Status, link.Reason, directory.Synced)
				}
			})
		})
	}
}
