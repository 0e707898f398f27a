package store

import (
	"context"

	"entrasync/shared/directory"
)

// waitPart begins the keys of those who wait for a manager's account.
const waitPart = "W"

// Wait says that a user's manager is to be written as soon as the manager has an
// account in the directory.
type Wait struct {
	Directory directory.ID     `json:"directoryId"`
	Manager   directory.UserID `json:"managerId"`
	User      directory.UserID `json:"userId"`
}

// key is where a wait lies: with all that wait for the same manager.
func (w Wait) key() Key {
	return Key{PK: waitsPK(w.Directory, w.Manager), SK: string(w.User)}
}

// waitsPK holds who waits for a manager.
func waitsPK(id directory.ID, manager directory.UserID) string {
	return join(organizationPart, string(id.Organization()), waitPart, string(id), string(manager))
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

// Waits lists all who wait for a manager's account in a directory.
func (s *Store) Waits(ctx context.Context, id directory.ID, manager directory.UserID) ([]Wait, error) {
	var waits []Wait
	q := Query{PK: waitsPK(id, manager)}
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
