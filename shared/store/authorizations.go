package store

import (
	"context"
	"time"

	"entrasync/shared/directory"
)

// Authorization is an invitation to let the application into the tenant of a directory. The
// browser of whoever follows it comes back with its secret, once.
type Authorization struct {
	ID        string       `json:"id"`
	Directory directory.ID `json:"directoryId"`
	// Hash is that of the secret, so that nothing that is stored gives it away.
	Hash      string    `json:"hash"`
	By        string    `json:"by"` // who asked for it
	CreatedAt time.Time `json:"createdAt"`
	Until     time.Time `json:"until"`
	// UsedAt is when a browser came back with it; zero: none did.
	UsedAt  time.Time `json:"usedAt,omitzero"`
	Version int64     `json:"-"`
}

// authorizationKey is the key of an invitation. It has no organization: a browser that comes
// back names none.
func authorizationKey(id string) Key {
	return Key{PK: join(authorizationPart, id), SK: authorizationPart}
}

// item is the item of the invitation. It is kept for some time after its end, so that a page
// can say who came too late.
func (a Authorization) item() (Item, error) {
	item, err := encode(authorizationKey(a.ID), a)
	item.Expires = a.Until.Add(authorizationRetention).Unix()
	return item, err
}

// authorizationRetention is how long an invitation is kept after its end.
const authorizationRetention = 24 * time.Hour

// AddAuthorization stores a new invitation.
func (s *Store) AddAuthorization(ctx context.Context, a Authorization) error {
	item, err := a.item()
	if err != nil {
		return err
	}
	return s.add(ctx, item)
}

// Authorization reads an invitation; NotFound if there is none.
func (s *Store) Authorization(ctx context.Context, id string) (Authorization, error) {
	a, version, err := get[Authorization](ctx, s, authorizationKey(id))
	a.Version = version
	return a, missing(err, "invitation", id)
}

// UseAuthorization stores that a browser came back with an invitation; Changed if another
// one did since it was read.
func (s *Store) UseAuthorization(ctx context.Context, a Authorization, at time.Time) error {
	a.UsedAt = at.UTC()
	item, err := a.item()
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, IfVersion(a.Version))
	return err
}
