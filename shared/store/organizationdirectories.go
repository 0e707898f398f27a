package store

import (
	"context"
	"slices"

	"entrasync/shared/directory"
)

// DirectoriesOf lists the directories of one organization that are in use. Unlike
// [Store.Directories] it sees every directory that was stored before.
func (s *Store) DirectoriesOf(ctx context.Context, organization directory.OrganizationID) ([]directory.Directory, error) {
	all, err := s.AnyDirectoriesOf(ctx, organization)
	return slices.DeleteFunc(all, func(d directory.Directory) bool { return !d.Status.InUse() }), err
}

// AnyDirectoriesOf is DirectoriesOf for those of any status.
func (s *Store) AnyDirectoriesOf(ctx context.Context, organization directory.OrganizationID) ([]directory.Directory, error) {
	var all []directory.Directory
	err := s.each(ctx, Query{PK: organizationPK(organization), SKPrefix: join(directoryPart, "")}, func(item Item) error {
		d, err := decode[directory.Directory](item)
		d.Version = item.Version
		all = append(all, d)
		return err
	})
	return all, err
}
