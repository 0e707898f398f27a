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

// Tokens reads the webhook tokens of organizations, for a function that everybody can
// call and that may read no other secret. It is safe for concurrent use.
type Tokens struct {
	store     *Store
	strangers strangers
	listed    listed
}

// NewTokens makes Tokens of the secrets whose names begin with prefix and a slash.
func NewTokens(client *secretsmanager.Client, prefix string) *Tokens {
	return &Tokens{store: New(client, prefix), strangers: strangers{until: map[directory.OrganizationID]time.Time{}}}
}

// WebhookTokens are the secrets that the webhook of an organization accepts. An
// organization that is not served is a fault of kind NotFound. While there are many
// requests for unknown organizations, only organizations on the list are read. Any
// other is Throttled with the reason [secret.TooManyUnknown], and not NotFound: it may
// have been added just now, and two seconds later the list that is read has it.
func (t *Tokens) WebhookTokens(ctx context.Context, id directory.OrganizationID) ([]string, error) {
	const op = "secrets.webhook tokens"
	if !directory.IsJumpCloudID(string(id)) {
		return nil, missing(op, string(id))
	}
	name := webhookTokens + string(id)
	if !t.store.cache.holds(name) {
		if err := t.admit(ctx, op, id); err != nil {
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

// admit returns nil if the tokens of an organization that this process does not know yet
// may be read. The list is only read while there are too many unknown organizations to
// send a request for each.
func (t *Tokens) admit(ctx context.Context, op string, id directory.OrganizationID) error {
	known, many := t.strangers.know(id)
	if known {
		return missing(op, string(id))
	}
	if !many {
		return nil
	}
	holds, err := t.listed.holds(id, func() ([]directory.OrganizationID, error) { return t.list(ctx, op) })
	if holds {
		return nil
	}
	message := "it is not on the list of those that are"
	switch {
	case fault.Is(err, fault.NotFound):
		message = "there is no list of those that are yet: POST /v1/organizations/{id}/webhook for any of them writes it"
	case err != nil:
		message = "the list of those that are cannot be read"
	}
	return &fault.Error{Op: op, Kind: fault.Throttled, Reason: secret.TooManyUnknown, Subject: string(id), Err: err,
		Message: "too many organizations were asked for that are not served here, and " + message}
}

// list reads the list of the organizations that are served.
func (t *Tokens) list(ctx context.Context, op string) ([]directory.OrganizationID, error) {
	text, err := t.store.fetch(ctx, op, servedList)
	if err != nil {
		return nil, err
	}
	s, err := decoded[served](op, t.store.fullName(servedList), text)
	return s.Organizations, err
}

// How long an organization that does not exist is remembered, and how many of them are.
// In this time a process makes at most so many requests for organizations that do not
// exist. If a remembered organization is added meanwhile, it is known after this time.
const (
	strangerFor  = 30 * time.Second
	maxStrangers = 50
)

// strangers are organizations that do not exist. Everybody who knows the address of the
// webhook can make up ids, and not every id may cost a request.
type strangers struct {
	mu    sync.Mutex
	until map[directory.OrganizationID]time.Time
}

// know reports whether an organization is remembered not to exist, and whether as many
// are remembered as the limit allows.
func (s *strangers) know(id directory.OrganizationID) (known, many bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(s.until, func(_ directory.OrganizationID, until time.Time) bool { return !now.Before(until) })
	_, known = s.until[id]
	return known, len(s.until) >= maxStrangers
}

// note remembers an organization that does not exist.
func (s *strangers) note(id directory.OrganizationID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until[id] = time.Now().Add(strangerFor)
}

// listEvery is the time after which the list is read again. It is shorter than the time
// until JumpCloud's first retry, and long enough that strangers cause few requests.
const listEvery = 2 * time.Second

// listed are the organizations that were on the list at the last read. The lock is held
// during a read, so that concurrent callers share one request. An organization that was
// on the list stays known, because none is ever removed from it.
type listed struct {
	mu   sync.Mutex
	ids  map[directory.OrganizationID]bool
	read time.Time // or tried to
	err  error     // why the last try failed
}

// holds reports whether an organization is on the list, and reads the list if needed. The
// error says why the last read of the list failed.
func (l *listed) holds(id directory.OrganizationID, read func() ([]directory.OrganizationID, error)) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids[id] {
		return true, nil
	}
	if !l.read.IsZero() && time.Since(l.read) < listEvery {
		return false, l.err
	}
	ids, err := read()
	l.read, l.err = time.Now(), err
	if err == nil {
		l.ids = make(map[directory.OrganizationID]bool, len(ids))
		for _, each := range ids {
			l.ids[each] = true
		}
	}
	return l.ids[id], err
}
