package simulate

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// Result is what came of a day.
type Result struct {
	Wrong  []string // what is wrong; none if all is well
	Took   time.Duration
	Log    []byte // of the product
	Counts map[string]int
}

// referee ends a day instead of the test that plays it.
type referee struct {
	ctx      context.Context //nolint:containedctx // it is that of a test, which has one too
	cleanups []func()
	wrong    []string
}

// over ends a day that cannot go on.
type over struct{}

// Helper implements world.T.
func (r *referee) Helper() {}

// Context implements world.T.
func (r *referee) Context() context.Context { return r.ctx }

// Cleanup implements world.T.
func (r *referee) Cleanup(do func()) { r.cleanups = append(r.cleanups, do) }

// Error implements world.T.
func (r *referee) Error(args ...any) { r.wrong = append(r.wrong, fmt.Sprint(args...)) }

// Fatal implements world.T.
func (r *referee) Fatal(args ...any) {
	r.Error(args...)
	panic(over{})
}

// Fatalf implements world.T.
func (r *referee) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

// attempt calls do and survives its end.
func (r *referee) attempt(do func()) {
	defer func() {
		switch cause := recover().(type) {
		case nil, over:
		default:
			r.Error(fmt.Sprintf("panic: %v\n%s", cause, debug.Stack()))
		}
	}()
	do()
}

// Play plays a day and returns what is wrong at its end.
func Play(t *testing.T, day Day) (result Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &referee{ctx: t.Context()}
		start := time.Now()
		r.attempt(func() {
			c := newCompany(r, day.Seed)
			defer func() { result.Log = c.log.bytes() }()
			c.live(day.Steps)
			r.wrong = append(r.wrong, c.samples.wrong...)
			r.wrong = append(r.wrong, c.check()...)
		})
		for _, do := range slices.Backward(r.cleanups) {
			r.attempt(do)
		}
		result.Wrong, result.Took = r.wrong, time.Since(start)
	})
	return result
}

// between is how long the time between two samples is at most.
const between = 5 * time.Second

// live plays the steps, ends all trouble, and waits until nothing is left to do.
func (c *company) live(day []Step) {
	for _, s := range day {
		c.pass(s.Wait)
		c.sample() // what is right until now
		steps[s.Do].do(c, s.A, s.B)
		c.sample()
	}
	c.weather.calm()
	c.JumpCloud.Mend()
	c.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) {
		b.LossRate, b.DuplicateRate, b.ReorderRate = 0, 0, 0
		b.UserReadLag, b.GroupReadLag, b.MembershipReadLag, b.AssociationReadLag = 0, 0, 0, 0
	})
	c.settle()
	if c.drops || c.JumpCloud.Counters().Dropped > 0 {
		// Nothing finds lost webhooks yet: an administrator asks for a sync of all, once
		// JumpCloud shows everything.
		c.pass(time.Minute)
		for n := range c.groups {
			c.syncGroup(n)
		}
		for n := range c.people {
			c.sync(n)
		}
		c.settle()
	}
	if c.rough {
		c.sweepUp()
	}
	c.sample()
}

// The sweep looks for what nobody works on every five minutes, and sends a task about the
// same thing again after waits of up to a day.
const (
	sweepPause   = 15 * time.Minute
	longestSweep = 30 * time.Hour
)

// sweepUp waits until the sweep has found all that dead processes left. Without deaths and
// the like there is nothing for it to find.
func (c *company) sweepUp() {
	for start := time.Now(); time.Since(start) < longestSweep; c.settle() {
		left := &findings{}
		if c.checkRecords(left); len(left.list) == 0 {
			return
		}
		time.Sleep(sweepPause)
	}
}

// pass lets time pass.
func (c *company) pass(d time.Duration) {
	for d > 0 {
		step := min(d, between)
		time.Sleep(step)
		c.confirmRehires()
		if d -= step; d > 0 {
			c.sample()
		}
	}
}

// longestWork is how long the work on what happened in a day may take after the trouble
// has ended.
const longestWork = 12 * time.Hour

// settle waits until nothing is left to do.
func (c *company) settle() {
	for start := time.Now(); ; c.pass(between) {
		if c.JumpCloud.Counters().Pending == 0 && c.Idle() {
			return
		}
		if time.Since(start) > longestWork {
			c.t.Fatalf("%s after the end of all trouble the queues have %v, want nothing left to do", longestWork, c.Waiting())
		}
	}
}
