package world_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
)

// Rush is how much goes on while people are suspended.
type rush struct {
	removed int // members of a group that is disconnected
	first   int // people of a first sync, in groups of 50
	crew    int // people who are suspended, one every few seconds
	burst   int // write units that the tenant takes at once, of as many a second as published
	apart   bool
}

// The times of a rush.
const (
	rushLatency = 100 * time.Millisecond
	suspendStep = 2 * time.Second
	urgentMost  = 5 * time.Second
)

// A single suspension does not wait for the removal of many, for a first sync, or for the
// quota that both use up.
func TestASuspensionWaitsForNoCrowd(t *testing.T) {
	for name, r := range map[string]rush{
		"on one machine": {removed: 300, first: 500, crew: 25, burst: 300},
		"as on AWS":      {removed: 300, first: 500, crew: 25, burst: 300, apart: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took := play(t, r)
				p99 := took[(len(took)*99+99)/100-1]
				t.Logf("%d suspensions: median %s, p99 %s", len(took), took[len(took)/2], p99)
				if p99 > urgentMost {
					t.Errorf("the 99th percentile of suspensions is %s, want %s at most: %v", p99, urgentMost, took)
				}
			})
		})
	}
}

// play returns how long each suspension took until the account was disabled, sorted.
func play(t *testing.T, r rush) []time.Duration {
	t.Helper()
	w := world.New(t, world.Config{Latency: rushLatency, Apart: r.apart})
	crew := hire(w, "crew", r.crew)
	w.Connect(crew...)
	staff := w.Group("Staff", hire(w, "staff", r.removed)...)
	w.ConnectGroups(staff)
	w.Settle(time.Hour)
	var groups []directory.GroupID
	for people := range slices.Chunk(hire(w, "new", r.first), 50) {
		groups = append(groups, w.Group(fmt.Sprintf("Group %d", len(groups)), people...))
	}
	w.Settle(time.Hour)
	time.Sleep(5 * time.Minute) // the quota is full again
	w.Entra.Set(func(b *entratest.Behaviour) {
		b.Quota.Writes, b.Quota.WriteWindow = r.burst, time.Duration(r.burst)*50*time.Millisecond
	})
	before := w.Entra.Counters()
	start := time.Now()
	w.ConnectGroups(groups...)
	w.DisconnectGroup(staff)
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	for i, id := range crew {
		time.Sleep(suspendStep)
		w.Must(w.JumpCloud.SuspendUser(string(id)))
		all.Go(func() {
			one := w.Until("the account is disabled", time.Hour, func() bool { return !w.Enabled(fmt.Sprintf("crew%d", i)) })
			mu.Lock()
			defer mu.Unlock()
			took = append(took, one)
		})
	}
	busy := w.Waiting()
	all.Wait()
	after := w.Entra.Counters()
	t.Logf("throttled %d, units %d, waiting at the end of the suspensions %v", after.Throttled-before.Throttled, after.WriteUnits-before.WriteUnits, busy)
	if after.Throttled == before.Throttled {
		t.Error("Graph throttled nothing, want some of the writes")
	}
	w.Settle(3 * time.Hour)
	_, last := w.Written()
	t.Logf("all done after %s", last.Sub(start))
	for i := range r.removed {
		if w.Enabled(fmt.Sprintf("staff%d", i)) {
			t.Fatalf("staff%d is enabled, want all of the disconnected group disabled", i)
		}
	}
	slices.Sort(took)
	return took
}

// hire adds people to JumpCloud, whose names are a word and a number.
func hire(w *world.World, name string, n int) []directory.UserID {
	ids := make([]directory.UserID, n)
	for i := range ids {
		ids[i] = w.Hire(fmt.Sprintf("%s%d", name, i))
	}
	return ids
}
