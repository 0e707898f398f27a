package groups_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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

// oneByHand syncs users without a change of a membership.
func (f *fixture) oneByHand(ids ...directory.UserID) {
	f.t.Helper()
	for _, id := range ids {
		f.messages++
		f.users.Sync(f.t.(*testing.T).Context(), f.directory.ID, []reconcile.Attempt{{Number: 1, Task: reconcile.Task{Directory: f.directory.ID, User: id,
			Cause: plan.Cause{Type: "user_update", ID: fmt.Sprintf("u%d", f.messages), At: time.Now().UTC()}}}})
	}
}

// A group has more members than a page of Graph and a page of JumpCloud.
func TestAGroupOfManyPages(t *testing.T) {
	inWorlds(t, func(t *testing.T, f *fixture) {
		f.settings(func(s *directory.Settings) { s.ExactMembership = true })
		const all = 1100
		id := f.group("Everybody")
		var accounts []string
		var links []store.Recording
		now := time.Now().UTC()
		for i := range all {
			name := fmt.Sprintf("user%04d", i)
			user := f.person(name)
			f.must(f.jumpcloud.AddMember(string(id), string(user)))
			account, err := f.tenant.AddUser(entratest.User{UserPrincipalName: name + "@contoso.example"})
			f.must(err)
			accounts = append(accounts, account.ID)
			f.must(f.store.Connect(t.Context(), f.directory.ID, user, directory.Direct, now))
			link := f.userLink(user)
			link.EntraID, link.Status, link.State = directory.EntraID(account.ID), directory.Synced, directory.Enabled
			links = append(links, store.Recording{Link: link})
		}
		f.must(errors.Join(f.store.Record(t.Context(), links...)...))
		_, err := f.tenant.AddGroup(entratest.Group{DisplayName: "everybody", Members: accounts[:1050]})
		f.must(err)
		f.run(id)
		if got := len(f.inEntra(id).Members); got != all {
			t.Fatalf("%d members, link %+v, want %v", got, f.link(id), all)
		}
		before := f.entra.Counters().WriteUnits
		f.run(id)
		if cost := f.entra.Counters().WriteUnits - before; cost != 0 || len(f.inEntra(id).Members) != all {
			t.Errorf("a sync costs %d writes, want 0", cost)
		}
	})
}

// Groups within groups, also in circles, and groups with members by a query: the
// members are all their users.
func TestGroupsWithinGroups(t *testing.T) {
	for _, how := range []jumpcloudtest.NestedGroups{jumpcloudtest.ResolveNestedGroups, jumpcloudtest.ListNestedGroups} {
		t.Run(string(how), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.jumpcloud.Set(func(b *jumpcloudtest.Behaviour) { b.NestedGroups = how })
				ann, bob, cat := f.person("ann"), f.person("bob"), f.person("cat")
				inner, err := f.jumpcloud.CreateGroup("Inner")
				f.must(err)
				query, err := f.jumpcloud.CreateGroup("Query")
				f.must(err)
				outer := f.group("Outer", ann)
				f.must(f.jumpcloud.AddMember(inner, string(bob)))
				f.must(f.jumpcloud.SetDynamicMembers(query, []string{string(cat)}))
				f.must(f.jumpcloud.AddMember(string(outer), inner))
				f.must(f.jumpcloud.AddMember(inner, query))
				f.must(f.jumpcloud.AddMember(query, string(outer)))
				f.run(outer)
				f.finish()
				if got := f.names(outer); !slices.Equal(got, []string{"ann", "bob", "cat"}) {
					t.Fatalf("members %v", got)
				}
				f.must(f.jumpcloud.SetDynamicMembers(query, nil))
				f.must(f.jumpcloud.RemoveMember(inner, string(bob)))
				f.changed(bob, cat)
				f.finish()
				if got := f.names(outer); !slices.Equal(got, []string{"ann"}) || f.userLink(cat).State != directory.Disabled {
					t.Errorf("members %v, %+v", got, f.userLink(cat))
				}
			})
		})
	}
}

func TestWhoIsInTwoGroupsAndLeavesOneStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		one, two := f.group("One", ann), f.group("Two", ann)
		f.run(one, two)
		f.finish()
		for _, step := range []struct {
			leaves   directory.GroupID
			one, two int
			state    directory.AccountState
		}{{one, 0, 1, directory.Enabled}, {two, 0, 0, directory.Disabled}} {
			f.must(f.jumpcloud.RemoveMember(string(step.leaves), string(ann)))
			f.changed(ann)
			f.finish()
			if a, b := len(f.names(one)), len(f.names(two)); a != step.one || b != step.two || f.userLink(ann).State != step.state {
				t.Errorf("%d and %d members, user %+v, want a %v, b %v, State %v", a, b, f.userLink(ann), step.one, step.two, step.state)
			}
		}
	})
}

// Groups in Entra may have equal names: each JumpCloud group has a group of its own.
func TestOneNameForSeveralGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob, cat := f.person("ann"), f.person("bob"), f.person("cat")
		_, err := f.tenant.AddGroup(entratest.Group{DisplayName: "Sales"})
		f.must(err)
		one, two := f.group("Sales", ann), f.group("sales ", bob)
		f.run(one, two) // both find the existing group
		f.finish()
		late := f.group(" SALES", cat)
		f.run(late)
		f.finish()
		seen := map[string]bool{}
		for id, want := range map[directory.GroupID]string{one: "ann", two: "bob", late: "cat"} {
			if got := f.names(id); !slices.Equal(got, []string{want}) || f.link(id).Status != directory.Synced {
				t.Errorf("%s has %v, link %+v", want, got, f.link(id))
			}
			seen[f.inEntra(id).ID] = true
		}
		if len(seen) != 3 || len(f.tenant.Groups()) != 3 || !strings.Contains(f.link(late).Message, "belongs to another JumpCloud group") {
			t.Errorf("%d groups of %d, %+v, want 3 seen, 3 Groups, the text \"belongs to another JumpCloud group\"", len(seen), len(f.tenant.Groups()), f.link(late))
		}
		f.must(f.jumpcloud.RenameGroup(string(late), "Ops"))
		f.must(f.jumpcloud.RenameGroup(string(two), "ops"))
		f.run(late, two)
		f.finish()
		if a, b := f.inEntra(late), f.inEntra(two); a.ID == b.ID || a.DisplayName != "Ops" || b.DisplayName != "ops" || len(f.tenant.Groups()) != 3 {
			t.Errorf("%+v, %+v, want ID not %v, DisplayName \"Ops\", DisplayName \"ops\", 3 Groups", a, b, b.ID)
		}
	})
}

// People change members in Entra by hand: a task for all members corrects our members
// and leaves the others; with exact membership it removes the others.
func TestDrift(t *testing.T) {
	for _, exact := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.settings(func(s *directory.Settings) { s.ExactMembership = exact })
			ann, bob, cat := f.person("ann"), f.person("bob"), f.person("cat")
			id := f.group("Sales", ann, bob, cat)
			f.run(id)
			f.finish()
			stranger, err := f.tenant.AddUser(entratest.User{UserPrincipalName: "stranger@contoso.example"})
			f.must(err)
			group := f.inEntra(id).ID
			_, err = f.tenant.AddMember(group, stranger.ID)
			f.must(err)
			for _, gone := range []directory.UserID{ann, bob} {
				_, err = f.tenant.RemoveMember(group, string(f.userLink(gone).EntraID))
				f.must(err)
			}
			f.must(f.jumpcloud.RemoveMember(string(id), string(ann))) // already removed by hand
			f.changed(ann)
			f.finish()
			want := []string{"cat", "stranger"}
			if got := f.names(id); !slices.Equal(got, want) || f.link(id).Status != directory.Synced {
				t.Errorf("before the task: %v, %+v, want %v, Status %v", got, f.link(id), want, directory.Synced)
			}
			f.run(id)
			if want = []string{"bob", "cat", "stranger"}; exact {
				want = []string{"bob", "cat"}
			}
			if got := f.names(id); !slices.Equal(got, want) {
				t.Errorf("exact %v: %v, want %v", exact, got, want)
			}
			for _, m := range f.records(id) {
				if !m.Wanted || m.Applied == "" || m.Problem != nil {
					t.Errorf("record %+v, want Wanted true, Applied not \"\", no Problem", m)
				}
			}
		})
	}
}

// With exact membership, unknown accounts stay as long as one of them may be that of a
// member who has no account yet. They are removed when the last member has one.
func TestStrangersLeaveWhenTheLastMemberHasAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) {
			s.Domains, s.ExactMembership = []directory.Domain{{Name: "contoso.example"}}, true
		})
		ann := f.person("ann")
		late, err := f.jumpcloud.CreateUser(map[string]any{"username": "late", "email": "late@elsewhere.example", "firstname": "late", "lastname": "Lee", "state": "ACTIVATED"})
		f.must(err)
		stranger, err := f.tenant.AddUser(entratest.User{UserPrincipalName: "stranger@contoso.example"})
		f.must(err)
		_, err = f.tenant.AddGroup(entratest.Group{DisplayName: "Sales", Kind: entratest.Security, Members: []string{stranger.ID}})
		f.must(err)
		id := f.group("Sales", ann, directory.UserID(late))
		f.run(id)
		f.finish()
		if got, want := f.names(id), []string{"ann", "stranger"}; !slices.Equal(got, want) {
			t.Errorf("while one member has no account: members %v, want %v", got, want)
		}
		f.must(f.jumpcloud.UpdateUser(late, map[string]any{"email": "late@contoso.example"}))
		f.changed(directory.UserID(late))
		f.finish()
		if got, want := f.names(id), []string{"ann", "late"}; !slices.Equal(got, want) {
			t.Errorf("when all have accounts: members %v, want %v", got, want)
		}
	})
}

func TestAGroupOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.group("Sales")
		f.run(id)
		if l := f.link(id); l.Status != directory.Synced || len(f.inEntra(id).Members) != 0 {
			t.Errorf("%+v, want Status %v, 0 Members", l, directory.Synced)
		}
		before := f.entra.Counters().WriteUnits
		f.run(id)
		if n := f.entra.Counters().WriteUnits - before; n != 0 {
			t.Errorf("%d writes, want 0", n)
		}
	})
}

// Members who left are removed also if Entra refuses the group's name.
func TestANameThatIsTooLong(t *testing.T) {
	long := strings.Repeat("ä", directory.MaxGroupName) + "x"
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob, cat := f.person("ann"), f.person("bob"), f.person("cat")
		never := f.group(long, ann)
		id := f.group("Sales", ann, bob)
		f.run(never, id)
		f.finish()
		if l := f.link(never); l.Status != directory.Parked || l.Reason != directory.InvalidValue || l.EntraID != "" || f.userLink(ann).State != directory.Enabled {
			t.Errorf("%+v, want Status %v, Reason %v, EntraID \"\", State %v", l, directory.Parked, directory.InvalidValue, directory.Enabled)
		}
		f.must(f.jumpcloud.RenameGroup(string(id), long+"y"))
		f.must(f.jumpcloud.RemoveMember(string(id), string(bob)))
		f.must(f.jumpcloud.AddMember(string(id), string(cat)))
		f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
		f.changed(bob, cat)
		f.finish()
		if got, l := f.names(id), f.link(id); !slices.Equal(got, []string{"ann", "cat"}) || l.Status != directory.Parked || l.Reason != directory.InvalidValue || f.inEntra(id).DisplayName != "Sales" {
			t.Errorf("%v, %+v", got, l)
		}
		f.must(f.jumpcloud.RenameGroup(string(id), strings.Repeat("ä", directory.MaxGroupName)))
		f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
		if l := f.link(id); l.Status != directory.Synced || l.Applied != strings.Repeat("ä", directory.MaxGroupName) {
			t.Errorf("%+v", l)
		}
	})
}

// A linked group that was deleted for good is created again with all members, at the
// next write to it or the next task for all members.
func TestAPurgedGroup(t *testing.T) {
	for _, by := range []string{"a task", "a rename", "a joining"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann, bob := f.person("ann"), f.person("bob")
				id := f.group("Sales", ann)
				f.run(id)
				f.finish()
				time.Sleep(time.Hour)
				f.must(f.tenant.PurgeGroup(f.inEntra(id).ID))
				want := []string{"ann"}
				task := reconcile.GroupTask{Group: id, AllMembers: by == "a task"}
				switch by {
				case "a rename":
					f.must(f.jumpcloud.RenameGroup(string(id), "Field sales"))
				case "a joining":
					f.must(f.jumpcloud.AddMember(string(id), string(bob)))
					f.changed(bob)
					f.finish()
					want = []string{"ann", "bob"}
				}
				for n := range 3 {
					f.handle(f.message(task, n+1))
				}
				f.finish()
				if got := f.names(id); !slices.Equal(got, want) || f.link(id).Origin != directory.CreatedByUs || f.link(id).Status != directory.Synced {
					t.Errorf("%v, %+v, want %v, Origin %v, Status %v", got, f.link(id), want, directory.CreatedByUs, directory.Synced)
				}
			})
		})
	}
}

// An event about a group that is not connected needs no request to Graph and no write.
func TestAGroupThatNobodyConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		sales := f.group("Sales", ann)
		f.run(sales)
		f.finish()
		f.oneByHand(ann) // notifies the groups once more that the account exists
		f.finish()
		other, err := f.jumpcloud.CreateGroup("Other")
		f.must(err)
		f.must(f.jumpcloud.AddMember(other, string(ann)))
		graph, jc, version := f.entra.Counters().Requests, f.jumpcloud.Counters().Requests, f.link(sales).Version
		f.changed(ann)
		f.handle(f.message(reconcile.GroupTask{Group: directory.GroupID(other), AllMembers: true}, 1))
		if n := f.entra.Counters().Requests - graph; n != 0 {
			t.Errorf("%d requests to Graph, want 0", n)
		}
		if n := f.jumpcloud.Counters().Requests - jc; n > 4 {
			t.Errorf("%d requests to JumpCloud, want at most 4", n)
		}
		if known, err := f.store.Group(t.Context(), organization, directory.GroupID(other)); err != nil || len(known.Links) > 0 || f.link(sales).Version != version || len(f.groups.take()) > 0 {
			t.Errorf("%+v, %v; link %+v, was version %d, want 0 Links, Version %v, 0 take", known, err, f.link(sales), version, version)
		}
	})
}

// The connection source may also be an Office 365 directory of JumpCloud, and an
// administrator may connect the same group directly.
func TestConnectionSourceOffice365(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		source, err := f.jumpcloud.CreateDirectory("Microsoft 365")
		f.must(err)
		ann, bob := f.person("ann"), f.person("bob")
		sales, ops := f.group("Sales", ann), f.group("Ops", bob)
		f.disconnect(ops)
		f.must(f.jumpcloud.Associate(string(sales), source))
		f.must(f.jumpcloud.Associate(string(ops), source))
		f.settings(func(s *directory.Settings) {
			s.ConnectionSource = directory.ConnectionSource{Type: directory.Office365Source, ID: source}
		})
		f.handle(f.message(reconcile.GroupTask{Source: true}, 1))
		f.finish()
		if a, b := f.names(sales), f.names(ops); !slices.Equal(a, []string{"ann"}) || !slices.Equal(b, []string{"bob"}) {
			t.Fatalf("%v, %v", a, b)
		}
		f.must(f.jumpcloud.Dissociate(string(sales), source))
		f.must(f.jumpcloud.Dissociate(string(ops), source))
		for range 2 { // an event may come twice
			f.handle(f.message(reconcile.GroupTask{Group: sales, Source: true}, 1), f.message(reconcile.GroupTask{Group: ops, Source: true}, 1))
			f.finish()
		}
		if a, b := f.userLink(ann), f.userLink(bob); a.State != directory.Enabled || b.State != directory.Disabled || b.Reason != directory.GroupDisconnected {
			t.Errorf("%+v, %+v, want State %v, State %v, Reason %v", a, b, directory.Enabled, directory.Disabled, directory.GroupDisconnected)
		}
		if l := f.link(ops); l.Status != directory.Released || f.link(sales).Status != directory.Synced {
			t.Errorf("%+v, %+v, want Status %v, Status %v", l, f.link(sales), directory.Released, directory.Synced)
		}
	})
}

// A deleted group stays deleted, however often its event comes and whatever failed in
// between. A group that Entra keeps for a while after its deletion is no obstacle.
func TestDeletedAndConnectedAnew(t *testing.T) {
	for _, soft := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.entra.Set(func(b *entratest.Behaviour) { b.HardDeleteGroups = !soft })
			f.settings(func(s *directory.Settings) { s.DeleteGroups = true })
			ann := f.person("ann")
			sales, ops := f.group("Sales", ann), f.group("Ops", ann)
			f.run(sales, ops)
			f.finish()
			first := f.inEntra(sales).ID
			f.must(f.jumpcloud.DeleteGroup(string(ops)))
			f.disconnect(sales)
			f.must(f.entra.FailNext(entratest.Fault{Method: "DELETE", Path: "groups", Status: 503, Times: 2}))
			m := f.message(reconcile.GroupTask{Group: sales}, 1)
			n := f.message(reconcile.GroupTask{Group: ops}, 1)
			f.handle(m, n)
			time.Sleep(time.Minute)
			for range 2 {
				f.handle(comesAgain(m), comesAgain(n))
			}
			f.finish()
			if a, b := f.link(sales), f.link(ops); a.EntraID != "" || b.EntraID != "" || a.Reason != directory.Disconnected || b.Reason != directory.GroupDeleted {
				t.Errorf("%+v, %+v, want EntraID \"\", EntraID \"\", Reason %v, Reason %v", a, b, directory.Disconnected, directory.GroupDeleted)
			}
			f.connect(sales)
			f.run(sales)
			f.finish()
			if got := f.names(sales); !slices.Equal(got, []string{"ann"}) || f.inEntra(sales).ID == first || f.userLink(ann).State != directory.Enabled {
				t.Errorf("soft %v: %v, %+v", soft, got, f.link(sales))
			}
		})
	}
}

// A group that we created, but have no record of, is recognised by its unique name,
// also if other groups have its display name.
func TestAGroupThatWeMadeBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.group("Sales", f.person("ann"))
		_, err := f.tenant.AddGroup(entratest.Group{DisplayName: "Sales"})
		f.must(err)
		ours, err := f.tenant.AddGroup(entratest.Group{DisplayName: "Sales", Properties: map[string]any{"uniqueName": id.UniqueName()}})
		f.must(err)
		f.run(id)
		f.finish()
		if l := f.link(id); l.EntraID != directory.EntraID(ours.ID) || l.Origin != directory.CreatedByUs || l.Message != "" || len(f.tenant.Groups()) != 2 {
			t.Errorf("%+v, want EntraID %v, Origin %v, Message \"\", 2 Groups", l, ours.ID, directory.CreatedByUs)
		}
	})
}
