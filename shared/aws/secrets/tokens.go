package secrets

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// Tokens reads the webhook tokens of organizations, for a function that everybody
// can call and whose role lets it read nothing else. It is safe for concurrent
// use.
type Tokens struct {
	store     *Store
	strangers strangers
}

// NewTokens makes Tokens of the secrets whose names begin with prefix and a slash.
func NewTokens(client *secretsmanager.Client, prefix string) *Tokens {
	return &Tokens{store: New(client, prefix), strangers: strangers{until: map[directory.OrganizationID]time.Time{}}}
}

// WebhookTokens are the secrets that the webhook of an organization accepts. An
// organization that is not served is a fault of kind NotFound. Who asks for many
// that are not is Throttled, for half a minute.
func (t *Tokens) WebhookTokens(ctx context.Context, id directory.OrganizationID) ([]string, error) {
	const op = "secrets.webhook tokens"
	if !organizationID.MatchString(string(id)) {
		return nil, missing(op, string(id))
	}
	name := webhookTokens + string(id)
	if !t.store.cache.holds(name) {
		if err := t.strangers.admit(op, id); err != nil {
			return nil, err
		}
	}
	o, err := parsed[secret.Organization](ctx, t.store, op, name)
	if fault.Is(err, fault.NotFound) {
		t.strangers.note(id)
	}
	if err == nil && len(o.WebhookTokens) == 0 {
		err = missing(op, string(id))
	}
	return o.WebhookTokens, err
}

// How long an organization that does not exist is remembered, and how many are:
// so many look-ups in vain a process makes in that time. One that is added
// meanwhile is known as late as that.
const (
	strangerFor  = 30 * time.Second
	maxStrangers = 50
)

// strangers are organizations that do not exist. Whoever knows the address of the
// webhook can make up ids, and each of them must not cost a request.
type strangers struct {
	mu    sync.Mutex
	until map[directory.OrganizationID]time.Time
}

// admit is nil if an organization that is not known may be looked up.
func (s *strangers) admit(op string, id directory.OrganizationID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(s.until, func(_ directory.OrganizationID, until time.Time) bool { return !now.Before(until) })
	if _, known := s.until[id]; known {
		return missing(op, string(id))
	}
	if len(s.until) >= maxStrangers {
		return &fault.Error{Op: op, Kind: fault.Throttled, Subject: string(id),
			Message: "too many organizations were asked for that are not served here; those that are not known yet have to wait"}
	}
	return nil
}

// note remembers an organization that does not exist.
func (s *strangers) note(id directory.OrganizationID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until[id] = time.Now().Add(strangerFor)
}
