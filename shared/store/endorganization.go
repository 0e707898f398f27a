package store

import (
	"context"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// BeginEndOfOrganization says that an organization is not served any more, as it was read, and
// stores the job that deletes what is known of it, in one transaction; Changed if somebody changed
// the organization since.
func (s *Store) BeginEndOfOrganization(ctx context.Context, o directory.Organization, j Job) (Job, error) {
	o.Deactivating = j.ID
	item, err := organizationItem(o)
	if err != nil {
		return j, err
	}
	begins, err := beginJob(j)
	if err != nil {
		return j, err
	}
	if err := s.table.Transact(ctx, append(begins, Write{Item: item, If: IfVersion(o.Version)})); err != nil {
		return j, err
	}
	j.Version = 1
	return j, nil
}

// ForgetOrganization deletes a piece of what is known of an organization that has no directory; over
// says that nothing is left but its own record and the audit log. vias are the ways by which events
// of it came.
func (s *Store) ForgetOrganization(ctx context.Context, id directory.OrganizationID, vias ...string) (over bool, err error) {
	queries := []Query{{PK: importedIndex(id), Index: true}, {PK: strandedPK(id, "")}}
	for _, via := range vias {
		queries = append(queries, Query{PK: seenPK(id, via)})
	}
	for _, q := range queries {
		if left, err := s.forgetSome(ctx, q); err != nil || left {
			return false, err
		}
	}
	for _, key := range []Key{catchUpKey(id), credentialNoticeKey(id)} {
		if err := s.table.Delete(ctx, key, Any); err != nil {
			return false, err
		}
	}
	return true, nil
}

// EndOrganization deletes the record of an organization of which nothing else is left, and stores
// that the job has ended, in one transaction. Conflict while there is a directory of it; Changed if
// somebody changed the organization or the job since they were read.
func (s *Store) EndOrganization(ctx context.Context, o directory.Organization, j Job) (Job, error) {
	left, err := s.AnyDirectoriesOf(ctx, o.ID)
	if err != nil {
		return j, err
	}
	if len(left) > 0 {
		return j, &fault.Error{Op: "store.end organization", Kind: fault.Conflict, Subject: string(o.ID), Message: "the organization has the directory " + left[0].Name + " (" + string(left[0].ID) + ") by now: deactivate it too"}
	}
	item, err := jobItem(j)
	if err != nil {
		return j, err
	}
	err = s.table.Transact(ctx, []Write{
		{Item: item, If: IfVersion(j.Version)},
		{Item: Item{Key: j.openKey()}, If: Any, Delete: true},
		{Item: Item{Key: organizationKey(o.ID)}, If: IfVersion(o.Version), Delete: true},
	})
	if err == nil {
		j.Version++
	}
	return j, err
}

// CountImported counts the users of an organization who were imported, up to a number.
func (s *Store) CountImported(ctx context.Context, id directory.OrganizationID, most int) (int, error) {
	page, err := list[Imported](ctx, s, Query{PK: importedIndex(id), Index: true, Limit: most})
	return len(page.Items), err
}

// CountStranded counts the stranded messages of an organization that belong to no directory, up to a
// number.
func (s *Store) CountStranded(ctx context.Context, id directory.OrganizationID, most int) (int, error) {
	page, err := list[Stranded](ctx, s, Query{PK: strandedPK(id, ""), Limit: most})
	return len(page.Items), err
}
