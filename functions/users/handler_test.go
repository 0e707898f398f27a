package users_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

func TestALifeInJumpCloudAndInEntra(t *testing.T) { inWorlds(t, aLife) }

// aLife is the states of a user, from the first day to the last.
func aLife(t *testing.T, f *fixture) {
	ann := f.person("ann")
	f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead"})
	f.run(ann)
	account := f.account("ann@contoso.example")
	if !account.AccountEnabled || account.Text("displayName") != "ann Lee" || account.Text("jobTitle") != "Lead" || account.Text("onPremisesImmutableId") != string(ann) {
		t.Errorf("created: %+v", account)
	}
	link := f.link(ann)
	if link.Status != directory.Synced || link.State != directory.Enabled || link.Origin != directory.CreatedByUs || string(link.EntraID) != account.ID || link.UPN != "ann@contoso.example" || link.LastWriteAt.IsZero() || link.LastEventAt.IsZero() {
		t.Errorf("link: %+v", link)
	}

	if n := f.requests(func() { f.run(ann) }); n != 0 {
		t.Errorf("a sync of a user without a difference cost %d requests to Graph, want 0", n)
	}

	f.update(ann, jumpcloudtest.Fields{"jobTitle": "", "lastname": "Moss", "email": "ann.moss@contoso.example"})
	f.run(ann)
	renamed := f.account("ann.moss@contoso.example")
	if renamed.ID != account.ID || renamed.Text("surname") != "Moss" || renamed.Text("jobTitle") != "" || renamed.Text("mailNickname") != "ann.moss" {
		t.Errorf("renamed: %+v, want ID %v, surname \"Moss\", jobTitle \"\", mailNickname \"ann.moss\"", renamed, account.ID)
	}

	for _, step := range []struct {
		what    string
		do      func()
		enabled bool
		status  directory.LinkStatus
		reason  directory.Reason
	}{
		{"suspended", func() { f.must(f.jumpcloud.SuspendUser(string(ann))) }, false, directory.Synced, directory.SuspendedReason},
		{"back", func() { f.must(f.jumpcloud.ActivateUser(string(ann))) }, true, directory.Synced, ""},
		{"disconnected", func() { f.disconnect(ann) }, false, directory.Released, directory.Disconnected},
		{"connected again", func() { f.connect(ann) }, true, directory.Synced, ""},
		{"deleted", func() { f.must(f.jumpcloud.DeleteUser(string(ann))) }, false, directory.Released, directory.Deleted},
	} {
		step.do()
		f.run(ann)
		link, account := f.link(ann), f.account("ann.moss@contoso.example")
		if account.AccountEnabled != step.enabled || link.Status != step.status || link.Reason != step.reason {
			t.Errorf("%s: enabled %v, %s (%s); want %v, %s (%s)", step.what, account.AccountEnabled, link.Status, link.Reason, step.enabled, step.status, step.reason)
		}
		if !step.enabled && (account.Text("signInSessionsValidFromDateTime") == "" || link.Message == "") {
			t.Errorf("%s: sessions valid from %q, message %q", step.what, account.Text("signInSessionsValidFromDateTime"), link.Message)
		}
	}
	if deleted := f.account("ann.moss@contoso.example"); !deleted.Deleted.IsZero() {
		t.Error("the account was deleted: we never delete")
	}
}

func TestEveryWriteIsRecordedBeforeItIsSent(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	open := map[string]bool{} // actions that had a record when a request was sent
	f.before = func(*http.Request) {
		for _, a := range f.actions() {
			if a.Status == plan.Started {
				open[a.ID] = true
			}
		}
	}
	f.run(ann)
	f.must(f.jumpcloud.SuspendUser(string(ann)))
	f.run(ann)
	if len(open) != 3 {
		t.Errorf("%d of 3 actions had a record when they were sent, want 3 open", len(open))
	}
	actions := f.actions()
	if len(actions) != 3 || actions[0].Type != plan.Provision || actions[1].Type != plan.Deprovision || actions[2].Type != plan.EndSessions {
		t.Fatalf("actions: %+v, want 3 actions, Type %v, Type %v, Type %v", actions, plan.Provision, plan.Deprovision, plan.EndSessions)
	}
	for _, a := range actions {
		if a.Status != plan.Succeeded || a.CompletedAt.IsZero() || a.EntraID == "" || a.Subject.ID != string(ann) || a.Subject.Name != "ann" || a.Cause.ID == "" {
			t.Errorf("action: %+v", a)
		}
		for _, c := range a.Changes {
			if strings.Contains(strings.ToLower(string(c.Attribute)), "password") {
				t.Errorf("a password is in the record: %+v", c)
			}
		}
	}
}

func TestTakeOver(t *testing.T) {
	f := newFixture(t)
	before, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ANN@contoso.example", DisplayName: "Somebody", Properties: map[string]any{"jobTitle": "Boss", "city": "Oslo"}})
	f.must(err)
	ann := f.person("ann")
	f.run(ann)
	after := f.account("ann@contoso.example")
	if after.ID != before.ID || after.Text("displayName") != "ann Lee" || after.Text("jobTitle") != "" || after.Text("city") != "Oslo" || after.Text("onPremisesImmutableId") != "" {
		t.Errorf("taken over: %+v, want ID %v, displayName \"ann Lee\", jobTitle \"\", city \"Oslo\", onPremisesImmutableId \"\"", after, before.ID)
	}
	if link := f.link(ann); link.Origin != directory.TakenOver || link.Status != directory.Synced || string(link.EntraID) != before.ID {
		t.Errorf("link: %+v, want Origin %v, Status %v, EntraID %v", link, directory.TakenOver, directory.Synced, before.ID)
	}
	if after.PasswordChanges != before.PasswordChanges {
		t.Error("the password of an account that was taken over was changed")
	}
	if n := f.requests(func() { f.run(ann) }); n != 0 {
		t.Errorf("the next sync cost %d requests to Graph, want 0", n)
	}
}

func TestWhatParks(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before func(*fixture)
		email  string
		reason directory.Reason
		says   string
	}{
		{"synchronised from on-premises", func(f *fixture) {
			_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", Properties: map[string]any{"onPremisesSyncEnabled": true}})
			f.must(err)
		}, "ann@contoso.example", directory.SyncedFromOnPremises, "on-premises"},
		{"protected", func(f *fixture) {
			_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", DirectoryRoles: []string{"Global Administrator"}})
			f.must(err)
			f.must(f.jumpcloud.UpdateUser(f.jumpcloud.Users()[0].Text("_id"), jumpcloudtest.Fields{"phoneNumbers": []any{map[string]any{"type": "work", "number": "+1 555 0100"}}}))
		}, "ann@contoso.example", directory.ProtectedAccount, "administrator role"},
		{"protected, and nothing to write that needs a role", func(f *fixture) {
			_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", DisplayName: "ann Lee", AccountEnabled: true, DirectoryRoles: []string{"Global Administrator"},
				Properties: map[string]any{"givenName": "ann", "surname": "Lee", "mailNickname": "ann"}})
			f.must(err)
		}, "ann@contoso.example", directory.ProtectedAccount, "administrator role"},
		{"unverified domain", func(*fixture) {}, "ann@elsewhere.example", directory.DomainNotVerified, "elsewhere.example is not a verified domain of tenant Contoso"},
		{"characters that Entra refuses", func(*fixture) {}, "änn@contoso.example", directory.UPNInvalid, "has a character that Entra refuses"},
		{"domain not listed", func(f *fixture) {
			f.directory.Version = 1
			f.directory.Settings.Domains = []directory.Domain{{Name: "contoso.example"}}
			_, err := f.store.PutDirectory(t.Context(), f.directory)
			f.must(err)
		}, "ann@elsewhere.example", directory.DomainNotListed, "elsewhere.example is not one of the domains"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			ann := f.unconnected("ann", tc.email)
			tc.before(f)
			f.connect(ann)
			bob := f.person("bob")
			if again := f.run(ann, bob); again != 0 {
				t.Errorf("%d messages come again; what is parked must not, want 0", again)
			}
			link := f.link(ann)
			if link.Status != directory.Parked || link.Reason != tc.reason || !strings.Contains(link.Message, tc.says) || link.EntraID != "" {
				t.Errorf("link: %+v, want Status %v, Reason %v, the text %q, EntraID \"\"", link, directory.Parked, tc.reason, tc.says)
			}
			if f.link(bob).Status != directory.Synced || !f.account("bob@contoso.example").AccountEnabled {
				t.Error("another user was delayed")
			}
		})
	}
}

func TestASecondClaimantIsParked(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.run(ann)
	f.directory = f.newDirectory("second", func(s *directory.Settings) {
		s.Domains = []directory.Domain{{Name: "contoso.example", Default: true}}
	})
	other := f.unconnected("ann2", "ann@elsewhere.example")
	f.connect(other)
	f.run(other)
	if link := f.link(other); link.Status != directory.Parked || link.Reason != directory.UPNConflict || !strings.Contains(link.Message, string(ann)) || link.EntraID != "" {
		t.Errorf("second claimant: %+v", link)
	}
	if got := f.account("ann@contoso.example").Text("displayName"); got != "ann Lee" {
		t.Errorf("the account now says %q, want \"ann Lee\"", got)
	}
}

func TestManyUsersShareRequests(t *testing.T) {
	f := newFixture(t)
	var ids []directory.UserID
	for i := range 10 {
		ids = append(ids, f.person(fmt.Sprintf("user%d", i)))
	}
	if n := f.requests(func() { f.run(ids...) }); n != 2 {
		t.Errorf("10 new users cost %d requests to Graph, want one for the look-ups and one for the writes", n)
	}
	for _, id := range ids {
		f.must(f.jumpcloud.SuspendUser(string(id)))
	}
	if n := f.requests(func() { f.run(ids...) }); n != 2 {
		t.Errorf("10 suspensions cost %d requests to Graph, want one to block sign-in and one to end the sessions", n)
	}
}

func TestRepeatedTasksInOneBatchAreOneSync(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	var batch events.SQSEvent
	for range 3 {
		batch.Records = append(batch.Records, f.message(ann, 1))
	}
	batch.Records = append(batch.Records, events.SQSMessage{MessageId: "odd", Body: "{}"}, events.SQSMessage{MessageId: "odder", Body: "no"})
	response := f.handle(batch)
	var failed []string
	for _, item := range response.BatchItemFailures {
		failed = append(failed, item.ItemIdentifier)
	}
	if !slices.Equal(failed, []string{"odd", "odder"}) {
		t.Errorf("failed: %v, want the two that are no tasks", failed)
	}
	if n := len(f.actions()); n != 1 {
		t.Errorf("%d actions, want 1", n)
	}
}

func TestLostReplyMakesNoSecondAccount(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	searched := false
	f.before = func(r *http.Request) {
		if searched { // the second batch creates
			f.must(f.entra.FailNext(entratest.Fault{Path: `batch$`, LoseReply: true}))
			f.before = nil
		}
		searched = true
	}
	if again := f.run(ann); again != 1 {
		t.Fatalf("%d messages come again, want 1", again)
	}
	if link := f.link(ann); link.Status != directory.Pending || link.Reason == "" || link.NextTryAt.IsZero() {
		t.Errorf("while it waits: %+v", link)
	}
	f.run(ann)
	if n := len(f.accounts.Users()); n != 1 {
		t.Errorf("%d accounts, want 1", n)
	}
	if link := f.link(ann); link.Status != directory.Synced || link.Origin != directory.CreatedByUs {
		t.Errorf("link: %+v, want Status %v, Origin %v", link, directory.Synced, directory.CreatedByUs)
	}
}

// A process that dies between Graph's answer and our record leaves an open action. The
// next attempt finds the account, recognises it as ours and concludes the action.
func TestKilledBetweenWriteAndRecord(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	calls := 0
	f.before = func(*http.Request) {
		if calls++; calls == 2 {
			panic("killed")
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Fatal("the process was not killed")
			}
		}()
		f.run(ann)
	}()
	f.before = nil
	if actions := f.actions(); len(actions) != 1 || actions[0].Status != plan.Started {
		t.Fatalf("left behind: %+v, want 1 actions, Status %v", actions, plan.Started)
	}
	// Graph did the write before the process died.
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", DisplayName: "ann Lee",
		Properties: map[string]any{"givenName": "ann", "surname": "Lee", "onPremisesImmutableId": string(ann)}})
	f.must(err)
	f.run(ann)
	if link := f.link(ann); link.Status != directory.Synced || link.Origin != directory.CreatedByUs || len(link.OpenActions) > 0 {
		t.Errorf("link: %+v, want Status %v, Origin %v, 0 OpenActions", link, directory.Synced, directory.CreatedByUs)
	}
	actions := f.actions()
	if len(actions) != 1 || actions[0].Status != plan.Succeeded || actions[0].EntraID == "" {
		t.Errorf("actions: %+v, want 1 actions, Status %v, EntraID not \"\"", actions, plan.Succeeded)
	}
}

func TestThrottlingPostponesAndSaysSo(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.must(f.entra.FailNext(entratest.Fault{Path: `batch$`, Status: 429, Header: map[string]string{"Retry-After": "90"}}))
	m := f.message(ann, 1)
	if failed := f.handle(events.SQSEvent{Records: []events.SQSMessage{m}}).BatchItemFailures; len(failed) != 1 {
		t.Fatalf("failed: %v, want 1 failed", failed)
	}
	if got := f.postponed[m.ReceiptHandle]; got != 90*time.Second {
		t.Errorf("postponed for %s, Graph asked for 90s, want %v", got, 90*time.Second)
	}
	link := f.link(ann)
	if wait := time.Until(link.NextTryAt); link.Status != directory.Pending || link.Reason != directory.ThrottledReason || wait < 80*time.Second || wait > 90*time.Second {
		t.Errorf("link: %+v, want Status %v, Reason %v, wait at least %v, wait at most %v", link, directory.Pending, directory.ThrottledReason, 80*time.Second, 90*time.Second)
	}
}

func TestNothingIsGivenUpInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		fail := func() { f.must(f.entra.FailNext(entratest.Fault{Path: `batch$`, Status: 503, Times: 1})) }
		var waits []time.Duration
		for n := 1; n < lastTry; n++ {
			fail()
			m := f.message(ann, n)
			if len(f.handle(events.SQSEvent{Records: []events.SQSMessage{m}}).BatchItemFailures) != 1 {
				t.Fatalf("try %d was the last", n)
			}
			waits = append(waits, f.postponed[m.ReceiptHandle])
		}
		fail()
		f.refuses = 1
		if len(f.handle(events.SQSEvent{Records: []events.SQSMessage{f.message(ann, lastTry)}}).BatchItemFailures) != 1 {
			t.Error("the queue did not take the new task, and the message does not come again")
		}
		fail()
		if len(f.handle(events.SQSEvent{Records: []events.SQSMessage{f.message(ann, lastTry+1)}}).BatchItemFailures) != 0 {
			t.Error("after the last try the message comes again")
		}
		if len(f.again) != 1 {
			t.Fatalf("%d new tasks were sent, want 1", len(f.again))
		}
		if task, err := reconcile.ReadTask(f.again[0].Body); err != nil || task.User != ann || task.Cause.Type != "user_update" {
			t.Errorf("the new task: %+v, %v, want User %v, Type \"user_update\"", task, err, ann)
		}
		if link := f.link(ann); link.Status != directory.Pending || link.Reason != directory.Unavailable || link.Message == "" || link.NextTryAt.IsZero() {
			t.Errorf("link: %+v", link)
		}
		for i, wait := range waits {
			if least := min(time.Second<<min(i, 6), time.Minute); wait < least || wait > time.Minute+time.Minute/4 {
				t.Errorf("wait %d is %s, want at least %s", i+1, wait, least)
			}
		}
		f.run(ann)
		if link := f.link(ann); link.Status != directory.Synced {
			t.Errorf("after Graph came back: %+v, want Status %v", link, directory.Synced)
		}
	})
}

func TestJumpCloudOutageChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		f.run(ann, bob)
		for _, status := range []int{500, 503, 429, 401, 403} {
			f.jumpcloud.FailNext(jumpcloudtest.Fault{Times: 20, Status: status})
			if n := f.requests(func() { f.run(ann, bob) }); n != 0 {
				t.Errorf("%d: %d requests to Graph, want 0", status, n)
			}
			for _, name := range []string{"ann", "bob"} {
				if !f.account(name + "@contoso.example").AccountEnabled {
					t.Fatalf("%d from JumpCloud disabled %s", status, name)
				}
			}
			f.jumpcloud.FailNext(jumpcloudtest.Fault{})
		}
	})
}

func TestAccountDeletedInEntraIsParkedNotRecreated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		_, err := f.accounts.DeleteUser("ann@contoso.example")
		f.must(err)
		f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
		if again := f.run(ann); again != 1 {
			t.Errorf("right after the creation an absence may be lag: %d messages come again, want 1", again)
		}
		time.Sleep(10 * time.Minute) // the bubble's time
		f.run(ann)
		if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.AccountMissing {
			t.Errorf("link: %+v, want Status %v, Reason %v", link, directory.Parked, directory.AccountMissing)
		}
	})
}

func TestUsersNobodyConnectedAreLeftAlone(t *testing.T) {
	f := newFixture(t)
	ann := f.unconnected("ann", "ann@contoso.example")
	if n := f.requests(func() { f.run(ann, "64a1b2c3d4e5f60718293fff") }); n != 0 {
		t.Errorf("%d requests to Graph, want 0", n)
	}
	if len(f.accounts.Users()) != 0 || len(f.actions()) != 0 {
		t.Error("something was written")
	}
	f.directory.ID = directory.NewID(organization, "gone")
	if again := f.run(ann); again != 0 {
		t.Errorf("tasks of a directory that does not exist come again")
	}
}
