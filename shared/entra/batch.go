package entra

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"

	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// soon is when to try again what may not be sent any more after a wait for the quota.
const soon = time.Second

// maxBatch is the highest number of requests that Graph accepts in one $batch.
const maxBatch = 20

// request is one request, on its own or as an item of a batch.
type request struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"` // below the version
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`

	binds   int // how many members it adds
	urgency urgency
}

// item turns what a typed builder made into a request. A write always has a body, even
// where the call takes none: one write without a body makes Graph refuse the complete
// batch (Microsoft Graph documentation, JSON batching).
func (c *Client) item(id string, info *abstractions.RequestInformation) (request, error) {
	uri, err := info.GetUri()
	if err != nil {
		return request{}, fault.Wrap(err, fault.Internal, "entra.batch item")
	}
	r := request{ID: id, Method: info.Method.String(), URL: strings.TrimPrefix(uri.String(), c.baseURL), Body: info.Content}
	if len(r.Body) == 0 && (r.Method == http.MethodPost || r.Method == http.MethodPatch || r.Method == http.MethodPut) {
		r.Body = json.RawMessage("{}")
	}
	if len(r.Body) > 0 {
		r.Headers = map[string]string{"Content-Type": "application/json"}
	}
	return r, nil
}

// asItem is [Client.item] of what a builder just made, or the builder's error. The
// sender sets the id.
func (c *Client) asItem(info *abstractions.RequestInformation, err error) (request, error) {
	if err != nil {
		return request{}, err
	}
	return c.item("", info)
}

// send sends requests, at most maxBatch in an HTTP request and the urgent ones first, and
// returns the answer to each of them by its id.
func (c *Client) send(ctx context.Context, requests []request) map[string]response {
	answers := map[string]response{}
	for chunk := range slices.Chunk(urgentFirst(requests), maxBatch) {
		c.sendChunk(ctx, chunk, answers)
		for _, r := range chunk {
			answer := c.afterBatch(ctx, r, answers[r.ID])
			if answer.err == nil {
				answer.err = missingPermission(r, answer.Status, answer.Body, answer.token)
			}
			answers[r.ID] = answer
		}
	}
	return answers
}

// sendChunk sends the requests of one batch, which are sorted by urgency. Writes wait for
// their turn within the quota; if that takes too long they are answered with 429. Urgent
// ones do not wait for others: if these would have to wait, they are sent after them. Items that Graph throttles
// are sent again after the longest wait that Graph names for any of them; if they are
// throttled again, that is their answer. Items that Graph refused in a way that a new
// token may change are sent once more with one. Nothing else is sent twice, because
// after any other failure it is unknown what Graph did. After every wait it is asked whether
// the requests may still be sent; if not, they are answered with 429 too.
func (c *Client) sendChunk(ctx context.Context, chunk []request, answers map[string]response) {
	tries, renewed := 1, false
	for len(chunk) > 0 {
		if first, others := apart(chunk); len(others) > 0 && !c.limit.free(chunk) {
			c.sendChunk(ctx, first, answers)
			chunk = others
			continue
		}
		wait, inTime := c.limit.await(ctx, chunk)
		if inTime && wait > 0 && !reconcile.MayStill(ctx) {
			wait, inTime = soon, false
		}
		if !inTime {
			putOff(chunk, wait, answers)
			return
		}
		c.post(ctx, chunk, answers)
		var again []request
		if !renewed {
			again = c.withNewToken(ctx, chunk, answers)
			renewed = len(again) > 0
		}
		throttled, wait := c.throttled(chunk, answers)
		if len(throttled) > 0 {
			c.slow.note(ctx, wait)
		}
		if tries < maxTries && len(throttled) > 0 && pauseBefore(ctx, wait) {
			again = urgentFirst(append(again, throttled...))
			tries++
		}
		chunk = again
	}
}

// throttled are the requests that Graph throttled, and how long Graph wants us to wait.
func (c *Client) throttled(chunk []request, answers map[string]response) (again []request, wait time.Duration) {
	for _, r := range chunk {
		if answer := answers[r.ID]; answer.Status == http.StatusTooManyRequests {
			again = append(again, r)
			wait = max(wait, retryAfter(answer.header(), time.Now()))
		}
	}
	c.limit.note(again, answers)
	return again, wait
}

// withNewToken are the requests to send again: Graph refused them in a way that the
// present token may change. If the sign-in fails, its error is the answer to the
// requests whose token was refused.
func (c *Client) withNewToken(ctx context.Context, chunk []request, answers map[string]response) (again []request) {
	var failed error
	for _, r := range chunk {
		answer, helps := answers[r.ID], false
		why := answer.doubt()
		if why != noDoubt && failed == nil {
			helps, failed = c.tokens.renew(ctx, answer.token, why)
		}
		switch {
		case helps:
			again = append(again, r)
		case failed != nil && why == tokenRefused:
			answers[r.ID] = response{ID: r.ID, err: failed}
		}
	}
	return again
}

// post does one $batch exchange and stores the answers by id. Graph may answer the
// complete batch with 424 when it throttled an item; the body then still lists every
// item.
func (c *Client) post(ctx context.Context, chunk []request, answers map[string]response) {
	if chunk = c.sendAlone(ctx, chunk, answers); len(chunk) == 0 {
		return
	}
	got, err := c.postBatch(ctx, chunk)
	switch {
	case err == nil && ranNothing(got):
		c.postApart(ctx, chunk, answers)
		return
	case err == nil && got.status != http.StatusOK && got.status != http.StatusFailedDependency:
		err = refusal("entra.batch", got.status, got.header, got.body)
	}
	var each map[string]response
	if err == nil {
		each, err = readBatch(got)
	}
	for _, r := range chunk {
		answer, answered := each[strings.ToLower(r.ID)]
		switch {
		case err != nil:
			answer = response{err: err}
		case !answered:
			answer = response{err: fault.New(fault.Transient, "entra.batch", "Graph answered the batch without this item")}
		}
		answer.ID = r.ID
		answers[r.ID] = answer
	}
}

// postBatch sends a batch. Each of its items says how urgent it is.
func (c *Client) postBatch(ctx context.Context, chunk []request) (reply, error) {
	items := make([]request, len(chunk))
	for i, r := range chunk {
		items[i] = r.prioritized()
	}
	body, err := json.Marshal(map[string]any{"requests": items})
	if err != nil {
		return reply{}, fault.Wrap(err, fault.Internal, "entra.batch encode")
	}
	return c.accepted(ctx, request{Method: http.MethodPost, URL: "/$batch", Headers: map[string]string{"Content-Type": "application/json"}, Body: body, urgency: live})
}

// ranNothing reports whether Graph refused a batch before it ran any item, perhaps
// because of one of them: it does not understand the batch, the batch is too large, or
// the refusal has the code of an item (when Graph does that is not documented). Any
// other refusal is about us, the tenant or Graph itself.
func ranNothing(got reply) bool {
	switch got.status {
	case http.StatusRequestEntityTooLarge:
		return true
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict:
		code := errorOf(got.body).Code
		return code != "" && !throttleCodes[code]
	default:
		return false
	}
}

// postApart sends a batch again in halves, down to single requests. Graph ran none of
// its items, because something is wrong with one of them, and refused them all. So the
// others succeed, and the wrong one gets the refusal of its own.
func (c *Client) postApart(ctx context.Context, chunk []request, answers map[string]response) {
	if len(chunk) == 1 {
		answers[chunk[0].ID] = c.alone(ctx, chunk[0])
		return
	}
	half := len(chunk) / 2
	c.post(ctx, chunk[:half], answers)
	c.post(ctx, chunk[half:], answers)
}

// alone sends a request outside of a batch.
func (c *Client) alone(ctx context.Context, r request) response {
	got, err := c.accepted(ctx, r)
	if err != nil {
		return response{ID: r.ID, err: err}
	}
	answer := response{ID: r.ID, Status: got.status, Headers: map[string]string{}, Body: got.body, token: got.token, alone: true}
	for name, values := range got.header {
		answer.Headers[name] = strings.Join(values, ", ")
	}
	return answer
}
