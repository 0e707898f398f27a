package reconcile

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// Writes to one group never run at the same time: only the worker that has its lease
// writes. A worker renews its leases every leaseStep, and gives them back when it has
// recorded what it did. The lease of a worker that died expires after leaseTime.
const (
	leaseTime = 6 * time.Second
	leaseStep = 2 * time.Second
)

// busyWait is how long to wait before try n+1 for a lease that another worker has: a
// second at first, and longer later, so that the tries are not used up.
func busyWait(n int) time.Duration {
	const first, patience, longest = time.Second, 5, 8 * time.Second
	return min(first<<(n/patience), longest)
}

// leases are those that a batch has.
type leases struct {
	store  *store.Store
	holder string
	begin  sync.Once // of renewing, with the first lease
	ended  chan struct{}
	kept   sync.WaitGroup

	mu   sync.Mutex
	held map[directory.GroupID]store.Lease
}

// newLeases makes an empty set of leases. close ends it.
func newLeases(s *store.Store) *leases {
	return &leases{store: s, holder: uuid.NewString(), ended: make(chan struct{}), held: map[directory.GroupID]store.Lease{}}
}

// take takes the lease of a group; a fault of kind Changed if another worker has it.
func (l *leases) take(ctx context.Context, id directory.ID, group directory.GroupID) error {
	now := time.Now().UTC()
	lease, err := l.store.TakeLease(ctx, store.Lease{Directory: id, Group: group, Holder: l.holder, Until: now.Add(leaseTime)}, now)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.held[group] = lease
	l.mu.Unlock()
	l.begin.Do(func() { l.kept.Go(func() { l.keep(context.WithoutCancel(ctx)) }) })
	return nil
}

// keep renews the leases until close.
func (l *leases) keep(ctx context.Context) {
	ticker := time.NewTicker(leaseStep)
	defer ticker.Stop()
	for {
		select {
		case <-l.ended:
			return
		case <-ticker.C:
			l.prolong(ctx)
		}
	}
}

// prolong renews every lease. A lease that another worker took meanwhile is lost.
func (l *leases) prolong(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaseStep)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	for group, lease := range l.held {
		now := time.Now().UTC()
		lease.Until = now.Add(leaseTime)
		longer, err := l.store.TakeLease(ctx, lease, now)
		switch {
		case err == nil:
			l.held[group] = longer
		case fault.Is(err, fault.Changed):
			delete(l.held, group)
		default:
			zerolog.Ctx(ctx).Warn().Err(err).Str("group", string(group)).Msg("a lease could not be prolonged")
		}
	}
}

// has reports whether the batch still has the lease of a group.
func (l *leases) has(group directory.GroupID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	lease, held := l.held[group]
	return held && lease.Held(time.Now())
}

// end gives the lease of a group back. A lease that cannot be given back expires.
func (l *leases) end(ctx context.Context, group directory.GroupID) {
	ctx, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	lease, held := l.held[group]
	if !held {
		return
	}
	delete(l.held, group)
	if err := l.store.EndLease(ctx, lease); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("group", string(group)).Msg("a lease could not be given back: it expires")
	}
}

// close ends renewing. All leases have been given back before.
func (l *leases) close() {
	close(l.ended)
	l.kept.Wait()
}

// lease makes sure that no worker of the other lane writes to the groups meanwhile, and
// that the records that were read before are still current.
func (b *groupBatch) lease(ctx context.Context, groups []*group) {
	var leased []*group
	var ids []directory.GroupID
	for _, g := range groups {
		err := b.leases.take(ctx, b.dir.ID, g.attempt.Group)
		switch {
		case err == nil:
			leased, ids = append(leased, g), append(ids, g.attempt.Group)
		case fault.Is(err, fault.Changed):
			g.busy()
		default:
			b.retry(ctx, g, err)
		}
	}
	records, err := b.Store.ReadGroups(ctx, b.dir.ID, ids)
	for _, g := range leased {
		link, _ := records.Groups[g.attempt.Group].Link(b.dir.ID)
		switch {
		case err != nil:
			b.retry(ctx, g, err)
		case link.Version != g.link.Version:
			b.retry(ctx, g, fault.New(fault.Changed, "reconcile.lease", "another worker changed the group meanwhile"))
		}
	}
}

// busy ends an attempt because another worker works on the group.
func (g *group) busy() {
	g.over, g.failed = true, false
	g.outcome = Outcome{Retry: true, After: busyWait(g.number), Afresh: g.last}
}
