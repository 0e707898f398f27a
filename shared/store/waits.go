package store

import (
	"context"

	"entrasync/shared/directory"
)

// Awaited is something that users can wait for.
type Awaited string

// ManagerAccount is an account that a manager may get in a directory.
func ManagerAccount(id directory.ID, manager directory.UserID) Awaited {
	return Awaited(join(organizationPart, string(id.Organization()), waitPart, string(id), string(manager)))
}

// FreeAccount is an account of a tenant that has another owner, or a name that another
// user needs, and that may become free.
func FreeAccount(tenant directory.TenantID, account directory.EntraID) Awaited {
	return Awaited(join(accountPK(tenant, account), waitPart))
}

// ExcludedName is a sign-in name that a user who is excluded from a directory keeps from others
// as long as the exclusion lasts.
func ExcludedName(id directory.ID, excluded directory.UserID) Awaited {
	return Awaited(join(organizationPart, string(id.Organization()), waitPart, string(id), string(excluded), excludedPart))
}

// Wait says that a user gets a task when what the user waits for changes.
type Wait struct {
	For       Awaited          `json:"for"`
	Directory directory.ID     `json:"directoryId"`
	User      directory.UserID `json:"userId"`
}

// key is the key of a wait. All waits for the same thing have the same partition key.
func (w Wait) key() Key {
	return Key{PK: string(w.For), SK: join(string(w.Directory), string(w.User))}
}

// item is the item of a wait, in the index under its directory.
func (w Wait) item() (Item, error) {
	item, err := encode(w.key(), w)
	item.IndexPK, item.IndexSK = join(waitPart, string(w.Directory)), join(string(w.User), string(w.For))
	return item, err
}

// AddWaits stores waits; those that exist already stay.
func (s *Store) AddWaits(ctx context.Context, waits ...Wait) error {
	return s.changeWaits(ctx, false, waits)
}

// RemoveWaits deletes waits; those that do not exist are ignored.
func (s *Store) RemoveWaits(ctx context.Context, waits ...Wait) error {
	return s.changeWaits(ctx, true, waits)
}

// changeWaits puts or deletes waits.
func (s *Store) changeWaits(ctx context.Context, remove bool, waits []Wait) error {
	writes := make([]Write, len(waits))
	for i, w := range waits {
		item, err := w.item()
		if err != nil {
			return err
		}
		writes[i] = Write{Item: item, If: Any, Delete: remove}
	}
	return s.transactAll(ctx, writes)
}

// WaitsPage lists waits for something, one page of them; limit 0 is as many as fit.
func (s *Store) WaitsPage(ctx context.Context, what Awaited, limit int, cursor string) (List[Wait], error) {
	return list[Wait](ctx, s, Query{PK: string(what), Limit: limit, Cursor: cursor})
}
