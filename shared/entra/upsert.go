package entra

import (
	"context"
	"net/http"
	"sync/atomic"
)

// The header by which a PATCH makes the group that it names where there is none
// (Microsoft Graph documentation, upsert group).
const (
	prefer    = "Prefer"
	ifMissing = "create-if-missing"
)

// createsIfMissing reports whether a request makes the object that it names.
func (r request) createsIfMissing() bool { return r.Headers[prefer] == ifMissing }

// upserts is what we know of whether Graph makes a missing group when it is asked to
// within a batch. Nobody says that it passes the header on there, so it is found out:
// by a group that was made in a batch, or by one that was missing there and was made
// outside. Until then, one that is missing in a batch is asked for once more outside.
type upserts struct {
	inBatch atomic.Bool // they work in a batch
	outside atomic.Bool // they work outside only
}

// sendAlone sends those requests of a batch on their own that work only so, and gives
// the others back.
func (c *Client) sendAlone(ctx context.Context, chunk []request, answers map[string]response) (others []request) {
	for _, r := range chunk {
		if r.createsIfMissing() && c.upserts.outside.Load() {
			answers[r.ID] = c.alone(ctx, r)
		} else {
			others = append(others, r)
		}
	}
	return others
}

// afterBatch is the answer to a request that travelled in a batch: that of another
// try outside, if it was to make a group and may not have been understood.
func (c *Client) afterBatch(ctx context.Context, r request, answer response) response {
	switch {
	case !r.createsIfMissing() || answer.alone:
		return answer
	case answer.Status == http.StatusCreated:
		c.upserts.inBatch.Store(true)
		return answer
	case !answer.absent() || c.upserts.inBatch.Load():
		return answer
	}
	wait, inTime := c.limit.await(ctx, []request{r})
	if !inTime {
		return postponed(r, wait)
	}
	answer = c.alone(ctx, r)
	if answer.err == nil && answer.Status == http.StatusCreated {
		c.upserts.outside.Store(true)
	}
	return answer
}
