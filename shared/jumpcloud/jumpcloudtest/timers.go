package jumpcloudtest

import (
	"context"
	"sync"
	"time"
)

// timers runs functions later and ends them all at once. close waits for functions that
// run, and drops those that still wait.
type timers struct {
	running context.Context
	stop    context.CancelFunc

	mu      sync.Mutex
	closed  bool
	waiting map[*time.Timer]struct{}
	busy    sync.WaitGroup
}

// after runs do in its own goroutine after d. It does nothing after close.
func (t *timers) after(d time.Duration, do func(context.Context)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if t.waiting == nil {
		t.waiting = map[*time.Timer]struct{}{}
	}
	t.busy.Add(1)
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		defer t.busy.Done()
		t.mu.Lock()
		delete(t.waiting, timer)
		t.mu.Unlock()
		do(t.running)
	})
	t.waiting[timer] = struct{}{}
}

func (t *timers) close() {
	t.mu.Lock()
	t.closed = true
	for timer := range t.waiting {
		if timer.Stop() {
			t.busy.Done()
		}
	}
	t.waiting = nil
	t.mu.Unlock()
	t.stop()
	t.busy.Wait()
}
