package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
)

// TestRush plays, with -figures, suspensions while 5,000 members of a group are removed,
// 10,000 users have their first sync and Graph throttles: once the group is disconnected, and
// once a script removes its members one by one. The small ones are tests of scripts/world.
func TestRush(t *testing.T) {
	if !*figures {
		return
	}
	const most = 5 * time.Second
	for what, pace := range map[string]time.Duration{"at once": 0, "one by one": 20 * time.Millisecond} {
		for name, apart := range map[string]bool{"in one process": false, "in processes of their own, as on AWS": true} {
			r := world.Rush{Removed: 5000, Pace: pace, First: 10000, Alone: 100, Step: 4 * time.Second, Burst: 2000, Apart: apart}
			t.Run(what+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					seen := r.Play(t)
					fmt.Printf("%d removals %s and a first sync of %d, %s: %s\n", r.Removed, what, r.First, name, seen)
					if seen.P(99) > most || len(seen.Missed) > 0 {
						t.Errorf("p99 %s, %d members still enabled; want %s at most and none: %v", seen.P(99), len(seen.Missed), most, seen.Suspensions)
					}
				})
			})
		}
	}
}
