// Package catchup is the use case that finds the events whose webhook never came.
//
// JumpCloud keeps its events in a feed, Directory Insights. Each run reads, for each
// organization, the part of the feed since the last run, and sends the events that no
// webhook brought to the same queue as webhooks do. The feed shows events minutes after they
// happened, and not in their order, so the parts overlap; what was seen before is left out
// by its id.
//
// Nothing is lost and little is done twice, wherever a run dies: the events of a page are in
// the queue before the place after that page is stored, and the next run goes on there.
//
// What is in the way of reading the feed is a state of the organization: it is stored,
// logged once, and shown by the API. Other organizations do not wait for it.
package catchup

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/health"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// Feed is what is read of one organization.
type Feed interface {
	// EventPage reads a page of the feed: see [jumpcloud.Client.EventPage].
	EventPage(ctx context.Context, query jumpcloud.EventQuery, after string) (jumpcloud.EventPage, error)
	// ProbeKey reads what every key must be able to read, which shows whether it works at all.
	ProbeKey(ctx context.Context) error
	// StopAlerts migrates the rules of earlier versions: see [jumpcloud.Client.StopAlerts].
	StopAlerts(ctx context.Context) (changed []jumpcloud.WebhookName, err error)
}

// Feeds gives access to the feed of each organization.
type Feeds interface {
	// Feed is the feed of an organization. NotFound if there is no API key for it.
	Feed(ctx context.Context, id directory.OrganizationID) (Feed, error)
}

// Parts are what the use case needs.
type Parts struct {
	Store   *store.Store
	Feeds   Feeds
	Changes queue.Sender // the queue of the webhook
	Metrics metric.Counter
}

// Check returns a fault that names the first part that is missing.
func (p Parts) Check() error {
	return fault.Missing("catchup.check", fault.Part{Name: "Store", There: p.Store != nil}, fault.Part{Name: "Feeds", There: p.Feeds != nil},
		fault.Part{Name: "Changes", There: p.Changes != nil}, fault.Part{Name: "Metrics", There: p.Metrics != nil})
}

const (
	// sideBySide is how many organizations are read at once.
	sideBySide = 8
	// longestTurn is how long a run reads one organization: shorter than the time between
	// two runs, so that the others are not left out where a run ends before the next one
	// begins. What is left, the next run reads.
	longestTurn = 45 * time.Second
	// shortestTurn is the time that must be left of a run to begin another organization.
	shortestTurn = 10 * time.Second
	// leaseReserve is how long a lease lasts beyond its turn, for the records of its end.
	leaseReserve = 10 * time.Second
	// stateRest is the time between two tries of what a person must repair first.
	stateRest = time.Hour
	// secondTry is the time after which the next run tries a time once more that JumpCloud
	// did not show: one refusal may be a mistake. It is shorter than the time between two runs.
	secondTry = 30 * time.Second
)

// Run reads the feed of each organization that has a directory. It returns only the faults
// of our own records and queues; what JumpCloud refuses is a state of the organization.
func (p Parts) Run(ctx context.Context) error {
	all, err := p.organizations(ctx)
	if err != nil {
		return err
	}
	// If not all of them can be read in one run, others are left out in the next one.
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) //nolint:gosec // nobody gains by guessing the order
	failed := make([]error, len(all))
	var group errgroup.Group
	group.SetLimit(sideBySide)
	for i, o := range all {
		group.Go(func() error {
			if deadline.Allows(ctx, shortestTurn) {
				failed[i] = p.turn(ctx, o)
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in failed
	return errors.Join(failed...)
}

// served is an organization, and since when events of it matter: since it got its first
// directory, because nobody can be connected before.
type served struct {
	id    directory.OrganizationID
	since time.Time
}

// organizations are those that have a directory. The list may lack one that was created just
// now: the next run reads it.
func (p Parts) organizations(ctx context.Context) ([]served, error) {
	var all []served
	index := map[directory.OrganizationID]int{}
	for cursor := ""; ; {
		page, err := p.Store.Directories(ctx, 0, cursor)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Items {
			i, known := index[d.Organization]
			if !known {
				i, index[d.Organization] = len(all), len(all)
				all = append(all, served{d.Organization, d.CreatedAt})
			}
			if d.CreatedAt.Before(all[i].since) {
				all[i].since = d.CreatedAt
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return all, nil
		}
	}
}

// turn reads the feed of one organization, unless another process does, or it is to wait.
func (p Parts) turn(ctx context.Context, o served) error {
	reading, stop := context.WithTimeout(ctx, longestTurn)
	defer stop()
	kept, err := p.Store.CatchUp(reading, o.id)
	if err != nil {
		return err
	}
	p.warn(kept, o.since)
	if now := time.Now(); kept.IsHeld(now) || kept.NextTryAt.After(now) {
		return nil
	}
	t := turn{Parts: p, served: o, kept: kept}
	if err := t.take(reading); err != nil {
		return unlessOvertaken(err)
	}
	log := zerolog.Ctx(ctx).With().Str("organization", string(o.id)).Logger()
	return unlessOvertaken(t.end(log.WithContext(ctx), t.read(log.WithContext(reading))))
}

// unlessOvertaken is the error, unless it says that another process has the organization
// now: that one does the rest.
func unlessOvertaken(err error) error {
	if fault.Is(err, fault.Changed) {
		return nil
	}
	return err
}

// warn counts, once in each run, what somebody has to know of an organization: that its feed
// is not read for long, or that its webhooks are missing. An alarm lasts as long as they are
// counted.
func (p Parts) warn(kept store.CatchUp, since time.Time) {
	now := time.Now()
	feed := health.Feed{Since: since, LastRunAt: kept.LastRunAt, LastFoundAt: kept.LastFoundAt, LastWebhookAt: kept.LastWebhookAt, Trouble: kept.Trouble}
	if feed.Failing(now) {
		p.Metrics.Count("catchup_failing", 1)
	}
	if feed.WebhooksMissing(now) {
		p.Metrics.Count("webhooks_missing", 1)
	}
}
