// Package secretfile is the secret store of one machine: what the environment
// gave stays in memory, and the secrets of organizations that were added through
// the API, with the seed of the key that opens sealed passwords, lie in one file
// that only its owner may read.
package secretfile

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// Environment is what the environment gave. It is never written to the file.
type Environment struct {
	AdminToken    string
	Entra         secret.Entra
	Organizations map[directory.OrganizationID]secret.Organization
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
		return nil, &fault.Error{Op: "secretfile.open", Kind: fault.Invalid, Subject: path, Message: "the file with the secrets of the organizations cannot be read: mend it, or remove it and add them again"}
	}
	return s, nil
}

// Organization reads the secrets of an organization. What the environment gave
// comes first.
func (s *Store) Organization(_ context.Context, id directory.OrganizationID) (secret.Organization, error) {
	if o, given := s.given.Organizations[id]; given {
		return o, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, known := s.kept.Organizations[id]
	if !known {
		return o, &fault.Error{Op: "secretfile", Kind: fault.NotFound, Subject: string(id), Message: "there are no secrets of the organization " + string(id)}
	}
	return o, nil
}

// PutOrganization keeps the secrets of an organization. Those that the
// environment gave cannot be replaced.
func (s *Store) PutOrganization(_ context.Context, id directory.OrganizationID, o secret.Organization) error {
	if _, given := s.given.Organizations[id]; given {
		return &fault.Error{Op: "secretfile.put", Kind: fault.Conflict, Subject: string(id), Message: "the secrets of this organization come from the environment: change them there"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	after := s.kept
	after.Organizations = map[directory.OrganizationID]secret.Organization{id: o}
	for other, secrets := range s.kept.Organizations {
		if other != id {
			after.Organizations[other] = secrets
		}
	}
	return s.keep(after)
}

// keep writes the file anew. The caller holds the lock.
func (s *Store) keep(after content) error {
	const op = "secretfile.put"
	text, err := json.Marshal(after)
	if err != nil {
		return fault.Wrap(err, fault.Internal, op)
	}
	fresh := s.path + ".new"
	if err := os.WriteFile(fresh, text, ownerOnly); err != nil {
		return fault.Wrap(err, fault.Transient, op)
	}
	if err := os.Rename(fresh, s.path); err != nil {
		return fault.Wrap(err, fault.Transient, op)
	}
	s.kept = after
	return nil
}

// PasswordSeed makes the seed up when it is first asked for.
func (s *Store) PasswordSeed(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept.PasswordSeed == "" {
		after := s.kept
		after.PasswordSeed = rand.Text()
		if err := s.keep(after); err != nil {
			return "", err
		}
	}
	return s.kept.PasswordSeed, nil
}

// AdminToken is the bearer token of the API.
func (s *Store) AdminToken(context.Context) (string, error) { return s.given.AdminToken, nil }

// Entra is what the application proves itself with.
func (s *Store) Entra(context.Context) (secret.Entra, error) { return s.given.Entra, nil }
