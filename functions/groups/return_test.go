package groups_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

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
