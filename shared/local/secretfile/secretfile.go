// Package secretfile is the secret store of one machine: what the environment
// gave stays in memory and can be changed there alone. In one file that only its owner
// may read lie the secrets that were given through the API, the tokens that were made
// up because the environment gave none, and the seed of the key that opens sealed
// passwords.
//
// What is made up is kept before it is used, so that the next start has the same:
// somebody has told JumpCloud, and somebody works with the API.
package secretfile

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/durable"
	"entrasync/shared/secret"
)

// Environment is what the environment gave. It is never written to the file, and
// wins over what is there, secret by secret. An AdminToken of "" and an organization
// without webhook tokens have one made up.
type Environment struct {
	AdminToken    string
	Entra         secret.Entra
	Organizations map[directory.OrganizationID]secret.Organization
	// APIKeyFrom and WebhookTokensFrom are where those of the organizations were given,
	// in words for who wants to change them, such as "the variable NAME".
	APIKeyFrom, WebhookTokensFrom string
}

// Store implements secret.Store.
type Store struct {
	path  string
	given Environment

	mu   sync.Mutex
	kept content
}

// content is what the file holds.
type content struct {
	Organizations map[directory.OrganizationID]secret.Organization `json:"organizations"`
	PasswordSeed  string                                           `json:"passwordSeed,omitempty"` // "" until it is first asked for
	// The tokens that were made up: the API's, and the webhook's of organizations that
	// the environment gives, until they are replaced.
	AdminToken    string                              `json:"adminToken,omitempty"`
	WebhookTokens map[directory.OrganizationID]string `json:"webhookTokens,omitempty"`
}

// read reads what a file holds. Files of before the seed was kept are the
// organizations alone.
func read(text []byte) (content, error) {
	var c content
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if strict.Decode(&c) == nil {
		return c, nil
	}
	c = content{}
	err := json.Unmarshal(text, &c.Organizations)
	return c, err
}

// ownerOnly is the mode of the file.
const ownerOnly = 0o600

// Open reads the file at path, if there is one.
func Open(path string, given Environment) (*Store, error) {
	s := &Store{path: path, given: given}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "secretfile.open")
	}
	if s.kept, err = read(text); err != nil {
		return nil, &fault.Error{Op: "secretfile.open", Kind: fault.Invalid, Subject: path, Message: "the file with the secrets of the organizations cannot be read: mend it, or move it away and start again: the log names the organizations that miss a key or a token, and PATCH /v1/organizations/{id} gives them new ones"}
	}
	return s, nil
}

// APIKey is what an organization's JumpCloud is called with.
func (s *Store) APIKey(_ context.Context, id directory.OrganizationID) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := cmp.Or(s.given.Organizations[id].APIKey, s.kept.Organizations[id].APIKey)
	if key == "" {
		return "", missing(id, "API key")
	}
	return key, nil
}

// WebhookTokens are the secrets that a notification channel may present. For an
// organization that the environment gave without any, one is made up.
func (s *Store) WebhookTokens(_ context.Context, id directory.OrganizationID) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range []secret.Organization{s.given.Organizations[id], s.kept.Organizations[id]} {
		if len(o.WebhookTokens) > 0 {
			return slices.Clone(o.WebhookTokens), nil
		}
	}
	if _, given := s.given.Organizations[id]; !given && s.kept.WebhookTokens[id] == "" {
		return nil, missing(id, "webhook token")
	}
	token, err := s.madeUp(s.kept.WebhookTokens[id], func(c *content, token string) {
		c.WebhookTokens = maps.Clone(c.WebhookTokens)
		if c.WebhookTokens == nil {
			c.WebhookTokens = map[directory.OrganizationID]string{}
		}
		c.WebhookTokens[id] = token
	})
	return []string{token}, err
}

// KeepsWebhookToken reports whether the file has a webhook token of an organization.
func (s *Store) KeepsWebhookToken(id directory.OrganizationID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.WebhookTokens[id] != "" || len(s.kept.Organizations[id].WebhookTokens) > 0
}

// ReplacedWebhookToken reports whether the one in the file was put there, and not made
// up.
func (s *Store) ReplacedWebhookToken(id directory.OrganizationID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept.Organizations[id].WebhookTokens) > 0
}

// KeepsAdminToken reports whether the file has a token of the API that was made up.
func (s *Store) KeepsAdminToken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.AdminToken != ""
}

// madeUp is what was made up earlier or, if that is "", what is made up and kept
// now. The caller holds the lock.
func (s *Store) madeUp(kept string, keep func(*content, string)) (string, error) {
	if kept != "" {
		return kept, nil
	}
	after, fresh := s.kept, rand.Text()
	keep(&after, fresh)
	if err := s.keep(after); err != nil {
		return "", err
	}
	return fresh, nil
}

func missing(id directory.OrganizationID, what string) error {
	return &fault.Error{Op: "secretfile", Kind: fault.NotFound, Subject: string(id), Message: "there is no " + what + " of the organization " + string(id)}
}

// PutAPIKey keeps the API key of an organization. One that the environment gave is a
// Conflict.
func (s *Store) PutAPIKey(_ context.Context, id directory.OrganizationID, key string) error {
	if s.given.Organizations[id].APIKey != "" {
		return mustStay(id, "the API key of this organization comes from "+s.given.APIKeyFrom+": change it there")
	}
	return s.change(id, func(o *secret.Organization) { o.APIKey = key }, func(*content) {})
}

// PutWebhookTokens keeps the webhook tokens of an organization instead of those there
// were, also of one that was made up. Those that the environment gave are a Conflict.
func (s *Store) PutWebhookTokens(_ context.Context, id directory.OrganizationID, tokens []string) error {
	if len(s.given.Organizations[id].WebhookTokens) > 0 {
		return mustStay(id, "the webhook tokens of this organization come from "+s.given.WebhookTokensFrom+": change them there")
	}
	return s.change(id, func(o *secret.Organization) { o.WebhookTokens = slices.Clone(tokens) }, func(c *content) {
		c.WebhookTokens = maps.Clone(c.WebhookTokens)
		delete(c.WebhookTokens, id)
	})
}

func mustStay(id directory.OrganizationID, why string) error {
	return &fault.Error{Op: "secretfile.put", Kind: fault.Conflict, Subject: string(id), Message: why}
}

// change changes the secrets of an organization, and what else the file holds.
func (s *Store) change(id directory.OrganizationID, edit func(*secret.Organization), rest func(*content)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := s.kept
	after.Organizations = map[directory.OrganizationID]secret.Organization{}
	maps.Copy(after.Organizations, s.kept.Organizations)
	o := after.Organizations[id]
	edit(&o)
	after.Organizations[id] = o
	rest(&after)
	return s.keep(after)
}

// keep writes the file anew. The caller holds the lock.
func (s *Store) keep(after content) error {
	const op = "secretfile.put"
	text, err := json.Marshal(after)
	if err != nil {
		return fault.Wrap(err, fault.Internal, op)
	}
	if err := durable.Write(s.path, text, ownerOnly); err != nil {
		return fault.Wrap(err, fault.Transient, op)
	}
	s.kept = after
	return nil
}

// PasswordSeed makes the seed up when it is first asked for.
func (s *Store) PasswordSeed(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.madeUp(s.kept.PasswordSeed, func(c *content, seed string) { c.PasswordSeed = seed })
}

// AdminToken is the bearer token of the API. It is made up when it is first asked
// for, unless the environment gave one.
func (s *Store) AdminToken(context.Context) (string, error) {
	if s.given.AdminToken != "" {
		return s.given.AdminToken, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.madeUp(s.kept.AdminToken, func(c *content, token string) { c.AdminToken = token })
}

// Entra is what the application proves itself with.
func (s *Store) Entra(context.Context) (secret.Entra, error) { return s.given.Entra, nil }
