package store

import (
	"context"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// maxTenantNames is how many names of a tenant are claimed, so that they fit one
// transaction with the directory and the others on its tenant. Few tenants have as
// many; of one that has more the first are claimed, its id among them.
const maxTenantNames = 50

// tenantClaim is what is known under one name of a tenant. It stays when a
// directory goes or the tenant loses the name: what is true stands in the
// directories.
type tenantClaim struct {
	Directories []directory.ID `json:"directories"`
	version     int64
}

// tenantClaimKey is where the claim to a name of a tenant lies.
func tenantClaimKey(name string) Key { return Key{PK: join(tenantPart, name), SK: "directories"} }

// Neighbours are the other directories that may be on the tenant of a directory,
// or have one of its domains.
type Neighbours struct {
	// Directories are those that exist, as they were claimed.
	Directories []directory.Directory
	claims      map[string]tenantClaim // by name, those that the directory is not in yet
}

// Neighbours reads which other directories claimed a name of the directory's
// tenant. It sees every directory that was kept by PutDirectoryAmong before.
func (s *Store) Neighbours(ctx context.Context, d directory.Directory) (Neighbours, error) {
	found := Neighbours{claims: map[string]tenantClaim{}}
	var ids []directory.ID
	for _, name := range claimed(d) {
		claim, version, err := get[tenantClaim](ctx, s, tenantClaimKey(name))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return Neighbours{}, err
		}
		claim.version = version
		for _, id := range claim.Directories {
			if id != d.ID && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		if !slices.Contains(claim.Directories, d.ID) {
			found.claims[name] = claim
		}
	}
	for _, id := range ids {
		other, err := s.Directory(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return Neighbours{}, err
		}
		found.Directories = append(found.Directories, other)
	}
	return found, nil
}

// claimed are the names of the tenant that a directory claims.
func claimed(d directory.Directory) []string {
	names := d.TenantNames()
	return names[:min(len(names), maxTenantNames)]
}

// PutDirectoryAmong keeps a directory like PutDirectory, claims the names of its
// tenant for it and keeps others that were changed with it, all or nothing;
// Changed if since Neighbours was asked somebody changed one of the directories
// or claimed one of the names. So of two new directories on one tenant the second
// one always sees the first.
func (s *Store) PutDirectoryAmong(ctx context.Context, d directory.Directory, neighbours Neighbours, changed ...directory.Directory) (int64, error) {
	var writes []Write
	for _, each := range append([]directory.Directory{d}, changed...) {
		item, err := directoryItem(each)
		if err != nil {
			return 0, err
		}
		writes = append(writes, Write{Item: item, If: IfVersion(each.Version)})
	}
	for _, name := range claimed(d) {
		claim, missing := neighbours.claims[name]
		if !missing {
			continue
		}
		before := claim.version
		claim.Directories = append(slices.Clone(claim.Directories), d.ID)
		item, err := encode(tenantClaimKey(name), claim)
		if err != nil {
			return 0, err
		}
		writes = append(writes, Write{Item: item, If: IfVersion(before)})
	}
	return d.Version + 1, s.table.Transact(ctx, writes)
}
