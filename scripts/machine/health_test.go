package machine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// However many ask, the disk is asked once in two seconds; a change is told once.
func TestHealthIsAskedRarelyAndToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var trouble error
		var told []error
		h := &health{probe: func(context.Context) error { asked.Add(1); return trouble }, report: func(err error) { told = append(told, err) }}
		ask := func(want error) {
			t.Helper()
			var callers sync.WaitGroup
			for range 100 {
				callers.Go(func() {
					if got := h.state(); !errors.Is(got, want) {
						t.Errorf("%v, want %v", got, want)
					}
				})
			}
			callers.Wait()
		}
		full := errors.New("no space left on device")
		for range 3 {
			ask(nil)
			time.Sleep(healthAge)
		}
		trouble = full
		for range 3 {
			ask(full)
			time.Sleep(healthAge)
		}
		trouble = nil
		ask(nil)
		if asked.Load() != 7 || len(told) != 2 || !errors.Is(told[0], full) || told[1] != nil {
			t.Errorf("asked %d times, told %v", asked.Load(), told)
		}
	})
}

// A disk that does not answer is trouble after five seconds, and nobody asks it a
// second time meanwhile.
func TestADiskThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		answer := make(chan error)
		h := &health{probe: func(context.Context) error { asked.Add(1); return <-answer }, report: func(error) {}}
		for range 3 {
			began := time.Now()
			if err := h.state(); err == nil || time.Since(began) != healthPatience {
				t.Errorf("%v after %s", err, time.Since(began))
			}
			time.Sleep(healthAge)
		}
		go func() { answer <- nil }()
		if err := h.state(); err != nil || asked.Load() != 1 {
			t.Errorf("%v, asked %d times", err, asked.Load())
		}
	})
}
