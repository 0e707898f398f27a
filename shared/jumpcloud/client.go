// Package jumpcloud is the client of JumpCloud: it reads users, groups, associations
// and the Directory Insights feed, creates users by bulk jobs, sets up the webhook, and
// parses the events that JumpCloud sends or keeps.
//
// It has two principles. First, an event is only a hint: it has ids and claimed states,
// never values to apply, because webhooks come late, twice, out of order or not at all;
// the receiver of an event reads the present state with the [Client]. Second, what
// JumpCloud states is true, but what it leaves out may still exist: a user missing from
// a list may have moved between two pages, and treating that as a deletion would
// disable an account. So an object counts as missing only when JumpCloud says so for
// that one object, a list returns what was found even with an error, and the caller
// decides what an absence from a list means and can read again.
//
// Answers are decoded liberally (JumpCloud's API leaves fields out, or sends null, {}
// or "" for them), but an answer that cannot be the requested object is a fault, never
// an empty user.
package jumpcloud

import (
	"net/http"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/redact"
	"entrasync/shared/redirect"
)

// Config says which organization to connect to and how.
type Config struct {
	// APIURL is the root of version 1 of the REST API, such as
	// https://console.jumpcloud.com/api (JumpCloud API documentation, regions).
	APIURL string
	// InsightsURL is the root of the Directory Insights API, such as
	// https://api.jumpcloud.com/insights/directory/v1.
	InsightsURL string
	// APIKey is the key of an administrator or of a service account, in any of JumpCloud's
	// forms. It never appears in an error.
	APIKey string `json:"-"`
	// ClientID and ClientSecret are the client credentials of a service account, and
	// TokenURL is where it gets its access tokens, such as
	// https://admin-oauth.id.jumpcloud.com/oauth2/token. They are used if there is no
	// APIKey.
	ClientID     string
	ClientSecret string `json:"-"`
	TokenURL     string
	// ExpiresAt is when the key or the client secret ends; zero if that is not known. A
	// refusal after this time says so.
	ExpiresAt time.Time
	// Organization is sent as x-org-id; it may be empty when the key belongs
	// to one organization only.
	Organization directory.OrganizationID
	// HTTP sends the requests; nil means a client of our own. One attempt ends after 8
	// s unless the client has another timeout. Redirects are never followed, because
	// they would send the key to another host.
	HTTP *http.Client
}

// String shows the configuration without key and secret.
func (c Config) String() string {
	return "jumpcloud " + c.APIURL + " organization " + string(c.Organization)
}

// GoString is String, so that %#v shows none either.
func (c Config) GoString() string { return c.String() }

// Client reads and writes JumpCloud. It is safe for concurrent use. Every error it
// returns is a fault; see the table in status.go for the kinds.
type Client struct {
	api, insights string
	key           func() string // a closure, so that printing a Client shows no key; "" with tokens
	tokens        *tokens       // of a service account; nil with a key
	expiresAt     time.Time
	hide          redact.Redactor
	organization  directory.OrganizationID
	http          *http.Client
}

// knowing is the client with more secrets to hide in errors.
func (c *Client) knowing(secrets ...string) *Client {
	discreet := *c
	discreet.hide = c.hide.And(secrets...)
	return &discreet
}

// attemptTimeout is the longest time for one request, unless the given HTTP client has
// a timeout of its own.
const attemptTimeout = 8 * time.Second

// NewClient makes a client. It sends nothing; [Client.Organization] checks that
// the key works.
func NewClient(config Config) *Client {
	carrier := http.Client{CheckRedirect: redirect.FollowNone}
	if config.HTTP != nil {
		carrier = *config.HTTP
		carrier.CheckRedirect = redirect.FollowNone
	}
	if carrier.Timeout == 0 {
		carrier.Timeout = attemptTimeout
	}
	key := config.APIKey
	client := &Client{
		api:          strings.TrimRight(config.APIURL, "/"),
		insights:     strings.TrimRight(config.InsightsURL, "/"),
		key:          func() string { return key },
		expiresAt:    config.ExpiresAt,
		hide:         redact.New(key, config.ClientSecret),
		organization: config.Organization,
		http:         &carrier,
	}
	if key == "" && config.ClientID != "" {
		client.tokens = newTokens(config.TokenURL, config.ClientID, config.ClientSecret)
	}
	return client
}

// sinceEnd is the end of the credential for a sentence, if it has passed.
func (c *Client) sinceEnd() string {
	if c.expiresAt.IsZero() || time.Now().Before(c.expiresAt) {
		return ""
	}
	return ", which ended on " + c.expiresAt.UTC().Format(time.DateOnly)
}
