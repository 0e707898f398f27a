package store

import (
	"context"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// maxTenantNames is how many names of a tenant are claimed at most, so that one
// transaction can write them with the directory and the others on its tenant. Few
// tenants have more; then the first names are claimed, among them the tenant's id.
const maxTenantNames = 50

// tenantClaim is the record of one name of a tenant. It stays when a directory is
// removed or the tenant loses the name: the records of the directories decide.
type tenantClaim struct {
	Directories []directory.ID `json:"directories"`
	version     int64
}

// tenantClaimKey is the key of the claim to a name of a tenant.
func tenantClaimKey(name string) Key { return Key{PK: join(tenantPart, name), SK: "directories"} }

// Neighbours are the other directories that may be on the tenant of a directory,
// or have one of its domains.
type Neighbours struct {
	// Directories are those that exist, in the order of their claims.
	Directories []directory.Directory
	claims      map[string]tenantClaim // by name, those that do not have the directory yet
}

// Neighbours reads the other directories that claimed a name of the directory's tenant.
// It sees every directory that [Store.PutDirectoryAmong] stored before.
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
		other, err := s.AnyDirectory(ctx, id)
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

// claimed returns the names of the tenant that a directory claims.
func claimed(d directory.Directory) []string {
	names := d.TenantNames()
	return names[:min(len(names), maxTenantNames)]
}

// PutDirectoryAmong stores a directory like [Store.PutDirectory] with the rollout of its
// settings (nil: none), claims the names of its tenant and stores the other changed
// directories, all in one transaction. It returns Changed if, after [Store.Neighbours] read
// them, another writer changed one of the directories or claimed one of the names, or changed
// the rollout after it was read. So of two new directories on one tenant the second always
// sees the first.
func (s *Store) PutDirectoryAmong(ctx context.Context, d directory.Directory, rollout *Rollout, neighbours Neighbours, changed ...directory.Directory) (int64, error) {
	var writes []Write
	if rollout != nil {
		begins, err := rollout.begins()
		if err != nil {
			return 0, err
		}
		writes = append(writes, begins)
		excluded, err := excludedWrites(d.ID, rollout.ExcludedBefore, rollout.ExcludedNow)
		if err != nil {
			return 0, err
		}
		writes = append(writes, excluded...)
	}
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

// KeepDirectory stores a directory unless another directory writes to the same accounts; before
// is its former state. Otherwise one directory could disable the account of a user whom
// the other still has connected. If the settings allow a shared tenant, one transaction
// writes to both directories that they share it. A directory that waits for its
// authorization counts too, because it works as soon as the tenant consents.
//
// With it, it stores what is to be sent so that its settings are applied (nil: nothing).
//
// The fault is of kind Changed if another writer was faster: try again.
func (s *Store) KeepDirectory(ctx context.Context, before, dir directory.Directory, rollout *Rollout) (directory.Directory, error) {
	neighbours, err := s.Neighbours(ctx, dir)
	if err != nil {
		return dir, err
	}
	known, err := s.withShares(ctx, neighbours.Directories, dir.Shares)
	if err != nil {
		return dir, err
	}
	var others, changed []directory.Directory
	dir.Shares = nil
	for _, other := range known {
		_, overlaps := dir.Overlaps(other)
		if overlaps {
			others = append(others, other)
			dir.Shares = append(dir.Shares, other.ID)
		}
		if knows := slices.Contains(other.Shares, dir.ID); overlaps != knows {
			other.Shares = slices.DeleteFunc(slices.Clone(other.Shares), func(id directory.ID) bool { return id == dir.ID })
			if overlaps {
				other.Shares = append(other.Shares, dir.ID)
			}
			changed = append(changed, other)
		}
	}
	if err := directory.MayShare(before, dir, others); err != nil {
		return dir, err
	}
	dir.Version, err = s.PutDirectoryAmong(ctx, dir, rollout, neighbours, changed...)
	return dir, err
}

// withShares adds to directories those of shares that exist and are missing there.
func (s *Store) withShares(ctx context.Context, directories []directory.Directory, shares []directory.ID) ([]directory.Directory, error) {
	for _, id := range shares {
		if slices.ContainsFunc(directories, func(d directory.Directory) bool { return d.ID == id }) {
			continue
		}
		other, err := s.AnyDirectory(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		directories = append(directories, other)
	}
	return directories, nil
}
