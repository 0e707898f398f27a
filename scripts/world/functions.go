package world

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"

	"entrasync/functions/admin"
	"entrasync/functions/webhook"
	"entrasync/scripts/wiring"
	"entrasync/shared/api"
	"entrasync/shared/importing"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/fileresults"
	"entrasync/shared/local/host"
	"entrasync/shared/local/outbox"
	"entrasync/shared/reconcile"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// webhook is the function that JumpCloud calls.
func (w *World) webhook() host.Function {
	w.t.Helper()
	handler, err := webhook.New(webhook.Config{Secrets: secrets{}, Changes: w.front.Queues[wiring.Changes], Metrics: w.Metrics})
	w.Must(err)
	return host.Function{Name: "webhook", Timeout: wiring.WebhookTimeout, Handler: handler.Handle}
}

// apiToken is the bearer token of the API.
const apiToken = "world-admin-token"

// serveAPI makes the function of the API, in a process of its own.
func (w *World) serveAPI() http.Handler {
	w.t.Helper()
	p := w.process()
	handler, err := admin.New(admin.API{
		Store: store.New(p.Table), Clients: admin.Through(w.ClientsThrough(p.Transport)), Lanes: p.Queues.Lanes(), Changes: p.Queues[wiring.Changes],
		Resyncs: resync.Starter{Store: store.New(p.Table), Jobs: p.Queues[wiring.Resync]},
		Auth:    api.TokenAuth(func(context.Context) (string, error) { return apiToken, nil }), Secrets: secrets{}, Metrics: w.Metrics, Results: w.delivery().Results, Address: "https://" + productHost,
	})
	w.Must(err)
	return w.host.HTTP(host.Function{Name: "admin", Timeout: wiring.AdminTimeout, Handler: handler.Handle})
}

// API sends a request of an administrator to the API and returns the status of its answer.
// The function starts with the first one.
func (w *World) API(method, path, body string) (status int) {
	w.t.Helper()
	status, _ = w.Ask(method, path, body)
	return status
}

// Ask is API with the body of the answer.
func (w *World) Ask(method, path, body string) (status int, answer []byte) {
	w.t.Helper()
	status, _, answer = w.Send(method, path, "application/json", []byte(body))
	return status, answer
}

// Send is Ask with a body of any content type, and with the header of the answer.
func (w *World) Send(method, path, contentType string, body []byte) (status int, header http.Header, answer []byte) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, "https://"+productHost+path, bytes.NewReader(body))
	w.Must(err)
	r.Header.Set("Authorization", "Bearer "+apiToken)
	r.Header.Set("Content-Type", contentType)
	return w.serve(r)
}

// Browse opens an address of the API as a browser does, without a token.
func (w *World) Browse(address string) (status int, page []byte) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, address, http.NoBody)
	w.Must(err)
	status, _, page = w.serve(r)
	return status, page
}

// serve sends a request to the API.
func (w *World) serve(r *http.Request) (status int, header http.Header, answer []byte) {
	w.t.Helper()
	w.startAPI.Do(func() { w.api = w.serveAPI() })
	response, err := jumpcloudtest.Transport(w.api).RoundTrip(r)
	w.Must(err)
	answer, err = io.ReadAll(response.Body)
	w.Must(err)
	w.Must(response.Body.Close())
	return response.StatusCode, response.Header, answer
}

// feedAll starts all functions on their queues and schedules.
func (w *World) feedAll() {
	functions := wiring.Functions
	if !w.config.CatchUp {
		functions = wiring.Without(functions, wiring.CatchUp)
	}
	if !w.config.Resync {
		functions = wiring.Without(functions, wiring.Resyncs)
	}
	if w.config.Apart {
		w.Must(wiring.StartApart(w.host, functions, w.parts))
		return
	}
	w.Must(wiring.Start(w.host, functions, w.parts(), 0))
}

// process is a new process.
func (w *World) process() Process {
	p := Process{Table: w.Table, Queues: w.Queues, Transport: w}
	if w.config.Process != nil {
		return w.config.Process(p)
	}
	return p
}

// parts are the parts of the functions of one process.
func (w *World) parts() wiring.Parts {
	p := w.process()
	outside := w.ClientsThrough(p.Transport)
	all := wiring.NewParts(reconcile.Parts{Store: store.New(p.Table), Clients: outside, Metrics: w.Metrics}, p.Queues, passwordSeed)
	all.Dead, all.Sides, all.Feeds, all.Delivery = w.Dead.ByLane(), outside, outside, w.delivery()
	all.Lists, all.ResyncEvery = outside, w.config.ResyncEvery
	return all
}

// delivery keeps the results of imports in files, and the mails about them too.
func (w *World) delivery() importing.Delivery {
	w.t.Helper()
	const key = "the key of the links to result files"
	files, err := fileresults.Open(filepath.Join(w.Folder, "results"), "https://"+productHost, []byte(key))
	w.Must(err)
	mails, err := outbox.New(filepath.Join(w.Folder, "outbox"), "entrasync@"+productHost)
	w.Must(err)
	return importing.Delivery{Results: files, Mail: mails, Address: "https://" + productHost}
}
