package groups_test

import (
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

// live returns the groups in Entra that are not deleted.
func (f *fixture) live() []entratest.Group {
	return slices.DeleteFunc(f.tenant.Groups(), func(g entratest.Group) bool { return !g.Deleted.IsZero() })
}

// deletedByHand makes a group of Ann and Bob that an administrator deletes in Entra an
// hour later; then Bob leaves and Cat joins. It returns the group and its former object
// id.
func (f *fixture) deletedByHand() (id directory.GroupID, gone string) {
	f.t.Helper()
	ann, bob, cat := f.person("ann"), f.person("bob"), f.person("cat")
	id = f.group("Sales", ann, bob)
	f.run(id)
	f.finish()
	gone = f.inEntra(id).ID
	time.Sleep(time.Hour)
	_, err := f.tenant.DeleteGroup(gone)
	f.must(err)
	f.must(f.jumpcloud.RemoveMember(string(id), string(bob)))
	f.must(f.jumpcloud.AddMember(string(id), string(cat)))
	f.changed(bob, cat)
	f.finish()
	f.run(id)
	f.finish()
	return id, gone
}

// A group of ours that was deleted in Entra keeps its unique name there: it is reported
// once, not created a second time and not tried for ever. The next task finds what an
// administrator then does with it.
func TestAGroupThatWasDeletedInEntraIsReported(t *testing.T) {
	for what, then := range map[string]func(*fixture, string) (same bool){
		"restored there": func(f *fixture, gone string) bool {
			_, err := f.tenant.RestoreGroup(gone)
			f.must(err)
			return true
		},
		"deleted for good": func(f *fixture, gone string) bool { f.must(f.tenant.PurgeGroup(gone)); return false },
		"restoreDeleted": func(f *fixture, _ string) bool {
			f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
			return true
		},
		"30 days": func(*fixture, string) bool { time.Sleep(31 * 24 * time.Hour); return false },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				id, gone := f.deletedByHand()
				link := f.link(id)
				if link.Status != directory.Parked || link.Reason != directory.GroupDeletedInEntra || link.EntraID != "" || len(f.live()) != 0 ||
					!strings.Contains(link.Message, `the group "Sales" (`+gone+`) was deleted in Entra on 2000-01-01 and can still be restored: restore it there, set restoreDeleted`) {
					t.Fatalf("%+v", link)
				}
				if again := f.run(id); again != 0 || f.link(id).Reason != directory.GroupDeletedInEntra {
					t.Errorf("%d come again, %+v, want again 0, Reason %v", again, f.link(id), directory.GroupDeletedInEntra)
				}
				same := then(f, gone)
				f.run(id)
				f.finish()
				if got := f.names(id); !slices.Equal(got, []string{"ann", "cat"}) || f.link(id).Status != directory.Synced || f.link(id).Origin != directory.CreatedByUs ||
					(f.inEntra(id).ID == gone) != same || len(f.live()) != 1 {
					t.Errorf("%v, %d groups, %+v", got, len(f.live()), f.link(id))
				}
				before := f.entra.Counters().WriteUnits
				f.run(id)
				if cost := f.entra.Counters().WriteUnits - before; cost != 0 {
					t.Errorf("another sync costs %d writes, want 0", cost)
				}
			})
		})
	}
}

// If the directory restores deleted objects, the group is restored automatically with
// its present members and its present name, also if the process dies meanwhile.
func TestAGroupThatWasDeletedInEntraIsRestored(t *testing.T) {
	for _, dies := range []string{"", "before", "after"} {
		t.Run("dies "+dies, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				id, gone := f.deletedByHand()
				f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
				f.must(f.jumpcloud.RenameGroup(string(id), "Field sales"))
				die := onWrite(4, func() { panic(death{}) }) // after the look-up, the creation and the search of the deleted
				switch dies {
				case "before":
					f.before = die
				case "after":
					f.after = die
				}
				if dies != "" {
					f.dies(func() { f.run(id) })
					time.Sleep(2 * time.Minute)
				}
				f.run(id)
				f.finish()
				if got := f.names(id); !slices.Equal(got, []string{"ann", "cat"}) || f.inEntra(id).ID != gone || f.inEntra(id).DisplayName != "Field sales" || f.link(id).Status != directory.Synced || len(f.live()) != 1 {
					t.Errorf("%v, %+v", got, f.link(id))
				}
				restored := 0
				for _, a := range f.actions() {
					if a.Type == plan.RestoreGroup {
						restored++
						if dies == "" && (a.Status != plan.Succeeded || a.EntraID != directory.EntraID(gone)) {
							t.Errorf("%+v", a)
						}
					}
					if a.Status == plan.Started {
						t.Errorf("never ended: %+v, want Status not %v", a, plan.Started)
					}
				}
				if restored == 0 || dies == "" && restored != 1 {
					t.Errorf("restored %d times", restored)
				}
			})
		})
	}
}

// actions returns all actions on groups and users of the directory.
func (f *fixture) actions() []plan.Action {
	f.t.Helper()
	list, err := f.store.Actions(f.t.(*testing.T).Context(), f.directory.ID, 0, "")
	f.must(err)
	return list.Items
}

// If Entra refuses to restore a group, the group is parked and not linked.
func TestAGroupThatCannotBeRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id, _ := f.deletedByHand()
		f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
		f.must(f.entra.FailNext(entratest.Fault{Method: "POST", Path: "restore$", Status: 403}))
		f.run(id)
		f.finish()
		if link := f.link(id); link.Status != directory.Parked || link.EntraID != "" || link.Message == "" || len(f.live()) != 0 {
			t.Errorf("%+v, want Status %v, EntraID \"\", Message not \"\", 0 live", link, directory.Parked)
		}
		f.run(id)
		f.finish()
		if got := f.names(id); !slices.Equal(got, []string{"ann", "cat"}) {
			t.Errorf("%v, %+v", got, f.link(id))
		}
	})
}

// A unique name that a deleted group keeps is found also where nothing is known of the group,
// as after its directory was connected anew: it is reported once, without a try each minute,
// and restored where the directory says so.
func TestADeletedGroupWithoutARecord(t *testing.T) {
	for _, restores := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.settings(func(s *directory.Settings) { s.RestoreDeleted = restores })
			id := f.group("Sales", f.person("ann"))
			ours, err := f.tenant.AddGroup(entratest.Group{DisplayName: "Sales", Properties: map[string]any{"uniqueName": id.UniqueName()}})
			f.must(err)
			_, err = f.tenant.DeleteGroup(ours.ID)
			f.must(err)
			if again := f.run(id); again != 0 && !restores {
				t.Errorf("%d messages come again, want 0", again)
			}
			f.finish()
			link := f.link(id)
			switch {
			case restores && (link.Status != directory.Synced || string(link.EntraID) != ours.ID || len(f.live()) != 1 || !slices.Equal(f.names(id), []string{"ann"})):
				t.Errorf("%+v, want the group %s restored with its member", link, ours.ID)
			case !restores && (link.Status != directory.Parked || link.Reason != directory.GroupDeletedInEntra || !link.NextTryAt.IsZero() || len(f.live()) != 0):
				t.Errorf("%+v, want Status %v, Reason %v and no next try", link, directory.Parked, directory.GroupDeletedInEntra)
			}
		})
	}
}

// Where Entra keeps no deleted group, as in national clouds, one that was deleted by hand is
// made again, under the same unique name.
func TestAGroupThatWasDeletedForGoodByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.entra.Set(func(b *entratest.Behaviour) { b.HardDeleteGroups = true })
		id, gone := f.deletedByHand()
		if link := f.link(id); link.Status != directory.Synced || string(link.EntraID) == gone || len(f.live()) != 1 || f.inEntra(id).Properties["uniqueName"] != id.UniqueName() {
			t.Errorf("%+v, want another group than %s with the same unique name", link, gone)
		}
		if got := f.names(id); !slices.Equal(got, []string{"ann", "cat"}) {
			t.Errorf("members %v, want ann and cat", got)
		}
	})
}

// Entra says that a unique name is taken but shows no group with it: a replica may lag,
// so the group is tried again, but not for ever.
func TestAUniqueNameThatNobodyShows(t *testing.T) {
	taken := `{"error":{"code":"Request_BadRequest","message":"Another object with the same value for property uniqueName already exists.","details":[{"code":"ObjectConflict","target":"uniqueName"}]}}`
	for _, lasts := range []int{3, 100} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			id := f.group("Sales", f.person("ann"))
			f.must(f.entra.FailNext(entratest.Fault{Method: "PATCH", Path: "uniqueName", Status: 400, Body: taken, Times: lasts}))
			m := f.message(reconcile.GroupTask{Group: id, AllMembers: true}, 1)
			tries := 1
			for f.handle(m) > 0 && tries < maxReceives {
				f.waiting = nil
				m = comesAgain(m)
				tries++
				time.Sleep(time.Minute)
			}
			f.finish()
			link := f.link(id)
			if lasts == 3 && (link.Status != directory.Synced || len(f.live()) != 1) {
				t.Errorf("after %d tries: %+v", tries, link)
			}
			if lasts == 100 && (link.Status != directory.Parked || !strings.Contains(link.Message, "unique name jumpcloud."+string(id)) || tries >= maxReceives) {
				t.Errorf("after %d tries: %+v", tries, link)
			}
		})
	}
}
