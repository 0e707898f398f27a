package machine

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/admin"
	"entrasync/functions/imports"
	"entrasync/functions/webhook"
	"entrasync/scripts/wiring"
	"entrasync/shared/api"
	"entrasync/shared/clients"
	"entrasync/shared/importapi"
	"entrasync/shared/importing"
	"entrasync/shared/local/fileresults"
	"entrasync/shared/local/host"
	"entrasync/shared/reconcile"
)

// serve starts the functions and the HTTP server.
func (m *Machine) serve(listener net.Listener) error {
	outside, err := clients.New(clients.Config{
		JumpCloudAPI: m.Config.JumpCloudAPI, JumpCloudInsights: m.Config.JumpCloudInsights, JumpCloudToken: m.Config.JumpCloudToken,
		GraphURL: m.Config.GraphURL, LoginURL: m.Config.LoginURL,
		ClientID: m.Config.ClientID, Proof: m.proof, Keys: m.secrets, Regions: m.Store, Slowdowns: m.Store,
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

// routes chooses the function, or what else answers, by method and path. The webhook has all
// paths below its own, so that no request for it can reach the API.
func (m *Machine) routes(outside *clients.Set) (http.Handler, error) {
	hook, err := webhook.New(webhook.Config{Secrets: m.secrets, Changes: m.Queues[wiring.Changes], Metrics: m.Metrics})
	if err != nil {
		return nil, err
	}
	handler, err := m.admin(outside)
	if err != nil {
		return nil, err
	}
	importHandler, err := m.imports(outside)
	if err != nil {
		return nil, err
	}
	administrators, importers := m.api("admin", handler, wiring.AdminTimeout), m.api("imports", importHandler, wiring.ImportsTimeout)
	measured, health := m.private(m.metrics()), m.healthy(administrators)
	return host.NewRoutes(map[string]http.Handler{
		"ANY /webhooks/{proxy+}": m.host.HTTP(host.Function{Name: "webhook", Handler: hook.Handle, Admit: hook.Admit, MaxBody: webhook.MaxBody, Timeout: wiring.WebhookTimeout}),
		"GET /metrics":           measured,
		"HEAD /metrics":          measured,
		"GET /healthz":           health,
		"HEAD /healthz":          health,
		"ANY /v1/directories/{id}/importable-users": importers,
		"ANY /v1/directories/{id}/imports":          importers,
		"ANY /v1/imports/{proxy+}":                  importers,
		"GET " + fileresults.Path + "{proxy+}":      m.results,
		host.Otherwise:                              administrators,
	})
}

// api serves a function that serves a part of the API.
func (m *Machine) api(name string, handler api.Handler, timeout time.Duration) http.Handler {
	return m.host.HTTP(host.Function{Name: name, Handler: handler.Handle, Admit: m.onlyWithToken(handler), MaxBody: maxAPIBody, Timeout: timeout})
}

// onlyWithToken admits the body of a request that has the API's token, because no
// operation takes a body without it. Any other request is answered as if it had no body.
func (m *Machine) onlyWithToken(handler api.Handler) func(context.Context, events.APIGatewayV2HTTPRequest, int64) (events.APIGatewayV2HTTPResponse, bool) {
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
	functions := wiring.Paced(wiring.Functions, map[string]time.Duration{
		wiring.CatchUp: m.Config.every(catchUpVariable), wiring.Resyncs: min(m.Config.every(resyncVariable), wiring.ResyncRuns),
	})
	return wiring.Start(m.host, functions, m.parts(outside), bulkWindow)
}

// parts are the parts of the functions.
func (m *Machine) parts(outside *clients.Set) wiring.Parts {
	all := wiring.NewParts(reconcile.Parts{Store: m.Store, Clients: outside, Metrics: m.Metrics}, m.Queues, m.secrets.PasswordSeed)
	all.Dead, all.Sides, all.Feeds, all.Delivery = m.Dead.ByLane(), outside, outside, importing.Delivery{Results: m.results, Mail: m.outbox, Address: m.PublicURL()}
	all.EntraCredential = m.entraCredential()
	all.Lists, all.ResyncEvery = outside, m.Config.every(resyncVariable)
	return all
}

// imports makes the handler of the part of the API that imports users.
func (m *Machine) imports(outside *clients.Set) (api.Handler, error) {
	return imports.New(importapi.API{Parts: m.parts(outside).Importing(), Results: m.results, Auth: api.TokenAuth(m.secrets.AdminToken)})
}

// admin makes the handler of the API.
func (m *Machine) admin(outside *clients.Set) (api.Handler, error) {
	return admin.New(admin.API{
		Store: m.Store, Clients: admin.Through(outside), Lanes: m.Queues.Lanes(), Changes: m.Queues[wiring.Changes],
		Resyncs: m.parts(outside).Starter(), Results: m.results, Metrics: m.Metrics, ResyncEvery: m.Config.every(resyncVariable), CatchUpEvery: m.Config.every(catchUpVariable),
		Auth: api.TokenAuth(m.secrets.AdminToken), Secrets: m.secrets, Entra: m.entraCredential(), Address: m.PublicURL(),
	})
}
