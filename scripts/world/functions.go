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

// feedAll has all queues worked off.
func (w *World) feedAll() {
	if w.config.Apart {
		w.Must(wiring.StartApart(w.host, wiring.Functions, w.parts))
		return
	}
	w.Must(wiring.Start(w.host, wiring.Functions, w.parts(), 0))
}

// parts are what the functions of one process are made of.
func (w *World) parts() wiring.Parts {
	return wiring.NewParts(reconcile.Parts{Store: w.Store, Clients: w.Clients(), Metrics: w.Metrics}, w.Queues, passwordSeed)
}
