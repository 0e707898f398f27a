// Package admin is the function that serves entrasync's own API to
// administrators: directories and their settings, connections, how each user and
// group stands and why, and the password gateway.
//
// Every operation is described by the OpenAPI document at /openapi.json, which
// is made from the same types that decode the requests. Errors are problem
// documents (RFC 9457) that name the field at fault.
package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// Tenants asks a tenant whether our credentials work there.
type Tenants interface {
	// Describe is a fault of kind Unauthorized or Forbidden when the tenant has
	// not consented.
	Describe(ctx context.Context, tenant directory.TenantID) (directory.Tenant, error)
}

// API is what the operations need.
type API struct {
	Store   *store.Store
	Systems reconcile.Systems
	Tenants Tenants
	Live    queue.Sender // what an administrator waits for
	Bulk    queue.Sender // first connections
	// GroupsLive and GroupsBulk are the same for groups.
	GroupsLive queue.Sender
	GroupsBulk queue.Sender
	Auth       Auth
	Secrets    secret.Store
	// Organizations checks the API keys of organizations that are added.
	Organizations Organizations
	// Channels gives the notification channels of an organization.
	Channels func(context.Context, directory.OrganizationID) (Channels, error)
	// Groups reads the groups of an organization.
	Groups func(context.Context, directory.OrganizationID) (Groups, error)
	// Passwords gives what sets passwords in an organization.
	Passwords func(context.Context, directory.OrganizationID) (Passwords, error)
}

// Handler serves the API to API Gateway events.
type Handler struct{ adapter *httpadapter.HandlerAdapterV2 }

// NewHandler makes the handler of an API.
func NewHandler(api API) Handler {
	return Handler{adapter: httpadapter.NewV2(api.mux())}
}

// Handle takes one request.
func (h Handler) Handle(ctx context.Context, r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return h.adapter.ProxyWithContext(ctx, r)
}

// securityName is the name of the bearer token in the OpenAPI document.
const securityName = "token"

// mux assembles the API.
func (a API) mux() http.Handler {
	config := huma.DefaultConfig("entrasync", "1")
	config.Info.Description = "Keeps Microsoft 365 / Entra ID true to JumpCloud."
	config.CreateHooks = nil // no $schema links inside the answers
	config.DocsPath = ""     // the page would load scripts from elsewhere
	config.Transformers = append(config.Transformers, withoutBodies)
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{securityName: {Type: "http", Scheme: "bearer"}}
	mux := http.NewServeMux()
	api := humago.New(mux, config)
	mux.HandleFunc("/", nothingHere)
	api.UseMiddleware(a.authorize(api))
	huma.Register(api, huma.Operation{OperationID: "health", Method: http.MethodGet, Path: "/healthz", Summary: "Whether the function answers"},
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
	return mux
}

// withoutBodies takes out of an error what it repeats of the body of the request:
// there may be a key or a token in it.
func withoutBodies(_ huma.Context, _ string, answer any) (any, error) {
	problem, is := answer.(*huma.ErrorModel)
	if !is {
		return answer, nil
	}
	for _, detail := range problem.Errors {
		if !strings.HasPrefix(detail.Location, "path.") && !strings.HasPrefix(detail.Location, "query.") {
			detail.Value = nil
			if detail.Location == "body" && strings.HasPrefix(detail.Message, "invalid character") {
				detail.Message = "the body is not JSON" // the original repeats a part of it
			}
		}
	}
	return problem, nil
}

// nothingHere answers what is no operation, like everything else that is refused,
// with a problem document.
func nothingHere(w http.ResponseWriter, r *http.Request) {
	problem, err := json.Marshal(huma.NewError(http.StatusNotFound, "there is no operation "+r.Method+" "+r.URL.Path+": /openapi.json lists them all"))
	if err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write(problem) // the caller may have gone away
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

// Paging are the query parameters of a list. It is exported because huma reads no
// embedded type that is not.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
	Cursor string `query:"cursor"`
}

// operation describes an operation that needs the token.
func operation(id, method, path, summary string, status int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status,
		Security: []map[string][]string{{securityName: {}}},
	}
}

// statuses are what a fault means to a client of the API.
var statuses = map[fault.Kind]int{
	fault.Invalid:      http.StatusUnprocessableEntity,
	fault.NotFound:     http.StatusNotFound,
	fault.Conflict:     http.StatusConflict,
	fault.Changed:      http.StatusConflict,
	fault.Forbidden:    http.StatusBadGateway,
	fault.Unauthorized: http.StatusBadGateway,
	fault.Throttled:    http.StatusServiceUnavailable,
	fault.Transient:    http.StatusServiceUnavailable,
	fault.Internal:     http.StatusInternalServerError,
}

// refuse is the problem document for an error about one field of the request,
// such as "path.userId" or "body.tenantId".
func refuse(err error, location string, value any) error {
	f := fault.Of(err)
	message := f.Message
	if message == "" {
		message = "the request failed (" + string(f.Kind) + ")"
	}
	status := statuses[f.Kind]
	if location == "" {
		return huma.NewError(status, message)
	}
	return huma.NewError(status, message, &huma.ErrorDetail{Message: message, Location: location, Value: value})
}
