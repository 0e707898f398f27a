package store

import (
	"context"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Shown are the records of a user or a group in one directory, for people and not for
// decisions: damaged records are missing in Known.
type Shown[R any] struct {
	Known                          R
	DamagedLink, DamagedConnection bool
}

// ShownUsers reads the links and connections of some users in a directory, for people.
// It logs the keys of damaged records.
func (s *Store) ShownUsers(ctx context.Context, id directory.ID, users []directory.UserID) (map[directory.UserID]Shown[User], error) {
	return shown(ctx, s, users, func(user directory.UserID) (link, connection Key) {
		return linkKey(id, user), connectionKey(id, user)
	}, (*User).add)
}

// ShownGroups does the same for groups.
func (s *Store) ShownGroups(ctx context.Context, id directory.ID, groups []directory.GroupID) (map[directory.GroupID]Shown[Group], error) {
	return shown(ctx, s, groups, func(group directory.GroupID) (link, connection Key) {
		return groupLinkKey(id, group), groupConnectionKey(id, group)
	}, (*Group).add)
}

// shown reads the links and connections of some users or groups. ids must not repeat.
func shown[ID comparable, R any](ctx context.Context, s *Store, ids []ID, keysOf func(ID) (link, connection Key), add func(*R, Item) error) (map[ID]Shown[R], error) {
	all, of := map[ID]Shown[R]{}, map[Key]ID{}
	var keys []Key
	for _, id := range ids {
		link, connection := keysOf(id)
		of[link], of[connection] = id, id
		keys = append(keys, link, connection)
	}
	items, damaged, err := s.readable(ctx, keys)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		one := all[of[item.Key]]
		if err := add(&one.Known, item); err != nil {
			leftOut(ctx, item.Key, err)
			damaged = append(damaged, item.Key)
			continue
		}
		all[of[item.Key]] = one
	}
	for _, key := range damaged {
		one := all[of[key]]
		link, _ := keysOf(of[key])
		one.DamagedLink = one.DamagedLink || key == link
		one.DamagedConnection = one.DamagedConnection || key != link
		all[of[key]] = one
	}
	return all, nil
}

// readable reads any number of items, for people. It logs the keys of damaged items and
// returns them as damaged.
func (s *Store) readable(ctx context.Context, keys []Key) (items []Item, damaged []Key, err error) {
	for chunk := range slices.Chunk(keys, MaxBatchGet) {
		some, err := s.table.BatchGet(ctx, chunk)
		if IsDamaged(err) {
			var bad []Key
			some, bad, err = s.readEach(ctx, chunk)
			damaged = append(damaged, bad...)
		}
		if err != nil {
			return nil, nil, err
		}
		items = append(items, some...)
	}
	return items, damaged, nil
}

// readEach reads items one by one, because a batch with one damaged item fails
// completely.
func (s *Store) readEach(ctx context.Context, keys []Key) (items []Item, damaged []Key, err error) {
	for _, key := range keys {
		item, err := s.table.Get(ctx, key)
		switch {
		case err == nil:
			items = append(items, item)
		case IsDamaged(err):
			leftOut(ctx, key, err)
			damaged = append(damaged, key)
		case !fault.Is(err, fault.NotFound):
			return nil, nil, err
		}
	}
	return items, damaged, nil
}

// ShownDirectory reads a directory, to show its records to people; NotFound if there is
// none. If its record is damaged, the result has only the ids, and the key is logged.
func (s *Store) ShownDirectory(ctx context.Context, id directory.ID) (directory.Directory, error) {
	d, err := s.Directory(ctx, id)
	if IsDamaged(err) {
		leftOut(ctx, directoryKey(id), err)
		return directory.Directory{ID: id, Organization: id.Organization()}, nil
	}
	return d, err
}

// HasOrganization returns a fault of kind NotFound if there is no such organization. An
// organization with a damaged record exists; the key is logged.
func (s *Store) HasOrganization(ctx context.Context, id directory.OrganizationID) error {
	_, err := s.Organization(ctx, id)
	if IsDamaged(err) {
		leftOut(ctx, organizationKey(id), err)
		return nil
	}
	return err
}

// organizationIDs returns the sorted ids of all organizations, also of those with
// damaged records.
func (s *Store) organizationIDs(ctx context.Context) ([]directory.OrganizationID, error) {
	var ids []directory.OrganizationID
	for q := (Query{PK: organizationsIndex, Index: true}); ; {
		page, err := s.table.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		keys := page.Damaged
		for _, item := range page.Items {
			keys = append(keys, item.Key)
		}
		for _, key := range keys {
			if id, is := strings.CutPrefix(key.PK, join(organizationPart, "")); is {
				ids = append(ids, directory.OrganizationID(id))
			}
		}
		if q.Cursor = page.Cursor; q.Cursor == "" {
			slices.Sort(ids)
			return ids, nil
		}
	}
}
