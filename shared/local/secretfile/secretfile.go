// Package secretfile is the secret store of one machine: what the environment
// gave stays in memory, and the secrets of organizations that were added through
// the API lie in one file that only its owner may read.
package secretfile

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
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

	mu    sync.Mutex
	added map[directory.OrganizationID]secret.Organization
}

// ownerOnly is the mode of the file.
const ownerOnly = 0o600

// Open reads the file at path, if there is one.
func Open(path string, given Environment) (*Store, error) {
	s := &Store{path: path, given: given, added: map[directory.OrganizationID]secret.Organization{}}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "secretfile.open")
	}
	if json.Unmarshal(content, &s.added) != nil {
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
	o, known := s.added[id]
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
	after := maps.Clone(s.added)
	after[id] = o
	content, err := json.Marshal(after) //nolint:gosec // this file is where the secrets are kept
	if err != nil {
		return fault.Wrap(err, fault.Internal, "secretfile.put")
	}
	fresh := s.path + ".new"
	if err := os.WriteFile(fresh, content, ownerOnly); err != nil {
		return fault.Wrap(err, fault.Transient, "secretfile.put")
	}
	if err := os.Rename(fresh, s.path); err != nil {
		return fault.Wrap(err, fault.Transient, "secretfile.put")
	}
	s.added = after
	return nil
}

// AdminToken is the bearer token of the API.
func (s *Store) AdminToken(context.Context) (string, error) { return s.given.AdminToken, nil }

// Entra is what the application proves itself with.
func (s *Store) Entra(context.Context) (secret.Entra, error) { return s.given.Entra, nil }
