package users_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
)

// exclude stores who is excluded from the directory.
func (f *fixture) exclude(e directory.Exclude) {
	f.t.Helper()
	f.directory = f.Exclude(f.directory, e)
}

// unchanged says how an account differs from what it was.
func (f *fixture) unchanged(when string, before entratest.User) {
	f.t.Helper()
	now, _ := f.accounts.User(before.ID)
	if diff := cmp.Diff(before, now, cmpopts.IgnoreUnexported(entratest.User{})); diff != "" {
		f.t.Errorf("%s, the account changed (-before +now):\n%s", when, diff)
	}
}

// mustBeExcluded compares the link of a user with that of an excluded one.
func (f *fixture) mustBeExcluded(when string, id directory.UserID, says string) {
	f.t.Helper()
	link := f.link(id)
	if link.Status != directory.Parked || link.Reason != directory.Excluded || !strings.Contains(link.Message, says) || len(link.OpenActions) > 0 || len(link.Applied) > 0 {
		f.t.Errorf("%s: %s, %s, %q with %d open actions, applied %v, want %s, %s with %q, nothing open or applied",
			when, link.Status, link.Reason, link.Message, len(link.OpenActions), link.Applied, directory.Parked, directory.Excluded, says)
	}
}

// Whatever happens to a user in JumpCloud and in the directory, nothing is written to the
// account of who is excluded, by id or by sign-in name. When the exclusion ends, all of the
// account is compared with JumpCloud.
func TestAnExcludedAccountIsNotWritten(t *testing.T) {
	for name, rule := range map[string]func(directory.UserID) directory.Exclude{
		"exclude.users": func(id directory.UserID) directory.Exclude {
			return directory.Exclude{Users: []directory.UserID{"5f0000000000000000000001", id}}
		},
		"exclude.upns": func(directory.UserID) directory.Exclude {
			return directory.Exclude{UPNs: []directory.UPN{"ANN@Contoso.example"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann := f.person("ann")
				f.run(ann)
				f.settings(func(s *directory.Settings) {
					s.SuspendOnLockout, s.SuspendOnPasswordExpiration, s.RevokeSessionsOnPasswordChange, s.RestoreDeleted = true, true, true, true
				})
				f.exclude(rule(ann))
				before := f.account("ann@contoso.example")
				for _, step := range []struct {
					when string
					do   func()
				}{
					{"excluded", func() {}},
					{"renamed", func() { f.update(ann, jumpcloudtest.Fields{"lastname": "Moss", "jobTitle": "Lead"}) }},
					{"locked out", func() { f.must(f.jumpcloud.LockUser(string(ann))) }},
					{"expired", func() { f.must(f.jumpcloud.ExpirePassword(string(ann))) }},
					{"suspended", func() { f.must(f.jumpcloud.SuspendUser(string(ann))) }},
					{"with another address", func() { f.update(ann, jumpcloudtest.Fields{"email": "ann.lee@contoso.example"}) }},
					{"disconnected", func() { f.disconnect(ann) }},
					{"connected again", func() { f.connect(ann) }},
					{"activated", func() { f.must(f.jumpcloud.ActivateUser(string(ann))) }},
				} {
					step.do()
					time.Sleep(time.Hour)
					if requests := f.requests(func() {
						if left := f.run(ann); left > 0 {
							t.Errorf("%s: the task comes again", step.when)
						}
					}); requests > 0 {
						t.Errorf("%s: %d requests to Graph, want none", step.when, requests)
					}
					f.unchanged(step.when, before)
					f.mustBeExcluded(step.when, ann, name)
				}
				f.runForPassword(ann, time.Now().UTC())
				f.unchanged("with a new password", before)
				_, err := f.accounts.UpdateUser(before.ID, map[string]any{"surname": "By hand", "accountEnabled": false})
				f.must(err)
				f.settings(func(s *directory.Settings) { s.SuspendOnLockout, s.SuspendOnPasswordExpiration = false, false })
				f.exclude(directory.Exclude{})
				f.run(ann)
				link, account := f.link(ann), f.account("ann.lee@contoso.example")
				if link.Status != directory.Synced || link.Excluded || !account.AccountEnabled || account.Text("surname") != "Moss" || account.ID != before.ID {
					t.Errorf("after the exclusion: link %+v, account %+v, want it synced, enabled, with the surname Moss", link, account)
				}
			})
		})
	}
}

// A user who is excluded and deleted in JumpCloud keeps the account as it is.
func TestAnExcludedUserIsDeleted(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.run(ann)
	f.exclude(directory.Exclude{Users: []directory.UserID{ann}})
	before := f.account("ann@contoso.example")
	f.must(f.jumpcloud.DeleteUser(string(ann)))
	f.run(ann)
	f.unchanged("deleted", before)
	f.mustBeExcluded("deleted", ann, "exclude.users")
}

// No account is created, taken over or restored for who is excluded.
func TestNoAccountIsMadeForTheExcluded(t *testing.T) {
	byUser := func(id directory.UserID) directory.Exclude { return directory.Exclude{Users: []directory.UserID{id}} }
	byName := func(directory.UserID) directory.Exclude {
		return directory.Exclude{UPNs: []directory.UPN{"Ann@contoso.example"}}
	}
	nothing := func(*fixture) {}
	there := func(f *fixture) {
		_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
		f.must(err)
	}
	deleted := func(f *fixture) {
		there(f)
		_, err := f.accounts.DeleteUser("ann@contoso.example")
		f.must(err)
	}
	for name, tc := range map[string]struct {
		rule func(directory.UserID) directory.Exclude
		seed func(*fixture)
	}{
		"nobody, by user": {byUser, nothing}, "nobody, by name": {byName, nothing},
		"an account, by user": {byUser, there}, "an account, by name": {byName, there},
		"a deleted account, by user": {byUser, deleted}, "a deleted account, by name": {byName, deleted},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
			tc.seed(f)
			before := f.accounts.Users()
			ann := f.person("ann")
			f.exclude(tc.rule(ann))
			f.run(ann)
			f.mustBeExcluded(name, ann, "exclude.")
			if diff := cmp.Diff(before, f.accounts.Users(), cmpopts.IgnoreUnexported(entratest.User{})); diff != "" {
				t.Errorf("the accounts changed (-before +now):\n%s", diff)
			}
			if f.link(ann).EntraID != "" {
				t.Errorf("the link has the account %s, want none", f.link(ann).EntraID)
			}
		})
	}
}

// An account is found by its object id. One that got an excluded name by hand in Entra is
// not written any more, although our records have its former name.
func TestTheRealSignInNameCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		before, err := f.accounts.UpdateUser("ann@contoso.example", map[string]any{"userPrincipalName": "glass@contoso.example"})
		f.must(err)
		f.exclude(directory.Exclude{UPNs: []directory.UPN{"glass@contoso.example"}})
		if requests := f.requests(func() { f.run(ann) }); requests != 0 {
			t.Errorf("with nothing to write: %d requests to Graph, want 0", requests)
		}
		f.must(f.jumpcloud.SuspendUser(string(ann)))
		f.run(ann)
		f.unchanged("suspended", before)
		f.mustBeExcluded("suspended", ann, "exclude.upns")
	})
}

// A user whose next name is an excluded one has an account of another name: that name is not
// written, and the account is disabled like any other.
func TestAnExcludedNameIsNotGiven(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.run(ann)
	f.exclude(directory.Exclude{UPNs: []directory.UPN{"glass@contoso.example"}})
	f.update(ann, jumpcloudtest.Fields{"email": "glass@contoso.example", "lastname": "Moss"})
	f.run(ann)
	account := f.account("ann@contoso.example")
	if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.Excluded || account.Text("surname") != "Moss" {
		t.Errorf("link %+v, surname %q, want it parked as excluded and the surname Moss", link, account.Text("surname"))
	}
	f.must(f.jumpcloud.SuspendUser(string(ann)))
	f.run(ann)
	if f.account("ann@contoso.example").AccountEnabled {
		t.Error("the account of a suspended user is enabled: only the name is excluded")
	}
}

// The settings are read once more before actions are sent: who is excluded while an attempt
// is under way is not written.
func TestExcludedWhileAnAttemptIsUnderWay(t *testing.T) {
	f := newFixture(t)
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
	f.must(err)
	before := f.account("ann@contoso.example")
	ann := f.person("ann")
	f.before = func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "$batch") { // it looks the account up
			f.before = nil
			f.exclude(directory.Exclude{Users: []directory.UserID{ann}})
		}
	}
	f.run(ann)
	f.unchanged("excluded meanwhile", before)
	f.mustBeExcluded("excluded meanwhile", ann, "exclude.users")
	f.update(ann, jumpcloudtest.Fields{"email": "ann.lee@contoso.example"})
	bob := f.unconnected("bob", "ann@contoso.example")
	f.exclude(directory.Exclude{}) // until then nobody else gets ann's name
	f.connect(bob)
	f.run(bob)
	if link := f.link(bob); link.EntraID != directory.EntraID(before.ID) {
		t.Errorf("the account was not given up again: %+v", link)
	}
}

// A write that Graph throttles waits in the client: who is excluded meanwhile is not written
// after the wait.
func TestExcludedWhileAWriteWaits(t *testing.T) {
	for name, fault := range map[string]entratest.Fault{
		"the write is throttled":      {Method: "PATCH", Path: `^/v1\.0/users/`, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1"}},
		"the batch is throttled":      {Path: `batch$`, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "2"}},
		"Graph does not say how long": {Path: `batch$`, Status: http.StatusTooManyRequests},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann := f.person("ann")
				f.run(ann)
				before := f.account("ann@contoso.example")
				f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
				f.must(f.entra.FailNext(fault))
				f.after = func() { // it was throttled
					f.after = nil
					f.exclude(directory.Exclude{Users: []directory.UserID{ann}})
				}
				if again := f.run(ann); again != 1 {
					t.Errorf("%d messages come again, want 1", again)
				}
				f.unchanged("after the wait", before)
				if link := f.link(ann); link.Status != directory.Pending || link.NextTryAt.IsZero() {
					t.Errorf("link %+v, want it pending with a time for the next try", link)
				}
				f.run(ann)
				f.mustBeExcluded("the next attempt", ann, "exclude.users")
				f.exclude(directory.Exclude{})
				f.must(f.entra.FailNext(fault))
				f.run(ann)
				if got := f.account("ann@contoso.example").Text("surname"); got != "Moss" {
					t.Errorf("throttled while nobody is excluded: the surname is %q, want Moss", got)
				}
			})
		})
	}
}

// Two directories on one tenant have a setting each: the account is written by the one that
// does not exclude it.
func TestEachDirectoryExcludesForItself(t *testing.T) {
	f := newFixture(t)
	one, two := shared(f)
	ann := f.unconnected("ann", "ann@contoso.example")
	for _, dir := range []directory.Directory{one, two} {
		f.in(dir).connect(ann)
		f.run(ann)
	}
	f.in(two).exclude(directory.Exclude{Users: []directory.UserID{ann}})
	before := f.account("ann@contoso.example")
	f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
	f.run(ann)
	f.unchanged("in the directory that excludes", before)
	f.mustBeExcluded("in the directory that excludes", ann, "exclude.users")
	f.in(one).run(ann)
	if got := f.account("ann@contoso.example").Text("surname"); got != "Moss" {
		t.Errorf("the surname is %q, want that the other directory writes Moss", got)
	}
}

// While it is not known who is in the excluded group nothing is written, and who has nothing
// to be written waits for nothing.
func TestNothingIsWrittenBeforeTheGroupIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		f.run(ann, bob)
		group := f.Group("break glass", bob)
		f.exclude(directory.Exclude{Group: group})
		if left := f.run(ann); left != 0 || f.link(ann).Status != directory.Synced {
			t.Errorf("nothing to write: %d come again, link %+v, want none and synced", left, f.link(ann))
		}
		before := f.account("ann@contoso.example")
		f.must(f.jumpcloud.SuspendUser(string(ann)))
		if left := f.run(ann); left != 1 {
			t.Errorf("%d tasks come again, want 1", left)
		}
		f.unchanged("before the list is read", before)
		if link := f.link(ann); link.Status != directory.Pending || link.Reason != directory.ExclusionUnread {
			t.Errorf("link %+v, want it pending, %s", link, directory.ExclusionUnread)
		}
		known, err := f.store.Exclusion(t.Context(), f.directory.ID, group)
		f.must(err)
		known.ListedAt = time.Now().UTC()
		f.must(f.store.PutExclusion(t.Context(), known))
		f.run(ann)
		if f.account("ann@contoso.example").AccountEnabled {
			t.Error("the account is enabled, want it disabled once the list is read")
		}
		before = f.account("bob@contoso.example")
		f.must(f.jumpcloud.SuspendUser(string(bob))) // bob's membership is read before he loses access
		f.run(bob)
		f.unchanged("a member whom no list showed", before)
		f.mustBeExcluded("a member whom no list showed", bob, "exclude.group")
	})
}

// A password that the gateway took is not set for who is excluded by then.
func TestAnExcludedAccountGetsNoPassword(t *testing.T) {
	for name, e := range map[string]directory.Exclude{
		"by the name that we know":    {UPNs: []directory.UPN{"ann@contoso.example"}},
		"by the name that Entra says": {UPNs: []directory.UPN{"glass@contoso.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			ann := f.person("ann")
			f.run(ann)
			account := f.link(ann).EntraID
			if strings.Contains(name, "Entra") {
				_, err := f.accounts.UpdateUser(string(account), map[string]any{"userPrincipalName": "glass@contoso.example"})
				f.must(err)
			}
			m := f.passwordFor(ann, newPassword, 1)
			f.exclude(e)
			if again := f.handOver(m); len(again) > 0 {
				t.Errorf("%v come again, want none", again)
			}
			if got, _ := f.accounts.User(string(account)); got.HasPassword(newPassword) {
				t.Error("the excluded account has the new password")
			}
			if link := f.link(ann); link.PasswordDiffers == nil || link.PasswordDiffers.Reason != directory.Excluded {
				t.Errorf("PasswordDiffers %+v, want the reason %s", link.PasswordDiffers, directory.Excluded)
			}
		})
	}
}

// Neither does one whose exclusion comes while Graph makes the password wait.
func TestAPasswordWaitsAndIsNotSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		m := f.passwordFor(ann, newPassword, 1)
		f.must(f.entra.FailNext(entratest.Fault{Method: "PATCH", Path: `^/v1\.0/users/`, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1"}}))
		f.before = func(r *http.Request) {
			if r.Method == http.MethodPatch {
				f.before = nil
				f.exclude(directory.Exclude{Users: []directory.UserID{ann}})
			}
		}
		again := f.handOver(m)
		if f.account("ann@contoso.example").HasPassword(newPassword) || len(again) != 1 {
			t.Errorf("the excluded account has the new password: %t, and %v come again, want false and the message", f.account("ann@contoso.example").HasPassword(newPassword), again)
		}
		f.handOver(m)
		if link := f.link(ann); link.PasswordDiffers == nil || link.PasswordDiffers.Reason != directory.Excluded || f.account("ann@contoso.example").HasPassword(newPassword) {
			t.Errorf("PasswordDiffers %+v, want the reason %s and the old password", link.PasswordDiffers, directory.Excluded)
		}
	})
}

// That a user is excluded is in the events once.
func TestAnExclusionIsRecordedOnce(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.run(ann)
	f.exclude(directory.Exclude{Users: []directory.UserID{ann}})
	for range 3 {
		f.run(ann)
	}
	refused := slices.DeleteFunc(f.actions(), func(a plan.Action) bool { return a.Error == nil || a.Error.Reason != directory.Excluded })
	if len(refused) != 1 || refused[0].Status != plan.Failed {
		t.Errorf("%+v, want one failed action with the reason %s", refused, directory.Excluded)
	}
}

// An action that a process left open when it died is ended, although nothing is written.
func TestAnOpenActionOfTheExcludedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		open := plan.Action{ID: "0198", Type: plan.Update, Directory: f.directory.ID, Subject: plan.Subject{Kind: "user", ID: string(ann)}, EntraID: f.link(ann).EntraID,
			Changes: []directory.Change{{Attribute: directory.Surname, To: directory.Text("Moss")}}, Status: plan.Started, At: time.Now().UTC()}
		f.must(f.store.RecordActions(t.Context(), open))
		f.must(f.store.ChangeLink(t.Context(), f.directory.ID, ann, func(l directory.Link) directory.Link {
			l.OpenActions = []string{open.ID}
			return l
		}))
		f.exclude(directory.Exclude{Users: []directory.UserID{ann}})
		time.Sleep(time.Hour)
		f.run(ann)
		f.mustBeExcluded("with an open action", ann, "exclude.users")
		ended, err := f.store.Action(t.Context(), organization, open.ID)
		f.must(err)
		if ended.Status != plan.Failed || ended.Error == nil || ended.Error.Reason != directory.Interrupted {
			t.Errorf("%+v, want it failed as %s", ended, directory.Interrupted)
		}
	})
}

// No account is claimed while it is not known who is excluded.
func TestNoAccountIsClaimedBeforeTheGroupIsRead(t *testing.T) {
	f := newFixture(t)
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
	f.must(err)
	ann := f.person("ann")
	f.exclude(directory.Exclude{Group: f.Group("break glass")})
	f.run(ann)
	if link := f.link(ann); link.EntraID != "" || link.Reason != directory.ExclusionUnread || link.NextTryAt.IsZero() {
		t.Errorf("link %+v, want no account, %s", link, directory.ExclusionUnread)
	}
}

// An excluded person whose account entrasync never had may have one all the same: nobody else
// gets an account that is named as the excluded user is or would be, also not after the
// address went on to another user.
func TestNobodyGetsTheNameOfTheExcluded(t *testing.T) {
	byUser := func(_ *fixture, glass directory.UserID) directory.Exclude {
		return directory.Exclude{Users: []directory.UserID{glass}}
	}
	for name, tc := range map[string]struct {
		deleted, renamed bool // the account is; eve has an account of another name first
		rule             func(*fixture, directory.UserID) directory.Exclude
		leaves           func(f *fixture, glass directory.UserID) // the address, which eve gets
	}{
		"taken over": {rule: byUser},
		"restored":   {rule: byUser, deleted: true},
		"renamed to": {rule: byUser, deleted: true, renamed: true},
		"the address went on": {rule: byUser, leaves: func(f *fixture, glass directory.UserID) {
			f.update(glass, jumpcloudtest.Fields{"email": "old@contoso.example"})
		}},
		"the excluded user is deleted": {rule: byUser, leaves: func(f *fixture, glass directory.UserID) {
			f.must(f.jumpcloud.DeleteUser(string(glass)))
		}},
		"by group": {rule: func(f *fixture, glass directory.UserID) directory.Exclude {
			return directory.Exclude{Group: f.Group("Glass", glass)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.settings(func(s *directory.Settings) {
					s.RestoreDeleted, s.Domains = true, []directory.Domain{{Name: "contoso.example", Default: true}}
				})
				account, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "glass@contoso.example", AccountEnabled: true})
				f.must(err)
				if tc.deleted {
					_, err = f.accounts.DeleteUser(account.ID)
					f.must(err)
				}
				glass := f.unconnected("glass", "glass@contoso.example")
				exclude := tc.rule(f, glass)
				f.exclude(exclude)
				if exclude.Group != "" {
					f.listExcluded(exclude.Group, glass)
				}
				f.connect(glass)
				f.run(glass)
				before, _ := f.accounts.User(account.ID)
				email := "glass@fabrikam.example"
				if tc.leaves != nil {
					email = "glass@contoso.example"
					tc.leaves(f, glass)
					f.run(glass)
				}
				eve := f.unconnected("eve", "eve@contoso.example")
				f.connect(eve)
				if tc.renamed {
					f.run(eve)
				}
				f.update(eve, jumpcloudtest.Fields{"email": email, "lastname": "Moss"})
				f.run(eve)
				f.must(f.jumpcloud.SuspendUser(string(eve)))
				f.run(eve)
				f.must(f.jumpcloud.ActivateUser(string(eve)))
				f.run(eve)
				if link := f.link(eve); link.Status != directory.Parked || link.Reason != directory.UPNConflict || !strings.Contains(link.Message, "exclude") || link.EntraID == directory.EntraID(account.ID) {
					t.Errorf("link %+v, want it parked as %s, naming the rule, without the account", link, directory.UPNConflict)
				}
				if now, _ := f.accounts.User(account.ID); !cmp.Equal(before, now, cmpopts.IgnoreUnexported(entratest.User{})) {
					t.Errorf("the account changed:\n%s", cmp.Diff(before, now, cmpopts.IgnoreUnexported(entratest.User{})))
				}
				if tc.renamed && f.account("eve@contoso.example").Text("surname") != "Moss" {
					t.Error("eve's own account has not the surname Moss: only the name is refused")
				}
			})
		})
	}
}

// listExcluded notes that the members of the excluded group were read.
func (f *fixture) listExcluded(group directory.GroupID, members ...directory.UserID) {
	f.t.Helper()
	f.must(f.store.PutExcluded(f.t.Context(), f.directory.ID, group, members...))
	known, err := f.store.Exclusion(f.t.Context(), f.directory.ID, group)
	f.must(err)
	known.ListedAt = time.Now().UTC()
	f.must(f.store.PutExclusion(f.t.Context(), known))
}

// Who has an account costs no read of the excluded users, and those who get one share it.
func TestTheNamesOfTheExcludedCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		glass := f.unconnected("glass", "glass@contoso.example")
		f.exclude(directory.Exclude{Users: []directory.UserID{glass}})
		ann, bob := f.person("ann"), f.person("bob")
		reads := func() int { return f.jumpcloud.Counters().Requests }
		cost := func(id directory.UserID) int {
			before := reads()
			f.run(id)
			return reads() - before
		}
		if got := cost(ann); got != 2 {
			t.Errorf("%d reads for the first user, want 2: ann and glass", got)
		}
		if got := cost(bob); got != 1 {
			t.Errorf("%d reads for the next user, want 1: bob", got)
		}
		time.Sleep(time.Hour)
		f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
		if got := cost(ann); got != 1 {
			t.Errorf("%d reads for a user with an account, want 1: ann", got)
		}
	})
}

// Before a write that renames, disables or takes over, and for a person who asks, it is looked
// again which accounts have the listed names; for the rest that is believed for a minute.
func TestWhoGotAnExcludedNameJustNow(t *testing.T) {
	for name, tc := range map[string]struct {
		after     time.Duration
		requested bool
		change    func(*fixture, directory.UserID)
	}{
		"disabled": {after: 10 * time.Second, change: func(f *fixture, ann directory.UserID) { f.must(f.jumpcloud.SuspendUser(string(ann))) }},
		"renamed": {after: 10 * time.Second, change: func(f *fixture, ann directory.UserID) {
			f.update(ann, jumpcloudtest.Fields{"email": "ann2@contoso.example"})
		}},
		"asked for": {after: time.Second, requested: true, change: func(f *fixture, ann directory.UserID) {
			f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann, bob := f.person("ann"), f.person("bob")
				f.run(ann, bob)
				f.exclude(directory.Exclude{UPNs: []directory.UPN{"glass@contoso.example"}})
				f.update(bob, jumpcloudtest.Fields{"lastname": "Moss"})
				f.run(bob)
				before, err := f.accounts.UpdateUser("ann@contoso.example", map[string]any{"userPrincipalName": "glass@contoso.example"})
				f.must(err)
				time.Sleep(tc.after)
				tc.change(f, ann)
				if tc.requested {
					f.sync(ann, time.Now().UTC())
				} else {
					f.run(ann)
				}
				f.unchanged(name, before)
				f.mustBeExcluded(name, ann, "exclude.upns")
			})
		})
	}
}
