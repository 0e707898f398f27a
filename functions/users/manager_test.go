package users_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// The manager in JumpCloud has no account in the directory, and what the link knew of the
// account was forgotten for any of the causes that there are: the manager that entrasync wrote,
// or may have written, is taken away.
func TestAManagerWhoIsNoLongerTrueIsTakenAway(t *testing.T) {
	for name, tc := range map[string]struct {
		written bool                                     // the manager was written before, and the answer came
		forget  func(*fixture, directory.UserID, func()) // calls the func that gives the user a manager without an account
	}{
		"nothing was forgotten": {written: true, forget: func(_ *fixture, _ directory.UserID, change func()) { change() }},
		"the removal failed": {written: true, forget: func(f *fixture, ann directory.UserID, change func()) {
			change()
			f.fail(503)
			f.run(ann)
		}},
		"the answer to the removal was lost": {written: true, forget: func(f *fixture, ann directory.UserID, change func()) {
			change()
			f.fail(0)
			f.run(ann)
		}},
		"the answer to the write was lost": {forget: func(f *fixture, ann directory.UserID, change func()) {
			f.fail(0)
			f.run(ann)
			change()
		}},
		"the process died after the write": {forget: func(f *fixture, ann directory.UserID, change func()) {
			f.after = func() { f.after = nil; panic("killed") }
			func() {
				defer func() { _ = recover() }()
				f.run(ann)
			}()
			time.Sleep(3 * time.Minute)
			change()
		}},
		"the other lane wrote at the same time": {forget: func(f *fixture, ann directory.UserID, change func()) {
			f.onRequest(1, func() {
				f.before = nil
				change()
				f.run(ann)
			})
			f.run(ann)
		}},
		"the user was away": {written: true, forget: func(f *fixture, ann directory.UserID, change func()) {
			f.disconnect(ann)
			f.run(ann)
			change()
			f.connect(ann)
		}},
		"the user was excluded": {written: true, forget: func(f *fixture, ann directory.UserID, change func()) {
			f.exclude(directory.Exclude{Users: []directory.UserID{ann}})
			f.run(ann)
			change()
			f.exclude(directory.Exclude{})
		}},
		"the rule was off": {written: true, forget: func(f *fixture, ann directory.UserID, change func()) {
			f.settings(func(s *directory.Settings) { s.Attributes["user_manager"] = false })
			f.run(ann)
			change()
			f.settings(func(s *directory.Settings) { s.Attributes["user_manager"] = true })
		}},
		"the account was restored": {written: true, forget: func(f *fixture, ann directory.UserID, change func()) {
			f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
			time.Sleep(time.Hour)
			_, err := f.accounts.DeleteUser("ann@contoso.example")
			f.must(err)
			change()
			f.resync(true)
			f.resync(true)
		}},
		"somebody else changed it": {written: true, forget: func(f *fixture, _ directory.UserID, change func()) {
			time.Sleep(time.Hour)
			_, err := f.accounts.SetManager("ann@contoso.example", f.account("eve@contoso.example").ID)
			f.must(err)
			change()
			f.resync(true)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.settings(func(s *directory.Settings) { s.Attributes["user_manager"] = true })
				_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "eve@contoso.example"})
				f.must(err)
				boss, ann := f.person("boss"), f.person("ann")
				f.run(boss, ann)
				f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
				if tc.written {
					f.run(ann)
					if got := f.account("ann@contoso.example").Manager; got != string(f.link(boss).EntraID) {
						t.Fatalf("before, the manager is %q, want %q", got, f.link(boss).EntraID)
					}
				}
				absent := f.unconnected("chief", "chief@contoso.example")
				tc.forget(f, ann, func() { f.update(ann, jumpcloudtest.Fields{"manager": string(absent)}) })
				f.work(ann)
				link := f.link(ann)
				if got := f.account("ann@contoso.example").Manager; got != "" || link.Status != directory.Synced {
					t.Errorf("the manager is %q, the user %s; want no manager, %s; link %+v", got, link.Status, directory.Synced, link)
				}
				if n := f.requests(func() { f.run(ann) }); n != 0 {
					t.Errorf("another task costs %d requests, want 0", n)
				}
			})
		})
	}
}
