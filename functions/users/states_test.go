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
)

// group is the path through a user group.
const group directory.Path = "group:6b03fed186ad05dc98000abc"

// Every cause that disables an account: the account is disabled with its own reason,
// its sessions end, and it is enabled again when the cause ends.
func TestEveryCauseDisablesAndComesBack(t *testing.T) {
	strict := func(s *directory.Settings) { s.SuspendOnLockout, s.SuspendOnPasswordExpiration = true, true }
	leave := func(why directory.Reason) func(*fixture, directory.UserID) {
		return func(f *fixture, id directory.UserID) {
			_, err := f.store.Disconnect(f.t.Context(), f.directory.ID, id, group, why)
			f.must(err)
		}
	}
	byGroup := func(f *fixture, id directory.UserID) {
		f.must(f.store.Connect(f.t.Context(), f.directory.ID, id, group, time.Now().UTC()))
	}
	direct := func(f *fixture, id directory.UserID) { f.connect(id) }
	for _, tc := range []struct {
		name        string
		settings    func(*directory.Settings)
		connect     func(*fixture, directory.UserID)
		cause, back func(*fixture, directory.UserID)
		reason      directory.Reason // "": the account stays enabled
		released    bool
	}{
		{"suspended", nil, direct, func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.SuspendUser(string(id))) },
			func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.ActivateUser(string(id))) }, directory.SuspendedReason, false},
		{"locked out, lockout suspends", strict, direct, func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.LockUser(string(id))) },
			func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.UnlockUser(string(id))) }, directory.Locked, false},
		{"locked out, lockout does not suspend", nil, direct, func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.LockUser(string(id))) },
			func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.UnlockUser(string(id))) }, "", false},
		{"password expired, expiry suspends", strict, direct, func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.ExpirePassword(string(id))) },
			func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.SetPassword(string(id), "Correct-Horse-9")) }, directory.PasswordExpired, false},
		{"password expired, expiry does not suspend", nil, direct, func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.ExpirePassword(string(id))) },
			func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.SetPassword(string(id), "Correct-Horse-9")) }, "", false},
		{"disconnected directly", nil, direct, func(f *fixture, id directory.UserID) { f.disconnect(id) }, direct, directory.Disconnected, true},
		{"left the last group", nil, byGroup, leave(directory.LeftGroup), byGroup, directory.LeftGroup, true},
		{"the last group was disconnected", nil, byGroup, leave(directory.GroupDisconnected), direct, directory.GroupDisconnected, true},
		{"the last group was deleted", nil, byGroup, leave(directory.GroupDeleted), byGroup, directory.GroupDeleted, true},
		{"deleted", nil, direct, func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.DeleteUser(string(id))) }, nil, directory.Deleted, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			if tc.settings != nil {
				f.settings(tc.settings)
			}
			ann := f.unconnected("ann", "ann@contoso.example")
			tc.connect(f, ann)
			f.run(ann)
			id := f.account("ann@contoso.example").ID
			tc.cause(f, ann)
			f.run(ann)
			account, link := f.account("ann@contoso.example"), f.link(ann)
			status := map[bool]directory.LinkStatus{false: directory.Synced, true: directory.Released}[tc.released]
			if account.AccountEnabled != (tc.reason == "") || link.Reason != tc.reason || link.Status != status || (tc.reason != "") != (link.Message != "") {
				t.Errorf("enabled %v, link %+v", account.AccountEnabled, link)
			}
			if ended := account.Text("signInSessionsValidFromDateTime") != ""; ended != (tc.reason != "") {
				t.Errorf("sessions ended: %v", ended)
			}
			if tc.back != nil {
				tc.back(f, ann)
				f.run(ann)
				if account, link := f.account("ann@contoso.example"), f.link(ann); !account.AccountEnabled || account.ID != id || link.Status != directory.Synced || link.Reason != "" {
					t.Errorf("did not come back: enabled %v, link %+v, want AccountEnabled true, ID %v, Status %v, Reason \"\"", account.AccountEnabled, link, id, directory.Synced)
				}
			}
			if all := f.accounts.Users(); len(all) != 1 || !all[0].Deleted.IsZero() {
				t.Error("an account was deleted or made twice")
			}
		})
	}
}

func TestStagedExistsDisabledAndOpensWithTheActivation(t *testing.T) {
	f := newFixture(t)
	id, err := f.jumpcloud.CreateUser(jumpcloudtest.Fields{"username": "ann", "email": "ann@contoso.example", "firstname": "Ann", "lastname": "Lee", "state": "STAGED"})
	f.must(err)
	ann := directory.UserID(id)
	f.connect(ann)
	f.run(ann)
	if link := f.link(ann); f.account("ann@contoso.example").AccountEnabled || link.Status != directory.Synced || link.Reason != directory.StagedReason {
		t.Errorf("staged: %+v", link)
	}
	f.must(f.jumpcloud.ActivateUser(id))
	f.run(ann)
	if link := f.link(ann); !f.account("ann@contoso.example").AccountEnabled || link.Reason != "" {
		t.Errorf("activated: %+v", link)
	}
}

// An imported person uses the password of Microsoft until JumpCloud activates the user:
// a take-over neither disables nor enables the account.
func TestStagedKeepsTheStateOfAnAccountThatWasThereBefore(t *testing.T) {
	for _, tc := range []struct {
		name            string
		enabled, native bool // whether it has the immutable id that JumpCloud's own integration writes
	}{{"enabled", true, false}, {"disabled", false, false}, {"enabled, JumpCloud's", true, true}, {"disabled, JumpCloud's", false, true}} {
		t.Run(tc.name, func(t *testing.T) {
			f, enabled := newFixture(t), tc.enabled
			const upn = "ann@contoso.example"
			id, err := f.jumpcloud.CreateUser(jumpcloudtest.Fields{"username": "ann", "email": upn, "firstname": "Ann", "lastname": "Lee", "state": "STAGED"})
			f.must(err)
			_, err = f.accounts.AddUser(entratest.User{UserPrincipalName: upn, DisplayName: "Somebody"})
			f.must(err)
			properties := map[string]any{"accountEnabled": enabled}
			if tc.native {
				properties["onPremisesImmutableId"] = id
			}
			_, err = f.accounts.UpdateUser(upn, properties)
			f.must(err)
			ann := directory.UserID(id)
			state := map[bool]directory.AccountState{true: directory.Enabled, false: directory.Disabled}
			stands := func(when string, want bool, status directory.LinkStatus, reason directory.Reason) {
				t.Helper()
				account, link := f.account(upn), f.link(ann)
				if account.AccountEnabled != want || link.State != state[want] || link.Status != status || link.Reason != reason {
					t.Errorf("%s: enabled %v, want %v; link %+v", when, account.AccountEnabled, want, link)
				}
			}

			f.connect(ann)
			f.run(ann)
			stands("taken over", enabled, directory.Synced, directory.StagedReason)
			if account := f.account(upn); account.Text("givenName") != "Ann" || account.Text("signInSessionsValidFromDateTime") != "" {
				t.Errorf("taken over: the names are %q, the sessions ended at %q, want givenName \"Ann\", signInSessionsValidFromDateTime \"\"", account.Text("givenName"), account.Text("signInSessionsValidFromDateTime"))
			}
			f.run(ann)
			stands("synced again", enabled, directory.Synced, directory.StagedReason)

			f.disconnect(ann)
			f.run(ann)
			stands("disconnected", false, directory.Released, directory.Disconnected)
			f.connect(ann)
			f.run(ann)
			stands("connected again", enabled, directory.Synced, directory.StagedReason)

			f.must(f.jumpcloud.ActivateUser(id))
			f.run(ann)
			stands("activated", true, directory.Synced, "")
			f.update(ann, jumpcloudtest.Fields{"state": "SUSPENDED"})
			f.run(ann)
			stands("suspended", false, directory.Synced, directory.SuspendedReason)
		})
	}
}

// Only when the last path is gone is the account disabled.
func TestTheLastPathCounts(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	other := group + "d"
	for _, path := range []directory.Path{group, other} {
		f.must(f.store.Connect(t.Context(), f.directory.ID, ann, path, time.Now().UTC()))
	}
	f.run(ann)
	for _, path := range []directory.Path{directory.Direct, group} {
		_, err := f.store.Disconnect(t.Context(), f.directory.ID, ann, path, directory.LeftGroup)
		f.must(err)
		if n := f.requests(func() { f.run(ann) }); n != 0 || !f.account("ann@contoso.example").AccountEnabled {
			t.Fatalf("without the path %s: %d requests, %+v", path, n, f.link(ann))
		}
	}
	_, err := f.store.Disconnect(t.Context(), f.directory.ID, ann, other, directory.LeftGroup)
	f.must(err)
	f.run(ann)
	if f.account("ann@contoso.example").AccountEnabled || f.link(ann).Reason != directory.LeftGroup {
		t.Errorf("without any path: %+v", f.link(ann))
	}
}

// One read that does not show a user who is not connected does not make the user one who was
// deleted; an event does.
func TestWhoIsNotConnectedIsDeletedOnlyByAnEvent(t *testing.T) {
	for want, missing := range map[directory.Reason]func(*fixture, directory.UserID){
		directory.Disconnected: func(f *fixture, ann directory.UserID) {
			f.jumpcloud.FailNext(jumpcloudtest.Fault{Path: "/api/systemusers/" + string(ann), Status: 404})
		},
		directory.Deleted: func(f *fixture, ann directory.UserID) { f.must(f.jumpcloud.DeleteUser(string(ann))) },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann := f.person("ann")
			f.run(ann)
			f.disconnect(ann)
			f.run(ann)
			missing(f, ann)
			f.run(ann)
			if link := f.link(ann); link.Status != directory.Released || link.Reason != want {
				t.Errorf("ann is %s (%s), want %s (%s)", link.Status, link.Reason, directory.Released, want)
			}
		})
	}
}

// shared makes two directories on the tenant; the first is that of the fixture.
func shared(f *fixture) (one, two directory.Directory) {
	two = f.newDirectory("two", func(s *directory.Settings) { s.AllowSharedDomains, s.SuspendOnLockout = true, true })
	one = f.directory
	for _, each := range []struct{ dir, other *directory.Directory }{{&one, &two}, {&two, &one}} {
		each.dir.Version, each.dir.Shares = 1, []directory.ID{each.other.ID}
		_, err := f.store.PutDirectory(f.t.Context(), *each.dir)
		f.must(err)
	}
	return one, two
}

// A user of two directories on one tenant keeps the account as long as one of them has
// the user connected, and changes of the user are still written.
func TestTheLastPathOfTheTenantCounts(t *testing.T) {
	f := newFixture(t)
	one, two := shared(f)
	in := func(dir directory.Directory) *fixture { f.directory = dir; return f }
	ann := f.unconnected("ann", "ann@contoso.example")
	both := func() {
		in(one).run(ann)
		in(two).run(ann)
	}
	expect := func(when string, enabled bool, first, second directory.Reason) {
		t.Helper()
		both()
		a, l1, l2 := f.account("ann@contoso.example"), in(one).link(ann), in(two).link(ann)
		if a.AccountEnabled != enabled || l1.Reason != first || l2.Reason != second || l1.EntraID != l2.EntraID {
			t.Errorf("%s: enabled %v, %s (%s), %s (%s), want AccountEnabled %v, Reason %v, Reason %v, EntraID %v", when, a.AccountEnabled, l1.Status, l1.Reason, l2.Status, l2.Reason, enabled, first, second, l2.EntraID)
		}
	}
	in(one).connect(ann)
	in(two).connect(ann)
	expect("in both", true, "", "")
	in(one).disconnect(ann)
	expect("in the second only", true, directory.ConnectedElsewhere, "")
	f.must(f.jumpcloud.SuspendUser(string(ann)))
	expect("suspended", false, directory.SuspendedReason, directory.SuspendedReason)
	f.must(f.jumpcloud.ActivateUser(string(ann)))
	expect("activated", true, directory.ConnectedElsewhere, "")
	f.must(f.jumpcloud.LockUser(string(ann)))
	expect("locked, and the second suspends then", false, directory.Locked, directory.Locked)
	f.must(f.jumpcloud.UnlockUser(string(ann)))
	expect("unlocked", true, directory.ConnectedElsewhere, "")
	in(two).disconnect(ann)
	expect("in none", false, directory.Disconnected, directory.Disconnected)
	in(two).connect(ann)
	expect("in the second again", true, directory.ConnectedElsewhere, "")
	in(one).connect(ann)
	in(two).disconnect(ann)
	expect("in the first only", true, "", directory.ConnectedElsewhere)
	f.must(f.jumpcloud.DeleteUser(string(ann)))
	expect("deleted", false, directory.Deleted, directory.Deleted)
	if len(f.accounts.Users()) != 1 {
		t.Error("there is a second account")
	}
}

// A user left and another one has the same name: the account of the first is not free
// while another directory on the tenant still has the first connected.
func TestAnAccountHeldElsewhereIsNotGivenAway(t *testing.T) {
	f := newFixture(t)
	one, two := shared(f)
	ann := f.unconnected("ann", "ann@contoso.example")
	for _, dir := range []directory.Directory{one, two} {
		f.directory = dir
		f.connect(ann)
		f.run(ann)
	}
	f.directory = one
	f.disconnect(ann)
	f.run(ann)
	f.settings(func(s *directory.Settings) {
		s.Domains = []directory.Domain{{Name: "contoso.example", Default: true}}
	})
	other := f.unconnected("ann2", "ann@elsewhere.example")
	f.connect(other)
	f.run(other)
	if link := f.link(other); link.Status != directory.Parked || link.Reason != directory.UPNConflict {
		t.Errorf("second claimant: %+v, want Status %v, Reason %v", link, directory.Parked, directory.UPNConflict)
	}
}

func TestANewPasswordEndsSessionsWhereTheDirectorySaysSo(t *testing.T) {
	for _, revokes := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.settings(func(s *directory.Settings) { s.RevokeSessionsOnPasswordChange = revokes })
			ann := f.person("ann")
			f.must(f.jumpcloud.SetPassword(string(ann), "Correct-Horse-1"))
			f.run(ann)
			ends := func(when string, want int) {
				t.Helper()
				got := 0
				for _, a := range f.actions() {
					if a.Type == plan.EndSessions && a.Reason == directory.PasswordChanged && a.Status == plan.Succeeded {
						got++
					}
				}
				if !revokes {
					want = 0
				}
				if got != want {
					t.Errorf("revokes %v, %s: sessions ended %d times, want %d", revokes, when, got, want)
				}
			}
			ends("created with a password", 0)
			time.Sleep(time.Hour)
			f.must(f.jumpcloud.SetPassword(string(ann), "Correct-Horse-2"))
			f.run(ann) // the event was lost: the date shows the change
			f.run(ann)
			ends("a new password", 1)
			time.Sleep(time.Hour)
			f.runForPassword(ann, time.Now()) // JumpCloud gave no date: the event shows the change
			ends("an event", 2)
			f.runForPassword(ann, time.Now().Add(-30*time.Minute))
			f.run(ann)
			ends("an old event", 2)
			f.must(f.jumpcloud.SuspendUser(string(ann)))
			f.run(ann)
			time.Sleep(time.Hour)
			f.must(f.jumpcloud.SetPassword(string(ann), "Correct-Horse-3"))
			f.run(ann)
			ends("of a disabled account", 2)
		})
	}
}

// A deleted account with the wanted name is reported with a reason, or restored if the
// directory has that setting.
func TestADeletedAccountIsRestoredOrReported(t *testing.T) {
	for name, tc := range map[string]struct {
		ours bool // entrasync created the account for this user
		want directory.Origin
	}{"somebody's": {false, directory.TakenOver}, "ours": {true, directory.CreatedByUs}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			ann := f.person("ann")
			properties := map[string]any{"jobTitle": "Boss", "city": "Oslo"}
			if tc.ours {
				properties["onPremisesImmutableId"] = string(ann)
			}
			old, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "Ann@contoso.example", AccountEnabled: false, Properties: properties})
			f.must(err)
			namesake, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "joann@contoso.example"})
			f.must(err)
			for _, id := range []string{old.ID, namesake.ID} {
				_, err = f.accounts.DeleteUser(id)
				f.must(err)
			}
			f.run(ann)
			if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.AccountDeleted || link.EntraID != "" || link.Message == "" {
				t.Errorf("reported: %+v, want Status %v, Reason %v, EntraID \"\", Message not \"\"", link, directory.Parked, directory.AccountDeleted)
			}
			f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
			f.run(ann)
			account, link := f.account("ann@contoso.example"), f.link(ann)
			if account.ID != old.ID || !account.AccountEnabled || !account.Deleted.IsZero() || account.Text("displayName") != "ann Lee" || account.Text("jobTitle") != "" || account.Text("city") != "Oslo" {
				t.Errorf("restored: %+v", account)
			}
			if link.Status != directory.Synced || link.Origin != tc.want || string(link.EntraID) != old.ID {
				t.Errorf("link: %+v, want Status %v, Origin %v, EntraID %v", link, directory.Synced, tc.want, old.ID)
			}
			if n := f.requests(func() { f.run(ann) }); n != 0 {
				t.Errorf("another sync cost %d requests, want 0", n)
			}
		})
	}
}

func TestALinkedAccountThatWasDeletedInEntraIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
		ann := f.person("ann")
		f.run(ann)
		time.Sleep(time.Hour)
		gone, err := f.accounts.DeleteUser("ann@contoso.example")
		f.must(err)
		f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
		f.run(ann)
		account := f.account("ann@contoso.example")
		if link := f.link(ann); account.ID != gone.ID || account.Text("surname") != "Moss" || link.Status != directory.Synced {
			t.Errorf("account %+v, link %+v, want ID %v, surname \"Moss\", Status %v", account, link, gone.ID, directory.Synced)
		}
		time.Sleep(time.Hour)
		f.must(f.accounts.PurgeUser(gone.ID))
		f.update(ann, jumpcloudtest.Fields{"lastname": "Lee"})
		f.run(ann)
		if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.AccountMissing {
			t.Errorf("gone for good: %+v, want Status %v, Reason %v", link, directory.Parked, directory.AccountMissing)
		}
	})
}

// A leaver without an account in Entra needs no write, and gets a new account on
// return.
func TestALeaverWithoutAnAccountIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		time.Sleep(time.Hour)
		f.must(f.accounts.PurgeUser("ann@contoso.example"))
		f.disconnect(ann)
		f.run(ann)
		if link := f.link(ann); link.Status != directory.Released || link.Reason != directory.Disconnected || link.Account() != "" || link.State != directory.Absent {
			t.Errorf("released: %+v, want Status %v, Reason %v, no account, State %v", link, directory.Released, directory.Disconnected, directory.Absent)
		}
		f.connect(ann)
		f.run(ann)
		if link := f.link(ann); link.Status != directory.Synced || !f.account("ann@contoso.example").AccountEnabled {
			t.Errorf("back: %+v", link)
		}
	})
}

// The immutable id of an account that was taken over is written if the directory is
// federated, also if it becomes so later, and only if the account had none.
func TestFederatedLater(t *testing.T) {
	f := newFixture(t)
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
	f.must(err)
	_, err = f.accounts.AddUser(entratest.User{UserPrincipalName: "bob@contoso.example", Properties: map[string]any{"onPremisesImmutableId": "theirs"}})
	f.must(err)
	ann, bob := f.person("ann"), f.person("bob")
	f.run(ann, bob)
	if id := f.account("ann@contoso.example").Text("onPremisesImmutableId"); id != "" {
		t.Errorf("not federated: %q, want \"\"", id)
	}
	f.settings(func(s *directory.Settings) { s.Federated = true })
	f.run(ann, bob)
	if id := f.account("ann@contoso.example").Text("onPremisesImmutableId"); id != string(ann) {
		t.Errorf("federated: %q", id)
	}
	if id := f.account("bob@contoso.example").Text("onPremisesImmutableId"); id != "theirs" {
		t.Errorf("the id that was there became %q, want \"theirs\"", id)
	}
}

func TestManagerInEitherOrder(t *testing.T) {
	rule := func(s *directory.Settings) { s.Attributes["user_manager"] = true }
	manages := func(f *fixture, upn, manager string) bool {
		want := ""
		if manager != "" {
			want = f.account(manager).ID
		}
		return f.account(upn).Manager == want
	}
	t.Run("manager first", func(t *testing.T) {
		f := newFixture(t)
		f.settings(rule)
		boss, ann := f.person("boss"), f.person("ann")
		f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
		f.run(boss)
		f.run(ann)
		if !manages(f, "ann@contoso.example", "boss@contoso.example") || f.link(ann).Status != directory.Synced {
			t.Errorf("link: %+v", f.link(ann))
		}
		if n := f.requests(func() { f.run(ann) }); n != 0 {
			t.Errorf("another sync cost %d requests, want 0", n)
		}
	})
	t.Run("manager later", func(t *testing.T) {
		f := newFixture(t)
		f.settings(rule)
		boss, ann := f.person("boss"), f.person("ann")
		f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
		f.run(ann)
		if link := f.link(ann); link.Status != directory.Synced || len(link.Problems) != 1 || link.Problems[0].Reason != directory.ManagerAbsent {
			t.Errorf("while the manager is absent: %+v, want Status %v, 1 Problems, Reason %v", link, directory.Synced, directory.ManagerAbsent)
		}
		f.sentTasks()
		f.run(boss)
		if sent := f.sentTasks(); !slices.Equal(sent, []directory.UserID{ann, boss}) {
			t.Fatalf("new tasks for %v, want one for %s, and one that reads %s again", sent, ann, boss)
		}
		f.run(ann)
		if link := f.link(ann); !manages(f, "ann@contoso.example", "boss@contoso.example") || len(link.Problems) != 0 {
			t.Errorf("link: %+v", link)
		}
		f.run(boss)
		f.sentTasks()
		f.run(boss)
		if sent := f.sentTasks(); len(sent) != 0 {
			t.Errorf("new tasks for %v, want none", sent)
		}
	})
	t.Run("both at once", func(t *testing.T) {
		f := newFixture(t)
		f.settings(rule)
		boss, ann := f.person("boss"), f.person("ann")
		f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
		f.run(ann, boss)
		f.run(f.sentTasks()...)
		if !manages(f, "ann@contoso.example", "boss@contoso.example") {
			t.Errorf("link: %+v", f.link(ann))
		}
	})
	t.Run("changes", func(t *testing.T) {
		f := newFixture(t)
		boss, chief, ann := f.person("boss"), f.person("chief"), f.person("ann")
		f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
		f.run(ann, boss, chief)
		if !manages(f, "ann@contoso.example", "") {
			t.Error("written without the rule")
		}
		f.settings(rule)
		f.run(ann)
		if !manages(f, "ann@contoso.example", "boss@contoso.example") {
			t.Errorf("rule on: %+v", f.link(ann))
		}
		f.update(ann, jumpcloudtest.Fields{"manager": string(chief)})
		f.run(ann)
		if !manages(f, "ann@contoso.example", "chief@contoso.example") {
			t.Errorf("changed: %+v", f.link(ann))
		}
		stranger := f.unconnected("stranger", "stranger@contoso.example")
		f.update(ann, jumpcloudtest.Fields{"manager": string(stranger)})
		f.run(ann)
		if !manages(f, "ann@contoso.example", "") {
			t.Errorf("the old manager stays although another one is absent: %+v", f.link(ann))
		}
		f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
		f.run(ann)
		f.update(ann, jumpcloudtest.Fields{"manager": ""})
		f.run(ann)
		if link := f.link(ann); !manages(f, "ann@contoso.example", "") || link.Status != directory.Synced {
			t.Errorf("cleared: %+v", link)
		}
	})
	t.Run("taken over", func(t *testing.T) {
		f := newFixture(t)
		f.settings(rule)
		boss, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "boss@contoso.example"})
		f.must(err)
		_, err = f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", Manager: boss.ID})
		f.must(err)
		bossUser, ann := f.person("boss"), f.person("ann")
		f.update(ann, jumpcloudtest.Fields{"manager": string(bossUser)})
		f.run(ann)
		if !manages(f, "ann@contoso.example", "boss@contoso.example") {
			t.Error("the right manager was removed while the manager is not linked yet")
		}
		f.run(bossUser)
		f.run(f.sentTasks()...)
		for _, a := range f.actions() {
			if a.Writes(directory.Manager) && !a.Changes[0].To.Equal(directory.Text(boss.ID)) {
				t.Errorf("needless write: %+v", a)
			}
		}
	})
}
