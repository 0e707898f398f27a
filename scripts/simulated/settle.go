package simulated

import (
	"context"
	"fmt"
	"time"

	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/queue"
)

// soon is how far ahead Settle waits for tasks. A queue that knows the time of its tasks is
// idle if all of them are later, such as the second read of what was connected.
const soon = 5 * time.Second

// Settle waits until nothing is left to do: all queues are empty, and the simulated
// JumpCloud, unless it is nil, has delivered every webhook. It checks that every so often,
// and calls waiting, unless it is nil, twice a second.
func Settle(ctx context.Context, every time.Duration, jumpCloud *jumpcloudtest.Simulator, queues map[string]queue.Queue, waiting func()) error {
	const sayEvery = 500 * time.Millisecond
	check, say := time.NewTicker(every), time.NewTicker(sayEvery)
	defer check.Stop()
	defer say.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the queues do not become empty: %w", ctx.Err())
		case <-say.C:
			if waiting != nil {
				waiting()
			}
		case <-check.C:
			// Deliveries first: their events are in the queues then.
			if !delivered(jumpCloud) {
				continue
			}
			if idle, err := idle(ctx, queues); err != nil || idle {
				return err
			}
		}
	}
}

// idle reports whether all queues are empty. It reads them twice, because a task may have
// moved from a queue that was not read yet to one that was.
func idle(ctx context.Context, queues map[string]queue.Queue) (bool, error) {
	for range 2 {
		for _, q := range queues {
			if busy, err := busy(ctx, q); err != nil || busy {
				return false, err
			}
		}
	}
	return true, nil
}

// busy reports whether a queue has something to do soon.
func busy(ctx context.Context, q queue.Queue) (bool, error) {
	if dated, can := q.(interface {
		Busy(context.Context, time.Duration) (bool, error)
	}); can {
		return dated.Busy(ctx, soon)
	}
	depth, err := q.Depth(ctx)
	return depth.Visible+depth.InFlight > 0, err
}

// delivered reports whether no webhook waits for its delivery.
func delivered(jumpCloud *jumpcloudtest.Simulator) bool {
	if jumpCloud == nil {
		return true
	}
	for _, d := range jumpCloud.Deliveries() {
		if !d.Delivered && !d.Dropped {
			return false
		}
	}
	return true
}
