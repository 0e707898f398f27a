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

// A script makes an event or a request of each of many changes. They are one crowd all the
// same. On AWS each of the four processes of fanout lets the first few through, and the quota
// has room for them.
func TestASuspensionWaitsForNoScript(t *testing.T) {
	const most = 5 * time.Second
	for script, tc := range map[world.Script]struct {
		people, burst int
		here          bool // plays on one machine too, where the processes count together
	}{
		world.LeaveOneGroup:   {500, 800, true},
		world.LeaveManyGroups: {300, 600, false},
		world.DeleteGroups:    {500, 800, false},
		world.NewLastNames:    {600, 150, false},
		world.EndOfUsers:      {300, 300, true},
		world.EndOfGroups:     {300, 300, false},
	} {
		for name, apart := range map[string]bool{"on one machine": false, "as on AWS": true} {
			if !apart && !tc.here {
				continue
			}
			t.Run(string(script)+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					seen := world.Rush{Removed: tc.people, Pace: 20 * time.Millisecond, Script: script, Alone: 8, Step: 1500 * time.Millisecond, Burst: tc.burst, Apart: apart}.Play(t)
					t.Log(seen)
					if seen.P(99) > most {
						t.Errorf("the 99th percentile of suspensions is %s, want %s at most: %v", seen.P(99), most, seen.Suspensions)
					}
					if seen.Throttled == 0 || len(seen.Busy) == 0 {
						t.Errorf("%d writes were refused and %v waited after the last suspension, want some of both", seen.Throttled, seen.Busy)
					}
					if len(seen.Missed) > 0 {
						t.Errorf("the script did not reach %v, want nobody missed", seen.Missed)
					}
				})
			})
		}
	}
}
