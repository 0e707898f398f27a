package groups_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// confirm says that the user may have the account of a former user, as the API does for an
// administrator.
func (f *fixture) confirm(id directory.UserID) {
	f.t.Helper()
	link := f.userLink(id)
	if link.Former == nil {
		f.t.Fatalf("%s waits for no account of a former user: %+v", id, link)
	}
	word := directory.TakeOver{Account: *link.Former, By: "chief", At: time.Now().UTC()}
	f.must(f.store.ConfirmTakeOver(context.Background(), plan.Action{ID: "confirmed-" + string(id), Type: plan.ConfirmTakeOver, Directory: f.directory.ID,
		Status: plan.Succeeded, At: word.At, CompletedAt: word.At}, link.ConfirmedBy(word)))
}

// A user who is hired again is a new user in JumpCloud with the same account. A user
// with an account that was deleted for good gets a new account. Both are in the groups.
func TestHiredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		id := f.group("Sales", ann, bob)
		f.run(id)
		f.finish()
		account := f.userLink(ann).EntraID
		f.must(f.jumpcloud.DeleteUser(string(ann)))
		f.oneByHand(ann)
		again := f.person("ann")
		f.must(f.jumpcloud.AddMember(string(id), string(again)))
		f.changed(again)
		f.finish()
		f.confirm(again)
		f.changed(again)
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann", "bob"}) || f.userLink(again).EntraID != account || len(f.records(id)) != 2 {
			t.Errorf("%v, %+v, %+v", got, f.userLink(again), f.records(id))
		}
		f.must(f.jumpcloud.RemoveMember(string(id), string(again)))
		f.changed(again)
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"bob"}) {
			t.Errorf("%v", got)
		}
	})
}

// A user leaves and joins again before the group is written, and the account is freed
// in between.
func TestOutAndInAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		id := f.group("Sales", ann)
		f.run(id)
		f.finish()
		f.must(f.jumpcloud.RemoveMember(string(id), string(ann)))
		f.changed(ann) // releases the user: the account is free
		f.must(f.jumpcloud.AddMember(string(id), string(ann)))
		_, err := f.store.SetMemberships(t.Context(), f.directory.ID, id, time.Now().UTC(), store.Membership{User: ann, In: true}) // as a task for all members does
		f.must(err)
		f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
		f.oneByHand(ann)
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann"}) || f.userLink(ann).State != directory.Enabled {
			t.Errorf("%v, %+v", got, f.records(id))
		}
	})
}

// A user who left while the group was not connected is not a member when it is
// connected again.
func TestLeftWhileNotConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		id := f.group("Sales", ann, bob)
		f.run(id)
		f.finish()
		f.disconnect(id)
		f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann", "bob"}) {
			t.Errorf("in Entra it did not stay as it is: %v", got)
		}
		f.must(f.jumpcloud.RemoveMember(string(id), string(bob)))
		f.connect(id)
		f.run(id)
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann"}) {
			t.Errorf("%v", got)
		}
	})
}

// A group that is connected again is compared before its users have claimed their accounts
// again. Whose account is still free stays in the group; whose account is somebody else's by
// now does not.
func TestAGroupIsBackBeforeItsUsers(t *testing.T) {
	for name, tc := range map[string]struct {
		meanwhile   func(f *fixture, id directory.GroupID, bob directory.UserID)
		first, last []string
	}{
		"nothing happened meanwhile": {func(*fixture, directory.GroupID, directory.UserID) {}, []string{"ann", "bob"}, []string{"ann", "bob"}},
		"somebody took a member out by hand": {func(f *fixture, id directory.GroupID, bob directory.UserID) {
			_, err := f.tenant.RemoveMember(string(f.link(id).EntraID), string(f.userLink(bob).EntraID))
			f.must(err)
		}, []string{"ann"}, []string{"ann", "bob"}},
		"an account went to somebody else": {func(f *fixture, _ directory.GroupID, bob directory.UserID) {
			f.takeAccount(bob, "robert@contoso.example")
		}, []string{"ann"}, []string{"ann", "robert"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann, bob := f.person("ann"), f.person("bob")
				id := f.group("Sales", ann, bob)
				f.run(id)
				f.finish()
				f.disconnect(id)
				f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
				f.finish()
				if !f.userLink(ann).Freed || !f.userLink(bob).Freed {
					t.Fatalf("got the links %+v and %+v, want both released: the test shows nothing", f.userLink(ann), f.userLink(bob))
				}
				tc.meanwhile(f, id, bob)
				f.connect(id)
				f.run(id)
				if got := f.names(id); !slices.Equal(got, tc.first) {
					t.Errorf("before its users are back the group has the members %v, want %v", got, tc.first)
				}
				f.finish()
				if got := f.names(id); !slices.Equal(got, tc.last) {
					t.Errorf("in the end the group has the members %v, want %v: %+v", got, tc.last, f.records(id))
				}
			})
		})
	}
}

// A member who was taken out by hand gets the account back while the group is compared, and
// still sees the record that the account is in the group.
func TestAUserIsBackWhileTheGroupIsCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		id := f.group("Sales", ann, bob)
		f.run(id)
		f.finish()
		f.disconnect(id)
		f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
		f.finish()
		_, err := f.tenant.RemoveMember(string(f.link(id).EntraID), string(f.userLink(bob).EntraID))
		f.must(err)
		f.connect(id)
		var freed bool
		f.after = func(*http.Request) { // the group is read
			f.after = nil
			f.workUsers(f.userTasks.take())
			freed = f.userLink(bob).Freed
		}
		f.run(id)
		if f.after != nil || freed {
			t.Fatal("bob did not get the account back while the group was compared: the test shows nothing")
		}
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann", "bob"}) {
			t.Errorf("got the members %v, want ann and bob: %+v", got, f.records(id))
		}
	})
}

// takeAccount lets a new user, who is connected directly, take over the account of a user
// who was released and now has another e-mail address.
func (f *fixture) takeAccount(from directory.UserID, email string) {
	f.t.Helper()
	link := f.userLink(from)
	f.must(f.jumpcloud.UpdateUser(string(from), jumpcloudtest.Fields{"email": email}))
	next := f.person("carl")
	f.must(f.jumpcloud.UpdateUser(string(next), jumpcloudtest.Fields{"email": string(link.UPN)}))
	f.must(f.store.Connect(context.Background(), f.directory.ID, next, directory.Direct, time.Now().UTC()))
	f.changed(next)
	f.confirm(next)
	f.changed(next)
	if got := f.userLink(next).EntraID; got != link.EntraID {
		f.t.Fatalf("carl got the account %q, want bob's, %q: the test shows nothing", got, link.EntraID)
	}
}

// A member's account goes to somebody else after the group was compared and before the member
// claims it again: the group is compared once more, although the member gets no account.
func TestAnAccountIsLostJustBeforeItsUserIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		id := f.group("Sales", ann, bob)
		f.run(id)
		f.finish()
		f.disconnect(id)
		f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
		f.finish()
		f.connect(id)
		f.run(id)
		f.takeAccount(bob, "bob@unverified.example")
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann"}) {
			t.Errorf("got the members %v, want only ann: bob's account is somebody else's; %+v, %+v", got, f.userLink(bob), f.records(id))
		}
	})
}

// While a group is let go, one read says wrongly that JumpCloud does not have it. Who leaves
// while it is not connected is not a member when it is connected again. What an event says is
// gone is forgotten.
func TestAGroupThatIsLetGoIsMissingOnce(t *testing.T) {
	for name, deleted := range map[string]bool{"the read is wrong": false, "an event says that it is gone": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann, bob := f.person("ann"), f.person("bob")
				id := f.group("Sales", ann, bob)
				f.run(id)
				f.finish()
				f.disconnect(id)
				f.jumpcloud.FailNext(jumpcloudtest.Fault{Path: "/api/v2/usergroups/*", Status: 404, Times: 1})
				f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
				f.finish()
				if deleted {
					f.must(f.jumpcloud.DeleteGroup(string(id)))
					f.handle(f.message(reconcile.GroupTask{Group: id, Claims: []directory.Claim{{Kind: directory.Removed, Group: id, At: time.Now().UTC()}}}, 1))
					f.finish()
					if got := f.records(id); len(got) > 0 {
						t.Errorf("got the records %+v, want none", got)
					}
					return
				}
				f.must(f.jumpcloud.RemoveMember(string(id), string(bob)))
				f.connect(id)
				f.run(id)
				f.finish()
				if got := f.names(id); !slices.Equal(got, []string{"ann"}) {
					t.Errorf("got the members %v, want only ann, because bob left: %+v", got, f.records(id))
				}
			})
		})
	}
}

// A group comes back after its group in Entra went to another JumpCloud group: it gets
// a new group in Entra, and none of its members get into the other's.
func TestAGroupWhoseOldOneIsAnothers(t *testing.T) {
	for name, gone := range map[string]func(*fixture, directory.GroupID){
		"let go": func(f *fixture, old directory.GroupID) { f.run(old) },
		"let go before it was known to be there": func(f *fixture, old directory.GroupID) {
			f.after = onWrite(2, func() { panic(death{}) }) // the first batch looks the name up
			f.dies(func() { f.run(old) })
			f.after = nil
			time.Sleep(2 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann, bob := f.person("ann"), f.person("bob")
				for _, id := range []directory.UserID{ann, bob} {
					f.must(f.store.Connect(t.Context(), f.directory.ID, id, directory.Direct, time.Now().UTC()))
					f.changed(id)
				}
				old := f.group("Sales", ann)
				gone(f, old)
				f.finish()
				f.disconnect(old)
				f.handle(f.message(reconcile.GroupTask{Group: old}, 1))
				f.finish()
				next := f.group("sales ", bob)
				f.run(next)
				f.finish()
				before := f.names(next)
				f.connect(old)
				f.run(old)
				f.finish()
				one, two := f.link(old), f.link(next)
				if one.Status != directory.Synced || one.Origin != directory.CreatedByUs || two.Status != directory.Synced || one.EntraID == two.EntraID {
					t.Fatalf("old %+v\nnext %+v, want Status %v, Origin %v, Status %v, EntraID not %v", one, two, directory.Synced, directory.CreatedByUs, directory.Synced, two.EntraID)
				}
				if got := f.names(old); !slices.Equal(got, []string{"ann"}) || !slices.Equal(f.names(next), before) || f.inEntra(next).DisplayName != "sales" {
					t.Errorf("the old one has %v; the next one had %v and has %v", got, before, f.names(next))
				}
			})
		})
	}
}

// A group leaves one directory while another one on the tenant keeps the group in Entra and
// renames it, and then leaves that one too. A directory to which the group comes back under
// its old name does not know the name in Entra any more; also if it was away so shortly that
// nothing was done for it, or if its attempts failed meanwhile.
func TestAGroupThatComesBackHasANameThatOthersWrote(t *testing.T) {
	for name, tc := range map[string]struct{ attempt, fails bool }{
		"it was let go":                         {attempt: true},
		"it was not let go":                     {},
		"an attempt failed while it was not in": {attempt: true, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				one, two := f.directory, f.Directory("two", func(s *directory.Settings) { s.AllowSharedDomains = true })
				for _, each := range []struct{ dir, other *directory.Directory }{{&one, &two}, {&two, &one}} {
					each.dir.Shares = []directory.ID{each.other.ID}
					var err error
					each.dir.Version, err = f.store.PutDirectory(t.Context(), *each.dir)
					f.must(err)
				}
				task := func(dir directory.Directory, id directory.GroupID) {
					f.directory = dir
					f.run(id)
					f.finish()
					time.Sleep(time.Minute)
				}
				f.directory = one
				id := f.group("Sales")
				task(one, id)
				f.directory = two
				f.connect(id)
				task(two, id)
				if f.link(id).EntraID != f.inEntraOf(one, id) {
					t.Fatal("the directories have different groups in Entra: the test shows nothing")
				}
				f.disconnect(id)
				if tc.attempt {
					task(two, id)
				}
				f.must(f.jumpcloud.RenameGroup(string(id), "Field sales"))
				task(one, id)
				f.disconnect(id)
				task(one, id)
				f.must(f.jumpcloud.RenameGroup(string(id), "Sales"))
				f.directory = two
				if tc.fails {
					f.jumpcloud.FailNext(jumpcloudtest.Fault{Status: 503, Times: 20})
					f.run(id)
					f.jumpcloud.Mend()
				}
				f.connect(id)
				task(two, id)
				if got := f.inEntra(id).DisplayName; got != "Sales" {
					t.Errorf("after the return the group is named %q, want Sales: %+v", got, f.link(id))
				}
			})
		})
	}
}

// A group is let go, and another JumpCloud group of the same name takes its group in Entra
// over, spells the name its own way and is let go, too. When the first one has its group in
// Entra again, it has its own spelling; also if it claimed the group in between to delete it,
// which did not succeed.
func TestAGroupThatComesBackHasANameThatAnotherGroupWrote(t *testing.T) {
	for name, deleting := range map[string]bool{"it was let go": false, "it was to be deleted meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				first := f.group("sales ")
				f.run(first)
				f.finish()
				entraID := f.link(first).EntraID
				release := func(id directory.GroupID) {
					f.disconnect(id)
					f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
					f.finish()
				}
				release(first)
				second := f.group("Sales")
				f.run(second)
				f.finish()
				if got := f.inEntra(second); f.link(second).EntraID != entraID || got.DisplayName != "Sales" {
					t.Fatalf("got the group %+v, want that of the first one, %s, named Sales: the test shows nothing", got, entraID)
				}
				release(second)
				if deleting {
					f.settings(func(s *directory.Settings) { s.DeleteGroups = true })
					f.must(f.entra.FailNext(entratest.Fault{Path: "/groups", Method: "DELETE", Status: 503}))
					f.handle(f.message(reconcile.GroupTask{Group: first}, 1))
					if link := f.link(first); link.EntraID != entraID || link.Freed {
						t.Fatalf("got the link %+v, want one with the group claimed again: the test shows nothing", link)
					}
				}
				f.connect(first)
				f.run(first)
				f.finish()
				if link := f.link(first); link.EntraID != entraID || link.Status != directory.Synced || link.Applied != "sales" || f.inEntra(first).DisplayName != "sales" {
					t.Errorf("got the name %q and the link %+v, want sales, and the group %s", f.inEntra(first).DisplayName, link, entraID)
				}
			})
		})
	}
}

// A group is connected again at the moment when its claim on the group in Entra is given up.
// The group keeps the claim, so that no other one gets the same group.
func TestAGroupComesBackWhileItIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		first := f.group("Sales")
		f.run(first)
		f.finish()
		f.disconnect(first)
		came := false
		f.store = store.New(unclaiming{f.Table, func() {
			if !came {
				came = true
				f.connect(first)
				f.run(first)
			}
		}})
		f.restart()
		f.handle(f.message(reconcile.GroupTask{Group: first}, 1))
		f.finish()
		if got := f.link(first).Status; !came || got != directory.Synced {
			t.Fatalf("came back: %v, status %v; want true, %v", came, got, directory.Synced)
		}
		second := f.group("sales ")
		f.run(second)
		f.finish()
		if one, two := f.link(first), f.link(second); one.EntraID == two.EntraID {
			t.Errorf("the links\n%+v\n%+v have the same group in Entra, want different ones", one, two)
		}
	})
}

// unclaiming is a table that calls a function before an owner is deleted.
type unclaiming struct {
	store.Table
	do func()
}

// Delete implements [store.Table].
func (u unclaiming) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	if key.SK == "owner" {
		u.do()
	}
	return u.Table.Delete(ctx, key, cond)
}

// inEntraOf is the group in Entra that a group has in a directory.
func (f *fixture) inEntraOf(dir directory.Directory, id directory.GroupID) directory.EntraID {
	f.t.Helper()
	known, err := f.store.Group(context.Background(), organization, id)
	f.must(err)
	link, _ := known.Link(dir.ID)
	return link.EntraID
}
