package entra

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"

	"entrasync/shared/fault"
	"entrasync/shared/redact"
)

// maxBatch is the most requests that Graph takes in one $batch.
const maxBatch = 20

// request is one item of a batch.
type request struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`

	binds    int  // how many members it adds
	pressing bool // see presses
}

// response is the answer to one item.
type response struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
	err     error             // the item was not answered
}

// item makes a request of a batch from what a typed builder made.
func (c *Client) item(id string, info *abstractions.RequestInformation) (request, error) {
	uri, err := info.GetUri()
	if err != nil {
		return request{}, fault.Wrap(err, fault.Internal, "entra.batch item")
	}
	r := request{ID: id, Method: info.Method.String(), URL: strings.TrimPrefix(uri.String(), c.baseURL)}
	if len(info.Content) > 0 {
		r.Headers = map[string]string{"Content-Type": "application/json"}
		r.Body = info.Content
	}
	return r, nil
}

// asItem is [Client.item] of what a builder just made, or the builder's error. The
// id is given when it is sent.
func (c *Client) asItem(info *abstractions.RequestInformation, err error) (request, error) {
	if err != nil {
		return request{}, err
	}
	return c.item("", info)
}

// send sends requests, at most maxBatch to an HTTP request, and answers every
// one of them by its id. Writes wait for their turn within the quota. Items that
// Graph throttles all the same are sent again, after the longest wait that any of
// them names; what is still throttled then comes back so, and so does what would
// have to wait too long.
func (c *Client) send(ctx context.Context, requests []request) map[string]response {
	answers := map[string]response{}
	for chunk := range slices.Chunk(requests, maxBatch) {
		for try := 1; ; try++ {
			if wait, inTime := c.limit.await(ctx, chunk); !inTime {
				putOff(chunk, wait, answers)
				break
			}
			again, wait := c.sendOnce(ctx, chunk, answers)
			if len(again) == 0 || try == maxTries || !pause(ctx, wait) {
				break
			}
			chunk = again
		}
	}
	return answers
}

// sendOnce posts one $batch and sorts the answers in. It returns the items that
// were throttled and how long Graph wants us to wait.
func (c *Client) sendOnce(ctx context.Context, chunk []request, answers map[string]response) (again []request, wait time.Duration) {
	got, err := c.post(ctx, chunk)
	for _, r := range chunk {
		answer, answered := got[r.ID]
		switch {
		case err != nil:
			answer = response{ID: r.ID, err: err}
		case !answered:
			answer = response{ID: r.ID, err: fault.New(fault.Transient, "entra.batch", "Graph answered the batch without this item")}
		}
		answers[r.ID] = answer
		if answer.Status == http.StatusTooManyRequests {
			again = append(again, r)
			wait = max(wait, retryAfter(answer.header(), time.Now()))
		}
	}
	c.limit.note(again, answers)
	return again, wait
}

// header is the item's headers as http has them.
func (r response) header() http.Header {
	h := http.Header{}
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	return h
}

// post does one $batch exchange. Graph may answer the whole with 424 when an
// item was throttled; the body then lists every item all the same.
func (c *Client) post(ctx context.Context, chunk []request) (map[string]response, error) {
	body, err := json.Marshal(map[string]any{"requests": chunk})
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "entra.batch encode")
	}
	info := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(
		abstractions.POST, "{+baseurl}/$batch", map[string]string{"baseurl": c.baseURL})
	info.SetStreamContentAndContentType(body, "application/json")
	status, header, answer, err := c.exchange(ctx, info)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK && status != http.StatusFailedDependency {
		return nil, refusal("entra.batch", status, header, answer)
	}
	var parsed struct {
		Responses []response `json:"responses"`
	}
	if err := json.Unmarshal(answer, &parsed); err != nil {
		return nil, &fault.Error{Op: "entra.batch", Kind: fault.Transient, Message: "Graph's answer to a batch cannot be read", Err: err}
	}
	got := make(map[string]response, len(parsed.Responses))
	for _, r := range parsed.Responses {
		got[r.ID] = r
	}
	return got, nil
}

// maxAnswer bounds what we read of one answer.
const maxAnswer = 16 << 20

// exchange sends a request that a builder made, signed in, and reads the answer.
// A token that is refused is renewed once.
func (c *Client) exchange(ctx context.Context, info *abstractions.RequestInformation) (status int, header http.Header, answer []byte, err error) {
	info.Headers.TryAdd("Accept", "application/json")
	for renewed := false; ; renewed = true {
		status, header, answer, err = c.once(ctx, info)
		if err != nil || status != http.StatusUnauthorized || renewed {
			return status, header, answer, err
		}
		c.tokens.renew()
		info.Headers.Remove("Authorization")
	}
}

// once sends a request one time.
func (c *Client) once(ctx context.Context, info *abstractions.RequestInformation) (status int, header http.Header, answer []byte, err error) {
	native, err := c.adapter.ConvertToNativeRequest(ctx, info)
	if err != nil {
		return 0, nil, nil, fault.Wrap(err, fault.Transient, "entra.prepare request")
	}
	r, ok := native.(*http.Request)
	if !ok {
		return 0, nil, nil, fault.New(fault.Internal, "entra.prepare request", fmt.Sprintf("the SDK made a %T", native))
	}
	if len(info.Content) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(info.Content))
		r.ContentLength = int64(len(info.Content))
	}
	secrets := func() redact.Redactor { return secretsIn(r, info.Content) }
	response, err := c.http.Do(r)
	if err != nil {
		return 0, nil, nil, &fault.Error{Op: "entra.request", Kind: fault.Transient, Message: "Graph did not answer", Err: secrets().Error(err)}
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return 0, nil, nil, &fault.Error{Op: "entra.request", Kind: fault.Transient, Message: "Graph's answer broke off", Err: err}
	}
	return response.StatusCode, response.Header, discreet(response.StatusCode, answer, secrets), nil
}
