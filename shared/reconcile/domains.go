package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// A user may be parked because of a domain of the tenant, which is not verified, or federated.
// When an administrator changes that in Entra there is no event. So the link says for which
// domain the user waits, and a wait and a watch are stored (package store, DomainWatch). While
// there is a watch, each run of the sweep sends one task of the cause DomainsCause for one user
// who waits. Whoever gets it reads the tenant once, for everybody in the directory, and sends
// tasks for all whose domain is no longer in their way.

// The types of the causes of the tasks: of one that asks to read the tenant's domains instead, and
// of those for the users who waited for one.
const (
	DomainsCause = "domains_awaited"
	DomainCause  = "domain_changed"
)

// CheckDomains reads the tenant of a directory, stores what it says of its domains, and sends
// tasks for the users who waited for one. What fails, or is asked for while the directory is
// suspended, is done after a later run of the sweep.
func (s Users) CheckDomains(ctx context.Context, id directory.ID) {
	if err := s.checkDomains(ctx, id); err != nil && !fault.Is(err, fault.NotFound) {
		zerolog.Ctx(ctx).Warn().Err(err).Str("directory", string(id)).Msg("the domains for which users wait could not be checked")
	}
}

// checkDomains is CheckDomains with its error.
func (s Users) checkDomains(ctx context.Context, id directory.ID) error {
	dir, err := s.Store.Directory(ctx, id)
	if err != nil || dir.Stopped(directory.OfUsers) != nil {
		return err
	}
	watches, err := s.Store.DomainWatches(ctx, id)
	if err != nil || len(watches) == 0 {
		return err
	}
	entra, err := s.Clients.Entra(ctx, dir.SignInTenant())
	if err != nil {
		return err
	}
	domains := make([]string, len(watches))
	for i, w := range watches {
		domains[i] = w.Awaits.Domain
	}
	reading, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	tenant, err := entra.Tenant(reading, domains, time.Now().UTC())
	if err != nil {
		return err
	}
	failed := []error{s.keepDomains(ctx, dir, tenant)}
	for _, w := range watches {
		failed = append(failed, s.wake(ctx, w, tenant))
	}
	return errors.Join(failed...)
}

// keepDomains stores what the tenant says of its domains, if that is new.
func (s Users) keepDomains(ctx context.Context, dir directory.Directory, tenant directory.Tenant) error {
	same := func(a, b []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
	}
	if same(dir.VerifiedDomains, tenant.VerifiedDomains) && same(dir.FederatedDomains, tenant.FederatedDomains) {
		return nil
	}
	described := dir.Described(tenant)
	among, err := s.Store.Neighbours(ctx, described)
	if err != nil {
		return err
	}
	zerolog.Ctx(ctx).Info().Str("directory", string(dir.ID)).Strs("verified", tenant.VerifiedDomains).Strs("federated", tenant.FederatedDomains).Msg("the tenant has other domains than before")
	if _, err = s.Store.PutDirectoryAmong(ctx, described, nil, among); fault.Is(err, fault.Changed) {
		return nil // another writer was faster, and the next check sees what is left
	}
	return err
}

// wake sends tasks for all who wait for a domain, if it is in nobody's way any more. Entra may
// refuse the domain all the same, and then they wait again: the second time at once, because the
// change may not be everywhere yet, and later less and less often.
func (s Users) wake(ctx context.Context, w store.DomainWatch, tenant directory.Tenant) error {
	now := time.Now().UTC()
	switch {
	case !w.Awaits.Over(tenant) && w.Times == 0:
		return nil
	case !w.Awaits.Over(tenant):
		w.Times, w.WokenAt = 0, time.Time{}
	case w.Times > 1 && w.WokenAt.Add(sweepWait(w.Times)).After(now):
		return nil
	default:
		cause := plan.Cause{Type: DomainCause, ID: w.Awaits.Domain, At: now, Requested: true, Many: true}
		if err := s.notifyWaiting(ctx, store.DomainOf(w.Directory, w.Awaits), cause); err != nil {
			return err
		}
		w.Times, w.WokenAt = w.Times+1, now
	}
	return s.Store.KeepWatch(ctx, w)
}

// awaitDomain stores for which domain the user waits who is about to stand as the link says, and
// that the user does not wait for another one any more. It is done before the link is recorded:
// the next attempt finds what a process that dies left.
func (b *userBatch) awaitDomain(ctx context.Context, u *user) error {
	var wanted directory.UPN
	if u.read.source != nil {
		wanted, _ = b.dir.Settings.UserPrincipalName(*u.read.source)
	}
	before, awaits := u.link.Awaits, u.link.AwaitedDomain(wanted, u.plan.Tenant)
	u.link.Awaits = awaits
	if before != nil && (awaits == nil || *before != *awaits) {
		if err := b.Store.RemoveWaits(ctx, b.waitFor(u, *before)); err != nil {
			return err
		}
	}
	if awaits == nil {
		return nil
	}
	if err := b.Store.AddWaits(ctx, b.waitFor(u, *awaits)); err != nil {
		return err
	}
	return b.Store.WatchDomain(ctx, b.dir.ID, *awaits)
}

// waitFor is the wait of a user for a domain.
func (b *userBatch) waitFor(u *user, awaits directory.DomainWait) store.Wait {
	return store.Wait{For: store.DomainOf(b.dir.ID, awaits), Directory: b.dir.ID, User: u.attempt.User}
}

// watch has the domains checked for which users of the directory wait: one task for all of
// them. A domain for which nobody waits any more is not watched any longer.
func (w *sweeping) watch(ctx context.Context) error {
	var waits []store.Wait
	for _, watch := range w.watches {
		page, err := w.Store.WaitsPage(ctx, store.DomainOf(w.directory, watch.Awaits), 1, "")
		if err != nil {
			return err
		}
		if len(page.Items) == 0 {
			err = w.Store.EndWatch(ctx, watch)
		} else {
			waits = append(waits, page.Items...)
			err = w.Store.KeepWatch(ctx, watch)
		}
		if err != nil {
			return err
		}
	}
	if len(waits) == 0 {
		return nil
	}
	cause := plan.Cause{Type: DomainsCause, At: w.now, Many: true}
	return Enqueue(ctx, w.Users, Task{Directory: w.directory, User: waits[0].User, Cause: cause})
}
