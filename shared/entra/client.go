// Package entra is the client of Microsoft Graph for one Entra tenant, and the
// only importer of the Microsoft SDKs.
//
// Requests are built by the SDK's typed request builders, but not by
// GraphServiceClient, which would link all of Graph into every binary. Reads and writes
// for several users or groups are sent together: the requests that the builders made
// become the items of one $batch. Our own small sender sends it, because the SDK's
// batch classes lose numbers, panic on empty answers and drop everything when one item
// is throttled. The HTTP pipeline is built explicitly: the SDK's default one puts its
// compression and retry handlers in random order, and a body that is retried after it
// was compressed has wrong headers. Models that are sent are always new ones, because a
// model that came from Graph does not track its changes. We parse answers ourselves,
// field by field.
//
// The SDK signs in, but we keep the token: the SDK makes every request wait while it
// tries in vain to replace a token that is still good, and it never replaces a token
// that lacks a permission granted since.
package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	backing "github.com/microsoft/kiota-abstractions-go/store"
	khttp "github.com/microsoft/kiota-http-go"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/organization"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/loopback"
)

// Config says how to reach a tenant.
type Config struct {
	GraphURL string // root with the version: https://graph.microsoft.com/v1.0
	LoginURL string // authority host: https://login.microsoftonline.com
	Tenant   directory.TenantID
	ClientID string
	// Proof gives what the application proves itself with. It is called for every new
	// token.
	Proof func(context.Context) (Proof, error)
	// Slowed hears, at most once a minute, that Graph asks to slow down and until when; nil
	// hears nothing. The context is that of a request.
	Slowed func(ctx context.Context, until time.Time)
	// Transport carries the requests; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// Client talks to one tenant. It is safe for concurrent use and keeps its token
// and connections: make one and reuse it.
type Client struct {
	tenant  directory.TenantID
	baseURL string
	http    *http.Client
	adapter abstractions.RequestAdapter
	users   *users.UsersRequestBuilder
	groups  *groups.GroupsRequestBuilder
	tokens  tokens
	limit   limiter
	upserts upserts
	slow    slowdowns

	mu        sync.Mutex
	known     directory.Tenant // the tenant as Graph described it last
	described time.Time        // when; zero: not yet
}

// requestTimeout bounds one HTTP exchange. Waits that Graph asks for do not
// count: they happen between exchanges.
const requestTimeout = 30 * time.Second

// New makes the client of a tenant. It sends nothing; a URL that cannot be used
// is a fault of kind Invalid.
func New(cfg Config) (*Client, error) {
	graph, err := checkURL("GRAPH_URL", cfg.GraphURL)
	if err != nil {
		return nil, err
	}
	if _, err := checkURL("ENTRA_LOGIN_URL", cfg.LoginURL); err != nil {
		return nil, err
	}
	transport := cfg.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	c := &Client{tenant: cfg.Tenant, baseURL: strings.TrimSuffix(cfg.GraphURL, "/")}
	c.tokens.signIn = newSignIn(cfg, graph, transport)
	c.slow.report = cfg.Slowed
	c.http = pipeline(transport, &c.slow)
	adapter, err := khttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		&authentication.AnonymousAuthenticationProvider{}, // our sender adds the token
		noParser{},
		// Without this proxy a value that was set to nil is left out of the
		// body, and no attribute could ever be cleared.
		backing.NewBackingStoreSerializationWriterProxyFactory(jsonserialization.NewJsonSerializationWriterFactory()),
		c.http,
	)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "entra.adapter")
	}
	adapter.SetBaseUrl(c.baseURL)
	c.adapter = adapter
	c.users = users.NewUsersRequestBuilderInternal(map[string]string{"baseurl": c.baseURL}, adapter)
	c.groups = groups.NewGroupsRequestBuilderInternal(map[string]string{"baseurl": c.baseURL}, adapter)
	return c, nil
}

// noParser takes the place of the SDK's parser of answers. We parse the few fields that
// we need: the SDK's parser would link the models of all of Graph into every program
// and triple its size.
type noParser struct{}

// GetValidContentType implements serialization.ParseNodeFactory.
func (noParser) GetValidContentType() (string, error) { return "application/json", nil }

// GetRootParseNode implements serialization.ParseNodeFactory.
func (noParser) GetRootParseNode(string, []byte) (serialization.ParseNode, error) {
	return nil, fault.New(fault.Internal, "entra.parse", "answers are not parsed by the SDK")
}

// checkURL refuses a URL that is not https, unless it is on this machine.
func checkURL(variable, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err == nil && u.Host != "" && (u.Scheme == "https" || (u.Scheme == "http" && loopback.Is(u.Hostname()))) {
		return u, nil
	}
	return nil, &fault.Error{Op: "entra.config", Kind: fault.Invalid, Subject: variable,
		Message: fmt.Sprintf("%s is %q: it must be an https address (plain http is allowed on this machine only)", variable, raw)}
}

// Describe reads the tenant. It also proves that our credentials work there: if they do
// not, it returns a fault of kind Unauthorized, whose reason and message say why.
func (c *Client) Describe(ctx context.Context) (directory.Tenant, error) {
	const op = "entra.read organization"
	builder := organization.NewOrganizationRequestBuilderInternal(map[string]string{"baseurl": c.baseURL}, c.adapter)
	info, err := builder.ToGetRequestInformation(ctx, &organization.OrganizationRequestBuilderGetRequestConfiguration{
		QueryParameters: &organization.OrganizationRequestBuilderGetQueryParameters{Select: []string{"id", "displayName", "verifiedDomains"}},
	})
	if err != nil {
		return directory.Tenant{}, fault.Wrap(err, fault.Internal, op)
	}
	asked, err := c.item("", info)
	if err != nil {
		return directory.Tenant{}, err
	}
	got, err := c.acceptedItem(ctx, asked)
	if err != nil {
		return directory.Tenant{}, fault.Wrap(err, fault.Transient, op)
	}
	if got.status != http.StatusOK {
		return directory.Tenant{}, unreadable(refusal(op, got.status, got.header, got.body))
	}
	var answer struct {
		Value []struct {
			ID              string `json:"id"`
			DisplayName     string `json:"displayName"`
			VerifiedDomains []struct {
				Name      string `json:"name"`
				Type      string `json:"type"` // Managed or Federated
				IsInitial bool   `json:"isInitial"`
			} `json:"verifiedDomains"`
		} `json:"value"`
	}
	if err := json.Unmarshal(got.body, &answer); err != nil || len(answer.Value) == 0 || answer.Value[0].ID == "" {
		return directory.Tenant{}, &fault.Error{Op: op, Kind: fault.Transient, Message: "Graph answered without an organization", Err: err}
	}
	own := answer.Value[0]
	t := directory.Tenant{ID: directory.TenantID(own.ID), Name: own.DisplayName, Granted: got.token.granted()}
	if t.Name == "" {
		t.Name = own.ID
	}
	for _, d := range own.VerifiedDomains {
		name := strings.ToLower(d.Name)
		t.VerifiedDomains = append(t.VerifiedDomains, name)
		if strings.EqualFold(d.Type, "Federated") {
			t.FederatedDomains = append(t.FederatedDomains, name)
		}
		if d.IsInitial {
			t.InitialDomain = name
		}
	}
	c.mu.Lock()
	c.known, c.described = t, time.Now()
	c.mu.Unlock()
	return t, nil
}

// unreadable is why the tenant cannot be read. If Graph forbids that, no single account
// is the cause: a permission is missing.
func unreadable(f *fault.Error) *fault.Error {
	if f.Kind == fault.Forbidden {
		f.Kind, f.Reason = fault.Unauthorized, directory.PermissionMissing
		f.Message = "the application may not read the tenant: give it the permissions that the README lists (Organization.Read.All for this), with admin consent"
	}
	return f
}

// How long the description of the tenant is used: longer for a domain that is verified
// than for one that is not, because somebody may be verifying that one just now. What is in
// the way of somebody, a domain that is not verified or one that is federated, is read again
// for a request to try again.
const (
	tenantLife     = 15 * time.Minute
	unverifiedLife = 10 * time.Second
)

// Tenant implements reconcile.Entra.
func (c *Client) Tenant(ctx context.Context, domains []string, since time.Time) (directory.Tenant, error) {
	c.mu.Lock()
	known, described := c.known, c.described
	c.mu.Unlock()
	age := time.Since(described)
	unverified := slices.ContainsFunc(domains, func(d string) bool { return !slices.Contains(known.VerifiedDomains, d) })
	federated := slices.ContainsFunc(domains, func(d string) bool { return slices.Contains(known.FederatedDomains, d) })
	life := tenantLife
	if unverified {
		life = unverifiedLife
	}
	if age < life && (described.After(since) || !unverified && !federated) {
		return known, nil
	}
	return c.Describe(ctx)
}

// tenantName is the tenant's name for a sentence, or its id while the name cannot be
// read.
func (c *Client) tenantName(ctx context.Context) string {
	if t, err := c.Tenant(ctx, nil, time.Time{}); err == nil && t.Name != "" {
		return t.Name
	}
	return string(c.tenant)
}
