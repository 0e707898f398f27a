package groups_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// drift compares lists of Entra with what was written.
func (f *fixture) drift() reconcile.Drift {
	return reconcile.Drift{Store: f.store, UserTasks: &f.userTasks, GroupTasks: &f.groups, Metrics: &metric.Memory{}}
}

// compareGroups compares a page of groups and does the tasks.
func (f *fixture) compareGroups(whole bool, page ...directory.GroupChange) reconcile.DriftFound {
	f.t.Helper()
	found, err := f.drift().Groups(context.Background(), f.directory, page, whole)
	f.must(err)
	f.finish()
	return found
}

// shownOf is the group of a JumpCloud group as a list of all groups shows it.
func (f *fixture) shownOf(id directory.GroupID) directory.GroupChange {
	f.t.Helper()
	return shownIn(f.inEntra(id))
}

// shownIn is a group in Entra as a list of all groups shows it.
func shownIn(g entratest.Group) directory.GroupChange {
	unique, _ := g.Properties["uniqueName"].(string)
	shown := directory.GroupChange{ID: directory.EntraID(g.ID), Name: &g.DisplayName}
	shown.Group = directory.SecurityGroup{ID: shown.ID, Name: g.DisplayName, UniqueName: unique, Security: g.Properties["securityEnabled"] == true, SyncedFromOnPremises: g.Properties["onPremisesSyncEnabled"] == true}
	if !g.Deleted.IsZero() {
		return directory.GroupChange{ID: shown.ID, Gone: true}
	}
	return shown
}

// drifts are the findings that were recorded, oldest first.
func (f *fixture) drifts() []directory.Change {
	f.t.Helper()
	changes := []directory.Change{}
	list, err := f.store.Actions(context.Background(), f.directory.ID, 0, "")
	f.must(err)
	slices.Reverse(list.Items)
	for _, a := range list.Items {
		if a.Type == plan.Drift {
			changes = append(changes, a.Changes...)
			if a.EventType() != plan.GroupDrift || a.Status != plan.Succeeded {
				f.t.Errorf("the record of a finding is %+v, want it completed, with the event %q", a, plan.GroupDrift)
			}
		}
	}
	return changes
}

// crew is a group with Ann and Bob, whose group in Entra was written an hour ago, and the
// account of somebody else.
type crew struct {
	*fixture
	group         directory.GroupID
	ann, bob, eve directory.EntraID
	id            directory.EntraID // of the group in Entra
}

func newCrew(t *testing.T, edit func(*directory.Settings)) crew {
	t.Helper()
	f := newFixture(t)
	if edit != nil {
		f.settings(edit)
	}
	ann, bob := f.person("ann"), f.person("bob")
	c := crew{fixture: f, group: f.group("Crew", ann, bob)}
	f.run(c.group)
	f.finish()
	eve, err := f.tenant.AddUser(entratest.User{UserPrincipalName: "eve@contoso.example"})
	f.must(err)
	c.ann, c.bob, c.eve, c.id = f.userLink(ann).EntraID, f.userLink(bob).EntraID, directory.EntraID(eve.ID), f.link(c.group).EntraID
	time.Sleep(time.Hour)
	return c
}

// members is the finding about members.
func members(missing, strangers directory.Value) []directory.Change {
	return []directory.Change{{Attribute: directory.Members, From: missing, To: strangers}}
}

// What somebody else changes about a group is recorded once, and repaired or only reported;
// who was added by hand stays unless the directory wants exact membership.
func TestDriftOfAGroup(t *testing.T) {
	type step struct {
		do      func(crew) directory.GroupChange // by hand; returns what a list of changes shows
		found   func(crew) []directory.Change
		exact   bool
		mended  []string // the members after the repair
		left    []string // those where it is only reported
		renamed string   // the name where it is only reported
	}
	none := func(crew) []directory.Change { return []directory.Change{} }
	for name, tc := range map[string]step{
		"renamed": {func(c crew) directory.GroupChange {
			_, err := c.tenant.UpdateGroup(string(c.id), map[string]any{"displayName": "Gang"})
			c.must(err)
			return c.shownOf(c.group)
		}, func(crew) []directory.Change {
			return []directory.Change{{Attribute: directory.DisplayName, From: directory.Text("Crew"), To: directory.Text("Gang")}}
		}, false, []string{"ann", "bob"}, []string{"ann", "bob"}, "Gang"},
		"a member removed": {func(c crew) directory.GroupChange {
			_, err := c.tenant.RemoveMember(string(c.id), string(c.bob))
			c.must(err)
			return directory.GroupChange{ID: c.id, Removed: []directory.EntraID{c.bob}}
		}, func(c crew) []directory.Change { return members(directory.Value{string(c.bob)}, nil) }, false, []string{"ann", "bob"}, []string{"ann"}, "Crew"},
		"somebody added": {func(c crew) directory.GroupChange {
			_, err := c.tenant.AddMember(string(c.id), string(c.eve))
			c.must(err)
			return directory.GroupChange{ID: c.id, Added: []directory.EntraID{c.eve}}
		}, none, false, []string{"ann", "bob", "eve"}, []string{"ann", "bob", "eve"}, "Crew"},
		"somebody added, exact": {func(c crew) directory.GroupChange {
			_, err := c.tenant.AddMember(string(c.id), string(c.eve))
			c.must(err)
			return directory.GroupChange{ID: c.id, Added: []directory.EntraID{c.eve}}
		}, func(c crew) []directory.Change { return members(nil, directory.Value{string(c.eve)}) }, true, []string{"ann", "bob"}, []string{"ann", "bob", "eve"}, "Crew"},
		"our own write": {func(c crew) directory.GroupChange {
			return directory.GroupChange{ID: c.id, Added: []directory.EntraID{c.ann, c.bob}, Removed: []directory.EntraID{c.eve}}
		}, none, true, []string{"ann", "bob"}, []string{"ann", "bob"}, "Crew"},
	} {
		for _, repair := range []bool{true, false} {
			mode := map[bool]string{true: ", repaired", false: ", reported"}[repair]
			t.Run(name+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCrew(t, func(s *directory.Settings) { s.RepairDrift, s.ExactMembership = repair, tc.exact })
					shown := tc.do(c)
					want := tc.found(c)
					c.compareGroups(false, shown, shown)
					time.Sleep(time.Hour)
					again := c.compareGroups(false, shown)
					if diff := cmp.Diff(want, c.drifts()); diff != "" {
						t.Errorf("recorded (-want +got):\n%s", diff)
					}
					in, called, findings := tc.mended, "Crew", 0
					if !repair {
						in, called, findings = tc.left, tc.renamed, len(want)
						if reported := again.Reported; reported != 0 {
							t.Errorf("the page that comes again reports %d groups, want 0", reported)
						}
					}
					link := c.link(c.group)
					if got := c.names(c.group); !slices.Equal(got, in) || c.inEntra(c.group).DisplayName != called || link.Status != directory.Synced || len(link.Drift) != findings {
						t.Errorf("the group %q has %v, link %+v; want %q with %v, synced with %d findings", c.inEntra(c.group).DisplayName, got, link, called, in, findings)
					}
					c.settings(func(s *directory.Settings) { s.RepairDrift = true })
					c.run(c.group) // as the rollout of settings does
					c.finish()
					if got := c.names(c.group); !slices.Equal(got, tc.mended) || c.inEntra(c.group).DisplayName != "Crew" || len(c.link(c.group).Drift) > 0 || len(c.drifts()) != len(want) {
						t.Errorf("after repair is turned on the group %q has %v, findings %v and %d recorded; want Crew with %v, none and %d",
							c.inEntra(c.group).DisplayName, got, c.link(c.group).Drift, len(c.drifts()), tc.mended, len(want))
					}
				})
			})
		}
	}
}

// A finding that is only reported goes when somebody undoes the change, and does not keep
// JumpCloud's changes from being written.
func TestAReportedGroupGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, func(s *directory.Settings) { s.RepairDrift = false })
		_, err := c.tenant.RemoveMember(string(c.id), string(c.bob))
		c.must(err)
		c.compareGroups(false, directory.GroupChange{ID: c.id, Removed: []directory.EntraID{c.bob}})
		joe := c.person("joe")
		c.must(c.jumpcloud.AddMember(string(c.group), string(joe)))
		c.changed(joe)
		c.finish()
		if got, left := c.names(c.group), c.link(c.group).Drift; !slices.Equal(got, []string{"ann", "joe"}) || len(left) != 1 {
			t.Errorf("members %v with the findings %v, want ann and joe with one", got, left)
		}
		time.Sleep(time.Hour)
		_, err = c.tenant.AddMember(string(c.id), string(c.bob))
		c.must(err)
		c.compareGroups(false, directory.GroupChange{ID: c.id, Added: []directory.EntraID{c.bob}})
		if got, left := c.names(c.group), c.link(c.group).Drift; !slices.Equal(got, []string{"ann", "bob", "joe"}) || len(left) > 0 || len(c.drifts()) != 1 {
			t.Errorf("members %v with the findings %v and %d recorded, want all three, none and 1", got, left, len(c.drifts()))
		}
	})
}

// A group that was deleted by hand is restored, or made again, or a reason where that is only
// reported.
func TestAGroupThatIsDeletedByHand(t *testing.T) {
	for name, tc := range map[string]struct {
		repair, restore, forGood bool
		status                   directory.LinkStatus
		reason                   directory.Reason
	}{
		"only reported":               {false, false, false, directory.Parked, directory.GroupMissing},
		"restored":                    {true, true, false, directory.Synced, ""},
		"a reason":                    {true, false, false, directory.Parked, directory.GroupDeletedInEntra},
		"deleted for good, and again": {true, false, true, directory.Synced, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, func(s *directory.Settings) { s.RepairDrift, s.RestoreDeleted = tc.repair, tc.restore })
				_, err := c.tenant.DeleteGroup(string(c.id))
				c.must(err)
				if tc.forGood {
					c.must(c.tenant.PurgeGroup(string(c.id)))
				}
				for range 2 {
					c.compareGroups(false, directory.GroupChange{ID: c.id, Gone: true, ForGood: tc.forGood})
					_, err = c.drift().MissingGroups(t.Context(), c.directory, []directory.GroupID{c.group})
					c.must(err)
					c.finish()
				}
				want := []directory.Change{{Attribute: directory.ObjectID, From: directory.Text(string(c.id))}}
				if diff := cmp.Diff(want, c.drifts()); diff != "" {
					t.Errorf("recorded (-want +got):\n%s", diff)
				}
				link := c.link(c.group)
				if link.Status != tc.status || link.Reason != tc.reason {
					t.Fatalf("link %+v, want %s for %q", link, tc.status, tc.reason)
				}
				if says := "deleted groups there, if it is among them"; tc.reason == directory.GroupMissing && !strings.Contains(link.Message, says) {
					t.Errorf("the message is %q, want that it may be among the %s", link.Message, says)
				}
				if tc.status == directory.Synced {
					if got := c.names(c.group); !slices.Equal(got, []string{"ann", "bob"}) || len(link.Drift) > 0 {
						t.Errorf("members %v with the findings %v, want ann and bob, and none", got, link.Drift)
					}
					return
				}
				restored, err := c.tenant.RestoreGroup(string(c.id))
				c.must(err)
				c.compareGroups(true, shownIn(restored))
				if link = c.link(c.group); link.Status != directory.Synced || len(link.Drift) > 0 || link.EntraID != c.id {
					t.Errorf("restored by hand: link %+v, want it synced with the same group and no finding", link)
				}
			})
		})
	}
}

// A group that is synchronised from on-premises now is a reason, until it is not any more.
func TestAGroupOfAnotherKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, nil)
		_, err := c.tenant.UpdateGroup(string(c.id), map[string]any{"onPremisesSyncEnabled": true})
		c.must(err)
		c.compareGroups(true, c.shownOf(c.group))
		if link := c.link(c.group); link.Status != directory.Parked || link.Reason != directory.GroupUnusable {
			t.Errorf("link %+v, want it parked for %s", link, directory.GroupUnusable)
		}
		if again := c.compareGroups(true, c.shownOf(c.group)); len(again.Groups) > 0 {
			t.Errorf("the next page sends tasks for %v, want none", again.Groups)
		}
		_, err = c.tenant.UpdateGroup(string(c.id), map[string]any{"onPremisesSyncEnabled": nil})
		c.must(err)
		c.compareGroups(true, c.shownOf(c.group))
		if link := c.link(c.group); link.Status != directory.Synced || len(c.drifts()) > 0 {
			t.Errorf("link %+v with the findings %v, want it synced and none", link, c.drifts())
		}
	})
}

// A member whose account was deleted by hand is no member who was removed: the account comes
// back with its memberships.
func TestAMemberWhoseAccountIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, nil)
		_, err := c.tenant.DeleteUser(string(c.bob))
		c.must(err)
		users := []directory.UserID{}
		known, err := c.store.AllMembers(t.Context(), c.directory.ID, c.group)
		c.must(err)
		for _, m := range known {
			users = append(users, m.User)
		}
		_, err = c.drift().MissingAccounts(t.Context(), c.directory, users)
		c.must(err)
		c.finish()
		_, err = c.drift().Members(t.Context(), c.directory, c.group, []directory.EntraID{c.ann})
		c.must(err)
		c.finish()
		for _, change := range c.groupDrifts() {
			t.Errorf("recorded %+v of the group, want nothing", change)
		}
		if link := c.link(c.group); link.Status != directory.Synced {
			t.Errorf("link %+v, want it synced", link)
		}
	})
}

// groupDrifts are the findings about groups.
func (f *fixture) groupDrifts() (changes []directory.Change) {
	f.t.Helper()
	list, err := f.store.Actions(context.Background(), f.directory.ID, 0, "")
	f.must(err)
	for _, a := range list.Items {
		if a.EventType() == plan.GroupDrift {
			changes = append(changes, a.Changes...)
		}
	}
	return changes
}

// A list that is older than our last write finds nothing, also where it is only reported, and
// groups whose members changed a moment ago are read later.
func TestAListOfMembersThatLagsIsNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, func(s *directory.Settings) { s.ExactMembership = true })
		joe := c.person("joe")
		c.must(c.jumpcloud.AddMember(string(c.group), string(joe)))
		c.changed(joe)
		c.finish()
		account := c.userLink(joe).EntraID
		began := time.Now()
		found := c.compareGroups(false, directory.GroupChange{ID: c.id, Removed: []directory.EntraID{account}})
		if waited := time.Since(began); len(found.Groups) != 1 || waited < 4*time.Minute || len(c.drifts()) > 0 {
			t.Errorf("after %s, with tasks for %v, the findings %v; want one task that waits five minutes, and none", waited, found.Groups, c.drifts())
		}
	})
}

// The process dies at any of its calls: the end is the same, and findings are recorded once.
func TestTheProcessDiesWhileItRepairsAGroup(t *testing.T) {
	for n, died := 1, true; died; n++ {
		synctest.Test(t, func(t *testing.T) {
			c := newCrew(t, nil)
			_, err := c.tenant.RemoveMember(string(c.id), string(c.bob))
			c.must(err)
			_, err = c.tenant.UpdateGroup(string(c.id), map[string]any{"displayName": "Gang"})
			c.must(err)
			page := []directory.GroupChange{c.shownOf(c.group), {ID: c.id, Removed: []directory.EntraID{c.bob}}}
			mortal := functiontest.NewMortal(2*n - 1)
			dying := c.drift()
			dying.Store, dying.GroupTasks = store.New(mortal.Table(c.Table)), mortal.Sender(&c.groups)
			_, _ = dying.Groups(t.Context(), c.directory, page, false)
			died = mortal.Died() != ""
			_, err = c.drift().Groups(t.Context(), c.directory, page, false)
			c.must(err)
			tasks := c.groups.take()
			died = c.syncDies(n, tasks[0]) || died
			c.must(c.groups.Send(t.Context(), tasks...))
			time.Sleep(6 * time.Minute)
			c.finish()
			for range 2 {
				time.Sleep(11 * time.Minute)
				c.must(reconcile.Sweep{Store: c.store, Users: &c.userTasks, Groups: &c.groups, Metrics: &metric.Memory{}}.Run(t.Context()))
				c.finish()
			}
			link := c.link(c.group)
			if got := c.names(c.group); !slices.Equal(got, []string{"ann", "bob"}) || c.inEntra(c.group).DisplayName != "Crew" || link.Status != directory.Synced || len(link.Drift)+len(link.OpenActions) > 0 {
				t.Errorf("dead at call %d: the group %q has %v, link %+v; want Crew with ann and bob, synced, without findings and open actions", n, c.inEntra(c.group).DisplayName, got, link)
			}
			if got := c.drifts(); len(got) != 2 {
				t.Errorf("dead at call %d: recorded %+v, want two findings", n, got)
			}
		})
	}
}

// syncDies handles a message in a process that dies at its nth call; it reports whether it had so
// many.
func (f *fixture) syncDies(n int, m queue.Message) bool {
	f.t.Helper()
	mortal := functiontest.NewMortal(2*n - 1)
	task, err := reconcile.ReadGroupTask(m.Body)
	f.must(err)
	groups, err := reconcile.NewGroups(reconcile.Parts{Store: store.New(mortal.Table(f.Table)), Clients: f.ClientsThrough(mortal.Transport(f)), Metrics: &metric.Memory{},
		Lanes: reconcile.Lanes{UsersLive: mortal.Sender(&f.userTasks), UsersBulk: mortal.Sender(&f.userTasks), GroupsLive: mortal.Sender(&f.groups), GroupsBulk: mortal.Sender(&f.groups)}})
	f.must(err)
	groups.Sync(context.Background(), f.directory.ID, []reconcile.GroupAttempt{{GroupTask: task, Number: 1}})
	return mortal.Died() != ""
}
