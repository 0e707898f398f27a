// Package longwork is the loop of work that takes longer than an invocation, such as an
// import or a resync. Its record says who works on it, and until when (store.Held): nobody
// else does meanwhile. A process that dies leaves a lease that expires; the next one goes on
// where the record says.
package longwork

import (
	"context"
	"sync/atomic"
	"time"

	"entrasync/shared/deadline"
	"entrasync/shared/fault"
	"entrasync/shared/sqsbatch"
)

const (
	// LeaseTime is how long nobody else works on a record after its worker stored it:
	// longer than a step takes.
	LeaseTime = 2 * time.Minute
	// StepTime is how long one step may take at most.
	StepTime = time.Minute
	// ShortestStep is how much time must be left to begin a step.
	ShortestStep = 8 * time.Second
)

// Work is work under a lease.
type Work interface {
	// Step does the next thing, and says how long to wait before the one after it. over says
	// that there is nothing to do now.
	Step(ctx context.Context) (wait time.Duration, over bool, err error)
	// Keep stores the record and extends the lease; Changed if somebody else has it.
	Keep(ctx context.Context) error
	// Until is when the lease expires.
	Until() time.Time
}

// Loop does steps until there is nothing to do, until somebody else has the lease, or until
// the time of the invocation is over. over says that there is nothing to do now.
func Loop(ctx context.Context, w Work) (over bool, err error) {
	for deadline.Allows(ctx, ShortestStep) {
		wait, over, err := w.Step(ctx)
		if over || err != nil {
			return over, Overtaken(err)
		}
		if !pause(ctx, min(wait, LeaseTime/4)) {
			return false, nil
		}
		if time.Until(w.Until()) < LeaseTime/2 {
			if err := w.Keep(ctx); err != nil {
				return false, Overtaken(err)
			}
		}
	}
	return false, nil
}

// Overtaken is nil for the fault that another worker was faster: it goes on.
func Overtaken(err error) error {
	if fault.Is(err, fault.Changed) {
		return nil
	}
	return err
}

// pause waits; false if there is not enough time for the wait and a step after it.
func pause(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return true
	}
	if !deadline.Allows(ctx, wait+ShortestStep) {
		return false
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// Some calls work for 0 to n-1, at most atOnce of them at the same time. A panic in one of them
// becomes a panic of the caller.
func Some(n, atOnce int, work func(int)) {
	var next atomic.Int64
	sqsbatch.SideBySide(min(n, atOnce), func(int) {
		for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
			work(i - 1)
		}
	})
}
