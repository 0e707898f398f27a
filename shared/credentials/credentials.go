// Package credentials announces credentials that will end: those with which entrasync
// proves itself to the JumpCloud of each organization, and to Entra. When one ends,
// nothing is synchronized any more, so people must know it in time.
package credentials

import (
	"context"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// Source gives what is known of the application's credential for Entra.
type Source func(context.Context) (directory.Credential, error)

// EntraSecrets reads the application's credentials for Entra.
type EntraSecrets interface {
	Entra(ctx context.Context) (secret.Entra, error)
}

// OfEntra is the source for a credential that is stored with the secrets. An application
// that signs in with a token of AWS has none, and no source.
func OfEntra(secrets EntraSecrets) Source {
	return func(ctx context.Context) (directory.Credential, error) {
		stored, err := secrets.Entra(ctx)
		if err != nil {
			return directory.Credential{}, err
		}
		return stored.Credential(), nil
	}
}

// Read is what is known of the credential. If it cannot be read, it says why and has no
// end. known is false if there is no credential.
func (s Source) Read(ctx context.Context) (c directory.Credential, known bool) {
	if s == nil {
		return c, false
	}
	c, err := s(ctx)
	if err != nil {
		return directory.Credential{Kind: directory.EntraSecret, Unreadable: "the secret with the application's credentials for Entra cannot be read: " + fault.Of(err).Message}, true
	}
	return c, true
}

// Owned is a credential with the name of the organization that it is of.
type Owned struct {
	directory.Credential
	Name string
}

// All are the credentials of the deployment and of all organizations. An organization with
// a damaged record is left out.
func All(ctx context.Context, records *store.Store, entra Source) ([]Owned, error) {
	var all []Owned
	if c, known := entra.Read(ctx); known {
		all = append(all, Owned{Credential: c})
	}
	for cursor := ""; ; {
		page, err := records.Organizations(ctx, 0, cursor)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Items {
			all = append(all, Owned{Credential: o.Credential(), Name: o.Name})
		}
		if cursor = page.Cursor; cursor == "" {
			return all, nil
		}
	}
}
