package store

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Counts is how many users and groups of a directory stand how.
type Counts struct {
	Directory directory.ID `json:"directoryId"`
	CountedAt time.Time    `json:"countedAt"` // when it was begun to count
	Users     Tally        `json:"users"`
	Groups    Tally        `json:"groups"`
	// Pages is how many pages of the table had to be read to count them.
	Pages int `json:"pages,omitempty"`
}

// Tally is how many links stand how.
type Tally struct {
	Total    int                          `json:"total"`
	ByStatus map[directory.LinkStatus]int `json:"byStatus,omitempty"`
	// ByReason counts each link under its reason and under those of its problems, as a list
	// with that reason shows it.
	ByReason map[directory.Reason]int `json:"byReason,omitempty"`
	// OldestPendingAt is since when the one is pending that has been so for longest; zero if
	// none is, or if that is not known.
	OldestPendingAt time.Time `json:"oldestPendingAt,omitzero"`
}

// countsKey is the key of the counts of a directory.
func countsKey(id directory.ID) Key {
	return Key{PK: join(organizationPK(id.Organization()), healthPart), SK: string(id)}
}

// PutCounts stores the counts of a directory, instead of earlier ones.
func (s *Store) PutCounts(ctx context.Context, c Counts) error {
	item, err := encode(countsKey(c.Directory), c)
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, Any)
	return err
}

// CountsOf reads the last counts of some directories. Those that were never counted are
// left out.
func (s *Store) CountsOf(ctx context.Context, ids ...directory.ID) (map[directory.ID]Counts, error) {
	keys := make([]Key, len(ids))
	for i, id := range ids {
		keys[i] = countsKey(id)
	}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	found := map[directory.ID]Counts{}
	for _, item := range items {
		c, err := decode[Counts](item)
		if err != nil {
			return nil, err
		}
		found[c.Directory] = c
	}
	return found, nil
}

// Count counts the users and groups of a directory. It reads a number of pages of the table
// at most, 0 is any number: complete says whether that was enough. Damaged records are left
// out, and their keys are logged.
func (s *Store) Count(ctx context.Context, id directory.ID, pages int, now time.Time) (counts Counts, complete bool, err error) {
	counts = Counts{Directory: id, CountedAt: now}
	left := pages
	for _, each := range []struct {
		pk string
		to *Tally
	}{{join(linkPart, string(id)), &counts.Users}, {join(groupPart, linkPart, string(id)), &counts.Groups}} {
		complete, err = s.tally(ctx, Query{PK: each.pk, Index: true}, each.to, pages > 0, &left)
		counts.Pages = pages - left
		if err != nil || !complete {
			return counts, false, err
		}
	}
	return counts, true, nil
}

// countable is what is counted of a link.
type countable struct {
	Status       directory.LinkStatus `json:"status"`
	Reason       directory.Reason     `json:"reason"`
	PendingSince time.Time            `json:"pendingSince"`
	Problems     []struct {
		Reason directory.Reason `json:"reason"`
	} `json:"problems"`
}

// tally counts the links of a query. If it is bounded, it reads at most left pages, and
// leaves what remains of that.
func (s *Store) tally(ctx context.Context, q Query, to *Tally, bounded bool, left *int) (complete bool, err error) {
	for {
		if bounded && *left == 0 {
			return false, nil
		}
		*left--
		page, err := s.table.Query(ctx, q)
		if err != nil {
			return false, err
		}
		for _, key := range page.Damaged {
			leftOut(ctx, key, nil)
		}
		for _, item := range page.Items {
			link, err := decode[countable](item)
			if err != nil {
				leftOut(ctx, item.Key, err)
				continue
			}
			to.add(link)
		}
		if q.Cursor = page.Cursor; q.Cursor == "" {
			return true, nil
		}
	}
}

// add counts a link.
func (t *Tally) add(link countable) {
	if t.ByStatus == nil {
		t.ByStatus, t.ByReason = map[directory.LinkStatus]int{}, map[directory.Reason]int{}
	}
	t.Total++
	t.ByStatus[link.Status]++
	reasons := map[directory.Reason]bool{link.Reason: true}
	for _, p := range link.Problems {
		reasons[p.Reason] = true
	}
	for reason := range reasons {
		if reason != "" {
			t.ByReason[reason]++
		}
	}
	if since := link.PendingSince; !since.IsZero() && (t.OldestPendingAt.IsZero() || since.Before(t.OldestPendingAt)) {
		t.OldestPendingAt = since
	}
}

// Throttled is when Graph last asked to slow down in a tenant, and until when.
type Throttled struct {
	Tenant directory.TenantID `json:"tenantId"` // as the directory names it
	At     time.Time          `json:"at"`
	Until  time.Time          `json:"until"`
}

// throttledLife is how long it is of interest.
const throttledLife = 7 * 24 * time.Hour

// throttledKey is the key of when Graph last asked to slow down in a tenant.
func throttledKey(tenant directory.TenantID) Key {
	return Key{PK: join(tenantPart, string(tenant)), SK: healthPart}
}

// noteEvery is how often it is stored, at most, that Graph asks to slow down in a tenant.
const noteEvery = time.Minute

// NoteThrottled stores that Graph asks to slow down, unless that was stored within the last
// minute.
func (s *Store) NoteThrottled(ctx context.Context, t Throttled) error {
	before, err := s.Throttled(ctx, t.Tenant)
	if err != nil || t.At.Sub(before.At) < noteEvery {
		return err
	}
	item, err := encode(throttledKey(t.Tenant), t)
	if err != nil {
		return err
	}
	item.Expires = t.At.Add(throttledLife).Unix()
	_, err = s.table.Put(ctx, item, Any)
	return err
}

// Throttled reads when Graph last asked to slow down in a tenant; zero if it did not lately.
func (s *Store) Throttled(ctx context.Context, tenant directory.TenantID) (Throttled, error) {
	t, _, err := get[Throttled](ctx, s, throttledKey(tenant))
	if fault.Is(err, fault.NotFound) {
		return Throttled{Tenant: tenant}, nil
	}
	return t, err
}
