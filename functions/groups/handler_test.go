package groups_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

func TestAGroupConnectsItsMembersAndBecomesASecurityGroup(t *testing.T) {
	inWorlds(t, func(t *testing.T, f *fixture) {
		ann, bob := f.person("ann"), f.person("bob")
		eng := f.group("Engineering", ann, bob)
		f.run(eng)
		f.finish()
		if got := f.names(eng); !slices.Equal(got, []string{"ann", "bob"}) {
			t.Errorf("members: %v", got)
		}
		group, link := f.inEntra(eng), f.link(eng)
		if group.Kind != entratest.Security || group.DisplayName != "Engineering" || link.Status != directory.Synced || link.Origin != directory.CreatedByUs || link.Name != "Engineering" {
			t.Errorf("group %+v, link %+v, want Kind %v, DisplayName \"Engineering\", Status %v, Origin %v, Name \"Engineering\"", group, link, entratest.Security, directory.Synced, directory.CreatedByUs)
		}
		for _, id := range []directory.UserID{ann, bob} {
			if l := f.userLink(id); l.Status != directory.Synced || l.State != directory.Enabled {
				t.Errorf("user link: %+v, want Status %v, State %v", l, directory.Synced, directory.Enabled)
			}
		}

		cat := f.person("cat")
		f.must(f.jumpcloud.AddMember(string(eng), string(cat)))
		f.must(f.jumpcloud.RemoveMember(string(eng), string(ann)))
		f.changed(cat, ann)
		f.finish()
		if got := f.names(eng); !slices.Equal(got, []string{"bob", "cat"}) {
			t.Errorf("after joining and leaving: %v", got)
		}
		if l := f.userLink(ann); l.State != directory.Disabled || l.Reason != directory.LeftGroup || l.Status != directory.Released {
			t.Errorf("the user who left the last group: %+v, want State %v, Reason %v, Status %v", l, directory.Disabled, directory.LeftGroup, directory.Released)
		}
		before := f.entra.Counters().WriteUnits
		f.changed(cat, ann, bob)
		f.handle(f.message(reconcile.GroupTask{Group: eng}, 1))
		f.finish()
		if n := f.entra.Counters().WriteUnits - before; n != 0 {
			t.Errorf("tasks without a difference cost %d writes, want 0", n)
		}

		f.must(f.jumpcloud.RenameGroup(string(eng), "Engineers"))
		f.handle(f.message(reconcile.GroupTask{Group: eng}, 1))
		if renamed := f.inEntra(eng); renamed.ID != group.ID || renamed.DisplayName != "Engineers" {
			t.Errorf("renamed: %+v, want ID %v, DisplayName \"Engineers\"", renamed, group.ID)
		}
	})
}

// Groups of every kind may have the name: only a cloud security group is taken over.
func TestMatchingByName(t *testing.T) {
	kinds := []entratest.GroupKind{entratest.Microsoft365, entratest.MailEnabledSecurity, entratest.Distribution, entratest.DynamicSecurity, entratest.RoleAssignable, entratest.SyncedSecurity}
	type outcome struct {
		owner  directory.Origin
		groups int
		says   string
	}
	cases := map[string]struct {
		there []entratest.GroupKind
		want  outcome
	}{
		"none":        {nil, outcome{directory.CreatedByUs, 1, ""}},
		"one":         {[]entratest.GroupKind{entratest.Security}, outcome{directory.TakenOver, 1, ""}},
		"two":         {[]entratest.GroupKind{entratest.Security, entratest.Security}, outcome{directory.CreatedByUs, 3, "2 security groups have the name"}},
		"one of each": {append([]entratest.GroupKind{entratest.Security}, kinds...), outcome{directory.TakenOver, 7, ""}},
	}
	for _, kind := range kinds {
		cases["only "+string(kind)] = struct {
			there []entratest.GroupKind
			want  outcome
		}{[]entratest.GroupKind{kind}, outcome{directory.CreatedByUs, 2, "another group of the name"}}
		cases["one beside "+string(kind)] = struct {
			there []entratest.GroupKind
			want  outcome
		}{[]entratest.GroupKind{kind, entratest.Security}, outcome{directory.TakenOver, 2, ""}}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				for _, kind := range tc.there {
					_, err := f.tenant.AddGroup(entratest.Group{DisplayName: "R&D 'Core'", Kind: kind})
					f.must(err)
				}
				id := f.group(" R&D 'Core' ", f.person("ann"))
				f.run(id)
				f.finish()
				link := f.link(id)
				if link.Origin != tc.want.owner || link.Status != directory.Synced || len(f.tenant.Groups()) != tc.want.groups || !strings.Contains(link.Message, tc.want.says) {
					t.Errorf("%d groups, link %+v, want Origin %v, Status %v, %v Groups, the text %q", len(f.tenant.Groups()), link, tc.want.owner, directory.Synced, tc.want.groups, tc.want.says)
				}
				if got := f.names(id); !slices.Equal(got, []string{"ann"}) || f.inEntra(id).Kind != entratest.Security {
					t.Errorf("members %v of %+v", got, f.inEntra(id))
				}
			})
		})
	}
}

func TestMembersOfATakenOverGroupStayUnlessExact(t *testing.T) {
	for _, exact := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.settings(func(s *directory.Settings) { s.ExactMembership = exact })
			ann := f.person("ann")
			stranger, err := f.tenant.AddUser(entratest.User{UserPrincipalName: "stranger@contoso.example"})
			f.must(err)
			known, err := f.tenant.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
			f.must(err)
			_, err = f.tenant.AddGroup(entratest.Group{DisplayName: "Sales", Members: []string{stranger.ID, known.ID}})
			f.must(err)
			id := f.group("Sales", ann)
			f.run(id)
			f.finish()
			want := []string{"ann", "stranger"}
			if exact {
				want = []string{"ann"}
			}
			f.run(id)
			if got := f.names(id); !slices.Equal(got, want) {
				t.Errorf("exact %v: %v, want %v", exact, got, want)
			}
			if stays, _ := f.tenant.User(stranger.ID); !stays.Deleted.IsZero() {
				t.Error("the account of a member was deleted")
			}
		})
	}
}

func TestLeaving(t *testing.T) {
	for name, tc := range map[string]struct {
		deletes, taken bool
		end            func(*fixture, directory.GroupID)
		reason         directory.Reason // of the user
		gone           bool             // the group in Entra
	}{
		"disconnected":                      {false, false, func(f *fixture, id directory.GroupID) { f.disconnect(id) }, directory.GroupDisconnected, false},
		"deleted":                           {false, false, func(f *fixture, id directory.GroupID) { f.must(f.jumpcloud.DeleteGroup(string(id))) }, directory.GroupDeleted, false},
		"disconnected, ours, deleteGroups":  {true, false, func(f *fixture, id directory.GroupID) { f.disconnect(id) }, directory.GroupDisconnected, true},
		"deleted, ours, deleteGroups":       {true, false, func(f *fixture, id directory.GroupID) { f.must(f.jumpcloud.DeleteGroup(string(id))) }, directory.GroupDeleted, true},
		"deleted, taken over, deleteGroups": {true, true, func(f *fixture, id directory.GroupID) { f.must(f.jumpcloud.DeleteGroup(string(id))) }, directory.GroupDeleted, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.settings(func(s *directory.Settings) { s.DeleteGroups = tc.deletes })
				if tc.taken {
					_, err := f.tenant.AddGroup(entratest.Group{DisplayName: "Sales"})
					f.must(err)
				}
				ann, bob := f.person("ann"), f.person("bob")
				sales, other := f.group("Sales", ann, bob), f.group("Other", bob)
				f.run(sales, other)
				f.finish()
				before := f.inEntra(sales)
				tc.end(f, sales)
				f.handle(f.message(reconcile.GroupTask{Group: sales}, 1))
				f.finish()
				if l := f.userLink(ann); l.State != directory.Disabled || l.Reason != tc.reason {
					t.Errorf("who was only in that group: %+v, want State %v, Reason %v", l, directory.Disabled, tc.reason)
				}
				if l := f.userLink(bob); l.State != directory.Enabled || l.Status != directory.Synced {
					t.Errorf("who is in another group: %+v", l)
				}
				link := f.link(sales)
				after, found := f.tenant.Group(before.ID)
				if gone := !found || !after.Deleted.IsZero(); gone != tc.gone || link.Status != directory.Released || link.Message == "" {
					t.Errorf("group in Entra gone: %v; link %+v, want gone %v, Status %v, Message not \"\"", gone, link, tc.gone, directory.Released)
				}
				if !tc.gone && !slices.Equal(after.Members, before.Members) {
					t.Errorf("members changed: %v, %v", before.Members, after.Members)
				}
			})
		})
	}
}

func TestConnectedAgainIsTheSameGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		id := f.group("Sales", ann)
		f.run(id)
		f.finish()
		before := f.inEntra(id).ID
		f.disconnect(id)
		f.handle(f.message(reconcile.GroupTask{Group: id}, 1))
		f.finish()
		f.connect(id)
		f.run(id)
		f.finish()
		if got := f.inEntra(id).ID; got != before || !slices.Equal(f.names(id), []string{"ann"}) || f.userLink(ann).State != directory.Enabled {
			t.Errorf("group %s, was %s; members %v; user %+v", got, before, f.names(id), f.userLink(ann))
		}
	})
}

func TestWithoutManagedGroupsThereIsOnlyAccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.ManageGroups = false })
		ann := f.person("ann")
		id := f.group("Sales", ann)
		f.run(id)
		f.finish()
		if l := f.userLink(ann); l.State != directory.Enabled || len(f.tenant.Groups()) != 0 || f.link(id).Status != directory.Synced {
			t.Errorf("user %+v, %d groups, link %+v, want State %v, 0 Groups, Status %v", l, len(f.tenant.Groups()), f.link(id), directory.Enabled, directory.Synced)
		}
		f.settings(func(s *directory.Settings) { s.ManageGroups = true })
		f.run(id)
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann"}) {
			t.Errorf("managed since: %v", got)
		}
	})
}

func TestADeletedUserLeavesTheGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		id := f.group("Sales", ann, bob)
		f.run(id)
		f.finish()
		f.must(f.jumpcloud.DeleteUser(string(ann)))
		f.users.Sync(t.Context(), f.directory.ID, []reconcile.Attempt{{Task: reconcile.Task{Directory: f.directory.ID, User: ann, Cause: plan.Cause{Type: "user_delete", ID: "d"}}, Number: 1}})
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"bob"}) || f.userLink(ann).Reason != directory.Deleted {
			t.Errorf("members %v, user %+v", got, f.userLink(ann))
		}
	})
}

func TestAMemberJoinsWhenTheAccountArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.Domains = []directory.Domain{{Name: "contoso.example"}} })
		ann := f.person("ann")
		late, err := f.jumpcloud.CreateUser(map[string]any{"username": "late", "email": "late@elsewhere.example", "firstname": "late", "lastname": "Lee", "state": "ACTIVATED"})
		f.must(err)
		id := f.group("Sales", ann, directory.UserID(late))
		f.run(id)
		f.finish()
		members, err := f.store.AllMembers(t.Context(), f.directory.ID, id)
		f.must(err)
		waiting := 0
		for _, m := range members {
			if m.Problem != nil && m.Problem.Reason == directory.MemberAbsent && string(m.User) == late {
				waiting++
			}
		}
		if waiting != 1 || f.link(id).Status != directory.Synced || !slices.Equal(f.names(id), []string{"ann"}) {
			t.Errorf("%+v, %+v", members, f.link(id))
		}
		f.must(f.jumpcloud.UpdateUser(late, map[string]any{"email": "late@contoso.example"}))
		f.users.Sync(t.Context(), f.directory.ID, []reconcile.Attempt{{Task: reconcile.Task{Directory: f.directory.ID, User: directory.UserID(late), Cause: plan.Cause{Type: "user_update", ID: "u"}}, Number: 1}})
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann", "late"}) {
			t.Errorf("members %v", got)
		}
	})
}

// A group has 45 members, and Entra refuses one: the others are members, and the record
// of that one says why. The function waits for the lag after a creation.
func TestOneBadMemberKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		var people []directory.UserID
		for i := range 45 {
			people = append(people, f.person(fmt.Sprintf("user%02d", i)))
		}
		id := f.group("Everybody", people...)
		f.entra.Set(func(b *entratest.Behaviour) { b.Lag.Min, b.Lag.Max = 0, 20e9 })
		f.run(id)
		f.finish()
		if got := f.names(id); len(got) != 45 {
			t.Fatalf("%d members after the lag: %+v, want 45", len(got), f.link(id))
		}
		f.entra.Set(func(b *entratest.Behaviour) { b.Lag = entratest.Lag{} })
		other := f.group("Others", people...)
		bad := f.userLink(people[7]).EntraID
		f.must(f.tenant.PurgeUser(string(bad)))
		f.run(other)
		f.finish()
		members, err := f.store.AllMembers(t.Context(), f.directory.ID, other)
		f.must(err)
		refused := 0
		for _, m := range members {
			if m.Problem != nil {
				refused++
			}
		}
		if got := len(f.inEntra(other).Members); got != 44 || refused != 1 {
			t.Errorf("%d members, %d refused, link %+v, want 44, refused 1", got, refused, f.link(other))
		}
	})
}

// Many users who join at once need few writes.
func TestManyChangesAreOneUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.group("Everybody")
		f.run(id)
		var people []directory.UserID
		for i := range 40 {
			people = append(people, f.person(fmt.Sprintf("user%02d", i)))
			f.must(f.jumpcloud.AddMember(string(id), string(people[i])))
		}
		for chunk := range slices.Chunk(people, 10) {
			f.changed(chunk...)
		}
		f.entra.ResetCounters()
		f.finish()
		if n := f.entra.Counters().ByRoute["PATCH /groups/{group-id}"]; n != 2 || len(f.inEntra(id).Members) != 40 {
			t.Errorf("%d requests for %d members, want 2, 40 Members", n, len(f.inEntra(id).Members))
		}
	})
}

func TestNothingIsLostWhenGraphFails(t *testing.T) {
	for name, fault := range map[string]entratest.Fault{
		"throttled":   {Path: `groups`, Status: 429, Header: map[string]string{"Retry-After": "20"}, Times: 3},
		"unavailable": {Path: `groups`, Status: 503, Times: 3},
		"conflict":    {Path: `groups`, Method: "PATCH", Status: 409, Times: 2},
		"lost reply":  {Path: `batch$`, LoseReply: true, Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann, bob := f.person("ann"), f.person("bob")
				id := f.group("Sales", ann, bob)
				f.run(id)
				f.must(f.entra.FailNext(fault))
				f.finish()
				if got := f.names(id); !slices.Equal(got, []string{"ann", "bob"}) || len(f.tenant.Groups()) != 1 || f.link(id).Status != directory.Synced {
					t.Errorf("members %v, %d groups, link %+v", got, len(f.tenant.Groups()), f.link(id))
				}
			})
		})
	}
}

func TestAGroupThatIsGoneInEntraIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.group("Sales", f.person("ann"))
		f.run(id)
		f.finish()
		time.Sleep(time.Hour)
		f.must(f.tenant.PurgeGroup(f.inEntra(id).ID))
		f.run(id)
		if again := f.run(id); again != 0 {
			f.run(id)
		}
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann"}) || f.link(id).Origin != directory.CreatedByUs {
			t.Errorf("members %v, link %+v", got, f.link(id))
		}
	})
}

// A group that is new in the connection source is read again a minute later, also if the
// queue refuses the task for that at first.
func TestANewGroupOfTheSourceIsReadAgain(t *testing.T) {
	for _, refused := range []int{0, 1} {
		t.Run(fmt.Sprint(refused), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				source, err := f.jumpcloud.CreateApplication("Microsoft")
				f.must(err)
				f.settings(func(s *directory.Settings) {
					s.ConnectionSource = directory.ConnectionSource{Type: directory.ApplicationSource, ID: source}
				})
				sales := f.group("Sales")
				f.must(f.jumpcloud.Associate(string(sales), source))
				m := f.message(reconcile.GroupTask{Group: sales, Source: true}, 1)
				f.groups.fails = refused
				again := f.handle(m)
				if again != refused {
					t.Errorf("%d messages come again, want %d", again, refused)
				}
				if again > 0 {
					time.Sleep(f.postponed[m.ReceiptHandle])
					f.handle(comesAgain(m))
				}
				var rechecks []time.Time
				for _, sent := range f.groups.take() {
					task, err := reconcile.ReadGroupTask(sent.Body)
					f.must(err)
					if task.Group == sales && task.AllMembers {
						rechecks = append(rechecks, task.NotBefore)
					}
				}
				if len(rechecks) != 1 || time.Until(rechecks[0]) != time.Minute {
					t.Errorf("the group is read again at %v, want once, a minute from %v", rechecks, time.Now())
				}
				if link := f.link(sales); link.Status != directory.Synced {
					t.Errorf("link %+v, want Status %v", link, directory.Synced)
				}
			})
		})
	}
}

// The connection source in JumpCloud connects and disconnects users and groups.
func TestConnectionSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		source, err := f.jumpcloud.CreateApplication("Microsoft")
		f.must(err)
		ann, bob := f.person("ann"), f.person("bob")
		sales, err := f.jumpcloud.CreateGroup("Sales")
		f.must(err)
		f.must(f.jumpcloud.AddMember(sales, string(bob)))
		f.must(f.jumpcloud.Associate(string(ann), source))
		f.must(f.jumpcloud.Associate(sales, source))
		f.settings(func(s *directory.Settings) {
			s.ConnectionSource = directory.ConnectionSource{Type: directory.ApplicationSource, ID: source}
		})
		f.handle(f.message(reconcile.GroupTask{Source: true}, 1))
		f.finish()
		if f.userLink(ann).State != directory.Enabled || f.userLink(bob).State != directory.Enabled || !slices.Equal(f.names(directory.GroupID(sales)), []string{"bob"}) {
			t.Errorf("ann %+v, bob %+v", f.userLink(ann), f.userLink(bob))
		}
		other, err := f.jumpcloud.CreateApplication("Another")
		f.must(err)
		f.must(f.jumpcloud.Associate(sales, other))
		f.settings(func(s *directory.Settings) { s.ConnectionSource.ID = other })
		f.handle(f.message(reconcile.GroupTask{Source: true}, 1))
		f.finish()
		if a, b := f.userLink(ann), f.userLink(bob); a.State != directory.Disabled || b.State != directory.Enabled {
			t.Errorf("another source: ann %+v, bob %+v, want State %v, State %v", a, b, directory.Disabled, directory.Enabled)
		}
		f.settings(func(s *directory.Settings) { s.ConnectionSource.ID = source })
		f.handle(f.message(reconcile.GroupTask{Source: true}, 1))
		f.finish()
		f.must(f.jumpcloud.Dissociate(string(ann), source))
		f.users.Sync(t.Context(), f.directory.ID, []reconcile.Attempt{{Task: reconcile.Task{Directory: f.directory.ID, User: ann, Source: true}, Number: 1}})
		f.must(f.jumpcloud.Dissociate(sales, source))
		f.handle(f.message(reconcile.GroupTask{Group: directory.GroupID(sales), Source: true}, 1))
		f.finish()
		if a, b := f.userLink(ann), f.userLink(bob); a.Reason != directory.Disconnected || b.Reason != directory.GroupDisconnected || a.State != directory.Disabled || b.State != directory.Disabled {
			t.Errorf("ann %+v, bob %+v, want Reason %v, Reason %v, State %v, State %v", a, b, directory.Disconnected, directory.GroupDisconnected, directory.Disabled, directory.Disabled)
		}
	})
}
