package machine

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/admin"
	"entrasync/functions/fanout"
	"entrasync/functions/groups"
	"entrasync/functions/users"
	"entrasync/functions/webhook"
	"entrasync/shared/directory"
	"entrasync/shared/local/host"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/systems"
)

// serve starts the functions and the HTTP server.
func (m *Machine) serve(listener net.Listener) {
	outside := systems.New(systems.Config{
		JumpCloudAPI: m.Config.JumpCloudAPI, JumpCloudInsights: m.Config.JumpCloudInsights,
		GraphURL: m.Config.GraphURL, LoginURL: m.Config.LoginURL,
		ClientID: m.Config.ClientID, Proof: m.proof, Keys: m.secrets, Regions: m.Store,
	})
	m.feed(outside)
	m.server = host.NewServer(m.routes(outside), m.log)
	go func() {
		if err := m.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error().Err(err).Msg("the HTTP server ended")
		}
	}()
}

// maxAPIBody is how many bytes a request to the API may bring, the limit of its
// operations.
const maxAPIBody = 1 << 20

// routes is who answers what, by the path as API Gateway would hand it over. Like
// the routes there it takes a path as it is: net/http's own would answer some with
// a redirection.
func (m *Machine) routes(outside *systems.Systems) http.Handler {
	hook := webhook.Handler{Secrets: m.secrets, Changes: m.queues[changesQueue], Metrics: m.Metrics, Refused: &webhook.Refusals{}}
	hooks := m.host.HTTP(host.Function{Name: "webhook", Handler: hook.Handle, Admit: hook.Admit, MaxBody: webhook.MaxBody, Timeout: webhookTimeout})
	handler := m.admin(outside)
	api := m.host.HTTP(host.Function{Name: "admin", Handler: handler.Handle, Admit: m.onlyWithToken(handler), MaxBody: maxAPIBody, Timeout: adminTimeout})
	counters, health := m.private(m.counters()), m.healthy(api)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, reads := host.Path(r), r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case strings.HasPrefix(path, "/webhooks/"):
			hooks.ServeHTTP(w, r)
		case path == "/metrics" && reads:
			counters.ServeHTTP(w, r)
		case path == "/healthz" && reads:
			health.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// onlyWithToken admits the bodies of those who have the API's token, because no
// operation takes one from others. What others ask is answered as if they had sent
// none.
func (m *Machine) onlyWithToken(handler admin.Handler) func(context.Context, events.APIGatewayV2HTTPRequest, int64) (events.APIGatewayV2HTTPResponse, bool) {
	return func(ctx context.Context, r events.APIGatewayV2HTTPRequest, size int64) (events.APIGatewayV2HTTPResponse, bool) {
		if size == 0 || m.hasToken(r.Headers["authorization"]) {
			return events.APIGatewayV2HTTPResponse{}, true
		}
		delete(r.Headers, "content-length")
		response, err := handler.Handle(ctx, r)
		if err != nil {
			response = events.APIGatewayV2HTTPResponse{StatusCode: http.StatusServiceUnavailable}
		}
		return response, false
	}
}

// feed starts the functions that queues feed.
func (m *Machine) feed(outside *systems.Systems) {
	live, bulk := m.queues[usersLiveQueue], m.queues[usersBulkQueue]
	groupsLive, groupsBulk := m.queues[groupsLiveQueue], m.queues[groupsBulkQueue]
	fanoutHandler := fanout.Handler{Store: m.Store, Users: live, Groups: groupsLive, Metrics: m.Metrics}
	usersHandler := users.Handler{
		Users:     reconcile.Users{Store: m.Store, Systems: outside, Metrics: m.Metrics, Live: live, Later: bulk, GroupsLive: groupsLive, GroupsBulk: groupsBulk},
		Passwords: reconcile.Passwords{Store: m.Store, Systems: outside, Seed: m.secrets.PasswordSeed, Metrics: m.Metrics},
		Postponer: m.queues, MaxReceives: usersReceives, Again: bulk,
	}
	groupsHandler := groups.Handler{
		Groups:    reconcile.Groups{Store: m.Store, Systems: outside, Metrics: m.Metrics, Live: live, Bulk: bulk, Soon: groupsLive, Later: groupsBulk},
		Postponer: m.queues, MaxReceives: groupsReceives, Again: groupsBulk,
	}
	m.host.Feed(host.Function{Name: "fanout", Handler: fanoutHandler.Handle, Timeout: fanoutTimeout},
		host.Source{Queue: changesQueue, From: m.queues[changesQueue], BatchSize: queue.MaxBatch, Concurrency: 4})
	m.feedLanes(host.Function{Name: "users", Handler: usersHandler.Handle, Timeout: usersTimeout}, usersLiveQueue, usersBulkQueue)
	m.feedLanes(host.Function{Name: "groups", Handler: groupsHandler.Handle, Timeout: groupsTimeout}, groupsLiveQueue, groupsBulkQueue)
}

// feedLanes feeds a function from its two lanes. First connections wait a moment
// for company, so that they share requests.
func (m *Machine) feedLanes(function host.Function, live, bulk string) {
	m.host.Feed(function, host.Source{Queue: live, From: m.queues[live], BatchSize: queue.MaxBatch, Concurrency: 4})
	m.host.Feed(function, host.Source{Queue: bulk, From: m.queues[bulk], BatchSize: queue.MaxBatch, Concurrency: 2, Window: bulkWindow})
}

// admin makes the handler of the API.
func (m *Machine) admin(outside *systems.Systems) admin.Handler {
	return admin.NewHandler(admin.API{
		Store: m.Store, Systems: outside, Tenants: outside, Organizations: outside,
		Live: m.queues[usersLiveQueue], Bulk: m.queues[usersBulkQueue], GroupsLive: m.queues[groupsLiveQueue], GroupsBulk: m.queues[groupsBulkQueue],
		Auth: admin.TokenAuth(m.secrets.AdminToken), Secrets: m.secrets,
		Channels: func(ctx context.Context, id directory.OrganizationID) (admin.Channels, error) {
			return outside.Organization(ctx, id)
		},
		Groups: func(ctx context.Context, id directory.OrganizationID) (admin.Groups, error) {
			return outside.Organization(ctx, id)
		},
		Passwords: func(ctx context.Context, id directory.OrganizationID) (admin.Passwords, error) {
			return outside.Organization(ctx, id)
		},
	})
}
