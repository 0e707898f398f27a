package store

import (
	"context"
	"math/rand/v2"
	"time"

	"entrasync/shared/fault"
)

const (
	// contendedTries is how often a change is tried against other writers.
	contendedTries = 12
	// longestLull bounds the wait before another try.
	longestLull = 250 * time.Millisecond
)

// Contended does a change that reads a record and writes it for the version that it
// read, again while another writer is faster: change answers with a fault of kind
// Changed then. Before each new try it waits a random time, at most 1 ms, 2 ms, 4 ms
// and so on to 250 ms, because writers who try again at once keep one another from
// writing. After twelve tries, or when ctx ends, it gives up with the last fault.
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
