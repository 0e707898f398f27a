package store

import (
	"context"

	"entrasync/shared/directory"
)

// DirectoriesOf lists the directories of one organization. Unlike [Store.Directories]
// it sees every directory that was stored before.
func (s *Store) DirectoriesOf(ctx context.Context, organization directory.OrganizationID) ([]directory.Directory, error) {
	var all []directory.Directory
	err := s.each(ctx, Query{PK: organizationPK(organization), SKPrefix: join(directoryPart, "")}, func(item Item) error {
		d, err := decode[directory.Directory](item)
		d.Version = item.Version
		all = append(all, d)
		return err
	})
	return all, err
}
