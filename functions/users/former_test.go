package users_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// confirm says that the user may have the former user's account, as the API does for an
// administrator.
func (f *fixture) confirm(id directory.UserID) {
	f.t.Helper()
	link := f.link(id)
	if link.Former == nil {
		f.t.Fatalf("%s waits for no account of a former user: %+v", id, link)
	}
	word := directory.TakeOver{Account: *link.Former, By: "chief", At: time.Now().UTC()}
	f.must(f.store.ConfirmTakeOver(f.t.Context(), plan.Action{ID: "confirmed-" + string(id), Type: plan.ConfirmTakeOver, Directory: f.directory.ID,
		Status: plan.Succeeded, At: word.At, CompletedAt: word.At}, link.ConfirmedBy(word)))
}

// rehire tries a user who waits for the account of a former one, confirms that both are the same
// person, and tries the user again.
func (f *fixture) rehire(id directory.UserID) {
	f.t.Helper()
	f.run(id)
	f.confirm(id)
	f.run(id)
}

// mustWait checks that the user is parked because of the account of a former user.
func (f *fixture) mustWait(when string, id, former directory.UserID) {
	f.t.Helper()
	link := f.link(id)
	if link.Status != directory.Parked || link.Reason != directory.FormerOwned || link.EntraID != "" || link.Former == nil || link.Former.Owner.User != former {
		f.t.Errorf("%s: got %+v, want Status %s, Reason %s, the former owner %s", when, link, directory.Parked, directory.FormerOwned, former)
	}
}

// leaver is somebody who had an account and left, and that account.
func (f *fixture) leaver() (directory.UserID, directory.EntraID) {
	f.t.Helper()
	old := f.person("ann")
	f.run(old)
	account := f.link(old).EntraID
	f.must(f.jumpcloud.DeleteUser(string(old)))
	f.run(old)
	return old, account
}

// A new user with the e-mail of a leaver does not get the leaver's account until an
// administrator says that both are the same person.
func TestARehireIsAskedFor(t *testing.T) {
	f := newFixture(t)
	old, account := f.leaver()
	next := f.unconnected("ann2", "ann@contoso.example")
	f.connect(next)
	writes := f.requests(func() { f.run(next) })
	f.mustWait("hired again", next, old)
	if a := f.account("ann@contoso.example"); a.AccountEnabled || a.Text("onPremisesImmutableId") != string(old) {
		t.Errorf("after %d requests the leaver's account is %+v, want it as it was", writes, a)
	}
	message := f.link(next).Message
	for _, says := range []string{"ann (" + string(old) + ")", "ann2 (" + string(next) + ")", string(account), "until 20", "/take-over", "rename or delete"} {
		if !strings.Contains(message, says) {
			t.Errorf("got the message %q, want it to say %q", message, says)
		}
	}
	f.run(next, next)
	if n := len(f.parkings(next)); n != 1 {
		t.Errorf("%d events that the user is parked, want 1", n)
	}
	f.confirm(next)
	f.run(next)
	link := f.link(next)
	if a := f.account("ann@contoso.example"); link.Status != directory.Synced || link.EntraID != account || !a.AccountEnabled || a.Text("onPremisesImmutableId") != string(next) {
		t.Errorf("confirmed: got %+v and the account %+v, want Status %s, the account %s enabled", link, a, directory.Synced, account)
	}
	if link.Confirmed != nil || link.Former != nil {
		t.Errorf("the confirmation was used: got %+v and %+v, want neither", link.Confirmed, link.Former)
	}
	f.run(old)
	if !f.account("ann@contoso.example").AccountEnabled {
		t.Error("a task of the leaver disabled the account, want it enabled")
	}
}

// Somebody is hired with the e-mail of a leaver who is held: the message says that the leaver
// waits in a hold, or was rejected there, and what to do.
func TestARehireOfWhoIsHeld(t *testing.T) {
	for status, says := range map[store.HoldStatus][]string{
		store.HoldOpen:     {"the user was deleted in JumpCloud", "waits in the hold", "/approve"},
		store.HoldRejected: {"the user was deleted in JumpCloud", "was rejected", "rename that account"},
		store.HoldApproved: {"/take-over"},
	} {
		t.Run(string(status), func(t *testing.T) {
			f := newFixture(t)
			f.guarded(0, 100, 0)
			old, account := f.leaver()
			hold := f.hold()
			if status == store.HoldRejected {
				f.decide(hold, status, 0)
			}
			next := f.unconnected("ann2", "ann@contoso.example")
			f.connect(next)
			f.run(next)
			if status == store.HoldApproved {
				f.decide(hold, status, time.Hour)
				f.drain()
				f.mustWait("approved", next, old)
			} else if says = append(says, hold.ID, "ann ("+string(old)+")", string(account)); f.link(next).Reason != directory.UPNConflict {
				t.Errorf("got %+v, want it parked as a conflict", f.link(next))
			}
			for _, each := range says {
				if got := f.link(next).Message; !strings.Contains(got, each) {
					t.Errorf("got the message %q, want it to say %q", got, each)
				}
			}
		})
	}
}

// Who left and comes back is the same JumpCloud user, and is not asked for.
func TestWhoComesBackIsNotAskedFor(t *testing.T) {
	for name, meanwhile := range map[string]func(*fixture){
		"at once":                        func(*fixture) {},
		"after comparisons":              func(f *fixture) { f.resync(true) },
		"after somebody wanted the name": func(f *fixture) { next := f.unconnected("ann2", "ann@contoso.example"); f.connect(next); f.run(next) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann := f.person("ann")
				f.run(ann)
				account := f.link(ann).EntraID
				f.disconnect(ann)
				f.run(ann)
				f.update(ann, jumpcloudtest.Fields{"email": "ann.old@contoso.example"})
				meanwhile(f)
				f.connect(ann)
				f.run(ann)
				if link := f.link(ann); link.Status != directory.Synced || link.EntraID != account || !f.account("ann.old@contoso.example").AccountEnabled {
					t.Errorf("back: got %+v, want Status %s, the account %s", link, directory.Synced, account)
				}
			})
		})
	}
}

// The immutable id of the account is the new user's: somebody wrote it there, so both are the
// same person.
func TestAnAccountWithTheUsersIDIsTheUsers(t *testing.T) {
	f := newFixture(t)
	_, account := f.leaver()
	next := f.unconnected("ann2", "ann@contoso.example")
	f.byHand(account, map[string]any{"onPremisesImmutableId": string(next)})
	f.connect(next)
	f.run(next)
	if link := f.link(next); link.Status != directory.Synced || link.EntraID != account {
		t.Errorf("got %+v, want Status %s, the account %s", link, directory.Synced, account)
	}
}

// A confirmation is about one account and one end of one ownership: it does not reach a second
// rehire, and not an account that the leaver had again since.
func TestAConfirmationIsUsedOnce(t *testing.T) {
	f := newFixture(t)
	f.leaver()
	second := f.person("ann")
	f.run(second)
	f.confirm(second)
	f.run(second)
	f.must(f.jumpcloud.DeleteUser(string(second)))
	f.run(second)
	third := f.person("ann")
	f.run(third)
	f.mustWait("a second rehire", third, second)
}

func TestAConfirmationIsVoidWhenTheAccountChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		f.disconnect(ann)
		f.run(ann)
		f.update(ann, jumpcloudtest.Fields{"email": "ann.old@contoso.example"})
		next := f.unconnected("ann2", "ann@contoso.example")
		f.connect(next)
		f.run(next)
		f.confirm(next)
		time.Sleep(time.Hour) // its task is lost
		f.connect(ann)
		f.run(ann)
		f.renamed(string(f.link(ann).EntraID), "ann@contoso.example") // by hand
		f.disconnect(ann)
		f.run(ann)
		f.run(next)
		f.mustWait("after the leaver had the account again", next, ann)
		if c := f.link(next).Confirmed; c != nil {
			t.Errorf("got the confirmation %+v, want none: it was about the earlier release", c)
		}
	})
}

// A confirmation survives a process that dies anywhere while it is used.
func TestAConfirmationSurvivesADeath(t *testing.T) {
	for n := 1; ; n++ {
		died := false
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			_, account := f.leaver()
			next := f.person("ann")
			f.run(next)
			f.confirm(next)
			died = f.diesAt(n, f.message(next, 1))
			time.Sleep(10 * time.Minute)
			f.run(next)
			f.drain()
			if link := f.link(next); link.Status != directory.Synced || link.EntraID != account || link.Confirmed != nil {
				t.Errorf("dead at call %d: got %+v, want Status %s, the account %s, the confirmation used", n, link, directory.Synced, account)
			}
		})
		if !died || t.Failed() {
			return
		}
	}
}

// An account that Entra does not let us have does not use the confirmation up.
func TestARefusedTakeOverKeepsTheConfirmation(t *testing.T) {
	f := newFixture(t)
	_, account := f.leaver()
	next := f.person("ann")
	f.run(next)
	f.confirm(next)
	f.must(f.entra.FailNext(entratest.Fault{Method: "PATCH", Path: `^/v1\.0/users/`, Status: http.StatusForbidden, Body: `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}}`}))
	f.run(next)
	if link := f.link(next); link.Status != directory.Parked || link.Reason == directory.FormerOwned || link.Confirmed == nil {
		t.Errorf("refused: got %+v, want Status %s for another reason, still confirmed", link, directory.Parked)
	}
	f.run(next)
	if link := f.link(next); link.Status != directory.Synced || link.EntraID != account {
		t.Errorf("allowed: got %+v, want Status %s, the account %s", link, directory.Synced, account)
	}
}

// Somebody else with the same sign-in name is no rehire either.
func TestAnotherUserOfTheNameIsAskedForToo(t *testing.T) {
	f := newFixture(t)
	f.byDefault(&f.directory)
	first, second := f.person("ann"), f.unconnected("ann.b", "ann@other.example")
	f.run(first)
	f.disconnect(first)
	f.run(first)
	f.connect(second)
	f.run(second)
	f.mustWait("the first one left", second, first)
}

// Of a release from before it was recorded, the immutable id of the account tells.
func TestAnEarlierReleaseIsKnownByTheImmutableID(t *testing.T) {
	f := newFixture(t)
	old, account := f.leaver()
	f.must(f.Table.Delete(t.Context(), store.Key{PK: "T#" + string(f.directory.TenantObject) + "#E#" + string(account), SK: "former#" + string(f.directory.ID)}, store.Any))
	next := f.person("ann")
	f.run(next)
	f.mustWait("hired again", next, old)
	f.confirm(next)
	f.run(next)
	if link := f.link(next); link.Status != directory.Synced || link.EntraID != account {
		t.Errorf("confirmed: got %+v, want Status %s, the account %s", link, directory.Synced, account)
	}
}

// Deleted accounts that are restored belong to somebody too.
func TestARestoredAccountIsAskedForToo(t *testing.T) {
	f := newFixture(t)
	old, account := f.leaver()
	f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
	_, err := f.accounts.DeleteUser(string(account))
	f.must(err)
	next := f.person("ann")
	f.run(next)
	f.mustWait("the leaver's account is deleted", next, old)
}

// In a second directory on the tenant it is the same account.
func TestARehireInAnotherDirectoryOfTheTenant(t *testing.T) {
	f := newFixture(t)
	one, two := shared(f)
	old := f.unconnected("ann", "ann@contoso.example")
	f.in(one).connect(old)
	f.in(one).run(old)
	f.must(f.jumpcloud.DeleteUser(string(old)))
	f.in(one).run(old)
	next := f.unconnected("ann2", "ann@contoso.example")
	f.in(two).connect(next)
	f.in(two).run(next)
	f.in(two).mustWait("through the other directory", next, old)
	f.in(two).confirm(next)
	f.in(two).run(next)
	f.in(one).connect(next)
	f.in(one).run(next)
	for _, dir := range []directory.Directory{one, two} {
		if link := f.in(dir).link(next); link.Status != directory.Synced || link.EntraID == "" {
			t.Errorf("%s: got %+v, want Status %s with the account", dir.Name, link, directory.Synced)
		}
	}
}

// Two workers try a confirmed user at once: one account, enabled.
func TestTwoWorkersUseAConfirmation(t *testing.T) {
	f := newFixture(t)
	_, account := f.leaver()
	next := f.person("ann")
	f.run(next)
	f.confirm(next)
	f.whenSent(`"accountEnabled":true`, func() {
		f.before = nil
		f.run(next)
	})
	f.run(next)
	f.run(next)
	if link := f.link(next); link.Status != directory.Synced || link.EntraID != account || len(f.accounts.Users()) != 1 {
		t.Errorf("got %+v, %d accounts, want Status %s, the account %s alone", link, len(f.accounts.Users()), directory.Synced, account)
	}
}

// The leaver's name changes in Entra: the new user gets an account of their own, and the
// confirmation is void.
func TestARenamedAccountIsInNobodysWay(t *testing.T) {
	f := newFixture(t)
	_, account := f.leaver()
	next := f.person("ann")
	f.run(next)
	f.confirm(next)
	f.renamed(string(account), "ann.left@contoso.example")
	f.run(next)
	if link := f.link(next); link.Status != directory.Synced || link.Origin != directory.CreatedByUs || link.EntraID == account || link.Confirmed != nil {
		t.Errorf("got %+v, want Status %s, a new account, no confirmation", link, directory.Synced)
	}
}
