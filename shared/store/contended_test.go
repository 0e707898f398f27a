package store_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// A change that always loses ends with the last fault, after a limited time.
func TestAContendedChange(t *testing.T) {
	lost := fault.New(fault.Changed, "test", "somebody was faster")
	for _, c := range []struct {
		name      string
		losses    int // before the change succeeds
		other     error
		patience  time.Duration
		wantTries int
		want      error
		atLeast   time.Duration
	}{
		{"nobody else", 0, nil, time.Hour, 1, nil, 0},
		{"eleven lost", 11, nil, time.Hour, 12, nil, time.Millisecond},
		{"all lost", 100, nil, time.Hour, 12, lost, time.Millisecond},
		{"another fault", 0, context.DeadlineExceeded, time.Hour, 1, context.DeadlineExceeded, 0},
		{"no time left", 100, nil, 0, 1, lost, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.patience)
				defer cancel()
				began, tries := time.Now(), 0
				err := store.Contended(ctx, func() error {
					tries++
					if tries <= c.losses {
						return lost
					}
					return c.other
				})
				took := time.Since(began)
				if err != c.want || tries != c.wantTries { //nolint:errorlint // the very fault
					t.Errorf("%d tries, %v; want %d, %v", tries, err, c.wantTries, c.want)
				}
				if took < c.atLeast || took > 1500*time.Millisecond {
					t.Errorf("took %s, want took at least %v, took at most %v", took, c.atLeast, 1500*time.Millisecond)
				}
			})
		})
	}
}
