package world_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
)

// A group that is disconnected and connected again never loses a member who is in it all
// the time.
func TestAReconnectedGroupKeepsItsMembers(t *testing.T) {
	for _, size := range []int{1, 30} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newCompany(t, size, world.Config{Latency: 50 * time.Millisecond})
				o.DisconnectGroup(o.group)
				time.Sleep(10 * time.Minute)
				o.Settle(time.Hour)
				o.ConnectGroups(o.group)
				for start := time.Now(); time.Since(start) < 2*time.Minute; time.Sleep(50 * time.Millisecond) {
					if got := len(o.Members("Staff")); got != size {
						t.Fatalf("%s after the connection the group has %d members, want %d", time.Since(start), got, size)
					}
				}
				o.Settle(time.Hour)
				if got, disabled := len(o.Members("Staff")), o.disabled(); got != size || disabled > 0 {
					t.Errorf("in the end got %d members, %d disabled accounts; want %d, none", got, disabled, size)
				}
			})
		})
	}
}
