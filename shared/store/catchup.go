package store

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// CatchUp is how far the feed of an organization has been read for events whose webhook did
// not come, and how that goes.
//
// The feed is read in windows of time. What is in a window is read page by page, and the
// record has the place after the last page, so that another process reads on there.
type CatchUp struct {
	Organization directory.OrganizationID `json:"organizationId"`
	// From is where the next window begins, or where the present one did; zero before the
	// first one.
	From time.Time `json:"from,omitzero"`
	// To is where the present window ends; zero if none is being read. After is the place in
	// it that was reached, as JumpCloud named it; "" for its beginning.
	To    time.Time `json:"to,omitzero"`
	After string    `json:"after,omitempty"`
	// Then is where the next window begins, if the present one is of the time in Unread; else
	// zero.
	Then time.Time `json:"then,omitzero"`
	// Holder reads the feed until HeldUntil, and nobody else; "" if nobody does.
	Holder    string    `json:"holder,omitempty"`
	HeldUntil time.Time `json:"heldUntil,omitzero"`
	// LastRunAt is when a window was last read to its end.
	LastRunAt time.Time `json:"lastRunAt,omitzero"`
	// Found is how many events were found whose webhook had not come, and LastFoundAt when
	// the last of them was.
	Found       int       `json:"found,omitempty"`
	LastFoundAt time.Time `json:"lastFoundAt,omitzero"`
	// LastWebhookAt is when the tasks of an event were last sent that a webhook brought, as
	// far as that was read: a feed without events shows no webhook either.
	LastWebhookAt time.Time `json:"lastWebhookAt,omitzero"`
	// Trouble is why the feed is not read; nil if it is.
	Trouble *FeedTrouble `json:"trouble,omitempty"`
	// NextTryAt is when it is tried again; zero for the next run.
	NextTryAt time.Time `json:"nextTryAt,omitzero"`
	// Unread is the time that could not be read, because JumpCloud says that the plan does
	// not show it; nil if there is none.
	Unread *FeedGap `json:"unread,omitempty"`
	// RulesMigrated says that no rule in JumpCloud that an earlier version made makes alerts
	// since. RulesTryAt is when it is tried again to make sure of that, if it failed.
	RulesMigrated bool      `json:"rulesMigrated,omitempty"`
	RulesTryAt    time.Time `json:"rulesTryAt,omitzero"`

	Version int64 `json:"-"`
}

// FeedTrouble is why the feed of an organization is not read.
type FeedTrouble struct {
	Reason  directory.Reason `json:"reason"`
	Message string           `json:"message"`
	Since   time.Time        `json:"since"`
}

// FeedGap is a time of a feed.
type FeedGap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// NextTryAt is when it is tried again to read it.
	NextTryAt time.Time `json:"nextTryAt,omitzero"`
}

// IsHeld reports whether a process reads the feed at a time.
func (c CatchUp) IsHeld(now time.Time) bool { return c.Holder != "" && c.HeldUntil.After(now) }

// catchUpKey is the key of the catch-up of an organization.
func catchUpKey(id directory.OrganizationID) Key {
	return Key{PK: organizationPK(id), SK: catchUpPart}
}

// CatchUp reads how far the feed of an organization was read. The record is empty if it
// never was.
func (s *Store) CatchUp(ctx context.Context, id directory.OrganizationID) (CatchUp, error) {
	c, version, err := get[CatchUp](ctx, s, catchUpKey(id))
	if fault.Is(err, fault.NotFound) {
		return CatchUp{Organization: id}, nil
	}
	c.Version = version
	return c, err
}

// PutCatchUp stores how far the feed was read, and returns the record with its new version;
// Changed if another process was faster. It stores before which events were found there: a
// process that dies in between reads them again and leaves them out.
func (s *Store) PutCatchUp(ctx context.Context, c CatchUp, found ...Seen) (CatchUp, error) {
	for _, each := range found {
		if err := s.AddSeen(ctx, each); err != nil {
			return c, err
		}
	}
	item, err := encode(catchUpKey(c.Organization), c)
	if err != nil {
		return c, err
	}
	version, err := s.table.Put(ctx, item, IfVersion(c.Version))
	if err == nil {
		c.Version = version
	}
	return c, err
}

// TryCatchUp makes the next run read the feed of an organization, although it was to wait:
// what was in its way may be gone.
func (s *Store) TryCatchUp(ctx context.Context, id directory.OrganizationID) error {
	return Contended(ctx, func() error {
		c, err := s.CatchUp(ctx, id)
		if err != nil || c.NextTryAt.IsZero() {
			return err
		}
		c.NextTryAt = time.Time{}
		_, err = s.PutCatchUp(ctx, c)
		return err
	})
}
