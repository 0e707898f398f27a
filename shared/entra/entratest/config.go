package entratest

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"entrasync/shared/fault"
)

// Config is the configuration of a simulator. The zero value works: one tenant, one app
// with [RecommendedRoles], memory only.
type Config struct {
	Tenants   []Tenant  // none: [DefaultTenant]
	Apps      []App     // none: [DefaultApp]
	Behaviour Behaviour // the settings at the start; [Simulator.Set] changes them
	Seed      int64     // decides ids, lag and the order of batch answers
	Journal   string    // path of the file that keeps every change; "": memory only
	Log       int       // requests kept for [Simulator.Requests]; 0: 500
}

// Tenant is one Entra tenant.
type Tenant struct {
	ID      string   // a GUID
	Name    string   // display name of the organization
	Domains []Domain // none: one managed default domain
	SKUs    []SKU    // the products of which the tenant has licenses
}

// Domain is a domain of a tenant. By default it is verified and managed.
type Domain struct {
	Name       string
	Default    bool // at most one; without one the first verified domain is the default
	Initial    bool // the onmicrosoft.com domain
	Federated  bool // sign-in is in another system: no passwords, onPremisesImmutableId required and fixed
	Unverified bool // listed by /domains, refused in a userPrincipalName
}

// App is an app registration with its service principal in the tenants.
type App struct {
	ClientID       string
	ClientSecret   string // "": the app cannot sign in with a secret
	Name           string
	Roles          []string              // application permissions granted, the `roles` of its tokens
	Requires       []string              // permissions that the registration lists, which a consent grants; none: Roles
	RedirectURIs   []string              // where a consent page leads back to, compared exactly; none: anywhere
	DirectoryRoles []string              // display names such as "User Administrator"
	Tenants        []string              // tenants that consented; none: all
	Federated      []FederatedCredential // credentials whose assertions are accepted
	AnyAssertion   bool                  // accept every well-formed client_assertion in its time window
	Disabled       bool                  // AADSTS7000112
	SecretExpired  bool                  // AADSTS7000222
	Blocked        bool                  // AADSTS53003, Conditional Access for workload identities
}

// FederatedCredential names the outside tokens that an app accepts. The match is
// exact, as in Entra; the signature is not checked.
type FederatedCredential struct {
	Issuer, Subject string
	Audience        string // "": api://AzureADTokenExchange
}

// RecommendedRoles are the application permissions that entrasync needs.
var RecommendedRoles = []string{
	"User.ReadWrite.All", "User.EnableDisableAccount.All", "User-PasswordProfile.ReadWrite.All", "User.RevokeSessions.All",
	"GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Organization.Read.All",
}

// UserAdministrator is the directory role that an app needs, besides its permissions,
// to write passwords.
const UserAdministrator = "User Administrator"

// DefaultTenant is the tenant of a simulator without configured tenants.
func DefaultTenant() Tenant {
	return Tenant{ID: "7f1d5c2e-0a4b-4c61-9a58-3d2f6b1e8c90", Name: "Contoso", SKUs: defaultSKUs(), Domains: []Domain{
		{Name: "contoso.example", Default: true},
		{Name: "contoso.onmicrosoft.example", Initial: true},
		{Name: "fed.example", Federated: true},
	}}
}

// DefaultApp is the app of a simulator without configured apps. It has RecommendedRoles
// and is a User Administrator.
func DefaultApp() App {
	return App{
		ClientID: "2b6e1f0a-93d4-4f7e-8c15-6a0d9e4b7c32", ClientSecret: "simulated-secret", Name: "entrasync",
		Roles: RecommendedRoles, DirectoryRoles: []string{UserAdministrator},
	}
}

// complete adds the defaults and refuses a configuration that cannot be simulated.
func (c Config) complete() (Config, error) {
	if len(c.Tenants) == 0 {
		c.Tenants = []Tenant{DefaultTenant()}
	}
	if len(c.Apps) == 0 {
		c.Apps = []App{DefaultApp()}
	}
	if c.Log == 0 {
		c.Log = 500
	}
	seen := map[string]bool{}
	for i, t := range c.Tenants {
		if _, err := uuid.Parse(t.ID); err != nil {
			return c, invalidConfig("tenant id %q is not a GUID", t.ID)
		}
		c.Tenants[i].ID = strings.ToLower(t.ID)
		if len(t.Domains) == 0 {
			c.Tenants[i].Domains = []Domain{{Name: "contoso.example", Default: true}}
		}
		for _, name := range append([]string{t.ID}, domainNames(c.Tenants[i].Domains)...) {
			if seen[strings.ToLower(name)] {
				return c, invalidConfig("%q belongs to two tenants", name)
			}
			seen[strings.ToLower(name)] = true
		}
	}
	for _, a := range c.Apps {
		if a.ClientID == "" {
			return c, invalidConfig("an app has no client id")
		}
		for _, role := range a.DirectoryRoles {
			if roleTemplates[role] == "" {
				return c, invalidConfig("the template of the directory role %q is not known", role)
			}
		}
	}
	return c, nil
}

func domainNames(domains []Domain) []string {
	var names []string
	for _, d := range domains {
		names = append(names, d.Name)
	}
	return names
}

func invalidConfig(format string, args ...any) error {
	return fault.New(fault.Invalid, "entratest.New", fmt.Sprintf(format, args...))
}
