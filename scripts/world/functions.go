package world

import (
	"entrasync/functions/webhook"
	"entrasync/scripts/wiring"
	"entrasync/shared/local/host"
	"entrasync/shared/reconcile"
)

// webhook is the function that JumpCloud calls.
func (w *World) webhook() host.Function {
	return host.Function{Name: "webhook", Timeout: wiring.WebhookTimeout, Handler: webhook.Handler{
		Secrets: secrets{}, Changes: w.Queues[wiring.Changes], Metrics: w.Metrics,
	}.Handle}
}

// feedAll starts all functions on their queues and schedules.
func (w *World) feedAll() {
	if w.config.Apart {
		w.Must(wiring.StartApart(w.host, wiring.Functions, w.parts))
		return
	}
	w.Must(wiring.Start(w.host, wiring.Functions, w.parts(), 0))
}

// parts are the parts of the functions of one process.
func (w *World) parts() wiring.Parts {
	parts := wiring.NewParts(reconcile.Parts{Store: w.Store, Clients: w.Clients(), Metrics: w.Metrics}, w.Queues, passwordSeed)
	parts.Dead = w.Dead.ByLane()
	return parts
}
