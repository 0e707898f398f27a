package users_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// These tests are about the owner of an account: a freed account may get another owner
// the next moment, and then its former owner's tasks must not write to it.

// in returns the fixture with another directory.
func (f *fixture) in(dir directory.Directory) *fixture {
	f.directory = dir
	return f
}

// byDefault gives all users the domain of the tenant.
func (f *fixture) byDefault(dirs ...*directory.Directory) {
	for _, dir := range dirs {
		f.in(*dir).settings(func(s *directory.Settings) {
			s.Domains = []directory.Domain{{Name: "contoso.example", Default: true}}
		})
		*dir = f.directory
	}
}

// One directory of a tenant lets a user go, and another one connects the user while the
// request that disables the account is on its way: the account is enabled in the end.
func TestConnectedByAnotherDirectoryWhileOneDisables(t *testing.T) {
	f := newFixture(t)
	one, two := shared(f)
	ann := f.unconnected("ann", "ann@contoso.example")
	f.in(one).connect(ann)
	f.run(ann)
	f.disconnect(ann)
	f.whenSent(`"accountEnabled":false`, func() {
		f.before = nil
		f.in(two).connect(ann)
		f.run(ann)
		f.in(one)
	})
	for range 3 {
		f.run(ann)
	}
	f.in(two).run(ann)
	if account, link := f.account("ann@contoso.example"), f.link(ann); !account.AccountEnabled || link.State != directory.Enabled {
		t.Errorf("enabled %v, link %+v, want the account enabled and State %v", account.AccountEnabled, link, directory.Enabled)
	}
}

func TestALateTaskDoesNotWriteToAnothersAccount(t *testing.T) {
	f := newFixture(t)
	one, two := shared(f)
	ann := f.unconnected("ann", "ann@contoso.example")
	for _, dir := range []directory.Directory{one, two} {
		f.in(dir).connect(ann)
		f.run(ann)
	}
	f.in(one).disconnect(ann)
	f.in(two).disconnect(ann)
	f.run(ann) // two is quicker
	f.update(ann, jumpcloudtest.Fields{"email": "ann.old@contoso.example"})
	next := f.unconnected("ann2", "ann@contoso.example")
	f.connect(next)
	f.run(next)
	if link := f.link(next); link.Status != directory.Parked || link.Reason != directory.UPNConflict {
		t.Errorf("while the first directory still has the account: %+v", link)
	}
	f.in(one).run(ann)
	if sent := f.sentTasks(); !slices.Contains(sent, next) {
		t.Errorf("new tasks for %v, want one for %s", sent, next)
	}
	f.in(two).rehire(next)
	f.in(one).run(ann)
	f.in(two).run(ann)
	if !f.account("ann@contoso.example").AccountEnabled || f.link(next).Status != directory.Synced {
		t.Errorf("the account of the next one: %+v", f.link(next))
	}
}

// A user owns an account by directories: if one of them releases it, or fails to claim
// it, the others keep it.
func TestAnAccountIsHeldByEachDirectory(t *testing.T) {
	for name, giveUp := range map[string]func(f *fixture, one, two directory.Directory, ann directory.UserID){
		"released while the other connects": func(f *fixture, one, two directory.Directory, ann directory.UserID) {
			f.in(one).disconnect(ann)
			f.onRequest(1, func() {
				f.before = nil
				f.in(two).connect(ann)
				f.run(ann)
				f.in(one)
			})
			f.run(ann)
			f.run(ann)
		},
		"not taken over by the other": func(f *fixture, _, two directory.Directory, ann directory.UserID) {
			_, err := f.accounts.SetUserRoles("ann@contoso.example", "Global Administrator")
			f.must(err)
			f.in(two).connect(ann)
			f.run(ann)
			_, err = f.accounts.SetUserRoles("ann@contoso.example")
			f.must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			one, two := shared(f)
			f.byDefault(&one, &two)
			ann := f.unconnected("ann", "ann@contoso.example")
			f.in(one).connect(ann)
			f.run(ann)
			giveUp(f, one, two, ann)
			other := f.unconnected("ann.b", "ann@other.example")
			f.in(two).connect(other)
			f.run(other)
			if link := f.link(other); link.Status != directory.Parked || link.Reason != directory.UPNConflict {
				t.Errorf("somebody else got the account: %+v, want Status %v, Reason %v", link, directory.Parked, directory.UPNConflict)
			}
		})
	}
}

// A user who waits for an account or a name gets a task when it is free. Who waits for a former
// user's account is asked for first.
func TestWhoWaitsForANameGetsIt(t *testing.T) {
	t.Run("hired again before the old user is gone", func(t *testing.T) {
		f := newFixture(t)
		old := f.person("ann")
		f.run(old)
		f.must(f.jumpcloud.DeleteUser(string(old)))
		next := f.unconnected("ann2", "ann@contoso.example")
		f.connect(next)
		f.run(next)
		f.run(old)
		f.run(f.sentTasks()...)
		f.rehire(next)
		if link := f.link(next); link.Status != directory.Synced || !f.account("ann@contoso.example").AccountEnabled {
			t.Errorf("link: %+v", link)
		}
		if id := f.account("ann@contoso.example").Text("onPremisesImmutableId"); id != string(next) {
			t.Errorf("the immutable id is still that of the one who left: %s", id)
		}
	})
	t.Run("hired again after two directories had the old user", func(t *testing.T) {
		f := newFixture(t)
		one, two := shared(f)
		old := f.unconnected("ann", "ann@contoso.example")
		f.in(one).connect(old)
		f.in(two).connect(old)
		f.in(one).run(old)
		f.in(two).run(old)
		f.must(f.jumpcloud.DeleteUser(string(old)))
		next := f.unconnected("ann2", "ann@contoso.example")
		f.in(one).connect(next)
		f.run(next)
		f.in(two).run(old)
		f.in(one).run(old)
		f.run(f.sentTasks()...)
		f.rehire(next)
		if link := f.link(next); link.Status != directory.Synced || !f.account("ann@contoso.example").AccountEnabled {
			t.Errorf("link: %+v, want Status %v and the account enabled", link, directory.Synced)
		}
	})
	t.Run("the claimant died before the account was recorded, and is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			old := f.person("ann")
			f.run(old)
			account := f.link(old).EntraID
			f.must(f.jumpcloud.DeleteUser(string(old)))
			f.run(old)
			died := f.unconnected("ann2", "ann@contoso.example")
			f.connect(died)
			_, err := f.store.Claim(t.Context(), f.directory.TenantObject, account, store.Owner{Organization: f.directory.Organization, User: died}, f.directory.ID)
			f.must(err)
			f.must(f.jumpcloud.DeleteUser(string(died)))
			next := f.unconnected("ann3", "ann@contoso.example")
			f.connect(next)
			f.run(next)
			if link := f.link(next); link.Reason != directory.UPNConflict {
				t.Errorf("while the claimant may still work: link %+v, want Reason %v", link, directory.UPNConflict)
			}
			f.run(died)
			time.Sleep(3 * time.Minute)
			f.run(f.sentTasks()...)
			f.rehire(next)
			if link := f.link(next); link.Status != directory.Synced || link.EntraID != account {
				t.Errorf("when nobody can work any more: link %+v, want Status %v, EntraID %v", link, directory.Synced, account)
			}
		})
	})
	t.Run("hired again while another worker still writes to the account", func(t *testing.T) {
		f := newFixture(t)
		old := f.person("ann")
		f.run(old)
		f.must(f.jumpcloud.DeleteUser(string(old)))
		next := f.unconnected("ann2", "ann@contoso.example")
		f.connect(next)
		f.whenSent(`"accountEnabled":false`, func() {
			f.before = nil
			f.run(old)
			f.run(next)
			f.run(f.sentTasks()...)
		})
		f.run(old)
		f.run(old)
		f.run(f.sentTasks()...)
		f.rehire(next)
		if link := f.link(next); link.Status != directory.Synced || !f.account("ann@contoso.example").AccountEnabled {
			t.Errorf("link: %+v, account %+v, want Status %v and the account enabled", link, f.account("ann@contoso.example"), directory.Synced)
		}
	})
	t.Run("the claimant died before the account was recorded, and has another one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			old := f.person("ann")
			f.run(old)
			account := f.link(old).EntraID
			f.must(f.jumpcloud.DeleteUser(string(old)))
			f.run(old)
			died := f.unconnected("ann2", "ann@contoso.example")
			f.connect(died)
			_, err := f.store.Claim(t.Context(), f.directory.TenantObject, account, store.Owner{Organization: f.directory.Organization, User: died}, f.directory.ID)
			f.must(err)
			f.update(died, jumpcloudtest.Fields{"email": "ann.b@contoso.example"})
			f.run(died)
			next := f.unconnected("ann3", "ann@contoso.example")
			f.connect(next)
			f.run(next)
			if link := f.link(next); link.Reason != directory.UPNConflict {
				t.Errorf("while the claimant may still work: link %+v, want Reason %v", link, directory.UPNConflict)
			}
			time.Sleep(3 * time.Minute)
			f.run(f.sentTasks()...)
			f.rehire(next)
			if link := f.link(next); link.Status != directory.Synced || link.EntraID != account {
				t.Errorf("when nobody can work any more: link %+v, want Status %v, EntraID %v", link, directory.Synced, account)
			}
			if link := f.link(died); link.Status != directory.Synced || link.EntraID == account {
				t.Errorf("the former claimant: link %+v, want Status %v and an account of their own", link, directory.Synced)
			}
		})
	})
	t.Run("the first claimant leaves", func(t *testing.T) {
		f := newFixture(t)
		f.byDefault(&f.directory)
		first, second := f.person("ann"), f.unconnected("ann.b", "ann@other.example")
		f.connect(second)
		f.run(first)
		f.run(second)
		f.disconnect(first)
		f.run(first)
		f.run(f.sentTasks()...)
		f.rehire(second)
		if link := f.link(second); link.Status != directory.Synced {
			t.Errorf("link: %+v, want Status %v", link, directory.Synced)
		}
	})
	t.Run("the name is given up later", func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		f.run(ann, bob)
		f.update(bob, jumpcloudtest.Fields{"email": "bob2@contoso.example"})
		f.update(ann, jumpcloudtest.Fields{"email": "bob@contoso.example"})
		f.run(ann)
		f.run(bob)
		f.run(f.sentTasks()...)
		if link := f.link(ann); link.Status != directory.Synced || link.UPN != "bob@contoso.example" {
			t.Errorf("link: %+v, want Status %v, UPN \"bob@contoso.example\"", link, directory.Synced)
		}
	})
}

func TestBackAfterTheAccountWentToSomebodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		f.disconnect(ann)
		f.run(ann)
		f.update(ann, jumpcloudtest.Fields{"email": "ann.old@contoso.example"})
		next := f.unconnected("ann2", "ann@contoso.example")
		f.connect(next)
		f.rehire(next)
		f.connect(ann)
		f.work(ann)
		back, theirs := f.link(ann), f.link(next)
		if back.Status != directory.Synced || back.UPN != "ann.old@contoso.example" || theirs.Status != directory.Synced || back.EntraID == theirs.EntraID {
			t.Errorf("back %+v; next %+v, want Status %v, UPN \"ann.old@contoso.example\", Status %v, EntraID not %v", back, theirs, directory.Synced, directory.Synced, theirs.EntraID)
		}
		f.run(next)
		if account := f.account("ann@contoso.example"); string(f.link(next).EntraID) != account.ID || account.Text("displayName") != "ann2 Lee" {
			t.Errorf("the next one's account: %+v", account)
		}
	})
}

// An account went to somebody else, who left, too, and it is the first one's again: with the
// first one's immutable id. So the other one, who comes back with another name, can have an
// account with their own.
func TestAnAccountThatComesBackHasTheIDOfSomebodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, next := f.passedOn()
		entraID := f.link(ann).EntraID
		f.disconnect(next)
		f.run(next)
		f.update(next, jumpcloudtest.Fields{"email": "next@contoso.example"})
		for _, id := range []directory.UserID{ann, next} {
			f.connect(id)
			f.work(id)
		}
		if got := f.link(ann).EntraID; got != entraID {
			t.Errorf("ann has the account %q, want her own, %q", got, entraID)
		}
		for id, upn := range map[directory.UserID]string{ann: "ann.old@contoso.example", next: "next@contoso.example"} {
			link, account := f.link(id), f.account(upn)
			if got := account.Text("onPremisesImmutableId"); got != string(id) || link.Status != directory.Synced || string(link.EntraID) != account.ID {
				t.Errorf("%s has the immutable id %q, want %q; link %+v, want status %v", upn, got, id, link, directory.Synced)
			}
			if n := f.requests(func() { f.run(id) }); n != 0 {
				t.Errorf("another task for %s costs %d requests, want 0", upn, n)
			}
		}
	})
}

// A directory let a user go, and somebody else has the account by now, with an immutable id
// of their own; perhaps that one is gone, too. Another directory on the tenant, which names
// the user otherwise, creates an account with the user's id: no other one has it.
func TestAFormerAccountHasTheIDOfSomebodyElse(t *testing.T) {
	for name, leaves := range map[string]bool{"who has it": false, "who had it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				one, two := shared(f)
				f.in(two).settings(func(s *directory.Settings) { s.Domains = []directory.Domain{{Name: "fed.example", Default: true}} })
				two = f.directory
				ann, next := f.in(one).passedOn()
				if leaves {
					f.disconnect(next)
					f.run(next)
				}
				f.in(two).connect(ann)
				f.work(ann)
				link := f.link(ann)
				if link.Status != directory.Synced {
					t.Fatalf("got the link %+v, want status %v", link, directory.Synced)
				}
				if got := f.account("ann.old@fed.example").Text("onPremisesImmutableId"); got != string(ann) {
					t.Errorf("the new account has the immutable id %q, want Ann's, %q", got, ann)
				}
			})
		})
	}
}

// passedOn lets Ann leave and take another e-mail address, and somebody else take over her
// account by its name.
func (f *fixture) passedOn() (ann, next directory.UserID) {
	f.t.Helper()
	ann = f.person("ann")
	f.run(ann)
	f.disconnect(ann)
	f.run(ann)
	f.update(ann, jumpcloudtest.Fields{"email": "ann.old@contoso.example"})
	next = f.unconnected("ann2", "ann@contoso.example")
	f.connect(next)
	f.rehire(next)
	if got, want := f.link(next).EntraID, f.link(ann).EntraID; got != want {
		f.t.Fatalf("the other one has the account %q, want Ann's, %q: the test shows nothing", got, want)
	}
	return ann, next
}

// An account that a directory released is linked again when another directory of the
// tenant connects the person, also after a rename, if both directories give the same
// names.
func TestBackByAnotherDirectory(t *testing.T) {
	for name, domains := range map[string][]directory.Domain{
		"who names people alike":     nil,
		"who names people otherwise": {{Name: "contoso.onmicrosoft.example", Default: true}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			one, two := shared(f)
			f.in(two).settings(func(s *directory.Settings) { s.Domains = domains })
			two = f.directory
			ann := f.unconnected("ann", "ann@contoso.example")
			f.in(one).connect(ann)
			f.run(ann)
			before := f.link(ann)
			f.disconnect(ann)
			f.run(ann)
			f.update(ann, jumpcloudtest.Fields{"email": "ann.2@contoso.example"})
			f.in(two).connect(ann)
			f.run(ann)
			after := f.link(ann)
			if after.Status != directory.Synced || (after.EntraID == before.EntraID) != (domains == nil) {
				t.Errorf("before %+v; after %+v", before, after)
			}
			if account := f.account(string(after.UPN)); !account.AccountEnabled {
				t.Errorf("the account is %+v, want AccountEnabled true", account)
			}
		})
	}
}

// Directories that give a user different names give the user different accounts; each
// is disabled when its own directory releases the user.
func TestTwoNamesAreTwoAccounts(t *testing.T) {
	f := newFixture(t)
	one, two := shared(f)
	f.in(two).settings(func(s *directory.Settings) {
		s.Domains = []directory.Domain{{Name: "contoso.onmicrosoft.example", Default: true}}
	})
	two = f.directory
	ann := f.unconnected("ann", "ann@contoso.example")
	f.in(one).connect(ann)
	f.run(ann)
	f.in(two).connect(ann)
	f.run(ann)
	first, second := f.in(one).link(ann), f.in(two).link(ann)
	if first.Status != directory.Synced || second.Status != directory.Synced || first.EntraID == second.EntraID {
		t.Fatalf("one %+v; two %+v, want Status %v, Status %v, EntraID not %v", first, second, directory.Synced, directory.Synced, second.EntraID)
	}
	f.in(one).disconnect(ann)
	f.run(ann)
	f.in(two).run(ann)
	if f.account("ann@contoso.example").AccountEnabled || !f.account("ann@contoso.onmicrosoft.example").AccountEnabled {
		t.Errorf("one %+v; two %+v", f.in(one).link(ann), f.in(two).link(ann))
	}
}

// A directory writes nothing while the id of its tenant is unknown.
func TestADirectoryWithoutItsTenantWaits(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	dir := f.directory
	dir.Version, dir.TenantObject = 1, ""
	_, err := f.store.PutDirectory(t.Context(), dir)
	f.must(err)
	if n := f.requests(func() { f.run(ann) }); n != 0 {
		t.Errorf("%d requests to Graph, want 0", n)
	}
	if link := f.link(ann); link.Status != directory.Pending || link.Reason != directory.PendingConsent || link.Message == "" || !f.record().IsSuspended() || len(f.waitingTasks()) != 1 {
		t.Errorf("link: %+v", link)
	}
}

func TestTheManagerIsNeverTheNextOwner(t *testing.T) {
	f := newFixture(t)
	f.settings(func(s *directory.Settings) { s.Attributes["user_manager"] = true })
	boss, ann := f.person("boss"), f.person("ann")
	f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
	f.run(boss, ann)
	f.disconnect(boss)
	f.run(boss)
	f.update(boss, jumpcloudtest.Fields{"email": "old.boss@contoso.example"})
	next := f.unconnected("boss2", "boss@contoso.example")
	f.connect(next)
	f.run(next)
	bob := f.person("bob")
	f.update(bob, jumpcloudtest.Fields{"manager": string(boss)})
	f.run(bob, ann)
	for _, name := range []string{"ann", "bob"} {
		if got := f.account(name + "@contoso.example").Manager; got != "" {
			t.Errorf("%s reports to %s, which is the next boss", name, got)
		}
	}
	f.connect(boss)
	f.run(boss)
	f.run(f.sentTasks()...)
	for _, name := range []string{"ann", "bob"} {
		if got := f.account(name + "@contoso.example").Manager; got != string(f.link(boss).EntraID) {
			t.Errorf("%s reports to %q once the boss is back", name, got)
		}
	}
}

func TestReportsOfARestoredManagerGetTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.Attributes["user_manager"] = true })
		boss, ann := f.person("boss"), f.person("ann")
		f.run(boss, ann)
		_, err := f.accounts.DeleteUser("boss@contoso.example")
		f.must(err)
		time.Sleep(10 * time.Minute)
		f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
		for n := range 12 {
			f.handle(oneMessage(f.message(ann, n+1)))
			time.Sleep(time.Minute)
		}
		if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.ManagerMissing {
			t.Fatalf("while the manager's account is deleted: %+v, want Status %v, Reason %v", link, directory.Parked, directory.ManagerMissing)
		}
		f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
		f.update(boss, jumpcloudtest.Fields{"jobTitle": "Chief"})
		f.run(boss)
		f.run(f.sentTasks()...)
		if got := f.account("ann@contoso.example").Manager; got != f.account("boss@contoso.example").ID || f.link(ann).Status != directory.Synced {
			t.Errorf("manager %q, link %+v", got, f.link(ann))
		}
	})
}

// One new password ends the sessions once, also if its event is a little later than its
// date and another event comes in between.
func TestOnePasswordEndsSessionsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.RevokeSessionsOnPasswordChange = true })
		ann := f.person("ann")
		f.must(f.jumpcloud.SetPassword(string(ann), "Correct-Horse-1"))
		f.run(ann)
		time.Sleep(time.Hour)
		f.must(f.jumpcloud.SetPassword(string(ann), "Correct-Horse-2"))
		f.run(ann)
		f.runForPassword(ann, time.Now().Add(300*time.Millisecond))
		ended := 0
		for _, a := range f.actions() {
			if a.Type == plan.EndSessions {
				ended++
			}
		}
		if ended != 1 {
			t.Errorf("sessions ended %d times, want 1", ended)
		}
	})
}

// Of two deleted accounts with the name, the one deleted last is restored.
func TestTheLatestDeletedAccountIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
		var last string
		for range 2 {
			u, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
			f.must(err)
			time.Sleep(time.Hour)
			_, err = f.accounts.DeleteUser(u.ID)
			f.must(err)
			last = u.ID
		}
		ann := f.person("ann")
		f.run(ann)
		if got := f.account("ann@contoso.example").ID; got != last {
			t.Errorf("restored %s, want %s", got, last)
		}
	})
}

// A take-over with an unknown outcome stays a take-over: its account does not count as
// created by us later.
func TestATakeOverAfterTroubleIsStillOne(t *testing.T) {
	for name, trouble := range map[string]entratest.Fault{
		"unavailable": {Method: "PATCH", Path: `/users/[^/]+$`, Status: 503}, "failed": {Method: "PATCH", Path: `/users/[^/]+$`, Status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", DisplayName: "The Admin", AccountEnabled: true, DirectoryRoles: []string{"Global Administrator"}})
			f.must(err)
			ann := f.person("ann")
			f.must(f.entra.FailNext(trouble))
			f.run(ann)
			f.run(ann)
			if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.ProtectedAccount || link.EntraID != "" {
				t.Errorf("link: %+v, want Status %v, Reason %v, EntraID \"\"", link, directory.Parked, directory.ProtectedAccount)
			}
			if got := f.account("ann@contoso.example").DisplayName; got != "The Admin" {
				t.Errorf("the administrator is called %q now, want \"The Admin\"", got)
			}
		})
	}
}

func TestATakeOverThatWasNotConfirmedIsFinished(t *testing.T) {
	for _, back := range []bool{true, false} {
		f := newFixture(t)
		_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", AccountEnabled: false})
		f.must(err)
		ann := f.person("ann")
		f.loseReply(2)
		f.run(ann)
		f.before = nil
		if !back {
			f.disconnect(ann)
		}
		f.run(ann)
		if account, link := f.account("ann@contoso.example"), f.link(ann); account.AccountEnabled != back || link.TakingOver || link.Origin != directory.TakenOver {
			t.Errorf("connected %v: enabled %v, link %+v, want AccountEnabled %v, TakingOver false, Origin %v", back, account.AccountEnabled, link, back, directory.TakenOver)
		}
	}
}

func TestADeletedGuestIsLeftDeleted(t *testing.T) {
	f := newFixture(t)
	f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
	guest, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", Properties: map[string]any{"userType": "Guest"}})
	f.must(err)
	_, err = f.accounts.DeleteUser(guest.ID)
	f.must(err)
	ann := f.person("ann")
	f.run(ann)
	if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.GuestAccount {
		t.Errorf("link: %+v, want Status %v, Reason %v", link, directory.Parked, directory.GuestAccount)
	}
}
