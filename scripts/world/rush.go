package world

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
)

// Rush is a large removal, a first sync and a Graph that throttles, all at the same time,
// during which people are suspended one by one.
type Rush struct {
	Removed int // members of a group that is disconnected
	// Pace, unless 0, is how often a script takes its next step instead.
	Pace   time.Duration
	Script Script // of the Removed people; by default LeaveOneGroup
	First  int    // people of a first sync, in groups of 50
	Alone  int    // people who are suspended, one every Step
	Step   time.Duration
	Burst  int // write units that the tenant takes at once; it takes 20 a second, as published
	Apart  bool
}

// Rushed is what was seen during a rush.
type Rushed struct {
	Suspensions []time.Duration // until the account was disabled, sorted
	Throttled   int             // writes that Graph refused meanwhile
	Units       int             // write units meanwhile
	Busy        map[string]int  // messages that waited after the last suspension
	Took        time.Duration   // until all was done
	Missed      []string        // names of people without what was done to them
}

// P is a percentile of the suspensions.
func (r Rushed) P(percent int) time.Duration {
	return r.Suspensions[(len(r.Suspensions)*percent+99)/100-1]
}

// String describes a rush in a line.
func (r Rushed) String() string {
	return fmt.Sprintf("%d suspensions: median %s, p99 %s, longest %s; %d of %d write units refused; all done after %s", len(r.Suspensions),
		r.P(50).Round(time.Millisecond), r.P(99).Round(time.Millisecond), r.P(100).Round(time.Millisecond), r.Throttled, r.Units, r.Took.Round(time.Second))
}

// rushLatency is what a request takes during a rush (assumed).
const rushLatency = 100 * time.Millisecond

// Play plays a rush in a world of its own.
func (r Rush) Play(t T) Rushed {
	t.Helper()
	w := New(t, Config{Latency: rushLatency, Apart: r.Apart})
	alone := w.crowd("alone", r.Alone)
	w.Connect(alone...)
	members := w.crowd("staff", r.Removed)
	script := r.script(w, members)
	w.Settle(3 * time.Hour)
	var groups []directory.GroupID
	for people := range slices.Chunk(w.crowd("new", r.First), 50) {
		groups = append(groups, w.Group(fmt.Sprintf("Group %d", len(groups)), people...))
	}
	w.Settle(3 * time.Hour)
	time.Sleep(5 * time.Minute) // the quota is full again
	w.Entra.Set(func(b *entratest.Behaviour) {
		b.Quota.Writes, b.Quota.WriteWindow = r.Burst, time.Duration(r.Burst)*time.Second/20
	})
	before, start := w.Entra.Counters(), time.Now()
	w.ConnectGroups(groups...)
	var running sync.WaitGroup
	running.Go(func() {
		for _, step := range script.steps {
			time.Sleep(r.Pace)
			step()
		}
	})
	seen := Rushed{Suspensions: w.suspend(alone, r.Step)}
	after := w.Entra.Counters()
	seen.Busy, seen.Throttled, seen.Units = w.Waiting(), after.Throttled-before.Throttled, after.WriteUnits-before.WriteUnits
	running.Wait()
	w.Settle(10 * time.Hour)
	_, last := w.Written()
	seen.Took = last.Sub(start)
	for i := range r.Removed {
		if name := fmt.Sprintf("staff%d", i); !script.reached(name) {
			seen.Missed = append(seen.Missed, name)
		}
	}
	return seen
}

// suspend suspends people in JumpCloud, one every step, and returns how long each of them
// could still sign in, sorted.
func (w *World) suspend(people []directory.UserID, step time.Duration) []time.Duration {
	took := make([]time.Duration, len(people))
	var all sync.WaitGroup
	for i, id := range people {
		time.Sleep(step)
		w.Must(w.JumpCloud.SuspendUser(string(id)))
		all.Go(func() {
			took[i] = w.Until("the account is disabled", 3*time.Hour, func() bool { return !w.Enabled(fmt.Sprintf("alone%d", i)) })
		})
	}
	all.Wait()
	slices.Sort(took)
	return took
}

// crowd adds people to JumpCloud whose names are a word and a number.
func (w *World) crowd(word string, n int) []directory.UserID {
	ids := make([]directory.UserID, n)
	for i := range ids {
		ids[i] = w.Hire(fmt.Sprintf("%s%d", word, i))
	}
	return ids
}
