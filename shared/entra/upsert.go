package entra

import (
	"context"
	"net/http"
	"sync/atomic"
)

// The header that makes a PATCH create a group that does not exist (Microsoft Graph
// documentation, upsert group).
const (
	prefer    = "Prefer"
	ifMissing = "create-if-missing"
)

// createsIfMissing reports whether a request creates the object that it names.
func (r request) createsIfMissing() bool { return r.Headers[prefer] == ifMissing }

// upserts records whether Graph creates a missing group in a batch. It is not
// documented that Graph passes the header on to the items, so we find out: a group was
// created in a batch, or one was missing there and created outside. Until then, a
// request for a group that is missing in a batch is sent once more outside.
type upserts struct {
	inBatch atomic.Bool // upserts work in a batch
	outside atomic.Bool // upserts work outside of a batch only
}

// sendAlone sends the requests of a batch that work only outside of one, and returns
// the others.
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

// afterBatch is the answer to a request that was sent in a batch. If the request was to
// create a group and may have been ignored, it is sent once more outside.
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
