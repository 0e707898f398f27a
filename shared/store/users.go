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

// User are the records of one JumpCloud user.
type User struct {
	Connections []directory.Connection
	Links       []directory.Link
	Imported    []Imported
}

// Link returns the user's link in a directory; found is false if there is none.
func (u User) Link(id directory.ID) (link directory.Link, found bool) {
	for _, l := range u.Links {
		if l.Directory == id {
			return l, true
		}
	}
	return directory.Link{}, false
}

// Paths returns the paths by which the user is connected to a directory.
func (u User) Paths(id directory.ID) []directory.Path {
	for _, c := range u.Connections {
		if c.Directory == id {
			return c.Paths
		}
	}
	return nil
}

// Since is when the connection of the user to a directory began; zero if there is none, or
// never was one.
func (u User) Since(id directory.ID) time.Time {
	for _, c := range u.Connections {
		if c.Directory == id {
			return c.CreatedAt
		}
	}
	return time.Time{}
}

// Ended says why the user's last path to a directory ended; "" if the user has a path,
// or never had one.
func (u User) Ended(id directory.ID) directory.Reason {
	for _, c := range u.Connections {
		if c.Directory == id {
			return c.Ended
		}
	}
	return ""
}

// Directories returns the directories where the user has a link or a connection, each
// once.
func (u User) Directories() []directory.ID {
	seen := map[directory.ID]bool{}
	var ids []directory.ID
	add := func(id directory.ID) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, l := range u.Links {
		add(l.Directory)
	}
	for _, c := range u.Connections {
		add(c.Directory)
	}
	return ids
}

// linkKey is the key of a link.
func linkKey(id directory.ID, user directory.UserID) Key {
	return Key{PK: userPK(id.Organization(), user), SK: join(linkPart, string(id))}
}

// connectionKey is the key of a connection.
func connectionKey(id directory.ID, user directory.UserID) Key {
	return Key{PK: userPK(id.Organization(), user), SK: join(connectionPart, string(id))}
}

// linkItem is the item of a link, in the index under its directory.
func linkItem(l directory.Link) (Item, error) {
	l.Standing = l.AsOf(time.Now().UTC())
	item, err := encode(linkKey(l.Directory, l.User), l)
	item.IndexPK, item.IndexSK = join(linkPart, string(l.Directory)), string(l.User)
	return item, err
}

// User reads all records of a user; an unknown user is empty.
func (s *Store) User(ctx context.Context, organization directory.OrganizationID, id directory.UserID) (User, error) {
	var user User
	err := s.each(ctx, Query{PK: userPK(organization, id)}, user.add)
	return user, err
}

// add adds the record of one item of the user's partition.
func (u *User) add(item Item) error {
	kind, _, _ := strings.Cut(item.SK, "#")
	switch kind {
	case connectionPart:
		c, err := decode[directory.Connection](item)
		c.Version = item.Version
		u.Connections = append(u.Connections, c)
		return err
	case linkPart:
		l, err := decode[directory.Link](item)
		l.Version = item.Version
		u.Links = append(u.Links, l)
		return err
	case importedPart:
		i, err := decode[Imported](item)
		u.Imported = append(u.Imported, i)
		return err
	default:
		return nil
	}
}

// Connect adds a path by which a user is connected to a directory and, if the user has
// no link there yet, a pending link. Adding a path that exists changes nothing.
func (s *Store) Connect(ctx context.Context, id directory.ID, user directory.UserID, path directory.Path, now time.Time) error {
	_, err := s.ConnectRead(ctx, id, user, path, now, time.Time{})
	return err
}

// ConnectRead is Connect for a path that a read shows. since is a time at which JumpCloud
// certainly had the path, if it did not end later. If the user left it after that, it is
// not added: overtaken reports that.
func (s *Store) ConnectRead(ctx context.Context, id directory.ID, user directory.UserID, path directory.Path, now, since time.Time) (overtaken bool, err error) {
	link, err := linkItem(directory.NewLink(id, user))
	if err != nil {
		return false, err
	}
	if _, err := s.table.Put(ctx, link, Absent); err != nil && !fault.Is(err, fault.Changed) {
		return false, err
	}
	_, err = s.changePaths(ctx, id, user, func(c directory.Connection) directory.Connection {
		overtaken = !since.IsZero() && c.LeftAfter(path, since)
		if overtaken || slices.Contains(c.Paths, path) {
			return c
		}
		return c.With(path, true, "", now)
	})
	return overtaken, err
}

// Disconnect removes a path, and stores why if it was the last one; it reports whether
// the path existed.
func (s *Store) Disconnect(ctx context.Context, id directory.ID, user directory.UserID, path directory.Path, why directory.Reason) (bool, error) {
	return s.changePaths(ctx, id, user, func(c directory.Connection) directory.Connection {
		return c.With(path, false, why, time.Now().UTC())
	})
}

// Leave is Disconnect for a path that the user left in JumpCloud at a time. When that was is
// kept also if the path does not exist.
func (s *Store) Leave(ctx context.Context, id directory.ID, user directory.UserID, path directory.Path, why directory.Reason, at time.Time) (bool, error) {
	return s.changePaths(ctx, id, user, func(c directory.Connection) directory.Connection {
		if !slices.Contains(c.Paths, path) {
			return c.Departed(path, at)
		}
		return c.With(path, false, why, at)
	})
}

// changePaths reads a connection, changes it and writes it. It reports whether the paths
// changed.
func (s *Store) changePaths(ctx context.Context, id directory.ID, user directory.UserID, change func(directory.Connection) directory.Connection) (bool, error) {
	changed := false
	err := Contended(ctx, func() error {
		before, version, err := get[directory.Connection](ctx, s, connectionKey(id, user))
		if fault.Is(err, fault.NotFound) {
			before = directory.Connection{Directory: id, User: user}
		} else if err != nil {
			return err
		}
		after := change(before)
		if changed = !slices.Equal(before.Paths, after.Paths); !changed && maps.Equal(before.Left, after.Left) {
			return nil
		}
		return s.putConnection(ctx, after, IfVersion(version), beginsOrEnds(before.Paths, after.Paths))
	})
	return changed && err == nil, err
}

// beginsOrEnds reports whether a change of the paths makes the connection, or ends it.
func beginsOrEnds(before, after []directory.Path) bool {
	return (len(before) == 0) != (len(after) == 0)
}

// putConnection writes a connection; with check, also the check that the link follows it.
func (s *Store) putConnection(ctx context.Context, c directory.Connection, cond IfVersion, check bool) error {
	item, err := connectionItem(c)
	if err != nil {
		return err
	}
	if !check {
		_, err = s.table.Put(ctx, item, cond)
		return err
	}
	due, err := Check{Directory: c.Directory, User: c.User}.write()
	if err != nil {
		return err
	}
	return s.table.Transact(ctx, []Write{{Item: item, If: cond}, due})
}

// connectionItem is the item of a connection, in the index under its directory. A
// connection without a path stays, to say why; it is in the index apart from the others, so
// that it is found when the directory is deactivated.
func connectionItem(c directory.Connection) (Item, error) {
	item, err := encode(connectionKey(c.Directory, c.User), c)
	item.IndexPK, item.IndexSK = join(connectionPart, string(c.Directory)), string(c.User)
	if len(c.Paths) == 0 {
		item.IndexPK = endedPK(c.Directory)
	}
	return item, err
}

// endedPK is the index key of the connections of a directory that have no path.
func endedPK(id directory.ID) string { return join(connectionPart, string(id), "ended") }

// UserRecords are the records of a directory and of some users there.
type UserRecords struct {
	Directory directory.Directory
	// Siblings are the directories of the same organization that share its tenant.
	Siblings []directory.Directory
	// Users have the links and connections in this directory and in its siblings. Those
	// without an account here have the one of the tenant from which they were imported.
	Users map[directory.UserID]User
	// Excluded is who of them is excluded from this directory.
	Excluded Excluded
}

// ReadUsers reads a directory with some of its users, in as few requests as the table
// allows; NotFound if there is no such directory.
func (s *Store) ReadUsers(ctx context.Context, id directory.ID, users []directory.UserID) (UserRecords, error) {
	records := UserRecords{Users: map[directory.UserID]User{}}
	keys := []Key{directoryKey(id)}
	for _, user := range users {
		keys = append(keys, linkKey(id, user), connectionKey(id, user))
	}
	if err := s.readRecords(ctx, &records, id, keys); err != nil {
		return UserRecords{}, err
	}
	if records.Directory.ID == "" {
		return UserRecords{}, missing(fault.New(fault.NotFound, "store.read users", ""), "directory", string(id))
	}
	if !records.Directory.Status.InUse() {
		return UserRecords{}, notInUse(records.Directory)
	}
	exclude := records.Directory.Settings.Exclude
	records.Excluded = Excluded{Exclude: exclude, Exclusion: Exclusion{Directory: id, Group: exclude.Group}, Members: map[directory.UserID]bool{}}
	keys = append(records.importedKeys(users), excludedKeys(id, exclude.Group, users)...)
	for _, sibling := range records.Directory.Shares {
		if sibling.Organization() != id.Organization() {
			continue // it has other users
		}
		keys = append(keys, directoryKey(sibling))
		for _, user := range users {
			keys = append(keys, connectionKey(sibling, user), linkKey(sibling, user))
		}
	}
	return records, s.readRecords(ctx, &records, id, keys)
}

// importedKeys are the keys of the accounts from which users were imported. For users who
// have an account the record is of no use, and reading it would cost something with every
// task.
func (r *UserRecords) importedKeys(users []directory.UserID) []Key {
	var keys []Key
	for _, user := range users {
		if link, _ := r.Users[user].Link(r.Directory.ID); link.EntraID == "" && r.Directory.TenantObject != "" {
			keys = append(keys, importedKey(r.Directory.TenantObject, r.Directory.Organization, user))
		}
	}
	return keys
}

// readRecords reads items and adds them to records.
func (s *Store) readRecords(ctx context.Context, records *UserRecords, id directory.ID, keys []Key) error {
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return err
	}
	for _, item := range items {
		if err := records.add(id, item); err != nil {
			return err
		}
	}
	return nil
}

// add adds the record of one item.
func (r *UserRecords) add(id directory.ID, item Item) error {
	if isExcluded(item) {
		return r.Excluded.add(item)
	}
	if user, is := userOf(item.PK); is {
		known := r.Users[user]
		err := known.add(item)
		r.Users[user] = known
		return err
	}
	d, err := decode[directory.Directory](item)
	d.Version = item.Version
	if d.ID == id {
		r.Directory = d
	} else if d.Status.InUse() {
		r.Siblings = append(r.Siblings, d)
	}
	return err
}

// userOf returns the user of a partition key.
func userOf(pk string) (directory.UserID, bool) {
	parts := strings.Split(pk, "#")
	if len(parts) != 4 || parts[2] != userPart {
		return "", false
	}
	return directory.UserID(parts[3]), true
}

// Accounts reads which accounts users have in a directory. It leaves out users without
// an account and users whose account was freed.
func (s *Store) Accounts(ctx context.Context, id directory.ID, users []directory.UserID) (map[directory.UserID]directory.EntraID, error) {
	accounts := map[directory.UserID]directory.EntraID{}
	err := s.EachLink(ctx, id, users, func(link directory.Link) {
		if account := link.Account(); account != "" {
			accounts[link.User] = account
		}
	})
	return accounts, err
}

// EachLink reads the links of some users in a directory and passes each to do; users without
// one are left out. It keeps only a few links at a time: a group may have very many members.
func (s *Store) EachLink(ctx context.Context, id directory.ID, users []directory.UserID, do func(directory.Link)) error {
	users = slices.Clone(users)
	slices.Sort(users)
	for chunk := range slices.Chunk(slices.Compact(users), MaxBatchGet) {
		keys := make([]Key, len(chunk))
		for i, user := range chunk {
			keys[i] = linkKey(id, user)
		}
		items, err := s.table.BatchGet(ctx, keys)
		if err != nil {
			return err
		}
		for _, item := range items {
			link, err := decode[directory.Link](item)
			if err != nil {
				return err
			}
			link.Version = item.Version
			do(link)
		}
	}
	return nil
}

// Connections lists the connections of a directory.
func (s *Store) Connections(ctx context.Context, id directory.ID, limit int, cursor string) (List[directory.Connection], error) {
	return list[directory.Connection](ctx, s, Query{PK: join(connectionPart, string(id)), Index: true, Limit: limit, Cursor: cursor})
}

// Links lists the links of a directory.
func (s *Store) Links(ctx context.Context, id directory.ID, limit int, cursor string) (List[directory.Link], error) {
	return list[directory.Link](ctx, s, Query{PK: join(linkPart, string(id)), Index: true, Limit: limit, Cursor: cursor})
}
