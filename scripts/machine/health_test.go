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

// The disk is probed at most once in two seconds, however many requests there are, and a
// change is logged once.
func TestHealthIsProbedRarelyAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var probes atomic.Int64
		var trouble error
		var reported []error
		h := &health{probe: func(context.Context) error { probes.Add(1); return trouble }, report: func(err error) { reported = append(reported, err) }}
		check := func(want error) {
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
			check(nil)
			time.Sleep(healthAge)
		}
		trouble = full
		for range 3 {
			check(full)
			time.Sleep(healthAge)
		}
		trouble = nil
		check(nil)
		if probes.Load() != 7 || len(reported) != 2 || !errors.Is(reported[0], full) || reported[1] != nil {
			t.Errorf("%d probes, reported %v; want 7, the full disk and then nil", probes.Load(), reported)
		}
	})
}

// A disk that does not answer counts as broken after five seconds, and there is no second
// probe meanwhile.
func TestADiskThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var probes atomic.Int64
		answer := make(chan error)
		h := &health{probe: func(context.Context) error { probes.Add(1); return <-answer }, report: func(error) {}}
		for range 3 {
			began := time.Now()
			if err := h.state(); err == nil || time.Since(began) != healthPatience {
				t.Errorf("%v after %s, want an error after %s", err, time.Since(began), healthPatience)
			}
			time.Sleep(healthAge)
		}
		go func() { answer <- nil }()
		if err := h.state(); err != nil || probes.Load() != 1 {
			t.Errorf("%v after %d probes, want no error after 1", err, probes.Load())
		}
	})
}
