// Package admin is the function that serves entrasync's own API to administrators:
// directories and their settings, connections, the state of each user and group with
// its reason, and the password gateway.
//
// The OpenAPI document at /openapi.json describes every operation. It is made from the
// types that decode the requests, and bodies are checked with its schemas. Errors are
// problem documents (RFC 9457) that name the wrong field. Every request for a change by
// an authorized caller is logged with the caller; requests of others are counted.
package admin

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/clients"
	"entrasync/shared/credentials"
	"entrasync/shared/crowd"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/importapi"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/repeated"
	"entrasync/shared/results"
	"entrasync/shared/resync"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// Tenants reads tenants in Entra.
type Tenants interface {
	// Describe reads the domains of a tenant with our credentials. If the tenant
	// refuses them, it returns a fault of kind Unauthorized or Forbidden with a reason
	// and a message.
	Describe(ctx context.Context, tenant directory.TenantID) (directory.Tenant, error)
	// Prove is Describe with a sign-in that begins after a time. What the tenant allows the
	// application is in the answer also beside a fault, if it is known.
	Prove(ctx context.Context, tenant directory.TenantID, since time.Time) (directory.Tenant, error)
	// ConsentURL is where an administrator of a tenant gives consent. The browser is sent
	// back to an address, with a state.
	ConsentURL(tenant directory.TenantID, back, state string) (string, error)
}

// Organization is the client of one organization in JumpCloud, for what only the API
// does.
type Organization interface {
	Channels
	Groups
	Passwords
}

// Clients are the outside systems.
type Clients interface {
	reconcile.Clients
	Tenants
	Organizations
	// Of returns the client of one organization.
	Of(ctx context.Context, id directory.OrganizationID) (Organization, error)
}

// Through makes Clients from the clients of a process.
func Through(set *clients.Set) Clients { return through{set} }

type through struct{ *clients.Set }

// Of implements Clients.
func (t through) Of(ctx context.Context, id directory.OrganizationID) (Organization, error) {
	return t.Organization(ctx, id)
}

// API is what the operations need.
type API struct {
	Store   *store.Store
	Clients Clients
	Lanes   reconcile.Lanes
	Changes queue.Sender // the queue of events
	Resyncs resync.Starter
	Auth    api.Auth
	Secrets secret.Store
	// Entra is what is known of the application's credential for Entra; nil if it signs in
	// without a stored one.
	Entra credentials.Source

	// Address is where browsers reach the API, without a slash at the end; "" if that is not
	// known. Entra sends browsers back there.
	Address string
	// Metrics counts what the guard holds.
	Metrics metric.Counter
	// Results gives out the files of plans.
	Results results.Linker

	// ResyncEvery is the time between two resyncs of a directory, and CatchUpEvery that between
	// two runs of the catch-up; 0: the default.
	ResyncEvery, CatchUpEvery time.Duration

	// requests counts the requests for single users and groups.
	requests *crowd.Counter
	// strange logs browsers that come back with a state that is none of ours.
	strange *repeated.Log[string]
	// planning says that the records are an overlay: what is not for it is left out.
	planning bool
}

// check returns a fault that names the missing part of the API, if there is one.
func (a API) check() error {
	if err := fault.Missing("admin.new", fault.Part{Name: "Store", There: a.Store != nil}, fault.Part{Name: "Clients", There: a.Clients != nil},
		fault.Part{Name: "Changes", There: a.Changes != nil}, fault.Part{Name: "Auth", There: a.Auth != nil}, fault.Part{Name: "Secrets", There: a.Secrets != nil}, fault.Part{Name: "Results", There: a.Results != nil}, fault.Part{Name: "Metrics", There: a.Metrics != nil}); err != nil {
		return err
	}
	if err := a.Resyncs.Check(); err != nil {
		return err
	}
	return a.Lanes.Check()
}

// New makes the handler of an API. If a part of the API is missing, it returns a fault.
func New(a API) (api.Handler, error) {
	if err := a.check(); err != nil {
		return api.Handler{}, err
	}
	a.requests, a.strange = &crowd.Counter{}, &repeated.Log[string]{}
	return api.New(api.Config{Auth: a.Auth, Register: a.register, Document: true})
}

// register registers all operations.
func (a API) register(on huma.API) {
	on.OpenAPI().Components.Schemas.RegisterTypeAlias(reflect.TypeFor[directory.Reason](), reflect.TypeFor[shownReason]())
	huma.Register(on, api.OpenOperation("health", http.MethodGet, "/healthz", "Whether the function answers", http.StatusOK),
		func(context.Context, *struct{}) (*api.Answer[health], error) {
			return &api.Answer[health]{Body: health{Status: "ok"}}, nil
		})
	a.organizations(on)
	a.webhooks(on)
	a.passwords(on)
	a.directories(on)
	a.authorizations(on)
	a.exports(on)
	a.restorations(on)
	a.deactivations(on)
	a.connections(on)
	a.users(on)
	a.takeOvers(on)
	a.groups(on)
	a.retries(on)
	a.holds(on)
	a.events(on)
	a.deadLetters(on)
	a.jobs(on)
	a.plans(on)
	importapi.API{}.Register(api.DocumentOnly(on))
	describe(on.OpenAPI())
}

// health is the answer of /healthz.
type health struct {
	Status string `json:"status" enum:"ok"`
}
