package store

import (
	"context"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Owner is the JumpCloud user that an Entra account belongs to.
type Owner struct {
	Organization directory.OrganizationID `json:"organizationId"`
	User         directory.UserID         `json:"userId"`
	Username     string                   `json:"username,omitempty"` // when the account was claimed
}

// Name is the owner for people.
func (o Owner) Name() string {
	if o.Username == "" {
		return string(o.User)
	}
	return o.Username + " (" + string(o.User) + ")"
}

// is reports whether two owners are the same user.
func (o Owner) is(other Owner) bool {
	return o.Organization == other.Organization && o.User == other.User
}

// Owner reads whom an account belongs to; NotFound if to nobody.
func (s *Store) Owner(ctx context.Context, tenant directory.TenantID, account directory.EntraID) (Owner, error) {
	owner, _, err := get[Owner](ctx, s, ownerKey(tenant, account))
	return owner, err
}

// ownerKey is where the owner of an account lies.
func ownerKey(tenant directory.TenantID, account directory.EntraID) Key {
	return Key{PK: join(tenantPart, strings.ToLower(string(tenant)), entraPart, string(account)), SK: "owner"}
}

// Claim makes the user the owner of an Entra account. If the account belongs to
// another JumpCloud user already, that owner comes back with a fault of kind
// Conflict: an account has at most one owner per tenant.
func (s *Store) Claim(ctx context.Context, tenant directory.TenantID, account directory.EntraID, claimant Owner) (Owner, error) {
	item, err := encode(ownerKey(tenant, account), claimant)
	if err != nil {
		return Owner{}, err
	}
	_, err = s.table.Put(ctx, item, Absent)
	if !fault.Is(err, fault.Changed) {
		return claimant, err
	}
	owner, _, err := get[Owner](ctx, s, item.Key)
	if err != nil {
		return Owner{}, err
	}
	if owner.is(claimant) {
		return owner, nil
	}
	return owner, &fault.Error{Op: "store.claim", Kind: fault.Conflict, Subject: string(account), Message: "the account belongs to the JumpCloud user " + owner.Name() + " of organization " + string(owner.Organization)}
}

// Unclaim gives an account back that the user claimed and did not get.
func (s *Store) Unclaim(ctx context.Context, tenant directory.TenantID, account directory.EntraID, claimant Owner) error {
	key := ownerKey(tenant, account)
	owner, version, err := get[Owner](ctx, s, key)
	if fault.Is(err, fault.NotFound) || (err == nil && !owner.is(claimant)) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.table.Delete(ctx, key, IfVersion(version))
}
