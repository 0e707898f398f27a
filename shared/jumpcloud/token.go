package jumpcloud

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"entrasync/shared/fault"
)

// token is an access token of a service account.
type token struct {
	value string
	made  time.Time // when it was fetched
	until time.Time // until then it is used
}

// tokens keeps the access token of a client that has the client credentials of a service
// account. Concurrent requests share one request for a token.
type tokens struct {
	url      string
	clientID string
	signIn   func(*http.Request) // adds the client credentials; a closure, so that printing shows no secret

	mu      sync.Mutex
	current token        // the zero token: there is none
	flight  *tokenFlight // the running request for a token; nil: none
}

// tokenFlight is a running request for a token. All requests that need it wait for it.
type tokenFlight struct {
	done  chan struct{}
	token token // when it is done
	err   *fault.Error
	again bool // whether another attempt may help
}

// newTokens makes the tokens of a service account (OAuth 2.0, RFC 6749 section 4.4, with
// the client id and secret as HTTP Basic; JumpCloud-Serverless does it so).
func newTokens(url, clientID, clientSecret string) *tokens {
	return &tokens{url: url, clientID: clientID, signIn: func(r *http.Request) { r.SetBasicAuth(clientID, clientSecret) }}
}

// get returns a token that can be used. used is one that JumpCloud refused, or the zero
// token: it is never returned. After a fault, again says whether another attempt may help.
func (t *tokens) get(ctx context.Context, c *Client, used token) (got token, again bool, problem *fault.Error) {
	t.mu.Lock()
	if t.current.value != used.value && time.Now().Before(t.current.until) {
		defer t.mu.Unlock()
		return t.current, false, nil
	}
	flight := t.flight
	if flight == nil {
		flight = &tokenFlight{done: make(chan struct{})}
		t.flight = flight
		// It does not end with the request that began it, because others wait for it too.
		go t.land(context.WithoutCancel(ctx), c, flight)
	}
	t.mu.Unlock()
	select {
	case <-flight.done:
		if flight.err != nil {
			problem := *flight.err
			return token{}, flight.again, &problem
		}
		return flight.token, false, nil
	case <-ctx.Done():
		return token{}, false, &fault.Error{Op: tokenOp, Kind: fault.Transient, Message: "JumpCloud's sign-in did not answer in time", Err: ctx.Err()}
	}
}

// tokenOp is the operation of a request for a token.
const tokenOp = "jumpcloud.sign in"

// land requests a token and keeps it. The time-out of the HTTP client bounds it.
func (t *tokens) land(ctx context.Context, c *Client, flight *tokenFlight) {
	flight.token, flight.again, flight.err = t.fetch(ctx, c)
	t.mu.Lock()
	t.flight = nil
	t.current = flight.token // none, if it failed: the last one is used up or refused
	t.mu.Unlock()
	close(flight.done)
}

// fetch requests a token once.
func (t *tokens) fetch(ctx context.Context, c *Client) (got token, again bool, problem *fault.Error) {
	begun := time.Now().Round(0) // without monotonic clock: a frozen function must not take an old token for a new one
	what := call{op: tokenOp, subject: string(c.organization), method: http.MethodPost, url: t.url,
		body: []byte("grant_type=client_credentials&scope=api"), form: true, noOrg: true, explain: c.explainSignIn}
	reply, again, problem := c.exchangeOnce(ctx, what, t.signIn)
	if problem != nil {
		return token{}, again, problem
	}
	said := objectOf(reply.body)
	value := said.text("access_token")
	if !canBeSent(value) {
		return token{}, false, &fault.Error{Op: tokenOp, Subject: what.subject, Kind: fault.Transient, Message: "JumpCloud's sign-in answered without an access token"}
	}
	life := tokenLife
	if seconds := said.number("expires_in"); seconds > 0 {
		life = time.Duration(seconds) * time.Second
	}
	return token{value: value, made: begun, until: begun.Add(life - min(tokenSpare, life/4))}, false, nil
}

// canBeSent reports whether a text can be sent as a bearer token (RFC 6750).
func canBeSent(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// explainSignIn says which credential JumpCloud's sign-in refused.
func (c *Client) explainSignIn(problem *fault.Error, status int, _ []byte) {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden: // invalid_client, invalid_grant, unauthorized_client (RFC 6749, 5.2)
		problem.Kind = fault.Unauthorized
		problem.Message = "JumpCloud does not accept the client id and secret of the service account" + c.sinceEnd() + "; make a new secret in JumpCloud and store both"
	case http.StatusNotFound:
		problem.Kind, problem.Message = fault.Invalid, "there is no sign-in of JumpCloud at its address; check the region"
	}
}
