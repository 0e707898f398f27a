package world

import (
	"maps"
	"slices"
	"time"

	"entrasync/functions/fanout"
	"entrasync/functions/groups"
	"entrasync/functions/users"
	"entrasync/functions/webhook"
	"entrasync/shared/local/host"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/systems"
)

// webhook is the function that JumpCloud calls.
func (w *World) webhook() host.Function {
	return host.Function{Name: "webhook", Timeout: 10 * time.Second, Handler: webhook.Handler{
		Secrets: secrets{}, Changes: w.Queues[Changes], Metrics: w.Metrics,
	}.Handle}
}

// feedAll has all queues worked off.
func (w *World) feedAll() {
	outside := w.systems()
	for _, name := range slices.Sorted(maps.Keys(workers)) {
		if !w.config.Apart {
			w.feed(name, workers[name], outside)
			continue
		}
		for range workers[name] {
			w.feed(name, 1, w.systems())
		}
	}
}

// feed has a queue worked off by invocations in one process.
func (w *World) feed(name string, concurrency int, outside *systems.Systems) {
	w.host.Feed(w.function(name, outside), host.Source{Queue: name, From: w.Queues[name], BatchSize: queue.MaxBatch, Concurrency: concurrency})
}

// function is the function that works off a queue.
func (w *World) function(name string, outside *systems.Systems) host.Function {
	switch name {
	case Changes:
		return host.Function{Name: "fanout", Timeout: 30 * time.Second, Handler: fanout.Handler{
			Store: w.Store, Users: w.Queues[UsersLive], Groups: w.Queues[GroupsLive], Metrics: w.Metrics,
		}.Handle}
	case GroupsLive, GroupsBulk:
		return host.Function{Name: "groups", Timeout: functionTimeout, Handler: groups.Handler{
			Groups: reconcile.Groups{Store: w.Store, Systems: outside, Metrics: w.Metrics,
				Live: w.Queues[UsersLive], Bulk: w.Queues[UsersBulk], Soon: w.Queues[GroupsLive], Later: w.Queues[GroupsBulk]},
			Postponer: w.Queues, MaxReceives: taskReceives, Again: w.Queues[GroupsBulk],
		}.Handle}
	default:
		return host.Function{Name: "users", Timeout: functionTimeout, Handler: users.Handler{
			Users: reconcile.Users{Store: w.Store, Systems: outside, Metrics: w.Metrics, Live: w.Queues[UsersLive], Later: w.Queues[UsersBulk],
				GroupsLive: w.Queues[GroupsLive], GroupsBulk: w.Queues[GroupsBulk]},
			Passwords: reconcile.Passwords{Store: w.Store, Systems: outside, Metrics: w.Metrics, Seed: passwordSeed},
			Postponer: w.Queues, MaxReceives: taskReceives, Again: w.Queues[UsersBulk],
		}.Handle}
	}
}
