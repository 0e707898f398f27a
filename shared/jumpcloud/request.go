package jumpcloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/readonly"
	"entrasync/shared/retryafter"
)

// call is one request to JumpCloud. A call through do may be repeated: it reads, or
// writes the same again. A call that creates something is sent once.
type call struct {
	op      string // for the fault: "jumpcloud.read user"
	subject string // for the fault: the id it is about
	method  string
	url     string
	body    []byte // nil for none
	noOrg   bool   // the route does not take x-org-id
	form    bool   // the body is a form and not JSON
	secret  string // a part of the body that nobody may see; "" for none
	source  string // header creation-source: where the users that it creates come from
	// explain makes the fault for a refusal more precise, for the person who must act,
	// without secrets; nil when the status is enough.
	explain func(problem *fault.Error, status int, body []byte)
}

// answer is a successful answer with its complete body.
type answer struct {
	header http.Header
	body   []byte
}

// do sends the call until it succeeds, fails for good, was retried maxRetries times, or
// the next wait would exceed the context's deadline or maxWait. In that case it returns
// the fault at once, with the time to wait.
func (c *Client) do(ctx context.Context, what call) (answer, error) {
	for attempt := 0; ; attempt++ {
		got, again, problem := c.attempt(ctx, what)
		if problem == nil {
			return got, nil
		}
		if !again || attempt == maxRetries {
			return answer{}, problem
		}
		wait := problem.RetryAfter
		if wait == 0 {
			wait = min(firstBackoff<<attempt+rand.N(maxJitter), maxWait) //nolint:gosec // jitter needs no secrecy
		}
		deadline, limited := ctx.Deadline()
		if wait > maxWait || limited && time.Until(deadline) <= wait {
			problem.RetryAfter = wait
			return answer{}, problem
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			problem.RetryAfter = wait
			return answer{}, problem
		}
	}
}

// attempt sends the call once, with the key or with an access token, and reports whether
// another attempt may help. If JumpCloud refuses an access token, which may have been
// revoked or ended early, the call is sent once more with another one: what was refused
// did nothing.
func (c *Client) attempt(ctx context.Context, what call) (answer, bool, *fault.Error) {
	if what.secret != "" {
		c = c.knowing(what.secret)
	}
	if c.tokens == nil {
		return c.exchangeOnce(ctx, what, func(r *http.Request) { r.Header.Set("x-api-key", c.key()) })
	}
	used, again, problem := c.tokens.get(ctx, c, token{})
	if problem != nil {
		return answer{}, again, problem
	}
	got, again, problem := c.withToken(ctx, what, used)
	if problem == nil || problem.Kind != fault.Unauthorized || time.Since(used.made) < renewPause {
		return got, again, problem
	}
	if used, again, problem = c.tokens.get(ctx, c, used); problem != nil {
		return answer{}, again, problem
	}
	return c.withToken(ctx, what, used)
}

// withToken sends the call once with an access token.
func (c *Client) withToken(ctx context.Context, what call, t token) (answer, bool, *fault.Error) {
	return c.knowing(t.value).exchangeOnce(ctx, what, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+t.value) })
}

// exchangeOnce sends the call once, signed by signIn, and reports whether another attempt
// may help. The text of a refusal has no secrets, although JumpCloud, or a proxy, may
// repeat what it was sent.
func (c *Client) exchangeOnce(ctx context.Context, what call, signIn func(*http.Request)) (answer, bool, *fault.Error) {
	fail := func(kind fault.Kind, message string, err error) *fault.Error {
		return &fault.Error{Op: what.op, Subject: what.subject, Kind: kind, Message: message, Err: c.hide.Error(err)}
	}
	request, err := http.NewRequestWithContext(ctx, what.method, what.url, bytes.NewReader(what.body))
	if err != nil {
		return answer{}, false, fail(fault.Invalid, "the address of JumpCloud is not a URL", err)
	}
	signIn(request)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "entrasync")
	if c.organization != "" && !what.noOrg {
		request.Header.Set("x-org-id", string(c.organization))
	}
	switch {
	case what.form:
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case what.body != nil:
		request.Header.Set("Content-Type", "application/json")
	}
	if what.source != "" {
		request.Header.Set("creation-source", what.source)
	}
	response, err := c.http.Do(request)
	if refused := readonly.Refusal(err); refused != nil {
		return answer{}, false, refused
	}
	if err != nil {
		return answer{}, ctx.Err() == nil, fail(fault.Transient, "JumpCloud did not answer", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, ctx.Err() == nil, fail(fault.Transient, "JumpCloud's answer broke off", err)
	case len(body) > maxAnswer:
		return answer{}, false, fail(fault.Transient, "JumpCloud's answer is too long", nil)
	case response.StatusCode/100 == 2:
		return answer{response.Header, body}, false, nil
	}
	body = []byte(c.hide.Known(string(body)))
	means := meaningOf(response.StatusCode)
	if what.secret != "" && response.StatusCode/100 == 3 { // it says nothing about the password
		means.kind = fault.Transient
	}
	problem := fail(means.kind, c.meaning(response.StatusCode, means.message), errors.New(c.describe(response.StatusCode, body)))
	problem.Err = c.refusal(request, response.StatusCode, problem.Err)
	problem.RetryAfter, _ = retryafter.Of(response.Header, time.Now())
	if what.explain != nil {
		what.explain(problem, response.StatusCode, body)
	}
	return answer{}, means.retry, problem
}

// describe is the text of a refusal: the status, and the message of the body in either
// of JumpCloud's forms.
func (c *Client) describe(status int, body []byte) string {
	var said struct{ Message, Error any }
	text := "status " + strconv.Itoa(status)
	if json.Unmarshal(body, &said) != nil {
		return text
	}
	for _, part := range []any{said.Message, said.Error} {
		if words, ok := part.(string); ok && words != "" {
			return text + ": " + c.hide.Text(words)
		}
	}
	return text
}

// decode reads an answer as JSON. An answer that is not JSON, such as the page of a
// proxy, is Transient: it says nothing about the requested object.
func decode(what call, body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &fault.Error{Op: what.op, Subject: what.subject, Kind: fault.Transient,
			Message: "JumpCloud's answer is not the JSON that was expected"}
	}
	return nil
}
