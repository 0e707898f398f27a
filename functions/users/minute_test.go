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
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
)

// timeOut is the function's time-out, and leastLeft what must be left of it when the
// handler returns.
const (
	timeOut   = time.Minute
	leastLeft = 5 * time.Second
)

// changes are what users have to be brought up to date for. make returns the message.
var changes = map[string]struct {
	make func(*fixture) events.SQSMessage
	// right reports whether the change is in Entra.
	right func(*fixture) bool
}{
	"somebody new": {
		func(f *fixture) events.SQSMessage { return asking(f, f.person("ann")) },
		func(f *fixture) bool { return enabled(f, "ann") },
	},
	"somebody who has an account already": {
		func(f *fixture) events.SQSMessage {
			ann := f.person("ann")
			f.run(ann)
			f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead"})
			return asking(f, ann)
		},
		func(f *fixture) bool { return f.account("ann@contoso.example").Text("jobTitle") == "Lead" },
	},
	"a suspension": {
		func(f *fixture) events.SQSMessage {
			ann := f.person("ann")
			f.run(ann)
			f.must(f.jumpcloud.SuspendUser(string(ann)))
			return asking(f, ann)
		},
		func(f *fixture) bool { return !enabled(f, "ann") },
	},
	"a deletion": {
		func(f *fixture) events.SQSMessage {
			ann := f.person("ann")
			f.run(ann)
			f.must(f.jumpcloud.DeleteUser(string(ann)))
			return f.message(ann, 1)
		},
		func(f *fixture) bool { return !enabled(f, "ann") },
	},
}

// enabled reports whether somebody has exactly one account, and it is enabled.
func enabled(f *fixture, name string) bool {
	account, found := f.accounts.User(name + "@contoso.example")
	return found && account.AccountEnabled
}

// asking is a message for a user that makes the function read all that it can read.
func asking(f *fixture, id directory.UserID) events.SQSMessage {
	f.t.Helper()
	task, err := reconcile.Task{Directory: f.directory.ID, User: id, Memberships: true, Source: true,
		Cause: plan.Cause{Type: "association_change", ID: "e1", At: time.Now().UTC(), Event: true}}.Message()
	f.must(err)
	m := f.message(id, 1)
	m.Body = string(task.Body)
	return m
}

// Whichever request is never answered, the handler ends before the function's time-out,
// the link says why, and the message comes again after a wait; when the system answers
// again, the change is applied.
func TestNoRequestThatHangsUsesUpTheInvocation(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			for n, hung := 1, true; hung; n++ {
				synctest.Test(t, func(t *testing.T) { hung = testHang(t, n, change.make, change.right) })
			}
		})
	}
}

// testHang makes the nth request of an attempt hang; it reports whether there was one.
func testHang(t *testing.T, n int, prepare func(*fixture) events.SQSMessage, right func(*fixture) bool) bool {
	t.Helper()
	f, h := newFixture(t), &functiontest.Hanging{}
	f.outside = h.Before
	source, err := f.jumpcloud.CreateDirectory("M365")
	f.must(err)
	f.settings(func(s *directory.Settings) {
		s.ConnectionSource = directory.ConnectionSource{Type: directory.Office365Source, ID: source}
	})
	m := prepare(f)
	f.restart()
	h.Begin(n)
	start := time.Now()
	failed := within(f, m)
	took := time.Since(start)
	defer time.Sleep(timeOut) // a sign-in ends by itself
	if h.End(); h.First() == "" {
		if failed || !right(f) {
			t.Errorf("nothing hangs: again %v, the change is applied %v, want false and true", failed, right(f))
		}
		return false
	}
	what := fmt.Sprintf("request %d, %s, hangs: ", n, h.First())
	if left := timeOut - took; left < leastLeft {
		t.Errorf("%sthe handler returns with %s left, want at least %s", what, left, leastLeft)
	}
	task, err := reconcile.ReadTask([]byte(m.Body))
	f.must(err)
	link, wait := f.link(task.User), f.postponed[m.ReceiptHandle]
	if !failed || wait <= 0 || wait > time.Minute {
		t.Errorf("%sthe message comes again %v after %s, want true after at most a minute", what, failed, wait)
	}
	if link.Status != directory.Pending || link.Reason != directory.Unavailable && link.Reason != directory.JumpCloudUnavailable || link.Message == "" {
		t.Errorf("%sthe link says %s, %s, %q, want that the system is not available", what, link.Status, link.Reason, link.Message)
	}
	for _, a := range f.actions() {
		if a.Status == plan.Started {
			t.Errorf("%sthe action %s is still started", what, a.Type)
		}
	}
	for receives := 2; failed && receives < maxReceives; receives++ {
		time.Sleep(f.postponed[m.ReceiptHandle])
		failed = within(f, asReceived(m, receives))
	}
	if failed || !right(f) || len(f.accounts.Users()) > 2 {
		t.Errorf("%swhen it answers again: again %v, applied %v, %d accounts", what, failed, right(f), len(f.accounts.Users()))
	}
	return true
}

// within invokes the handler as Lambda does, and reports whether the message comes again.
func within(f *fixture, m events.SQSMessage) bool {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeOut)
	defer cancel()
	response, err := f.handler.Handle(ctx, oneMessage(m))
	f.must(err)
	return len(response.BatchItemFailures) > 0
}

// A password is the same: its action says what is known, and it is never sent twice.
func TestNoRequestThatHangsUsesUpTheInvocationOfAPassword(t *testing.T) {
	for n, hung := 1, true; hung; n++ {
		synctest.Test(t, func(t *testing.T) {
			f, h := newFixture(t), &functiontest.Hanging{}
			f.outside = h.Before
			ann := f.person("ann")
			f.run(ann)
			m := f.passwordFor(ann, newPassword, 1)
			f.restart()
			h.Begin(n)
			start := time.Now()
			failed := within(f, m)
			took := time.Since(start)
			h.End()
			defer time.Sleep(timeOut) // a sign-in ends by itself
			if hung = h.First() != ""; !hung {
				return
			}
			what := fmt.Sprintf("request %d, %s, hangs: ", n, h.First())
			if left := timeOut - took; left < leastLeft {
				t.Errorf("%sthe handler returns with %s left, want at least %s", what, left, leastLeft)
			}
			switch a := f.actionOf(m); {
			case failed && (a.Status != plan.Queued || f.postponed[m.ReceiptHandle] <= 0):
				t.Errorf("%sit comes again after %s and its action is %s, want queued", what, f.postponed[m.ReceiptHandle], a.Status)
			case !failed && a.Status == plan.Failed && a.Error.Reason != directory.PasswordUnknown:
				t.Errorf("%sthe action says %v, want that the result is unknown", what, a.Error)
			case !failed && a.Status == plan.Started:
				t.Errorf("%sthe action is still started", what)
			}
		})
	}
}

// lane counts the messages that are sent to it.
type lane struct{ sent int }

// Send implements queue.Sender.
func (l *lane) Send(_ context.Context, messages ...queue.Message) error {
	l.sent += len(messages)
	return nil
}

// A task that fails its last try is sent again to the bulk lane, so that it delays nobody
// whose change is new: also a password for which no time was left.
func TestALastTryThatFailsGoesToTheBulkLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		var live, bulk lane
		var err error
		f.handler, err = users.New(users.Config{
			Parts: reconcile.Parts{Store: f.store, Clients: f.clients, Metrics: &metric.Memory{},
				Lanes: reconcile.Lanes{UsersLive: &live, UsersBulk: &bulk, GroupsLive: unread{}, GroupsBulk: unread{}}},
			PasswordSeed: f.passwordSeed, Postponer: f, MaxReceives: maxReceives,
		})
		f.must(err)
		f.jumpcloud.FailNext(jumpcloudtest.Fault{PathContains: "/systemusers", Status: 503, Times: 100})
		if within(f, f.message(ann, maxReceives)) || live.sent != 0 || bulk.sent != 1 {
			t.Errorf("a user: %d tasks in the live lane and %d in the bulk lane, want 0 and 1", live.sent, bulk.sent)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		m := f.passwordFor(ann, newPassword, maxReceives)
		response, err := f.handler.Handle(ctx, oneMessage(m))
		f.must(err)
		if len(response.BatchItemFailures) > 0 || live.sent != 0 || bulk.sent != 2 || f.actionOf(m).Status != plan.Queued {
			t.Errorf("a password: %v come again, %d tasks in the live lane and %d in the bulk lane, and the action is %s, want none, 0, 2 and queued",
				response.BatchItemFailures, live.sent, bulk.sent, f.actionOf(m).Status)
		}
		f.consent(false)
		within(f, f.passwordFor(ann, newPassword, 1)) // which suspends the directory
		probes := live.sent
		m = f.passwordFor(ann, newPassword, maxReceives)
		if within(f, m) || live.sent != probes+1 || bulk.sent != 2 || f.actionOf(m).Status != plan.Queued {
			t.Errorf("a password in a suspended directory: %d tasks in the live lane and %d in the bulk lane, and the action is %s, want 1, 0 and queued",
				live.sent-probes, bulk.sent-2, f.actionOf(m).Status)
		}
	})
}
