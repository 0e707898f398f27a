package users_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/seal"
)

const newPassword = "canary-Passw0rd?9"

// passwordFor does what the gateway does after JumpCloud accepted a password: it
// records the action, seals the password and returns the message, received for the nth
// time.
func (f *fixture) passwordFor(id directory.UserID, password string, receives int) events.SQSMessage {
	f.t.Helper()
	f.messages++
	link := f.link(id)
	action := plan.Action{
		ID: fmt.Sprintf("p%03d", f.messages), Type: plan.SetPassword, Directory: f.directory.ID, Subject: plan.Subject{Kind: "user", ID: string(id)},
		EntraID: link.EntraID, Cause: plan.Cause{Type: "password_gateway", ID: "c"}, Status: plan.Queued, At: time.Now().UTC(),
	}
	f.must(f.store.ChangeLink(context.Background(), f.directory.ID, id, func(l directory.Link) directory.Link {
		l.PasswordDiffers = &directory.Obstacle{Reason: directory.PasswordPending, Message: "it was given to JumpCloud"}
		return l
	}))
	f.must(f.store.RecordActions(context.Background(), action))
	opener, err := seal.NewOpener(f.seed)
	f.must(err)
	sealed, err := seal.Seal(opener.Public(), password, seal.Purpose{Directory: f.directory.ID, User: id, Account: link.EntraID, Action: action.ID})
	f.must(err)
	m, err := reconcile.Task{Directory: f.directory.ID, User: id, Cause: action.Cause, Password: &reconcile.SealedPassword{Action: action.ID, Sealed: sealed}}.Message()
	f.must(err)
	return events.SQSMessage{MessageId: action.ID, ReceiptHandle: "r-" + action.ID, Body: string(m.Body), EventSourceARN: "queue",
		Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(receives)}}
}

// asReceived returns a message as received for the nth time.
func asReceived(m events.SQSMessage, n int) events.SQSMessage {
	m.Attributes = map[string]string{"ApproximateReceiveCount": strconv.Itoa(n)}
	return m
}

// handOver handles messages in one batch and returns those that come again.
func (f *fixture) handOver(messages ...events.SQSMessage) []string {
	f.t.Helper()
	var again []string
	for _, failure := range f.handle(events.SQSEvent{Records: messages}).BatchItemFailures {
		again = append(again, failure.ItemIdentifier)
	}
	return again
}

// actionOf reads the action of a message.
func (f *fixture) actionOf(m events.SQSMessage) plan.Action {
	f.t.Helper()
	a, err := f.store.Action(context.Background(), organization, m.MessageId)
	f.must(err)
	return a
}

// failPassword makes the next write to a user fail.
func (f *fixture) failPassword(fault entratest.Fault) {
	f.t.Helper()
	fault.Method, fault.Path = http.MethodPatch, `/users/[^/]+$`
	f.must(f.entra.FailNext(fault))
}

// hasPassword reports whether an account has a password.
func (f *fixture) hasPassword(upn, password string) bool {
	f.t.Helper()
	return f.account(upn).HasPassword(password)
}

func TestAPasswordIsSet(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.run(ann)
	m := f.passwordFor(ann, newPassword, 1)
	if again := f.handOver(m); len(again) > 0 || !f.hasPassword("ann@contoso.example", newPassword) {
		t.Errorf("the account has another password; again: %v", again)
	}
	a, link := f.actionOf(m), f.link(ann)
	if a.Status != plan.Succeeded || a.CompletedAt.IsZero() || a.Error != nil || len(a.Changes) > 0 {
		t.Errorf("action: %+v", a)
	}
	if !link.PasswordAt.Equal(a.CompletedAt) || link.PasswordDiffers != nil || link.Status != directory.Synced {
		t.Errorf("link: %+v", link)
	}
	if n := f.metrics.Counts()[metric.Key("actions", "type", "set_password", "status", "succeeded", "reason", "")]; n != 1 {
		t.Errorf("counted %d times, want 1", n)
	}
	changes := f.account("ann@contoso.example").PasswordChanges
	if again := f.handOver(asReceived(m, 2)); len(again) > 0 || f.account("ann@contoso.example").PasswordChanges != changes {
		t.Errorf("the message came twice and the password was set twice; again: %v", again)
	}
}

// A password is merged neither with syncs of the user nor with another password; the
// last one wins.
func TestPasswordsBesideSyncs(t *testing.T) {
	f := newFixture(t)
	ann, bob := f.person("ann"), f.person("bobby")
	f.run(ann, bob)
	before := f.account("ann@contoso.example").PasswordChanges
	first, second, his := f.passwordFor(ann, newPassword+"1", 1), f.passwordFor(ann, newPassword+"2", 1), f.passwordFor(bob, newPassword+"3", 1)
	f.must(f.jumpcloud.SuspendUser(string(ann)))
	if again := f.handOver(f.message(ann, 1), first, f.message(ann, 1), second, his, f.message(bob, 1)); len(again) > 0 {
		t.Errorf("again: %v, want 0 again", again)
	}
	account := f.account("ann@contoso.example")
	if !account.HasPassword(newPassword+"2") || account.PasswordChanges != before+2 || account.AccountEnabled || !f.hasPassword("bobby@contoso.example", newPassword+"3") {
		t.Errorf("enabled %v, %d passwords", account.AccountEnabled, account.PasswordChanges-before)
	}
	if a, b := f.actionOf(first), f.actionOf(second); a.Status != plan.Succeeded || b.Status != plan.Succeeded {
		t.Errorf("%s, %s, want Status %v, Status %v", a.Status, b.Status, plan.Succeeded, plan.Succeeded)
	}
}

// A password that was certainly not written comes again, and later passwords of the
// user wait for it.
func TestAPasswordThatIsThrottledComesAgain(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.run(ann)
	first, second := f.passwordFor(ann, newPassword+"1", 1), f.passwordFor(ann, newPassword+"2", 1)
	f.failPassword(entratest.Fault{Status: 429, Header: map[string]string{"Retry-After": "40"}})
	if again := f.handOver(first, second); !slices.Equal(again, []string{first.MessageId, second.MessageId}) {
		t.Errorf("again: %v", again)
	}
	for _, m := range []events.SQSMessage{first, second} {
		if a := f.actionOf(m); a.Status != plan.Queued || f.postponed[m.ReceiptHandle] != 40*time.Second {
			t.Errorf("%s: %s, postponed for %v", m.MessageId, a.Status, f.postponed[m.ReceiptHandle])
		}
	}
	if again := f.handOver(asReceived(first, 2), asReceived(second, 2)); len(again) > 0 || !f.hasPassword("ann@contoso.example", newPassword+"2") {
		t.Errorf("the account has another password; again: %v", again)
	}
}

func TestPasswordsThatCannotBeSet(t *testing.T) {
	for _, tc := range []struct {
		name     string
		password string
		receives int
		before   func(*fixture, directory.UserID)
		kind     string
		reason   directory.Reason
		says     string
		reads    bool // whether Graph is read
	}{
		{"common", "P@ssw0rd!", 1, nil, "invalid", directory.PasswordRefused, "take another", true},
		{"an administrator", newPassword, 1, func(f *fixture, _ directory.UserID) {
			_, err := f.accounts.SetUserRoles("ann@contoso.example", "Global Administrator")
			f.must(err)
		}, "forbidden", directory.ProtectedAccount, "administrator", true},
		{"an outage", newPassword, 1, func(f *fixture, _ directory.UserID) { f.failPassword(entratest.Fault{Status: 503}) },
			"transient", directory.PasswordUnknown, "no clear answer", true},
		{"a lost answer", newPassword, 1, func(f *fixture, _ directory.UserID) { f.failPassword(entratest.Fault{LoseReply: true}) },
			"transient", directory.PasswordUnknown, "the new password or the old one", true},
		{"throttled for the last time", newPassword, maxReceives, func(f *fixture, _ directory.UserID) {
			f.failPassword(entratest.Fault{Status: 429, Header: map[string]string{"Retry-After": "40"}})
		}, "throttled", directory.ThrottledReason, "slow down", true},
		{"disconnected", newPassword, 1, func(f *fixture, id directory.UserID) { f.disconnect(id) }, "not_found", directory.Disconnected, "not connected", false},
		{"an account that is gone", newPassword, 1, func(f *fixture, id directory.UserID) {
			_, err := f.accounts.DeleteUser("ann@contoso.example")
			f.must(err)
			f.must(f.store.ChangeLink(context.Background(), f.directory.ID, id, func(l directory.Link) directory.Link {
				l.LastWriteAt = time.Now().Add(-time.Hour)
				return l
			}))
		}, "not_found", directory.AccountMissing, "restore it", true},
		{"a domain that became federated", newPassword, 1, func(f *fixture, _ directory.UserID) {
			f.must(f.accounts.SetFederated("contoso.example", true))
			_, err := f.clients.Describe(context.Background(), f.directory.Tenant)
			f.must(err)
		}, "forbidden", directory.DomainFederated, "ann@contoso.example signs in with JumpCloud", true}, // Graph is read, because the account may have left the domain
		{"a domain that became federated a moment ago", newPassword, 1, func(f *fixture, _ directory.UserID) {
			f.must(f.accounts.SetFederated("contoso.example", true))
		}, "invalid", directory.PasswordRefused, "does not take a password for this account (The password of a user in a federated domain", true},
		{"a key that was replaced", newPassword, 1, func(f *fixture, _ directory.UserID) { f.seed += " that somebody replaced" }, "invalid", directory.PasswordUnopened, "another key: set it again", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			ann := f.person("ann")
			f.run(ann)
			m := f.passwordFor(ann, tc.password, tc.receives)
			if tc.before != nil {
				tc.before(f, ann)
			}
			var again []string
			if n := f.requests(func() { again = f.handOver(m) }); (n > 0) != tc.reads {
				t.Errorf("%d requests to Graph", n)
			}
			a, link := f.actionOf(m), f.link(ann)
			if len(again) > 0 || a.Status != plan.Failed || a.Error == nil || a.Error.Kind != tc.kind || a.Error.Reason != tc.reason || !strings.Contains(a.Error.Message, tc.says) {
				t.Fatalf("again %v; action: %s %+v, want 0 again, Status %v, an Error, Kind %v, Reason %v, the text %q", again, a.Status, a.Error, plan.Failed, tc.kind, tc.reason, tc.says)
			}
			if link.PasswordDiffers == nil || link.PasswordDiffers.Reason != tc.reason || link.PasswordDiffers.Message != a.Error.Message || !link.PasswordAt.IsZero() {
				t.Errorf("link: %+v", link.PasswordDiffers)
			}
			if strings.Contains(a.Error.Message, tc.password) {
				t.Error("the message repeats the password")
			}
			if n := f.requests(func() { again = f.handOver(asReceived(m, 2)) }); n > 0 || len(again) > 0 {
				t.Errorf("it was sent again: %d requests, want 0, 0 again", n)
			}
		})
	}
}

// After an unknown outcome, a later password makes both sides equal.
func TestThePasswordAfterOne(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.run(ann)
	f.failPassword(entratest.Fault{LoseReply: true})
	f.handOver(f.passwordFor(ann, newPassword+"1", 1))
	f.handOver(f.passwordFor(ann, newPassword+"2", 1))
	if link := f.link(ann); link.PasswordDiffers != nil || link.PasswordAt.IsZero() || !f.hasPassword("ann@contoso.example", newPassword+"2") {
		t.Errorf("link: %+v", link)
	}
}

// A process that dies during the write leaves the action started. The password is not
// sent again, and the link says that its outcome is unknown.
func TestAPasswordIsNotSentAgainAfterACrash(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.run(ann)
	m := f.passwordFor(ann, newPassword, 1)
	f.before = func(r *http.Request) {
		if r.Method == http.MethodPatch {
			if a := f.actionOf(m); a.Status != plan.Started {
				t.Errorf("it is sent while its action is %s, want %v", a.Status, plan.Started)
			}
			panic("the process dies")
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the process did not die")
			}
		}()
		f.handOver(m)
	}()
	f.before = nil
	if n := f.requests(func() {
		if again := f.handOver(asReceived(m, 2)); len(again) > 0 {
			t.Errorf("again: %v, want 0 again", again)
		}
	}); n > 0 {
		t.Errorf("%d requests to Graph", n)
	}
	a, link := f.actionOf(m), f.link(ann)
	if a.Status != plan.Failed || a.Error == nil || a.Error.Reason != "interrupted" || !strings.Contains(a.Error.Message, "Set it again") || link.PasswordDiffers == nil || link.PasswordDiffers.Reason != "interrupted" {
		t.Errorf("%s %+v, link %+v, want Status %v, an Error, Reason \"interrupted\", the text \"Set it again\", a PasswordDiffers, Reason \"interrupted\"", a.Status, a.Error, link.PasswordDiffers, plan.Failed)
	}
}

// A new account is not replicated at once: the password comes again until it is.
func TestAPasswordForAnAccountThatLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		m := f.passwordFor(ann, newPassword, 1)
		f.failPassword(entratest.Fault{Status: 404})
		if again := f.handOver(m); len(again) != 1 || f.actionOf(m).Status != plan.Queued {
			t.Errorf("again %v, %s, want 1 again, Status %v", again, f.actionOf(m).Status, plan.Queued)
		}
		time.Sleep(f.postponed[m.ReceiptHandle])
		if again := f.handOver(asReceived(m, 2)); len(again) > 0 || !f.hasPassword("ann@contoso.example", newPassword) {
			t.Errorf("again %v, %+v", again, f.actionOf(m))
		}
	})
}

func TestAPasswordThatWaitedTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		m := f.passwordFor(ann, newPassword, 1)
		time.Sleep(seal.Life)
		f.handOver(m)
		if a := f.actionOf(m); a.Status != plan.Failed || a.Error == nil || a.Error.Reason != directory.PasswordUnopened {
			t.Errorf("%s %+v, want Status %v, an Error, Reason %v", a.Status, a.Error, plan.Failed, directory.PasswordUnopened)
		}
	})
}

// A changed message cannot move a sealed password to another account.
func TestAPasswordIsForOneAccount(t *testing.T) {
	f := newFixture(t)
	ann, bob := f.person("ann"), f.person("bob")
	f.run(ann, bob)
	hers, his := f.passwordFor(ann, newPassword, 1), f.passwordFor(bob, newPassword, 1)
	read := func(m events.SQSMessage) reconcile.Task {
		task, err := reconcile.ReadTask([]byte(m.Body))
		f.must(err)
		return task
	}
	moved := read(his)
	moved.Password.Sealed = read(hers).Password.Sealed
	foreign := read(hers) // with an action that is another user's
	foreign.User = bob
	unrecorded := read(hers)
	unrecorded.Password.Action = "nobody's"
	for name, task := range map[string]reconcile.Task{"sealed for another": moved, "an action of another": foreign, "no action": unrecorded} {
		body, err := task.Message()
		f.must(err)
		m := his
		m.Body = string(body.Body)
		if n := f.requests(func() { f.handOver(m) }); n > 0 || f.hasPassword("bob@contoso.example", newPassword) {
			t.Errorf("%s: %d requests to Graph", name, n)
		}
	}
}

// A task makes the users function publish the key that seals passwords.
func TestTheKeyIsPublishedWhenSomebodyAsks(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	ask := func() string {
		m, err := reconcile.Task{Directory: f.directory.ID, User: ann, Cause: plan.Cause{Type: reconcile.PasswordKey, ID: fmt.Sprint(f.messages), At: time.Now()}}.Message()
		f.must(err)
		f.handOver(events.SQSMessage{MessageId: "k", Body: string(m.Body), Attributes: map[string]string{"ApproximateReceiveCount": "1"}})
		key, err := f.store.PasswordKey(context.Background())
		f.must(err)
		return string(key)
	}
	want := func() string {
		opener, err := seal.NewOpener(f.seed)
		f.must(err)
		return string(opener.Public())
	}
	if got := ask(); got != want() || strings.Contains(got, `"d"`) {
		t.Errorf("published %s", got)
	}
	f.seed += " that somebody replaced"
	if got := ask(); got != want() {
		t.Errorf("after it was replaced: %s", got)
	}
	// A password that was sealed with an old key is lost, and the next one is sealed
	// with the new key.
	f.run(ann)
	m := f.passwordFor(ann, newPassword, 1)
	f.seed += " once more"
	f.handOver(m)
	if got, err := f.store.PasswordKey(context.Background()); err != nil || string(got) != want() {
		t.Errorf("after a password for an old key: %s, %v", got, err)
	}
	if account := f.account("ann@contoso.example"); !account.AccountEnabled {
		t.Error("the task that requests the key also synced the user")
	}
}
