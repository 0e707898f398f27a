package world_test

import (
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
)

func TestTry(t *testing.T) {
	n := func(name string, or int) int {
		var v int
		if _, err := fmt.Sscan(os.Getenv(name), &v); err != nil {
			return or
		}
		return v
	}
	for _, s := range []world.Script{world.LeaveOneGroup, world.LeaveManyGroups, world.DeleteGroups, world.NewLastNames, world.EndOfUsers, world.EndOfGroups, world.AllSuspended} {
		if os.Getenv("SCRIPT") != "" && os.Getenv("SCRIPT") != string(s) {
			continue
		}
		for name, apart := range map[string]bool{"one": false, "apart": true} {
			t.Run(string(s)+" "+name, func(t *testing.T) {
				real := time.Now()
				synctest.Test(t, func(t *testing.T) {
					seen := world.Rush{Removed: n("N", 300), Pace: time.Duration(n("PACE", 20)) * time.Millisecond, Script: s, First: n("FIRST", 0), Alone: n("ALONE", 8), Step: time.Duration(n("STEP", 1500)) * time.Millisecond, Burst: n("BURST", 300), Apart: apart}.Play(t)
					t.Log(seen, seen.Suspensions, seen.Busy, len(seen.Missed))
				})
				t.Log("cpu", time.Since(real))
			})
		}
	}
}
