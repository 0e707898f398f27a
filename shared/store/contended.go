package store

import (
	"context"
	"math/rand/v2"
	"time"

	"entrasync/shared/fault"
)

const (
	// contendedTries is the most attempts of a change while other writers are faster.
	contendedTries = 12
	// longestLull is the longest wait before another attempt.
	longestLull = 250 * time.Millisecond
)

// Contended calls change, which reads a record and writes it if its version is still
// the same. While another writer is faster, change returns a fault of kind Changed and
// Contended calls it again. Before each new attempt it waits a random time, at most 1
// ms, 2 ms, 4 ms and so on to 250 ms, because writers that try again at once block one
// another. After twelve attempts, or when ctx ends, it returns the last fault.
func Contended(ctx context.Context, change func() error) error {
	for try := 0; ; try++ {
		err := change()
		if !fault.Is(err, fault.Changed) || try == contendedTries-1 {
			return err
		}
		lull := min(time.Millisecond<<try, longestLull)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(lull)): //nolint:gosec // spreads writers; nobody gains by guessing it
		}
	}
}
