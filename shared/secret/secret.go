// Package secret is the port to what must never be seen: API keys, webhook
// secrets, the token of the API, what the application proves itself with to
// Entra, and what opens sealed passwords.
//
// A secret is fetched by name where it is used and goes nowhere else: not into a
// log, an error, a queue, a table or a variable of a template. The two secrets of
// an organization are kept apart: who reads its webhook tokens need not be able
// to read its API key, and who replaces the one leaves the other as it is.
package secret

import (
	"context"

	"entrasync/shared/directory"
)

// Organization holds the secrets of one organization, where they are given or
// were stored together.
type Organization struct {
	APIKey        string   `json:"apiKey,omitempty"`
	WebhookTokens []string `json:"webhookTokens,omitempty"`
}

// Entra holds what the application signs in to Entra with; one of the two, or
// none where the sign-in needs no stored secret.
type Entra struct {
	ClientSecret string `json:"clientSecret,omitempty"`
	Certificate  string `json:"certificate,omitempty"` // PEM, certificate and private key
}

// Store keeps secrets. What does not exist is a fault of kind NotFound. What is
// put replaces what was there, as a whole; of two that put at once the later one
// counts.
type Store interface {
	// APIKey is what an organization's JumpCloud is called with.
	APIKey(ctx context.Context, id directory.OrganizationID) (string, error)
	PutAPIKey(ctx context.Context, id directory.OrganizationID, key string) error
	// WebhookTokens are the secrets that a notification channel may present, the
	// current one first; two while one is being replaced.
	WebhookTokens(ctx context.Context, id directory.OrganizationID) ([]string, error)
	PutWebhookTokens(ctx context.Context, id directory.OrganizationID, tokens []string) error
	// AdminToken is the bearer token of the API.
	AdminToken(ctx context.Context) (string, error)
	Entra(ctx context.Context) (Entra, error)
	// PasswordSeed is the random text that the key is made of which opens
	// sealed passwords. It stays the same for as long as nobody replaces it.
	PasswordSeed(ctx context.Context) (string, error)
}

// TooManyUnknown is the reason of a fault of kind Throttled: so many organizations
// were asked for that do not exist, that one which is not known yet cannot be looked
// up at the moment. Whoever asks may come again.
const TooManyUnknown = "too_many_unknown"

// freshKey marks a context; see Fresh.
type freshKey struct{}

// Fresh asks a store, through the context, to read a secret anew instead of
// giving what it keeps, when what somebody presents matches none that is known,
// because it may have been replaced. A store may still give what it read some
// seconds ago.
func Fresh(ctx context.Context) context.Context { return context.WithValue(ctx, freshKey{}, true) }

// WantsFresh reports whether a context was marked by [Fresh].
func WantsFresh(ctx context.Context) bool { return ctx.Value(freshKey{}) != nil }
