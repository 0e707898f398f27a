package world_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
)

// A single suspension does not wait for the removal of many, for a first sync, or for the
// quota that both use up. `make bench` plays it at its full size.
func TestASuspensionWaitsForNoCrowd(t *testing.T) {
	const most = 5 * time.Second
	for name, apart := range map[string]bool{"on one machine": false, "as on AWS": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := world.Rush{Removed: 300, First: 500, Alone: 25, Step: 2 * time.Second, Burst: 300, Apart: apart}.Play(t)
				t.Log(seen)
				if seen.P(99) > most {
					t.Errorf("the 99th percentile of suspensions is %s, want %s at most: %v", seen.P(99), most, seen.Suspensions)
				}
				if seen.Throttled == 0 || len(seen.Busy) == 0 {
					t.Errorf("%d writes were refused and %v waited after the last suspension, want some of both", seen.Throttled, seen.Busy)
				}
				if len(seen.Missed) > 0 {
					t.Errorf("members of the disconnected group are enabled: %v, want none", seen.Missed)
				}
			})
		})
	}
}

// A script that removes the members of a group one by one makes an event of each of them.
// They are one crowd all the same.
// On AWS each of the four processes of fanout lets the first few through, and the quota has
// room for them.
func TestASuspensionWaitsForNoScript(t *testing.T) {
	const most = 5 * time.Second
	for name, apart := range map[string]bool{"on one machine": false, "as on AWS": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := world.Rush{Removed: 500, Pace: 20 * time.Millisecond, Alone: 12, Step: 2 * time.Second, Burst: 800, Apart: apart}.Play(t)
				t.Log(seen)
				if seen.P(99) > most {
					t.Errorf("the 99th percentile of suspensions is %s, want %s at most: %v", seen.P(99), most, seen.Suspensions)
				}
				if seen.Throttled == 0 || len(seen.Busy) == 0 {
					t.Errorf("%d writes were refused and %v waited after the last suspension, want some of both", seen.Throttled, seen.Busy)
				}
				if len(seen.Missed) > 0 {
					t.Errorf("members who were removed from the group are enabled: %v, want none", seen.Missed)
				}
			})
		})
	}
}
