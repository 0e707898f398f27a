package users_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// These tests are about users who were imported from an account of the tenant and are
// connected later: they get the very account that they came from, by its object id.

const (
	annsName    = "ann@contoso.example"
	annsNewName = "ann.moss@contoso.example"
)

// imported adds an account to Entra and a user to JumpCloud who was imported from it.
func (f *fixture) imported(name, state string) (directory.UserID, entratest.User) {
	f.t.Helper()
	account, err := f.accounts.AddUser(entratest.User{UserPrincipalName: name + "@contoso.example", DisplayName: "Once " + name, AccountEnabled: true,
		Properties: map[string]any{"jobTitle": "Boss", "city": "Oslo", "mailNickname": name + ".nick"}})
	f.must(err)
	return f.importedFrom(account.ID, name, state), account
}

// importedFrom adds a user to JumpCloud who was imported from an account.
func (f *fixture) importedFrom(account, name, state string) directory.UserID {
	f.t.Helper()
	id, err := f.jumpcloud.CreateUser(jumpcloudtest.Fields{"username": name, "email": name + "@contoso.example", "firstname": name, "lastname": "Lee", "state": state})
	f.must(err)
	f.must(f.store.PutImported(f.t.Context(), store.Imported{Tenant: f.directory.TenantObject, Organization: organization, User: directory.UserID(id),
		Account: directory.EntraID(account), At: time.Now().UTC()}))
	return directory.UserID(id)
}

// renamed gives an account of Entra another sign-in name.
func (f *fixture) renamed(id, upn string) {
	f.t.Helper()
	_, err := f.accounts.UpdateUser(id, map[string]any{"userPrincipalName": upn})
	f.must(err)
}

// types are the types of all actions, oldest first.
func (f *fixture) types() []plan.Type {
	var types []plan.Type
	for _, a := range f.actions() {
		types = append(types, a.Type)
	}
	return types
}

func TestAnImportedUserGetsTheAccountOfTheImport(t *testing.T) {
	for name, tc := range map[string]struct {
		meanwhile func(f *fixture, ann directory.UserID, account string)
		upn       string
	}{
		"nothing changed": {func(*fixture, directory.UserID, string) {}, annsName},
		"the id is written otherwise": {func(f *fixture, ann directory.UserID, account string) {
			f.renamed(account, annsNewName)
			f.must(f.store.PutImported(f.t.Context(), store.Imported{Tenant: f.directory.TenantObject, Organization: organization, User: ann, Account: directory.EntraID(strings.ToUpper(account))}))
		}, annsName},
		"another name in Entra": {func(f *fixture, _ directory.UserID, account string) {
			f.renamed(account, annsNewName)
		}, annsName},
		"another e-mail in JumpCloud": {func(f *fixture, ann directory.UserID, _ string) {
			f.update(ann, jumpcloudtest.Fields{"email": annsNewName})
		}, annsNewName},
		"another name and another e-mail": {func(f *fixture, ann directory.UserID, account string) {
			f.renamed(account, "a.lee@contoso.onmicrosoft.example")
			f.update(ann, jumpcloudtest.Fields{"email": annsNewName})
		}, annsNewName},
		"another account was deleted that had the name": {func(f *fixture, _ directory.UserID, account string) {
			f.renamed(account, annsNewName)
			other, err := f.accounts.AddUser(entratest.User{UserPrincipalName: annsName})
			f.must(err)
			f.must(f.accounts.PurgeUser(deleted(f, other.ID)))
		}, annsName},
	} {
		t.Run(name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, f *fixture) {
				ann, before := f.imported("ann", "ACTIVATED")
				tc.meanwhile(f, ann, before.ID)
				if n := f.requests(func() { f.run(ann) }); n != 0 {
					t.Errorf("before the connection: %d requests to Graph, want 0", n)
				}
				f.connect(ann)
				f.run(ann)
				link, account := f.link(ann), f.account(before.ID)
				if link.Status != directory.Synced || string(link.EntraID) != before.ID || link.Origin != directory.TakenOver || link.UPN != directory.UPN(tc.upn) || link.State != directory.Enabled {
					t.Errorf("link: %+v, want the account %s taken over as %s, enabled and Status %v", link, before.ID, tc.upn, directory.Synced)
				}
				if account.UserPrincipalName != tc.upn || account.Text("displayName") != "ann Lee" || account.Text("jobTitle") != "" || account.Text("city") != "Oslo" || account.PasswordChanges != before.PasswordChanges {
					t.Errorf("account: %+v, want the name %s, what JumpCloud has, and the city Oslo", account, tc.upn)
				}
				if got, want := f.types(), []plan.Type{plan.TakeOver}; !slices.Equal(got, want) {
					t.Errorf("actions: %v, want %v", got, want)
				}
				owner, err := f.store.Owner(t.Context(), f.directory.TenantObject, link.EntraID)
				if err != nil || owner.User != ann {
					t.Errorf("owner: %+v, %v; want %s", owner, err, ann)
				}
				if n := f.requests(func() { f.run(ann) }); n != 0 {
					t.Errorf("another sync cost %d requests to Graph, want 0", n)
				}
				if n := len(f.accounts.Users()); n != 1 {
					t.Errorf("%d accounts, want 1", n)
				}
			})
		})
	}
}

// deleted deletes an account of Entra and returns its id.
func deleted(f *fixture, id string) string {
	f.t.Helper()
	_, err := f.accounts.DeleteUser(id)
	f.must(err)
	return id
}

// The look-up of an imported user costs one item of a batch: twenty users share one request.
func TestImportedUsersShareRequests(t *testing.T) {
	f := newFixture(t)
	var ids []directory.UserID
	for i := range 10 {
		id, account := f.imported(fmt.Sprint("user", i), "ACTIVATED")
		f.renamed(account.ID, fmt.Sprintf("other%d@contoso.example", i))
		f.connect(id)
		ids = append(ids, id)
	}
	f.entra.ResetCounters()
	f.run(ids...)
	if c := f.entra.Counters(); c.Requests != 2 || c.Operations != 20 || c.WriteUnits != 10 {
		t.Errorf("10 imported users cost %d requests with %d operations and %d write units, want one request for 10 look-ups and one for 10 writes", c.Requests, c.Operations, c.WriteUnits)
	}
	for _, id := range ids {
		if link := f.link(id); link.Status != directory.Synced || link.Origin != directory.TakenOver {
			t.Errorf("link: %+v, want Status %v and Origin %v", link, directory.Synced, directory.TakenOver)
		}
	}
}

// Nothing of an imported person changes in Entra until the user is active and connected.
func TestAnImportedUserWhoIsStagedChangesNothing(t *testing.T) {
	for _, tc := range []struct{ enabled, federated bool }{{true, false}, {false, false}, {true, true}} {
		t.Run(fmt.Sprintf("%+v", tc), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, enabled := newFixture(t), tc.enabled
				f.settings(func(s *directory.Settings) { s.Federated = tc.federated })
				ann, account := f.imported("ann", "STAGED")
				_, err := f.accounts.UpdateUser(account.ID, map[string]any{"accountEnabled": enabled, "userPrincipalName": annsNewName})
				f.must(err)
				before := f.account(account.ID)
				state := map[bool]directory.AccountState{true: directory.Enabled, false: directory.Disabled}[enabled]
				unchanged := func(when string) {
					t.Helper()
					if diff := cmp.Diff(before, f.account(account.ID), cmpopts.IgnoreUnexported(entratest.User{})); diff != "" {
						t.Errorf("%s: the account changed (-want +got):\n%s", when, diff)
					}
					if link := f.link(ann); link.Status != directory.Synced || link.Reason != directory.StagedReason || link.State != state || string(link.EntraID) != account.ID || link.UPN != annsNewName {
						t.Errorf("%s: link %+v, want the account %s, Status %v, Reason %v, State %v", when, link, account.ID, directory.Synced, directory.StagedReason, state)
					}
				}
				f.connect(ann)
				f.run(ann)
				unchanged("connected")
				f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead"})
				f.run(ann)
				unchanged("changed in JumpCloud")
				if n := f.requests(func() { f.run(ann) }); n != 0 {
					t.Errorf("another sync cost %d requests to Graph, want 0", n)
				}
				thief := f.unconnected("thief", annsNewName)
				f.connect(thief)
				f.run(thief)
				unchanged("wanted by somebody else")
				if link := f.link(thief); link.Status != directory.Parked || link.Reason != directory.UPNConflict {
					t.Errorf("who wants the account: %+v, want Status %v, Reason %v", link, directory.Parked, directory.UPNConflict)
				}

				time.Sleep(24 * time.Hour)
				_, err = f.accounts.UpdateUser(account.ID, map[string]any{"jobTitle": "Boss of all", "surname": "Moss"})
				f.must(err)
				f.must(f.jumpcloud.ActivateUser(string(ann)))
				f.work(ann)
				after, link := f.account(account.ID), f.link(ann)
				if tc.federated != (after.Text("onPremisesImmutableId") == string(ann)) {
					t.Errorf("activated: the immutable id is %q, want the user's: %v", after.Text("onPremisesImmutableId"), tc.federated)
				}
				if !after.AccountEnabled || after.UserPrincipalName != annsName || after.Text("jobTitle") != "Lead" || after.Text("surname") != "Lee" || after.Text("city") != "Oslo" || after.PasswordChanges != before.PasswordChanges {
					t.Errorf("activated: %+v, want it enabled as %s, with what JumpCloud has", after, annsName)
				}
				if link.Status != directory.Synced || link.Reason != "" || link.UPN != annsName || link.Origin != directory.TakenOver {
					t.Errorf("activated: link %+v, want Status %v and the name %s", link, directory.Synced, annsName)
				}
				f.must(f.jumpcloud.SuspendUser(string(ann)))
				f.run(ann)
				if f.account(account.ID).AccountEnabled {
					t.Error("suspended: the account is enabled, want it disabled")
				}
			})
		})
	}
}

// A staged user who leaves loses access like any other, and who comes back gets the state
// that the account had; the rest waits for the activation.
func TestAnImportedUserWhoIsStagedLeavesAndComesBack(t *testing.T) {
	f := newFixture(t)
	ann, account := f.imported("ann", "STAGED")
	f.connect(ann)
	f.run(ann)
	f.disconnect(ann)
	f.run(ann)
	if link := f.link(ann); f.account(account.ID).AccountEnabled || link.Status != directory.Released {
		t.Errorf("disconnected: %+v, want the account disabled and Status %v", link, directory.Released)
	}
	f.connect(ann)
	for range 2 {
		f.run(ann)
		back := f.account(account.ID)
		if !back.AccountEnabled || back.DisplayName != account.DisplayName || back.Text("jobTitle") != "Boss" || back.Text("mailNickname") != "ann.nick" {
			t.Errorf("connected again: %+v, want it enabled and else as it was", back)
		}
	}
	f.must(f.jumpcloud.ActivateUser(string(ann)))
	f.run(ann)
	if after := f.account(account.ID); !after.AccountEnabled || after.Text("displayName") != "ann Lee" || after.Text("jobTitle") != "" || after.Text("mailNickname") != "ann" {
		t.Errorf("activated: %+v, want what JumpCloud has", after)
	}
}

func TestAnImportedUserWhoseAccountWasDeleted(t *testing.T) {
	t.Run("it can be restored", func(t *testing.T) {
		f := newFixture(t)
		ann, account := f.imported("ann", "ACTIVATED")
		f.update(ann, jumpcloudtest.Fields{"email": annsNewName})
		deleted(f, account.ID)
		f.connect(ann)
		if again := f.run(ann); again != 0 {
			t.Errorf("%d messages come again, want 0", again)
		}
		if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.AccountDeleted || link.EntraID != "" || !strings.HasPrefix(link.Message, annsName+" was deleted in Entra on ") {
			t.Errorf("reported: %+v, want Status %v, Reason %v, the name %s and no account", link, directory.Parked, directory.AccountDeleted, annsName)
		}
		f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
		f.run(ann)
		link, restored := f.link(ann), f.account(account.ID)
		if !restored.Deleted.IsZero() || !restored.AccountEnabled || restored.UserPrincipalName != annsNewName || restored.Text("jobTitle") != "" {
			t.Errorf("restored: %+v, want it enabled as %s", restored, annsNewName)
		}
		if link.Status != directory.Synced || string(link.EntraID) != account.ID || link.Origin != directory.TakenOver {
			t.Errorf("restored: link %+v, want Status %v, the account %s, Origin %v", link, directory.Synced, account.ID, directory.TakenOver)
		}
	})
	t.Run("another one has the name", func(t *testing.T) {
		f := newFixture(t)
		ann, account := f.imported("ann", "ACTIVATED")
		deleted(f, account.ID)
		successor, err := f.accounts.AddUser(entratest.User{UserPrincipalName: annsName})
		f.must(err)
		f.connect(ann)
		said := f.logOf(ann)
		if link := f.link(ann); link.Status != directory.Synced || string(link.EntraID) != successor.ID || link.Origin != directory.TakenOver {
			t.Errorf("link: %+v, want Status %v, the account %s, Origin %v", link, directory.Synced, successor.ID, directory.TakenOver)
		}
		if !strings.Contains(said, account.ID) || !strings.Contains(said, "is not in Entra any more") {
			t.Errorf("logged: %s, want the account %s", said, account.ID)
		}
	})
	t.Run("for good", func(t *testing.T) {
		inWorldsOfTheBubble(t, func(t *testing.T, f *fixture) {
			ann, account := f.imported("ann", "ACTIVATED")
			f.must(f.accounts.PurgeUser(deleted(f, account.ID)))
			f.connect(ann)
			begun := time.Now()
			for range 2 { // a second read too early proves nothing
				if again := f.run(ann); again != 1 || len(f.accounts.Users()) != 0 {
					t.Errorf("%d messages come again and %d accounts exist after one read, want 1 and 0", again, len(f.accounts.Users()))
				}
			}
			if link := f.link(ann); link.Status != directory.Pending || link.Reason != directory.Unavailable || !strings.Contains(link.Message, account.ID) {
				t.Errorf("after one read: %+v, want Status %v, Reason %v and the account %s", link, directory.Pending, directory.Unavailable, account.ID)
			}
			f.work(ann)
			if took := time.Since(begun); took < plan.SecondRead || took > time.Minute {
				t.Errorf("the second read came after %v, want %v to a minute", took, plan.SecondRead)
			}
			if link := f.link(ann); link.Status != directory.Synced || link.Origin != directory.CreatedByUs || !f.account(annsName).AccountEnabled {
				t.Errorf("in the end: %+v, want a new account", link)
			}
			if n := len(f.accounts.Users()); n != 1 {
				t.Errorf("%d accounts, want 1", n)
			}
		})
	})
}

// inWorldsOfTheBubble is inWorlds with virtual time.
func inWorldsOfTheBubble(t *testing.T, test func(*testing.T, *fixture)) {
	for name, world := range entratest.Worlds() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.enter(world)
				test(t, f)
			})
		})
	}
}

// logOf handles a task of a user and returns what was logged.
func (f *fixture) logOf(id directory.UserID) string {
	f.t.Helper()
	var log strings.Builder
	_, err := f.handler.Handle(zerolog.New(&log).WithContext(f.t.Context()), oneMessage(f.message(id, 1)))
	f.must(err)
	return log.String()
}

// An account that Entra does not show for a moment is not gone: no second one is created.
func TestAnImportedUserWhoseAccountIsNotShownForAMoment(t *testing.T) {
	for name, fault := range map[string]entratest.Fault{
		"not found":         {Method: "GET", Path: `^/v1\.0/users/[0-9a-f-]{36}$`, Status: 404},
		"not found, later":  {Method: "GET", Path: `^/v1\.0/users/[0-9a-f-]{36}$`, Status: 404, Times: 2},
		"unavailable":       {Method: "GET", Path: `^/v1\.0/users/[0-9a-f-]{36}$`, Status: 503},
		"throttled":         {Method: "GET", Path: `^/v1\.0/users/[0-9a-f-]{36}$`, Status: 429, Header: map[string]string{"Retry-After": "1"}},
		"the batch is lost": {Path: "batch$", LoseReply: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann, account := f.imported("ann", "ACTIVATED")
				f.renamed(account.ID, annsNewName)
				f.connect(ann)
				f.must(f.entra.FailNext(fault))
				for f.run(ann) > 0 {
					time.Sleep(time.Second)
				}
				if link := f.link(ann); link.Status != directory.Synced || string(link.EntraID) != account.ID || link.UPN != annsName || !link.ImportMissing.IsZero() {
					t.Errorf("link: %+v, want Status %v and the account %s as %s", link, directory.Synced, account.ID, annsName)
				}
				if n := len(f.accounts.Users()); n != 1 {
					t.Errorf("%d accounts, want 1", n)
				}
			})
		})
	}
}

// A 404 of long ago is no second read.
func TestAnImportedUserWhoseAccountIsNotShownTwiceInADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, account := f.imported("ann", "ACTIVATED")
		f.renamed(account.ID, annsNewName)
		f.connect(ann)
		for range 2 {
			f.must(f.entra.FailNext(entratest.Fault{Method: "GET", Path: `^/v1\.0/users/[0-9a-f-]{36}$`, Status: 404}))
			if again := f.run(ann); again != 1 || len(f.accounts.Users()) != 1 {
				t.Errorf("%d messages come again and %d accounts exist, want 1 and 1", again, len(f.accounts.Users()))
			}
			time.Sleep(24 * time.Hour)
		}
		f.work(ann)
		if link := f.link(ann); string(link.EntraID) != account.ID {
			t.Errorf("link: %+v, want the account %s", link, account.ID)
		}
	})
}

func TestAnImportedUserWhoseAccountBelongsToSomebodyElse(t *testing.T) {
	f := newFixture(t)
	ann, account := f.imported("ann", "ACTIVATED")
	f.renamed(account.ID, "bob@contoso.example")
	bob := f.person("bob")
	f.run(bob)
	f.connect(ann)
	for range 2 {
		if again := f.run(ann); again != 0 {
			t.Errorf("%d messages come again, want 0", again)
		}
		link := f.link(ann)
		if link.Status != directory.Parked || link.Reason != directory.UPNConflict || link.EntraID != "" || !strings.Contains(link.Message, account.ID) || !strings.Contains(link.Message, "the JumpCloud user bob ("+string(bob)+")") {
			t.Errorf("link: %+v, want Status %v, Reason %v, and both names", link, directory.Parked, directory.UPNConflict)
		}
		if bobs := f.account(account.ID); bobs.UserPrincipalName != "bob@contoso.example" || bobs.Text("displayName") != "bob Lee" || len(f.accounts.Users()) != 1 {
			t.Errorf("the account: %+v of %d, want bob's and no other", bobs, len(f.accounts.Users()))
		}
	}
	f.disconnect(bob)
	f.run(bob)
	f.run(f.sentTasks()...)
	if link := f.link(ann); link.Status != directory.Synced || string(link.EntraID) != account.ID || f.account(annsName).ID != account.ID {
		t.Errorf("when the account is free: %+v, want Status %v and the account %s", link, directory.Synced, account.ID)
	}
	f.run(bob)
	if after := f.account(annsName); !after.AccountEnabled {
		t.Error("a task of the former owner disabled the account, want it enabled")
	}
}

func TestAnImportedUserWhoseNameAnotherAccountHas(t *testing.T) {
	for name, owned := range map[string]bool{"somebody's": false, "another user's": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			ann, account := f.imported("ann", "ACTIVATED")
			f.renamed(account.ID, annsNewName)
			other, err := f.accounts.AddUser(entratest.User{UserPrincipalName: annsName, AccountEnabled: true})
			f.must(err)
			holder := other.ID
			if owned {
				f.byDefault(&f.directory)
				next := f.unconnected("ann2", "ann@elsewhere.example")
				f.connect(next)
				f.run(next)
				holder = "the JumpCloud user ann2 (" + string(next) + ")"
			}
			f.connect(ann)
			f.run(ann)
			link, mine := f.link(ann), f.account(account.ID)
			if link.Status != directory.Parked || link.Reason != directory.UPNConflict || string(link.EntraID) != account.ID || link.UPN != annsNewName || !strings.Contains(link.Message, annsName) || !strings.Contains(link.Message, holder) {
				t.Errorf("link: %+v, want Status %v, Reason %v, the account %s as %s, and both names", link, directory.Parked, directory.UPNConflict, account.ID, annsNewName)
			}
			if mine.UserPrincipalName != annsNewName || mine.Text("displayName") != "ann Lee" || !mine.AccountEnabled {
				t.Errorf("the account: %+v, want %s with all but the name", mine, annsNewName)
			}
			if theirs := f.account(annsName); theirs.ID != other.ID {
				t.Errorf("%s is the account %s, want %s", annsName, theirs.ID, other.ID)
			}
		})
	}
}

func TestAnImportedUserWhoseAccountMustNotBeTouched(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(*fixture, string)
		reason directory.Reason
	}{
		"synchronised from on-premises": {func(f *fixture, id string) {
			_, err := f.accounts.UpdateUser(id, map[string]any{"onPremisesSyncEnabled": true})
			f.must(err)
		}, directory.SyncedFromOnPremises},
		"a guest": {func(f *fixture, id string) {
			_, err := f.accounts.UpdateUser(id, map[string]any{"userType": "Guest"})
			f.must(err)
		}, directory.GuestAccount},
		"an agent": {func(f *fixture, id string) {
			_, err := f.accounts.SetAgent(id)
			f.must(err)
		}, directory.AgentAccount},
		"an administrator": {func(f *fixture, id string) {
			_, err := f.accounts.SetUserRoles(id, "Global Administrator")
			f.must(err)
		}, directory.ProtectedAccount},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			ann, account := f.imported("ann", "ACTIVATED")
			f.renamed(account.ID, annsNewName)
			tc.before(f, account.ID)
			f.connect(ann)
			for range 2 {
				f.run(ann)
				if link := f.link(ann); link.Status != directory.Parked || link.Reason != tc.reason || link.EntraID != "" {
					t.Errorf("link: %+v, want Status %v, Reason %v and no account", link, directory.Parked, tc.reason)
				}
				if after := f.account(account.ID); after.UserPrincipalName != annsNewName || after.DisplayName != account.DisplayName || len(f.accounts.Users()) != 1 {
					t.Errorf("account: %+v of %d, want it unchanged and no other", after, len(f.accounts.Users()))
				}
			}
		})
	}
}

func TestAnImportedUserWhoIsConnectedAgain(t *testing.T) {
	t.Run("to the same account", func(t *testing.T) {
		f := newFixture(t)
		ann, account := f.imported("ann", "ACTIVATED")
		f.connect(ann)
		f.run(ann)
		f.disconnect(ann)
		f.run(ann)
		f.renamed(account.ID, annsNewName)
		f.connect(ann)
		f.run(ann)
		if link, after := f.link(ann), f.account(account.ID); string(link.EntraID) != account.ID || link.Status != directory.Synced || !after.AccountEnabled || after.UserPrincipalName != annsName {
			t.Errorf("link %+v, account %+v; want %s enabled as %s", link, after, account.ID, annsName)
		}
	})
	t.Run("after the account went to somebody else", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann, account := f.imported("ann", "ACTIVATED")
			f.connect(ann)
			f.run(ann)
			f.disconnect(ann)
			f.run(ann)
			f.update(ann, jumpcloudtest.Fields{"email": annsNewName})
			next := f.unconnected("ann2", annsName)
			f.connect(next)
			f.rehire(next)
			f.connect(ann)
			f.loseReply(2) // nobody knows whether the new account was created
			f.run(ann)
			f.before = nil
			f.work(ann)
			f.run(ann)
			back, theirs := f.link(ann), f.link(next)
			if back.Status != directory.Synced || back.UPN != annsNewName || theirs.Status != directory.Synced || string(theirs.EntraID) != account.ID || back.EntraID == theirs.EntraID {
				t.Errorf("back %+v; next %+v; want an account each", back, theirs)
			}
			if n := len(f.accounts.Users()); n != 2 {
				t.Errorf("%d accounts, want 2", n)
			}
		})
	})
}

// Who is hired again is another user, who was not imported: the account is found by name, and
// belonged to somebody.
func TestAnImportedUserWhoIsHiredAgain(t *testing.T) {
	f := newFixture(t)
	old, account := f.imported("ann", "ACTIVATED")
	f.connect(old)
	f.run(old)
	f.must(f.jumpcloud.DeleteUser(string(old)))
	f.run(old)
	next := f.person("ann")
	f.rehire(next)
	if link := f.link(next); link.Status != directory.Synced || string(link.EntraID) != account.ID || link.Origin != directory.TakenOver {
		t.Errorf("hired again: %+v, want Status %v, the account %s", link, directory.Synced, account.ID)
	}
	f.must(f.jumpcloud.DeleteUser(string(next)))
	f.run(next)
	f.renamed(account.ID, annsNewName)
	third := f.person("ann")
	f.run(third)
	if link := f.link(third); link.Status != directory.Synced || link.Origin != directory.CreatedByUs || string(link.EntraID) == account.ID {
		t.Errorf("hired again, the account has another name: %+v, want Status %v and a new account", link, directory.Synced)
	}
}

func TestAnImportedUserInTwoDirectoriesOfATenant(t *testing.T) {
	t.Run("that name users alike", func(t *testing.T) {
		f := newFixture(t)
		one, two := shared(f)
		ann, account := f.imported("ann", "ACTIVATED")
		f.renamed(account.ID, annsNewName)
		for _, dir := range []directory.Directory{one, two, one} {
			f.in(dir).connect(ann)
			f.run(ann)
			if link := f.link(ann); link.Status != directory.Synced || string(link.EntraID) != account.ID || link.UPN != annsName {
				t.Errorf("%s: %+v, want the account %s as %s", dir.Name, link, account.ID, annsName)
			}
		}
		f.in(one).disconnect(ann)
		f.run(ann)
		if !f.account(account.ID).AccountEnabled {
			t.Error("one directory has the user still, and the account is disabled, want it enabled")
		}
		f.in(two).disconnect(ann)
		f.run(ann)
		if f.account(account.ID).AccountEnabled {
			t.Error("no directory has the user, and the account is enabled, want it disabled")
		}
	})
	t.Run("while the user is staged", func(t *testing.T) {
		f := newFixture(t)
		one, two := shared(f)
		ann, account := f.imported("ann", "STAGED")
		for _, dir := range []directory.Directory{one, two, one} {
			f.in(dir).connect(ann)
			f.run(ann)
			if link, after := f.link(ann), f.account(account.ID); link.Status != directory.Synced || string(link.EntraID) != account.ID || after.DisplayName != account.DisplayName || !after.AccountEnabled {
				t.Errorf("%s: %+v, account %+v; want the account %s unchanged", dir.Name, link, after, account.ID)
			}
		}
		f.must(f.jumpcloud.ActivateUser(string(ann)))
		f.in(two).run(ann)
		f.in(one).run(ann)
		if after := f.account(account.ID); after.Text("displayName") != "ann Lee" || !after.AccountEnabled || f.in(one).link(ann).Reason != "" || f.in(two).link(ann).Reason != "" {
			t.Errorf("activated: %+v; links %+v, %+v; want what JumpCloud has", after, f.in(one).link(ann), f.in(two).link(ann))
		}
	})
	for name, together := range map[string]bool{"that name users otherwise": false, "that name users otherwise, at once": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				one, two := shared(f)
				f.in(two).settings(func(s *directory.Settings) {
					s.Domains = []directory.Domain{{Name: "contoso.onmicrosoft.example", Default: true}}
				})
				two = f.directory
				ann, account := f.imported("ann", "ACTIVATED")
				f.renamed(account.ID, annsNewName)
				f.in(one).connect(ann)
				f.in(two).connect(ann)
				f.in(one)
				if together {
					f.onRequest(1, func() {
						f.before = nil
						f.in(two).run(ann)
						f.in(one)
					})
				}
				for range 3 {
					f.in(one).work(ann)
					f.in(two).work(ann)
				}
				first, second := f.in(one).link(ann), f.in(two).link(ann)
				holders := 0
				for _, link := range []directory.Link{first, second} {
					if string(link.EntraID) == account.ID {
						holders++
					}
					if link.Status != directory.Synced || f.account(string(link.EntraID)).UserPrincipalName != string(link.UPN) {
						t.Errorf("link %+v, account %+v; want Status %v and the same name", link, f.account(string(link.EntraID)), directory.Synced)
					}
				}
				if first.UPN != annsName || second.UPN != "ann@contoso.onmicrosoft.example" || holders != 1 || len(f.accounts.Users()) != 2 {
					t.Errorf("one %+v; two %+v; %d of them have the account of the import; want two accounts, one of them that", first, second, holders)
				}
				f.in(one).disconnect(ann)
				f.work(ann)
				if one, two := f.account(string(first.EntraID)), f.account(string(second.EntraID)); one.AccountEnabled || !two.AccountEnabled {
					t.Errorf("after the first directory released the user: %v and %v, want false and true", one.AccountEnabled, two.AccountEnabled)
				}
			})
		})
	}
}

// An import from one tenant says nothing about another one.
func TestAnImportFromAnotherTenantIsNoImport(t *testing.T) {
	f := newFixture(t)
	_, account := f.imported("bob", "ACTIVATED")
	ann := f.person("ann")
	f.must(f.store.PutImported(t.Context(), store.Imported{Tenant: "another", Organization: organization, User: ann, Account: directory.EntraID(account.ID), At: time.Now()}))
	f.run(ann)
	if link := f.link(ann); link.Status != directory.Synced || link.Origin != directory.CreatedByUs || string(link.EntraID) == account.ID {
		t.Errorf("link: %+v, want Status %v and a new account", link, directory.Synced)
	}
}

// The process dies at any of its calls while an imported user is connected: in the end the
// user has the account of the import, and nobody has another one.
func TestTheProcessDiesWhileAnImportedUserIsConnected(t *testing.T) {
	for n, died := 1, true; died; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann, account := f.imported("ann", "ACTIVATED")
			f.renamed(account.ID, annsNewName)
			f.connect(ann)
			m := f.message(ann, 1)
			died = f.dies(n, m)
			time.Sleep(6 * time.Minute)
			f.work(ann)
			f.drain()
			f.work(ann)
			if link, after := f.link(ann), f.account(account.ID); link.Status != directory.Synced || string(link.EntraID) != account.ID || after.UserPrincipalName != annsName || !after.AccountEnabled || len(f.accounts.Users()) != 1 {
				t.Errorf("call %d: link %+v, account %+v of %d; want %s enabled as %s", n, link, after, len(f.accounts.Users()), account.ID, annsName)
			}
		})
		if n > 300 {
			t.Fatal("an attempt takes more than 300 calls, want fewer")
		}
	}
}
