// Package secret is the port to what must never be seen: API keys, webhook
// secrets, the token of the API, what the application proves itself with to
// Entra, and what opens sealed passwords.
//
// A secret is fetched by name where it is used and goes nowhere else: not into a
// log, an error, a queue, a table or a variable of a template.
package secret

import (
	"context"

	"entrasync/shared/directory"
)

// Organization holds the secrets of one organization.
type Organization struct {
	APIKey string `json:"apiKey"`
	// WebhookTokens are the secrets that a notification channel may present;
	// two while one is being replaced.
	WebhookTokens []string `json:"webhookTokens"`
}

// Entra holds what the application signs in to Entra with; one of the two, or
// none where the sign-in needs no stored secret.
type Entra struct {
	ClientSecret string `json:"clientSecret,omitempty"`
	Certificate  string `json:"certificate,omitempty"` // PEM, certificate and private key
}

// Store keeps secrets. What does not exist is a fault of kind NotFound.
type Store interface {
	Organization(ctx context.Context, id directory.OrganizationID) (Organization, error)
	// PutOrganization creates or replaces the secrets of an organization.
	PutOrganization(ctx context.Context, id directory.OrganizationID, o Organization) error
	// AdminToken is the bearer token of the API.
	AdminToken(ctx context.Context) (string, error)
	Entra(ctx context.Context) (Entra, error)
	// PasswordSeed is the random text that the key is made of which opens
	// sealed passwords. It stays the same for as long as nobody replaces it.
	PasswordSeed(ctx context.Context) (string, error)
}

// Organizations gives each part of the product the one secret that it needs.
type Organizations struct{ Store Store }

// WebhookTokens are the secrets that the webhook of an organization accepts.
func (o Organizations) WebhookTokens(ctx context.Context, id directory.OrganizationID) ([]string, error) {
	s, err := o.Store.Organization(ctx, id)
	return s.WebhookTokens, err
}

// APIKey is what an organization's JumpCloud is called with.
func (o Organizations) APIKey(ctx context.Context, id directory.OrganizationID) (string, error) {
	s, err := o.Store.Organization(ctx, id)
	return s.APIKey, err
}

// freshKey marks a context; see Fresh.
type freshKey struct{}

// Fresh asks a store, through the context, to read a secret anew instead of
// giving what it keeps: before a secret is changed, and when what somebody
// presents matches none that is known, because it may have been replaced. A store
// may still give what it read a moment ago.
func Fresh(ctx context.Context) context.Context { return context.WithValue(ctx, freshKey{}, true) }

// WantsFresh reports whether a context was marked by [Fresh].
func WantsFresh(ctx context.Context) bool { return ctx.Value(freshKey{}) != nil }
