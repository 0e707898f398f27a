package entra

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/secret"
)

// How long tokens are used (assumed, except for the times that Entra sends with a
// token).
const (
	// tokenSpare is how long before its expiry a token is no longer used: longer than a
	// request takes, and clocks differ.
	tokenSpare = time.Minute
	// earlyRefresh is how long before its expiry a token is replaced if Entra named no
	// earlier time.
	earlyRefresh = 5 * time.Minute
	// refreshPause is the shortest time between two early replacements, even when the
	// first one failed.
	refreshPause = time.Minute
	// renewPause is the shortest time between two replacements of tokens that Graph
	// refused, or that lacked a permission.
	renewPause = time.Minute
	// probeAge is how old a token may be that was made for a probe: probes of two
	// directories on one tenant share it.
	probeAge = 30 * time.Second
	// signInLimit is the longest time for one sign-in with all its tries.
	signInLimit = 30 * time.Second
)

// token is an access token of the application.
type token struct {
	value  string
	made   time.Time // no earlier than Entra made it
	early  time.Time // from then on another token is fetched in the background
	until  time.Time // until then it is used
	rights rights
}

// newToken reads Entra's answer. Its times have no monotonic clock: on a machine that
// slept, or in a function that was frozen, an old token must not seem new.
func newToken(got azcore.AccessToken) token {
	t := token{value: got.Token, made: time.Now().Round(0), until: got.ExpiresOn.Round(0).Add(-tokenSpare), early: got.RefreshOn.Round(0), rights: rightsIn(got.Token)}
	if got.RefreshOn.IsZero() {
		t.early = got.ExpiresOn.Round(0).Add(-earlyRefresh)
	}
	return t
}

// rights are what a token allows the application to do. They are fixed when the token
// is made: a permission granted later is in the next token only.
type rights struct {
	readable       bool     // Graph does not promise a form of its tokens
	roles          []string // application permissions
	directoryRoles []string // directory roles, by the ids of their templates
}

// rightsIn reads the rights from a token. It does not check the signature, because the
// rights are only compared. A token that is no JSON web token has no readable rights;
// one without the claims has none at all.
func rightsIn(value string) rights {
	parts := strings.Split(value, ".")
	if len(parts) != 3 {
		return rights{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var claims struct {
		Roles []string `json:"roles"`
		WIDs  []string `json:"wids"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return rights{}
	}
	slices.Sort(claims.Roles)
	slices.Sort(claims.WIDs)
	return rights{readable: true, roles: claims.Roles, directoryRoles: claims.WIDs}
}

// same reports whether two tokens certainly have the same rights.
func (r rights) same(other rights) bool {
	return r.readable && other.readable && slices.Equal(r.roles, other.roles) && slices.Equal(r.directoryRoles, other.directoryRoles)
}

// granted is what the rights are to others; nil if the token cannot be read.
func (t token) granted() *directory.Granted {
	if !t.rights.readable {
		return nil
	}
	return &directory.Granted{At: t.made.UTC(), Permissions: append([]string{}, t.rights.roles...), DirectoryRoles: slices.Clone(t.rights.directoryRoles)}
}

// tokens keeps the token of a client. While the token is good no request waits: an
// early replacement is fetched in the background, one at a time, and tried again after
// a pause if it fails. The SDK instead makes every request wait for such a replacement
// with all its tries, as long as Entra's sign-in is down.
type tokens struct {
	signIn signIn

	mu      sync.Mutex
	current token     // the zero token: there is none
	flight  *flight   // the running sign-in; nil: none
	quiet   time.Time // until then no early replacement is fetched
	renewed time.Time // when a token was last replaced because of an answer of Graph
	refused bool      // Entra refused the last sign-in
	probed  time.Time // when a token was last made for a probe
}

// flight is a running sign-in. All requests that need its token wait for it.
type flight struct {
	began  time.Time
	beside bool // it is an early replacement in the background
	done   chan struct{}
	token  token // when it is done
	err    error
}

// wait waits until the sign-in is done.
func (f *flight) wait(ctx context.Context) (token, error) {
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return token{}, &fault.Error{Op: "entra.sign in", Kind: fault.Transient, Reason: directory.Unavailable,
			Message: "Entra's sign-in service did not answer in time: it is tried again", Err: ctx.Err()}
	}
}

// get returns a token that can be used.
func (t *tokens) get(ctx context.Context) (token, error) {
	for {
		current, joined, own := t.take(ctx)
		if joined == nil {
			return current, nil
		}
		got, err := joined.wait(ctx)
		// An early replacement may fail because the process slept meanwhile. Requests
		// that have no token by now start another sign-in.
		if err == nil || own || !joined.beside || ctx.Err() != nil {
			return got, err
		}
	}
}

// take returns the current token, or the sign-in to wait for, and whether this call
// began it.
func (t *tokens) take(ctx context.Context) (current token, joined *flight, own bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	switch {
	case now.Before(t.current.until):
		if t.flight == nil && !now.Before(t.current.early) && !now.Before(t.quiet) {
			t.begin(ctx, true)
		}
		return t.current, nil, false
	case t.flight != nil:
		return token{}, t.flight, false
	default:
		return token{}, t.begin(ctx, false), true
	}
}

// begin begins a sign-in. It does not end with the request that began it, because other
// requests wait for it too. The caller holds the lock.
func (t *tokens) begin(ctx context.Context, beside bool) *flight {
	t.flight = &flight{began: time.Now(), beside: beside, done: make(chan struct{})}
	go t.land(context.WithoutCancel(ctx), t.flight)
	return t.flight
}

// land signs in and keeps the token.
func (t *tokens) land(ctx context.Context, f *flight) {
	limited, cancel := context.WithTimeout(ctx, signInLimit)
	defer cancel()
	t.mu.Lock()
	if t.refused {
		limited = secret.Fresh(limited) // somebody may just have replaced what it proves itself with
	}
	t.mu.Unlock()
	f.token, f.err = t.signIn.token(limited)
	t.mu.Lock()
	t.flight, t.refused = nil, fault.Is(f.err, fault.Unauthorized)
	if f.err == nil {
		t.current = f.token
	}
	if f.beside {
		t.quiet = time.Now().Add(refreshPause)
	}
	until := t.current.until
	t.mu.Unlock()
	close(f.done)
	if f.beside && f.err != nil {
		zerolog.Ctx(ctx).Warn().Err(f.err).Time("until", until).Msg("cannot get a new token for Graph: the present one is still used")
	}
}

// doubt is why a token may have to be replaced.
type doubt int

// The doubts that an answer of Graph casts on a token.
const (
	noDoubt      doubt = iota
	tokenRefused       // Graph does not accept it
	rightMissing       // it may lack a permission that was granted later
)

// renew replaces a token after an answer of Graph that casts doubt on it, at most once
// in renewPause for the client. It reports whether Graph may allow the refused request
// with the present token. The error is that of the sign-in.
func (t *tokens) renew(ctx context.Context, used token, why doubt) (again bool, err error) {
	if joined := t.replace(ctx, used, why); joined != nil {
		if _, err := joined.wait(ctx); err != nil {
			return false, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	another := t.current.value != "" && t.current.value != used.value
	return another && (why == tokenRefused || !t.current.rights.same(used.rights)), nil
}

// outlived reports whether the present token is older than a time, and how long it is until it
// may be replaced.
func (t *tokens) outlived(since time.Time) (wait time.Duration, older bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.value == "" || !t.current.made.Before(since) {
		return 0, false
	}
	return max(renewPause-time.Since(t.renewed), 0), true
}

// forbidden is what becomes of a write that Graph forbids, if an administrator asked for it:
// the administrator may just have given the application a role, and the present token may be older
// than that. Then the write is tried again once the token may be replaced.
func (t *tokens) forbidden(cause plan.Cause, err error) error {
	if err == nil || !cause.Requested || !fault.Is(err, fault.Forbidden) || fault.Of(err).Reason == directory.QuotaExceeded {
		return err
	}
	wait, older := t.outlived(cause.At)
	if !older {
		return err
	}
	return &fault.Error{Op: "entra.permission", Kind: fault.Transient, Reason: directory.Unavailable, RetryAfter: wait + time.Second, Err: err,
		Message: "Entra does not allow it so far; the application's token is older than the request to try again, so it is tried again with a new one"}
}

// replace returns the sign-in that replaces a token; nil if there is none to wait for,
// because the token was replaced already or renewPause is not over.
func (t *tokens) replace(ctx context.Context, used token, why doubt) *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.current.value != "" && t.current.value != used.value:
		return nil
	case t.flight != nil:
		return t.flight
	case t.current.value != "" && time.Since(t.renewed) < renewPause:
		return nil
	}
	t.renewed = time.Now()
	if why == tokenRefused {
		t.current = token{}
	}
	return t.begin(ctx, false)
}

// afresh returns a token that was made just now and not before a time, whatever the current
// one is, which is still used if there is none.
func (t *tokens) afresh(ctx context.Context, since time.Time) (token, error) {
	for {
		joined, current := t.another(ctx, since)
		if joined == nil {
			return current, nil
		}
		got, err := joined.wait(ctx)
		if !joined.began.Before(since) || ctx.Err() != nil {
			return got, err
		}
	}
}

// another returns the sign-in for [tokens.afresh]; nil if the current token is new enough.
func (t *tokens) another(ctx context.Context, since time.Time) (*flight, token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	switch {
	case t.flight != nil:
		return t.flight, token{}
	case now.Before(t.current.until) && now.Sub(t.probed) < probeAge && !t.probed.Before(since):
		return nil, t.current
	}
	t.probed, t.renewed = now, now // a refusal of what was just made is no reason for one more
	return t.begin(ctx, false), token{}
}
