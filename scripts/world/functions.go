package world

import (
	"entrasync/functions/webhook"
	"entrasync/scripts/wiring"
	"entrasync/shared/local/host"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// webhook is the function that JumpCloud calls.
func (w *World) webhook() host.Function {
	w.t.Helper()
	handler, err := webhook.New(webhook.Config{Secrets: secrets{}, Changes: w.front.Queues[wiring.Changes], Metrics: w.Metrics})
	w.Must(err)
	return host.Function{Name: "webhook", Timeout: wiring.WebhookTimeout, Handler: handler.Handle}
}

// feedAll starts all functions on their queues and schedules.
func (w *World) feedAll() {
	if w.config.Apart {
		w.Must(wiring.StartApart(w.host, wiring.Functions, w.parts))
		return
	}
	w.Must(wiring.Start(w.host, wiring.Functions, w.parts(), 0))
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
	parts := reconcile.Parts{Store: store.New(p.Table), Clients: w.ClientsThrough(p.Transport), Metrics: w.Metrics}
	all := wiring.NewParts(parts, p.Queues, passwordSeed)
	all.Dead = w.Dead.ByLane()
	return all
}
