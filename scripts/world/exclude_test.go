package world_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
)

// The excluded group is named by the API, and from then on the webhooks of JumpCloud keep its
// members true: who is in it stays enabled whatever happens, also while reads lag behind the
// events and when the suspension comes at the same time as the membership.
func TestTheExcludedGroupFollowsItsEvents(t *testing.T) {
	for _, lag := range []time.Duration{0, 3 * time.Second} {
		t.Run(lag.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world.New(t, world.Config{Latency: 10 * time.Millisecond})
				ann, bob, cat := w.Hire("ann"), w.Hire("bob"), w.Hire("cat")
				crew, glass := w.Group("Crew", ann, bob, cat), w.Group("Glass", ann)
				w.ConnectGroups(crew)
				w.Settle(time.Hour)
				path := "/v1/directories/" + string(w.Directory.ID)
				if status := w.API("PATCH", path, fmt.Sprintf(`{"settings":{"exclude":{"group":%q}}}`, glass)); status != 200 {
					t.Fatalf("the API answers %d, want 200", status)
				}
				w.Until("ann is excluded", time.Minute, func() bool { return w.Link(ann).Reason == directory.Excluded })
				w.Settle(time.Hour)
				o := &company{World: w, t: t}
				o.lag(lag)
				w.Must(w.JumpCloud.SuspendUser(string(ann)))
				w.Must(w.JumpCloud.AddMember(string(glass), string(bob)))
				time.Sleep(lag)
				w.Must(w.JumpCloud.SuspendUser(string(bob)))
				w.Must(w.JumpCloud.RemoveMember(string(crew), string(bob)))
				w.Must(w.JumpCloud.SuspendUser(string(cat)))
				w.Settle(time.Hour)
				if !w.Enabled("ann") || !w.Enabled("bob") || w.Enabled("cat") {
					t.Errorf("enabled: ann %t, bob %t, cat %t, want ann and bob, who are excluded", w.Enabled("ann"), w.Enabled("bob"), w.Enabled("cat"))
				}
				if got := w.Members("Crew"); len(got) != 3 {
					t.Errorf("the members of Crew are %v, want all three: bob left and is excluded", got)
				}
				w.Must(w.JumpCloud.RemoveMember(string(glass), string(bob)))
				w.Settle(time.Hour)
				if got := w.Members("Crew"); w.Enabled("bob") || len(got) != 2 {
					t.Errorf("bob is enabled %t, the members of Crew are %v, want him disabled and out", w.Enabled("bob"), got)
				}
				if status := w.API("PATCH", path, `{"settings":{"exclude":null}}`); status != 200 {
					t.Fatalf("the API answers %d, want 200", status)
				}
				w.Until("ann is disabled", time.Minute, func() bool { return !w.Enabled("ann") })
				w.Settle(time.Hour)
			})
		})
	}
}
