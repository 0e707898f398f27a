package store

import (
	"context"
	"strings"
	"time"

	"entrasync/shared/directory"
)

// Imported says from which account of a tenant a JumpCloud user was imported. When the user
// is connected to a directory on that tenant, the very account is taken over, whatever its
// name or the user's e-mail is by then.
type Imported struct {
	Tenant       directory.TenantID       `json:"tenantId"` // its object id
	Organization directory.OrganizationID `json:"organizationId"`
	User         directory.UserID         `json:"userId"`
	Account      directory.EntraID        `json:"entraId"`
	At           time.Time                `json:"at"` // of the import
}

// importedKey is the key of the account from which a user was imported. It is among the
// records of the user.
func importedKey(tenant directory.TenantID, organization directory.OrganizationID, user directory.UserID) Key {
	return Key{PK: userPK(organization, user), SK: join(importedPart, strings.ToLower(string(tenant)))}
}

// importedIndex is the index key of the accounts from which users of an organization were imported.
func importedIndex(id directory.OrganizationID) string { return join(importedPart, string(id)) }

// PutImported records from which account a JumpCloud user was imported. A later record of
// the same user and tenant replaces the earlier one.
func (s *Store) PutImported(ctx context.Context, imported ...Imported) error {
	var writes []Write
	at := map[Key]int{}
	for _, i := range imported {
		item, err := encode(importedKey(i.Tenant, i.Organization, i.User), i)
		if err != nil {
			return err
		}
		item.IndexPK, item.IndexSK = importedIndex(i.Organization), join(string(i.User), strings.ToLower(string(i.Tenant)))
		write := Write{Item: item, If: Any}
		if first, twice := at[item.Key]; twice { // no key may occur twice in a transaction
			writes[first] = write
			continue
		}
		at[item.Key] = len(writes)
		writes = append(writes, write)
	}
	return s.transactAll(ctx, writes)
}

// RemoveImported deletes the record of the account from which a user was imported: it
// belongs to somebody else for good.
func (s *Store) RemoveImported(ctx context.Context, tenant directory.TenantID, organization directory.OrganizationID, user directory.UserID) error {
	return s.table.Delete(ctx, importedKey(tenant, organization, user), Any)
}

// ImportedFrom is the account of a tenant from which the user was imported; "" if the user
// was not, or if the record was not read.
func (u User) ImportedFrom(tenant directory.TenantID) directory.EntraID {
	for _, i := range u.Imported {
		if strings.EqualFold(string(i.Tenant), string(tenant)) {
			return i.Account
		}
	}
	return ""
}
