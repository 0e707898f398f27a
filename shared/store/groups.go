package store

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// groupPK is the partition key of the connections, links and leases of one group, and
// of the connected groups that contain it.
func groupPK(organization directory.OrganizationID, group directory.GroupID) string {
	return join(organizationPart, string(organization), groupPart, string(group))
}

// groupConnectionKey is the key of the connection of a group.
func groupConnectionKey(id directory.ID, group directory.GroupID) Key {
	return Key{PK: groupPK(id.Organization(), group), SK: join(connectionPart, string(id))}
}

// groupLinkKey is the key of the link of a group.
func groupLinkKey(id directory.ID, group directory.GroupID) Key {
	return Key{PK: groupPK(id.Organization(), group), SK: join(linkPart, string(id))}
}

// groupLinkItem is the item of a group's link, in the index under its directory.
func groupLinkItem(l directory.GroupLink) (Item, error) {
	l.Standing = l.AsOf(time.Now().UTC())
	item, err := encode(groupLinkKey(l.Directory, l.Group), l)
	item.IndexPK, item.IndexSK = join(groupPart, linkPart, string(l.Directory)), string(l.Group)
	return item, err
}

// Group is what is known of one JumpCloud group.
type Group struct {
	Connections []directory.GroupConnection
	Links       []directory.GroupLink
	// Within are the connected groups that contain this one.
	Within []Within
	// Excludes are those of the directories that exclude the members of the group.
	Excludes []Exclusion
	// Leases are the leases on the group; they may have expired.
	Leases []Lease
}

// Within says that a connected group (Outer) contains another group (Inner), so that
// the members of Inner are members of Outer.
type Within struct {
	Directory directory.ID      `json:"directoryId"`
	Outer     directory.GroupID `json:"outerId"`
	Inner     directory.GroupID `json:"innerId"`
}

// Connected reports whether the group is connected to a directory.
func (g Group) Connected(id directory.ID) bool {
	return slices.ContainsFunc(g.Connections, func(c directory.GroupConnection) bool { return c.Directory == id })
}

// Since is when the connection of the group to a directory began; zero if there is none.
func (g Group) Since(id directory.ID) time.Time {
	for _, c := range g.Connections {
		if c.Directory == id {
			return c.CreatedAt
		}
	}
	return time.Time{}
}

// Paths returns the paths by which the group is connected to a directory.
func (g Group) Paths(id directory.ID) []directory.Path {
	for _, c := range g.Connections {
		if c.Directory == id {
			return c.Paths
		}
	}
	return nil
}

// Link returns the group's link in a directory; found is false if there is none.
func (g Group) Link(id directory.ID) (link directory.GroupLink, found bool) {
	for _, l := range g.Links {
		if l.Directory == id {
			return l, true
		}
	}
	return directory.GroupLink{}, false
}

// Busy reports whether a worker has a lease on the group in a directory.
func (g Group) Busy(id directory.ID, now time.Time) bool {
	return slices.ContainsFunc(g.Leases, func(l Lease) bool { return l.Directory == id && l.Held(now) })
}

// add adds the record of one item of the group's partition.
func (g *Group) add(item Item) error {
	kind, _, _ := strings.Cut(item.SK, "#")
	switch kind {
	case connectionPart:
		c, err := decode[directory.GroupConnection](item)
		c.Version = item.Version
		if len(c.Paths) > 0 { // else it only says when the group left
			g.Connections = append(g.Connections, c)
		}
		return err
	case linkPart:
		l, err := decode[directory.GroupLink](item)
		l.Version = item.Version
		g.Links = append(g.Links, l)
		return err
	case withinPart:
		w, err := decode[Within](item)
		g.Within = append(g.Within, w)
		return err
	case excludedPart:
		e, err := decode[Exclusion](item)
		g.Excludes = append(g.Excludes, e)
		return err
	case leasePart:
		l, err := decode[Lease](item)
		g.Leases = append(g.Leases, l)
		return err
	default:
		return nil
	}
}

// Group reads all records of a group; an unknown group is empty.
func (s *Store) Group(ctx context.Context, organization directory.OrganizationID, id directory.GroupID) (Group, error) {
	var group Group
	err := s.each(ctx, Query{PK: groupPK(organization, id)}, group.add)
	return group, err
}

// ConnectGroup adds a path by which a group is connected to a directory and, if the
// group has no link there yet, a pending link. It reports whether the path is new.
func (s *Store) ConnectGroup(ctx context.Context, id directory.ID, group directory.GroupID, path directory.Path, now time.Time) (bool, error) {
	isNew, _, err := s.ConnectGroupRead(ctx, id, group, path, now, time.Time{})
	return isNew, err
}

// ConnectGroupRead is ConnectGroup for a path that a read shows, as ConnectRead is for
// users.
func (s *Store) ConnectGroupRead(ctx context.Context, id directory.ID, group directory.GroupID, path directory.Path, now, since time.Time) (isNew, overtaken bool, err error) {
	link, err := groupLinkItem(directory.NewGroupLink(id, group))
	if err != nil {
		return false, false, err
	}
	if _, err := s.table.Put(ctx, link, Absent); err != nil && !fault.Is(err, fault.Changed) {
		return false, false, err
	}
	isNew, err = s.changeGroupPaths(ctx, id, group, now, func(c directory.GroupConnection) directory.GroupConnection {
		overtaken = !since.IsZero() && c.LeftAfter(path, since)
		if !overtaken && !slices.Contains(c.Paths, path) {
			c.Paths = append(c.Paths, path)
		}
		return c
	})
	return isNew, overtaken, err
}

// DisconnectGroup removes a path, or all paths if path is ""; it reports whether there
// was one.
func (s *Store) DisconnectGroup(ctx context.Context, id directory.ID, group directory.GroupID, path directory.Path) (bool, error) {
	return s.changeGroupPaths(ctx, id, group, time.Time{}, func(c directory.GroupConnection) directory.GroupConnection {
		c.Paths = slices.DeleteFunc(c.Paths, func(p directory.Path) bool { return p == path || path == "" })
		return c
	})
}

// LeaveGroup is DisconnectGroup for a path that the group left in JumpCloud at a time. When
// that was is kept also if the path does not exist.
func (s *Store) LeaveGroup(ctx context.Context, id directory.ID, group directory.GroupID, path directory.Path, at time.Time) (bool, error) {
	return s.changeGroupPaths(ctx, id, group, time.Time{}, func(c directory.GroupConnection) directory.GroupConnection {
		c.Paths = slices.DeleteFunc(c.Paths, func(p directory.Path) bool { return p == path })
		return c.Departed(path, at)
	})
}

// changeGroupPaths reads the connection of a group, changes it and writes it. It reports
// whether the paths changed. now is when a new connection begins.
func (s *Store) changeGroupPaths(ctx context.Context, id directory.ID, group directory.GroupID, now time.Time, change func(directory.GroupConnection) directory.GroupConnection) (bool, error) {
	changed := false
	err := Contended(ctx, func() error {
		before, version, err := get[directory.GroupConnection](ctx, s, groupConnectionKey(id, group))
		if fault.Is(err, fault.NotFound) {
			before = directory.GroupConnection{Directory: id, Group: group}
		} else if err != nil {
			return err
		}
		c := before
		c.Paths = slices.Clone(before.Paths)
		if len(before.Paths) == 0 {
			c.CreatedAt = now
		}
		c = change(c)
		if changed = !slices.Equal(before.Paths, c.Paths); !changed && maps.Equal(before.Left, c.Left) {
			return nil
		}
		return s.putGroupConnection(ctx, c, IfVersion(version), beginsOrEnds(before.Paths, c.Paths))
	})
	return changed && err == nil, err
}

// putGroupConnection writes the connection of a group. Without a path it is kept, outside
// of the index, only as long as it says when the group left. With check, the check that the
// link follows it is written too.
func (s *Store) putGroupConnection(ctx context.Context, c directory.GroupConnection, cond IfVersion, check bool) error {
	item, err := groupConnectionItem(c)
	if err != nil {
		return err
	}
	writes := []Write{{Item: item, If: cond, Delete: len(c.Paths) == 0 && c.Left.End().IsZero()}}
	if check {
		due, err := Check{Directory: c.Directory, Group: c.Group}.write()
		if err != nil {
			return err
		}
		writes = append(writes, due)
	}
	return s.table.Transact(ctx, writes)
}

// groupConnectionItem is the item of the connection of a group, in the index under its directory
// as long as it has a path.
func groupConnectionItem(c directory.GroupConnection) (Item, error) {
	item, err := encode(groupConnectionKey(c.Directory, c.Group), c)
	if end := c.Left.End(); len(c.Paths) > 0 {
		item.IndexPK, item.IndexSK = join(groupPart, connectionPart, string(c.Directory)), string(c.Group)
	} else if !end.IsZero() {
		item.Expires = end.Unix()
	}
	return item, err
}

// GroupConnections lists the connected groups of a directory.
func (s *Store) GroupConnections(ctx context.Context, id directory.ID, limit int, cursor string) (List[directory.GroupConnection], error) {
	return list[directory.GroupConnection](ctx, s, Query{PK: join(groupPart, connectionPart, string(id)), Index: true, Limit: limit, Cursor: cursor})
}

// GroupLinks lists the links of the groups of a directory.
func (s *Store) GroupLinks(ctx context.Context, id directory.ID, limit int, cursor string) (List[directory.GroupLink], error) {
	return list[directory.GroupLink](ctx, s, Query{PK: join(groupPart, linkPart, string(id)), Index: true, Limit: limit, Cursor: cursor})
}

// GroupRecords are the records of a directory and of some groups there.
type GroupRecords struct {
	Directory directory.Directory
	Groups    map[directory.GroupID]Group // with link, connection and lease in this directory only
}

// ReadGroups reads a directory with some of its groups; NotFound if there is no
// such directory.
func (s *Store) ReadGroups(ctx context.Context, id directory.ID, groups []directory.GroupID) (GroupRecords, error) {
	records := GroupRecords{Groups: map[directory.GroupID]Group{}}
	keys := []Key{directoryKey(id)}
	of := map[Key]directory.GroupID{}
	for _, group := range groups {
		for _, key := range []Key{groupLinkKey(id, group), groupConnectionKey(id, group), leaseKey(id, group)} {
			of[key] = group
			keys = append(keys, key)
		}
	}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return GroupRecords{}, err
	}
	for _, item := range items {
		group, is := of[item.Key]
		if !is {
			if records.Directory, err = decode[directory.Directory](item); err != nil {
				return GroupRecords{}, err
			}
			records.Directory.Version = item.Version
			continue
		}
		known := records.Groups[group]
		if err := known.add(item); err != nil {
			return GroupRecords{}, err
		}
		records.Groups[group] = known
	}
	if records.Directory.ID == "" {
		return GroupRecords{}, missing(fault.New(fault.NotFound, "store.read groups", ""), "directory", string(id))
	}
	if !records.Directory.Status.InUse() {
		return GroupRecords{}, notInUse(records.Directory)
	}
	return records, nil
}

// batchGet reads any number of items.
func (s *Store) batchGet(ctx context.Context, keys []Key) ([]Item, error) {
	var all []Item
	for chunk := range slices.Chunk(keys, MaxBatchGet) {
		items, err := s.table.BatchGet(ctx, chunk)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
	}
	return all, nil
}

// withinKey is the key of the fact that a group is within another one.
func withinKey(w Within) Key {
	return Key{PK: groupPK(w.Directory.Organization(), w.Inner), SK: join(withinPart, string(w.Directory), string(w.Outer))}
}

// item is the item of that fact, in the index under its directory.
func (w Within) item() (Item, error) {
	item, err := encode(withinKey(w), w)
	item.IndexPK, item.IndexSK = join(withinPart, string(w.Directory)), join(string(w.Inner), string(w.Outer))
	return item, err
}

// PutWithin stores which groups connected groups contain.
func (s *Store) PutWithin(ctx context.Context, all ...Within) error {
	var writes []Write
	for _, w := range all {
		item, err := w.item()
		if err != nil {
			return err
		}
		writes = append(writes, Write{Item: item, If: Any})
	}
	return s.transactAll(ctx, writes)
}

// transactAll does independent writes, in as few transactions as the table allows.
func (s *Store) transactAll(ctx context.Context, writes []Write) error {
	for chunk := range slices.Chunk(writes, MaxTransactItems) {
		if err := s.table.Transact(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}
