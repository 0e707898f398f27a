package world_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

// By mistake the one group of a company loses its members in JumpCloud: all at once by its
// disconnection, or one by one with an event for each. Nobody beyond the guard is disabled, a
// suspension passes meanwhile, and what the administrator decides is done.
func TestAMistakeInJumpCloudDisablesNobodyUnasked(t *testing.T) {
	const size, most = 60, 6 // a tenth
	for name, c := range map[string]struct {
		mistake func(o *company)
		// most are disabled before anybody decides: fewer if the group's task comes before
		// those of the people.
		most int
	}{
		"disconnected": {func(o *company) {
			o.API(http.MethodDelete, "/v1/directories/"+string(o.Directory.ID)+"/connections/groups/"+string(o.group), "")
		}, 0},
		"emptied, and no event comes": {func(o *company) {
			o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 })
			for _, id := range o.people {
				o.Must(o.JumpCloud.RemoveMember(string(o.group), string(id)))
			}
			o.SyncGroup(o.group)
		}, 0},
		"emptied one by one": {func(o *company) {
			for _, id := range o.people {
				o.Must(o.JumpCloud.RemoveMember(string(o.group), string(id)))
			}
		}, most},
	} {
		for decision, status := range map[string]store.HoldStatus{"approve": store.HoldApproved, "reject": store.HoldRejected} {
			t.Run(name+", "+decision, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := newCompany(t, size, world.Config{Latency: 50 * time.Millisecond, Settings: func(s *directory.Settings) { s.Guard = directory.DefaultGuard() }})
					tova := o.Hire("tova")
					o.Connect(tova)
					o.Settle(time.Hour)
					c.mistake(o)
					o.Settle(time.Hour)
					before := o.disabled()
					if before > c.most {
						t.Fatalf("%d are disabled before anybody decides, want at most %d", before, c.most)
					}
					o.Must(o.JumpCloud.SuspendUser(string(tova)))
					o.EnqueueUser(tova, false)
					o.Settle(time.Hour)
					if o.Enabled("tova") {
						t.Error("the suspended one is enabled, want that to wait for nobody")
					}
					open, err := o.Store.OpenHolds(t.Context(), o.Directory.ID)
					o.Must(err)
					if len(open[o.Directory.ID]) != 1 {
						t.Fatalf("%+v are open, want one hold", open)
					}
					hold := open[o.Directory.ID][0]
					if got := o.API(http.MethodPost, "/v1/directories/"+string(o.Directory.ID)+"/holds/"+hold.ID+"/"+decision, `{"reason": "looked at"}`); got != http.StatusAccepted {
						t.Fatalf("the decision answers %d, want 202", got)
					}
					o.Settle(2 * time.Hour)
					want := before
					if status == store.HoldApproved {
						want = size
					}
					if n := o.disabled(); n != want {
						t.Errorf("%d are disabled after the decision, want %d", n, want)
					}
				})
			})
		}
	}
}
