package secrets

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// How long what was read is served without asking again, how long after that it
// is served while Secrets Manager does not answer, how long we wait for an answer
// when there is an old value to serve, and how long we leave Secrets Manager
// alone when none came. JumpCloud waits for the webhook meanwhile.
const (
	freshFor   = 5 * time.Minute
	justNow    = 10 * time.Second // the same when a caller wants it fresh: strangers with wrong tokens must not cost a request each
	staleFor   = time.Hour
	patience   = 2 * time.Second
	retryAfter = 10 * time.Second
)

// cache keeps secrets by name. Those that do not exist are not kept, so that a
// new organization is known at once.
type cache struct {
	mu      sync.Mutex
	entries map[string]*entry
}

// entry is one secret. Its lock is held while it is read, so that callers who
// come at the same time share one request.
type entry struct {
	mu    sync.Mutex
	value string
	read  time.Time // zero: never
	tried time.Time // the last read that failed
}

// entry finds or makes the entry of a secret.
func (c *cache) entry(name string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[name]
	if e == nil {
		e = &entry{}
		c.entries[name] = e
	}
	return e
}

// holds reports whether a secret was read before.
func (c *cache) holds(name string) bool {
	c.mu.Lock()
	e := c.entries[name]
	c.mu.Unlock()
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.read.IsZero()
}

// forget drops an entry that holds nothing.
func (c *cache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, name)
}

// put keeps what was written.
func (c *cache) put(name, value string) {
	e := c.entry(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.value, e.read, e.tried = value, time.Now(), time.Time{}
}

// get gives a secret, fetching it if it is not fresh. A secret that is gone is
// gone; any other failure is logged, and the old value given, until it is too
// old for that.
func (c *cache) get(ctx context.Context, name string, fetch func(context.Context) (string, error)) (string, error) {
	e := c.entry(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	known := !e.read.IsZero()
	fresh := freshFor
	if secret.WantsFresh(ctx) {
		fresh = justNow
	}
	if known && (time.Since(e.read) < fresh || time.Since(e.tried) < retryAfter && e.usable()) {
		return e.value, nil
	}
	asking := ctx
	if known && e.usable() {
		var stop context.CancelFunc
		asking, stop = context.WithTimeout(ctx, patience)
		defer stop()
	}
	value, err := fetch(asking)
	switch {
	case err == nil:
		e.value, e.read, e.tried = value, time.Now(), time.Time{}
		return value, nil
	case !known, fault.Is(err, fault.NotFound):
		c.forget(name)
		return "", err
	case e.usable():
		e.tried = time.Now()
		zerolog.Ctx(ctx).Warn().Err(err).Str("secret", name).Time("read", e.read).Msg("a secret cannot be read again; its old value is used")
		return e.value, nil
	default:
		return "", err
	}
}

// usable reports whether the value may be served although it is not fresh.
func (e *entry) usable() bool { return time.Since(e.read) < freshFor+staleFor }
