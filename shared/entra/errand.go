package entra

import (
	"context"
	"strconv"
	"time"
)

// errand is a read or a write of one object that takes several requests, some of which
// depend on the answers to others: the next page of a list, the members of a group
// after the group.
type errand struct {
	requests []request        // the next ones; none when the errand is done
	then     func([]response) // takes their answers, in their order, and sets the next requests
	wait     time.Duration    // before the next requests
	late     func()           // there is no time for the wait: the errand ends
}

// run does errands at the same time, in rounds: the next requests of all of them are
// sent together.
func (c *Client) run(ctx context.Context, errands []*errand) {
	for {
		waitForLongest(ctx, errands)
		var round []request
		var open []*errand
		for _, e := range errands {
			if len(e.requests) == 0 {
				continue
			}
			open = append(open, e)
			for i := range e.requests {
				e.requests[i].ID = strconv.Itoa(len(round))
				round = append(round, e.requests[i])
			}
		}
		if len(round) == 0 {
			return
		}
		answers := c.send(ctx, round)
		for _, e := range open {
			own := make([]response, len(e.requests))
			for i, r := range e.requests {
				own[i] = answers[r.ID]
			}
			e.requests = nil
			e.then(own)
		}
	}
}

// waitForLongest waits for the longest wait of the errands. Errands that need a wait
// longer than our patience end; all that need a wait end if there is no time for it, or if
// they may not go on after it.
func waitForLongest(ctx context.Context, errands []*errand) {
	var longest time.Duration
	for _, e := range errands {
		if e.wait <= patience {
			longest = max(longest, e.wait)
		}
	}
	inTime := longest == 0 || pauseBefore(ctx, longest)
	for _, e := range errands {
		if e.wait > patience || e.wait > 0 && !inTime {
			e.requests = nil
			e.late()
		}
		e.wait = 0
	}
}
