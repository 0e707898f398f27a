package groups_test

import (
	"context"
	"fmt"
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
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// exclude stores who is excluded from the directory and sends the tasks for that, as the API
// does.
func (f *fixture) exclude(e directory.Exclude) {
	f.t.Helper()
	f.directory = f.Exclude(f.directory, e)
	f.rollOut()
}

// rollOut sends the tasks of settings that were stored.
func (f *fixture) rollOut() {
	f.t.Helper()
	_, _, err := reconcile.Rollout{Store: f.store, Users: &f.userTasks, Groups: &f.groups}.Send(context.Background(), f.directory.ID, store.Selection{}, 0)
	f.must(err)
}

// changedUser handles an event about a user that says nothing of groups.
func (f *fixture) changedUser(ids ...directory.UserID) {
	f.t.Helper()
	for _, id := range ids {
		f.must(reconcile.Enqueue(context.Background(), &f.userTasks, reconcile.Task{Directory: f.directory.ID, User: id}))
	}
	f.finish()
}

// suspend suspends a user in JumpCloud and handles the event.
func (f *fixture) suspend(id directory.UserID) {
	f.t.Helper()
	f.must(f.jumpcloud.SuspendUser(string(id)))
	f.changedUser(id)
}

// account is the account that a name has in Entra.
func (f *fixture) account(name string) entratest.User {
	f.t.Helper()
	found, there := f.tenant.User(name + "@contoso.example")
	if !there {
		f.t.Fatalf("%s has no account", name)
	}
	return found
}

// mustBeSpared compares an account with what it was, and the link with that of an excluded
// user.
func (f *fixture) mustBeSpared(when string, id directory.UserID, before entratest.User) {
	f.t.Helper()
	now, _ := f.tenant.User(before.ID)
	if diff := cmp.Diff(before, now, cmpopts.IgnoreUnexported(entratest.User{})); diff != "" {
		f.t.Errorf("%s, the account changed (-before +now):\n%s", when, diff)
	}
	if link := f.userLink(id); link.Status != directory.Parked || link.Reason != directory.Excluded {
		f.t.Errorf("%s: the link is %s, %s (%s), want %s, %s", when, link.Status, link.Reason, link.Message, directory.Parked, directory.Excluded)
	}
}

// added puts users into a group of JumpCloud, or takes them out of it.
func (f *fixture) added(in bool, group directory.GroupID, ids ...directory.UserID) {
	f.t.Helper()
	change := f.jumpcloud.AddMember
	if !in {
		change = f.jumpcloud.RemoveMember
	}
	for _, id := range ids {
		f.must(change(string(group), string(id)))
	}
}

// The members of the excluded group, those of nested groups too, are left as they are: also
// as members of other groups.
func TestMembersOfTheExcludedGroupAreLeftAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.jumpcloud.Set(func(b *jumpcloudtest.Behaviour) { b.NestedGroups = jumpcloudtest.ResolveNestedGroups })
		ann, bob, cat, dan := f.person("ann"), f.person("bob"), f.person("cat"), f.person("dan")
		sales := f.group("Sales", ann, bob, cat)
		inner := f.Group("Vault", cat, dan)
		glass := f.Group("Glass", ann)
		f.must(f.jumpcloud.AddMember(string(glass), string(inner)))
		f.run(sales)
		f.finish()
		f.exclude(directory.Exclude{Group: glass})
		f.finish()
		beforeAnn, beforeCat := f.account("ann"), f.account("cat")
		f.mustBeSpared("excluded", ann, beforeAnn)
		for _, id := range []directory.UserID{ann, bob, cat} {
			f.suspend(id)
		}
		f.mustBeSpared("suspended", ann, beforeAnn)
		f.mustBeSpared("suspended", cat, beforeCat)
		if f.account("bob").AccountEnabled {
			t.Error("bob is in no excluded group and is still enabled")
		}
		f.added(false, sales, ann, bob)
		f.added(true, sales, dan)
		f.changed(ann, bob, dan)
		f.finish()
		f.run(sales)
		f.finish()
		f.mustBeSpared("left the group", ann, beforeAnn)
		if got, want := f.names(sales), []string{"ann", "cat"}; !slices.Equal(got, want) {
			t.Errorf("members in Entra: %v, want %v: ann is not taken out, and dan not put in", got, want)
		}
		if _, there := f.tenant.User("dan@contoso.example"); there {
			t.Error("dan is excluded and got an account")
		}
		f.disconnect(sales)
		f.run(sales)
		f.finish()
		f.mustBeSpared("disconnected", ann, beforeAnn)
		f.mustBeSpared("disconnected", cat, beforeCat)
	})
}

// In the steady state the excluded group costs no request to JumpCloud.
func TestTheExcludedGroupCostsNoRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		sales := f.group("Sales", ann, bob)
		glass := f.Group("Glass", ann)
		f.run(sales)
		f.finish()
		cost := func() int {
			before := f.jumpcloud.Counters().Requests
			f.changedUser(ann, bob)
			return f.jumpcloud.Counters().Requests - before
		}
		without := cost()
		f.exclude(directory.Exclude{Group: glass})
		f.finish()
		if with := cost(); with != without {
			t.Errorf("%d requests to JumpCloud, want %d as without an excluded group", with, without)
		}
	})
}

// Who joins the group is excluded by the event, without a list, and who leaves it is compared
// with nothing from before.
func TestWhoJoinsTheExcludedGroupAndLeavesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		sales, glass := f.group("Sales", ann), f.Group("Glass")
		f.run(sales)
		f.finish()
		f.exclude(directory.Exclude{Group: glass})
		f.finish()
		lists := func() (n int) {
			for route, times := range f.jumpcloud.Counters().ByRoute {
				if strings.HasSuffix(route, "/membership") {
					n += times
				}
			}
			return n
		}
		listed := lists()
		f.added(true, glass, ann)
		f.changed(ann)
		f.finish()
		before := f.account("ann")
		f.suspend(ann)
		f.mustBeSpared("after the event", ann, before)
		_, err := f.tenant.UpdateUser(before.ID, map[string]any{"surname": "By hand"})
		f.must(err)
		_, err = f.tenant.RemoveMember(string(f.link(sales).EntraID), before.ID)
		f.must(err)
		f.must(f.jumpcloud.ActivateUser(string(ann)))
		f.added(false, glass, ann)
		f.changed(ann)
		f.finish()
		if got := f.account("ann"); !got.AccountEnabled || got.Text("surname") != "Lee" || f.userLink(ann).Status != directory.Synced {
			t.Errorf("after ann left: %+v, link %+v, want the surname Lee, synced", got, f.userLink(ann))
		}
		f.run(sales)
		f.finish()
		if got := f.names(sales); !slices.Equal(got, []string{"ann"}) {
			t.Errorf("members %v, want ann again", got)
		}
		if lists() != listed+1 { // of Sales
			t.Errorf("%d lists were read, want 1", lists()-listed)
		}
	})
}

// Who leaves a group while being excluded leaves it in Entra when the exclusion ends.
func TestWhoLeftAGroupWhileExcluded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		sales, staff, glass := f.group("Sales", ann, bob), f.group("Staff", ann), f.Group("Glass", ann)
		f.run(sales, staff)
		f.finish()
		f.exclude(directory.Exclude{Group: glass})
		f.finish()
		f.added(false, sales, ann)
		f.changed(ann)
		f.finish()
		if got := f.names(sales); !slices.Equal(got, []string{"ann", "bob"}) {
			t.Errorf("members %v, want ann too, who is excluded", got)
		}
		f.added(false, glass, ann)
		f.changed(ann)
		f.finish()
		if got := f.names(sales); !slices.Equal(got, []string{"bob"}) || f.userLink(ann).Status != directory.Synced {
			t.Errorf("members %v, link %+v, want bob alone, and ann synced", got, f.userLink(ann))
		}
		if got := f.names(staff); !slices.Equal(got, []string{"ann"}) {
			t.Errorf("members of Staff %v, want ann", got)
		}
	})
}

// A user joins the excluded group and is suspended at the same time: whichever event comes
// first, the account is left as it is.
func TestASuspensionOvertakesTheExclusion(t *testing.T) {
	for name, first := range map[string]bool{"the exclusion first": true, "the suspension first": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann := f.person("ann")
				sales, glass := f.group("Sales", ann), f.Group("Glass")
				f.run(sales)
				f.finish()
				f.exclude(directory.Exclude{Group: glass})
				f.finish()
				before := f.account("ann")
				f.added(true, glass, ann)
				f.must(f.jumpcloud.SuspendUser(string(ann)))
				if first {
					f.changed(ann)
				}
				f.changedUser(ann)
				f.mustBeSpared(name, ann, before)
				f.changed(ann)
				f.finish()
				f.mustBeSpared(name+", in the end", ann, before)
			})
		})
	}
}

// The event that somebody joined the excluded group is lost, and another one comes before
// catch-up has found it: who is to be written is looked up in the group first. That is one
// request for each, and none for what concerns many.
func TestWhoJoinedTheExcludedGroupUnnoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		sales, glass := f.group("Sales", ann, bob), f.Group("Glass")
		f.run(sales)
		f.finish()
		f.exclude(directory.Exclude{Group: glass})
		f.finish()
		before, looked := f.account("ann"), f.looks()
		f.added(true, glass, ann)
		for _, id := range []directory.UserID{ann, bob} {
			f.must(f.jumpcloud.UpdateUser(string(id), jumpcloudtest.Fields{"lastname": "Moss"}))
		}
		f.changedUser(ann, bob)
		f.mustBeSpared("without the event", ann, before)
		if surname, n := f.account("bob").Text("surname"), f.looks()-looked; surname != "Moss" || n != 2 {
			t.Errorf("bob's surname is %q after %d looks, want Moss after 2", surname, n)
		}
		looked = f.looks()
		f.must(f.jumpcloud.UpdateUser(string(bob), jumpcloudtest.Fields{"lastname": "Marsh"}))
		f.must(reconcile.Enqueue(context.Background(), &f.userTasks, reconcile.Task{Directory: f.directory.ID, User: bob, Cause: plan.Cause{Many: true}}))
		f.finish()
		if surname, n := f.account("bob").Text("surname"), f.looks()-looked; surname != "Marsh" || n != 0 {
			t.Errorf("one of many: bob's surname is %q after %d looks, want Marsh without one", surname, n)
		}
	})
}

// looks is how often the groups of a user were read in JumpCloud.
func (f *fixture) looks() (n int) {
	for route, times := range f.jumpcloud.Counters().ByRoute {
		if strings.HasSuffix(route, "/memberof") {
			n += times
		}
	}
	return n
}

// One wrong answer of JumpCloud ends no exclusion; two that agree do.
func TestAnExclusionEndsWhenTwoReadsAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		sales, glass := f.group("Sales", ann), f.Group("Glass", ann)
		f.run(sales)
		f.finish()
		f.exclude(directory.Exclude{Group: glass})
		f.finish()
		before := f.account("ann")
		f.must(f.jumpcloud.SuspendUser(string(ann)))
		f.jumpcloud.FailNext(jumpcloudtest.Fault{Path: "/api/v2/usergroups/" + string(glass) + "/membership", Answer: jumpcloudtest.EmptyList})
		f.run(glass)
		f.changedUser(ann)
		f.mustBeSpared("a wrong list", ann, before)
		f.jumpcloud.FailNext(jumpcloudtest.Fault{Path: "/api/v2/users/" + string(ann) + "/memberof", Answer: jumpcloudtest.EmptyList})
		f.must(reconcile.Enqueue(context.Background(), &f.userTasks, reconcile.Task{Directory: f.directory.ID, User: ann, Memberships: true}))
		f.finish()
		f.mustBeSpared("a wrong read of the user", ann, before)
		f.added(false, glass, ann) // and the event is lost
		f.run(glass)
		f.finish()
		if f.account("ann").AccountEnabled || f.userLink(ann).Reason != directory.SuspendedReason {
			t.Errorf("the account is enabled, link %+v, want it disabled: ann is not in the group", f.userLink(ann))
		}
	})
}

// When the excluded group is deleted in JumpCloud its last known members stay excluded, and
// so do members who are deleted there.
func TestADeletedExcludedGroupKeepsItsMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		sales, glass := f.group("Sales", ann, bob), f.Group("Glass", ann, bob)
		f.run(sales)
		f.finish()
		f.exclude(directory.Exclude{Group: glass})
		f.finish()
		beforeAnn, beforeBob := f.account("ann"), f.account("bob")
		f.must(f.jumpcloud.DeleteUser(string(bob)))
		f.changed(bob)
		f.finish()
		f.mustBeSpared("deleted", bob, beforeBob)
		f.must(f.jumpcloud.DeleteGroup(string(glass)))
		f.handle(f.message(reconcile.GroupTask{Group: glass, Claims: []directory.Claim{{Kind: directory.Removed, Group: glass, At: time.Now().UTC()}}}, 1))
		f.finish()
		f.suspend(ann)
		f.mustBeSpared("the group is gone", ann, beforeAnn)
		known, err := f.store.Exclusion(context.Background(), f.directory.ID, glass)
		f.must(err)
		if known.GoneAt.IsZero() || !known.Known() {
			t.Errorf("%+v, want that the group is known to be gone", known)
		}
		f.exclude(directory.Exclude{})
		f.finish()
		if f.account("ann").AccountEnabled {
			t.Error("ann is suspended and still enabled after the setting was changed")
		}
	})
}

// That holds also for those of whom JumpCloud is asked which groups they are in: who leaves
// another group, or is retried by an administrator. It does whether or not we know yet that the
// group is gone, and an event says of its members that they left it.
func TestNobodyLeavesAnExcludedGroupThatIsGone(t *testing.T) {
	asks := map[string]func(f *fixture, ann directory.UserID, sales, glass directory.GroupID){
		"leaves another group": func(f *fixture, ann directory.UserID, sales, _ directory.GroupID) {
			f.added(false, sales, ann)
			f.handle(f.message(reconcile.GroupTask{Group: sales, AllMembers: true}, 1))
			f.must(reconcile.Enqueue(context.Background(), &f.userTasks, reconcile.Task{Directory: f.directory.ID, User: ann, Memberships: true}))
		},
		"is retried": func(f *fixture, ann directory.UserID, _, _ directory.GroupID) {
			f.must(reconcile.Enqueue(context.Background(), &f.userTasks, reconcile.Task{Directory: f.directory.ID, User: ann, Memberships: true, Source: true,
				Cause: plan.Cause{Type: "requested", Requested: true, At: time.Now().UTC()}}))
		},
		"is said to have left": func(f *fixture, ann directory.UserID, _, glass directory.GroupID) {
			f.must(reconcile.Enqueue(context.Background(), &f.userTasks, reconcile.Task{Directory: f.directory.ID, User: ann, Memberships: true,
				Claims: []directory.Claim{{Kind: directory.Left, User: ann, Group: glass, At: time.Now().UTC()}}}))
		},
	}
	for name, ask := range asks {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, known %t", name, known), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					ann := f.person("ann")
					sales, glass := f.group("Sales", ann), f.Group("Glass", ann)
					f.run(sales)
					f.finish()
					f.exclude(directory.Exclude{Group: glass})
					f.finish()
					before := f.account("ann")
					f.must(f.jumpcloud.DeleteGroup(string(glass)))
					if known {
						f.handle(f.message(reconcile.GroupTask{Group: glass, Claims: []directory.Claim{{Kind: directory.Removed, Group: glass, At: time.Now().UTC()}}}, 1))
						f.finish()
					}
					f.must(f.jumpcloud.SuspendUser(string(ann)))
					ask(f, ann, sales, glass)
					f.finish()
					time.Sleep(time.Hour)
					f.changedUser(ann)
					f.mustBeSpared(name, ann, before)
					if e, err := f.store.Exclusion(t.Context(), f.directory.ID, glass); err != nil || e.GoneAt.IsZero() {
						t.Errorf("%+v, %v, want that the group is known to be gone", e, err)
					}
				})
			})
		}
	}
}

// With exactMembership nobody excluded is taken out of a group: not who was never synced, and
// not an account that is listed by its name. Other strangers are.
func TestExactMembershipSparesTheExcluded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.ExactMembership = true })
		ann, bob, cat := f.person("ann"), f.person("bob"), f.person("cat")
		var ids []string
		for _, name := range []string{"ann", "bob", "glass", "stranger"} {
			account, err := f.tenant.AddUser(entratest.User{UserPrincipalName: name + "@contoso.example"})
			f.must(err)
			ids = append(ids, account.ID)
		}
		_, err := f.tenant.AddGroup(entratest.Group{DisplayName: "Sales", Members: ids})
		f.must(err)
		sales := f.group("Sales", ann, cat)
		f.exclude(directory.Exclude{Users: []directory.UserID{ann, bob}, UPNs: []directory.UPN{"Glass@contoso.example"}})
		f.run(sales)
		f.finish()
		f.run(sales)
		f.finish()
		if got, want := f.names(sales), []string{"ann", "bob", "cat", "glass"}; !slices.Equal(got, want) {
			t.Errorf("members %v, want %v", got, want)
		}
	})
}

// The excluded group itself gives no access and is no security group, even if it is
// connected, until the setting names another one.
func TestTheExcludedGroupIsNoGroupOfTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		glass := f.Group("Glass", ann)
		f.exclude(directory.Exclude{Group: glass})
		f.connect(glass)
		f.run(glass)
		f.finish()
		if link := f.link(glass); link.Status != directory.Parked || link.Reason != directory.Excluded || link.EntraID != "" {
			t.Errorf("link %+v, want it parked as excluded, without a group in Entra", link)
		}
		if len(f.tenant.Groups()) > 0 || len(f.tenant.Users()) > 0 {
			t.Errorf("Entra has %v and %v, want nothing", f.tenant.Groups(), f.tenant.Users())
		}
		f.exclude(directory.Exclude{})
		f.finish()
		if got := f.names(glass); !slices.Equal(got, []string{"ann"}) || f.link(glass).Status != directory.Synced {
			t.Errorf("members %v, link %+v, want ann and synced", got, f.link(glass))
		}
	})
}

// A group that is connected and synced becomes the excluded one: its members keep what they
// have, and get it back to the letter of JumpCloud when it is excluded no more.
func TestAConnectedGroupBecomesTheExcludedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob, cat := f.person("ann"), f.person("bob"), f.person("cat")
		sales := f.group("Sales", ann, bob)
		f.run(sales)
		f.finish()
		f.exclude(directory.Exclude{Group: sales})
		f.finish()
		before := f.account("ann")
		f.must(f.jumpcloud.RenameGroup(string(sales), "Sellers"))
		f.added(false, sales, bob)
		f.added(true, sales, cat)
		f.changed(bob, cat)
		f.run(sales)
		f.finish()
		f.mustBeSpared("excluded", ann, before)
		if group := f.inEntra(sales); group.DisplayName != "Sales" || f.account("bob").AccountEnabled {
			t.Errorf("%+v, bob enabled %v, want the name Sales, and bob, who left, disabled", group, f.account("bob").AccountEnabled)
		}
		if _, there := f.tenant.User("cat@contoso.example"); there {
			t.Error("cat got an account by an excluded group")
		}
		f.exclude(directory.Exclude{})
		f.finish()
		if got, want := f.names(sales), []string{"ann", "cat"}; !slices.Equal(got, want) || f.inEntra(sales).DisplayName != "Sellers" {
			t.Errorf("members %v, want %v; %q, want Sellers", got, want, f.inEntra(sales).DisplayName)
		}
	})
}

// No member is put into a group or taken out of it while it is not known who is excluded.
func TestMembersWaitUntilTheExcludedGroupIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		sales, glass := f.group("Sales", ann, bob), f.Group("Glass", bob)
		f.run(sales)
		f.finish()
		f.directory = f.Exclude(f.directory, directory.Exclude{Group: glass}) // and no task was sent yet
		f.added(false, sales, ann, bob)
		f.changed(ann, bob)
		f.run(sales)
		if got := f.names(sales); !slices.Equal(got, []string{"ann", "bob"}) {
			t.Errorf("members %v, want both before it is known who is excluded", got)
		}
		f.rollOut()
		f.finish()
		if got := f.names(sales); !slices.Equal(got, []string{"bob"}) {
			t.Errorf("members %v, want bob, who is excluded", got)
		}
		if !f.account("bob").AccountEnabled || f.account("ann").AccountEnabled {
			t.Error("want bob enabled and ann, who left, disabled")
		}
		members, err := f.store.ExcludedMembers(context.Background(), f.directory.ID, glass)
		f.must(err)
		if want := []directory.UserID{bob}; !slices.Equal(members, want) {
			t.Errorf("excluded %v, want %v", members, want)
		}
	})
}

// A group that is deleted before its members were read excludes nobody: the directory says
// that it is gone, and the others wait no longer.
func TestAnExcludedGroupIsDeletedBeforeItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		sales, glass := f.group("Sales", ann), f.Group("Glass")
		f.run(sales)
		f.finish()
		f.exclude(directory.Exclude{Group: glass})
		f.must(f.jumpcloud.DeleteGroup(string(glass)))
		f.suspend(ann)
		known, err := f.store.Exclusion(context.Background(), f.directory.ID, glass)
		f.must(err)
		if known.GoneAt.IsZero() || !known.Known() || f.account("ann").AccountEnabled {
			t.Errorf("%+v, ann enabled %v, want the group gone and ann disabled", known, f.account("ann").AccountEnabled)
		}
	})
}

// One wrong answer that there is no such group says nothing.
func TestAnExcludedGroupIsMissingOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		sales, glass := f.group("Sales", ann), f.Group("Glass", ann)
		f.run(sales)
		f.finish()
		f.exclude(directory.Exclude{Group: glass})
		f.finish()
		f.jumpcloud.FailNext(jumpcloudtest.Fault{Path: "/api/v2/usergroups/" + string(glass), Status: 404})
		f.run(glass)
		f.finish()
		if known, err := f.store.Exclusion(context.Background(), f.directory.ID, glass); err != nil || !known.GoneAt.IsZero() {
			t.Errorf("%+v, %v, want that the group is not gone", known, err)
		}
		before := f.account("ann")
		f.suspend(ann)
		f.mustBeSpared("after a wrong answer", ann, before)
	})
}

// Strangers are spared as long as the account of an excluded person is not known: it may be
// any of them. It is known by the name that it would have, also if only one person is excluded
// or if JumpCloud lists nobody.
func TestAnUnknownExcludedAccountSparesStrangers(t *testing.T) {
	for name, tc := range map[string]struct {
		email, account string
		want           []string
	}{
		"of its name":      {"glass@contoso.example", "glass", []string{"ann", "glass"}},
		"of another name":  {"glass@contoso.example", "vault", []string{"ann", "stranger", "vault"}},
		"of no domain":     {"glass@fabrikam.example", "glass", []string{"ann", "glass", "stranger"}},
		"of a lost person": {"", "glass", []string{"ann", "glass", "stranger"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.settings(func(s *directory.Settings) {
					s.ExactMembership, s.Domains = true, []directory.Domain{{Name: "contoso.example"}}
				})
				ann := f.person("ann")
				glass := directory.UserID("5f0000000000000000000001") // JumpCloud has nobody of that id
				if tc.email != "" {
					glass = f.HireAs("glass", tc.email)
				}
				sales := f.group("Sales", ann)
				f.run(sales)
				f.finish()
				for _, each := range []string{tc.account, "stranger"} {
					account, err := f.tenant.AddUser(entratest.User{UserPrincipalName: each + "@contoso.example"})
					f.must(err)
					_, err = f.tenant.AddMember(string(f.link(sales).EntraID), account.ID)
					f.must(err)
				}
				f.exclude(directory.Exclude{Users: []directory.UserID{glass}})
				f.finish()
				f.run(sales)
				f.finish()
				if got := f.names(sales); !slices.Equal(got, tc.want) {
					t.Errorf("members %v, want %v", got, tc.want)
				}
			})
		})
	}
}

// The account of an agent that somebody put into a group stays in it.
func TestExactMembershipSparesAgents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.ExactMembership = true })
		ann := f.person("ann")
		sales := f.group("Sales", ann)
		f.run(sales)
		f.finish()
		for _, each := range []entratest.User{{UserPrincipalName: "agent@contoso.example", Agent: true}, {UserPrincipalName: "stranger@contoso.example"}} {
			account, err := f.tenant.AddUser(each)
			f.must(err)
			_, err = f.tenant.AddMember(string(f.link(sales).EntraID), account.ID)
			f.must(err)
		}
		f.run(sales)
		f.finish()
		if got, want := f.names(sales), []string{"agent", "ann"}; !slices.Equal(got, want) {
			t.Errorf("members %v, want %v", got, want)
		}
	})
}

// A group that is disconnected is not deleted in Entra while an excluded account is in it, and
// the link says so.
func TestAGroupWithAnExcludedMemberIsNotDeleted(t *testing.T) {
	for name, listed := range map[string]bool{"by user": false, "by name": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.settings(func(s *directory.Settings) { s.DeleteGroups = true })
				ann, bob := f.person("ann"), f.person("bob")
				sales, staff := f.group("Sales", ann, bob), f.group("Staff", bob)
				f.run(sales, staff)
				f.finish()
				e := directory.Exclude{Users: []directory.UserID{ann}}
				if listed {
					e = directory.Exclude{UPNs: []directory.UPN{"ann@contoso.example"}}
				}
				f.exclude(e)
				f.finish()
				f.disconnect(sales)
				f.disconnect(staff)
				f.run(sales, staff)
				f.finish()
				f.run(sales)
				f.finish()
				if got := len(f.tenant.GroupsNamed("Staff")); got != 0 {
					t.Errorf("%d groups Staff, want none", got)
				}
				if got := f.names(sales); !slices.Equal(got, []string{"ann", "bob"}) {
					t.Errorf("members %v, want ann, who is excluded, and bob", got)
				}
				if link := f.link(sales); link.Status != directory.Parked || link.Reason != directory.Excluded || link.Message == "" {
					t.Errorf("link %+v, want it parked as excluded", link)
				}
				f.exclude(directory.Exclude{})
				f.finish()
				f.run(sales)
				f.finish()
				if got := len(f.tenant.GroupsNamed("Sales")); got != 0 || f.link(sales).Status != directory.Released {
					t.Errorf("%d groups Sales, link %+v, want none, released", got, f.link(sales))
				}
			})
		})
	}
}

// An account that has just got an excluded name in Entra is not taken out of a group.
func TestWhoGotAnExcludedNameJustNowStaysInTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		sales := f.group("Sales", ann, bob)
		f.run(sales)
		f.finish()
		f.exclude(directory.Exclude{UPNs: []directory.UPN{"glass@contoso.example"}})
		f.finish()
		f.added(false, sales, bob)
		f.changed(bob)
		f.finish()
		_, err := f.tenant.UpdateUser("ann@contoso.example", map[string]any{"userPrincipalName": "glass@contoso.example"})
		f.must(err)
		time.Sleep(10 * time.Second)
		f.added(false, sales, ann)
		f.changed(ann)
		f.finish()
		if got := f.names(sales); !slices.Equal(got, []string{"glass"}) {
			t.Errorf("members %v, want glass, whose name is excluded by now", got)
		}
	})
}
