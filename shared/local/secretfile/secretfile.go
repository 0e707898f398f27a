// Package secretfile is the secret store of one machine. Secrets from the environment
// stay in memory and can be changed only in the environment. All others are in one file
// that only the user of the process may read: the secrets that were set through the API,
// the tokens that were generated because the environment has none, and the seed of the
// key that opens sealed passwords.
//
// A generated secret is stored before it is used, so that it is the same after a restart:
// JumpCloud and the clients of the API have it in their configuration.
package secretfile

import (
	"bytes"
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

// Environment has the secrets from the environment. They are never written to the file,
// and each of them takes precedence over the same secret in the file. If AdminToken is ""
// or an organization has no webhook tokens, a token is generated.
type Environment struct {
	AdminToken    string
	Entra         secret.Entra
	Organizations map[directory.OrganizationID]secret.Organization
	// APIKeyFrom and WebhookTokensFrom describe where the API keys and webhook tokens come
	// from, for a person who wants to change them, such as "the variable NAME".
	APIKeyFrom, WebhookTokensFrom string
}

// Store implements secret.Store.
type Store struct {
	path  string
	given Environment

	mu   sync.Mutex
	kept content
}

// content is the content of the file.
type content struct {
	Organizations map[directory.OrganizationID]secret.Organization `json:"organizations"`
	PasswordSeed  string                                           `json:"passwordSeed,omitempty"` // "" until it is first read
	// The generated tokens: that of the API, and the webhook tokens of organizations in
	// the environment, until they are replaced.
	AdminToken    string                              `json:"adminToken,omitempty"`
	WebhookTokens map[directory.OrganizationID]string `json:"webhookTokens,omitempty"`
}

// read parses the file. A file of an older version, without the seed, has only the
// organizations.
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

// JumpCloud is the credential for an organization's JumpCloud.
func (s *Store) JumpCloud(_ context.Context, id directory.OrganizationID) (secret.JumpCloud, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range []secret.Organization{s.given.Organizations[id], s.kept.Organizations[id]} {
		if credential := o.JumpCloud(); credential.Given() {
			return credential, nil
		}
	}
	return secret.JumpCloud{}, missing(id, "API key")
}

// WebhookTokens are the secrets that a notification channel may present. For an
// organization that the environment has without tokens, one is generated.
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
	token, err := s.generated(s.kept.WebhookTokens[id], func(c *content, token string) {
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

// ReplacedWebhookToken reports whether the token in the file was set through the API, and
// not generated.
func (s *Store) ReplacedWebhookToken(id directory.OrganizationID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept.Organizations[id].WebhookTokens) > 0
}

// KeepsAdminToken reports whether the file has a generated token of the API.
func (s *Store) KeepsAdminToken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.AdminToken != ""
}

// generated returns a secret that was generated earlier or, if kept is "", generates and
// stores one. The caller holds the lock.
func (s *Store) generated(kept string, keep func(*content, string)) (string, error) {
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

// PutJumpCloud stores the credential of an organization for JumpCloud. If the environment
// has one, the result is a fault of kind Conflict.
func (s *Store) PutJumpCloud(_ context.Context, id directory.OrganizationID, credential secret.JumpCloud) error {
	if s.given.Organizations[id].JumpCloud().Given() {
		return mustStay(id, "the API key of this organization comes from "+s.given.APIKeyFrom+": change it there")
	}
	return s.change(id, func(o *secret.Organization) { *o = o.Proving(credential) }, func(*content) {})
}

// PutWebhookTokens replaces the webhook tokens of an organization, also a generated one.
// If the environment has its tokens, the result is a fault of kind Conflict.
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

// Forget deletes the secrets of an organization. Those that the environment has must be removed
// there: that is a fault of kind Conflict.
func (s *Store) Forget(_ context.Context, id directory.OrganizationID) error {
	if _, given := s.given.Organizations[id]; given {
		return mustStay(id, "this organization comes from the environment of the program, and would be there again after the next start: remove "+s.given.APIKeyFrom+" first")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	after := s.kept
	after.Organizations, after.WebhookTokens = maps.Clone(s.kept.Organizations), maps.Clone(s.kept.WebhookTokens)
	delete(after.Organizations, id)
	delete(after.WebhookTokens, id)
	return s.keep(after)
}

// change changes the secrets of an organization, and the rest of the file.
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

// keep replaces the file. The caller holds the lock.
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

// PasswordSeed is the text from which the key that opens sealed passwords is derived. The
// first call generates it.
func (s *Store) PasswordSeed(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generated(s.kept.PasswordSeed, func(c *content, seed string) { c.PasswordSeed = seed })
}

// AdminToken is the bearer token of the API. The first call generates it, unless the
// environment has one.
func (s *Store) AdminToken(context.Context) (string, error) {
	if s.given.AdminToken != "" {
		return s.given.AdminToken, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generated(s.kept.AdminToken, func(c *content, token string) { c.AdminToken = token })
}

// Entra is the application's credentials for Entra.
func (s *Store) Entra(context.Context) (secret.Entra, error) { return s.given.Entra, nil }
