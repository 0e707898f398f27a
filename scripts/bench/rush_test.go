package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
)

// TestRush plays, with -figures, suspensions while 5,000 members of a group are removed,
// 10,000 users have their first sync and Graph throttles. The small one is a test of
// scripts/world.
func TestRush(t *testing.T) {
	if !*figures {
		return
	}
	const most = 5 * time.Second
	for _, apart := range []bool{false, true} {
		r := world.Rush{Removed: 5000, First: 10000, Alone: 100, Step: 4 * time.Second, Burst: 2000, Apart: apart}
		name := "in one process"
		if apart {
			name = "in processes of their own, as on AWS"
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := r.Play(t)
				fmt.Printf("%d removals and a first sync of %d, %s: %s\n", r.Removed, r.First, name, seen)
				if seen.P(99) > most || len(seen.Missed) > 0 {
					t.Errorf("p99 %s, %d members still enabled; want %s at most and none: %v", seen.P(99), len(seen.Missed), most, seen.Suspensions)
				}
			})
		})
	}
}
