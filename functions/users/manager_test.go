package users_test

import (
	"fmt"
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

// The manager in JumpCloud has no account, and Entra has one whom entrasync never wrote: perhaps
// the right one, whose account is not connected yet. That one stays, whatever else happens.
func TestAManagerWhomNobodyHereWroteStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.Attributes["user_manager"], s.RestoreDeleted = true, true })
		eve, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "eve@contoso.example"})
		f.must(err)
		_, err = f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", Manager: eve.ID})
		f.must(err)
		absent, ann := f.unconnected("chief", "chief@contoso.example"), f.person("ann")
		f.update(ann, jumpcloudtest.Fields{"manager": string(absent)})
		for _, step := range []struct {
			when string
			do   func()
		}{
			{"taken over", func() {}},
			{"a write failed", func() { f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead"}); f.fail(503); f.run(ann) }},
			{"away", func() { f.disconnect(ann); f.run(ann) }},
			{"back", func() { f.connect(ann) }},
			{"excluded", func() { f.exclude(directory.Exclude{Users: []directory.UserID{ann}}); f.run(ann) }},
			{"excluded no more", func() { f.exclude(directory.Exclude{}) }},
			{"restored", func() {
				_, err := f.accounts.DeleteUser("ann@contoso.example")
				f.must(err)
				f.resync(true)
			}},
		} {
			step.do()
			f.work(ann)
			if got := f.account("ann@contoso.example").Manager; got != eve.ID {
				t.Errorf("%s: the manager is %q, want %q; link %+v", step.when, got, eve.ID, f.link(ann))
			}
			time.Sleep(time.Hour)
		}
	})
}

// Somebody sets a manager by hand while the user is away, and the manager in JumpCloud has no
// account by the time the user is back: who was set by hand stays, also if the process dies.
func TestAManagerWhoWasSetWhileTheUserWasAwayStays(t *testing.T) {
	for _, dies := range []int{0, 1, 2, 3, 4, 5, 6} { // after so many requests
		t.Run(fmt.Sprint(dies), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.settings(func(s *directory.Settings) { s.Attributes["user_manager"] = true })
				eve, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "eve@contoso.example"})
				f.must(err)
				boss, ann := f.person("boss"), f.person("ann")
				f.run(boss)
				f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
				f.run(ann)
				f.disconnect(ann)
				f.run(ann)
				time.Sleep(time.Hour)
				_, err = f.accounts.SetManager("ann@contoso.example", eve.ID)
				f.must(err)
				f.update(ann, jumpcloudtest.Fields{"manager": string(f.unconnected("chief", "chief@contoso.example"))})
				f.connect(ann)
				if dies > 0 {
					f.onRequest(dies, func() { f.before = nil; panic("killed") })
					func() {
						defer func() { _ = recover() }()
						f.run(ann)
					}()
					f.before = nil
					time.Sleep(3 * time.Minute)
				}
				f.work(ann)
				if got := f.account("ann@contoso.example").Manager; got != eve.ID {
					t.Errorf("it died with request %d: the manager is %q, want %q who was set by hand; link %+v", dies, got, eve.ID, f.link(ann))
				}
				if n := f.requests(func() { f.run(ann) }); n != 0 {
					t.Errorf("another task costs %d requests, want 0", n)
				}
			})
		})
	}
}

// Two directories on a tenant write the same account, and the manager has an account through
// the first. What that one wrote it takes away itself as long as it has the user, and then the
// other one does.
func TestTheManagerThatAnotherDirectoryWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		one, two := shared(f)
		in := func(dir directory.Directory) *fixture { f.directory = dir; return f }
		rule := func(s *directory.Settings) { s.Attributes["user_manager"] = true }
		in(two).settings(rule)
		two = f.directory
		in(one).settings(rule)
		one = f.directory
		boss, ann := f.person("boss"), f.person("ann")
		absent := f.unconnected("chief", "chief@contoso.example")
		f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
		in(two).connect(ann)
		expect := func(when, want string) {
			t.Helper()
			for range 2 {
				in(one).work(ann)
				in(two).work(ann)
			}
			if got := f.account("ann@contoso.example").Manager; got != want {
				t.Errorf("%s: the manager is %q, want %q; links %+v\nand %+v", when, got, want, in(one).link(ann), in(two).link(ann))
			}
		}
		in(one).run(boss, ann)
		account := string(in(one).link(boss).EntraID)
		expect("connected to both", account)
		carl := in(one).person("carl")
		in(two).connect(carl)
		in(one).run(carl)
		in(two).run(carl)
		f.update(ann, jumpcloudtest.Fields{"manager": string(carl)})
		expect("one whom both know", string(in(one).link(carl).EntraID))
		in(two).disconnect(ann)
		in(two).run(ann)
		f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
		in(one).run(ann)
		in(two).connect(ann)
		expect("back in the second", account)
		f.update(ann, jumpcloudtest.Fields{"manager": string(absent)})
		expect("another manager", "")
		f.update(ann, jumpcloudtest.Fields{"manager": string(boss)})
		expect("the first again", account)
		in(one).disconnect(ann)
		f.update(ann, jumpcloudtest.Fields{"manager": string(absent)})
		expect("only in the second", "")
	})
}
