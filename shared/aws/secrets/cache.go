package secrets

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

const (
	freshFor   = 5 * time.Minute  // a value is returned without a request
	justNow    = 10 * time.Second // the same for a caller that wants a fresh value: not every wrong token of a stranger may cost a request
	staleFor   = time.Hour        // after freshFor: a value is returned if Secrets Manager does not answer
	patience   = 2 * time.Second  // time limit of a request if there is an old value: JumpCloud waits for the webhook meanwhile
	retryAfter = 10 * time.Second // no further request after one that failed
)

// cache stores secrets by name. It does not remember that a secret does not exist, so
// that a new organization is known at once.
type cache struct {
	mu      sync.Mutex
	entries map[string]*entry
}

// entry is one secret. The lock is held while it is read, so that concurrent callers
// share one request.
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

// forget removes an entry without a value.
func (c *cache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, name)
}

// put stores a value that was written.
func (c *cache) put(name, value string) {
	e := c.entry(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.value, e.read, e.tried = value, time.Now(), time.Time{}
}

// get returns a secret and fetches it if it is not fresh. If the secret does not exist
// any more, its old value is dropped. Any other failure is logged, and the old value is
// returned until it is too old.
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
	bounded := ctx
	if known && e.usable() {
		var stop context.CancelFunc
		bounded, stop = context.WithTimeout(ctx, patience)
		defer stop()
	}
	value, err := fetch(bounded)
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

// usable reports whether the value may be returned although it is not fresh.
func (e *entry) usable() bool { return time.Since(e.read) < freshFor+staleFor }
