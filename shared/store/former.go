package store

import (
	"context"
	"slices"

	"entrasync/shared/directory"
)

// former is the user to whom an account belonged in a directory until its claim was given up:
// the account itself may not say so. It stays when somebody else claims the account, and is
// of no consequence then.
type former struct {
	User directory.UserID `json:"userId"`
}

// formerKey is the key of the former user of an account in a directory.
func formerKey(tenant directory.TenantID, account directory.EntraID, by directory.ID) Key {
	return Key{PK: accountPK(tenant, account), SK: join("former", string(by))}
}

// FormerUsers are the users to whom accounts belonged in a directory until their claims were
// given up ([Store.Release]), each once.
func (s *Store) FormerUsers(ctx context.Context, tenant directory.TenantID, by directory.ID, accounts []directory.EntraID) ([]directory.UserID, error) {
	distinct := slices.Compact(slices.Sorted(slices.Values(accounts))) // no key may occur twice
	var users []directory.UserID
	for chunk := range slices.Chunk(distinct, MaxBatchGet) {
		keys := make([]Key, len(chunk))
		for i, account := range chunk {
			keys[i] = formerKey(tenant, account, by)
		}
		items, err := s.table.BatchGet(ctx, keys)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			f, err := decode[former](item)
			if err != nil {
				return nil, err
			}
			users = append(users, f.User)
		}
	}
	slices.Sort(users)
	return slices.Compact(users), nil
}
