// Package systems gives the functions access to the outside systems: one client
// for every JumpCloud organization and one for every Entra tenant, made when
// first needed and kept, because a client holds connections and a token.
package systems

import (
	"context"
	"net/http"
	"sync"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/reconcile"
)

// Keys knows the API keys of the organizations.
type Keys interface {
	// APIKey is the key of an organization; NotFound if we serve none of that id.
	APIKey(ctx context.Context, organization directory.OrganizationID) (string, error)
}

// Config says where the outside systems are and how to sign in to Entra.
type Config struct {
	JumpCloudAPI      string // root of v1
	JumpCloudInsights string
	GraphURL          string
	LoginURL          string
	ClientID          string
	ClientSecret      string
	Keys              Keys
	// Transport carries all requests; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// Systems keeps the clients. It is safe for concurrent use.
type Systems struct {
	cfg Config

	mu            sync.Mutex
	organizations map[directory.OrganizationID]*jumpcloud.Client
	tenants       map[directory.TenantID]*entra.Client
}

// New makes the access to the outside systems; it sends nothing.
func New(cfg Config) *Systems {
	return &Systems{
		cfg:           cfg,
		organizations: map[directory.OrganizationID]*jumpcloud.Client{},
		tenants:       map[directory.TenantID]*entra.Client{},
	}
}

// JumpCloud implements reconcile.Systems.
func (s *Systems) JumpCloud(ctx context.Context, organization directory.OrganizationID) (reconcile.JumpCloud, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if client, known := s.organizations[organization]; known {
		return client, nil
	}
	key, err := s.cfg.Keys.APIKey(ctx, organization)
	if err != nil {
		return nil, err
	}
	client := jumpcloud.NewClient(jumpcloud.Config{
		APIURL: s.cfg.JumpCloudAPI, InsightsURL: s.cfg.JumpCloudInsights, APIKey: key, Organization: organization,
		HTTP: &http.Client{Transport: s.cfg.Transport},
	})
	s.organizations[organization] = client
	return client, nil
}

// Entra implements reconcile.Systems.
func (s *Systems) Entra(_ context.Context, tenant directory.TenantID) (reconcile.Entra, error) {
	return s.tenant(tenant)
}

// Describe asks a tenant what it is, which proves that our credentials work
// there.
func (s *Systems) Describe(ctx context.Context, tenant directory.TenantID) (directory.Tenant, error) {
	client, err := s.tenant(tenant)
	if err != nil {
		return directory.Tenant{}, err
	}
	return client.Describe(ctx)
}

// tenant is the client of a tenant.
func (s *Systems) tenant(id directory.TenantID) (*entra.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if client, known := s.tenants[id]; known {
		return client, nil
	}
	client, err := entra.New(entra.Config{
		GraphURL: s.cfg.GraphURL, LoginURL: s.cfg.LoginURL, Tenant: id,
		ClientID: s.cfg.ClientID, Secret: s.cfg.ClientSecret, Transport: s.cfg.Transport,
	})
	if err != nil {
		return nil, err
	}
	s.tenants[id] = client
	return client, nil
}
