package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"entrasync/shared/directory"
)

// How much of the table one page of a filtered list may read, so that a filter that
// matches nothing ends in time: the number of reads, and the most records of one read.
// The first read is as large as the page. Each further read is twice as large, because
// few records match.
const (
	siftReads    = 10
	siftedAtOnce = 250
)

// siftPlace is the position where a page of a filtered list ended.
type siftPlace struct {
	Query []byte `json:"q"`           // the fingerprint of query and filter
	Page  string `json:"p,omitempty"` // the cursor of the table's page
	After string `json:"a,omitempty"` // the sort key of the last record seen
}

// sift reads one page of the records of a query for which fits is true; filter
// is a text that identifies fits. It reads a limited part of the table, so a page may
// be short, or empty, and still have a cursor. It leaves damaged records out and logs
// their keys. A cursor of another query or filter is refused with a fault of kind
// Invalid.
func sift[T any](ctx context.Context, s *Store, q Query, filter string, fits func(T) bool) (List[T], error) {
	place, err := siftedTo(q, filter)
	if err != nil {
		return List[T]{}, err
	}
	found := List[T]{Items: []T{}}
	limit := q.Limit
	for range siftReads {
		q.Cursor = place.Page
		page, err := s.table.Query(ctx, q)
		if err != nil {
			return List[T]{}, err
		}
		for _, key := range page.Damaged {
			leftOut(ctx, key, nil)
		}
		for i, item := range page.Items {
			at := item.SK
			if q.Index {
				at = item.IndexSK
			}
			if place.passed(at, q.Backward) {
				continue // seen already
			}
			place.After = at
			record, err := decode[T](item)
			if err != nil {
				leftOut(ctx, item.Key, err)
				continue
			}
			if !fits(record) {
				continue
			}
			if found.Items = append(found.Items, record); len(found.Items) == limit && i+1 < len(page.Items) {
				found.Cursor, err = place.cursor()
				return found, err
			}
		}
		if place.Page = page.Cursor; place.Page == "" {
			return found, nil
		}
		if len(found.Items) == limit {
			break
		}
		q.Limit = min(2*q.Limit, siftedAtOnce)
	}
	found.Cursor, err = place.cursor()
	return found, err
}

// siftedTo returns the position where the page begins.
func siftedTo(q Query, filter string) (siftPlace, error) {
	sum := sha256.Sum256(fmt.Appendf(q.fingerprint(), "%q", filter))
	place := siftPlace{Query: sum[:fingerprintBytes]}
	if q.Cursor == "" {
		return place, nil
	}
	var given siftPlace
	raw, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err == nil {
		err = json.Unmarshal(raw, &given)
	}
	if err != nil || !slices.Equal(given.Query, place.Query) {
		return place, invalid("store.list", "cursor", "the cursor does not belong to this query; start again without one")
	}
	return given, nil
}

// passed reports whether a sort key is not behind the place.
func (p siftPlace) passed(at string, backward bool) bool {
	if backward {
		return p.After != "" && at >= p.After
	}
	return at <= p.After
}

// cursor encodes the place as text.
func (p siftPlace) cursor() (string, error) {
	raw, err := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(raw), err
}

// LinksThat lists the links of a directory with a status and a reason (see
// [directory.Link.Stands]). limit is at least 1.
func (s *Store) LinksThat(ctx context.Context, id directory.ID, status directory.LinkStatus, reason directory.Reason, limit int, cursor string) (List[directory.Link], error) {
	q := Query{PK: join(linkPart, string(id)), Index: true, Limit: limit, Cursor: cursor}
	return sift(ctx, s, q, join(string(status), string(reason)), func(l directory.Link) bool { return l.Stands(status, reason) })
}

// GroupLinksThat does the same for the links of groups.
func (s *Store) GroupLinksThat(ctx context.Context, id directory.ID, status directory.LinkStatus, reason directory.Reason, limit int, cursor string) (List[directory.GroupLink], error) {
	q := Query{PK: join(groupPart, linkPart, string(id)), Index: true, Limit: limit, Cursor: cursor}
	return sift(ctx, s, q, join(string(status), string(reason)), func(l directory.GroupLink) bool { return l.Stands(status, reason) })
}
