package deadline_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/deadline"
)

// left is how long a context still lasts; 0 if it has no deadline.
func left(ctx context.Context) time.Duration {
	end, limited := ctx.Deadline()
	if !limited {
		return 0
	}
	return time.Until(end)
}

func TestAnInvocationHasTimeForItsRecordsAndItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		invocation, end := context.WithTimeout(t.Context(), time.Minute)
		defer end()
		work, stop := deadline.ForWork(invocation, deadline.Reserve)
		defer stop()
		check := func(what string, ctx context.Context, want time.Duration) {
			t.Helper()
			if got := left(ctx); got != want {
				t.Errorf("%s has %s left, want %s", what, got, want)
			}
		}
		records := func() time.Duration {
			ctx, cancel := deadline.ForRecords(work, 5*time.Second)
			defer cancel()
			return left(ctx)
		}
		check("the work", work, 50*time.Second)
		if got := records(); got != 5*time.Second {
			t.Errorf("records have %s, want 5s", got)
		}
		if !deadline.Allows(work, 49*time.Second) || deadline.Allows(work, 50*time.Second) {
			t.Error("the work must have time for 49 s and not for 50 s")
		}
		time.Sleep(53 * time.Second)
		if work.Err() == nil {
			t.Error("the work has not ended 7 s before the deadline")
		}
		if got := records(); got != 4*time.Second {
			t.Errorf("records have %s when 7 s are left, want 4s", got)
		}
		time.Sleep(4 * time.Second)
		answer, cancel := deadline.ForAnswer(work, 5*time.Second)
		defer cancel()
		check("the answer", answer, 2*time.Second)
		if answer.Err() != nil {
			t.Error("the context of the answer ended with the work")
		}
	})
}

func TestAContextWithoutADeadlineHasTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work, stop := deadline.ForWork(context.Background(), deadline.Reserve)
		defer stop()
		if left(work) != 0 || !deadline.Allows(work, time.Hour) {
			t.Error("the work has a deadline, want none")
		}
		records, cancel := deadline.ForRecords(work, 5*time.Second)
		defer cancel()
		if got := left(records); got != 5*time.Second {
			t.Errorf("records have %s, want 5s", got)
		}
	})
}
