package groups_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
)

// A missing permission for one write to a group stops only that write, and only until
// it is granted.
func TestAMissingPermissionOfAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		id := f.group("Sales", ann)
		f.run(id)
		f.finish()
		grant := func(roles ...string) {
			f.must(f.entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.Roles = roles }))
		}
		grant(slices.DeleteFunc(slices.Clone(entratest.RecommendedRoles), func(role string) bool { return role == "Group.ReadWrite.All" })...)
		f.entra.RevokeTokens() // the present token has all permissions

		f.must(f.jumpcloud.RenameGroup(string(id), "Field sales"))
		f.must(f.jumpcloud.AddMember(string(id), string(bob)))
		f.must(f.jumpcloud.RemoveMember(string(id), string(ann)))
		for range 3 {
			if again := f.run(id); again != 0 {
				t.Errorf("%d come again, want 0: what is left waits", again)
			}
			f.waiting = nil
			f.workUsers(f.userTasks.take())
			time.Sleep(time.Minute)
		}
		link := f.link(id)
		if got := f.names(id); !slices.Equal(got, []string{"bob"}) || f.inEntra(id).DisplayName != "Sales" {
			t.Errorf("%q with %v", f.inEntra(id).DisplayName, got)
		}
		if link.Status != directory.Pending || link.Reason != directory.PermissionMissing || len(link.OpenActions) > 0 {
			t.Errorf("%+v, want Status %v, Reason %v, 0 OpenActions", link, directory.Pending, directory.PermissionMissing)
		}

		if page, err := f.store.WaitingTasks(t.Context(), f.directory.ID, 0, ""); err != nil || len(page.Items) != 1 || page.Items[0].Scope != directory.OfPart {
			t.Errorf("%+v wait (%v), want one task, for a part", page.Items, err)
		}

		grant(entratest.RecommendedRoles...)
		f.run(id)
		f.finish()
		if link := f.link(id); link.Status != directory.Synced || f.inEntra(id).DisplayName != "Field sales" {
			t.Errorf("granted: %+v, want Status %v, DisplayName \"Field sales\"", link, directory.Synced)
		}
	})
}
