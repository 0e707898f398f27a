// Package clients gives the functions access to the outside systems: one client for every
// JumpCloud organization and one for every Entra tenant. A client is made when it is first
// needed and then kept, because it has open connections and a token.
package clients

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/catchup"
	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/fault"
	"entrasync/shared/importing"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/readonly"
	"entrasync/shared/reconcile"
	"entrasync/shared/redirect"
	"entrasync/shared/resync"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// Keys knows the credentials of the organizations.
type Keys interface {
	// JumpCloud is the credential of an organization; NotFound if we serve none of that id.
	JumpCloud(ctx context.Context, organization directory.OrganizationID) (secret.JumpCloud, error)
}

// Regions knows in which region each organization is.
type Regions interface {
	// Organization reads an organization; NotFound if we serve none of that id.
	Organization(ctx context.Context, id directory.OrganizationID) (directory.Organization, error)
}

// Slowdowns keeps when Graph asked to slow down.
type Slowdowns interface {
	// NoteThrottled stores that Graph asks to slow down.
	NoteThrottled(ctx context.Context, t store.Throttled) error
}

// Config says where the outside systems are and how to sign in to Entra.
type Config struct {
	// JumpCloudAPI is the root address of API v1, and JumpCloudInsights that of
	// Directory Insights, both for the US. If they are JumpCloud's own hosts,
	// organizations of other regions use the hosts of their region instead.
	JumpCloudAPI      string
	JumpCloudInsights string
	// JumpCloudToken is where service accounts get their access tokens, likewise; "" is
	// JumpCloud's own address.
	JumpCloudToken string
	GraphURL       string
	LoginURL       string
	ClientID       string
	// Proof is the credential with which the application signs in to Entra.
	Proof   func(context.Context) (entra.Proof, error)
	Keys    Keys
	Regions Regions
	// Slowdowns keeps when Graph asked to slow down; nil keeps nothing.
	Slowdowns Slowdowns
	// Transport sends all requests; nil is http.DefaultTransport. It gets no write of a plan.
	Transport http.RoundTripper
}

// Set keeps the clients. It is safe for concurrent use.
type Set struct {
	cfg Config

	mu            sync.Mutex
	organizations map[directory.OrganizationID]organization
	tenants       map[directory.TenantID]*entra.Client
}

// tokenURL is where service accounts of organizations in the US get their access tokens
// (JumpCloud-Serverless).
const tokenURL = "https://admin-oauth.id.jumpcloud.com/oauth2/token"

// organization is the client of an organization, what it was made of, until when it is
// valid, and whether JumpCloud refused its credential.
type organization struct {
	client *jumpcloud.Client
	of     ingredients
	until  time.Time
	key    *refusable
}

// ingredients are what the client of an organization is made of.
type ingredients struct {
	credential secret.JumpCloud
	region     directory.Region
	expiresAt  time.Time
}

// keyLife is how long a client is used before its credential is read again. A replaced one
// may still be used for so long, unless JumpCloud refuses it: then it is read again for the
// next attempt.
const keyLife = 5 * time.Minute

// New makes the access to the outside systems; it sends nothing. It returns a fault that
// names the first part that is missing.
func New(cfg Config) (*Set, error) {
	set, err := ForJumpCloud(cfg)
	if err != nil {
		return set, err
	}
	return set, fault.Missing("clients.new", fault.Part{Name: "GraphURL", There: cfg.GraphURL != ""},
		fault.Part{Name: "LoginURL", There: cfg.LoginURL != ""}, fault.Part{Name: "ClientID", There: cfg.ClientID != ""},
		fault.Part{Name: "Proof", There: cfg.Proof != nil})
}

// ForJumpCloud is New for a function that never calls Entra, and that may not sign in there.
func ForJumpCloud(cfg Config) (*Set, error) {
	cfg.Transport = readonly.Transport(cfg.Transport)
	set := &Set{
		cfg:           cfg,
		organizations: map[directory.OrganizationID]organization{},
		tenants:       map[directory.TenantID]*entra.Client{},
	}
	return set, fault.Missing("clients.new", fault.Part{Name: "JumpCloudAPI", There: cfg.JumpCloudAPI != ""},
		fault.Part{Name: "Keys", There: cfg.Keys != nil}, fault.Part{Name: "Regions", There: cfg.Regions != nil})
}

// JumpCloud implements reconcile.Clients.
func (s *Set) JumpCloud(ctx context.Context, id directory.OrganizationID) (reconcile.JumpCloud, error) {
	return s.Organization(ctx, id)
}

// Feed implements catchup.Feeds.
func (s *Set) Feed(ctx context.Context, id directory.OrganizationID) (catchup.Feed, error) {
	return s.Organization(ctx, id)
}

// Organization is the client of an organization. As long as nothing of what it is made of
// changes it is the same one, because it keeps an access token. If ctx wants fresh secrets,
// the credential is read again.
func (s *Set) Organization(ctx context.Context, id directory.OrganizationID) (*jumpcloud.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept, known := s.organizations[id]; known {
		if kept.key.refused.Load() {
			ctx = secret.Fresh(ctx) // somebody may just have replaced it
		} else if time.Now().Before(kept.until) && !secret.WantsFresh(ctx) {
			return kept.client, nil
		}
	}
	credential, err := s.cfg.Keys.JumpCloud(ctx, id)
	if err != nil {
		return nil, err
	}
	o, err := s.cfg.Regions.Organization(ctx, id)
	if err != nil {
		return nil, err
	}
	kept, of := s.organizations[id], ingredients{credential, o.Region, o.Credential().ExpiresAt}
	if kept.client == nil || kept.of != of {
		used := &refusable{next: s.cfg.Transport}
		kept = organization{client: s.clientFor(o, credential, used), of: of, key: used}
	}
	kept.key.refused.Store(false)
	kept.until = time.Now().Add(keyLife)
	s.organizations[id] = kept
	return kept.client, nil
}

// CheckKey reads an organization with a credential that is not stored yet, and returns its
// name in JumpCloud and when the credential ends, if JumpCloud says it. That it does not
// say it, for whatever reason, is only logged.
func (s *Set) CheckKey(ctx context.Context, o directory.Organization, credential secret.JumpCloud) (name string, ends time.Time, err error) {
	o.CredentialsExpireAt = nil // that of the one before
	client := s.clientFor(o, credential, s.cfg.Transport)
	found, err := client.Organization(ctx)
	if err != nil {
		return "", ends, err
	}
	ends, unknown := client.CredentialEnd(ctx)
	if unknown != nil {
		zerolog.Ctx(ctx).Info().Err(unknown).Str("organization", string(o.ID)).Msg("JumpCloud does not say when the credential ends")
	}
	return found.Name, ends, nil
}

// refusable is the transport of a client that notes whether JumpCloud refuses the key.
type refusable struct {
	next    http.RoundTripper // nil is http.DefaultTransport
	refused atomic.Bool
}

// RoundTrip implements http.RoundTripper.
func (t *refusable) RoundTrip(r *http.Request) (*http.Response, error) {
	next := t.next
	if next == nil {
		next = http.DefaultTransport
	}
	response, err := next.RoundTrip(r)
	if err == nil && (response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden) {
		t.refused.Store(true)
	}
	return response, err
}

// clientFor makes a client for an organization and a credential.
func (s *Set) clientFor(o directory.Organization, credential secret.JumpCloud, transport http.RoundTripper) *jumpcloud.Client {
	return jumpcloud.NewClient(jumpcloud.Config{
		APIURL: o.Region.Host(s.cfg.JumpCloudAPI), InsightsURL: o.Region.Host(s.cfg.JumpCloudInsights),
		APIKey: credential.APIKey, ClientID: credential.ClientID, ClientSecret: credential.ClientSecret,
		TokenURL: o.Region.Host(cmp.Or(s.cfg.JumpCloudToken, tokenURL)), Organization: o.ID, ExpiresAt: o.Credential().ExpiresAt,
		HTTP: &http.Client{Transport: transport, CheckRedirect: redirect.FollowNone},
	})
}

// Entra implements reconcile.Clients.
func (s *Set) Entra(_ context.Context, tenant directory.TenantID) (reconcile.Entra, error) {
	return s.tenant(tenant)
}

// Describe reads the properties of a tenant, which proves that our credentials work there.
func (s *Set) Describe(ctx context.Context, tenant directory.TenantID) (directory.Tenant, error) {
	client, err := s.tenant(tenant)
	if err != nil {
		return directory.Tenant{}, err
	}
	return client.Describe(ctx)
}

// Prove reads the properties of a tenant with a sign-in that begins after a time.
func (s *Set) Prove(ctx context.Context, tenant directory.TenantID, since time.Time) (directory.Tenant, error) {
	client, err := s.tenant(tenant)
	if err != nil {
		return directory.Tenant{}, err
	}
	return client.Prove(secret.Fresh(ctx), since)
}

// ConsentURL is where an administrator of a tenant gives consent to the application. The
// browser is sent back to an address, with a state.
func (s *Set) ConsentURL(tenant directory.TenantID, back, state string) (string, error) {
	client, err := s.tenant(tenant)
	if err != nil {
		return "", err
	}
	return client.ConsentURL(back, state), nil
}

// tenant is the client of a tenant.
func (s *Set) tenant(id directory.TenantID) (*entra.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if client, known := s.tenants[id]; known {
		return client, nil
	}
	client, err := entra.New(entra.Config{
		GraphURL: s.cfg.GraphURL, LoginURL: s.cfg.LoginURL, Tenant: id,
		ClientID: s.cfg.ClientID, Proof: s.cfg.Proof, Transport: s.cfg.Transport, Slowed: s.slowed(id),
	})
	if err != nil {
		return nil, err
	}
	s.tenants[id] = client
	return client, nil
}

// Accounts implements importing.Clients.
func (s *Set) Accounts(_ context.Context, tenant directory.TenantID) (importing.Entra, error) {
	return s.tenant(tenant)
}

// People implements importing.Clients.
func (s *Set) People(ctx context.Context, id directory.OrganizationID) (importing.JumpCloud, error) {
	return s.Organization(ctx, id)
}

// Lists implements resync.Clients.
func (s *Set) Lists(_ context.Context, tenant directory.TenantID) (resync.Entra, error) {
	return s.tenant(tenant)
}

// Pages implements resync.Clients.
func (s *Set) Pages(ctx context.Context, id directory.OrganizationID) (resync.JumpCloud, error) {
	return s.Organization(ctx, id)
}

// recordLimit is how long it may take to store that Graph asks to slow down.
const recordLimit = 5 * time.Second

// slowed stores that Graph asks to slow down in a tenant; nil if that is not kept.
func (s *Set) slowed(id directory.TenantID) func(context.Context, time.Time) {
	if s.cfg.Slowdowns == nil {
		return nil
	}
	return func(ctx context.Context, until time.Time) {
		recording, stop := deadline.ForRecords(ctx, recordLimit)
		defer stop()
		if err := s.cfg.Slowdowns.NoteThrottled(recording, store.Throttled{Tenant: id, At: time.Now().UTC(), Until: until.UTC()}); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("tenant", string(id)).Msg("it could not be stored that Graph asks to slow down")
		}
	}
}
