package users_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// request is the message of a request of an administrator to try a user again.
func (f *fixture) request(id directory.UserID) events.SQSMessage {
	f.t.Helper()
	m := f.message(id, 1)
	task, err := reconcile.ReadTask([]byte(m.Body))
	f.must(err)
	task.Cause, task.Memberships = plan.Cause{Type: "retried", ID: m.MessageId, At: time.Now().UTC(), Requested: true}, true
	body, err := task.Message()
	f.must(err)
	m.Body = string(body.Body)
	return m
}

// tryAgain handles the request for a user, and what comes again as soon as it is due, for some
// minutes. It fails unless nothing comes again in the end.
func (f *fixture) tryAgain(id directory.UserID) {
	f.t.Helper()
	m := f.request(id)
	for range 5 {
		if again := len(f.handle(oneMessage(m)).BatchItemFailures); again == 0 {
			return
		}
		time.Sleep(f.postponed[m.ReceiptHandle])
	}
	f.t.Errorf("the request comes again after five tries: %+v, want that it ends", f.link(id))
}

// stands fails unless a link has the status and the reason.
func (f *fixture) stands(id directory.UserID, status directory.LinkStatus, reason directory.Reason) {
	f.t.Helper()
	if link := f.link(id); link.Status != status || link.Reason != reason {
		f.t.Errorf("the link is %s %q (%s), want %s %q", link.Status, link.Reason, link.Message, status, reason)
	}
}

// In each of these worlds somebody corrects what parked a user, moments after entrasync read it,
// and asks to try again: what was read before the request is not believed.
func TestARetryBelievesNoCache(t *testing.T) {
	for name, tc := range map[string]struct {
		before  func(*fixture) directory.UserID // parks a user
		reason  directory.Reason
		correct func(*fixture)
	}{
		"a domain is verified": {
			func(f *fixture) directory.UserID {
				ann := f.unconnected("ann", "ann@new.example")
				f.connect(ann)
				return ann
			}, directory.DomainNotVerified,
			func(f *fixture) { f.must(f.accounts.SetVerified("new.example", true)) },
		},
		"a domain is not federated any more": {
			func(f *fixture) directory.UserID {
				_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
				f.must(err)
				ann := f.person("ann")
				f.run(ann)
				f.update(ann, jumpcloudtest.Fields{"email": "ann@fed.example"})
				return ann
			}, directory.DomainFederated,
			func(f *fixture) { f.must(f.accounts.SetFederated("fed.example", false)) },
		},
		"the application gets a directory role": {
			func(f *fixture) directory.UserID {
				_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", DirectoryRoles: []string{"Global Administrator"}})
				f.must(err)
				return f.person("ann")
			}, directory.ProtectedAccount,
			func(f *fixture) {
				f.must(f.entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.DirectoryRoles = []string{"Privileged Authentication Administrator"} }))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann := tc.before(f)
				f.run(ann)
				f.stands(ann, directory.Parked, tc.reason)
				time.Sleep(time.Second)
				f.tryAgain(ann) // too early: nothing was corrected
				f.stands(ann, directory.Parked, tc.reason)
				time.Sleep(time.Second)
				tc.correct(f)
				time.Sleep(time.Second)
				f.tryAgain(ann)
				f.stands(ann, directory.Synced, "")
			})
		})
	}
}

// A request that comes in one batch with a later event is still a request.
func TestARequestIsNotLostBehindAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.unconnected("ann", "ann@new.example")
		f.connect(ann)
		f.run(ann)
		f.stands(ann, directory.Parked, directory.DomainNotVerified)
		f.must(f.accounts.SetVerified("new.example", true))
		time.Sleep(time.Second)
		asked := f.request(ann)
		time.Sleep(time.Second)
		f.handle(events.SQSEvent{Records: []events.SQSMessage{asked, f.message(ann, 1)}})
		f.stands(ann, directory.Synced, "")
	})
}

// A key that was replaced after JumpCloud refused it is used with the next try, which the
// request probes for, and not when the old one is forgotten.
func TestAReplacedAPIKeyIsUsedByTheNextTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.Key = "a key that was revoked"
		f.restart()
		f.run(ann)
		f.stands(ann, directory.Pending, directory.JumpCloudRefused)
		f.Key = functiontest.APIKey
		time.Sleep(time.Second)
		probe, err := reconcile.Probe(f.directory.ID, time.Time{}).Message()
		f.must(err)
		f.again = nil
		f.handle(oneMessage(received("probe", probe)))
		f.tryAgain(ann)
		f.stands(ann, directory.Synced, "")
	})
}
