package store

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// DomainWatch says that users of a directory wait for a domain of its tenant (see
// [DomainOf]). It is unfinished: the sweep has the tenant read as long as somebody waits.
type DomainWatch struct {
	Directory directory.ID         `json:"directoryId"`
	Awaits    directory.DomainWait `json:"awaits"`
	// WokenAt is when tasks were last sent for those who wait, because the domain was no longer
	// in their way, and Times how often since it was.
	WokenAt time.Time `json:"wokenAt,omitzero"`
	Times   int       `json:"times,omitempty"`
	Version int64     `json:"-"`
}

// watchEvery is the shortest time between two reads of a tenant for those who wait for one of
// its domains: a run of the sweep finds each watch due that the one before found.
const watchEvery = 4 * time.Minute

// DomainOf is a domain of the tenant of a directory for which users wait.
func DomainOf(id directory.ID, awaits directory.DomainWait) Awaited {
	return Awaited(join(organizationPart, string(id.Organization()), waitPart, string(id), domainPart, string(awaits.Reason), awaits.Domain))
}

// key is the key of a watch.
func (w DomainWatch) key() Key {
	key := sweepKey(w.Directory, domainPart, "", "")
	key.SK = join(domainPart, string(w.Awaits.Reason), w.Awaits.Domain)
	return key
}

// item is the item of a watch that is due after the next runs of the sweep.
func (w DomainWatch) item() (Item, error) {
	item, err := encode(w.key(), w)
	item.setUnfinished(w.Directory, AwaitedDomain, watchEvery)
	return item, err
}

// WatchDomain stores that users of a directory wait for a domain. A watch that is there stays
// as it is. The waits are stored first.
func (s *Store) WatchDomain(ctx context.Context, id directory.ID, awaits directory.DomainWait) error {
	item, err := DomainWatch{Directory: id, Awaits: awaits}.item()
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, Absent)
	return unlessChanged(err)
}

// DomainWatches lists for which domains users of a directory wait.
func (s *Store) DomainWatches(ctx context.Context, id directory.ID) (watches []DomainWatch, err error) {
	q := Query{PK: sweepKey(id, domainPart, "", "").PK, SKPrefix: join(domainPart, "")}
	err = s.each(ctx, q, func(item Item) error {
		w, err := decode[DomainWatch](item)
		w.Version = item.Version
		watches = append(watches, w)
		return err
	})
	return watches, err
}

// KeepWatch stores a watch that goes on, and is due again later; unless it was changed since it
// was read.
func (s *Store) KeepWatch(ctx context.Context, w DomainWatch) error {
	item, err := w.item()
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, IfVersion(w.Version))
	return unlessChanged(err)
}

// EndWatch deletes a watch of a domain for which nobody waits, unless somebody does by then: a
// wait that is stored before the deletion, by a process that found the watch, is seen.
func (s *Store) EndWatch(ctx context.Context, w DomainWatch) error {
	err := s.table.Delete(ctx, w.key(), IfVersion(w.Version))
	if fault.Is(err, fault.Changed) {
		return nil
	}
	if err != nil {
		return err
	}
	waits, err := s.WaitsPage(ctx, DomainOf(w.Directory, w.Awaits), 1, "")
	if err != nil || len(waits.Items) == 0 {
		return err
	}
	return s.WatchDomain(ctx, w.Directory, w.Awaits)
}
