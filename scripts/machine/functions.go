package machine

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/admin"
	"entrasync/functions/webhook"
	"entrasync/scripts/wiring"
	"entrasync/shared/clients"
	"entrasync/shared/local/host"
	"entrasync/shared/reconcile"
)

// serve starts the functions and the HTTP server.
func (m *Machine) serve(listener net.Listener) error {
	outside, err := clients.New(clients.Config{
		JumpCloudAPI: m.Config.JumpCloudAPI, JumpCloudInsights: m.Config.JumpCloudInsights,
		GraphURL: m.Config.GraphURL, LoginURL: m.Config.LoginURL,
		ClientID: m.Config.ClientID, Proof: m.proof, Keys: m.secrets, Regions: m.Store,
	})
	if err != nil {
		return err
	}
	if err := m.feed(outside); err != nil {
		return err
	}
	routes, err := m.routes(outside)
	if err != nil {
		return err
	}
	m.server = host.NewServer(routes, m.log)
	go func() {
		if err := m.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error().Err(err).Msg("the HTTP server ended")
		}
	}()
	return nil
}

// maxAPIBody is the limit of a request's body in bytes, as the operations of the API have.
const maxAPIBody = 1 << 20

// routes chooses the handler by the path that API Gateway would pass on. Like API Gateway
// it takes a path unchanged: the ServeMux of net/http would answer some with a redirect.
func (m *Machine) routes(outside *clients.Set) (http.Handler, error) {
	hook, err := webhook.New(webhook.Config{Secrets: m.secrets, Changes: m.Queues[wiring.Changes], Metrics: m.Metrics})
	if err != nil {
		return nil, err
	}
	hooks := m.host.HTTP(host.Function{Name: "webhook", Handler: hook.Handle, Admit: hook.Admit, MaxBody: webhook.MaxBody, Timeout: wiring.WebhookTimeout})
	handler, err := m.admin(outside)
	if err != nil {
		return nil, err
	}
	api := m.host.HTTP(host.Function{Name: "admin", Handler: handler.Handle, Admit: m.onlyWithToken(handler), MaxBody: maxAPIBody, Timeout: wiring.AdminTimeout})
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
	}), nil
}

// onlyWithToken admits the body of a request that has the API's token, because no
// operation takes a body without it. Any other request is answered as if it had no body.
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

// feed starts the functions that queues or schedules invoke.
func (m *Machine) feed(outside *clients.Set) error {
	parts := reconcile.Parts{Store: m.Store, Clients: outside, Metrics: m.Metrics}
	all := wiring.NewParts(parts, m.Queues, m.secrets.PasswordSeed)
	all.Dead = m.Dead.ByLane()
	return wiring.Start(m.host, wiring.Functions, all, bulkWindow)
}

// admin makes the handler of the API.
func (m *Machine) admin(outside *clients.Set) (admin.Handler, error) {
	return admin.New(admin.API{
		Store: m.Store, Clients: admin.Through(outside), Lanes: m.Queues.Lanes(), Changes: m.Queues[wiring.Changes], Auth: admin.TokenAuth(m.secrets.AdminToken), Secrets: m.secrets,
	})
}
