package users_test

import (
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
)

// These tests are about writes with an unknown outcome, and about two workers on one
// user: the accounts must still get the right state.

// onRequest calls do before the nth request to Graph is served.
func (f *fixture) onRequest(nth int, do func()) {
	seen := 0
	f.before = func(*http.Request) {
		if seen++; seen == nth {
			do()
		}
	}
}

// loseReply makes Graph do the nth request from now and lose its answer.
func (f *fixture) loseReply(nth int) {
	f.onRequest(nth, func() { f.must(f.entra.FailNext(entratest.Fault{Path: `batch$`, LoseReply: true})) })
}

// work repeats the tasks of users, as the queue would, while time passes. It must run
// in a synctest bubble.
func (f *fixture) work(ids ...directory.UserID) {
	f.t.Helper()
	for range 60 {
		if f.run(ids...) == 0 {
			return
		}
		time.Sleep(20 * time.Second) // the bubble's time
	}
	f.t.Fatalf("the tasks still come again after 20 minutes: %+v", f.link(ids[0]))
}

// enabled returns the UPNs of the accounts that may sign in.
func (f *fixture) enabled() []string {
	var names []string
	for _, u := range f.accounts.Users() {
		if u.AccountEnabled && u.Deleted.IsZero() {
			names = append(names, u.UserPrincipalName)
		}
	}
	return names
}

func TestNoOrphanWhenTheCreationIsNotConfirmed(t *testing.T) {
	for name, tc := range map[string]struct {
		during func(*fixture, directory.UserID) // while the creation is under way
		want   string                           // who may sign in at the end
	}{
		"disconnected":         {func(f *fixture, id directory.UserID) { f.disconnect(id) }, ""},
		"deleted in JumpCloud": {func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.DeleteUser(string(id))) }, ""},
		"suspended":            {func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.SuspendUser(string(id))) }, ""},
		"renamed": {func(f *fixture, id directory.UserID) {
			f.update(id, jumpcloudtest.Fields{"email": "new@contoso.example"})
		}, "new@contoso.example"},
		"nothing": {func(*fixture, directory.UserID) {}, "ann@contoso.example"},
	} {
		for _, lag := range []time.Duration{0, 30 * time.Second} {
			t.Run(name+" lag "+lag.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					f.entra.Set(func(b *entratest.Behaviour) { b.Lag.Min, b.Lag.Max = lag, lag })
					ann := f.person("ann")
					f.loseReply(2)
					if again := f.run(ann); again != 1 {
						t.Fatalf("%d messages come again, want 1", again)
					}
					f.before = nil
					tc.during(f, ann)
					f.work(ann)
					if got := strings.Join(f.enabled(), " "); got != tc.want {
						t.Errorf("may sign in: %q, want %q; link %+v", got, tc.want, f.link(ann))
					}
					if n := len(f.accounts.Users()); n != 1 {
						t.Errorf("%d accounts, want 1", n)
					}
				})
			})
		}
	}
}

// A second worker, from the other lane, syncs the user while Graph processes the first
// worker's creation.
func TestTwoLanesAtOneUser(t *testing.T) {
	for name, tc := range map[string]struct {
		during func(*fixture, directory.UserID)
		want   string
	}{
		"disconnected":         {func(f *fixture, id directory.UserID) { f.disconnect(id) }, ""},
		"deleted in JumpCloud": {func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.DeleteUser(string(id))) }, ""},
		"renamed": {func(f *fixture, id directory.UserID) {
			f.update(id, jumpcloudtest.Fields{"email": "new@contoso.example"})
		}, "new@contoso.example"},
		"changed": {func(f *fixture, id directory.UserID) { f.update(id, jumpcloudtest.Fields{"lastname": "Moss"}) }, "ann@contoso.example"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann := f.person("ann")
				f.onRequest(2, func() {
					f.before = nil
					tc.during(f, ann)
					f.run(ann)
				})
				f.run(ann)
				f.work(ann)
				if got := strings.Join(f.enabled(), " "); got != tc.want {
					t.Errorf("may sign in: %q, want %q; link %+v", got, tc.want, f.link(ann))
				}
				if n := len(f.accounts.Users()); n != 1 {
					t.Errorf("%d accounts, want 1", n)
				}
				for _, a := range f.actions() {
					if a.Type == plan.Provision && a.Status == plan.Failed && a.Error.Reason == "interrupted" {
						t.Errorf("an action that a worker was still doing is recorded as interrupted: %+v", a)
					}
				}
			})
		})
	}
}

// Graph did a write, its answer was lost, and then JumpCloud has the old value again:
// Entra must not keep the written value.
func TestLostWriteAndTheValueReturns(t *testing.T) {
	for name, tc := range map[string]struct {
		there, back func(*fixture, directory.UserID)
	}{
		"state": {
			func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.SuspendUser(string(id))) },
			func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.ActivateUser(string(id))) },
		},
		"attribute": {
			func(f *fixture, id directory.UserID) { f.update(id, jumpcloudtest.Fields{"jobTitle": "Boss"}) },
			func(f *fixture, id directory.UserID) { f.update(id, jumpcloudtest.Fields{"jobTitle": ""}) },
		},
		"connection": {
			func(f *fixture, id directory.UserID) { f.disconnect(id) },
			func(f *fixture, id directory.UserID) { f.connect(id) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann := f.person("ann")
				f.run(ann)
				tc.there(f, ann)
				f.loseReply(1)
				f.run(ann)
				f.before = nil
				tc.back(f, ann)
				f.work(ann)
				if account := f.account("ann@contoso.example"); !account.AccountEnabled || account.Text("jobTitle") != "" {
					t.Errorf("enabled %v, job title %q; link %+v, want AccountEnabled true, jobTitle \"\"", account.AccountEnabled, account.Text("jobTitle"), f.link(ann))
				}
			})
		})
	}
}

// One lane enables an account or writes an attribute, and its process dies before it
// records the result. The other lane wrote the opposite meanwhile, and its write landed
// first: what the dead process wrote is not known, and is written again.
func TestTheOtherLaneWroteAndThisOneDied(t *testing.T) {
	for name, tc := range map[string]struct {
		before, here, there func(*fixture, directory.UserID)
		reads               int // requests before the write
		enabled             bool
	}{
		"suspended": {
			before: func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.SuspendUser(string(id))) },
			here:   func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.ActivateUser(string(id))) },
			there:  func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.SuspendUser(string(id))) },
		},
		"disconnected": {
			before: func(f *fixture, id directory.UserID) { f.disconnect(id) },
			here:   func(f *fixture, id directory.UserID) { f.connect(id) },
			there:  func(f *fixture, id directory.UserID) { f.disconnect(id) },
			reads:  1, // the account may have somebody else's id by now
		},
		"activated": {
			before:  func(*fixture, directory.UserID) {},
			here:    func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.SuspendUser(string(id))) },
			there:   func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.ActivateUser(string(id))) },
			enabled: true,
		},
		"an attribute": {
			before:  func(*fixture, directory.UserID) {},
			here:    func(f *fixture, id directory.UserID) { f.update(id, jumpcloudtest.Fields{"jobTitle": "Boss"}) },
			there:   func(f *fixture, id directory.UserID) { f.update(id, jumpcloudtest.Fields{"jobTitle": ""}) },
			enabled: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann := f.person("ann")
				f.run(ann)
				tc.before(f, ann)
				f.work(ann)
				tc.here(f, ann)
				f.onRequest(tc.reads+1, func() {
					f.before = nil
					tc.there(f, ann)
					f.run(ann)
					f.after = func() { f.after = nil; panic("killed") }
				})
				func() {
					defer func() { _ = recover() }()
					f.run(ann)
				}()
				f.sentTasks()
				f.work(ann) // at once, as after a restart on one machine
				if got := f.sentTasks(); !slices.Contains(got, ann) {
					t.Fatalf("tasks sent for %v, want one for %s: nobody may work on it any more", got, ann)
				}
				time.Sleep(3 * time.Minute) // now that task is due
				f.work(ann)
				account, link := f.account("ann@contoso.example"), f.link(ann)
				if account.AccountEnabled != tc.enabled || account.Text("jobTitle") != "" || len(link.OpenActions) > 0 {
					t.Errorf("enabled %t, job title %q, open actions %v; want enabled %t, no job title, no open action", account.AccountEnabled, account.Text("jobTitle"), link.OpenActions, tc.enabled)
				}
				for _, a := range f.actions() {
					if a.Status == plan.Started {
						t.Errorf("never ended: %+v, want it ended", a)
					}
				}
				if n := f.requests(func() { f.run(ann) }); n != 0 {
					t.Errorf("another task costs %d requests, want 0", n)
				}
			})
		})
	}
}

// The answer to a take-over is lost, and the user leaves before the next attempt.
func TestLostTakeOverAndTheUserLeaves(t *testing.T) {
	for lost := 2; lost <= 3; lost++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", Properties: map[string]any{"accountEnabled": false}})
			f.must(err)
			ann := f.person("ann")
			f.loseReply(lost)
			f.run(ann)
			f.before = nil
			f.disconnect(ann)
			f.work(ann)
			if got := f.enabled(); len(got) > 0 {
				t.Errorf("request %d lost: %v may sign in; link %+v, want 0", lost, got, f.link(ann))
			}
		})
	}
}

// Sign-in is blocked, but the sessions cannot be ended because a permission is missing:
// the link has both facts, and ending the sessions is tried again until the permission
// is granted.
func TestSessionsThatCannotBeEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		f.roles("User.EnableDisableAccount.All", "User.Read.All", "User.ReadUpdate.All", "User.Create")
		f.must(f.jumpcloud.SuspendUser(string(ann)))
		f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead"})
		if again := f.run(ann); again != 0 {
			t.Errorf("%d come again, want 0: what is left waits", again)
		}
		link, account := f.link(ann), f.account("ann@contoso.example")
		if account.AccountEnabled || account.Text("jobTitle") != "Lead" || link.State != directory.Disabled || !link.SessionsToEnd {
			t.Errorf("what it may: %+v, %+v, want AccountEnabled false, jobTitle \"Lead\", State %v, SessionsToEnd true", link, account, directory.Disabled)
		}
		if link.Status != directory.Pending || link.Reason != directory.PermissionMissing || !strings.Contains(link.Message, "User.RevokeSessions.All") || len(f.waitingTasks()) != 1 {
			t.Errorf("what it may not: %+v, want Status %v, Reason %v, the text \"User.RevokeSessions.All\", and a task that waits", link, directory.Pending, directory.PermissionMissing)
		}
		f.grant(entratest.RecommendedRoles...)
		f.drain()
		if link := f.link(ann); link.Status != directory.Synced || link.SessionsToEnd || f.account("ann@contoso.example").Text("signInSessionsValidFromDateTime") == "" {
			t.Errorf("once it may: %+v", link)
		}
		f.must(f.jumpcloud.ActivateUser(string(ann)))
		f.run(ann)
		if !f.account("ann@contoso.example").AccountEnabled || f.link(ann).SessionsToEnd {
			t.Errorf("back: %+v", f.link(ann))
		}
	})
}

// We created an account, the answer was lost and the account is hidden for a while: it
// does not count as another user's account.
func TestOwnAccountHiddenByLagIsNoConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.entra.Set(func(b *entratest.Behaviour) { b.Lag.Min, b.Lag.Max = 3*time.Minute, 3*time.Minute })
		ann := f.person("ann")
		f.loseReply(2)
		f.run(ann)
		f.before = nil
		for n := 2; n < maxReceives; n++ {
			if len(f.handle(events.SQSEvent{Records: []events.SQSMessage{f.message(ann, n)}}).BatchItemFailures) == 0 {
				break
			}
			if link := f.link(ann); link.Status == directory.Parked {
				t.Fatalf("try %d: %+v, want Status not %v", n, link, directory.Parked)
			}
			time.Sleep(15 * time.Second) // the bubble's time
		}
		if link := f.link(ann); link.Status != directory.Synced || link.Origin != directory.CreatedByUs {
			t.Errorf("link: %+v, want Status %v, Origin %v", link, directory.Synced, directory.CreatedByUs)
		}
	})
}

// Another user's account is not in the look-up yet: the look-up is repeated a few times
// before the name counts as taken.
func TestNameTakenBySomethingThatIsNoAccount(t *testing.T) {
	f := newFixture(t)
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "other@contoso.example", Properties: map[string]any{"proxyAddresses": []any{"SMTP:ann@contoso.example"}}})
	f.must(err)
	ann := f.person("ann")
	tries := 1
	for ; tries < maxReceives; tries++ {
		if len(f.handle(events.SQSEvent{Records: []events.SQSMessage{f.message(ann, tries)}}).BatchItemFailures) == 0 {
			break
		}
	}
	if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.UPNConflict || tries < 5 || tries > 12 {
		t.Errorf("after %d tries: %+v, want Status %v, Reason %v, tries at least 5, tries at most 12", tries, link, directory.Parked, directory.UPNConflict)
	}
}

// A person who is hired again gets the account of the deleted JumpCloud user, if an administrator
// says that it is the same one. A
// disconnected user who comes back finds the account with another owner.
func TestReleasedAccountsAreFree(t *testing.T) {
	f := newFixture(t)
	first := f.person("ann")
	f.run(first)
	f.must(f.jumpcloud.DeleteUser(string(first)))
	f.run(first)
	second := f.person("ann")
	f.rehire(second)
	if link := f.link(second); link.Status != directory.Synced || link.Origin != directory.TakenOver || !f.account("ann@contoso.example").AccountEnabled {
		t.Errorf("hired again: %+v", link)
	}
	f.run(first)
	if !f.account("ann@contoso.example").AccountEnabled {
		t.Error("a sync of the deleted user disabled the account of the new one")
	}

	f.disconnect(second)
	f.run(second)
	f.update(second, jumpcloudtest.Fields{"email": "away@contoso.example"})
	third := f.unconnected("ann3", "ann@contoso.example")
	f.connect(third)
	f.rehire(third)
	f.connect(second)
	f.run(second)
	if link := f.link(second); link.Status != directory.Synced || link.UPN != "away@contoso.example" || link.EntraID == f.link(third).EntraID {
		t.Errorf("back after the account was given away: %+v", link)
	}
	if got := f.account("ann@contoso.example").Text("displayName"); got != "ann3 Lee" {
		t.Errorf("the account now says %q, want \"ann3 Lee\"", got)
	}
}

// A rule that is turned on again writes at once, although the value is equal to the
// last one that it wrote.
func TestRuleOnAgainWritesAtOnce(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead"})
	f.run(ann)
	turn := func(on bool) {
		d, err := f.store.Directory(t.Context(), f.directory.ID)
		f.must(err)
		d.Settings.Attributes["user_job_title"] = on
		_, err = f.store.PutDirectory(t.Context(), d)
		f.must(err)
		f.run(ann)
	}
	turn(false)
	_, err := f.accounts.UpdateUser("ann@contoso.example", map[string]any{"jobTitle": "Changed in Entra"})
	f.must(err)
	turn(true)
	if got := f.account("ann@contoso.example").Text("jobTitle"); got != "Lead" {
		t.Errorf("the job title is %q, want \"Lead\"", got)
	}
}
