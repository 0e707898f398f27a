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

	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"entrasync/shared/clients"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// Tenants reads tenants in Entra.
type Tenants interface {
	// Describe reads the domains of a tenant with our credentials. If the tenant
	// refuses them, it returns a fault of kind Unauthorized or Forbidden with a reason
	// and a message.
	Describe(ctx context.Context, tenant directory.TenantID) (directory.Tenant, error)
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
	Auth    Auth
	Secrets secret.Store
}

// check returns a fault that names the missing part of the API, if there is one.
func (a API) check() error {
	if err := fault.Missing("admin.new", fault.Part{Name: "Store", There: a.Store != nil}, fault.Part{Name: "Clients", There: a.Clients != nil},
		fault.Part{Name: "Changes", There: a.Changes != nil}, fault.Part{Name: "Auth", There: a.Auth != nil}, fault.Part{Name: "Secrets", There: a.Secrets != nil}); err != nil {
		return err
	}
	return a.Lanes.Check()
}

// Handler serves the API to API Gateway events.
type Handler struct {
	adapter   *httpadapter.HandlerAdapterV2
	strangers *strangers
}

// New makes the handler of an API. If a part of the API is missing, it returns a fault.
func New(api API) (Handler, error) {
	if err := api.check(); err != nil {
		return Handler{}, err
	}
	return Handler{adapter: httpadapter.NewV2(api.routes()), strangers: &strangers{}}, nil
}

// securityName is the name of the bearer token in the OpenAPI document.
const securityName = "token"

// Field names are compared exactly, as in JSON: otherwise a field whose name differs
// only in case would not be checked. Lists are never null. The library has only global
// variables for both.
func init() {
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
}

// routes assembles the API.
func (a API) routes() http.Handler {
	config := huma.DefaultConfig("entrasync", "1")
	config.Info.Description = description
	config.CreateHooks = nil // no $schema links in the answers
	config.DocsPath = ""     // the page would load scripts from elsewhere
	config.SchemasPath = ""  // the document has them all
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: readJSON}
	config.Formats = map[string]huma.Format{jsonType: format, "json": format} // "json" is for problem documents
	config.Transformers = append(config.Transformers, inOurWords)
	config.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[directory.Reason](), reflect.TypeFor[shownReason]())
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{securityName: {Type: "http", Scheme: "bearer"}}
	mux := http.NewServeMux()
	api := humago.New(mux, config)
	api.UseMiddleware(noteOperation, a.authorize(api), checkIDs(api), checkQuery(api), checkContentType(api))
	huma.Register(api, huma.Operation{OperationID: "health", Method: http.MethodGet, Path: "/healthz", Summary: "Whether the function answers",
		Responses: refusing(http.StatusUnprocessableEntity, http.StatusInternalServerError)},
		func(context.Context, *struct{}) (*answer[health], error) {
			return &answer[health]{Body: health{Status: "ok"}}, nil
		})
	a.organizations(api)
	a.webhooks(api)
	a.passwords(api)
	a.directories(api)
	a.connections(api)
	a.users(api)
	a.groups(api)
	a.events(api)
	a.stranded(api)
	describe(api.OpenAPI())
	return routed(mux)
}

// health is the answer of /healthz.
type health struct {
	Status string `json:"status" enum:"ok"`
}

// answer is a response with a body.
type answer[T any] struct{ Body T }

// page is one page of a list.
type page[T any] struct {
	Items  []T    `json:"items"`
	Cursor string `json:"cursor,omitempty" doc:"Pass it on to get the next page; missing on the last one"`
}

// Paging are the query parameters of a list. It is exported because huma ignores
// unexported embedded types.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"The most that a page holds"`
	Cursor string `query:"cursor" minLength:"1" doc:"What the page before gave; without it the list begins"`
}

// operation describes an operation that needs the token. statuses are the statuses with
// which it may refuse, in addition to those of every operation.
func operation(id, method, path, summary string, status int, statuses ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status,
		Responses: refusing(append(statuses, http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable)...),
		Security:  []map[string][]string{{securityName: {}}},
	}
}
