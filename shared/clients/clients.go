// Package clients gives the functions access to the outside systems: one client for every
// JumpCloud organization and one for every Entra tenant. A client is made when it is first
// needed and then kept, because it has open connections and a token.
package clients

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"entrasync/shared/catchup"
	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/fault"
	"entrasync/shared/importing"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/reconcile"
	"entrasync/shared/redirect"
	"entrasync/shared/resync"
	"entrasync/shared/secret"
)

// Keys knows the API keys of the organizations.
type Keys interface {
	// APIKey is the key of an organization; NotFound if we serve none of that id.
	APIKey(ctx context.Context, organization directory.OrganizationID) (string, error)
}

// Regions knows in which region each organization is.
type Regions interface {
	// Organization reads an organization; NotFound if we serve none of that id.
	Organization(ctx context.Context, id directory.OrganizationID) (directory.Organization, error)
}

// Config says where the outside systems are and how to sign in to Entra.
type Config struct {
	// JumpCloudAPI is the root address of API v1, and JumpCloudInsights that of
	// Directory Insights, both for the US. If they are JumpCloud's own hosts,
	// organizations of other regions use the hosts of their region instead.
	JumpCloudAPI      string
	JumpCloudInsights string
	GraphURL          string
	LoginURL          string
	ClientID          string
	// Proof is the credential with which the application signs in to Entra.
	Proof   func(context.Context) (entra.Proof, error)
	Keys    Keys
	Regions Regions
	// Transport sends all requests; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// Set keeps the clients. It is safe for concurrent use.
type Set struct {
	cfg Config

	mu            sync.Mutex
	organizations map[directory.OrganizationID]organization
	tenants       map[directory.TenantID]*entra.Client
}

// organization is the client of an organization, until when it is valid, and whether JumpCloud
// refused its key.
type organization struct {
	client *jumpcloud.Client
	until  time.Time
	key    *refusable
}

// keyLife is how long a client is used before its API key is read again. A replaced key
// may still be used for so long, unless JumpCloud refuses it: then it is read again for the next
// attempt.
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

// Organization is the client of an organization.
func (s *Set) Organization(ctx context.Context, id directory.OrganizationID) (*jumpcloud.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept, known := s.organizations[id]; known {
		if kept.key.refused.Load() {
			ctx = secret.Fresh(ctx) // somebody may just have replaced it
		} else if time.Now().Before(kept.until) {
			return kept.client, nil
		}
	}
	key, err := s.cfg.Keys.APIKey(ctx, id)
	if err != nil {
		return nil, err
	}
	o, err := s.cfg.Regions.Organization(ctx, id)
	if err != nil {
		return nil, err
	}
	used := &refusable{next: s.cfg.Transport}
	client := s.clientFor(o, key, used)
	s.organizations[id] = organization{client, time.Now().Add(keyLife), used}
	return client, nil
}

// CheckKey reads an organization with a key that is not stored yet, and returns its name in
// JumpCloud.
func (s *Set) CheckKey(ctx context.Context, o directory.Organization, key string) (name string, err error) {
	found, err := s.clientFor(o, key, s.cfg.Transport).Organization(ctx)
	return found.Name, err
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

// clientFor makes a client for an organization and a key.
func (s *Set) clientFor(o directory.Organization, key string, transport http.RoundTripper) *jumpcloud.Client {
	return jumpcloud.NewClient(jumpcloud.Config{
		APIURL: o.Region.Host(s.cfg.JumpCloudAPI), InsightsURL: o.Region.Host(s.cfg.JumpCloudInsights), APIKey: key, Organization: o.ID,
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

// tenant is the client of a tenant.
func (s *Set) tenant(id directory.TenantID) (*entra.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if client, known := s.tenants[id]; known {
		return client, nil
	}
	client, err := entra.New(entra.Config{
		GraphURL: s.cfg.GraphURL, LoginURL: s.cfg.LoginURL, Tenant: id,
		ClientID: s.cfg.ClientID, Proof: s.cfg.Proof, Transport: s.cfg.Transport,
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
