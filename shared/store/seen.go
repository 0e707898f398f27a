package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"entrasync/shared/directory"
)

// seenRetention is how long it is kept which events were seen. It must be longer than the
// feed takes to show an event.
const seenRetention = 24 * time.Hour

// Seen are events of an organization that need not be processed again: a webhook brought
// them and their tasks were sent, or a catch-up found them and sent them to the queue. There
// is one record for many events.
type Seen struct {
	Organization directory.OrganizationID `json:"organizationId"`
	Via          string                   `json:"via"` // how we heard of them, as jumpcloud.Via names it
	At           time.Time                `json:"at"`
	IDs          []string                 `json:"ids"`
}

// seenPK is the partition key of the seen events of an organization that came the same way.
func seenPK(id directory.OrganizationID, via string) string {
	return join(organizationPart, string(id), seenPart, via)
}

// seenPlace is the form of a time in a sort key: its prefixes are days, hours and tens of
// minutes.
func seenPlace(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// The lengths of the prefixes of [seenPlace] that are an hour, and ten minutes.
const (
	hourPrefix = len("2006-01-02T15")
	tenPrefix  = len("2006-01-02T15:0")
)

// item is the item of the record.
func (s Seen) item() (Item, error) {
	item, err := encode(Key{PK: seenPK(s.Organization, s.Via), SK: join(seenPlace(s.At), uuid.NewString())}, s)
	item.Expires = s.At.Add(seenRetention).Unix()
	return item, err
}

// AddSeen stores that events were seen.
func (s *Store) AddSeen(ctx context.Context, seen Seen) error {
	item, err := seen.item()
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, Any)
	return err
}

// SeenSince calls add with all records of events of an organization that came one way
// between two times. It may call it with some from shortly before, too.
func (s *Store) SeenSince(ctx context.Context, id directory.OrganizationID, via string, from, to time.Time, add func(Seen)) error {
	for _, prefix := range seenPrefixes(from, to) {
		err := s.each(ctx, Query{PK: seenPK(id, via), SKPrefix: prefix}, func(item Item) error {
			seen, err := decode[Seen](item)
			if err == nil {
				add(seen)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// LastSeen is when events of an organization were last seen that came one way; zero if none
// were in the last 24 hours.
func (s *Store) LastSeen(ctx context.Context, id directory.OrganizationID, via string) (time.Time, error) {
	page, err := list[Seen](ctx, s, Query{PK: seenPK(id, via), Backward: true, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return time.Time{}, err
	}
	return page.Items[0].At, nil
}

// seenPrefixes are the prefixes of sort keys that cover a time: tens of minutes for an hour
// at most, else hours. What has expired is left out.
func seenPrefixes(from, to time.Time) []string {
	length, step := tenPrefix, 10*time.Minute
	if to.Sub(from) > time.Hour {
		length, step = hourPrefix, time.Hour
	}
	if oldest := to.Add(-seenRetention); from.Before(oldest) {
		from = oldest
	}
	var prefixes []string
	for at := from.UTC().Truncate(step); !at.After(to); at = at.Add(step) {
		prefixes = append(prefixes, seenPlace(at)[:length])
	}
	return prefixes
}
