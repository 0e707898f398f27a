package play

import (
	"context"
	"fmt"
	"time"

	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/queue"
)

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
			depth, err := q.Depth(ctx)
			if err != nil || depth.Visible+depth.InFlight > 0 {
				return false, err
			}
		}
	}
	return true, nil
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
