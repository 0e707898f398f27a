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

// live are the groups in Entra that are not deleted.
func (f *fixture) live() []entratest.Group {
	return slices.DeleteFunc(f.tenant.Groups(), func(g entratest.Group) bool { return !g.Deleted.IsZero() })
}

// deletedByHand is a group of Ann and Bob that somebody deleted in Entra an hour after
// it was made; Bob left and Cat joined since. It returns the object id that it had.
func (f *fixture) deletedByHand() (id directory.GroupID, gone string) {
	f.t.Helper()
	ann, bob, cat := f.person("ann"), f.person("bob"), f.person("cat")
	id = f.group("Sales", ann, bob)
	f.run(id)
	f.settle()
	gone = f.inEntra(id).ID
	time.Sleep(time.Hour)
	_, err := f.tenant.DeleteGroup(gone)
	f.must(err)
	f.must(f.jumpcloud.RemoveMember(string(id), string(bob)))
	f.must(f.jumpcloud.AddMember(string(id), string(cat)))
	f.changed(bob, cat)
	f.settle()
	f.run(id)
	f.settle()
	return id, gone
}

// A group of ours that somebody deleted in Entra keeps its unique name there: it is
// reported, once, and neither made a second time nor tried for ever. Whatever an
// administrator then does with it is found by the next look.
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
					t.Errorf("%d come again, %+v", again, f.link(id))
				}
				same := then(f, gone)
				f.run(id)
				f.settle()
				if got := f.names(id); !slices.Equal(got, []string{"ann", "cat"}) || f.link(id).Status != directory.Synced || f.link(id).Origin != directory.CreatedByUs ||
					(f.inEntra(id).ID == gone) != same || len(f.live()) != 1 {
					t.Errorf("%v, %d groups, %+v", got, len(f.live()), f.link(id))
				}
				before := f.entra.Counters().WriteUnits
				f.run(id)
				if cost := f.entra.Counters().WriteUnits - before; cost != 0 {
					t.Errorf("another look costs %d writes", cost)
				}
			})
		})
	}
}

// Where the directory restores what was deleted the group comes back by itself, with
// those in it who belong there now, also if the process dies while it does so, and
// under the name that it has now.
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
				f.settle()
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
						t.Errorf("never ended: %+v", a)
					}
				}
				if restored == 0 || dies == "" && restored != 1 {
					t.Errorf("restored %d times", restored)
				}
			})
		})
	}
}

// actions are all actions on groups and users of the directory.
func (f *fixture) actions() []plan.Action {
	f.t.Helper()
	list, err := f.store.Actions(f.t.(*testing.T).Context(), f.directory.ID, 0, "")
	f.must(err)
	return list.Items
}

// What Entra does not let us restore is parked, and no group is linked.
func TestAGroupThatCannotBeRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id, _ := f.deletedByHand()
		f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
		f.must(f.entra.FailNext(entratest.Fault{Method: "POST", Path: "restore$", Status: 403}))
		f.run(id)
		f.settle()
		if link := f.link(id); link.Status != directory.Parked || link.EntraID != "" || link.Message == "" || len(f.live()) != 0 {
			t.Errorf("%+v", link)
		}
		f.run(id)
		f.settle()
		if got := f.names(id); !slices.Equal(got, []string{"ann", "cat"}) {
			t.Errorf("%v, %+v", got, f.link(id))
		}
	})
}

// A unique name that Entra says is taken, while it shows nobody who has it: that may be
// a replica that lags, and is not for ever.
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
			f.settle()
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
