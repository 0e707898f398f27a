package users_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// swap gives two accounts each other's sign-in names, as an administrator of Entra does.
func (f *fixture) swap(one, other directory.EntraID) {
	f.t.Helper()
	first, second := f.account(string(one)).UserPrincipalName, f.account(string(other)).UserPrincipalName
	f.byHand(one, map[string]any{"userPrincipalName": "for.a.moment@contoso.example"})
	f.byHand(other, map[string]any{"userPrincipalName": first})
	f.byHand(one, map[string]any{"userPrincipalName": second})
}

// mustConflict compares the link of a user whose account cannot get its name.
func (f *fixture) mustConflict(id directory.UserID, message string) {
	f.t.Helper()
	if link := f.link(id); link.Status != directory.Parked || link.Reason != directory.UPNConflict || link.Message != message {
		f.t.Errorf("%s, %s\n%q, want %s, %s\n%q", link.Status, link.Reason, link.Message, directory.Parked, directory.UPNConflict, message)
	}
}

// Two accounts that have each other's names both wait: the names could be exchanged only by
// way of a third one, and Entra may keep an account's former name as an address of its mailbox,
// so that nobody else gets it. What the message tells the administrator to do is enough,
// whichever account gets the third name and whoever is synced first.
func TestSwappedNamesAreToldAsWhatTheyAre(t *testing.T) {
	causes := map[string]func(*fixture, [2]directory.UserID, [2]directory.EntraID){
		"by hand": func(f *fixture, _ [2]directory.UserID, accounts [2]directory.EntraID) {
			f.swap(accounts[0], accounts[1])
			f.resync(true)
		},
		"in JumpCloud": func(f *fixture, ids [2]directory.UserID, _ [2]directory.EntraID) {
			f.update(ids[0], jumpcloudtest.Fields{"email": "for.a.moment@contoso.example"})
			f.update(ids[1], jumpcloudtest.Fields{"email": "ann@contoso.example"})
			f.update(ids[0], jumpcloudtest.Fields{"email": "bob@contoso.example"})
		},
	}
	for name, cause := range causes {
		for renamed := range 2 {
			for first := range 2 {
				t.Run(fmt.Sprintf("%s, %d gets another name, %d is first", name, renamed, first), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f := newFixture(t)
						var ids [2]directory.UserID
						var accounts [2]directory.EntraID
						ids[0], accounts[0] = f.longAgo("ann")
						ids[1], accounts[1] = f.longAgo("bob")
						cause(f, ids, accounts)
						f.run(ids[0])
						f.run(ids[1])
						f.drain()
						people := [2]string{"ann (" + string(ids[0]) + ")", "bob (" + string(ids[1]) + ")"}
						has := [2]string{f.account(string(accounts[0])).UserPrincipalName, f.account(string(accounts[1])).UserPrincipalName}
						for i, id := range ids {
							f.mustConflict(id, fmt.Sprintf("two accounts in Entra have each other's sign-in names: %s, which this user is to have, is that of the account %s of the JumpCloud user %s, and %s, which that user is to have, is that of this user's account: give one of the two accounts any third name in Entra, and sync both users again",
								has[1-i], accounts[1-i], people[1-i], has[i]))
						}
						f.byHand(accounts[renamed], map[string]any{"userPrincipalName": "third@contoso.example"})
						f.run(ids[first])
						f.run(ids[1-first])
						f.drain()
						for i, want := range [2]string{has[1], has[0]} {
							if got := f.account(string(accounts[i])).UserPrincipalName; got != want || f.link(ids[i]).Status != directory.Synced {
								t.Errorf("the account of %s has the name %s and the link is %s, want %s and %s", people[i], got, f.link(ids[i]).Status, want, directory.Synced)
							}
						}
					})
				})
			}
		}
	}
}

// An account that has somebody's name only until it gets its own is no reason for another
// e-mail: also when a name is handed on in a circle, or one cannot be read.
func TestANameThatItsAccountIsNotToKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		_, annsAccount := f.longAgo("ann")
		bob, bobsAccount := f.longAgo("bob")
		f.byHand(annsAccount, map[string]any{"userPrincipalName": "carol@contoso.example"})
		carol := f.person("carol")
		f.run(carol)
		link := f.link(carol)
		want := fmt.Sprintf("carol@contoso.example is in Entra the sign-in name of the account %s of the JumpCloud user ann (%s), who is to have ann@contoso.example: this user is synced once that account has its own name. See what keeps it from that, or rename it in Entra and sync both users again",
			annsAccount, f.owner(annsAccount))
		if f.mustConflict(carol, want); link.EntraID != "" {
			t.Errorf("carol has the account %s, want none", link.EntraID)
		}
		f.byHand(bobsAccount, map[string]any{"userPrincipalName": "ann@contoso.example"})
		_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "bob@contoso.example"})
		f.must(err)
		f.resync(true)
		f.mustConflict(carol, want)
		f.mustConflict(bob, fmt.Sprintf("bob@contoso.example is the sign-in name of another account in Entra (%s): change that account or the user's e-mail", f.account("bob@contoso.example").ID))
		f.byHand(bobsAccount, map[string]any{"userPrincipalName": "free@contoso.example"})
		f.run(f.owner(annsAccount))
		f.drain()
		if link := f.link(carol); link.Status != directory.Synced || link.UPN != "carol@contoso.example" {
			t.Errorf("link %+v, want it synced as carol@contoso.example", link)
		}
	})
}

// owner is the user whose account it is.
func (f *fixture) owner(account directory.EntraID) directory.UserID {
	f.t.Helper()
	owner, err := f.store.Owner(f.t.Context(), f.directory.TenantObject, account)
	f.must(err)
	return owner.User
}
