package entra

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/readonly"
	"entrasync/shared/redact"
)

// maxAnswer is the highest number of bytes that we read of one answer.
const maxAnswer = 16 << 20

// reply is the answer to one HTTP request.
type reply struct {
	status int
	header http.Header
	body   []byte
	token  token // that the request carried
}

// unsent is the error of a request that was not sent because there is no token: Graph
// certainly did nothing.
type unsent struct{ error }

// Unwrap gives the cause.
func (u unsent) Unwrap() error { return u.error }

// exchangeItem sends a single request with our token, and reads the answer. It sends it
// again with a new token if that may help. The error says that Graph did not answer, or that
// the application lacks a permission.
func (c *Client) exchangeItem(ctx context.Context, r request) (status int, header http.Header, answer []byte, err error) {
	got, err := c.acceptedItem(ctx, r)
	return got.status, got.header, got.body, err
}

// acceptedItem is exchangeItem with the complete reply, none beside an error.
func (c *Client) acceptedItem(ctx context.Context, r request) (reply, error) {
	got, err := c.accepted(ctx, r)
	if err == nil {
		err = missingPermission(r, got.status, got.body, got.token)
	}
	if err != nil {
		return reply{}, err
	}
	return got, nil
}

// accepted sends a request, and once more if Graph refused it in a way that a new
// token may change.
func (c *Client) accepted(ctx context.Context, r request) (reply, error) {
	got, err := c.once(ctx, r)
	why := doubtOf(got.status, got.body)
	if err != nil || why == noDoubt {
		return got, err
	}
	again, err := c.tokens.renew(ctx, got.token, why)
	switch {
	case again:
		return c.once(ctx, r)
	case err != nil && why == tokenRefused:
		return reply{}, unsent{err}
	default:
		return got, nil
	}
}

// doubtOf is the doubt that an answer casts on the token. Graph answers the same for a
// missing permission and for a protected object.
func doubtOf(status int, body []byte) doubt {
	switch status {
	case http.StatusUnauthorized:
		return tokenRefused
	case http.StatusForbidden:
		if e := errorOf(body); e.Code != "" && whyForbidden(e).Reason != directory.QuotaExceeded {
			return rightMissing
		}
	}
	return noDoubt
}

// once sends a request once.
func (c *Client) once(ctx context.Context, r request) (reply, error) {
	if !strings.HasPrefix(r.URL, "/") { // it could lead to another host
		return reply{}, fault.New(fault.Internal, "entra.request", "a request without a path is not sent with our token")
	}
	carried, err := c.tokens.get(ctx)
	if err != nil {
		return reply{}, unsent{err}
	}
	native, err := http.NewRequestWithContext(ctx, r.Method, c.baseURL+r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return reply{}, fault.Wrap(err, fault.Internal, "entra.prepare request")
	}
	for name, value := range r.prioritized().Headers {
		native.Header.Set(name, value)
	}
	native.Header.Set("Accept", "application/json")
	native.Header.Set("Authorization", "Bearer "+carried.value)
	secrets := func() redact.Redactor { return secretsIn(native, r.Body) }
	response, err := c.http.Do(native)
	if refused := readonly.Refusal(err); refused != nil {
		return reply{}, refused
	}
	if err != nil {
		return reply{}, &fault.Error{Op: "entra.request", Kind: fault.Transient, Message: "Graph did not answer", Err: secrets().Error(err)}
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return reply{}, &fault.Error{Op: "entra.request", Kind: fault.Transient, Message: "Graph's answer broke off", Err: err}
	}
	return reply{status: response.StatusCode, header: response.Header, body: discreet(response.StatusCode, answer, secrets), token: carried}, nil
}
