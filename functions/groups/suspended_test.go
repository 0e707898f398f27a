package groups_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/reconcile"
)

// The process dies at any of its calls while it finds that the tenant's consent is lost. The
// task of the group waits, and when consent is given again the group is brought up to date.
func TestTheProcessDiesWhileTheDirectoryIsSuspended(t *testing.T) {
	deaths := 0
	for n, died := 1, true; died; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann, bob := f.person("ann"), f.person("bob")
			id := f.group("Sales", ann, bob)
			f.run(id)
			f.finish()
			consent := func(tenants ...string) {
				f.must(f.entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.Tenants = tenants }))
				f.entra.RevokeTokens()
			}
			consent("another")
			f.must(f.jumpcloud.RenameGroup(string(id), "Field sales"))
			f.must(f.jumpcloud.RemoveMember(string(id), string(ann)))
			m := f.message(reconcile.GroupTask{Group: id, AllMembers: true}, 1)
			if died = f.diesAt(n, m); died {
				deaths++
			}
			for range 10 {
				if time.Sleep(6 * time.Minute); f.handle(m) == 0 {
					break
				}
				f.waiting = nil
			}
			dir, err := f.store.Directory(t.Context(), f.directory.ID)
			f.must(err)
			if link := f.link(id); !dir.IsSuspended() || link.Status != directory.Pending || link.Reason != directory.NotConsented {
				t.Errorf("suspended %+v, link %+v; want it suspended, and the link to say so", dir.Suspended, link.Standing)
			}
			consent()
			f.finish()
			if link := f.link(id); link.Status != directory.Synced || f.inEntra(id).DisplayName != "Field sales" || !slices.Equal(f.names(id), []string{"bob"}) {
				t.Errorf("link %+v, %q with %v; want %q, \"Field sales\" with bob", link.Standing, f.inEntra(id).DisplayName, f.names(id), directory.Synced)
			}
			page, err := f.store.WaitingTasks(t.Context(), f.directory.ID, 0, "")
			f.must(err)
			if len(page.Items) > 0 {
				t.Errorf("%d tasks wait, want none", len(page.Items))
			}
		})
	}
	if deaths < 10 {
		t.Errorf("the process died %d times, want at least 10", deaths)
	}
}
