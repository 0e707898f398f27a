package entra

import (
	"context"
	"strconv"
	"time"
)

// errand is what has to be asked or written of one thing, when it takes several
// requests of which some follow from the answers to others: the next page of a
// list, the members of a group after the group.
type errand struct {
	requests []request        // the next ones; none when the errand is done
	then     func([]response) // takes their answers, in their order, and sets the next ones
	wait     time.Duration    // before the next ones
	late     func()           // there is no time for the wait: the errand ends
}

// run does errands side by side, in rounds: what all of them send next travels
// together.
func (c *Client) run(ctx context.Context, errands []*errand) {
	for {
		hold(ctx, errands)
		var round []request
		var asked []*errand
		for _, e := range errands {
			if len(e.requests) == 0 {
				continue
			}
			asked = append(asked, e)
			for i := range e.requests {
				e.requests[i].ID = strconv.Itoa(len(round))
				round = append(round, e.requests[i])
			}
		}
		if len(round) == 0 {
			return
		}
		answers := c.send(ctx, round)
		for _, e := range asked {
			own := make([]response, len(e.requests))
			for i, r := range e.requests {
				own[i] = answers[r.ID]
			}
			e.requests = nil
			e.then(own)
		}
	}
}

// hold waits as long as any of the errands has to. Those that have to wait longer
// than is worth it end, and so do all that wait if there is no time for it.
func hold(ctx context.Context, errands []*errand) {
	var longest time.Duration
	for _, e := range errands {
		if e.wait <= patience {
			longest = max(longest, e.wait)
		}
	}
	inTime := longest == 0 || pause(ctx, longest)
	for _, e := range errands {
		if e.wait > patience || e.wait > 0 && !inTime {
			e.requests = nil
			e.late()
		}
		e.wait = 0
	}
}
