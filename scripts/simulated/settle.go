package simulated

import (
	"context"
	"fmt"
	"time"

	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/queue"
)

// soon is how far ahead Settle looks: what is to be done later, such as to read once more
// what was connected, is not awaited where a queue can tell.
const soon = 5 * time.Second

// Settle looks every so often, until all queues are empty and the simulated
// JumpCloud, unless it is nil, has delivered every webhook. From time to time it
// says so by calling waiting, unless that is nil.
func Settle(ctx context.Context, every time.Duration, jumpCloud *jumpcloudtest.Simulator, queues map[string]queue.Queue, waiting func()) error {
	const sayEvery = 500 * time.Millisecond
	look, say := time.NewTicker(every), time.NewTicker(sayEvery)
	defer look.Stop()
	defer say.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the queues do not become empty: %w", ctx.Err())
		case <-say.C:
			if waiting != nil {
				waiting()
			}
		case <-look.C:
			// First the deliveries: what they bring is in the queues then.
			if !delivered(jumpCloud) {
				continue
			}
			if idle, err := idle(ctx, queues); err != nil || idle {
				return err
			}
		}
	}
}

// idle reports whether all queues are empty. It looks twice, because work may
// have gone from a queue that was not looked at yet to one that was.
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

// busy reports whether a queue holds what is to be done soon.
func busy(ctx context.Context, q queue.Queue) (bool, error) {
	if dated, can := q.(interface {
		Busy(context.Context, time.Duration) (bool, error)
	}); can {
		return dated.Busy(ctx, soon)
	}
	depth, err := q.Depth(ctx)
	return depth.Visible+depth.InFlight > 0, err
}

// delivered reports whether no webhook is under way.
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
