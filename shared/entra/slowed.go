package entra

import (
	"context"
	"sync"
	"time"
)

// slowedEvery is how often it is passed on, at most, that Graph asks to slow down.
const slowedEvery = time.Minute

// slowdowns passes on that Graph asks to slow down. The zero value passes nothing on.
type slowdowns struct {
	report func(ctx context.Context, until time.Time)

	mu   sync.Mutex
	last time.Time
}

// note passes on that Graph asks to send nothing for a time, unless that was done within the
// last minute.
func (s *slowdowns) note(ctx context.Context, wait time.Duration) {
	if s == nil || s.report == nil {
		return
	}
	now := time.Now()
	s.mu.Lock()
	due := s.last.IsZero() || now.Sub(s.last) >= slowedEvery
	if due {
		s.last = now
	}
	s.mu.Unlock()
	if due {
		s.report(ctx, now.Add(wait))
	}
}
