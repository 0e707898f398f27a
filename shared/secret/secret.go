// Package secret is the port to the secrets: credentials for JumpCloud, webhook secrets,
// the token of the API, the application's credentials for Entra, and the seed of the key
// that opens sealed passwords.
//
// A secret is read by name where it is used and goes nowhere else: not into a log, an
// error, a queue, a table or a variable of a template. The two secrets of an
// organization are separate: a function that reads the webhook tokens needs no right
// to read the credential for JumpCloud, and replacing one does not change the other.
package secret

import (
	"context"

	"entrasync/shared/directory"
)

// Organization has the secrets of one organization, where both are given or stored
// together.
type Organization struct {
	APIKey        string   `json:"apiKey,omitempty"`
	ClientID      string   `json:"clientId,omitempty"`
	ClientSecret  string   `json:"clientSecret,omitempty"`
	WebhookTokens []string `json:"webhookTokens,omitempty"`
}

// JumpCloud is the credential for the organization's JumpCloud.
func (o Organization) JumpCloud() JumpCloud {
	return JumpCloud{APIKey: o.APIKey, ClientID: o.ClientID, ClientSecret: o.ClientSecret}
}

// Proving is the organization with another credential for JumpCloud.
func (o Organization) Proving(credential JumpCloud) Organization {
	o.APIKey, o.ClientID, o.ClientSecret = credential.APIKey, credential.ClientID, credential.ClientSecret
	return o
}

// JumpCloud is what entrasync proves itself with to an organization's JumpCloud: an API
// key, or the client credentials of a service account. The client id is no secret, but is
// replaced together with the secret.
type JumpCloud struct{ APIKey, ClientID, ClientSecret string }

// Given reports whether there is a complete credential.
func (j JumpCloud) Given() bool { return j.APIKey != "" || j.ClientID != "" && j.ClientSecret != "" }

// Kind is the kind of the credential.
func (j JumpCloud) Kind() directory.CredentialKind {
	if j.APIKey == "" {
		return directory.ServiceAccountSecret
	}
	return directory.KeyKind(j.APIKey)
}

// String shows no secret, and nor does GoString.
func (j JumpCloud) String() string { return string(j.Kind()) }

// GoString is String.
func (j JumpCloud) GoString() string { return j.String() }

// Entra has the application's credentials for Entra: one of the two, or none where the
// sign-in needs no stored secret.
type Entra struct {
	ClientSecret string `json:"clientSecret,omitempty"`
	Certificate  string `json:"certificate,omitempty"` // PEM, certificate and private key
	// ExpiresAt is when the client secret ends (RFC 3339, or a date), as Entra showed it
	// when the secret was made; "" if nobody wrote it down. It is a text, so that a typing
	// error in it keeps nobody from signing in.
	ExpiresAt string `json:"expiresAt,omitempty"`
}

// Store stores secrets. A secret that does not exist is a fault of kind NotFound. A put
// replaces all of what was stored; of two puts at the same time the later one is stored.
type Store interface {
	// JumpCloud is the credential for an organization's JumpCloud.
	JumpCloud(ctx context.Context, id directory.OrganizationID) (JumpCloud, error)
	PutJumpCloud(ctx context.Context, id directory.OrganizationID, credential JumpCloud) error
	// WebhookTokens are the secrets that a notification channel may present, the
	// current one first; two while one is being replaced.
	WebhookTokens(ctx context.Context, id directory.OrganizationID) ([]string, error)
	PutWebhookTokens(ctx context.Context, id directory.OrganizationID, tokens []string) error
	// Forget deletes the credential and the webhook tokens of an organization for good. It
	// succeeds also if there are none.
	Forget(ctx context.Context, id directory.OrganizationID) error
	// AdminToken is the bearer token of the API.
	AdminToken(ctx context.Context) (string, error)
	Entra(ctx context.Context) (Entra, error)
	// PasswordSeed is the random text from which the key is derived that opens sealed
	// passwords. It stays the same until somebody replaces it.
	PasswordSeed(ctx context.Context) (string, error)
}

// TooManyUnknown is the reason of a fault of kind Throttled: there were too many requests
// for organizations that do not exist, so the secrets of an organization that the process
// does not know yet cannot be read now. The caller may try again later.
const TooManyUnknown = directory.TooManyUnknown

// freshKey marks a context; see Fresh.
type freshKey struct{}

// Fresh asks a store, through the context, to read a secret again instead of returning a
// cached one. It is used where a presented token matches no known one, since the secret
// may have been replaced. A store may still return what it read some seconds ago.
func Fresh(ctx context.Context) context.Context { return context.WithValue(ctx, freshKey{}, true) }

// WantsFresh reports whether a context was marked by [Fresh].
func WantsFresh(ctx context.Context) bool { return ctx.Value(freshKey{}) != nil }
