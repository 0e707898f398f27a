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
	"strings"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/retryafter"
)

// call is one request to JumpCloud. What is sent through do may be sent again: it
// reads, or writes the same again; what creates something is sent once.
type call struct {
	op      string // for the fault: "jumpcloud.read user"
	subject string // for the fault: the id it is about
	method  string
	url     string
	body    []byte // nil for none
	noOrg   bool   // the route does not take x-org-id
	secret  string // what is in the body and must not be in a fault; "" for nothing
	// explain reads from the body of a refusal what is wrong with the request,
	// for the person who must act; nil or "" when the status says it all.
	explain func(body []byte) string
}

// answer is a successful answer, read whole.
type answer struct {
	header http.Header
	body   []byte
}

// do sends the call until it succeeds, fails for good, was retried maxRetries
// times, or the next wait would outlast the context's deadline or maxWait. In
// that case the fault comes back at once with what is to be waited.
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

// attempt sends the call once and says whether another attempt may help.
func (c *Client) attempt(ctx context.Context, what call) (answer, bool, *fault.Error) {
	fail := func(kind fault.Kind, message string, err error) *fault.Error {
		return &fault.Error{Op: what.op, Subject: what.subject, Kind: kind, Message: message, Err: c.redacted(err, what.secret)}
	}
	request, err := http.NewRequestWithContext(ctx, what.method, what.url, bytes.NewReader(what.body))
	if err != nil {
		return answer{}, false, fail(fault.Invalid, "the address of JumpCloud is not a URL", err)
	}
	request.Header.Set("x-api-key", c.key())
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "entrasync")
	if c.organization != "" && !what.noOrg {
		request.Header.Set("x-org-id", string(c.organization))
	}
	if what.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
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
	means := meaningOf(response.StatusCode)
	if what.secret != "" && response.StatusCode/100 == 3 { // not JumpCloud's word on a password
		means.kind = fault.Transient
	}
	problem := fail(means.kind, means.message, errors.New(describe(response.StatusCode, body)))
	problem.RetryAfter, _ = retryafter.Of(response.Header, time.Now())
	if what.explain != nil && means.kind == fault.Invalid {
		if why := what.explain(body); why != "" {
			problem.Message = why
		}
	}
	return answer{}, means.retry, problem
}

// describe puts a refusal into words: the status, and the message of the body
// in either of the forms JumpCloud uses.
func describe(status int, body []byte) string {
	const longest = 300
	var said struct{ Message, Error any }
	text := "status " + strconv.Itoa(status)
	if json.Unmarshal(body, &said) != nil {
		return text
	}
	for _, part := range []any{said.Message, said.Error} {
		if words, ok := part.(string); ok && words != "" {
			return text + ": " + strings.ToValidUTF8(words[:min(len(words), longest)], "")
		}
	}
	return text
}

// redactedError is an error whose text had a secret in it.
type redactedError struct {
	text  string
	cause error
}

func (e *redactedError) Error() string { return e.text }

// Is lets errors.Is look at the cause without giving its text away.
func (e *redactedError) Is(target error) bool { return errors.Is(e.cause, target) }

// redacted gives err back without the API key and another secret in its text. A
// server or a transport that echoes the request would otherwise put them into the
// log.
func (c *Client) redacted(err error, secret string) error {
	if err == nil {
		return nil
	}
	if text := hide(hide(err.Error(), c.key()), secret); text != err.Error() {
		return &redactedError{text, err}
	}
	return err
}

// decode reads an answer as JSON. What is not JSON, such as the page of a proxy,
// is Transient: it says nothing about the thing that was asked for.
func decode(what call, body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &fault.Error{Op: what.op, Subject: what.subject, Kind: fault.Transient,
			Message: "JumpCloud's answer is not the JSON that was expected"}
	}
	return nil
}
