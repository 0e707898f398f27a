package store

import (
	"context"

	"entrasync/shared/directory"
)

// Awaited is what users can wait for.
type Awaited string

// ManagerAccount is the account of a manager in a directory, which may arrive.
func ManagerAccount(id directory.ID, manager directory.UserID) Awaited {
	return Awaited(join(organizationPart, string(id.Organization()), waitPart, string(id), string(manager)))
}

// FreeAccount is an account of a tenant that belongs to somebody else, or has a
// name that somebody else wants.
func FreeAccount(tenant directory.TenantID, account directory.EntraID) Awaited {
	return Awaited(join(accountPK(tenant, account), waitPart))
}

// Wait says that a user is to be looked at when something happens to what they
// wait for.
type Wait struct {
	For       Awaited          `json:"for"`
	Directory directory.ID     `json:"directoryId"`
	User      directory.UserID `json:"userId"`
}

// key is where a wait lies: with all that wait for the same.
func (w Wait) key() Key {
	return Key{PK: string(w.For), SK: join(string(w.Directory), string(w.User))}
}

// AddWaits keeps waits; those that are there already stay.
func (s *Store) AddWaits(ctx context.Context, waits ...Wait) error {
	return s.changeWaits(ctx, false, waits)
}

// RemoveWaits removes waits, there or not.
func (s *Store) RemoveWaits(ctx context.Context, waits ...Wait) error {
	return s.changeWaits(ctx, true, waits)
}

// changeWaits puts or deletes waits.
func (s *Store) changeWaits(ctx context.Context, remove bool, waits []Wait) error {
	writes := make([]Write, len(waits))
	for i, w := range waits {
		item, err := encode(w.key(), w)
		if err != nil {
			return err
		}
		writes[i] = Write{Item: item, If: Any, Delete: remove}
	}
	return s.transactAll(ctx, writes)
}

// Waits lists all who wait for something.
func (s *Store) Waits(ctx context.Context, what Awaited) ([]Wait, error) {
	var waits []Wait
	q := Query{PK: string(what)}
	for {
		page, err := list[Wait](ctx, s, q)
		if err != nil {
			return nil, err
		}
		waits = append(waits, page.Items...)
		if q.Cursor = page.Cursor; q.Cursor == "" {
			return waits, nil
		}
	}
}
