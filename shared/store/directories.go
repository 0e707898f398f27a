package store

import (
	"context"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// The index keys under which all organizations and all directories are listed.
const (
	organizationsIndex = "organizations"
	directoriesIndex   = "directories"
)

// CreateOrganization stores a new organization; Conflict if there is one with its id.
func (s *Store) CreateOrganization(ctx context.Context, o directory.Organization) error {
	item, err := organizationItem(o)
	if err != nil {
		return err
	}
	if err = s.add(ctx, item); fault.Is(err, fault.Changed) {
		return &fault.Error{Op: "store.create organization", Kind: fault.Conflict, Subject: string(o.ID), Message: "the organization " + string(o.ID) + " is there already"}
	}
	return err
}

// PutOrganization replaces an organization; Changed if another writer was faster.
func (s *Store) PutOrganization(ctx context.Context, o directory.Organization) error {
	item, err := organizationItem(o)
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, IfVersion(o.Version))
	return err
}

// organizationItem is the item of an organization, in the index of all organizations.
func organizationItem(o directory.Organization) (Item, error) {
	item, err := encode(organizationKey(o.ID), o)
	item.IndexPK, item.IndexSK = organizationsIndex, string(o.ID)
	return item, err
}

// organizationKey is the key of an organization.
func organizationKey(id directory.OrganizationID) Key {
	return Key{PK: organizationPK(id), SK: organizationPart}
}

// Organization reads one organization; NotFound if there is none.
func (s *Store) Organization(ctx context.Context, id directory.OrganizationID) (directory.Organization, error) {
	o, version, err := get[directory.Organization](ctx, s, organizationKey(id))
	o.Version = version
	return o, missing(err, "organization", string(id))
}

// Organizations lists all organizations, one page of them.
func (s *Store) Organizations(ctx context.Context, limit int, cursor string) (List[directory.Organization], error) {
	return list[directory.Organization](ctx, s, Query{PK: organizationsIndex, Index: true, Limit: limit, Cursor: cursor})
}

// AllOrganizations lists all organizations. One that was created just now may be
// missing, because the index can lag behind.
func (s *Store) AllOrganizations(ctx context.Context) ([]directory.Organization, error) {
	var all []directory.Organization
	err := s.each(ctx, Query{PK: organizationsIndex, Index: true}, func(item Item) error {
		o, err := decode[directory.Organization](item)
		all = append(all, o)
		return err
	})
	return all, err
}

// PutDirectory stores a directory, a new one if its Version is 0, and returns its new
// version; Changed if another writer was faster.
func (s *Store) PutDirectory(ctx context.Context, d directory.Directory) (int64, error) {
	item, err := directoryItem(d)
	if err != nil {
		return 0, err
	}
	return s.table.Put(ctx, item, IfVersion(d.Version))
}

// directoryItem is the item of a directory, in the index of all directories.
func directoryItem(d directory.Directory) (Item, error) {
	item, err := encode(directoryKey(d.ID), d)
	item.IndexPK, item.IndexSK = directoriesIndex, string(d.ID)
	return item, err
}

// directoryKey is the key of a directory.
func directoryKey(id directory.ID) Key {
	return Key{PK: organizationPK(id.Organization()), SK: join(directoryPart, string(id))}
}

// Directory reads one directory; NotFound if there is none, or if it is not in use.
func (s *Store) Directory(ctx context.Context, id directory.ID) (directory.Directory, error) {
	d, err := s.AnyDirectory(ctx, id)
	if err == nil && !d.Status.InUse() {
		return directory.Directory{}, notInUse(d)
	}
	return d, err
}

// notInUse is the fault that a directory is not in use any more, or not yet.
func notInUse(d directory.Directory) error {
	why := " is being deactivated"
	if d.Status == directory.Importing {
		why = " is being put back from its export: send the rest of that, or deactivate the directory"
	}
	return &fault.Error{Op: "store", Kind: fault.NotFound, Subject: string(d.ID), Message: "the directory " + string(d.ID) + why}
}

// AnyDirectory is Directory for one of any status.
func (s *Store) AnyDirectory(ctx context.Context, id directory.ID) (directory.Directory, error) {
	d, version, err := get[directory.Directory](ctx, s, directoryKey(id))
	d.Version = version
	return d, missing(err, "directory", string(id))
}

// Directories lists all directories of all organizations, of any status.
func (s *Store) Directories(ctx context.Context, limit int, cursor string) (List[directory.Directory], error) {
	return list[directory.Directory](ctx, s, Query{PK: directoriesIndex, Index: true, Limit: limit, Cursor: cursor})
}
